"""Recipients that move to the next account of their route: docs/ARCHITECTURE.md, "Recipients that move"."""
