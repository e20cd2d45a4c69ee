"""`dispatcher suppression`: import, export, add, remove."""
