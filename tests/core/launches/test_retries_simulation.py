"""Retries beside two conductors, people and crashes: nobody is retried too often, too late, or after a delivery.

The model has the real fold, the real rules (retries.py, overtaken.py) and the steps of a launch: read the log and make
the list, look again right before the commit, append, judge again if the record is void. Any step may be delayed or be
the last one of its process.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from msgspec.structs import replace

from dispatcher.core.campaigns import Campaign, Campaigns
from dispatcher.core.launches import overtaken, retries
from dispatcher.core.launches.overtaken import followed
from dispatcher.core.schedule.holds import Schedule
from schemas.records import AnyRecord, Flowed, Follows, Launched, Retry
from tests.core.test_campaigns import LAUNCHED

MIN: Final = 60_000
ROOT: Final = replace(
    LAUNCHED, campaign="may", at_ms=0, retry=Retry(classes=("temporary",), times=2, within_ms=60 * MIN)
)
PEOPLE: Final = range(12)
SEEDS: Final = range(150)


class Wrong(AssertionError):
    """A promise is broken."""


class World:
    """One log, what became of everybody, and the promises."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now_ms = 0
        self.log: list[AnyRecord] = []
        self.fold = Campaigns()
        self.lists: dict[str, frozenset[int]] = {}  # by attempt
        self.state: dict[tuple[str, int], str] = {}  # of whom something was sent
        self.ending: dict[tuple[str, int], str] = {}
        self.append(ROOT, frozenset(PEOPLE))

    def append(self, record: AnyRecord, people: frozenset[int] = frozenset()) -> None:
        if isinstance(record, Launched):
            self.lists[record.attempt] = people
        self.log.append(record)
        self.fold.apply(len(self.log) - 1, record)

    def read(self) -> Campaigns:
        fold = Campaigns()
        for offset, record in enumerate(self.log):
            fold.apply(offset, record)
        return fold

    def people(self, campaign: str) -> frozenset[int]:
        launched = self.fold.launched(campaign)
        return frozenset() if launched is None else self.lists[launched.attempt]

    def failed(self, campaign: str) -> set[int]:
        return {person for person in self.people(campaign) if self.state.get((campaign, person)) == "failed"}

    def send(self) -> None:
        """Lanes send to some of those who are queued, and vendors report on some."""
        for campaign in list(self.fold.by_id.values()):
            if campaign.launched is None:
                continue
            for person in sorted(self.people(campaign.id)):
                key = (campaign.id, person)
                if key not in self.state:
                    if campaign.sends_at(self.now_ms) and self.random.random() < 0.5:
                        self.check(campaign, person)
                        self.state[key] = "accepted"
                elif self.state[key] == "accepted" and self.random.random() < 0.5:
                    self.state[key] = self.random.choice(["failed", "failed", "delivered"])

    def check(self, campaign: Campaign, person: int) -> None:
        launched = campaign.launched
        assert launched is not None
        before = {name: state for (name, other), state in self.state.items() if other == person}
        if any(state != "failed" for state in before.values()):
            raise Wrong(f"{person} is texted by {campaign.id} after {before}")
        if launched.follows is not None and launched.follows.retry:
            if self.now_ms >= 60 * MIN:
                raise Wrong(f"{person} is retried after the time")
            if sum(".retry-" in name for name in before) >= 2:
                raise Wrong(f"{person} is retried too often: {before}")

    # --- launches, each step of which may be delayed -----------------------------------------------------------------

    def retry(self) -> Iterator[None]:
        fold = self.read()
        found = retries.step(fold, fold.by_id["may"], self.now_ms)
        if not found.launch:
            return
        lists = retries.sources(fold, ROOT, found.launch)
        people = {person for each in lists for person in self.failed(each.campaign) - self.elsewhere(each)}
        known = {name for each in lists for name in each.but}
        yield
        record = replace(
            LAUNCHED,
            campaign=overtaken.retry_id("may", found.launch),
            follows=retries.follows_of(ROOT, found.launch),
            ends_ms=retries.ends_ms(ROOT),
        )
        yield from self._commit(record, people, known)

    def follow_up(self) -> Iterator[None]:
        fold = self.read()
        campaign = self.random.choice([each.id for each in fold.by_id.values() if each.launched is not None])
        launched = fold.launched(campaign)
        assert launched is not None
        known = set(fold.follow_ups_of(campaign))
        people = self.failed(campaign) - self._all(known)
        yield
        follows = Follows(campaign=campaign, attempt=launched.attempt, states=("failed",))
        name = f"hand-{self.random.randrange(10**6)}"
        yield from self._commit(replace(LAUNCHED, campaign=name, follows=follows), people, known)

    def elsewhere(self, source: retries.Source) -> set[int]:
        return self._all(source.but)

    def _all(self, campaigns: Any) -> set[int]:
        return {person for name in campaigns for person in self.people(name)}

    def _commit(self, record: Launched, people: set[int], known: set[str]) -> Iterator[None]:
        while people:
            fold = self.read()
            if fold.launched(record.campaign) is not None:
                return
            others = {other for each in followed(record.follows) for other in fold.follow_ups_of(each)}
            people = people - self._all(others - known)
            known = known | others
            yield
            attempt = f"{self.random.randrange(10**9)}"
            made = replace(record, attempt=attempt, judged_upto=fold.upto, at_ms=self.now_ms)
            self.append(made, frozenset(people))
            if self.fold.launched(record.campaign) is not None:
                return

    def person(self) -> None:
        paused = Flowed(campaign="may", paused=self.random.random() < 0.3, at_ms=self.now_ms, by="ann")
        self.append(paused)


