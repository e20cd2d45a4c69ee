"""What the CMPP gateway remembers: every number of every SUBMIT in columns, and the figures made of them.

A row is one number of one SUBMIT, taken or not: 50 octets, no Python object.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np
import polars as pl

ACCEPTED, DUE, PUSHED, ACKED, LOST, CANCELLED, FORWARDED = 1, 2, 4, 8, 16, 32, 64
ODD = -1


def hexed(octets: bytes | bytearray) -> str:
    """Octets for a log line."""
    return bytes(octets).hex(" ")


def mobile(number: bytes) -> int:
    """The eleven digits of a mobile number, without its prefix; ODD if it is not a mobile number."""
    digits = number.removeprefix(b"+").removeprefix(b"86") if len(number) > 11 else number
    return int(digits) if len(digits) == 11 and digits.isdigit() and digits[:1] == b"1" else ODD


class Ledger:
    """Rows of all accounts, in the order of arrival."""

    def __init__(self) -> None:
        self.account = array("H")
        self.msg_id = array("Q")
        self.number = array("q")
        self.text = array("q")
        self.part = array("B")
        self.parts = array("B")
        self.result = array("B")
        self.status = array("B")
        self.flags = array("B")
        self.arrived_s = array("d")
        self.connection = array("L")
        self.odd: dict[int, bytes] = {}
        self.statuses: list[str] = [""]
        self._status_of: dict[str, int] = {"": 0}

    def __len__(self) -> int:
        return len(self.msg_id)

    def add(
        self,
        account: int,
        msg_id: int,
        number: bytes,
        text: int,
        part: int,
        parts: int,
        result: int,
        at_s: float,
        connection: int,
    ) -> int:
        """One more row; its place."""
        row = len(self.msg_id)
        value = mobile(number)
        if value == ODD:
            self.odd[row] = number
        self.account.append(account)
        self.msg_id.append(msg_id)
        self.number.append(value)
        self.text.append(text)
        self.part.append(part)
        self.parts.append(parts)
        self.result.append(result)
        self.status.append(0)
        self.flags.append(0 if result else ACCEPTED)
        self.arrived_s.append(at_s)
        self.connection.append(connection)
        return row

    def add_alike(
        self,
        account: int,
        msg_ids: range,
        numbers: Sequence[int],
        text: int,
        part: int,
        parts: int,
        at_s: float,
        connection: int,
    ) -> range:
        """More rows, all taken, which differ in Msg_Id and mobile number alone; their places."""
        start, count = len(self.msg_id), len(msg_ids)
        self.account.extend(repeat(account, count))
        self.msg_id.extend(msg_ids)
        self.number.extend(numbers)
        self.text.extend(repeat(text, count))
        self.part.extend(repeat(part, count))
        self.parts.extend(repeat(parts, count))
        self.result.extend(repeat(0, count))
        self.status.extend(repeat(0, count))
        self.flags.extend(repeat(ACCEPTED, count))
        self.arrived_s.extend(repeat(at_s, count))
        self.connection.extend(repeat(connection, count))
        return range(start, start + count)

    def number_of(self, row: int) -> bytes:
        """As it was submitted, without a prefix."""
        value = self.number[row]
        return self.odd[row] if value == ODD else b"%d" % value

    def status_index(self, status: str) -> int:
        """The index of a status in `statuses`."""
        index = self._status_of.get(status)
        if index is None:
            index = self._status_of[status] = len(self.statuses)
            self.statuses.append(status)
        return index

    def mark(self, row: int, flag: int) -> bool:
        """Set a flag; False if it was set."""
        if self.flags[row] & flag:
            return False
        self.flags[row] |= flag
        return True

    def figures(self, account: int) -> dict[str, Any]:
        """What the rows of an account add up to."""
        mine = np.frombuffer(self.account, np.uint16) == account if len(self) else np.empty(0, bool)
        flags = np.frombuffer(self.flags, np.uint8)[mine] if len(self) else np.empty(0, np.uint8)
        taken = (flags & ACCEPTED) > 0
        numbers = np.frombuffer(self.number, np.int64)[mine][taken] if len(self) else np.empty(0, np.int64)
        texts = np.frombuffer(self.text, np.int64)[mine][taken] if len(self) else np.empty(0, np.int64)
        status = np.frombuffer(self.status, np.uint8)[mine][taken] if len(self) else np.empty(0, np.uint8)
        same = np.unique(np.stack((numbers, texts)), axis=1).shape[1] if numbers.size else 0
        counts = Counter({self.statuses[i]: int(n) for i, n in enumerate(np.bincount(status)) if n and i})
        return {
            "numbers": int(mine.sum()),
            "numbers_accepted": int(taken.sum()),
            "unique_numbers": int(np.unique(numbers).size),
            "double_texts": int(numbers.size - same),
            "reports_due": _count(flags, DUE),
            "reports_pushed": _count(flags, PUSHED),
            "reports_acked": _count(flags, ACKED),
            "reports_lost": _count(flags, LOST),
            "cancelled": _count(flags, CANCELLED),
            "forwarded": _count(flags, FORWARDED),
            "statuses": dict(counts),
        }

    def frame(self, names: list[str], start: int = 0, limit: int | None = None) -> pl.DataFrame:
        """The rows for people: ids as 16 hex digits, flags as columns."""
        end = len(self) if limit is None else min(start + limit, len(self))
        places = range(start, end)
        flags = np.frombuffer(self.flags, np.uint8)[start:end] if len(self) else np.empty(0, np.uint8)
        columns: dict[str, Any] = {
            "account": [names[self.account[row]] for row in places],
            "msg_id": [f"{self.msg_id[row]:016X}" for row in places],
            "number": [self.number_of(row).decode("latin-1") for row in places],
            "part": [self.part[row] for row in places],
            "parts": [self.parts[row] for row in places],
            "result": [self.result[row] for row in places],
            "status": [self.statuses[self.status[row]] for row in places],
            "arrived_s": [self.arrived_s[row] for row in places],
            "connection": [self.connection[row] for row in places],
        }
        bits = {
            "accepted": ACCEPTED,
            "due": DUE,
            "pushed": PUSHED,
            "acked": ACKED,
            "lost": LOST,
            "cancelled": CANCELLED,
        }
        return pl.DataFrame(columns | {name: ((flags & bit) > 0).tolist() for name, bit in bits.items()})


def _count(flags: Any, flag: int) -> int:
    return int(((flags & flag) > 0).sum())
