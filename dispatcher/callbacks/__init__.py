"""Outgoing callbacks on the log and on the wire."""
