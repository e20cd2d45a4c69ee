"""`dispatcher unknown`: requests whose outcome is not known."""
