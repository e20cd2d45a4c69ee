"""The segments of a stream: what jobs and batches are to a campaign whose recipients are known. Pure.

The messages of one stream on one account lie in segments, in the order of the account's inbox: at most SEGMENT_MAX of
them, all appended on the same day (Asia/Shanghai, by the appender's clock). A segment is named by the offset of the
first `Appended` in it; that is the `job` of its intents. The lane and the results both fold `jobs` by this rule, so a
million single messages have as many jobs and batches as one campaign of a million, and figures by day are exact.
"""

from __future__ import annotations

from typing import Final

import msgspec

from dispatcher.core.shanghai import DAY_MS, SHANGHAI_MS
from schemas.records import Appended, Job

SEGMENT_MAX: Final = 4_096
"""As many as the results keep in one row (core/results/columns.py)."""

APPENDED_MAX: Final = 1_000
"""The most messages of one `Appended`."""

NOWHERE: Final = -1
"""The partition of the job of a segment: its messages are in `jobs` itself."""

StreamKey = tuple[str, str, str]
"""account, campaign, attempt"""


class Segment(msgspec.Struct, frozen=True):
    """The last segment of a stream on an account: the offset of its first `Appended`, its messages, its day."""

    job: int
    count: int
    day: int


def day_of(at_ms: int) -> int:
    """The day of a moment, counted from 1970-01-01, in Asia/Shanghai."""
    return (at_ms + SHANGHAI_MS) // DAY_MS


def stream_of(record: Appended) -> StreamKey:
    """The stream and account of these messages."""
    return record.account, record.campaign, record.attempt


def placed(last: Segment | None, offset: int, record: Appended) -> tuple[Segment, int]:
    """The segment that these messages belong to, with them, and the position of the first of them."""
    day = day_of(record.at_ms)
    if last is None or last.day != day or last.count + record.count > SEGMENT_MAX:
        return Segment(offset, record.count, day), 0
    return Segment(last.job, last.count + record.count, day), last.count


def job_of(stream: StreamKey, segment: Segment) -> Job:
    """The segment as a job."""
    account, campaign, attempt = stream
    return Job(
        campaign=campaign,
        attempt=attempt,
        account=account,
        number=0,
        batch=segment.job,
        partition=NOWHERE,
        offset=segment.job,
        sha256=b"",
        start=0,
        count=segment.count,
    )


def is_segment(job: Job) -> bool:
    """Whether this job is a segment of a stream."""
    return job.partition == NOWHERE
