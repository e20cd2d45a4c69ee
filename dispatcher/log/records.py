"""Decodes a stored value, or says why it cannot be read."""

from __future__ import annotations

from dispatcher.errors import LogDamaged, LogNewer
from dispatcher.log.port import StoredRecord
from schemas.codec import BrokenRecord, NewerRecord, decode
from schemas.records import AnyRecord


def record_of(stored: StoredRecord, topic: str) -> AnyRecord:
    """The record. Raises LogNewer, LogDamaged, each with one plain sentence."""
    try:
        return decode(stored.value)
    except NewerRecord as error:
        raise LogNewer(
            "the log's topic {topic} was written by a newer release ({error}). Update this dispatcher.",
            topic=topic,
            error=error,
        ) from error
    except BrokenRecord as error:
        raise LogDamaged(
            "{topic}: the record at offset {offset} cannot be read ({error}).",
            topic=topic,
            offset=stored.offset,
            error=error,
        ) from error
