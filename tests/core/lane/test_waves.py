"""A lane sends a wave when those before it were released, nothing of a halted campaign, and each its own text."""

from __future__ import annotations

from typing import Any

import msgspec

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.core.lane.effects import Append, Fetch, Go, Send
from dispatcher.core.lane.owner import Owner, OwnerSettings
from dispatcher.core.lane.spec import LaneSpec
from dispatcher.core.lane.state import LaneState
from dispatcher.core.messages.chunks import Batch
from schemas.records import DECIDED_LATER, Job, Owned, TextDecided, WaveDecided
from tests.core.waves.test_state import decided, launched

SIZE = 20


class World:
    """An owner with a job for each wave (of two texts, for each text of the first), and a vendor that takes all."""

    def __init__(self, variants: tuple[int, ...] = (0, 0, 0), texts: tuple[str, ...] = ()) -> None:
        self.campaigns = Campaigns()
        self.campaigns.apply(0, launched(3, texts))
        spec = LaneSpec(account="spring", numbers_max=10, limit=None, per_s=1.0, unit="messages")
        self.owner = Owner(OwnerSettings(partition=0, owner="me"), [spec], LaneState(), self.campaigns, 0.0)
        self.journal: list[Any] = [Owned(owner="me", at_ms=0, where="")]
        self.owner.journal_read(0, self.journal[0], 0.0, 0)
        self.sent: list[tuple[int, int]] = []
        self.now_s = 0.0
        for number, variant in enumerate(variants):
            job = Job(
                campaign="may", attempt="a", account="spring", number=number, batch=number, partition=0, offset=number,
                sha256=b"", start=0, count=SIZE, wave=number + 1, variant=variant,
            )  # fmt: skip
            self.owner.inbox_read(number, job, 0.0, 0)

    def says(self, record: WaveDecided | TextDecided) -> None:
        self.campaigns.apply(1, record)
        self.owner.campaign_changed("may")

    def lives(self, polls: int = 50) -> list[tuple[int, int]]:
        """What is sent meanwhile: (batch, variant), once for each chunk."""
        self.sent = []
        for _ in range(polls):
            self.now_s += 0.01
            for effect in self.owner.poll(self.now_s, 0):
                self._does(effect)
            while self.owner.state.position < len(self.journal):
                offset = self.owner.state.position
                self.owner.journal_read(offset, self.journal[offset], self.now_s, 0)
        return self.sent

    def _does(self, effect: Any) -> None:
        match effect:
            case Fetch():
                self.owner.batch_loaded(effect.job_offset, Batch(b",".join([b"13800138000"] * SIZE), SIZE))
            case Append():
                self.journal.append(effect.record)
            case Send() | Go():
                self._writes(effect)

    def _writes(self, effect: Send | Go) -> None:
        if self.owner.may_write(effect.intent, "spring", self.now_s, 0):
            assert isinstance(effect, Send)
            self.sent.append((self.owner.state.open[effect.intent].batch, effect.variant))
            verdict = Verdict(kind=Kind.ACCEPTED)
            now_s = self.now_s
            self.owner.answered(effect.intent, "spring", verdict, now_s, 0, wrote_s=now_s, answered_s=now_s)


def test_a_wave_is_sent_when_it_is_released_and_in_full_chunks() -> None:
    world = World()
    assert world.lives() == [(0, 0)] * 2
    world.says(decided(1, "released"))
    assert world.lives() == [(1, 0)] * 2
    world.says(decided(2, "released"))
    assert world.lives() == [(2, 0)] * 2


def test_a_new_owner_obeys_the_waves_too() -> None:
    world = World()
    world.lives()
    checkpoint = world.owner.last_checkpoint(0)
    again = Owner(
        OwnerSettings(partition=0, owner="you"), [msgspec.structs.replace(world.owner.lanes["spring"].spec)],
        LaneState.load(checkpoint), world.campaigns, 0.0,
    )  # fmt: skip
    again.state.position = len(world.journal)
    world.journal.append(Owned(owner="you", at_ms=0, where=""))
    again.journal_read(len(world.journal) - 1, world.journal[-1], world.now_s, 0)
    world.owner = again
    assert world.lives() == []
    world.says(decided(1, "released"))
    assert {batch for batch, _ in world.lives(2_000)} == {1}


def test_nothing_of_a_halted_campaign_leaves_even_if_it_was_announced() -> None:
    world = World()
    for effect in world.owner.poll(0.1, 0):
        world._does(effect)
    appended = [effect for effect in world.owner.poll(0.2, 0) if isinstance(effect, Append)]
    assert appended
    world.says(decided(1, "halted"))
    for effect in appended:
        world._does(effect)
    assert world.lives() == []
    world.says(decided(1, "released", by_person=True))
    assert {batch for batch, _ in world.lives()} == {0, 1}


def test_each_gets_its_own_text_and_the_last_wave_the_one_that_was_decided() -> None:
    world = World((0, 1, DECIDED_LATER), ("a", "b"))
    world.says(decided(1, "released"))
    assert world.lives() == [(0, 0)] * 2 + [(1, 1)] * 2
    world.says(decided(2, "released"))
    assert world.lives() == []
    world.says(TextDecided(campaign="may", variant=1, at_ms=1, by="ann"))
    assert world.lives() == [(2, 1)] * 2
