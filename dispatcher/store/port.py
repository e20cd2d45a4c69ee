"""The store port: what is asked of the results, and how the joiner writes them (DESIGN.md 6).

A store is a fold of the log and can be rebuilt from it at any time (`dispatcher store rebuild`). It is written by the
joiner alone; any number of readers read beside it and see whole micro-batches only, at most about a second old.
Open one with `dispatcher.store.opening.open_reader`, or with `dispatcher.store.catching_up.up_to_date`, which first
folds what the log has and no running joiner has folded yet.

All calls block (they are disk reads): from a coroutine, use `asyncio.to_thread`. Errors: StoreError.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.equation import Counts, Status
from dispatcher.core.evidence import Trace
from dispatcher.errors import StoreError
from dispatcher.log.port import Stored
from schemas.records import Finished, Leg, MessageKind, UnknownPolicy
from schemas.states import State

Source = Literal["submit", "report"]
"""Which of a vendor's code tables a code belongs to: the answer to a submit, or a report."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Recipients of one campaign that failed with the same code. `meaning` is "" if the document does not have it."""

    account: str
    vendor: str
    source: Source
    code: str
    meaning: str
    recipients: int


class CampaignView(msgspec.Struct, frozen=True, kw_only=True):
    """One launched campaign with its counts now. `counts` is the sum of `accounts` plus the rejected rows.

    Times are Unix milliseconds, None where nothing happened yet. `unknown_since_ms`: the oldest chunk still unknown.
    `variables`: those of a personalised campaign's `text`; `segments` is then the longest text's.
    """

    id: str
    name: str
    status: Status
    launched_ms: int
    launched_by: str
    text: str
    segments: int
    legs: tuple[Leg, ...]
    weight: int
    urgent: bool
    unknown: UnknownPolicy
    options: dict[str, str]
    paused: bool
    cancelled: bool
    counts: Counts
    accounts: dict[str, Counts]
    invalid_reasons: dict[str, int]
    suppressed_reasons: dict[str, int] = {}
    failures: tuple[Failure, ...]
    first_sent_ms: int | None
    last_sent_ms: int | None
    last_report_ms: int | None
    unknown_since_ms: int | None
    kind: MessageKind = "sms"
    variables: tuple[str, ...] = ()

    @property
    def settled(self) -> bool:
        """Every recipient has its final word (true as well of a cancelled campaign on whose way nothing is left)."""
        return self.counts.open == 0


