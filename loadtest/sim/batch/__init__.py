"""The simulated BATCH platform."""
