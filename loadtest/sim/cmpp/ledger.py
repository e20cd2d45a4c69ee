"""What the CMPP gateway remembers: every number of every SUBMIT in columns, and the figures made of them.

A row is one number of one SUBMIT, taken or not: 55 octets, no Python object; recipients.py puts the parts of a long
message together. A text is kept once for all rows that have it.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import repeat
from typing import Any, Final

import numpy as np
import polars as pl

from dispatcher.cmpp.pdus import Submit
from loadtest.sim.cmpp import recipients
from loadtest.sim.cmpp.faults import CHARSETS

ACCEPTED, DUE, PUSHED, ACKED, LOST, CANCELLED, FORWARDED = 1, 2, 4, 8, 16, 32, 64
ODD = -1
MOBILE_DIGITS: Final = 11
PREFIXES: Final = (b"", b"86", b"+86", b"+")
Origin = tuple[bytes, bytes]  # Src_Id and Service_Id of a SUBMIT
NO_ORIGIN: Final[Origin] = (b"", b"")
ORIGINS_MAX: Final = 0x10000


def hexed(octets: bytes | bytearray) -> str:
    """Octets for a log line."""
    return bytes(octets).hex(" ")


def mobile(number: bytes) -> int:
    """The eleven digits of a mobile number, without its prefix; ODD if it is not a mobile number."""
    before, digits = number[:-MOBILE_DIGITS], number[-MOBILE_DIGITS:]
    good = before in PREFIXES and len(digits) == MOBILE_DIGITS and digits.isdigit() and digits[:1] == b"1"
    return int(digits) if good else ODD


class Ledger:
    """Rows of all accounts, in the order of arrival."""

    def __init__(self) -> None:
        self.account = array("H")
        self.msg_id = array("Q")
        self.number = array("q")
        self.prefix = array("B")
        self.text = array("q")
        self.reference = array("H")
        self.part = array("B")
        self.parts = array("B")
        self.result = array("B")
        self.status = array("B")
        self.flags = array("B")
        self.arrived_s = array("d")
        self.connection = array("L")
        self.origin = array("H")
        self.origins: list[Origin] = [NO_ORIGIN]
        self._origin_of: dict[Origin, int] = {NO_ORIGIN: 0}
        self.odd: dict[int, bytes] = {}
        self._texts: dict[tuple[bytes, int, int, int], int] = {}
        self._keys_list: list[tuple[bytes, int, int, int]] = []
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
        reference: int,
        part: int,
        parts: int,
        result: int,
        at_s: float,
        connection: int,
        origin: int = 0,
    ) -> int:
        """One more row; its place."""
        row = len(self.msg_id)
        value = mobile(number)
        if value == ODD:
            self.odd[row] = number
        self.account.append(account)
        self.msg_id.append(msg_id)
        self.number.append(value)
        self.prefix.append(0 if value == ODD else PREFIXES.index(number[:-MOBILE_DIGITS]))
        self.text.append(text)
        self.reference.append(reference)
        self.part.append(part)
        self.parts.append(parts)
        self.result.append(result)
        self.status.append(0)
        self.flags.append(0 if result else ACCEPTED)
        self.arrived_s.append(at_s)
        self.connection.append(connection)
        self.origin.append(origin)
        return row

    def add_alike(
        self,
        account: int,
        msg_ids: range,
        numbers: Sequence[int],
        text: int,
        reference: int,
        part: int,
        parts: int,
        at_s: float,
        connection: int,
        origin: int = 0,
    ) -> range:
        """More rows, all taken, which differ in Msg_Id and mobile number alone; their places."""
        start, count = len(self.msg_id), len(msg_ids)
        self.account.extend(repeat(account, count))
        self.msg_id.extend(msg_ids)
        self.number.extend(numbers)
        self.prefix.extend(repeat(0, count))
        self.text.extend(repeat(text, count))
        self.reference.extend(repeat(reference, count))
        self.part.extend(repeat(part, count))
        self.parts.extend(repeat(parts, count))
        self.result.extend(repeat(0, count))
        self.status.extend(repeat(0, count))
        self.flags.extend(repeat(ACCEPTED, count))
        self.arrived_s.extend(repeat(at_s, count))
        self.connection.extend(repeat(connection, count))
        self.origin.extend(repeat(origin, count))
        return range(start, start + count)

    def number_of(self, row: int) -> bytes:
        """As it was submitted, without a prefix."""
        value = self.number[row]
        return self.odd[row] if value == ODD else b"%d" % value

    def number_as_sent(self, row: int) -> bytes:
        """As it was submitted, with its prefix."""
        return PREFIXES[self.prefix[row]] + self.number_of(row)

    def status_index(self, status: str) -> int:
        """The index of a status in `statuses`."""
        index = self._status_of.get(status)
        if index is None:
            index = self._status_of[status] = len(self.statuses)
            self.statuses.append(status)
        return index

    def origin_index(self, src_id: bytes, service_id: bytes) -> int:
        """The index of a sender and service in `origins`; 0 if there are too many."""
        origin = src_id, service_id
        index = self._origin_of.get(origin)
        if index is None:
            if len(self.origins) == ORIGINS_MAX:
                return 0
            index = self._origin_of[origin] = len(self.origins)
            self.origins.append(origin)
        return index

    def mark(self, row: int, flag: int) -> bool:
        """Set a flag; False if it was set."""
        if self.flags[row] & flag:
            return False
        self.flags[row] |= flag
        return True

    def text_index(self, submit: Submit) -> tuple[int, int]:
        """The index of a SUBMIT's text, the same for the same part of the same text; and its reference (0: none)."""
        content, reference = submit.msg_content, 0
        if submit.tp_udhi and content and content[0] < len(content):
            head, content = content[1 : 1 + content[0]], content[1 + content[0] :]
            if head[:1] in (b"\0", b"\x08"):  # parts of a long message, by a reference of 8 or of 16 bits
                reference = int.from_bytes(head[2:-2][:2], "big")
        key = (content, submit.pk_number, submit.pk_total, submit.msg_fmt)
        return self._texts.setdefault(key, len(self._texts)), reference

    def text_of(self, parts: Sequence[int]) -> str:
        """The text that these parts make."""
        keys = self._keys()
        octets = b"".join(keys[part][0] for part in parts)
        return octets.decode(CHARSETS.get(keys[parts[0]][3], "latin-1"), "replace")

    def _keys(self) -> list[tuple[bytes, int, int, int]]:
        if len(self._keys_list) != len(self._texts):
            self._keys_list = list(self._texts)
        return self._keys_list

    def figures(self, account: int, doubles: bool = True) -> dict[str, Any]:
        """What the rows of an account add up to; `doubles`: also what has to be sorted."""
        mine = np.array(self.account) == account
        flags = np.array(self.flags)[mine]
        return {
            "numbers": int(mine.sum()),
            "cancelled": _count(flags, CANCELLED),
            "forwarded": _count(flags, FORWARDED),
            **recipients.figures(self, account, doubles),
        }

    def recipients(self, names: list[str]) -> pl.DataFrame:
        """Who was sent a whole message, a row each."""
        return recipients.frame(self, names)

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
            "text": [self.text_of((self.text[row],)) for row in places],
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
