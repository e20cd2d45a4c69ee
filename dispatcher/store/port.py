"""The store port: queries of the results, and how the joiner writes them.

See docs/RESULTS.md, "The join and the results".

A store is a fold of the log and can be rebuilt from it at any time (`dispatcher store rebuild`). Only the
joiner writes it; any number of readers read beside it and see whole micro-batches only, at most about a second old.
Open one with `dispatcher.store.opening.open_reader`, or with `dispatcher.service.freshness.up_to_date`, which first
folds new records if no joiner runs.

All calls block (they are disk reads): from a coroutine, use `asyncio.to_thread`. Errors: StoreError.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from dispatcher.errors import StoreError
from dispatcher.log.port import StoredRecord
from dispatcher.store.views import (
    CampaignView,
    DeadCount,
    DeadLetter,
    Evidence,
    Failure,
    InboundFilter,
    InboundMarks,
    InboundMessage,
    InboundTally,
    Oddity,
    Page,
    RejectPage,
    ReportCounts,
    Sighting,
    Source,
    UnknownChunk,
)
from schemas.records import Finished
from schemas.states import State

if TYPE_CHECKING:  # naming the type of columns must not import numpy
    from dispatcher.core.waves.requests import RequestColumns

__all__ = [
    "INPUTS",
    "BatchPlace",
    "CampaignView",
    "DeadCount",
    "DeadLetter",
    "Delivery",
    "Evidence",
    "Failure",
    "InboundFilter",
    "InboundMarks",
    "InboundMessage",
    "InboundTally",
    "LoadedBatch",
    "Oddity",
    "OtherLog",
    "Overtaken",
    "Page",
    "RejectPage",
    "ReportCounts",
    "Sighting",
    "Source",
    "Store",
    "StoreReader",
    "UnknownChunk",
]


class StoreReader(Protocol):
    """An open store, to read. Made for one thread at a time; every call sees the newest committed state."""

    @property
    def url(self) -> str:
        """Where it is, without secrets."""
        ...

    @property
    def is_there(self) -> bool:
        """Whether the store existed when it was opened; else this is an empty one, and stays empty."""
        ...

    def close(self) -> None:
        """Release the file or connection."""
        ...

    def campaigns(self, now_ms: int | None = None) -> list[CampaignView]:
        """All launched campaigns, newest first. `now_ms` (default: the clock) decides who is `no_report`."""
        ...

    def campaign(self, campaign: str, now_ms: int | None = None) -> CampaignView | None:
        """This campaign, or None if no launch of this id was committed (as far as the store has read)."""
        ...

    def pages(
        self, campaign: str, states: Collection[State] | None = None, now_ms: int | None = None, *, from_batch: int = 0
    ) -> Iterator[Page]:
        """The recipients, batch by batch in list order; with `states`, only those, and empty pages are left out.

        `from_batch`: without the batches before this one.
        """
        ...

    def sent_requests(self, campaign: str) -> RequestColumns:
        """The requests for this campaign that are over or unknown, with what became of their recipients."""
        ...

    def unread(self, campaign: str) -> int:
        """How many batches of the campaign were not yet read from the log: their pages have no numbers."""
        ...

    def damaged(self, campaign: str) -> dict[int, str]:
        """The batches (by number) that are missing on the log, and why; their pages have no numbers."""
        ...

    def rejects(self, campaign: str) -> Iterator[RejectPage]:
        """The rows that were set aside: invalid, duplicate, suppressed."""
        ...

    def lookup(self, number: int, now_ms: int | None = None) -> list[Sighting]:
        """The campaigns in which this number (int64, dispatcher/core/numbers.py) is a recipient, newest first."""
        ...

    def inbound(
        self,
        number: str | None = None,
        *,
        wanted: InboundFilter | None = None,
        messages_max: int = 100,
        now_ms: int | None = None,
    ) -> list[InboundMessage]:
        """The newest messages from phones, from this phone (digits as received), or the `wanted` ones.

        `now_ms` (default: the clock) decides for which messages the wait for parts is over.
        """
        ...

    def inbound_pages(self, wanted: InboundFilter, now_ms: int | None = None) -> Iterator[list[InboundMessage]]:
        """All wanted messages, oldest first, some thousand at a time."""
        ...

    def inbound_marks(self, now_ms: int | None = None) -> InboundMarks:
        """Where following begins: behind all present messages."""
        ...

    def inbound_news(
        self, since: InboundMarks, wanted: InboundFilter, now_ms: int | None = None
    ) -> tuple[list[InboundMessage], InboundMarks]:
        """Wanted messages that became complete, or incomplete for good, since then; and where to continue."""
        ...

    def inbound_tallies(self, now_ms: int | None = None) -> list[InboundTally]:
        """Counts of messages from phones, by account."""
        ...

    def dead_letters(self, account: str | None = None, *, letters_max: int = 100) -> list[DeadLetter]:
        """The newest dead letters, of this account or of all."""
        ...

    def unknown(self, campaign: str | None = None) -> list[UnknownChunk]:
        """The chunks that are unknown now, oldest first."""
        ...

    def in_doubt(self) -> list[str]:
        """The accounts with unknown chunks, and with reports that may be theirs."""
        ...

    def evidence(self, account: str, after: str = "", *, each: bool = False) -> Evidence:
        """The evidence of those reports for the account's unknown chunks; a bounded number of ids, from `after` on.

        `each`: its vendor gives an id to each recipient (the store knows it, too, as soon as it did so once).
        """
        ...

    def reports(self) -> list[ReportCounts]:
        """Counts of reports, by account."""
        ...

    def dead(self) -> list[DeadCount]:
        """Dead letters, by account."""
        ...

    def oddities(self) -> list[Oddity]:
        """Unusable records, and contradictions in the journal: counted and skipped."""
        ...

    def offsets(self) -> dict[tuple[str, int], int]:
        """How far each (topic, partition) of the log is folded: the next offset to read."""
        ...


# --- the writing side ------------------------------------------------------------------------------------------------


class BatchPlace(msgspec.Struct, frozen=True):
    """A batch that the store needs: its place in `recipients` (core/results/places.py, spread_place) and its hash."""

    id: int
    sha256: bytes


class LoadedBatch(msgspec.Struct, frozen=True):
    """A fetched batch: the comma-joined numbers, or None and why they are missing."""

    id: int
    numbers: bytes | None
    broken: str = ""


class Overtaken(StoreError):
    """Another process folded records into this store meanwhile; nothing was written. Start again at `offsets()`."""

    retryable = True


class OtherLog(StoreError):
    """The store has read beyond the log's end: it was made from another log, or the log was set back."""


