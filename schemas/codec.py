"""How a record becomes bytes and back: one version byte, then a tagged msgpack map.

The version byte says which release may read the record. Fields may be added with a default without raising it (old
records then decode with the default, old readers ignore the new field); it is raised only when a reader that does
not know the change would act wrongly. `tests/schemas` keeps golden bytes of every record of every version.

Version 2 is for records about some recipients of a chunk: `Outcomes`, and those whose `ranges` are not empty. A release
that reads only version 1 would take them to be about the whole chunk.

Version 3 is for what decides who may be texted when: a `Launched` with hours, waves, several texts or a budget,
`HoursChanged`, `WaveDecided`, `TextDecided`, the records of budgets; an `Intent` or a `Checkpoint` with `left_out` or
costs. A release that reads only version 2 would send outside the hours, all waves at once, to those who are left out,
or for more than the budget.

Version 4 is for a launch that may be void or ends at a time: a `Launched` with `judged_upto`. A release that reads only
version 3 would send it all the same. And for what moves recipients from one account to another: a `Launched` with
failover, `Moved`, `Handed`, `FailBack`, a `Job` of moved recipients, a `Checkpoint` that has any of it. It would send
what was moved, or take a moved job for another one. And for streams: a `Launched` with `stream`, `StreamClosed`,
`Appended`, `StreamKeys`, `StreamIntent`, a `Checkpoint` with `streams`. It would send a message twice, or late. All
other records stay version 1.
"""

from __future__ import annotations

from typing import Final, cast

import msgspec

from schemas.records import (
    AnyRecord,
    Appended,
    Budgeted,
    BudgetShare,
    Ceded,
    Checkpoint,
    Decided,
    FailBack,
    Handed,
    HoursChanged,
    Intent,
    Job,
    Launched,
    Moved,
    Outcomes,
    Resolved,
    StreamClosed,
    StreamIntent,
    StreamKeys,
    TextDecided,
    WaveDecided,
)

VERSION: Final = 4
"""The newest version that this release reads."""

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[AnyRecord] = msgspec.msgpack.Decoder(cast("type[AnyRecord]", AnyRecord))
_PLAIN: Final = b"\x01"
_IN_PART: Final = b"\x02"
_WITH_TERMS: Final = b"\x03"
_CONDITIONAL: Final = b"\x04"
_MOVING: Final = b"\x04"
_OF_STREAMS: Final = b"\x04"
_WITH_RANGES: Final = frozenset({Resolved, Decided, Checkpoint})
_TERMS: Final = frozenset({HoursChanged, WaveDecided, TextDecided, Budgeted, BudgetShare, Ceded})
_MOVES: Final = frozenset({Moved, Handed, FailBack})
_STREAMS: Final = frozenset({StreamClosed, Appended, StreamKeys, StreamIntent})
_LEAVING_OUT: Final = frozenset({Intent, Checkpoint})

_TAG_KEY: Final = b"\xa1t"
_TAG_BEFORE: Final = 8  # behind the version and the map's header of up to 5 bytes
_TAG_LENGTH: Final = 0x1F  # in the header of a msgpack string of up to 31 bytes
_HEAD_BYTES: Final = _TAG_BEFORE + 1 + _TAG_LENGTH


class NewerRecord(ValueError):
    """The record was written by a newer release (its version byte is higher than ours)."""

    def __init__(self, version: int) -> None:
        super().__init__(f"record of version {version}, this release reads up to {VERSION}")
        self.version = version


class BrokenRecord(ValueError):
    """The bytes are not a record: empty, cut off, or of an unknown kind."""


def encode(record: AnyRecord) -> bytes:
    """The record as bytes. Never fails for a record built from its own types."""
    return _version_of(record) + _encoder.encode(record)


def _version_of(record: AnyRecord) -> bytes:
    """The least version whose readers act rightly on this record."""
    kind = type(record)
    if isinstance(record, Launched) and record.judged_upto is not None:
        return _CONDITIONAL
    if kind in _MOVES or (isinstance(record, Job) and record.moved) or _tells_of_moves(record):
        return _MOVING
    if kind in _STREAMS or (isinstance(record, Launched) and record.stream is not None):
        return _OF_STREAMS
    if kind is Checkpoint and record.streams:  # type: ignore[union-attr]
        return _OF_STREAMS
    if kind in _TERMS or (
        isinstance(record, Launched) and (record.hours or record.waves or record.texts or record.budget)
    ):
        return _WITH_TERMS
    if (kind is Intent and record.cost) or (kind is Checkpoint and record.committed):  # type: ignore[union-attr]
        return _WITH_TERMS
    if kind in _LEAVING_OUT and record.left_out:  # type: ignore[union-attr]
        return _WITH_TERMS
    if kind is Outcomes or (kind in _WITH_RANGES and record.ranges):  # type: ignore[union-attr]
        return _IN_PART
    return _PLAIN


def _tells_of_moves(record: AnyRecord) -> bool:
    if isinstance(record, Launched):
        return record.failover_after_ms > 0
    return isinstance(record, Checkpoint) and record.moves is not None


def peek_tag(value: bytes | memoryview) -> str:
    """The record's tag, without decoding the rest; "" if it cannot be read (`decode` says what is wrong).

    For a reader of millions of records that needs a few kinds of them.
    """
    head = bytes(value[:_HEAD_BYTES])
    at = head.find(_TAG_KEY, 1, _TAG_BEFORE) + len(_TAG_KEY)
    if at < len(_TAG_KEY) or at >= len(head):
        return ""
    begin = at + 1
    return head[begin : begin + (head[at] & _TAG_LENGTH)].decode("ascii", "replace")


def decode(value: bytes | memoryview) -> AnyRecord:
    """The record in these bytes. Raises NewerRecord or BrokenRecord."""
    if not value:
        raise BrokenRecord("an empty record")
    if value[0] > VERSION:
        raise NewerRecord(value[0])
    try:
        return _decoder.decode(memoryview(value)[1:])
    except msgspec.MsgspecError as error:
        raise BrokenRecord(str(error)) from error
