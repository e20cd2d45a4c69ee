"""Which process of this machine holds which lane partition: a hint for people (the journal decides ownership)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dispatcher.config.places import Places
from dispatcher.log.opening import SqliteUrl, read_url
from dispatcher.log.sqlite.claim import Holder, holders
from dispatcher.log.sqlite.file import locks_folder
from schemas.topics import LANES

GROUP: Final = "lanes"
"""The group name of the lanes role for distributing lane partitions."""


def lane_holders(places: Places) -> dict[int, Holder] | None:
    """The holders. None on Kafka: the broker's consumer group knows."""
    where = read_url(places.log.url)
    if not isinstance(where, SqliteUrl):
        return None
    return holders(locks_folder(Path(where.path)) / "claims" / GROUP / LANES.name)
