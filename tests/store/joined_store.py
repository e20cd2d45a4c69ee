"""Driving a store with a history: cut into reads anywhere, topics in any order, and everything in it as plain rows."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dispatcher.log.port import Stored
from dispatcher.store.meanings import meaning
from dispatcher.store.port import LoadedBatch, StoreReader
from dispatcher.store.sqlite.file import open_reader
from dispatcher.store.sqlite.reader import SqliteReader
from dispatcher.store.sqlite.store import open_sqlite
from schemas import batch
from schemas.states import State
from tests.store.joined_history import History, Place

NO_REPORT_AFTER_S = 48 * 3600.0


class Driver:
    """A store and how far it has read a history."""

    def __init__(self, path: Path, history: History, *, emits: bool = False) -> None:
        self.path = path
        self.history = history
        self.emits = emits
        self.store = open_sqlite(path, emits=emits)

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    def reopen(self) -> None:
        """As after a restart."""
        self.store.close()
        self.store = open_sqlite(self.path, emits=self.emits)

    def read(self, places: Iterable[Place], records_max: int | None = None) -> dict[Place, list[Stored]]:
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
        return SqliteReader(self.path, open_reader(self.path), NO_REPORT_AFTER_S, meaning)

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table."""
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
