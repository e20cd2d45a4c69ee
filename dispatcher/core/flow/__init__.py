"""Pacing inside the flow limit and fair shares between campaigns. Pure."""
