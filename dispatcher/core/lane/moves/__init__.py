"""Recipients that move to the next account of their route: docs/LANE.md, "Recipients that move"."""
