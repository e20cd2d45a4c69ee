"""The commands this package adds to `dispatcher` (entry points in pyproject.toml)."""

from loadtest.simulate import simulate

__all__ = ["simulate"]
