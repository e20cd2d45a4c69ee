"""Submits at the simulated vendors: forms, faults, texts."""