class UnknownChunk(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk that the vendor may or may not have taken. `intent` is its offset in `lanes`/`partition`.

    `recipients` of its `count` have no report yet. `code` and `text` are the answer's, if there was one.
    """

    partition: int
    intent: int
    account: str
    campaign: str
    batch: int
    start: int
    count: int
    recipients: int
    attempt: int
    since_ms: int
    code: str
    text: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Whose the reports of one account can be that came under ids nobody told us.

    `traces` are those that at least one unknown chunk holds. The next call goes on behind `more_after` ("": from the
    beginning). `crowded`: too many chunks without an id to look through. `each`: the vendor gives each recipient an id,
    so a report proves nothing about a chunk. Neither has traces.
    """

    account: str
    traces: tuple[Trace, ...] = ()
    more_after: str = ""
    crowded: bool = False
    each: bool = False


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The recipients of one batch (at most 50,000) in list order, in columns of equal length.

    `states` as in schemas/states.py. `codes[code_index[i]]`, `vendor_ids[vendor_id_index[i]]` and
    `accounts[account_index[i]]`: entry 0 of each list is "". `from_report[i]`: the code is a report's, else the
    submit's. Times are 0 where there is none. `broken` says why the numbers are missing (0) if they are. `place` is the
    batch's in the log (join_journal.spread_place).
    """

    batch: int
    numbers: NDArray[np.int64]
    states: NDArray[np.uint8]
    codes: list[str]
    code_index: NDArray[np.uint32]
    from_report: NDArray[np.bool_]
    vendor_ids: list[str]
    vendor_id_index: NDArray[np.uint32]
    accounts: list[str]
    account_index: NDArray[np.uint32]
    submitted_ms: NDArray[np.int64]
    reported_s: NDArray[np.uint32]
    broken: str = ""
    place: int = -1


class RejectPage(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that never became recipients. `rows[i]` is the source row, `reasons[reason_index[i]]` why."""

    rows: NDArray[np.uint64]
    values: list[str]
    reasons: list[str]
    reason_index: NDArray[np.uint8]


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign's word on a number. Times are None where nothing happened."""

    campaign: str
    name: str
    state: State
    account: str
    vendor: str
    source: Source
    code: str
    meaning: str
    vendor_id: str
    submitted_ms: int | None
    reported_ms: int | None
    launched_ms: int


class ReportCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the reports of one account. `rows = waiting + applied + repeats + parked + strangers`.

    `waiting` said nothing final; `parked` name an id no outcome has told us yet; `strangers` a number that the chunk
    of their id does not have.
    """

    account: str
    rows: int
    waiting: int
    applied: int
    repeats: int
    parked: int
    strangers: int


class InboundMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message from a phone, the parts of a long one put together. Times are Unix milliseconds.

    `at_ms` is the vendor's time of it (of receipt, where it gave none). Of `parts` parts those `missing` never came:
    then `flags` has "incomplete", and the text says where with "[…]".
    """

    id: int
    account: str
    number: str
    to: str
    text: str
    at_ms: int
    received_ms: int
    message_id: str = ""
    parts: int = 1
    missing: tuple[int, ...] = ()
    flags: tuple[str, ...] = ()


class InboundWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages: None wants all. `since_ms` <= time < `until_ms`; `contains`: capitals don't matter (ASCII)."""

    account: str | None = None
    number: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    contains: str | None = None


class InboundMarks(msgspec.Struct, frozen=True):
    """How far messages were followed: the last whole one of each partition, and when the others were given up."""

    done: dict[int, int]
    overdue_ms: int


class InboundTally(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an account's phones: records, how many of them repeated something, long messages still `waiting`."""

    account: str
    records: int
    repeats: int
    waiting: int


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Something a vendor said that nobody could read. Its body lies at `offset` of `dead`/`partition` on the log."""

    partition: int
    offset: int
    account: str
    path: str
    why: str
    at_ms: int


class DeadCount(msgspec.Struct, frozen=True, kw_only=True):
    """Pushes of an account that nobody could read: how many, and the last one."""

    account: str
    count: int
    last_ms: int
    last_why: str


class Oddity(msgspec.Struct, frozen=True, kw_only=True):
    """Something in a topic that should not be, and how often."""

    topic: str
    what: str
    count: int


class StoreReader(Protocol):
    """An open store, to read. Made for one thread at a time; every call sees the newest committed state."""

    @property
    def url(self) -> str:
        """Where it is, without secrets."""
        ...

    def close(self) -> None:
        """Let go of the file or connection."""
        ...

    def campaigns(self, now_ms: int | None = None) -> list[CampaignView]:
        """All launched campaigns, newest first. `now_ms` (default: the clock) decides who is `no_report`."""
        ...

    def campaign(self, campaign: str, now_ms: int | None = None) -> CampaignView | None:
        """This campaign, or None if no launch of this id was committed (as far as the store has read)."""
        ...

    def pages(
        self, campaign: str, states: Collection[State] | None = None, now_ms: int | None = None
    ) -> Iterator[Page]:
        """The recipients, batch by batch in list order; with `states`, only those, and empty pages are left out."""
        ...

    def unread(self, campaign: str) -> int:
        """How many batches of the campaign were not read from the log yet: their pages have no numbers."""
        ...

    def damaged(self, campaign: str) -> dict[int, str]:
        """The batches (by number) that the log could not give any more, and why; their pages have no numbers."""
        ...

    def rejects(self, campaign: str) -> Iterator[RejectPage]:
        """The rows that are no recipients: invalid, duplicate, suppressed."""
        ...

    def lookup(self, number: int, now_ms: int | None = None) -> list[Sighting]:
        """Where this number (int64, dispatcher/core/numbers.py) is a recipient, newest campaign first."""
        ...

    def inbound(
        self,
        number: str | None = None,
        *,
        wanted: InboundWanted | None = None,
        messages_max: int = 100,
        now_ms: int | None = None,
    ) -> list[InboundMessage]:
        """The newest messages from phones, from this phone (digits as received), or those that are `wanted`.

        `now_ms` (default: the clock) decides whose missing parts are not waited for any more.
        """
        ...

    def inbound_pages(self, wanted: InboundWanted, now_ms: int | None = None) -> Iterator[list[InboundMessage]]:
        """All messages that are wanted, oldest first, some thousand at a time."""
        ...

    def inbound_marks(self, now_ms: int | None = None) -> InboundMarks:
        """Where following begins: behind everything that is there."""
        ...

    def inbound_news(self, since: InboundMarks, now_ms: int | None = None) -> tuple[list[InboundMessage], InboundMarks]:
        """What became whole, or incomplete for good, since then; and where to go on."""
        ...

    def inbound_tallies(self, now_ms: int | None = None) -> list[InboundTally]:
        """What came from phones, by account."""
        ...

    def dead_letters(self, account: str | None = None, *, letters_max: int = 100) -> list[DeadLetter]:
        """The newest dead letters, of this account or of all."""
        ...

    def unknown(self, campaign: str | None = None) -> list[UnknownChunk]:
        """The chunks that are unknown now, oldest first."""
        ...

    def in_doubt(self) -> list[str]:
        """The accounts that have unknown chunks, and reports under ids that may be theirs."""
        ...

    def evidence(self, account: str, after: str = "") -> Evidence:
        """What those reports tell of the account's unknown chunks; a bounded number of ids, from `after` on."""
        ...

    def reports(self) -> list[ReportCounts]:
        """What became of the reports, by account."""
        ...

    def dead(self) -> list[DeadCount]:
        """Dead letters, by account."""
        ...

    def oddities(self) -> list[Oddity]:
        """Records that could not be used, and contradictions in the journal: counted and passed over."""
        ...

    def offsets(self) -> dict[tuple[str, int], int]:
        """How far each (topic, partition) of the log is folded: the next offset to read."""
        ...


# --- the writing side ------------------------------------------------------------------------------------------------


class BatchPlace(msgspec.Struct, frozen=True):
    """A batch that the store wants: its place in `recipients` (join_journal.spread_place), what it must hash to."""

    id: int
    sha256: bytes


class LoadedBatch(msgspec.Struct, frozen=True):
    """A batch as fetched: the comma-joined numbers, or None and why the log cannot give them."""

    id: int
    numbers: bytes | None
    broken: str = ""


class Overtaken(StoreError):
    """Somebody else folded records into this store meanwhile; nothing was written. Begin again at `offsets()`."""

    retryable = True


class OtherLog(StoreError):
    """The store has read further than the log goes: it was made from another one, or the log was set back."""


Delivery = Mapping[tuple[str, int], Sequence[Stored]]
"""Records by (topic, partition), in order and without gaps, from the store's offset on."""

INPUTS: Final = ("campaigns", "jobs", "rejects", "inbound", "dead")
"""The topics that are only remembered; any order between them gives the same rows."""


class Store(Protocol):
    """The writing side: the fold, one transaction a call, with the offsets of what was folded in the same transaction.

    One process at a time has it open (dispatcher.store.opening.open_store). All calls block; make them from one thread
    at a time. A call that raises StoreError has written nothing and can be repeated. LogNewer: see the log port.
    """

    @property
    def url(self) -> str:
        """Where it is, without secrets."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...

    def offsets(self) -> dict[tuple[str, int], int]:
        """The next offset wanted of each (topic, partition); 0 where none is named."""
        ...

    def take_inputs(self, delivery: Delivery) -> None:
        """Fold records of the INPUTS topics. Raises Overtaken."""
        ...

    def jobs_needed(self, delivery: Delivery) -> dict[int, int]:
        """For each partition of `lanes` in this delivery, the largest offset of `jobs` that its intents name."""
        ...

    def batches_needed(self, delivery: Delivery) -> list[BatchPlace]:
        """The batches whose numbers must be added before these `lanes` records are taken."""
        ...

    def batches_wanted(self, batches_max: int) -> list[BatchPlace]:
        """Batches of launched campaigns whose numbers should be added some time."""
        ...

    def add_batches(self, batches: Sequence[LoadedBatch]) -> None:
        """Numbers of batches, or why there are none."""
        ...

    def take(self, delivery: Delivery) -> None:
        """Fold records of `lanes`, then of `reports`. Their jobs and batches must be there. Raises Overtaken."""
        ...

    def expire(self, sent_before_ms: int) -> None:
        """Whoever was accepted before then and has no report is `no_report` from now on."""
        ...

    def outbox(self, chunks_max: int) -> list[tuple[int, Finished]]:
        """Chunks whose every recipient got its final word, as records for `results`, by the chunk's id."""
        ...

    def told(self, chunks: Sequence[int]) -> None:
        """These are in `results` now."""
        ...
