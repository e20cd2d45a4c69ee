"""The HTTP driver: connections, time-outs, and whether a byte was written."""
