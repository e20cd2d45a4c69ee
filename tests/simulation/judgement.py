"""The judgement at the end of a history: the vendor's ledger beside the journal, folded from its beginning."""

from __future__ import annotations

from dispatcher.core.lane.state import ChunkState, LaneState
from schemas.records import Cancelled, Effect, Intent, Job, Kind, Launched, Outcome, Owned
from tests.simulation.launches import FIRST_NUMBER
from tests.simulation.sim_log import SimLog
from tests.simulation.sim_vendor import SimVendor
from tests.simulation.watch import Watch
from tests.simulation.world import World

FOR_NOW = (Kind.RETRY_LATER, Kind.REJECTED)
"""Classes that never fail a chunk within the time of a history: busy, and a web server's refusal."""

Recipient = tuple[int, int]
"""Offset of the job, index in it."""


def judge(world: World, log: SimLog, vendor: SimVendor, watch: Watch) -> None:
    """Every recipient has its word, and the vendor agrees with it. Raises Broken."""
    fate, was_unknown = fold(log)
    first: dict[str, Launched] = {}
    for record in log.topics["campaigns"]:
        if isinstance(record, Launched):
            first.setdefault(record.campaign, record)
    cancelled = {record.campaign for record in log.topics["campaigns"] if isinstance(record, Cancelled)}
    counted: set[tuple[str, int]] = set()
    for record in log.topics["lanes"]:
        if isinstance(record, Outcome) and record.effect == Effect.FAILED and record.kind in FOR_NOW:
            raise world.broken("recipients were failed though they were refused for now only", [record.intent])
    for job_offset, job in enumerate(log.topics["jobs"]):
        if not isinstance(job, Job):
            continue
        campaign = first[job.campaign]
        if job.attempt != campaign.attempt or (job.campaign, job.number) in counted:
            continue
        counted.add((job.campaign, job.number))
        for index in range(job.count):
            number = b"%d" % (FIRST_NUMBER + job.offset + index)
            word, times = fate.get((job_offset, index), "queued"), vendor.taken.get(number, 0)
            unknown_once = (job_offset, index) in was_unknown
            complaint = _complaint(word, times, unknown_once, campaign, job.campaign in cancelled)
            if complaint:
                what = f"{number.decode()} of {job.campaign} {complaint}"
                raise world.broken(what, watch.chunks_of(number))


def _complaint(word: str, times: int, unknown_once: bool, campaign: Launched, cancelled: bool) -> str:
    if times > 1 and not unknown_once:
        return f"was sent {times} times"
    if word == "accepted" and times == 0:
        return "counts as accepted, the vendor never took it"
    if word in ("failed", "queued") and times > 0 and not unknown_once:
        return f"counts as {word}, the vendor took it"
    if word == "in flight":
        return "is still in flight"
    if word == "queued" and not cancelled:
        return "was never sent"
    if word == "unknown" and campaign.unknown == "resend" and not cancelled:
        return "is unknown, its policy is resend"
    return ""


def fold(log: SimLog) -> tuple[dict[Recipient, str], set[Recipient]]:
    """The journal folded from its beginning: every recipient's fate, and who was ever unknown."""
    state = LaneState()
    fate: dict[Recipient, str] = {}
    was_unknown: set[Recipient] = set()
    for offset, record in enumerate(log.topics["lanes"]):
        change = state.apply(offset, record)
        chunks = list(state.open.values()) if isinstance(record, Owned) else [change.chunk] if change.chunk else []
        for chunk in chunks:
            recipients = [(chunk.job, index) for index in range(chunk.start, chunk.start + chunk.count)]
            word = "queued" if chunk.state is ChunkState.QUEUED else chunk.state.value
            fate.update(dict.fromkeys(recipients, word))
            if chunk.state is ChunkState.UNKNOWN:
                was_unknown.update(recipients)
            if isinstance(record, Intent) and record.attempt == 0 and any(r in was_unknown for r in recipients):
                raise AssertionError("a first attempt of an unknown recipient")
    return fate, was_unknown
