"""Simulated vendors with ledgers of their own, measurements, the demo, and the top layer that runs it all."""
