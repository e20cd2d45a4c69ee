"""Whether a launch counts although others were committed while it was. Pure.

A launch is judged (frequency cap, other follow-ups of the same campaign) by what is on the log, and committed a few
milliseconds later. Its record says up to which offset it was judged (`judged_upto`). If a launch that counts stands
between that offset and the record, and the judgement would have had to know it, the record is void: the launcher reads
the log, judges again and appends another one. So of two launches at the same moment the later one on the log always
knows the earlier, and every reader of the log decides the same.

`Launched` records have keys of their own, also when an append is repeated: compaction must not change what stands
before a launch.
"""

from __future__ import annotations

from collections.abc import Iterable

from schemas.records import Follows, Launched


def followed(follows: Follows | None) -> tuple[str, ...]:
    """The campaigns whose recipients a follow-up texts again; of a retry also the retries before it."""
    if follows is None:
        return ()
    return (follows.campaign, *(retry_id(follows.campaign, number) for number in range(1, follows.retry)))


def retry_id(campaign: str, number: int) -> str:
    """The id of an automatic retry."""
    return f"{campaign}.retry-{number}"


def is_overtaken(record: Launched, since: Iterable[Launched]) -> bool:
    """Whether this launch is void; `since` are the launches that count from its `judged_upto` on."""
    return record.judged_upto is not None and any(_had_to_know(record, other) for other in since)


def _had_to_know(record: Launched, other: Launched) -> bool:
    """Whether the judgement of a launch depends on this other one."""
    if other.campaign == record.campaign:
        return False
    if record.capped and not other.test_of and _class(other) == _class(record):
        return True
    return not set(followed(record.follows)).isdisjoint(followed(other.follows))


def _class(launched: Launched) -> str:
    return launched.campaign_class or "marketing"
