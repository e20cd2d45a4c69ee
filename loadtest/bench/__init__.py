"""Benchmarks: each prints its figures, the naive way in the same run. `make bench` runs all (docs/BENCHMARKS.md).

A benchmark is a module with `async def run(quick: bool) -> list[dict]`; each dict is a figure {name, value, unit,
baseline, ratio}: `baseline` is what the naive way reached in the same run and unit (None where there is none).
"""
