"""Reports of the simulated vendors: planned, scheduled, pushed or kept for polls."""
