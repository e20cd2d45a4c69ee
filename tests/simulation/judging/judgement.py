"""The judgement at the end of a history: the vendor's ledger beside the journal, folded from its beginning."""

from __future__ import annotations

from collections.abc import Container, Iterable

from dispatcher.core.lane.state import LaneState
from schemas.records import (
    Cancelled,
    Effect,
    Intent,
    Job,
    Kind,
    Launched,
    Outcome,
    Outcomes,
    Owned,
    Resolved,
    ResolvedAs,
    Run,
)
from tests.simulation.judging.watch import Watch
from tests.simulation.launches import FIRST_NUMBER
from tests.simulation.opt_outs import OptOuts
from tests.simulation.world.sim_log import SimLog
from tests.simulation.world.sim_vendor import SimVendor
from tests.simulation.world.world import World

FOR_NOW = (Kind.RETRY_LATER, Kind.REJECTED)
"""Classes that never fail a chunk within the time of a history: busy, and a web server's refusal."""

Recipient = tuple[int, int]
"""Offset of the job, index in it."""


def judge(
    world: World,
    log: SimLog,
    vendor: SimVendor,
    watch: Watch,
    opt_outs: OptOuts,
    for_now: Container[str | Kind | None] = FOR_NOW,
) -> None:
    """Every recipient has its word, and the vendor agrees with it. Raises Broken."""
    fate, was_unknown = fold(log)
    first: dict[str, Launched] = {}
    for record in log.topics["campaigns"]:
        if isinstance(record, Launched):
            first.setdefault(record.campaign, record)
    cancelled = {record.campaign for record in log.topics["campaigns"] if isinstance(record, Cancelled)}
    counted: set[tuple[str, int]] = set()
    for record in log.topics["lanes"]:
        results = record.runs if isinstance(record, Outcomes) else (record,) if isinstance(record, Outcome) else ()
        if any(each.effect == Effect.FAILED and each.kind in for_now for each in results):
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
            if word == "suppressed" and int(number) not in opt_outs.ever:
                complaint = "is left out, and was never on the suppression list"
            if complaint:
                what = f"{number.decode()} of {job.campaign} {complaint}"
                raise world.broken(what, watch.chunks_of(number))


def _complaint(word: str, times: int, unknown_once: bool, campaign: Launched, cancelled: bool) -> str:
    if times > 1 and not unknown_once:
        return f"was sent {times} times"
    if word == "accepted" and times == 0:
        return "counts as accepted, the vendor never took it"
    if word in ("failed", "queued", "suppressed") and times > 0 and not unknown_once:
        return f"counts as {word}, the vendor took it"
    if word == "in flight":
        return "is still in flight"
    if word == "queued" and not cancelled:
        return "was never sent"
    if word == "unknown" and campaign.unknown == "resend" and not cancelled:
        return "is unknown, its policy is resend"
    return ""


def fold(log: SimLog) -> tuple[dict[Recipient, str], set[Recipient]]:
    """The journal folded from its beginning: every recipient's fate, and who was ever unknown.

    The fold that ships says which records are valid; what they do is followed here recipient by recipient.
    """
    state = LaneState()
    chunks: dict[int, tuple[list[Recipient], list[str]]] = {}
    fate: dict[Recipient, str] = {}
    was_unknown: set[Recipient] = set()

    def moves(intent: int, positions: Iterable[int], word: str) -> None:
        recipients, words = chunks[intent]
        for at in positions:
            words[at] = fate[recipients[at]] = word
            if word == "unknown":
                was_unknown.add(recipients[at])

    def still(intent: int, *open_words: str) -> list[int]:
        return [at for at, word in enumerate(chunks[intent][1]) if word in open_words]

    for offset, record in enumerate(log.topics["lanes"]):
        change = state.apply(offset, record)
        match record:
            case Owned():
                for intent in chunks:
                    moves(intent, still(intent, "in flight"), "unknown")
            case Intent() if change.chunk is not None:
                recipients = [(record.job, index) for index in range(record.start, record.start + record.count)]
                if record.attempt == 0 and any(each in was_unknown for each in recipients):
                    raise AssertionError("a first attempt of an unknown recipient")
                if any(fate.get(each) == "suppressed" for each in recipients):
                    raise AssertionError("an attempt for a recipient who was left out")
                chunks[offset] = (recipients, [""] * record.count)
                moves(offset, range(record.count), "in flight")
                for start, count in record.left_out:
                    moves(offset, range(start, start + count), "suppressed")
            case Outcome() | Outcomes() if record.intent in chunks:
                count = len(chunks[record.intent][0])
                runs = record.runs if isinstance(record, Outcomes) else (Run(0, count, record.effect, record.kind),)
                open_ = set(still(record.intent, "in flight", "unknown"))
                for run in runs:
                    concerned = open_.intersection(range(run.start, run.end))
                    moves(record.intent, sorted(concerned), str(run.effect))
                    if run.effect == Effect.UNKNOWN and concerned:
                        moves(record.intent, still(record.intent, "in flight"), "unknown")
            case Resolved() if change.chunk is not None:
                count = len(chunks[record.intent][0])
                named = {at for start, size in record.ranges or ((0, count),) for at in range(start, start + size)}
                word = "accepted" if record.verdict == ResolvedAs.SENT else "queued"
                moves(record.intent, sorted(named.intersection(still(record.intent, "unknown"))), word)
    return fate, was_unknown
