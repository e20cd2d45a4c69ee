"""Campaigns in waves, some with two texts: every job is a wave, which others release, halt, and release again.

In some histories only. Judged at the vendor: nothing of a wave arrives that no record released, nothing of a campaign
that is halted for a while, and everybody gets the text of their job, or the decided one. The rules are written down
here a second time, from the promise, not from the core.
"""

from __future__ import annotations

import random
from functools import partial
from typing import Any, Final

import msgspec

from schemas.records import DECIDED_LATER, Job, TextDecided, WaveDecided
from tests.simulation.launches import Plan
from tests.simulation.world.sim_log import SimLog
from tests.simulation.world.sim_vendor import Arrival
from tests.simulation.world.world import World

SHARE: Final = 0.25
IN_WAVES: Final = 0.8
WITH_TEXTS: Final = 0.4
GRACE_S: Final = 6.0


def has_waves(seed: int) -> bool:
    """Whether campaigns of this history have waves."""
    return random.Random(f"{seed}, waves").random() < SHARE


def in_waves(plans: list[Plan], seed: int) -> list[Plan]:
    """Some of these campaigns have waves, and some of those two texts."""
    rng = random.Random(f"{seed}, which waves")
    if not has_waves(seed):
        return plans
    found = []
    for plan in plans:
        waves, texts = rng.random() < IN_WAVES and len(plan.sizes) > 1, rng.random() < WITH_TEXTS and not plan.run
        found.append(msgspec.structs.replace(plan, waves=waves, texts=2 if waves and texts else 1))
    return found


class _Known:
    """What the log says of one campaign's waves."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.person: dict[int, str] = {}
        self.conductor: dict[int, set[str]] = {}
        self.texts: set[int] = set()
        self.released = 1
        self.halted_s = float("inf")

    def says(self, record: WaveDecided | TextDecided, now_s: float) -> None:
        if isinstance(record, TextDecided):
            self.texts.add(record.variant)
        elif record.by_person:
            self.person[record.wave] = record.verdict
        else:
            self.conductor.setdefault(record.wave, set()).add(record.verdict)
        released = 1
        while self._is(released, "released"):
            released += 1
        self.released = max(self.released, released)
        halted = any(self._is(wave, "halted") for wave in range(1, released + 1))
        self.halted_s = min(self.halted_s, now_s) if halted else float("inf")

    def _is(self, wave: int, verdict: str) -> bool:
        """Whether this is the word about it: a person's, or else the conductor's halt, or else its release."""
        if wave in self.person:
            return self.person[wave] == verdict
        said = self.conductor.get(wave, set())
        return verdict in said and (verdict == "halted" or "halted" not in said)


class Waves:
    """Whoever decides on waves, and the judge at the vendor."""

    def __init__(self, world: World, log: SimLog, plans: list[Plan], war_s: float) -> None:
        self._world, self._log = world, log
        self._rng = random.Random(f"{world.seed}, deciding")
        self._known = {plan.name: _Known(plan) for plan in plans if plan.waves}
        log.listeners.append(self._written)
        for plan in plans:
            if plan.waves:
                self._decides(plan, war_s)

    def arrives(self, arrival: Arrival) -> None:
        """It is of a released wave, of a campaign that is not halted."""
        known = self._known.get(arrival.campaign)
        if known is None:
            return
        wave, intents = self._job(arrival.intent).wave, [arrival.intent]
        if wave > known.released:
            raise self._world.broken(f"wave {wave} of {arrival.campaign} is sent before it was released", intents)
        if wave == len(known.plan.sizes) and known.plan.texts > 1 and not known.texts:
            raise self._world.broken(
                f"the last wave of {arrival.campaign} is sent before its text was decided", intents
            )
        if self._world.now_s - known.halted_s > GRACE_S:
            raise self._world.broken(f"{arrival.campaign} is halted since {GRACE_S:.0f} s, and is sent", intents)

    def built(self, intent: int, variant: int) -> None:
        """A request is built with this text."""
        job = self._job(intent)
        known = self._known.get(job.campaign)
        if known is None:
            return
        right = known.texts if job.variant == DECIDED_LATER else {job.variant}
        if variant not in right:
            raise self._world.broken(f"a job of {job.campaign} is sent with text {variant}", [intent])

    def peace(self) -> None:
        """A person decides everything that is left."""
        for name, known in self._known.items():
            if known.plan.texts > 1 and not known.texts:
                self._put(TextDecided(campaign=name, variant=1, at_ms=0, by="t"))
            for wave in range(1, len(known.plan.sizes) + 1):
                self._put(_decided(name, wave, "released", by_person=True))

    def _job(self, intent: int) -> Job:
        job = self._log.topics["jobs"][self._log.topics["lanes"][intent].job]
        assert isinstance(job, Job)
        return job

    def _decides(self, plan: Plan, war_s: float) -> None:
        rng, name, waves = self._rng, plan.name, len(plan.sizes)
        at_s = 0.0
        for wave in range(1, waves):
            at_s += rng.random() * war_s / waves
            for _ in range(rng.choice([1, 1, 2])):
                self._later(at_s + rng.random(), _decided(name, wave, "released"))
        for _ in range(rng.choice([0, 1, 2])):
            wave, begins_s = rng.randint(1, waves), rng.random() * war_s
            person = rng.random() < 0.5
            self._later(begins_s, _decided(name, wave, "halted", by_person=person))
            if rng.random() < 0.6:
                ends_s = begins_s + rng.random() * 30
                self._later(ends_s, _decided(name, wave, "released", by_person=True))
            if person:  # a conductor that does not know it yet
                self._later(begins_s + rng.random(), _decided(name, wave, "released"))
        if plan.texts > 1:
            variant, begins_s = rng.randrange(plan.texts), rng.random() * war_s
            self._later(begins_s, TextDecided(campaign=name, variant=variant, at_ms=0, by="t"))

    def _later(self, after_s: float, record: WaveDecided | TextDecided) -> None:
        self._world.after(after_s, partial(self._put, record))

    def _put(self, record: WaveDecided | TextDecided) -> None:
        self._log.put("campaigns", [record])

    def _written(self, topic: str, offset: int, record: Any) -> None:
        if isinstance(record, WaveDecided | TextDecided) and record.campaign in self._known:
            self._known[record.campaign].says(record, self._world.now_s)


def _decided(campaign: str, wave: int, verdict: Any, *, by_person: bool = False) -> WaveDecided:
    return WaveDecided(campaign=campaign, wave=wave, verdict=verdict, at_ms=0, by="t", by_person=by_person)
