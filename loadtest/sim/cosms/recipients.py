"""Mobs: whose numbers these are, in one pass where all are Chinese mobiles, one by one otherwise (vendors.md 1.5,
AMB-COSMS-13).

    11 digits, 13… to 19…                  domestic
    0 and 9 to 11 digits                   domestic: a fixed line (PHS)
    86 and a mobile or a fixed line        as `treat86` says
    8 to 15 digits, not from 0             international, if Annex C has its country code; from 1 only 11 digits
    anything else                          illegal
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadtest.sim.cosms.countries import country_code
from loadtest.sim.ledger import numbers
from loadtest.sim.ledger.numbers import ParsedNumbers

DOMESTIC, INTERNATIONAL, UNSUPPORTED, ILLEGAL = range(4)

INTERNATIONAL_DIGITS = range(8, 16)
NORTH_AMERICAN_DIGITS = 11


class Recipients(NamedTuple):
    """The numbers, and what each is; `kinds` is None if all are Chinese mobiles."""

    parsed: ParsedNumbers
    kinds: NDArray[np.uint8] | None

    @property
    def size(self) -> int:
        """How many there are."""
        return int(self.parsed.column.size)

    def has(self, kind: int) -> bool:
        """Is one of them of this kind?"""
        return kind == DOMESTIC if self.kinds is None else bool((self.kinds == kind).any())

    def places(self, *kinds: int) -> NDArray[np.intp]:
        """The places of those of these kinds."""
        if self.kinds is None:
            return np.arange(self.size if DOMESTIC in kinds else 0)
        return np.flatnonzero(np.isin(self.kinds, kinds))

    def chosen(self, places: NDArray[np.intp]) -> ParsedNumbers:
        """Those at these places."""
        column = self.parsed.column[places]
        odd = [self.parsed.odd[-1 - value] for value in column[column < 0].tolist()]
        if odd:
            column[column < 0] = -1 - np.arange(len(odd))
        return ParsedNumbers(column, odd)


def read(raw: bytes, treat86: str) -> Recipients:
    """Every comma-separated token, in order."""
    parsed = numbers.parse(raw)
    if not parsed.odd and len(raw) + 1 == 12 * parsed.column.size:
        return Recipients(parsed, None)
    if not raw:
        return Recipients(parsed, np.empty(0, np.uint8))
    with86 = {"domestic": DOMESTIC, "international": INTERNATIONAL}.get(treat86, ILLEGAL)
    return Recipients(parsed, np.array([_kind(token, with86) for token in raw.split(b",")], np.uint8))


def _kind(token: bytes, with86: int) -> int:
    if not token.isdigit():
        return ILLEGAL
    if _is_domestic(token):
        return DOMESTIC
    if token.startswith(b"86"):
        rest = token[2:]
        return with86 if _is_domestic(rest) or _is_domestic(b"0" + rest) else ILLEGAL
    if token.startswith(b"0") or len(token) not in INTERNATIONAL_DIGITS:
        return ILLEGAL
    if token.startswith(b"1") and (len(token) != NORTH_AMERICAN_DIGITS or token[1:2] < b"2"):
        return ILLEGAL
    return INTERNATIONAL if country_code(token) else UNSUPPORTED


def _is_domestic(token: bytes) -> bool:
    if token.startswith(b"0"):
        return 10 <= len(token) <= 12
    return len(token) == 11 and b"13" <= token[:2] <= b"19"
