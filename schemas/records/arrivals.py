"""Records of arrivals and results: reports, messages, dead letters, results, rejected rows."""

from __future__ import annotations

from schemas.records.base import Record


class Reports(Record, frozen=True, kw_only=True, tag="reports"):
    """Many reports of one account in columns. key = account.

    Row i: recipient `numbers[i]` (int64 little-endian, see dispatcher/core/numbers.py; 0 if the vendor names no
    number) of vendor id `ids[id_index[i]]` (uint32) is in `states[i]` (uint8: 1 delivered, 2 failed, 0 waiting) with
    the vendor's code `codes[code_index[i]]` (uint16), reported at `times[i]` (uint32 Unix seconds, 0 unknown).

    `extras`, if not empty, are n values joined by LF: what else the vendor sent for each, verbatim (HEZHONG's platform
    serial). Nothing depends on them; they are kept for disputes with the vendor.
    """

    account: str
    at_ms: int
    ids: list[str]
    id_index: bytes
    numbers: bytes
    states: bytes
    codes: list[str]
    code_index: bytes
    times: bytes
    extras: bytes = b""


class Inbound(Record, frozen=True, kw_only=True, tag="inbound"):
    """One message from a phone. key = account. `message_id` is empty if the vendor gives none."""

    account: str
    number: str
    text: str
    to: str
    at_ms: int
    received_ms: int
    message_id: str = ""
    part: tuple[int, int, int] | None = None
    flags: tuple[str, ...] = ()


class Dead(Record, frozen=True, kw_only=True, tag="dead"):
    """An unreadable push or entry of an authenticated vendor. key = account. `body` is cut at 64 KiB."""

    account: str
    path: str
    why: str
    at_ms: int
    body: bytes


class Finished(Record, frozen=True, kw_only=True, tag="finished"):
    """A chunk whose recipients all have a final state, for downstream readers. key = campaign.

    `numbers` int64, `states` uint8 (schemas/states.py), `codes[code_index[i]]` (uint16); one row per recipient.
    """

    campaign: str
    account: str
    batch: int
    start: int
    vendor_id: str
    numbers: bytes
    states: bytes
    codes: list[str]
    code_index: bytes
    at_ms: int


class Rejects(Record, frozen=True, kw_only=True, tag="rejects"):
    """Rows of a launch that were set aside, in columns. key = campaign.

    Row i: line `rows[i]` of the list (uint64 little-endian, as an editor counts; in older records, and in lists without
    lines, the first row after the header is 1) had the i-th line of `values` (UTF-8, joined by LF; a line break inside
    a value is written as a blank). The reason is `reasons[reason_index[i]]` (uint8): `duplicate`, `suppressed`, or the
    fault of the number (dispatcher/core/numbers.py), or another word of schemas/states.py. `repeats[i]` (uint64
    little-endian) is the line whose number row i repeats, 0 for other reasons; empty if the record has no duplicates,
    and in older ones. If several lists were launched together, `lists` are their names, `list_index[i]` (uint8) is the
    list of row i, and `repeats_list[i]` that of the line which it repeats. Only records of the launched attempt count.
    """

    campaign: str
    attempt: str
    part: int
    rows: bytes
    values: bytes
    reasons: list[str]
    reason_index: bytes
    repeats: bytes = b""
    lists: tuple[str, ...] = ()
    list_index: bytes = b""
    repeats_list: bytes = b""
