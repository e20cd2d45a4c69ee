"""Benchmarks of reports coming in."""
