"""Records of the suppression list: changes, snapshots, and where the newest snapshot lies."""

from __future__ import annotations

import msgspec

from schemas.records.base import Record, SuppressionSource


class SuppressionOrigin(msgspec.Struct, frozen=True, array_like=True):
    """The origin of numbers of the suppression list: author and reason."""

    source: SuppressionSource
    by: str
    why: str


class Suppression(Record, frozen=True, kw_only=True, tag="suppression"):
    """A change of the suppression list: these numbers must not be texted, or (`adds` false) may be again.

    `numbers` are `count` numbers as in schemas/packed_numbers.py, each as dispatcher/core/suppression.py folds it. The
    last change of a number counts; a change is idempotent, so a record may be appended twice. `by` is a person, or the
    account a phone wrote to; `why` the word it sent, the file's name, or what the person said. key = `source`.
    """

    adds: bool
    count: int
    numbers: bytes
    source: SuppressionSource
    by: str
    at_ms: int
    why: str = ""


class SuppressionSnapshot(Record, frozen=True, kw_only=True, tag="suppression-snapshot"):
    """Piece `part` of the whole list as of one position of its topic, folded: columns of `count` numbers, ascending.

    Number i was put on the list at `times[i]` (Unix seconds) by `origins[origin_index[i]]`; both uint32 columns as in
    schemas/packed_numbers.py. Counts only if a SuppressionSnapshotAt names it. key = `snapshot`, a fresh random name.
    """

    snapshot: str
    part: int
    count: int
    numbers: bytes
    times: bytes
    origins: list[SuppressionOrigin]
    origin_index: bytes


class SuppressionSnapshotAt(Record, frozen=True, kw_only=True, tag="suppression-snapshot-at"):
    """A complete snapshot is in `suppression`: the fold of everything before `upto`, in `parts` pieces behind `upto`.

    A hint in `campaigns` that shortens reading: without it, or with an older one, the fold is the same and takes
    longer. key `suppression!snapshot`.
    """

    snapshot: str
    upto: int
    parts: int
    numbers: int
