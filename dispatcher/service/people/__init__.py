"""People: who may do what, sessions, tokens, and who did what."""
