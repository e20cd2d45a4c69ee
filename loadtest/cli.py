"""The commands this package adds to `dispatcher` (entry points in pyproject.toml)."""

from dispatcher.process.command import run
from loadtest.scenarios.command import loadtest
from loadtest.scenarios.demo_command import demo
from loadtest.sim.command import simulate

__all__ = ["demo", "loadtest", "run", "simulate"]
