"""The commands this package adds to `dispatcher` (entry points in pyproject.toml)."""

from loadtest.demo import demo
from loadtest.run import run
from loadtest.scenario_command import loadtest
from loadtest.simulate import simulate

__all__ = ["demo", "loadtest", "run", "simulate"]
