"""Into the log: sources of numbers, launches, webhooks, the API and the console."""

from __future__ import annotations

from producers.commit import LaunchResult
from producers.launch import launch
from producers.plan import Plan

__all__ = ["LaunchResult", "Plan", "launch"]
