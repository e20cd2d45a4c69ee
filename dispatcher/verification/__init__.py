"""Verification codes on the log: their fold as one process reads it, and the secret of their keyed hashes."""
