"""The events of callbacks, from the records of the log. dispatcher/callbacks/bodies.py has what is posted of them.

An event's id is its place on the log, `TOPIC-PARTITION-OFFSET` (of results with the part behind it), so the same event
has the same id however often it is delivered.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec

from schemas.records import AnyRecord, CallbackEvent, Cancelled, Finished, Inbound, WaveDecided
from schemas.topics import CALLBACKS, CAMPAIGNS, INBOUND, RESULTS, TOPIC

Format = Literal["standard", "dingtalk", "wecom", "feishu"]

KINDS: Final = ("finished", "halted", "failing", "inbound", "results", "alert")
ROWS_MAX: Final = 1_000
"""Recipients in one event of results, and about as many in one message."""

TOPICS_OF: Final = {
    "results": RESULTS,
    "inbound": INBOUND,
    "halted": CAMPAIGNS,
    "finished": CALLBACKS,
    "failing": CALLBACKS,
    "alert": CALLBACKS,
}


class Wanted(msgspec.Struct, frozen=True):
    """What one callback wants: these kinds, of campaigns whose id matches the pattern."""

    callback: str
    kinds: frozenset[str]
    campaigns: str = "*"

    @property
    def places(self) -> list[str]:
        """The partitions that have it, as `TOPIC-PARTITION`."""
        topics = dict.fromkeys(TOPICS_OF[kind] for kind in KINDS if kind in self.kinds)
        return [place_name(topic.name, partition) for topic in topics for partition in range(topic.partitions)]


class Event(msgspec.Struct, frozen=True):
    """One event. Events of the same `order` (a campaign, or an account) are delivered in the order of the log.

    `first` and `rows`: which recipients of its record it has.
    """

    id: str
    place: str
    offset: int
    order: str
    kind: str
    at_ms: int
    record: AnyRecord
    first: int = 0
    rows: int = 0

    @property
    def bytes_held(self) -> int:
        """About how much memory it takes; a record of results is counted with its first part."""
        record = self.record
        whole = len(record.numbers) + len(record.states) + len(record.code_index) if isinstance(record, Finished) else 0
        return 1_000 + (0 if self.first else whole)


def place_name(topic: str, partition: int) -> str:
    """`TOPIC-PARTITION`."""
    return f"{topic}-{partition}"


def place_of(name: str) -> tuple[str, int]:
    """Topic and partition of a place."""
    topic, _, partition = name.rpartition("-")
    return topic, int(partition)


def position_of(id: str) -> tuple[str, int]:
    """Place and offset in an event's id, or in that of a message (then of its last event). Raises ValueError."""
    parts = id.rsplit("+", 1)[-1].split("-")
    if len(parts) in (3, 4) and parts[0] in TOPIC and all(part.isascii() and part.isdigit() for part in parts[1:]):
        topic, partition, offset = parts[0], int(parts[1]), int(parts[2])
        if partition < TOPIC[topic].partitions and TOPIC[topic] in TOPICS_OF.values():
            return place_name(topic, partition), offset
    raise ValueError(f'"{id}" is no position of an event')


def events_of(place: str, offset: int, record: AnyRecord, at_ms: int, wanted: Wanted) -> list[Event]:
    """The events of this record that the callback wants, in order."""
    id, kinds = f"{place}-{offset}", wanted.kinds

    def of_campaign(campaign: str) -> bool:
        return fnmatchcase(campaign, wanted.campaigns)

    def one(order: str, kind: str) -> list[Event]:
        return [Event(id, place, offset, order, kind, at_ms, record)] if kind in kinds else []

    match record:
        case Finished() if "results" in kinds and of_campaign(record.campaign):
            total = len(record.states)
            return [
                Event(f"{id}-{part}", place, offset, record.campaign, "results", at_ms, record, first,
                      min(ROWS_MAX, total - first))
                for part, first in enumerate(range(0, total, ROWS_MAX))
            ]  # fmt: skip
        case WaveDecided(verdict="halted") | Cancelled() if of_campaign(record.campaign):
            return one(record.campaign, "halted")
        case Inbound():
            return one(f"inbound {record.account}", "inbound")
        case CallbackEvent(old=False) if record.to in ("", wanted.callback) and record.kind in kinds:
            campaign = record.campaign
            return one(campaign or record.subject, record.kind) if not campaign or of_campaign(campaign) else []
        case _:
            return []


def message_id(events: Sequence[Event]) -> str:
    """The id of a message with these events: that of its event, or those of its first and last one."""
    return events[0].id if len(events) == 1 else f"{events[0].id}+{events[-1].id}"
