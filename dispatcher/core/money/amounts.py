"""Amounts of money as people write and read them. Pure; an amount is an integer of micro-yuan (1e-6 CNY)."""

from __future__ import annotations

import re
from typing import Final

from dispatcher.sentences import WordedError

MICRO_YUAN: Final = 1_000_000
AMOUNT_MAX: Final = 10**9 * MICRO_YUAN
"""No price, budget or top-up is larger."""

_WRITTEN: Final = re.compile(r"(\d{1,12})(?:\.(\d{1,6}))?", re.ASCII)
_DIGITS_SHOWN: Final = 4


class AmountBroken(WordedError, ValueError):
    """A text is no amount of money."""


def micro_yuan(text: str) -> int:
    """The amount in a text such as "0.045" or "500". Raises AmountBroken: it is none, or too large."""
    found = _WRITTEN.fullmatch(text.strip())
    amount = int(found[1]) * MICRO_YUAN + int((found[2] or "").ljust(6, "0")) if found else AMOUNT_MAX + 1
    if amount > AMOUNT_MAX:
        raise AmountBroken(
            '"{text}" is not an amount in CNY: write it like 0.045 or 500, at most 6 decimals', text=text
        )
    return amount


def decimal(amount: int) -> str:
    """The exact amount with at least four decimals: `1,234.5000`."""
    whole, rest = divmod(abs(amount), MICRO_YUAN)
    decimals = f"{rest:06d}"
    decimals = decimals[:_DIGITS_SHOWN] + decimals[_DIGITS_SHOWN:].rstrip("0")
    return f"{'-' if amount < 0 else ''}{whole:,}.{decimals}"


def written(amount: int) -> str:
    """The exact amount as `micro_yuan` reads it: `1234.5`."""
    whole, rest = divmod(amount, MICRO_YUAN)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")


def yuan(amount: int) -> str:
    """As `decimal`, with its currency: `0.0450 CNY`."""
    return f"{decimal(amount)} CNY"
