"""The fold's memory of the store: jobs, batches, columns, chunks and vendor ids, loaded on demand.

Each kind has a limit; the excess is dropped between micro-batches (`trim`), when nothing is unsaved. After a failed
transaction the memory may be ahead of the store: make a new one.
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict
from collections.abc import Sequence
from itertools import repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.results.columns import Columns
from dispatcher.core.results.journal import JoinedChunk, JoinedJob
from dispatcher.core.results.places import chunk_of
from dispatcher.store.fold.tables import JoinedBatch, Tables

COLUMNS_BYTES_MAX: Final = 256_000_000  # 16 million recipients
CHUNKS_MAX: Final = 200_000
JOBS_MAX: Final = 50_000
KEYS_MAX: Final = 20_000


class Parts:
    """The parts of a chunk's recipients: a row for each recipient, a column for each part. `given`: it is there."""

    __slots__ = ("changed", "given", "states")

    def __init__(self, given: NDArray[np.bool_], states: NDArray[np.uint8]) -> None:
        self.given = given
        self.states = states
        self.changed = False


class WorkingSet:
    """The caches. A chunk is one object for all callers."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._jobs: dict[int, JoinedJob] = {}
        self._batches: dict[int, JoinedBatch] = {}
        self._columns: OrderedDict[int, Columns] = OrderedDict()
        self._columns_bytes = 0
        self._chunks: dict[int, JoinedChunk] = {}
        self._pieces: dict[int, list[int]] = {}
        self._names_requests: set[str] = set()
        self._named: dict[str, dict[str, int]] = {}
        self._new_names: list[tuple[str, str, int, int]] = []  # account, vendor id, place, chunk: not written yet
        self.names: list[tuple[JoinedChunk, ...]] = []
        self._keys: dict[tuple[int, int], tuple[NDArray[np.int64], NDArray[np.int32]]] = {}
        self._parts: dict[tuple[int, int], Parts] = {}
        self._changed: dict[int, JoinedChunk] = {}
        self._settled: dict[int, JoinedChunk] = {}

    @property
    def columns_bytes(self) -> int:
        """Memory of the loaded columns."""
        return self._columns_bytes

    def job(self, job_id: int) -> JoinedJob | None:
        """The job of this id."""
        job = self._jobs.get(job_id)
        if job is None:
            job = self._tables.job(job_id)
            if job is not None:
                self._jobs[job_id] = job
        return job

    def batch(self, batch_id: int) -> JoinedBatch:
        """The batch of this id."""
        batch = self._batches.get(batch_id)
        if batch is None:
            batch = self._batches[batch_id] = self._tables.batches.load(batch_id)
        return batch

    def columns(self, batch_id: int) -> Columns:
        """The columns of a batch; those of others may be dropped (saved first if changed)."""
        columns = self._columns.get(batch_id)
        if columns is not None:
            self._columns.move_to_end(batch_id)
            return columns
        columns = self._tables.batches.columns(self.batch(batch_id))
        self._columns[batch_id] = columns
        self._columns_bytes += columns.nbytes
        while self._columns_bytes > COLUMNS_BYTES_MAX and len(self._columns) > 1:
            oldest_id, oldest = self._columns.popitem(last=False)
            self._columns_bytes -= oldest.nbytes
            if oldest.dirty:
                self._tables.batches.save_columns(self.batch(oldest_id), oldest)
        return columns

    def save_columns(self) -> None:
        """Write what changed."""
        for batch_id, columns in self._columns.items():
            if columns.dirty:
                self._tables.batches.save_columns(self.batch(batch_id), columns)

    def forget_batch(self, batch_id: int) -> None:
        """Record that its numbers were stored."""
        self._batches.pop(batch_id, None)
        columns = self._columns.pop(batch_id, None)
        self._columns_bytes -= columns.nbytes if columns else 0

    # --- chunks ------------------------------------------------------------------------------------------------------

    def chunk(self, chunk_id: int) -> JoinedChunk | None:
        """The chunk of this id."""
        chunk = self._chunks.get(chunk_id)
        if chunk is None:
            for found in self._tables.chunks.load([chunk_id]):
                chunk = self._chunks[chunk_id] = found
        return chunk

    def chunks_of(self, chunk_ids: Sequence[int]) -> list[JoinedChunk]:
        """Those of these chunks that exist, in this order."""
        missing = [chunk_id for chunk_id in chunk_ids if chunk_id not in self._chunks]
        for found in self._tables.chunks.load(missing) if missing else ():
            self._chunks[found.id] = found
        return [chunk for chunk in map(self._chunks.get, chunk_ids) if chunk is not None]

    def pieces(self, chunk_id: int) -> list[JoinedChunk]:
        """The pieces of this chunk, in order."""
        return self.chunks_of(self._piece_ids(chunk_id))

    def _piece_ids(self, chunk_id: int) -> list[int]:
        ids = self._pieces.get(chunk_id)
        if ids is None:
            ids = [self.add_chunk(found).id for found in self._tables.chunks.pieces(chunk_id)]
            self._pieces[chunk_id] = ids = ids or [chunk_id]
        return ids

    def divide(self, chunk: JoinedChunk, rest: JoinedChunk) -> None:
        """`rest` is a new piece, of the last recipients that `chunk` had: their ids are its own now."""
        insort(self._piece_ids(chunk_of(chunk.id)), rest.id)
        self._chunks[rest.id] = rest
        self.save_parts()
        for row in self._tables.chunks.recipient_ids(chunk.id):
            for piece, first in ((chunk, 0), (rest, chunk.count)):
                cut = row.cut(first, first + piece.count)
                self._tables.chunks.save_recipient_ids(piece.id, piece.account, cut)
            self._keys.pop((chunk.id, row.place), None)
            self._parts.pop((chunk.id, row.place), None)
        if chunk.vendor_id:
            self.save_names()
            named = self._tables.chunks.vendor_ids_of(chunk.account, chunk.id)
            rows = [(chunk.account, vendor_id, place, rest.id) for vendor_id, place in named]
            self._tables.chunks.add_vendor_ids(rows)
            for vendor_id, _ in named:
                self._rename(chunk.account, vendor_id)

    def add_chunk(self, chunk: JoinedChunk) -> JoinedChunk:
        """A chunk that was made or loaded elsewhere; returns its one object."""
        return self._chunks.setdefault(chunk.id, chunk)

    def change(self, chunk: JoinedChunk) -> None:
        """Mark it as changed."""
        self._changed[chunk.id] = chunk

    def settle(self, chunk: JoinedChunk) -> None:
        """Mark only its reported recipients as changed."""
        self._settled[chunk.id] = chunk

    def save_chunks(self) -> None:
        """Write what changed."""
        self.save_names()
        self._tables.chunks.save(self._changed.values())
        self._tables.chunks.save_reported(chunk for chunk in self._settled.values() if chunk.id not in self._changed)
        self._changed.clear()
        self._settled.clear()

    # --- vendor ids --------------------------------------------------------------------------------------------------

    def names_requests(self, account: str) -> bool:
        """Whether its vendor gave an id to any whole request (some give one to each recipient, and only that)."""
        self.save_names()
        if account not in self._names_requests and self._tables.chunks.has_vendor_ids(account):
            self._names_requests.add(account)
        return account in self._names_requests

    def held(self, account: str, vendor_ids: Sequence[str]) -> NDArray[np.intp]:
        """The part of `named` that is in memory."""
        held = self._named.get(account)
        if not held:
            return np.full(len(vendor_ids), -1, np.intp)
        return np.fromiter(map(held.get, vendor_ids, repeat(-1)), np.intp, len(vendor_ids))

    def named(self, account: str, vendor_ids: Sequence[str]) -> NDArray[np.intp]:
        """For each id, where in `names` its chunks are, first named first (usually one); -1 if the id is not known."""
        self.save_names()
        held = self._named.setdefault(account, {})
        missing = {vendor_id for vendor_id in vendor_ids if vendor_id not in held}
        rows = self._tables.chunks.named(account, list(missing)) if missing else []
        self.chunks_of([chunk_id for _, chunk_id in rows])
        chunks: dict[str, dict[int, JoinedChunk]] = {}
        for vendor_id, chunk_id in rows:
            chunks.setdefault(vendor_id, {})[chunk_id] = self._chunks[chunk_id]
        for vendor_id, named in chunks.items():
            held[vendor_id] = len(self.names)
            self.names.append(tuple(named.values()))
        return self.held(account, vendor_ids)

    def name(self, chunk: JoinedChunk, vendor_id: str, place: int) -> None:
        """The record at this place gave the chunk this id; written with others, before any is looked up."""
        self._new_names.append((chunk.account, vendor_id, place, chunk.id))
        self._rename(chunk.account, vendor_id)

    def save_names(self) -> None:
        """Write the new ids of chunks."""
        if self._new_names:
            self._tables.chunks.add_vendor_ids(self._new_names)
            self._new_names.clear()

    def _rename(self, account: str, vendor_id: str) -> None:
        """A chunk just got this id: query the store again."""
        self._named.get(account, {}).pop(vendor_id, None)

    def recipient_keys(self, chunk_id: int, place: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """(sorted keys, index of each among the ids) of the ids that the record at this place gave to a chunk."""
        held = self._keys.get((chunk_id, place))
        if held is None:
            keys = self._tables.chunks.recipient_ids_at(chunk_id, place).ids.matched_keys
            order = np.argsort(keys, kind="stable").astype(np.int32)
            held = self._keys[chunk_id, place] = (keys[order], order)
        return held

    def parts(self, chunk_id: int, place: int) -> Parts:
        """The parts of a chunk's recipients, as the record at this place named them."""
        held = self._parts.get((chunk_id, place))
        if held is None:
            row = self._tables.chunks.recipient_ids_at(chunk_id, place)
            given = row.ids.parts_given
            states = np.zeros(given.shape, np.uint8)
            if row.states is not None:
                states[:] = np.frombuffer(row.states, np.uint8).reshape(given.shape)
            held = self._parts[chunk_id, place] = Parts(given, states)
        return held

    def save_parts(self) -> None:
        """Write the changed states of parts."""
        changed = {of: parts for of, parts in self._parts.items() if parts.changed}
        self._tables.chunks.save_part_states((*of, parts.states.tobytes()) for of, parts in changed.items())
        for parts in changed.values():
            parts.changed = False

    def named_recipients(self, chunk: JoinedChunk) -> NDArray[np.bool_]:
        """Which recipients of the chunk have an id of their own for each part, as far as the vendor told."""
        named = np.zeros(chunk.count, np.bool_)
        for row in self._tables.chunks.recipient_ids(chunk.id):
            named |= row.ids.complete[: chunk.count]
        return named

    def trim(self, keep: Sequence[JoinedChunk]) -> None:
        """Drop the excess; `keep` are chunks that others hold."""
        if len(self._chunks) > CHUNKS_MAX or len(self.names) > CHUNKS_MAX:
            self._chunks = {chunk.id: chunk for chunk in keep}
            self._named.clear()
            self.names.clear()
        if len(self._pieces) > CHUNKS_MAX:
            self._pieces.clear()
        if len(self._keys) > KEYS_MAX:
            self._keys.clear()
        if len(self._parts) > KEYS_MAX:
            self._parts.clear()
        if len(self._jobs) > JOBS_MAX:
            self._jobs.clear()
        if len(self._batches) > JOBS_MAX:
            self._batches.clear()
