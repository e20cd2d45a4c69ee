"""The simulated HEZHONG."""
