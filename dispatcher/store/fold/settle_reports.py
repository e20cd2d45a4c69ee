"""Settles reports: which chunk and recipient an id belongs to, and the change of the sums.

All rows of a micro-batch at once: sorted by batch, so that each batch's columns are searched and written once. Rows
without a chunk are parked. Runs inside the fold's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.results.columns import Positions
from dispatcher.core.results.journal import JoinedChunk
from dispatcher.core.results.recipient_ids import settle_parts
from dispatcher.core.results.reports import ReportRows
from dispatcher.store.fold.match_reports import Match, Part, Rows
from dispatcher.store.fold.tables import Tables
from dispatcher.store.fold.tallies import FINAL_COLUMNS, STATE_COLUMNS, Key, Tallies
from dispatcher.store.fold.working_set import WorkingSet
from schemas.states import State

ROW_BITS: Final = 32
"""Above the number of rows in a micro-batch."""


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
        match = Match(self._tables, self._working, rows)
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
            self._tables.reports.park(rows.take(parked).park())

    def _settle(self, rows: ReportRows, match: Match, asked: Rows) -> Rows:
        """Settle the matching rows; returns those whose number is not in their chunk."""
        batches, batch_no = np.unique(match.batch, return_inverse=True)
        order, ends = _grouped(batch_no[match.slot if len(asked) == len(rows) else match.slot[asked]], len(batches))
        if order is not None:
            asked = asked[order]
        part = Part.of(rows, match.slot, asked)
        sums = _Sums()
        strangers = []
        for batch_id, (start, end) in zip(batches.tolist(), pairwise((0, *ends.tolist())), strict=True):
            if end > start:
                strangers.append(self._settle_batch(batch_id, rows, match, part.cut(slice(start, end)), sums))
        if sums.parts:
            self._add(rows, match, sums)
        return np.sort(np.concatenate(strangers))

    def _settle_batch(self, batch_id: int, rows: ReportRows, match: Match, part: Part, sums: _Sums) -> Rows:
        columns = self._working.columns(batch_id)
        first = match.start[part.slot] if columns.has_twins else None
        positions = match.positions(rows, part, columns.find(part.numbers, first))
        inside = match.inside(part.slot, positions, len(columns))
        strangers = part.rows[:0]
        if not inside.all():
            strangers, part, positions = part.rows[~inside], part.cut(inside), positions[inside]
        if not len(part.rows):
            return strangers
        sums.parts.append(part)
        if match.named_in_of_id is not None:
            deciding = self._settle_parts(rows, match, part, sums)
            part, positions = part.cut(deciding), positions[deciding]
        settled = columns.settle(positions, part.pair, rows.pairs, part.times, lambda: rows.places[part.rows])
        fresh = part if len(settled.fresh) == len(part.rows) else part.cut(settled.fresh)
        sums.fresh.append(fresh)
        for row, was in zip(part.rows[settled.replaced].tolist(), settled.replaced_was, strict=True):
            self._replace(rows, match, row, was)
        if match.any_proven:
            self._count_proven(match, fresh.slot, positions[settled.fresh], sums)
        if match.any_returned and (returned := match.returned[fresh.slot]).any():
            self._cover(batch_id, positions[settled.fresh][returned], sums)
        return strangers

    def _settle_parts(self, rows: ReportRows, match: Match, part: Part, sums: _Sums) -> NDArray[np.bool_]:
        """Settle the parts of long messages; returns which rows decide their recipient's state.

        All reports for the ids of one record come in the order of their places: those that waited for it first.
        """
        assert match.named_in_of_id is not None
        assert match.part_of_id is not None
        id_of = rows.id_of[part.rows]
        named_in = match.named_in_of_id[id_of]
        deciding = named_in < 0
        failed = np.array([state == State.FAILED for state, _ in rows.pairs], np.bool_)[part.pair]
        for index in np.unique(named_in[named_in >= 0]).tolist():
            at = np.flatnonzero(named_in == index)
            held = self._working.parts(*match.named_in[index])
            settled = settle_parts(held.states, held.given, match.part_of_id[id_of[at]], failed[at])
            held.changed |= bool(settled.first.any())
            deciding[at] = settled.final
            sums.of_parts.append(part.slot[at[settled.first & ~settled.final]])
        return deciding

    def _count_proven(self, match: Match, slot: Rows, positions: Positions, sums: _Sums) -> None:
        """Count how many of these recipients had an id in an unknown chunk, and so counted as accepted."""
        for number in np.unique(slot).tolist():
            chunk = match.chunks[number]
            if chunk.proven:
                named = self._working.named_recipients(chunk)[positions[slot == number] - chunk.start]
                sums.proven[chunk.id] = sums.proven.get(chunk.id, 0) + int(np.count_nonzero(named))

    def _cover(self, batch_id: int, positions: Positions, sums: _Sums) -> None:
        """Reported for a chunk that had been returned to the queue: the chunk that holds them waits for one less."""
        for position in positions.tolist():
            chunk_id = self._tables.chunks.covering(batch_id, position)
            chunk = self._working.chunk(chunk_id) if chunk_id is not None else None
            if chunk is not None:
                sums.covered.setdefault(chunk.id, []).append(position - chunk.start)

    def _replace(self, rows: ReportRows, match: Match, row: int, was: tuple[int, str]) -> None:
        """An earlier report of this recipient came late: it is the first one."""
        chunk = match.chunks[match.slot[row]]
        key = self._key(chunk)
        for (state, code), recipients in ((was, -1), (rows.pairs[rows.pair[row]], 1)):
            self._tallies.of(key).add(FINAL_COLUMNS[State(state)], recipients)
            if state == State.FAILED:
                self._tallies.failed(key, "report", code, recipients)
        if self._emits:
            self._tables.chunks.put_out([chunk.id])

    def _add(self, rows: ReportRows, match: Match, sums: _Sums) -> None:
        """The sums: by campaign and account in columns, then each chunk's missing reports."""
        fresh_slot = np.concatenate([part.slot for part in sums.fresh])
        matched_slot = np.concatenate([part.slot for part in sums.parts])
        settled = np.bincount(fresh_slot, minlength=len(match.chunks))
        repeated = len(matched_slot) > len(fresh_slot)
        matched = np.bincount(matched_slot, minlength=len(match.chunks)) if repeated else settled
        of_parts = np.bincount(np.concatenate([fresh_slot[:0], *sums.of_parts]), minlength=len(match.chunks))
        numbers, key_of = self._keys(match)
        last_ms = _latest(rows, sums.parts, key_of, len(numbers))
        by_pair = _tallied(key_of, fresh_slot, sums.fresh, len(numbers), len(rows.pairs))
        for key, number in numbers.items():
            of_key = key_of == number
            tally, reports = self._tallies.of(key), self._tallies.report(key[2])
            applied = int(settled[of_key].sum() + of_parts[of_key].sum())
            reports.applied += applied
            reports.repeats += int(matched[of_key].sum()) - applied
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
            elif chunk.state != State.QUEUED and self._leave(chunk, recipients, sums.proven.get(chunk.id, 0)):
                out.append(chunk.id)
        for chunk_id, positions in sums.covered.items():
            cover = self._working.chunk(chunk_id)
            if cover is None:
                continue
            named = self._working.named_recipients(cover)[positions] if cover.proven else np.zeros(1, np.bool_)
            if self._leave(cover, len(positions), int(np.count_nonzero(named))):
                out.append(cover.id)
        if self._emits:
            self._tables.chunks.put_out(out)

    def _leave(self, chunk: JoinedChunk, recipients: int, proven: int) -> bool:
        """This many recipients move from their chunk's state to a final one; returns whether to write downstream.

        `proven` of them had an id in an unknown chunk.
        """
        key = self._key(chunk)
        state = State.NO_REPORT if chunk.expired else chunk.state
        proven = min(proven, chunk.proven)
        tally = self._tallies.of(key)
        tally.add(STATE_COLUMNS[state], proven - recipients)
        tally.accepted -= proven
        chunk.proven -= proven
        if state == State.FAILED:
            self._tallies.failed(key, "submit", chunk.code, -recipients)
        chunk.reported += recipients
        self._working.settle(chunk)
        over = (State.NO_REPORT, State.FAILED, State.SUPPRESSED, State.DUPLICATE)
        return state in over or chunk.pending == 0

    def _keys(self, match: Match) -> tuple[dict[Key, int], NDArray[np.intp]]:
        """The campaigns and accounts of the chunks, numbered; and each chunk's."""
        numbers: dict[Key, int] = {}
        known: dict[tuple[int, str], int] = {}
        key_of = np.empty(len(match.chunks), np.intp)
        for slot, chunk in enumerate(match.chunks):
            number = known.get((chunk.batch, chunk.account))
            if number is None:
                number = known[chunk.batch, chunk.account] = numbers.setdefault(self._key(chunk), len(numbers))
            key_of[slot] = number
        return numbers, key_of

    def _key(self, chunk: JoinedChunk) -> Key:
        batch = self._working.batch(chunk.batch)
        return batch.campaign, batch.attempt, chunk.account, batch.day


