"""Recipients that are moved from an account to the next one of their route: see docs/ARCHITECTURE.md, "Recipients that move"."""
