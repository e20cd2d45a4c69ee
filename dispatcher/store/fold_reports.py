"""Reports into columns: which chunk an id belongs to, which recipient, and what that changes in the sums.

All rows of a micro-batch at once: sorted by batch, so that each batch's columns are searched and written once. What no
chunk explains is parked. Runs inside the fold's transaction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.join import Positions
from dispatcher.core.join_journal import JoinedChunk
from dispatcher.core.join_reports import ReportRows, id_keys
from dispatcher.store.sqlite_tables import Tables
from dispatcher.store.tallies import FINAL_COLUMNS, STATE_COLUMNS, Key, Tallies
from dispatcher.store.working_set import WorkingSet
from schemas.states import State

Rows = NDArray[np.intp]


class ReportJoin:
    """Joins the rows of one transaction."""

    def __init__(self, tables: Tables, working: WorkingSet, tallies: Tallies, *, emits: bool) -> None:
        self._tables = tables
        self._working = working
        self._tallies = tallies
        self._emits = emits

    def join(self, rows: ReportRows) -> None:
        """Settle the recipients that these rows name, park the rest."""
        if not len(rows):
            return
        match = _Match(self._tables, self._working, rows)
        unmatched = [np.flatnonzero(match.slot < 0)]
        asked = np.flatnonzero(match.slot >= 0)
        while len(asked):
            strangers = self._settle(rows, match, asked)
            asked = match.next_chunks(strangers)
            unmatched.append(np.setdiff1d(strangers, asked, assume_unique=True))
        for chunk in match.chunks:
            chunk.slot = -1
        parked = np.concatenate(unmatched)
        if len(parked):
            self._tables.park(rows.take(parked).park())

    def _settle(self, rows: ReportRows, match: _Match, asked: Rows) -> Rows:
        """Settle what can be; returns the rows whose number is not in their chunk."""
        batch_of = match.batch_of_slot()
        batches, batch_no = np.unique(batch_of, return_inverse=True)
        of_row = batch_no.astype(_smallest(len(batches)))[match.slot[asked]]
        order = np.argsort(of_row, kind="stable")
        ends = np.cumsum(np.bincount(of_row, minlength=len(batches)))
        sums = _Sums()
        strangers = []
        start = 0
        for batch_id, end in zip(batches.tolist(), ends.tolist(), strict=True):
            if end > start:
                strangers.append(self._settle_batch(batch_id, rows, match, asked[order[start:end]], sums))
            start = end
        if sums.matched:
            self._add(rows, match, sums)
        return np.sort(np.concatenate(strangers))

    def _settle_batch(self, batch_id: int, rows: ReportRows, match: _Match, asked: Rows, sums: _Sums) -> Rows:
        columns = self._working.columns(batch_id)
        positions = match.positions(rows, asked, columns.find(rows.numbers[asked]))
        slot = match.slot[asked]
        inside = (positions >= match.start[slot]) & (positions < match.end[slot]) & (positions < len(columns))
        strangers = asked[~inside]
        if len(strangers):
            asked, positions, slot = asked[inside], positions[inside], slot[inside]
        if not len(asked):
            return strangers
        pair = rows.pair[asked]
        settled = columns.settle(positions, pair, rows.pairs, rows.times[asked], lambda: rows.places[asked])
        everyone = len(settled.fresh) == len(asked)
        sums.matched.append(asked)
        sums.matched_slot.append(slot)
        sums.fresh_slot.append(slot if everyone else slot[settled.fresh])
        sums.fresh_pair.append(pair if everyone else pair[settled.fresh])
        for row, was in zip(asked[settled.replaced].tolist(), settled.replaced_was, strict=True):
            self._replace(rows, match, row, was)
        if match.any_returned and (returned := match.returned[slot[settled.fresh]]).any():
            self._cover(batch_id, positions[settled.fresh][returned], sums)
        return strangers

    def _cover(self, batch_id: int, positions: Positions, sums: _Sums) -> None:
        """Reported for a chunk that had been returned to the queue: who holds them now waits for one less."""
        for position in positions.tolist():
            chunk_id = self._tables.covering(batch_id, position)
            chunk = self._working.chunk(chunk_id) if chunk_id is not None else None
            if chunk is not None:
                sums.covered[chunk.id] = sums.covered.get(chunk.id, 0) + 1

    def _replace(self, rows: ReportRows, match: _Match, row: int, was: tuple[int, str]) -> None:
        """An earlier report of this recipient turned up late: it was the first word."""
        chunk = match.chunks[match.slot[row]]
        key = self._key(chunk)
        for (state, code), recipients in ((was, -1), (rows.pairs[rows.pair[row]], 1)):
            self._tallies.of(key).add(FINAL_COLUMNS[State(state)], recipients)
            if state == State.FAILED:
                self._tallies.failed(key, "report", code, recipients)
        if self._emits:
            self._tables.put_out([chunk.id])

    def _add(self, rows: ReportRows, match: _Match, sums: _Sums) -> None:
        """The sums: by campaign and account in columns, then what each chunk waits for."""
        matched_slot, fresh_slot = np.concatenate(sums.matched_slot), np.concatenate(sums.fresh_slot)
        matched = np.bincount(matched_slot, minlength=len(match.chunks))
        settled = np.bincount(fresh_slot, minlength=len(match.chunks))
        numbers: dict[Key, int] = {}
        key_of = np.array([numbers.setdefault(self._key(chunk), len(numbers)) for chunk in match.chunks], np.int32)
        last_ms = _latest(rows, np.concatenate(sums.matched), key_of[matched_slot], len(numbers))
        by_pair = _tallied(key_of[fresh_slot], np.concatenate(sums.fresh_pair), len(numbers), len(rows.pairs))
        for key, number in numbers.items():
            of_key = key_of == number
            tally, reports = self._tallies.of(key), self._tallies.report(key[2])
            reports.applied += int(settled[of_key].sum())
            reports.repeats += int(matched[of_key].sum() - settled[of_key].sum())
            if last_ms[number]:
                tally.reported(int(last_ms[number]))
            for pair in np.flatnonzero(by_pair[number]).tolist():
                (state, code), recipients = rows.pairs[pair], int(by_pair[number, pair])
                tally.add(FINAL_COLUMNS[State(state)], recipients)
                if state == State.FAILED:
                    self._tallies.failed(key, "report", code, recipients)
        plain = match.plain & (settled > 0)
        for key, number in numbers.items():
            self._tallies.of(key).accepted -= int(settled[plain & (key_of == number)].sum())
        out = []
        touched = np.flatnonzero(settled)
        for slot, recipients, is_plain in zip(
            touched.tolist(), settled[touched].tolist(), plain[touched].tolist(), strict=True
        ):
            chunk = match.chunks[slot]
            if is_plain:
                chunk.reported += recipients
                self._working.settle(chunk)
                if chunk.reported == chunk.count:
                    out.append(chunk.id)
            elif chunk.state != State.QUEUED and self._leave(chunk, recipients):
                out.append(chunk.id)
        for chunk_id, recipients in sums.covered.items():
            cover = self._working.chunk(chunk_id)
            if cover is not None and self._leave(cover, recipients):
                out.append(cover.id)
        if self._emits:
            self._tables.put_out(out)

    def _leave(self, chunk: JoinedChunk, recipients: int) -> bool:
        """So many recipients leave their chunk's state for their own final one; whether downstream must be told."""
        key = self._key(chunk)
        state = State.NO_REPORT if chunk.expired else chunk.state
        self._tallies.of(key).add(STATE_COLUMNS[state], -recipients)
        if state == State.FAILED:
            self._tallies.failed(key, "submit", chunk.code, -recipients)
        chunk.reported += recipients
        self._working.settle(chunk)
        return state in (State.NO_REPORT, State.FAILED) or chunk.pending == 0

    def _key(self, chunk: JoinedChunk) -> Key:
        batch = self._working.batch(chunk.batch)
        return batch.campaign, batch.attempt, chunk.account


