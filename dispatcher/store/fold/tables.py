"""The port of the fold: what it loads and saves, in four parts; an adapter gives `Tables`.

See docs/RESULTS.md, "The store's port".

Values of the core only: no connection, row or error of a database. Every call runs in a transaction that the caller
began (transactions.py, Transactions), and nothing is decided here: an adapter only keeps what it is given.
Ids are places in the log (core/results/places.py), so a replay saves the same again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.results.columns import CodePair, Columns
from dispatcher.core.results.journal import JoinedChunk, JoinedJob
from dispatcher.core.results.recipient_ids import IdRow
from dispatcher.core.results.reports import Origin, ParkedReports
from dispatcher.core.streams.segments import Segment, StreamKey
from dispatcher.store.fold.tallies import Tallies
from dispatcher.store.port import BatchPlace
from schemas.records import Control, Dead, Inbound, Job, Launched, Rejects


class JoinedBatch(msgspec.Struct, gc=False):
    """A batch without its columns. `contested`: some of it may have been taken twice (core/results/columns.py).

    `day`: a segment of a stream (core/streams/segments.py), of this day; else 0.
    """

    id: int
    campaign: str
    attempt: str
    number: int
    contested: bool
    codes: list[CodePair]
    day: int = 0


class Stretch(NamedTuple):
    """Recipients of a batch from some position on: their numbers (int64; fewer if the log lost them) and results."""

    numbers: bytes
    finals: NDArray[np.unsignedinteger[Any]]
    times: NDArray[np.uint32]


class IdRange(NamedTuple):
    """A row of ids: its chunk, the record that gave them, its lowest and highest key, the ids for each recipient."""

    chunk: int
    place: int
    low: int
    high: int
    parts: int


class Inputs(Protocol):
    """Positions, and the contents of the topics of INPUTS. Saving a kept record again changes nothing."""

    def offsets(self) -> dict[tuple[str, int], int]:
        """The next offset of every (topic, partition) that was ever moved."""
        ...

    def advance(self, topic: str, partition: int, before: int, after: int) -> bool:
        """Move a partition's offset from `before` to `after`; False if it is not at `before`."""
        ...

    def owner(self, partition: int) -> str | None:
        """The owner in force at the folded end of a journal."""
        ...

    def save_owner(self, partition: int, owner: str | None) -> None:
        """Remember it."""
        ...

    def launched(self, offset: int, record: Launched, encoded: bytes) -> None:
        """A launch. The first of a campaign's id counts; rejected rows of its other attempts are dropped."""
        ...

    def launches_since(self, offset: int) -> Sequence[Launched]:
        """The launches that count from this offset of `campaigns` on."""
        ...

    def revised(self, campaign: str, revision: str) -> None:
        """A draft, or its schedule, was made or changed: this revision is in force until the next one."""
        ...

    def controlled(self, record: Control, encoded: bytes, offset: int) -> None:
        """A control; the last of its word counts, or the first (core/campaigns.py). It may come before the launch."""
        ...

    def add_job(self, job_id: int, batch_id: int, job: Job) -> None:
        """A job and the batch it names. A batch that is not loaded has as many recipients as its jobs reach."""
        ...

    def segment(self, stream: StreamKey) -> Segment | None:
        """The last segment of a stream on an account."""
        ...

    def save_segment(self, stream: StreamKey, segment: Segment) -> None:
        """Remember it."""
        ...

    def job(self, job_id: int) -> JoinedJob | None:
        """The job of this id."""
        ...

    def add_rejects(self, record: Rejects, encoded: bytes) -> None:
        """Rejected rows, unless another attempt of the campaign was launched. The first record of a part counts."""
        ...

    def add_inbound(self, place: int, record: Inbound) -> None:
        """A message from a phone, or a part of one (core/results/inbound.py says which)."""
        ...

    def add_dead(self, place: int, record: Dead) -> None:
        """A dead letter, without its body."""
        ...


class Batches(Protocol):
    """Batches: their numbers, and each recipient's final report."""

    def load(self, batch_id: int) -> JoinedBatch:
        """The batch of this id, which a job named."""
        ...

    def to_load(self, batches_max: int) -> list[BatchPlace]:
        """Batches of launched campaigns whose numbers were not added yet, smallest id first."""
        ...

    def of_jobs(self, jobs: Iterable[int]) -> list[BatchPlace]:
        """The batches of these jobs whose numbers were not added yet."""
        ...

    def save_numbers(self, batch_id: int, numbers: NDArray[np.int64]) -> None:
        """The batch's numbers, in list order."""
        ...

    def add_segment(self, batch_id: int, day: int) -> None:
        """Mark the batch as a segment of a stream, of this day. It has its numbers as far as they were appended."""
        ...

    def numbers(self, batch_id: int) -> NDArray[np.int64]:
        """The numbers saved so far, in list order."""
        ...

    def grow(self, batch_id: int, numbers: NDArray[np.int64]) -> None:
        """All numbers of a segment, in place of those before, which are the first of them."""
        ...

    def save_broken(self, batch_id: int, why: str) -> None:
        """Mark the batch as damaged or missing on the log."""
        ...

    def columns(self, batch: JoinedBatch) -> Columns:
        """The batch's columns; empty ones if it is broken."""
        ...

    def save_columns(self, batch: JoinedBatch, columns: Columns) -> None:
        """Write the columns' codes (into `batch` too) and their dirty segments; afterwards none is dirty."""
        ...

    def stretch(self, batch: JoinedBatch, start: int, end: int) -> Stretch:
        """The saved part of the recipients [start, end), with one final and time for each number."""
        ...


