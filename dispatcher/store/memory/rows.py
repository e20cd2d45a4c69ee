"""The contents of a store in memory: a dict per kind, the keys of store/sqlite/file.py, immutable values.

So a copy of the dicts is a snapshot: a transaction writes to a copy and puts it in place when it is complete, and a
reader keeps the one that it started with. Simple rather than fast: values without a key are searched from end to end.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.results.columns import CodePair
from dispatcher.core.results.inbound import Held
from dispatcher.core.results.journal import JoinedChunk, JoinedJob
from dispatcher.core.results.recipient_ids import IdRow
from dispatcher.core.results.reports import ParkedReports
from dispatcher.core.streams.segments import Segment, StreamKey
from dispatcher.store.fold.tallies import Key, MoveKey, MoveSum, ReportTally, Tally
from dispatcher.store.views import DeadCount, DeadLetter
from schemas.records import Control, Inbound, Launched, Rejects


class KeptCampaign(msgspec.Struct, frozen=True):
    """A campaign; `launched` is None while only its controls were read."""

    launched: Launched | None = None
    launched_offset: int = 0
    revision: str = ""
    controls: dict[str, Control] = {}  # by word

    @property
    def cancelled(self) -> bool:
        """Whether a person cancelled it."""
        return "cancelled" in self.controls

    @property
    def closed(self) -> bool:
        """Whether the wait for its reports is over."""
        return "closed" in self.controls


class KeptBatch(msgspec.Struct, frozen=True):
    """A batch without its numbers and results."""

    campaign: str
    attempt: str
    number: int
    sha256: bytes
    recipients: int
    loaded: bool = False
    broken: str = ""
    contested: bool = False
    codes: list[CodePair] = []
    day: int = 0


class KeptResults(msgspec.Struct, frozen=True):
    """The final reports of a batch in columns of their own, as core/results/columns.py has them."""

    finals: NDArray[np.unsignedinteger[Any]]
    times: NDArray[np.uint32]
    places_in_log: NDArray[np.int64] | None


class KeptIds(msgspec.Struct, frozen=True):
    """The ids of the recipients of a chunk that one record gave."""

    account: str
    row: IdRow


class KeptMessage(msgspec.Struct, frozen=True):
    """A message from a phone: its first record, and its current state. `done`: the place that completed it."""

    key: int
    first: Inbound
    held: Held
    flags: tuple[str, ...]
    done: int | None


class Kept(msgspec.Struct):
    """All of it. Ids and places are those of the fold's port (store/fold/tables.py)."""

    offsets: dict[tuple[str, int], int] = {}
    owners: dict[int, str | None] = {}
    campaigns: dict[str, KeptCampaign] = {}
    jobs: dict[int, JoinedJob] = {}
    segments: dict[StreamKey, Segment] = {}
    batches: dict[int, KeptBatch] = {}
    numbers: dict[int, bytes] = {}
    results: dict[int, KeptResults] = {}
    chunks: dict[int, JoinedChunk] = {}
    vendor_ids: set[tuple[str, str, int, int]] = set()  # account, vendor id, place, chunk
    recipient_ids: dict[tuple[int, int], KeptIds] = {}  # chunk, place
    parked: dict[tuple[str, str, int], ParkedReports] = {}  # account, vendor id, place
    tallies: dict[Key, Tally] = {}
    failures: dict[tuple[str, str, str, int, str, str], int] = {}  # key, source, code
    moves: dict[MoveKey, MoveSum] = {}
    report_tallies: dict[str, ReportTally] = {}
    rejects: dict[tuple[str, str, int], Rejects] = {}  # campaign, attempt, part
    inbound: dict[int, KeptMessage] = {}
    inbound_counts: dict[str, tuple[int, int]] = {}  # records, repeats
    dead: dict[str, DeadCount] = {}
    dead_letters: dict[int, DeadLetter] = {}
    oddities: dict[tuple[str, str], int] = {}  # topic, what
    outbox: set[int] = set()

    def copy(self) -> Kept:
        """The same, to be written to."""
        return Kept(*(getattr(self, name).copy() for name in self.__struct_fields__))

    def ids_of(self, chunk_id: int) -> list[IdRow]:
        """The ids of a chunk's recipients, the last named first."""
        found = [kept.row for (of, _), kept in self.recipient_ids.items() if of == chunk_id]
        return sorted(found, key=lambda row: -row.place)

    def closed(self, campaign: str) -> bool:
        """Whether the wait for this campaign's reports is over."""
        found = self.campaigns.get(campaign)
        return found is not None and found.closed

    def later_reports(self, batch: KeptBatch) -> dict[str, int]:
        """When the wait for the batch's reports begins, by account, where that may be later than the submit."""
        found = self.campaigns.get(batch.campaign)
        if found is None or found.launched is None or found.launched.attempt != batch.attempt:
            return {}
        return found.launched.reports_from_ms

    def batches_of(self, campaign: str) -> list[tuple[int, KeptBatch]]:
        """The batches of the launched attempt, by number."""
        found = self.campaigns.get(campaign)
        if found is None or found.launched is None:
            return []
        attempt = found.launched.attempt
        of = [(id_, each) for id_, each in self.batches.items() if (each.campaign, each.attempt) == (campaign, attempt)]
        return sorted(of, key=lambda each: (each[1].number, each[0]))
