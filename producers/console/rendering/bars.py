"""A bar in parts, as SVG draws it: widths are attributes, because pages have no inline styles. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

WIDTH: Final = 1000.0
LEAST: Final = 4.0
"""How wide a part with anything in it is at least, so that it is seen."""


class BarPart(msgspec.Struct, frozen=True):
    """A part of a bar that is 1,000 wide: its name, how many, where it begins and how wide it is."""

    name: str
    count: int
    x: float
    width: float


def bar(parts: list[tuple[str, int]]) -> list[BarPart]:
    """The parts side by side; one with anything in it is wide enough to be seen."""
    whole = sum(count for _, count in parts)
    if not whole:
        return [BarPart(name, count, 0.0, 0.0) for name, count in parts]
    wide = [max(WIDTH * count / whole, LEAST) if count else 0.0 for _, count in parts]
    scale, x, found = WIDTH / sum(wide), 0.0, []
    for (name, count), width in zip(parts, wide, strict=True):
        found.append(BarPart(name, count, round(x, 2), round(width * scale, 2)))
        x += width * scale
    return found