class _Sums:
    """The result of one pass over the batches: matched rows, first ones, recipients that another chunk covers.

    `of_parts`: the chunks of rows that are a part's first report and decide nothing yet, or no more.
    `covered`: the positions in their chunk, by chunk. `proven`: how many had an id in an unknown chunk.
    """

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.fresh: list[Part] = []
        self.of_parts: list[Rows] = []
        self.covered: dict[int, list[int]] = {}
        self.proven: dict[int, int] = {}


def _grouped(group: Rows, groups: int) -> tuple[Rows | None, Rows]:
    """(the rows by group, in row order within each; the end of each group). None: they are in that order already.

    One sort of row numbers with their groups above: a fifth of what a stable argsort costs.
    """
    if (group[1:] >= group[:-1]).all():
        return None, np.searchsorted(group, np.arange(groups), "right")
    keyed = np.sort((group << ROW_BITS) | np.arange(len(group)))
    return keyed & ((1 << ROW_BITS) - 1), np.searchsorted(keyed, np.arange(1, groups + 1) << ROW_BITS)


def _tallied(
    key_of: NDArray[np.intp], slot: NDArray[np.intp], parts: Sequence[Part], keys: int, pairs: int
) -> NDArray[np.int64]:
    """How many rows have each key and pair."""
    cell: NDArray[Any] = np.concatenate([part.pair for part in parts])
    if keys > 1:
        cell = key_of.astype(np.int64)[slot] * pairs + cell
    return np.bincount(cell, minlength=keys * pairs).reshape(keys, pairs).astype(np.int64, copy=False)


def _latest(rows: ReportRows, parts: Sequence[Part], key_of: NDArray[np.intp], keys: int) -> NDArray[np.int64]:
    """When the last of these rows came, by key."""
    at_ms_of_id = np.array([origin.at_ms for origin in rows.origins], np.int64)[rows.origin_of_id]
    latest = np.zeros(keys, np.int64)
    if keys == 1:
        seen = np.zeros(len(rows.ids), np.bool_)
        for part in parts:
            seen[rows.id_of if len(part.rows) == len(rows) else rows.id_of[part.rows]] = True
        latest[0] = at_ms_of_id[seen].max()
    else:
        for part in parts:
            np.maximum.at(latest, key_of[part.slot], at_ms_of_id[rows.id_of[part.rows]])
    return latest
