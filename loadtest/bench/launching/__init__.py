"""Benchmarks of launching."""
