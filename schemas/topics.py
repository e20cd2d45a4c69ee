"""The table of topics: what the log carries, where, and how long. See docs/ARCHITECTURE.md, "The way of the data".

Both log adapters create and verify topics from this table alone. `per_lane` topics have one partition per lane
partition and are keyed by account; they must all have the same number of partitions, because an account's
partition is the same number in each of them.
"""

from __future__ import annotations

import zlib
from typing import Final, Literal

import msgspec

LANE_PARTITIONS: Final = 8
SPREAD_PARTITIONS: Final = 8
VERIFICATION_PARTITIONS: Final = 8
DAY_MS: Final = 86_400_000


class Topic(msgspec.Struct, frozen=True):
    """One topic: `retention_ms` of None means "for ever"; `record_bytes_max` bounds one record's value."""

    name: str
    partitions: int
    cleanup: Literal["compact", "delete"]
    retention_ms: int | None
    record_bytes_max: int = 1_000_000


CAMPAIGNS: Final = Topic("campaigns", 1, "compact", None)
RECIPIENTS: Final = Topic("recipients", SPREAD_PARTITIONS, "delete", 400 * DAY_MS)
REJECTS: Final = Topic("rejects", SPREAD_PARTITIONS, "delete", 400 * DAY_MS)
JOBS: Final = Topic("jobs", LANE_PARTITIONS, "delete", 400 * DAY_MS)
LANES: Final = Topic("lanes", LANE_PARTITIONS, "delete", 400 * DAY_MS, record_bytes_max=4_000_000)
REPORTS: Final = Topic("reports", LANE_PARTITIONS, "delete", 400 * DAY_MS)
INBOUND: Final = Topic("inbound", LANE_PARTITIONS, "delete", 400 * DAY_MS)
DEAD: Final = Topic("dead", LANE_PARTITIONS, "delete", 90 * DAY_MS)
RESULTS: Final = Topic("results", SPREAD_PARTITIONS, "delete", 90 * DAY_MS)
SUPPRESSION: Final = Topic("suppression", 1, "delete", None)
CARRIERS: Final = Topic("carriers", 1, "delete", None)
PEOPLE: Final = Topic("people", 1, "compact", None)
AUDIT: Final = Topic("audit", 1, "delete", None)
VERIFICATIONS: Final = Topic("verifications", VERIFICATION_PARTITIONS, "delete", 2 * DAY_MS, record_bytes_max=10_000)
CALLBACKS: Final = Topic("callbacks", 1, "compact", None)

TOPICS: Final = (
    *(CAMPAIGNS, RECIPIENTS, REJECTS, JOBS, LANES, REPORTS, INBOUND, DEAD, RESULTS),
    *(SUPPRESSION, CARRIERS, PEOPLE, AUDIT, VERIFICATIONS, CALLBACKS),
)
TOPIC: Final = {topic.name: topic for topic in TOPICS}


def lane_partition(account: str) -> int:
    """The lane partition of an account: a stable hash of its name, the same in every process and release."""
    return zlib.crc32(account.encode()) % LANE_PARTITIONS


def spread_partition(campaign: str, batch: int) -> int:
    """The partition of batch number `batch` of a campaign: consecutive batches rotate over all partitions."""
    return (zlib.crc32(campaign.encode()) + batch) % SPREAD_PARTITIONS
