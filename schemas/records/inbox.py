"""Records of `jobs`, a lane's inbox: jobs, messages of streams, and people's decisions."""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.batch import Values
from schemas.records.base import Record, ResolvedAs

DECIDED_LATER: Final = -1
"""The variant of recipients whose text is decided after the launch."""


class MovedFrom(msgspec.Struct, frozen=True, array_like=True):
    """Where the recipients of a job come from: the `Moved` at `offset` of `lanes`/`partition`, of this account's lane.

    `left`: the accounts that they left and may return to, the first one first.
    """

    partition: int
    offset: int
    account: str
    left: tuple[str, ...]


class Job(Record, frozen=True, kw_only=True, tag="job"):
    """This account sends recipients [start, start+count) of that batch. key = account.

    `number` counts the jobs of one (attempt, account) from 0 without gaps: a lane takes each number once, in order,
    so a record appended twice is ignored. The batch lies at (`partition`, `offset`) of `recipients`.

    `wave`: it waits until this wave is released; 0: the campaign has no waves. `variant`: the index of its text in
    `Launched.texts`; DECIDED_LATER: what TextDecided says.

    `then`: the accounts that its recipients may be moved to, in order of preference. `moved`: they were moved here;
    then `number` counts what came from that account, for one attempt, from 0 without gaps: the position of its Moved
    among the valid ones, so a job that is appended again by any owner is the same one.
    """

    campaign: str
    attempt: str
    account: str
    number: int
    batch: int
    partition: int
    offset: int
    sha256: bytes
    start: int
    count: int
    wave: int = 0
    variant: int = 0
    then: tuple[str, ...] = ()
    moved: MovedFrom | None = None


class Appended(Record, frozen=True, kw_only=True, tag="appended"):
    """Messages appended to a stream, for this account (core/streams/segments.py says where they belong). key = account.

    `numbers` are comma-joined, as in a batch, and `values` those of the stream's variables. In columns, one for each
    message, 64-bit little-endian: `keys`, the digests of the keys (unsigned); `expires`, the wall clock in milliseconds
    after which it is not sent. `keep_ms`: how long its key is known. `coded`: values refer to verification codes
    (core/streams/hidden_codes.py).
    """

    campaign: str
    attempt: str
    account: str
    at_ms: int
    numbers: bytes
    values: Values
    keys: bytes
    expires: bytes
    keep_ms: int
    coded: bool = False

    @property
    def count(self) -> int:
        """How many messages these are."""
        return len(self.keys) // 8


class Checked(Record, frozen=True, kw_only=True, tag="checked"):
    """A person checked the account and the login succeeded: a lane stopped by `auth` may continue. key = account."""

    account: str
    at_ms: int
    by: str


class Decided(Record, frozen=True, kw_only=True, tag="decided"):
    """A person's decision on unknown chunks, or a report's proof, addressed to the lane's owner.

    The owner turns it into a Resolved. `vendor_id`: the vendor's id of the chunk, if known.

    key = account. `intents` are intents' offsets in `lanes`, each named: a decision never applies to a chunk that
    became unknown after the person looked. `ranges` (start, count; positions in the chunk; then `intents` has one):
    only these recipients of it, with `ids` and `parts` as in Resolved. Empty: all that are unknown.
    """

    account: str
    campaign: str
    intents: tuple[int, ...]
    verdict: ResolvedAs
    at_ms: int
    by: str
    why: str = ""
    vendor_id: str = ""
    ranges: tuple[tuple[int, int], ...] = ()
    ids: bytes = b""
    parts: int = 1