Delivery = Mapping[tuple[str, int], Sequence[StoredRecord]]
"""Records by (topic, partition), in order and without gaps, from the store's offset on."""

INPUTS: Final = ("campaigns", "jobs", "rejects", "inbound", "dead")
"""The topics that are only kept; any order between them gives the same rows."""


class Store(Protocol):
    """The writing side: the fold, one transaction per call, which also has the offsets of the folded records.

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
        """The next offset of each (topic, partition); 0 if it is missing."""
        ...

    def take_inputs(self, delivery: Delivery) -> None:
        """Fold records of the INPUTS topics. Raises Overtaken."""
        ...

    def jobs_needed(self, delivery: Delivery) -> dict[int, int]:
        """For each partition of `lanes` in this delivery, the largest offset of `jobs` that its intents name."""
        ...

    def moves_needed(self, delivery: Delivery) -> dict[int, int]:
        """For each partition of `lanes`, the largest offset of a Moved that must be folded with, or before, this.

        Its recipients are announced, or moved on, in these journals. Their jobs must be in the store.
        """
        ...

    def batches_needed(self, delivery: Delivery) -> list[BatchPlace]:
        """The batches whose numbers must be added before these `lanes` records are folded."""
        ...

    def batches_wanted(self, batches_max: int) -> list[BatchPlace]:
        """Batches of launched campaigns whose numbers can be added later."""
        ...

    def add_batches(self, batches: Sequence[LoadedBatch]) -> None:
        """Numbers of batches, or why they are missing."""
        ...

    def take(self, delivery: Delivery) -> None:
        """Fold records of `lanes`, then of `reports`. Their jobs and batches must be in the store. Raises Overtaken."""
        ...

    def expire(self, sent_before_ms: int) -> None:
        """Recipients accepted before then without a report are `no_report` from now on."""
        ...

    def outbox(self, chunks_max: int) -> list[tuple[int, Finished]]:
        """Finished chunks, as records for `results`, by the chunk's id."""
        ...

    def told(self, chunks: Sequence[int]) -> bool:
        """Drop these, which are in `results` now; returns whether there are more."""
        ...
