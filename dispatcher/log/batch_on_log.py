"""A batch's numbers and values, read from the log by its place: of a list's batch, or of a segment of a stream."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from dispatcher.core.numbers import Numbers, decode
from dispatcher.core.streams.segments import Segment, placed, stream_of
from dispatcher.log.port import Log
from dispatcher.log.records import record_of
from schemas.batch import BrokenBatch, Values, unpack_values
from schemas.records import Appended
from schemas.topics import JOBS, LANE_PARTITIONS, RECIPIENTS, SPREAD_PARTITIONS

READ_RECORDS: Final = 5_000


class BatchOnLog(msgspec.Struct, frozen=True):
    """Recipients in their order; `values` is None if they have none."""

    numbers: Numbers
    values: Values | None


async def batch_on_log(log: Log, place: int, sha256: bytes | None = None) -> BatchOnLog:
    """The batch at this place (core/results/places.py); `sha256`: what its job says. Raises LogError, BrokenBatch."""
    if place < 0:
        return await _segment(log, *reversed(divmod(-1 - place, LANE_PARTITIONS)))
    offset, partition = divmod(place, SPREAD_PARTITIONS)
    stored = await log.fetch(RECIPIENTS.name, partition, offset)
    wire, _, values = unpack_values(stored.value, stored.headers, sha256)
    return BatchOnLog(decode(wire), values)


async def _segment(log: Log, partition: int, first: int) -> BatchOnLog:
    """The segment whose first `Appended` is at this offset, as far as it is on the log."""
    found: list[Appended] = []
    segment: Segment | None = None
    at = first
    while records := await log.read(JOBS.name, partition, at, records_max=READ_RECORDS):
        at = records[-1].offset + 1
        for stored in records:
            record = record_of(stored, JOBS.name)
            if not isinstance(record, Appended) or (found and stream_of(record) != stream_of(found[0])):
                continue
            segment, _ = placed(segment, stored.offset, record)
            if segment.job != first:
                return _joined(found)
            found.append(record)
    return _joined(found)


def _joined(found: list[Appended]) -> BatchOnLog:
    if not found:
        raise BrokenBatch("the messages of the stream are not on the log")
    try:
        numbers = np.concatenate([decode(record.numbers) for record in found])
    except ValueError as error:
        raise BrokenBatch(f"numbers of the stream cannot be read: {error}") from error
    names = found[0].values.names
    if not names:
        return BatchOnLog(numbers, None)
    ends, texts, rows = [], [], []
    for index in range(len(names)):
        columns = [(each.values.ends[index], each.values.texts[index], each.values.rows[index]) for each in found]
        text_at = entry_at = 0
        moved_ends, moved_rows = [], []
        for its_ends, text, its_rows in columns:
            whole = np.frombuffer(its_ends, "<u4")
            moved_ends.append(whole + np.uint32(text_at))
            moved_rows.append(np.frombuffer(its_rows, "<u2") + np.uint16(entry_at))
            text_at, entry_at = text_at + len(text), entry_at + len(whole)
        ends.append(np.concatenate(moved_ends).astype("<u4").tobytes())
        rows.append(np.concatenate(moved_rows).astype("<u2").tobytes())
        texts.append(b"".join(text for _, text, _ in columns))
    return BatchOnLog(numbers, Values(names=names, ends=tuple(ends), texts=tuple(texts), rows=tuple(rows)))
