"""Simulated vendors with their ledgers, benchmarks, the demo, scenarios: the top layer."""
