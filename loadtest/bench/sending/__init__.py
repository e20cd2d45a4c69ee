"""Benchmarks of the lane."""
