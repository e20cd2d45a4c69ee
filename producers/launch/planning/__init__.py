"""The plan of a launch: what it will do, when, and for how much."""