class _Sums:
    """What the batches of one pass gathered: rows that matched, those that were first, recipients covered elsewhere."""

    def __init__(self) -> None:
        self.matched: list[Rows] = []
        self.matched_slot: list[NDArray[np.int32]] = []
        self.fresh_slot: list[NDArray[np.int32]] = []
        self.fresh_pair: list[NDArray[np.int32]] = []
        self.covered: dict[int, int] = {}


def _common(keys: NDArray[np.int64], low: int, high: int, held: NDArray[np.int64]) -> tuple[Rows, Rows]:
    """(index in `keys`, index in `held`) of what keys[low:high] and `held` have in common; both sorted.

    The shorter of the two is looked up in the longer: ids that are hashed lie in every chunk's range.
    """
    if high - low <= len(held):
        at = np.minimum(np.searchsorted(held, keys[low:high]), len(held) - 1)
        found = np.flatnonzero(held[at] == keys[low:high])
        return found + low, at[found]
    first = np.flatnonzero(np.append(True, held[1:] != held[:-1]))
    at = np.minimum(np.searchsorted(keys, held[first]), len(keys) - 1)
    same = keys[at] == held[first]
    return at[same], first[same]


def _smallest(count: int) -> type[np.unsignedinteger[Any]]:
    """The smallest type for numbers below `count`: narrow ones sort fastest."""
    return np.uint8 if count <= 256 else np.uint16 if count <= 65_536 else np.uint32


def _tallied(key: NDArray[np.int32], pair: NDArray[np.int32], keys: int, pairs: int) -> NDArray[np.int64]:
    """How many rows have each key and pair."""
    counts = np.bincount(key.astype(np.int64) * pairs + pair, minlength=keys * pairs)
    return counts.reshape(keys, pairs).astype(np.int64, copy=False)


