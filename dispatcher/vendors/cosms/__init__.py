"""COSMS 3.1."""
