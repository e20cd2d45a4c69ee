"""Records of `carriers`: numbers whose carrier is not the one of their prefix, as reports said."""

from __future__ import annotations

from schemas.records.base import Record


class CarrierLearnt(Record, frozen=True, kw_only=True, tag="carrier-learnt"):
    """A report's `code` said that these numbers are with another carrier now.

    `carrier` is its value in dispatcher/core/carriers.py; 0: another one, which the code does not say. `numbers` are
    `count` numbers as in schemas/packed_numbers.py. The last record about a number counts, so a record may be appended
    twice; only what is new is appended. key = `account`, whose report it was.
    """

    account: str
    code: str
    carrier: int
    count: int
    numbers: bytes
    at_ms: int
