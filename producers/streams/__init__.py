"""Streams: opening them, and the commands that open, feed, close and list them."""
