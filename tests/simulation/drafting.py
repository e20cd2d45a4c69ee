"""People and conductors around one draft, in random order, on a log that is a list; the rules are those of the core.

A conductor reads the log, decides by the core, and appends its launch some steps later, or dies; so it acts on what is
perhaps not true any more. People draft, schedule, approve and cancel at any moment. At the end what counts is compared
with what stood there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Final

import msgspec
from msgspec.structs import replace

from dispatcher.core import drafts
from dispatcher.core.campaigns import Campaign, Campaigns
from dispatcher.core.schedule.hours import hours_of
from dispatcher.core.shanghai import HOUR_MS
from dispatcher.service.campaigns.drafts import cancel_entry, schedule_entry
from producers.drafts.writing import draft_entry
from schemas.codec import decode, encode
from schemas.records import Approved, Cancelled, Drafted, Launched, Scheduled
from tests.core.test_campaigns import LAUNCHED
from tests.core.test_drafts import DRAFTED

ABOVE: Final = 10
DAY: Final = hours_of("08:00-20:00")
EIGHT: Final = 1_800_000_000_000 - 1_800_000_000_000 % 86_400_000
PEOPLE: Final = ("ann", "bob", "cat")
STEPS: Final = 40


class RuleBroken(AssertionError):
    """What counts on the log is not what the rules say."""


@dataclass
class World:
    """One campaign's log as (key, record), the clock, and launches that conductors have decided and not written."""

    dice: Random
    log: list[tuple[bytes, bytes]] = field(default_factory=list)
    now_ms: int = EIGHT
    launches: list[tuple[bytes, Launched]] = field(default_factory=list)
    made: int = 0
    folded: Campaigns = field(default_factory=Campaigns)

    def step(self) -> None:
        """One thing happens."""
        self.now_ms += self.dice.choice((0, HOUR_MS // 2, 3 * HOUR_MS))
        known = self.folded.by_id.get("may", Campaign("may"))
        match self.dice.randrange(8):
            case 0 | 1:
                if known.draft is None or self.dice.random() < 0.3:
                    self._draft()
            case 2:
                if known.draft is not None:
                    start_ms = self.dice.choice((0, self.now_ms, self.now_ms, self.now_ms + 2 * HOUR_MS))
                    entry = schedule_entry("may", start_ms, "ann")
                    self._append(entry.key, entry.value)
            case 3:
                if known.draft is not None:
                    drafted, who = known.draft.drafted, self.dice.choice(PEOPLE)
                    if who != drafted.by:
                        approval = Approved(campaign="may", content=drafts.content(drafted), at_ms=self.now_ms, by=who)
                        self._append(b"may!approval", encode(approval))
            case 4:
                if self.dice.random() < 0.3 and known.draft is not None:
                    entry = cancel_entry("may", "ann")
                    self._append(entry.key, entry.value)
            case 5 | 6:
                self._decide(known)
            case _:
                if self.launches:
                    key, record = self.launches.pop(self.dice.randrange(len(self.launches)))
                    self._append(key, encode(record))

    def _append(self, key: bytes, value: bytes) -> None:
        self.folded.apply(len(self.log), decode(value))
        self.log.append((key, value))

    def read(self, log: list[tuple[bytes, bytes]]) -> Campaign:
        """The campaign by the fold of this log."""
        campaigns = Campaigns()
        for offset, (_, value) in enumerate(log):
            campaigns.apply(offset, decode(value))
        return campaigns.by_id.get("may", Campaign("may"))

    def compacted(self) -> list[tuple[bytes, bytes]]:
        """What compaction leaves: the last record of each key, in order."""
        last = {key: at for at, (key, _) in enumerate(self.log)}
        return [self.log[at] for at in sorted(last.values())]

    def _draft(self) -> None:
        self.made += 1
        terms = {"text": self.dice.choice(("hi", "ho")), "by": self.dice.choice(PEOPLE)}
        record = replace(
            DRAFTED,
            revision=f"d{self.made}",
            fingerprint=terms["text"],
            text=terms["text"],
            by=terms["by"],
            recipients=self.dice.choice((5, 20)),
            list_digest=self.dice.choice(("l1", "l2")),
            terms=msgspec.json.encode(terms),
            hours=DAY.spans,
        )
        entry = draft_entry(record)
        self._append(entry.key, entry.value)

    def _decide(self, known: Campaign) -> None:
        """A conductor looks, and decides to launch what is due."""
        if known.launched is not None or known.draft is None:
            return
        start_ms = drafts.starts_ms(known.draft, known.revision, ABOVE, self.now_ms, cancelled=known.cancelled)
        if start_ms is None or start_ms > self.now_ms:
            return
        self.made += 1
        record = replace(
            LAUNCHED,
            attempt=f"a{self.made}",
            revision=known.revision,
            text=known.draft.drafted.text,
            recipients=known.draft.drafted.recipients,
            approved_by=known.draft.approved_by,
            at_ms=self.now_ms,
        )
        self.launches.append((f"may#a{self.made}".encode(), record))


def judge(world: World) -> bool:
    """Compares what counts with what stands on the log, told without the core. Returns whether it was launched."""
    counts = world.read(world.log)
    expected = _first_that_may(world)
    if counts.launched != expected:
        raise RuleBroken(f"{counts.launched} counts, not {expected}")
    if expected is not None:
        _check(world, expected)
    again = world.read(world.compacted())
    if (again.launched, again.cancelled) != (counts.launched, counts.cancelled):
        raise RuleBroken("after compaction another launch counts")
    return expected is not None


def _first_that_may(world: World) -> Launched | None:
    """The launch that nothing overtook: the first one of the revision that is the last before it, unless cancelled."""
    revision = ""
    for _, value in world.log:
        match decode(value):
            case Drafted() | Scheduled() as record:
                revision = record.revision
            case Cancelled():
                return None
            case Launched() as record if record.revision == revision:
                return record
    return None


def _check(world: World, launched: Launched) -> None:
    """It is what was drafted last before it, at its time, within its hours, approved if it is large."""
    drafted, start_ms, approved = None, 0, []
    for _, value in world.log:
        match decode(value):
            case Drafted() as record:
                drafted = record
            case Scheduled() as record:
                start_ms = record.start_ms
            case Approved() as record:
                approved.append(record)
            case Launched() as record if record == launched:
                break
    if drafted is None or drafted.text != launched.text:
        raise RuleBroken("another text than was drafted")
    if not start_ms or launched.at_ms < start_ms:
        raise RuleBroken("not at its time")
    if not DAY.is_open(launched.at_ms):
        raise RuleBroken("outside its hours")
    if drafted.recipients > ABOVE:
        same = [each for each in approved if each.content == _content(drafted) and each.by != drafted.by]
        if not same:
            raise RuleBroken("not approved by another person")


def _content(drafted: Drafted) -> str:
    """The content by the function that was there before a mutant."""
    return _CONTENT(drafted)


_CONTENT: Final = drafts.content


def play(seed: int) -> bool:
    """One history; returns whether it was launched. Raises RuleBroken."""
    world = World(Random(seed))
    for _ in range(STEPS):
        world.step()
    return judge(world)
