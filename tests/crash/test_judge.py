"""The judge can condemn: every rule is broken on purpose, and noticed; a world in which all is well is not accused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.records import Intent, Job, Launched
from tests.crash.judge import OURS, RULES, evidence_left, judge
from tests.crash.lists import Campaign
from tests.crash.truth import SCHEMA, Chunk, Truth

NUMBERS = ("13800138000", "13800138001", "13800138002")
LEDGER = {
    "campaign": pl.String, "account": pl.String, "number": pl.String, "text": pl.String, "accepted": pl.Boolean,
    "msgid": pl.String, "status": pl.String, "acked": pl.Boolean,
}  # fmt: skip


def campaign(policy: Any = "hold") -> Campaign:
    return Campaign(
        id="may", path=Path(), text="【Test】may", route=("spring",), policy=policy, urgent=False, weight=1,
        numbers=frozenset(NUMBERS), rows=3, invalid=0, duplicate=0, certain=True,
    )  # fmt: skip


def launched(made: Campaign) -> Launched:
    return Launched(
        campaign="may", attempt="a", fingerprint="", name="", text=made.text, legs=(), weight=1, urgent=False,
        unknown=made.policy, rows=3, recipients=3, invalid=0, duplicate=0, suppressed=0, batches=1, segments=1,
        at_ms=0, by="t",
    )  # fmt: skip


def chunk(word: str, *, vendor_id: str = "", intent: int = 7, count: int = 3) -> Chunk:
    job = Job(
        campaign="may", attempt="a", account="spring", number=0, batch=0, partition=0, offset=0, sha256=b"", start=0,
        count=3,
    )  # fmt: skip
    record = Intent(
        owner="o", n=1, account="spring", campaign="may", job=0, batch=0, start=0, count=count, attempt=0, at_ms=0
    )
    return Chunk(1, intent, record, job, word, int(word == "unknown"), vendor_id)


class World:
    """Three recipients, all delivered; change what you like."""

    def __init__(self, policy: str = "hold") -> None:
        self.made = campaign(policy)
        self.log = [
            {"campaign": "may", "number": n, "word": "accepted", "unknowns": 0, "resends": 0, "vendor_id": "1"}
            for n in NUMBERS
        ]
        self.ours = [
            {
                "campaign": "may",
                "number": n,
                "state": "delivered",
                "code": "DELIVRD",
                "vendor_id": "1",
                "from_report": True,
            }
            for n in NUMBERS
        ]
        self.ledger = [self.row(n) for n in NUMBERS]
        self.cancelled: set[str] = set()
        self.chunks = [chunk("accepted", vendor_id="1")]

    @staticmethod
    def row(number: str, **other: Any) -> dict[str, Any]:
        taken = {"accepted": True, "msgid": "1", "status": "DELIVRD", "acked": True}
        return {"account": "spring", "number": number, "text": "【Test】may"} | taken | other

    def complaints(self) -> list[str]:
        truth = Truth(
            {"may": launched(self.made)}, self.cancelled, pl.DataFrame(self.log, schema=SCHEMA), self.chunks,
            {(0, 0): list(NUMBERS)}, 1, 0,
        )  # fmt: skip
        found = judge(
            [self.made], truth, pl.DataFrame(self.ours, schema=OURS), pl.DataFrame(self.ledger, schema=LEDGER), []
        )
        return [each for each in found if not each.startswith("the results know")]  # no views here


def test_a_world_in_which_all_is_well_is_not_accused():
    assert World().complaints() == []


def taken_twice(world: World) -> None:
    world.ledger.append(world.row(NUMBERS[0], msgid="2"))


def taken_more_often_than_it_was_unknown(world: World) -> None:
    world.made = campaign("resend")
    world.log[0] |= {"unknowns": 2, "resends": 1}
    world.ledger += [world.row(NUMBERS[0], msgid="2"), world.row(NUMBERS[0], msgid="3")]


def taken_for_nobody(world: World) -> None:
    world.ledger.append(world.row("13800138009"))


def made_up(world: World) -> None:
    world.ours.append(world.ours[0] | {"number": "13800138009"})


def forgotten(world: World) -> None:
    del world.ours[1], world.ledger[1]


def in_flight(world: World) -> None:
    world.ours[0] |= {"state": "in_flight", "from_report": False}


def queued(world: World) -> None:
    world.ours[0] |= {"state": "queued", "from_report": False}
    del world.ledger[0]


def never_taken(world: World) -> None:
    del world.ledger[0]


def refused_and_taken(world: World) -> None:
    world.ours[0] |= {"state": "failed", "from_report": False, "code": "105"}
    world.log[0]["word"] = "failed"


def cancelled_and_taken(world: World) -> None:
    world.ours[0] |= {"state": "cancelled", "from_report": False}


def unknown_to_us_alone(world: World) -> None:
    world.ours[0] |= {"state": "unknown", "from_report": False}


def unknown_in_the_log_alone(world: World) -> None:
    world.log[0] |= {"word": "unknown", "unknowns": 1}
    world.ours[0] |= {"state": "accepted", "from_report": False, "code": ""}


def unknown_under_resend(world: World) -> None:
    world.made = campaign("resend")
    world.log[0] |= {"word": "unknown", "unknowns": 1}
    world.ours[0] |= {"state": "unknown", "from_report": False}


def accepted_and_lost(world: World) -> None:
    world.ours[0] |= {"state": "unknown", "from_report": False}


def refused_and_lost(world: World) -> None:
    world.log[0]["word"] = "failed"


def another_word(world: World) -> None:
    world.ours[0] |= {"state": "failed", "code": "UNDELIV"}


def the_wrong_way_round(world: World) -> None:
    world.ours[0] |= {"state": "failed"}


def another_id(world: World) -> None:
    world.ours[0] |= {"vendor_id": "9"}


def a_report_ignored(world: World) -> None:
    world.ours[0] |= {"state": "accepted", "from_report": False, "code": "0"}


BREAKS = [
    (taken_twice, "were taken by the vendor more often than once, and nothing allows it"),
    (taken_more_often_than_it_was_unknown, "were taken by the vendor more often than once, and nothing allows it"),
    (taken_for_nobody, "were taken by the vendor and are no recipients of that campaign"),
    (made_up, "are in our results, but not in the list"),
    (forgotten, "are in the list of a launched campaign, but not in our results"),
    (in_flight, "are still in flight"),
    (queued, "are still queued"),
    (never_taken, "count as sent, and the vendor never took them"),
    (refused_and_taken, "count as refused, and the vendor took them"),
    (cancelled_and_taken, "count as never sent, and the vendor took them"),
    (unknown_to_us_alone, "count as unknown, and the log knows better"),
    (unknown_in_the_log_alone, "are unknown in the log, and we say that we know"),
    (unknown_under_resend, "are unknown, and their campaign's policy is resend"),
    (accepted_and_lost, "are accepted in the log, and we say something else"),
    (refused_and_lost, "are refused in the log, and we say something else"),
    (another_word, "have a report's word that the vendor did not say"),
    (the_wrong_way_round, "are delivered by another report than DELIVRD, or the other way round"),
    (another_id, "have another message id than any the vendor gave"),
    (a_report_ignored, "wait for a report that we have taken"),
]


@pytest.mark.parametrize(("breaks", "sentence"), BREAKS, ids=[breaks.__name__ for breaks, _ in BREAKS])
def test_every_rule_condemns_who_breaks_it(breaks: Any, sentence: str):
    world = World()
    breaks(world)
    assert any(sentence in complaint for complaint in world.complaints())


def test_no_rule_is_left_out():
    assert {sentence for _, sentence in BREAKS} == set(RULES)


def test_a_resend_of_what_was_unknown_is_no_double():
    world = World("resend")
    world.log[0] |= {"unknowns": 1, "resends": 1}
    world.ledger.append(world.row(NUMBERS[0], msgid="2"))
    assert world.complaints() == []


def test_without_policy_resend_nothing_is_resolved():
    world = World("hold")
    world.chunks[0].by = "policy"
    assert any("the policy is hold" in complaint for complaint in world.complaints())


def test_a_decision_that_was_not_carried_out_is_noticed():
    world = World()
    world.chunks = [chunk("unknown")]
    world.chunks[0].decided = True
    assert any("a decision about it is in the inbox" in complaint for complaint in world.complaints())


@pytest.mark.parametrize(
    ("other", "left"),
    [
        ([], 1),
        ([chunk("unknown", intent=9)], 0),  # it may be either of them
        ([chunk("unknown", intent=9, count=2)], 1),  # that one does not hold all of them
        ([chunk("accepted", intent=9, vendor_id="5")], 1),
    ],
)
def test_an_unknown_chunk_that_reports_prove_is_not_left_unknown(other: list[Chunk], left: int):
    world = World()
    world.ledger = [world.row(number, msgid="77") for number in NUMBERS]
    truth = Truth({}, set(), pl.DataFrame(schema=SCHEMA), [chunk("unknown"), *other], {(0, 0): list(NUMBERS)}, 1, 0)
    assert len(evidence_left(truth, pl.DataFrame(world.ledger, schema=LEDGER))) == left
