"""The simulated GUODU."""