def play(seed: int) -> World:
    """One hour and a half, minute by minute."""
    world = World(seed)
    processes: list[Iterator[None]] = []
    for minute in range(90):
        world.now_ms = minute * MIN
        world.send()
        if world.random.random() < 0.1:
            world.person()
        if world.random.random() < 0.04:
            processes.append(world.follow_up())
        if world.random.random() < 0.5:
            processes += [world.retry() for _ in range(2)]
        for process in list(processes):
            chance = world.random.random()
            if chance < 0.6 and next(process, "over") == "over":
                processes.remove(process)
            elif chance > 0.97:
                processes.remove(process)  # it died
    return world


def test_nobody_is_retried_too_often_or_too_late_or_after_a_delivery() -> None:
    retried, twice = 0, 0
    for seed in SEEDS:
        world = play(seed)
        assert set(map(retry_number, world.fold.follow_ups_of("may"))) <= {0, 1, 2}
        retried += bool(world.people("may.retry-1"))
        twice += bool(world.people("may.retry-1") & world.people("may.retry-2"))
    assert retried > len(SEEDS) / 3
    assert twice > len(SEEDS) / 10


def retry_number(name: str) -> int:
    return int(name.rpartition("-")[2]) if ".retry-" in name else 0


def _three_times(original: Callable[..., Any]) -> Callable[..., Any]:
    """The rule is for two retries; this finds a third one."""

    def mutant(campaigns: Campaigns, campaign: Campaign, now_ms: int) -> Any:
        assert campaign.launched is not None
        more = Campaign(campaign.id)
        more.launched = replace(campaign.launched, retry=Retry(classes=("temporary",), times=3, within_ms=60 * MIN))
        return original(campaigns, more, now_ms)

    return mutant


MUTANTS: Final[dict[str, tuple[Any, str, Callable[[Any], Any]]]] = {
    "a recipient is retried once more than allowed": (retries, "step", _three_times),
    "who is in a later retry, delivered or not, is retried": (
        World,
        "elsewhere",
        lambda _: lambda self, source: set(),
    ),
    "a retry is sent after the time": (
        retries,
        "ends_ms",
        lambda original: lambda launched: original(launched) + 30 * MIN,
    ),
    "lanes do not obey the end": (
        Schedule,
        "hold",
        lambda original: lambda self, now_ms: original(Schedule(self.hours, self.at_closing, self.since_ms), now_ms),
    ),
    "the log decides nothing": (
        Campaigns,
        "is_overtaken",
        lambda _: lambda self, record: False,
    ),
    "a follow-up of an earlier retry is not known": (
        overtaken,
        "followed",
        lambda _: lambda follows: () if follows is None else (follows.campaign,),
    ),
    "who has no report yet counts as failed": (
        World,
        "failed",
        lambda _: (
            lambda self, campaign: {
                person
                for person in self.people(campaign)
                if self.state.get((campaign, person)) in ("failed", "accepted")
            }
        ),
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_simulation_finds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, what, make = MUTANTS[name]
    monkeypatch.setattr(where, what, make(getattr(where, what)))
    with pytest.raises(Wrong):
        for seed in range(2_000):
            play(seed)
