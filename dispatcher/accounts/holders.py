"""Which process of this machine holds which lane partition, or conducts campaigns: hints for people."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dispatcher.config.places import Places
from dispatcher.log.opening import SqliteUrl, read_url
from dispatcher.log.sqlite.claim import Holder, holders
from dispatcher.log.sqlite.file import locks_folder
from schemas.topics import CAMPAIGNS, LANES

GROUP: Final = "lanes"
"""The group name of the lanes role for distributing lane partitions."""


CONDUCTORS: Final = "campaigns"
"""The group name of the campaigns role for distributing its only partition."""


def conductor_holder(places: Places) -> bool | None:
    """Whether a process of this machine performs the duties of campaigns. None on Kafka: the broker knows."""
    where = read_url(places.log.url)
    if not isinstance(where, SqliteUrl):
        return None
    return bool(holders(locks_folder(Path(where.path)) / "claims" / CONDUCTORS / CAMPAIGNS.name))


def lane_holders(places: Places) -> dict[int, Holder] | None:
    """The holders. None on Kafka: the broker's consumer group knows."""
    where = read_url(places.log.url)
    if not isinstance(where, SqliteUrl):
        return None
    return holders(locks_folder(Path(where.path)) / "claims" / GROUP / LANES.name)
