"""Checks of every adapter before it writes or reads: topic and partition exist, the record is not too big.

The source is schemas/topics.py; without these checks adapters would fail later and differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dispatcher.errors import LogDamaged, LogError
from dispatcher.log.port import Entry
from schemas.topics import TOPIC, Topic

LABEL_BYTES_MAX: Final = 32_768  # key and headers together


def checked_topic(topic: str, partition: int) -> Topic:
    """The topic's row of the table. Raises LogError for an unknown topic or partition."""
    found = TOPIC.get(topic)
    if found is None:
        raise LogError("the log has no topic {topic!r}", topic=topic)
    if not 0 <= partition < found.partitions:
        raise LogError(
            "topic {topic!r} has partitions 0 to {last}, not {partition}",
            topic=topic,
            last=found.partitions - 1,
            partition=partition,
        )
    return found


def check_entries(topic: Topic, entries: Sequence[Entry]) -> None:
    """Raises LogError if a record is larger than the topic allows; then nothing of the call is written."""
    limit = topic.record_bytes_max
    for entry in entries:
        if len(entry.value) > limit:
            raise LogError(
                "a record of {bytes:,} bytes; topic {topic!r} takes up to {limit:,}",
                bytes=len(entry.value),
                topic=topic.name,
                limit=limit,
            )
        label = len(entry.key) + sum(len(name) * 4 + len(value) for name, value in entry.headers)
        if label > LABEL_BYTES_MAX:
            raise LogError(
                "a record with {label:,} bytes of key and headers; it takes up to {max:,}",
                label=label,
                max=LABEL_BYTES_MAX,
            )


def check_offset(offset: int) -> None:
    """Raises LogDamaged: a reader cannot reach such a place on the log that it read before."""
    if offset < 0:
        raise LogDamaged("there is no offset {offset}", offset=offset)
