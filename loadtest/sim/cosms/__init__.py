"""The simulated COSMS."""
