"""Launches and control of campaigns as they come into the log: crashed half way, written twice, late, repeated."""

from __future__ import annotations

import msgspec

from dispatcher.core.messages.chunks import Batch
from dispatcher.core.messages.template import VariableLimits
from schemas.records import DECIDED_LATER, AtClosing, Job, Launched, Leg, Wave
from tests.simulation.personal import TEXT, personal
from tests.simulation.world.sim_log import SimLog
from tests.simulation.world.world import ACCOUNT

FIRST_NUMBER = 13_000_000_000


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign as somebody wants it: jobs of `sizes` recipients, whose numbers begin at `first`.

    `run`: so many in a row share a text, 0: all of them; `batch_limits`: how the vendor takes many texts in a request.
    `waves`: every job is one; with several `texts` they take turns, and that of the last wave is decided later.
    """

    name: str
    first: int
    sizes: tuple[int, ...]
    unknown: str
    weight: int
    urgent: bool
    segments: int
    run: int = 0
    batch_limits: VariableLimits | None = None
    hours: tuple[tuple[int, int], ...] = ()
    at_closing: AtClosing = "pause"
    waves: bool = False
    texts: int = 1

    @property
    def recipients(self) -> int:
        """How many it has."""
        return sum(self.sizes)


def launched(plan: Plan, attempt: str, at_ms: int = 0) -> Launched:
    """The commit point of this attempt at launching it."""
    recipients, jobs = plan.recipients, len(plan.sizes)
    return Launched(
        campaign=plan.name,
        attempt=attempt,
        fingerprint="f",
        name=plan.name,
        text=TEXT if plan.run else "t",
        variables=("a", "b") if plan.run else (),
        legs=(Leg(account=ACCOUNT, vendor="batch-a", jobs=jobs, recipients=recipients),),
        weight=plan.weight,
        urgent=plan.urgent,
        unknown=plan.unknown,  # type: ignore[arg-type]
        rows=recipients,
        recipients=recipients,
        invalid=0,
        duplicate=0,
        suppressed=0,
        batches=jobs,
        segments=plan.segments,
        at_ms=at_ms,
        by="test",
        hours=plan.hours,
        at_closing=plan.at_closing,
        waves=tuple(Wave(size, (1,)) for size in plan.sizes) if plan.waves else (),
        texts=tuple(f"text {each}" for each in range(plan.texts)) if plan.texts > 1 else (),
    )


def numbered(first: int, count: int) -> bytes:
    """So many comma-joined numbers from 13000000000 + first on."""
    return b",".join(b"%d" % (FIRST_NUMBER + first + index) for index in range(count))


def launch(log: SimLog, batches: dict[int, Batch], plan: Plan, attempt: str) -> None:
    """Append the campaign's jobs, some of them twice, then its commit point; before it, an attempt that crashed."""
    rng = log.world.rng
    crashed = rng.random() < 0.3
    for each, committed in ((f"{attempt}, crashed", False), (attempt, True)):
        if not committed and not crashed:
            continue
        at = plan.first
        for number, size in enumerate(plan.sizes):
            if not committed and rng.random() < 0.3:
                break
            for _ in range(rng.choice([1, 1, 1, 2])):
                _put_job(log, batches, plan, each, number, at, size)
            at += size
        if committed:
            log.put("campaigns", [launched(plan, each, log.world.now_ms if plan.hours else 0)])
    if rng.random() < 0.3:  # an append of the launch that timed out is written very late
        jobs = log.topics["jobs"]
        late = next(
            offset
            for offset, job in enumerate(jobs)
            if isinstance(job, Job) and (job.campaign, job.attempt) == (plan.name, attempt)
        )
        job = jobs[late]
        log.world.after(
            rng.random() * 60, lambda: _put_job(log, batches, plan, attempt, job.number, job.offset, job.count)
        )
    if crashed and rng.random() < 0.5:  # the commit point that crashed was written all the same: void
        log.put("campaigns", [launched(plan, f"{attempt}, crashed", log.world.now_ms if plan.hours else 0)])


def _put_job(
    log: SimLog, batches: dict[int, Batch], plan: Plan, attempt: str, number: int, first: int, size: int
) -> None:
    texts = personal(FIRST_NUMBER + first, size, plan.run, plan.batch_limits) if plan.run else None
    batches[len(log.topics["jobs"])] = Batch(numbered(first, size), size, texts)
    job = Job(
        campaign=plan.name,
        attempt=attempt,
        account=ACCOUNT,
        number=number,
        batch=number,
        partition=0,
        offset=first,
        sha256=b"",
        start=0,
        count=size,
        wave=number + 1 if plan.waves else 0,
        variant=DECIDED_LATER if plan.texts > 1 and number == len(plan.sizes) - 1 else number % plan.texts,
    )
    log.put("jobs", [job])
