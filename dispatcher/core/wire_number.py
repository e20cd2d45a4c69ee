"""One phone number: its int64 and its digits on the wire. Whole columns of them: numbers.py.

A domestic mobile (`1[3-9]` and nine digits) is its own eleven digits; every other wire form is
`int(digits) + 10**15 * (1 + leading zeros)`, so that the wire can be rebuilt digit by digit. Pure, and without numpy.
"""

from __future__ import annotations

from typing import Final

DOMESTIC_MIN: Final = 13_000_000_000
DOMESTIC_END: Final = 20_000_000_000
DOMESTIC_DIGITS: Final = 11
OTHER: Final = 10**15
"""The step of the code of every other wire form."""


def from_wire(number: str) -> int:
    """The int64 of one wire number (ASCII digits). Raises ValueError for anything else or over 15 digits."""
    if not (number.isascii() and number.isdigit()):
        raise ValueError("a wire number is ASCII digits only")
    value = int(number)
    if len(number) == DOMESTIC_DIGITS and DOMESTIC_MIN <= value < DOMESTIC_END:
        return value
    zeros = len(number) - len(str(value))
    if value >= OTHER or zeros > 9000:
        raise ValueError("a wire number has at most 15 digits after its leading zeros")
    return value + OTHER * (1 + zeros)


def to_wire(value: int) -> str:
    """The wire form of one int64. Raises ValueError for 0 and other invalid codes."""
    if DOMESTIC_MIN <= value < DOMESTIC_END:
        return str(value)
    zeros, digits = divmod(value, OTHER)
    if zeros < 1:
        raise ValueError(f"{value} is not the code of a number")
    return "0" * (zeros - 1) + str(digits)
