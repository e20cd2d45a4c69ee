"""The search for evidence in worlds that know the truth: never wrong, however far each topic was read by then."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from random import Random
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.results.evidence_search import LOOK_EVERY_S, EvidenceWatch
from dispatcher.log.port import Log
from dispatcher.store.sqlite import evidence as sqlite_evidence
from schemas.records import Decided
from tests.consumers.results.evidence_world import PARTITION, HistoryLog, World
from tests.store.joined_history import LAUNCHED_MS
from tests.store.joined_store import Driver

PLACES = [("lanes", PARTITION), ("reports", PARTITION)]


class Search:
    """A joiner's store and its watch, at one moment after the other."""

    def __init__(self, folder: str, world: World) -> None:
        self.world = world
        self.driver = Driver(Path(folder) / "results.db", world.history)
        self.reader = self.driver.reader()
        self.watch = EvidenceWatch(cast(Log, world.log), self.reader, lambda: LAUNCHED_MS)
        self.now_s = 0.0

    def fold(self, random: Random | None = None) -> None:
        """Fold what is there, or any part of it: the topics are read each at its own pace."""
        self.driver.inputs("campaigns", "jobs")
        if random is None:
            self.driver.take(PLACES)
        else:
            self.driver.take(random.sample(PLACES, random.randint(0, 2)), random.randint(1, 9))

    def look(self) -> list[Decided]:
        """What it tells the lane now."""
        before = len(self.world.log.decided)
        self.now_s += LOOK_EVERY_S
        asyncio.run(self.watch.look(self.now_s))
        return self.world.log.decided[before:]

    def close(self) -> None:
        self.reader.close()
        self.driver.close()


def live(seed: int) -> None:
    """A whole world: whatever is told is true, and in the end everything was told that can be known."""
    random = Random(seed)
    world = World(random)
    with tempfile.TemporaryDirectory() as folder:
        search = Search(folder, world)
        try:
            for _ in range(random.randint(5, 60)):
                world.step()
                if random.random() < 0.3:
                    search.fold(random)
                if random.random() < 0.3:
                    for decided in search.look():
                        check(world, decided)
                        if random.random() < 0.7:
                            world.obey(decided)
            search.fold()
            for decided in [*search.look(), *search.look()]:
                check(world, decided)
            assert world.provable() <= {decided.intents[0] for decided in world.log.decided}
        finally:
            search.close()


def check(world: World, decided: Decided) -> None:
    """The vendor took that request, or an attempt of the same recipients, under that id."""
    [intent] = decided.intents
    assert (decided.verdict, decided.by) == ("sent", "evidence")
    assert decided.vendor_id
    assert world.proves(intent, decided.vendor_id)


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_it_is_never_wrong_and_finds_every_unambiguous_chunk(seed):
    live(seed)


WRONG = [
    ("requests sent again are not candidates", "OR (c.state = 0 AND c.since_ms != 0)", ""),
    ("requests accepted without an id are not candidates", "(1, 2, 6)", "(1, 6)"),
    ("requests in flight are not candidates", "(1, 2, 6)", "(2, 6)"),
    ("requests provably not taken are candidates", "c.since_ms != 0", "1"),
]


@pytest.mark.parametrize(("right", "wrong"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_the_worlds_notice_a_search_in_which(right, wrong, monkeypatch):
    assert right in sqlite_evidence._CANDIDATES
    monkeypatch.setattr(sqlite_evidence, "_CANDIDATES", sqlite_evidence._CANDIDATES.replace(right, wrong))
    with pytest.raises(AssertionError):
        for seed in range(200):
            live(seed)


def test_the_worlds_notice_a_search_that_does_not_wait_for_the_journal(monkeypatch):
    async def nothing_to_wait_for(log: HistoryLog, topic: str, partition: int) -> int:
        return 0

    monkeypatch.setattr(HistoryLog, "end", nothing_to_wait_for)
    with pytest.raises(AssertionError):
        for seed in range(200):
            live(seed)
