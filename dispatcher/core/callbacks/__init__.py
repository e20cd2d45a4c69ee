"""Outgoing callbacks: which events there are, in which order and when each is delivered, how they are signed. Pure."""
