"""The texts of a campaign that are compared: their names, and shares with intervals. Pure."""

from __future__ import annotations

from math import sqrt
from typing import Final

LABELS: Final = "ABCDEFGHIJ"

_Z: Final = 1.959964
"""95 % of a normal distribution lie within this many standard deviations."""


def label(variant: int) -> str:
    """How people call a text: A, B, …"""
    return LABELS[variant]


def interval(events: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share; (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    share, square = events / trials, _Z**2
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    half = _Z / (1 + square / trials) * sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    return max(0.0, middle - half), min(1.0, middle + half)
