"""Segments: parts of earlier campaigns, to be excluded from a launch or to be texted again."""
