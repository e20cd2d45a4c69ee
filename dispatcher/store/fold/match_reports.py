"""Matches reports to chunks, by vendor id, and to recipients: the id is a request's or a recipient's.

Several chunks may have one id: they are tried in the order in which they got it. Reads the store through the working
set; writes nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.results.columns import Positions
from dispatcher.core.results.journal import JoinedChunk
from dispatcher.core.results.reports import ReportRows, id_keys
from dispatcher.store.fold.tables import Tables
from dispatcher.store.fold.working_set import WorkingSet
from schemas.states import State

Rows = NDArray[np.intp]


class Part(NamedTuple):
    """Some rows with the values that settling needs, in columns. `rows` are their row numbers."""

    rows: Rows
    slot: NDArray[np.intp]
    numbers: NDArray[np.int64]
    pair: NDArray[np.intp]
    times: NDArray[np.uint32]

    @classmethod
    def of(cls, rows: ReportRows, slot: NDArray[np.intp], asked: Rows) -> Part:
        """These rows; unchanged if they are all rows in order."""
        if len(asked) == len(rows) and (asked[1:] > asked[:-1]).all():
            return cls(asked, slot, rows.numbers, rows.pair, rows.times)
        return cls(asked, slot[asked], rows.numbers[asked], rows.pair[asked], rows.times[asked])

    def cut(self, wanted: slice | NDArray[Any]) -> Part:
        """Only these of them."""
        return Part(self.rows[wanted], self.slot[wanted], self.numbers[wanted], self.pair[wanted], self.times[wanted])


class Match:
    """Row -> chunk, by vendor id. `slot[i]` is the row's index in `chunks`, -1 if the id is not known."""

    def __init__(self, tables: Tables, working: WorkingSet, rows: ReportRows) -> None:
        self.chunks: list[JoinedChunk] = []
        self._further: dict[int, tuple[JoinedChunk, ...]] = {}  # id -> chunks to try next
        self._id_of = rows.id_of
        slot_of_id = np.full(len(rows.ids), -1, np.intp)
        self._place_of_id: NDArray[np.intp] | None = None
        self.named_in: list[tuple[int, int]] = []  # (chunk, place) of ids of parts
        self.named_in_of_id: NDArray[np.intp] | None = None  # id -> index in `named_in`, -1 if its message is one part
        self.part_of_id: NDArray[np.intp] | None = None  # id -> which of the ids there
        numbered: dict[str, int] = {}
        of_origin = np.array([numbered.setdefault(o.account, len(numbered)) for o in rows.origins], np.intp)
        of_id = of_origin[rows.origin_of_id]
        for account, number in numbered.items():
            ids = np.flatnonzero(of_id == number)
            if working.names_requests(account):
                self._match_ids(working, account, rows, ids, slot_of_id)
            if tables.chunks.has_recipient_ids(account):
                self._match_recipient_ids(tables, working, account, rows.ids, ids, slot_of_id)
        self.slot = slot_of_id[rows.id_of]
        self._describe()

    def _match_ids(
        self, working: WorkingSet, account: str, rows: ReportRows, ids: Rows, slot_of_id: NDArray[np.intp]
    ) -> None:
        names = np.full(len(ids), -1, np.intp) if rows.names is None else rows.names[ids]
        new = np.flatnonzero(names < 0)
        if len(new):
            names[new] = working.named(account, [rows.ids[number] for number in ids[new].tolist()])
        slot_of_name = np.full(len(working.names) + 1, -1, np.intp)  # the last one is for "unknown", -1
        for name in np.flatnonzero(np.bincount(names[names >= 0])).tolist():
            chunk = working.names[name][0]
            slot_of_name[name] = chunk.slot if chunk.slot >= 0 else self._add(chunk)
            if len(working.names[name]) > 1:
                further = working.names[name][1:]
                self._further.update((number, further) for number in ids[names == name].tolist())
        slot_of_id[ids] = slot_of_name[names]

    def _match_recipient_ids(
        self,
        tables: Tables,
        working: WorkingSet,
        account: str,
        texts: list[str],
        ids: Rows,
        slot_of_id: NDArray[np.intp],
    ) -> None:
        ids = ids[slot_of_id[ids] < 0]
        if "" in texts:  # an empty id matches nothing
            ids = ids[[bool(texts[number]) for number in ids.tolist()]]
        if not len(ids):
            return
        if self._place_of_id is None:
            self._place_of_id = np.full(len(texts), -1, np.intp)
        keys, key_of_id = np.unique(id_keys([texts[number] for number in ids.tolist()]), return_inverse=True)
        slots, places = np.full((2, len(keys)), -1, np.intp)
        ranges = tables.chunks.recipient_id_ranges(account, int(keys[0]), int(keys[-1]))
        lows = np.searchsorted(keys, np.array([each.low for each in ranges], np.int64), "left")
        highs = np.searchsorted(keys, np.array([each.high for each in ranges], np.int64), "right")
        named_in, part = np.full((2, len(keys)), -1, np.intp)
        for index in np.flatnonzero(lows < highs).tolist():
            found = ranges[index]
            held, at = working.recipient_keys(found.chunk, found.place)
            asked, hit = _common(keys, int(lows[index]), int(highs[index]), held)
            new = slots[asked] < 0  # the first chunk with an id has it
            chunk = working.chunk(found.chunk) if new.any() else None
            if chunk is not None:
                slots[asked[new]] = chunk.slot if chunk.slot >= 0 else self._add(chunk)
                places[asked[new]] = chunk.start + at[hit[new]] // found.parts
                if found.parts > 1:
                    named_in[asked[new]] = len(self.named_in)
                    part[asked[new]] = at[hit[new]]
                    self.named_in.append((found.chunk, found.place))
        slot_of_id[ids] = slots[key_of_id]
        self._place_of_id[ids] = places[key_of_id]
        if self.named_in:
            if self.named_in_of_id is None or self.part_of_id is None:
                self.named_in_of_id, self.part_of_id = np.full((2, len(texts)), -1, np.intp)
            self.named_in_of_id[ids] = named_in[key_of_id]
            self.part_of_id[ids] = part[key_of_id]

    def next_chunks(self, strangers: Rows) -> Rows:
        """The rows whose id another chunk also has; they belong to that one now."""
        if not self._further:
            return np.empty(0, np.intp)
        again = []
        for row in strangers.tolist():
            further = self._further.get(int(self._id_of[row]))
            tried = self.chunks[self.slot[row]]
            rest = further[further.index(tried) + 1 :] if further and tried in further else further
            if rest:
                self.slot[row] = rest[0].slot if rest[0].slot >= 0 else self._add(rest[0])
                again.append(row)
        self._describe()
        return np.array(again, np.intp)

    def positions(self, rows: ReportRows, part: Part, found: Positions) -> Positions:
        """The recipients' positions, given where their numbers were found: an id may name the recipient itself."""
        if not part.numbers.all():
            alone = (part.numbers == 0) & (self.whole[part.slot] == 1)
            found = np.where(alone, self.start[part.slot], found)
        if self._place_of_id is not None:
            by_id = self._place_of_id[rows.id_of[part.rows]]
            agrees = (part.numbers == 0) | (by_id == found)
            found = np.where(by_id >= 0, np.where(agrees, by_id, -1), found)
        return found

    def inside(self, slot: NDArray[np.intp], positions: Positions, size: int) -> NDArray[np.bool_]:
        """Whether each position lies in its chunk, and in a batch of this size."""
        room = np.clip(size - self.start, 0, self.count).astype(np.uintp)
        within: NDArray[np.uintp] = (positions - self.start[slot]).view(np.uintp)  # before it: huge
        return within < room[slot]

    def _describe(self) -> None:
        chunks = self.chunks
        self.start = np.array([chunk.start for chunk in chunks], np.intp)
        self.count = np.array([chunk.count for chunk in chunks], np.intp)
        self.whole = np.array([chunk.whole for chunk in chunks], np.intp)
        self.batch = np.array([chunk.batch for chunk in chunks], np.int64)
        state = np.array([chunk.state for chunk in chunks], np.intp)
        self.returned = state == State.QUEUED
        self.any_returned = bool(self.returned.any())
        self.any_proven = any(chunk.proven for chunk in chunks)
        self.plain = (state == State.ACCEPTED) & ~np.array([chunk.expired for chunk in chunks], np.bool_)

    def _add(self, chunk: JoinedChunk) -> int:
        chunk.slot = len(self.chunks)
        self.chunks.append(chunk)
        return chunk.slot


def _common(keys: NDArray[np.int64], low: int, high: int, held: NDArray[np.int64]) -> tuple[Rows, Rows]:
    """(index in `keys`, index in `held`) of the common values of keys[low:high] and `held`; both sorted.

    The shorter one is looked up in the longer one: hashed ids lie in every chunk's range.
    """
    if high - low <= len(held):
        at = np.minimum(np.searchsorted(held, keys[low:high]), len(held) - 1)
        found = np.flatnonzero(held[at] == keys[low:high])
        return found + low, at[found]
    first = np.flatnonzero(np.append(True, held[1:] != held[:-1]))
    at = np.minimum(np.searchsorted(keys, held[first]), len(keys) - 1)
    same = keys[at] == held[first]
    return at[same], first[same]
