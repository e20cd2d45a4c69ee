"""A part of tests' configurations: they send at any time of the day, also at night, when marketing would be held."""

from __future__ import annotations

from typing import Final

ALWAYS: Final = {"hours": {"marketing": "00:00-24:00"}}
ALWAYS_TOML: Final = '[hours]\nmarketing = "00:00-24:00"\n'
