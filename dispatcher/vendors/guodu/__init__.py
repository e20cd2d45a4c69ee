"""GUODU."""
