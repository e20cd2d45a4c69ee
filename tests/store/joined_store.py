"""Driving a store with a history: cut into reads anywhere, topics in any order, and everything in it as plain values.

An adapter under test is a `Place`: where a store is, opened again and again. Nothing else knows which one runs.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dispatcher.core.results.inbound import DEFAULT_BOUNDS, Bounds
from dispatcher.log.port import StoredRecord
from dispatcher.store.fold.transactions import FoldingStore
from dispatcher.store.meanings import meaning
from dispatcher.store.memory.reader import MemoryReader
from dispatcher.store.memory.store import open_memory
from dispatcher.store.memory.tables import Memory
from dispatcher.store.port import InboundFilter, LoadedBatch, StoreReader
from dispatcher.store.sqlite.file import open_reader
from dispatcher.store.sqlite.reader import SqliteReader
from dispatcher.store.sqlite.store import open_sqlite
from schemas import batch
from schemas.states import State
from tests.store.joined_history import History, Place

NO_REPORT_AFTER_S = 48 * 3600.0


class StorePlace(Protocol):
    """Where a store is; what was written stays there between two openings."""

    def open(self, *, emits: bool = False, bounds: Bounds = DEFAULT_BOUNDS) -> FoldingStore:
        """To write. Raises StoreBusy."""
        ...

    def reader(self, bounds: Bounds = DEFAULT_BOUNDS) -> StoreReader:
        """To read, beside whoever writes."""
        ...


class SqlitePlace:
    """A file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, *, emits: bool = False, bounds: Bounds = DEFAULT_BOUNDS) -> FoldingStore:
        return open_sqlite(self.path, emits=emits, bounds=bounds)

    def reader(self, bounds: Bounds = DEFAULT_BOUNDS) -> StoreReader:
        return SqliteReader(self.path, open_reader(self.path), NO_REPORT_AFTER_S, meaning, bounds.parts_within_ms)


class MemoryPlace:
    """An object of this process."""

    def __init__(self) -> None:
        self.memory = Memory("test")

    def open(self, *, emits: bool = False, bounds: Bounds = DEFAULT_BOUNDS) -> FoldingStore:
        return open_memory(self.memory, emits=emits, bounds=bounds)

    def reader(self, bounds: Bounds = DEFAULT_BOUNDS) -> StoreReader:
        return MemoryReader(self.memory, NO_REPORT_AFTER_S, meaning, bounds.parts_within_ms)


class Driver:
    """A store and how far it has read a history."""

    def __init__(self, place: Path | StorePlace, history: History, *, emits: bool = False) -> None:
        self.place = SqlitePlace(place) if isinstance(place, Path) else place
        self.history = history
        self.emits = emits
        self.store = self.place.open(emits=emits)

    @property
    def path(self) -> Path:
        """The file of a SQLite store."""
        assert isinstance(self.place, SqlitePlace)
        return self.place.path

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    def reopen(self) -> None:
        """As after a restart."""
        self.store.close()
        self.store = self.place.open(emits=self.emits)

    def read(self, places: Iterable[Place], records_max: int | None = None) -> dict[Place, list[StoredRecord]]:
        """The next records of these places."""
        offsets = self.store.offsets()
        found = {}
        for place in places:
            at = offsets.get(place, 0)
            end = None if records_max is None else at + records_max
            records = self.history.records.get(place, [])[at:end]
            if records:
                found[place] = records
        return found

    def inputs(self, *topics: str) -> None:
        """Fold everything of these topics."""
        self.store.take_inputs(self.read((topic, p) for topic in topics for p in range(8)))

    def load(self, wanted: Iterable[Any]) -> None:
        """Load batches as the joiner does."""
        loaded = []
        for place in wanted:
            stored = self.history.records["recipients", place.id % 8][place.id // 8]
            loaded.append(LoadedBatch(place.id, batch.unpack(stored.value, stored.headers, place.sha256)[0]))
        self.store.add_batches(loaded)

    def take(self, places: Iterable[Place], records_max: int | None = None) -> None:
        """Fold the next records of journals and reports."""
        delivery = self.read(places, records_max)
        if delivery:
            self.load(self.store.batches_needed(delivery))
            self.store.take(delivery)

    def all(self) -> None:
        """Fold everything there is."""
        self.inputs("campaigns", "jobs", "rejects", "inbound", "dead")
        self.take(("lanes", p) for p in range(8))
        self.take(("reports", p) for p in range(8))
        self.load(self.store.batches_wanted(1000))

    def reader(self) -> StoreReader:
        """A reader beside it."""
        return self.place.reader()

    def shown(self, now_ms: int) -> dict[str, Any]:
        """Everything that the store says at this time, of whatever is in it."""
        with contextlib.closing(self.reader()) as reader:
            return everything(reader, now_ms) | {"outbox": self.store.outbox(1000)}

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table of a SQLite store."""
        with contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            return all_rows(connection)


def all_rows(connection: sqlite3.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, sorted."""
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
    return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for (name,) in names}


def states(reader: StoreReader, campaign: str, now_ms: int) -> dict[tuple[str, int], dict[int, tuple[str, str]]]:
    """(state, code) of each recipient, by batch."""
    found = {}
    for page in reader.pages(campaign, now_ms=now_ms):
        words = [State(state).word for state in page.states.tolist()]
        codes = [page.codes[number] for number in page.code_index.tolist()]
        found[campaign, page.batch] = dict(zip(page.numbers.tolist(), zip(words, codes, strict=True), strict=True))
    return found


def everything(reader: StoreReader, now_ms: int) -> dict[str, Any]:
    """What every call of the reader gives, as values that can be compared."""
    campaigns = reader.campaigns(now_ms)
    names = [view.id for view in campaigns]
    accounts = [tally.account for tally in reader.reports()]
    pages = {name: [_plain(page) for page in reader.pages(name, now_ms=now_ms)] for name in names}
    numbers = sorted({number for of in pages.values() for page in of for number in page["numbers"]})
    return {
        "campaigns": campaigns,
        "each": [reader.campaign(name, now_ms) for name in names],
        "pages": pages,
        "unread": [reader.unread(name) for name in names],
        "damaged": [reader.damaged(name) for name in names],
        "rejects": [[_plain(page) for page in reader.rejects(name)] for name in names],
        "lookup": [reader.lookup(number, now_ms) for number in numbers[:: max(1, len(numbers) // 5)]],
        "inbound": reader.inbound(now_ms=now_ms),
        "inbound_pages": list(reader.inbound_pages(InboundFilter(), now_ms)),
        "inbound_marks": reader.inbound_marks(now_ms),
        "inbound_tallies": reader.inbound_tallies(now_ms),
        "dead_letters": reader.dead_letters(),
        "dead": reader.dead(),
        "unknown": reader.unknown(),
        "in_doubt": reader.in_doubt(),
        "evidence": [_traced(reader.evidence(account)) for account in accounts],
        "evidence of messages": [_traced(reader.evidence(account, each=True)) for account in accounts],
        "reports": reader.reports(),
        "oddities": reader.oddities(),
        "offsets": {place: at for place, at in reader.offsets().items() if at},
    }


def _plain(value: Any) -> dict[str, Any]:
    """A struct of columns as lists."""
    fields = {name: getattr(value, name) for name in value.__struct_fields__}
    return {name: each.tolist() if isinstance(each, np.ndarray) else each for name, each in fields.items()}


def _traced(evidence: Any) -> dict[str, Any]:
    return _plain(evidence) | {"traces": [(_plain(trace.of), trace.holders, trace.proves) for trace in evidence.traces]}
