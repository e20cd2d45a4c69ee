"""The final states of chunks of one batch, as records for `results`: the batch's columns are read once, then cut.

All chunks of a batch at once: a call of numpy per chunk would cost ten times as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.results.columns import states_of
from dispatcher.core.results.journal import JoinedChunk
from dispatcher.store.fold.tables import Batches, JoinedBatch, Stretch
from schemas.records import Finished
from schemas.states import State

CELLS_MAX: Final = 1_000_000
"""Chunks times different codes at once: 3 MB."""


def finished(batches: Batches, batch: JoinedBatch, chunks: Sequence[JoinedChunk]) -> list[Finished]:
    """The final states of these chunks of the batch; each holds its recipients (none was returned to the queue).

    A record has fewer rows than its chunk has recipients only if the log has lost the batch's numbers.
    """
    first, end = min(chunk.start for chunk in chunks), max(chunk.end for chunk in chunks)
    stretch = batches.stretch(batch, first, end)
    step = max(1, CELLS_MAX // (1 + len(batch.codes)))
    return [
        record for at in range(0, len(chunks), step) for record in _cut(batch, chunks[at : at + step], first, stretch)
    ]


def _cut(
    batch: JoinedBatch,
    chunks: Sequence[JoinedChunk],
    first: int,
    stretch: Stretch,
) -> list[Finished]:
    """The records of these chunks; the columns cover the batch's recipients from `first` on."""
    numbers, finals, times = stretch
    pairs = batch.codes
    start = np.array([chunk.start - first for chunk in chunks], np.int64)
    count = np.clip(np.array([chunk.count for chunk in chunks], np.int64), 0, np.maximum(len(finals) - start, 0))
    ends = np.cumsum(count)
    of_chunk = np.repeat(np.arange(len(chunks)), count)
    rows = _rows(start, count, ends)
    finals = finals[rows]

    states = states_of(pairs).take(finals)
    silent = np.flatnonzero(finals == 0)  # no report: the chunk's own state and code
    states[silent] = np.array([_own_state(chunk) for chunk in chunks], np.uint8)[of_chunk[silent]]

    used = np.zeros((len(chunks), 1 + len(pairs)), np.bool_)
    cell = of_chunk * used.shape[1] + finals  # one index is four times as fast as two
    used.reshape(-1)[cell] = True
    code_index = (np.cumsum(used, axis=1, dtype="<u2") - np.uint16(1)).reshape(-1)[cell]
    chunk_no, values = np.nonzero(used)
    values_to = np.searchsorted(chunk_no, np.arange(len(chunks)), "right").tolist()
    value_of, code_of = values.tolist(), ["", *(code for _, code in pairs)]

    latest = np.zeros(len(chunks), np.int64)
    if len(of_chunk):
        filled = count > 0
        latest[filled] = np.maximum.reduceat(times[rows], (ends - count)[filled])

    packed_states, packed_index = states.tobytes(), code_index.astype("<u2", copy=False).tobytes()
    cuts = zip(
        chunks,
        start.tolist(),
        pairwise((0, *ends.tolist())),
        pairwise((0, *values_to)),
        latest.tolist(),
        strict=True,
    )
    return [
        Finished(
            campaign=batch.campaign,
            account=chunk.account,
            batch=batch.number,
            start=chunk.start,
            vendor_id=chunk.vendor_id,
            numbers=numbers[at * 8 : (at + row_to - row) * 8],
            states=packed_states[row:row_to],
            codes=[code_of[value] if value else chunk.code for value in value_of[value_from:value_to]],
            code_index=packed_index[2 * row : 2 * row_to],
            at_ms=latest_s * 1000 or chunk.sent_ms,
        )
        for chunk, at, (row, row_to), (value_from, value_to), latest_s in cuts
    ]


def _rows(start: NDArray[np.int64], count: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    """The places of all recipients, chunk after chunk; usually the chunks are adjacent."""
    if (start[1:] == (start + count)[:-1]).all():
        return slice(int(start[0]), int(start[0] + ends[-1]))
    rows: NDArray[np.int64] = np.repeat(start - (ends - count), count)
    return rows + np.arange(len(rows))


def _own_state(chunk: JoinedChunk) -> State | int:
    """The code of its recipients without a report."""
    return State.NO_REPORT if chunk.expired and chunk.state == State.ACCEPTED else chunk.state
