"""Places in the log as one number each: the ids of the results store, so a replay gives the same ids.

Pure.
"""

from __future__ import annotations

from typing import Final

from schemas.records import Job
from schemas.topics import LANE_PARTITIONS, SPREAD_PARTITIONS

PIECES: Final = 65_536
"""A piece's id is its intent's place times this, plus its position in the chunk, which has fewer recipients."""


def lane_place(partition: int, offset: int) -> int:
    """A place in a per-lane topic."""
    return offset * LANE_PARTITIONS + partition


def move_place(job: Job) -> int:
    """The place of the Moved that a job's recipients come from; -1: the launch gave them to its account."""
    return -1 if job.moved is None else lane_place(job.moved.partition, job.moved.offset)


def spread_place(partition: int, offset: int) -> int:
    """A place in a spread topic."""
    return offset * SPREAD_PARTITIONS + partition


def segment_place(partition: int, offset: int) -> int:
    """The batch that is a segment of a stream, at this place of a per-lane topic: negative, as no other batch is."""
    return -1 - lane_place(partition, offset)


def chunk_id(partition: int, intent: int) -> int:
    """The id of the chunk of the intent at this offset of `lanes`, which is the id of its first piece."""
    return lane_place(partition, intent) * PIECES


def chunk_of(piece: int) -> int:
    """The id of the chunk that the piece is of."""
    return piece - piece % PIECES


def intent_of(piece: int) -> tuple[int, int]:
    """(partition, offset) of the intent of a chunk or piece."""
    offset, partition = divmod(piece // PIECES, LANE_PARTITIONS)
    return partition, offset