def _latest(rows: ReportRows, matched: Rows, key: NDArray[np.int32], keys: int) -> NDArray[np.int64]:
    """When the last of these rows came, by key."""
    at_ms_of_id = np.array([origin.at_ms for origin in rows.origins], np.int64)[rows.origin_of_id]
    at_ms = at_ms_of_id[rows.id_of[matched]]
    latest = np.zeros(keys, np.int64)
    if keys == 1:
        latest[0] = at_ms.max()
    else:
        np.maximum.at(latest, key, at_ms)
    return latest


class _Match:
    """Row -> chunk, by vendor id. `slot[i]` is the row's index in `chunks`, -1 where nobody knows the id."""

    def __init__(self, tables: Tables, working: WorkingSet, rows: ReportRows) -> None:
        self.chunks: list[JoinedChunk] = []
        self._further: dict[int, tuple[JoinedChunk, ...]] = {}  # id -> chunks to try next
        self._id_of = rows.id_of
        slot_of_id = np.full(len(rows.ids), -1, np.int32)
        self._place_of_id: NDArray[np.int32] | None = None
        numbered: dict[str, int] = {}
        of_origin = np.array([numbered.setdefault(o.account, len(numbered)) for o in rows.origins], np.int32)
        of_id = of_origin[rows.origin_of_id]
        for account, number in numbered.items():
            ids = np.flatnonzero(of_id == number)
            self._match_ids(working, account, rows, ids, slot_of_id)
            if tables.has_recipient_ids(account):
                self._match_recipient_ids(tables, working, account, rows.ids, ids, slot_of_id)
        self.slot = slot_of_id[rows.id_of]
        self._describe()

    def _match_ids(
        self, working: WorkingSet, account: str, rows: ReportRows, ids: Rows, slot_of_id: NDArray[np.int32]
    ) -> None:
        if rows.names is None:
            names = working.named(account, [rows.ids[number] for number in ids.tolist()])
        else:
            names = rows.names[ids]
        slot_of_name = np.full(len(working.names) + 1, -1, np.int32)  # the last one is for "unknown", -1
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
        slot_of_id: NDArray[np.int32],
    ) -> None:
        ids = ids[slot_of_id[ids] < 0]
        if "" in texts:  # what names no message is nobody's
            ids = ids[[bool(texts[number]) for number in ids.tolist()]]
        if not len(ids):
            return
        if self._place_of_id is None:
            self._place_of_id = np.full(len(texts), -1, np.int32)
        keys, key_of_id = np.unique(id_keys([texts[number] for number in ids.tolist()]), return_inverse=True)
        slots, places = np.full((2, len(keys)), -1, np.int32)
        ranges = tables.recipient_id_ranges(account, int(keys[0]), int(keys[-1]))
        lows = np.searchsorted(keys, np.array([low for _, _, low, _ in ranges], np.int64), "left")
        highs = np.searchsorted(keys, np.array([high for _, _, _, high in ranges], np.int64), "right")
        for index in np.flatnonzero(lows < highs).tolist():
            chunk_id, place, _, _ = ranges[index]
            held, at = working.recipient_keys(chunk_id, place)
            asked, hit = _common(keys, int(lows[index]), int(highs[index]), held)
            new = slots[asked] < 0  # who was told an id first has it
            chunk = working.chunk(chunk_id) if new.any() else None
            if chunk is not None:
                slots[asked[new]] = chunk.slot if chunk.slot >= 0 else self._add(chunk)
                places[asked[new]] = chunk.start + at[hit[new]]
        slot_of_id[ids] = slots[key_of_id]
        self._place_of_id[ids] = places[key_of_id]

    def next_chunks(self, strangers: Rows) -> Rows:
        """Of these rows, those whose id was given to a further chunk; they belong to that one now."""
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

    def positions(self, rows: ReportRows, asked: Rows, found: Positions) -> Positions:
        """Where the recipients stand, given where their numbers were found: an id may say so by itself."""
        numbers, slot = rows.numbers[asked], self.slot[asked]
        if not numbers.all():
            alone = (numbers == 0) & (self.end[slot] - self.start[slot] == 1)
            found = np.where(alone, self.start[slot], found)
        if self._place_of_id is not None:
            by_id = self._place_of_id[rows.id_of[asked]]
            agrees = (numbers == 0) | (by_id == found)
            found = np.where(by_id >= 0, np.where(agrees, by_id, -1), found)
        return found

    def batch_of_slot(self) -> NDArray[np.int64]:
        """The batch of each chunk."""
        return np.array([chunk.batch for chunk in self.chunks], np.int64)

    def _describe(self) -> None:
        self.start = np.array([chunk.start for chunk in self.chunks], np.int32)
        self.end = np.array([chunk.end for chunk in self.chunks], np.int32)
        self.returned = np.array([chunk.state == State.QUEUED for chunk in self.chunks], np.bool_)
        self.any_returned = bool(self.returned.any())
        self.plain = np.array([c.state == State.ACCEPTED and not c.expired for c in self.chunks], np.bool_)

    def _add(self, chunk: JoinedChunk) -> int:
        chunk.slot = len(self.chunks)
        self.chunks.append(chunk)
        return chunk.slot
