"""The results store in one SQLite file."""
