"""Into the log: sources of numbers, launches, webhooks, the API and the console."""

from __future__ import annotations

from producers.launch.api import launch
from producers.launch.commit import LaunchResult
from producers.launch.plan import Plan

__all__ = ["LaunchResult", "Plan", "launch"]