class Chunks(Protocol):
    """Chunks, the ids of their reports, and the chunks to write downstream."""

    def load(self, chunk_ids: Iterable[int]) -> list[JoinedChunk]:
        """The chunks of these ids that exist; new objects."""
        ...

    def pieces(self, chunk_id: int) -> list[JoinedChunk]:
        """The saved pieces of this chunk, in order; new objects."""
        ...

    def still_open(self, partition: int) -> list[JoinedChunk]:
        """Those of this journal that are in flight or unknown, by id."""
        ...

    def covering(self, batch_id: int, position: int) -> int | None:
        """The chunk that holds this recipient and was not returned to the queue."""
        ...

    def save(self, chunks: Iterable[JoinedChunk]) -> None:
        """Write these as they are now."""
        ...

    def save_reported(self, chunks: Iterable[JoinedChunk]) -> None:
        """Write only the parts that reports change."""
        ...

    def overdue(self, before_ms: int, chunks_max: int) -> list[JoinedChunk]:
        """Accepted chunks whose wait for reports began up to then, and those of closed campaigns; not yet expired."""
        ...

    def add_vendor_ids(self, rows: Sequence[tuple[str, str, int, int]]) -> None:
        """(account, vendor id, place of the record that says so, chunk)."""
        ...

    def has_vendor_ids(self, account: str) -> bool:
        """Whether the account's vendor gave an id to any whole request."""
        ...

    def named(self, account: str, vendor_ids: Sequence[str]) -> list[tuple[str, int]]:
        """(vendor id, chunk) of those that are known, first named first."""
        ...

    def vendor_ids_of(self, account: str, chunk_id: int) -> list[tuple[str, int]]:
        """(vendor id, place) of this chunk, first named first; may be slow."""
        ...

    def save_recipient_ids(self, chunk_id: int, account: str, row: IdRow) -> None:
        """The ids that a record gave to the chunk's recipients; instead of those of the same chunk and place."""
        ...

    def recipient_id_ranges(self, account: str, low: int, high: int) -> list[IdRange]:
        """The rows of ids of the account's chunks with keys around [low, high], by place and chunk."""
        ...

    def recipient_ids(self, chunk_id: int) -> list[IdRow]:
        """The ids of this chunk's recipients, the last named first."""
        ...

    def recipient_ids_at(self, chunk_id: int, place: int) -> IdRow:
        """Those that the record at this place gave."""
        ...

    def save_part_states(self, rows: Iterable[tuple[int, int, bytes]]) -> None:
        """(chunk, place, states of the parts)."""
        ...

    def has_recipient_ids(self, account: str) -> bool:
        """Whether the account's vendor gives an id to each recipient."""
        ...

    def put_out(self, chunk_ids: Iterable[int]) -> None:
        """Queue these finished chunks for downstream."""
        ...

    def outbox(self, chunks_max: int) -> list[int]:
        """Finished chunks not yet written downstream, smallest id first."""
        ...

    def take_out(self, chunk_ids: Iterable[int]) -> None:
        """Remove written ones."""
        ...


class Reports(Protocol):
    """Reports that wait for their id, and the sums that views show."""

    def park(self, rows: Iterable[tuple[Origin, str, ParkedReports]]) -> None:
        """Keep them, by account, vendor id and place, until their id is known."""
        ...

    def has_parked(self, account: str) -> bool:
        """Whether reports of this account wait for their id."""
        ...

    def unpark(self, account: str, vendor_ids: Sequence[str]) -> list[tuple[Origin, int, str, ParkedReports]]:
        """Take out the reports that wait for these ids: origin, offset of the record, vendor id, rows."""
        ...

    def save_sums(self, tallies: Tallies) -> None:
        """Add the differences; a count of failures that comes to 0 is dropped."""
        ...


class Tables(Inputs, Protocol):
    """All of it."""

    @property
    def batches(self) -> Batches: ...

    @property
    def chunks(self) -> Chunks: ...

    @property
    def reports(self) -> Reports: ...
