"""What must be so after a run: each check holds when all is well, and fails when it is broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dispatcher.core.results.equation import Counts
from dispatcher.store.port import CampaignView
from loadtest.scenarios.checks import Check, checks
from loadtest.scenarios.file import find, load
from loadtest.scenarios.format import ExpectPart
from loadtest.scenarios.ledger_comparison import Comparison
from loadtest.scenarios.lists import MadeList
from loadtest.scenarios.outcome import Outcome
from loadtest.scenarios.run import Facts

LEDGER: dict[str, Any] = {
    "numbers_accepted": 10, "requests": 3, "windows_over_limit": 0, "double_texts": 0, "limit": 500, "per_s": 1.0,
    "window_max": 500,
    "active_s": 10.0, "limit_used": 0.97, "violations": {}, "statuses": {"DELIVRD": 9, "UNDELIV": 1},
    "reports_due": 10, "reports_acked": 10, "reports_lost": 0, "codes": {"0": 3}, "faults": {},
    "inbound_acked": 0,
}  # fmt: skip
COUNTS = Counts(rows=10, delivered=9, failed=1)


def view(counts: Counts = COUNTS, id: str = "may-sale") -> CampaignView:
    nothing: Any = None
    made = dict.fromkeys(CampaignView.__struct_fields__, nothing)
    made |= {"id": id, "name": "", "status": "finished", "counts": counts, "accounts": {"spring": counts}}
    return CampaignView(**made | {"failures": ()})


def facts(**changed: Any) -> Facts:
    """A run after which all is well."""
    scenario = load(find("smoke"))
    scenario = msgspec.structs.replace(
        scenario,
        expect=changed.pop("expect", ExpectPart(delivered=(0.8, 1.0), within_s=20.0)),
        campaigns=scenario.campaigns[:1],
    )
    whole = {
        "scenario": scenario,
        "log": "sqlite:x",
        "views": (view(),),
        "totals": {"north": {**LEDGER, "accounts": {"spring": LEDGER, "summer": {**LEDGER, "numbers_accepted": 0}}}},
        "comparison": Comparison(compared=10, lost=0, disagreements=()),
        "refused": {},
        "listed": 0,
        "inbound": 0,
        "made": {"may-sale": MadeList(path=Path("list.csv"), rows=10, recipients=10)},
        "happened": ((0.0, "may-sale is launched"),),
        "not_happened": (),
        "wrong": (),
        "seconds": 5.0,
    }
    return Facts(**whole | changed)  # type: ignore[arg-type]


def ledger(**changed: Any) -> Callable[[], Facts]:
    return lambda: facts(totals={"north": {**LEDGER, "accounts": {"spring": {**LEDGER, **changed}, "summer": LEDGER}}})


def counted(**terms: int) -> Callable[[], Facts]:
    return lambda: facts(views=(view(Counts(**terms)),))


def compared(**changed: Any) -> Callable[[], Facts]:
    return lambda: facts(comparison=Comparison(**{"compared": 10, "lost": 0, "disagreements": (), **changed}))


def expecting(**wanted: Any) -> Callable[[], Facts]:
    return lambda: facts(expect=ExpectPart(**wanted))


BROKEN: list[tuple[str, Callable[[], Facts], str, str]] = [
    ("a campaign was not launched", lambda: facts(views=()), "everything happened", "0 of 1 campaigns"),
    ("an event never was due", lambda: facts(not_happened=("north dies",)), "everything happened", "north dies"),
    ("a role ended by itself", lambda: facts(wrong=("role web ended",)), "our processes", "role web ended"),
    ("somebody was texted twice", compared(doubles=1), "nobody was texted twice", "1 double texts"),
    ("a window was over", ledger(windows_over_limit=2, window_max=507), "no flow limit was exceeded",
     "spring: 2 windows over, 507 in one of 500"),
    ("the balance was asked too often", ledger(violations={"balance_too_fast": 1}), "no other limit", "too_fast"),
    ("the equation is broken", counted(rows=11, delivered=9, failed=1), "the equation holds", "may-sale"),
    ("a row of its list is missing", counted(rows=9, delivered=8, failed=1), "each list is counted as it was made",
     "may-sale: made with 10 rows, counted 9"),
    ("somebody is still queued", counted(rows=10, delivered=9, queued=1), "has its final word", "1 still under way"),
    ("somebody is unknown", counted(rows=10, delivered=9, unknown=1), "none are unknown", "1 (10 %)"),
    ("the unknown are not listed", lambda: facts(listed=1), "the unknown are listed", "1 listed"),
    ("an unknown one was reported on", compared(unsettled=1), "the unknown are listed", "1 of them named by a report"),
    ("somebody has no report", counted(rows=10, delivered=9, no_report=1), "none have no report", "1 (10 %)"),
    ("somebody was refused", lambda: facts(refused={"spring": 1}), "none are refused", "1 (10 %)"),
    ("the rows differ", compared(disagreements=("3 numbers differ",)), "row by row", "3 numbers differ"),
    ("somebody was cancelled", counted(rows=10, delivered=9, cancelled=1), "cancelled: no campaign", "may-sale"),
    ("too few are delivered", expecting(delivered=(0.95, 1.0)), "95 % to 100 % are delivered", "90 %"),
    ("the limit is not used", expecting(limit_used_min=0.99), "at least 99 % of every flow limit", "spring 97 %"),
    ("a code never came", expecting(codes={"north": ["103"]}), "north answered 103", "103: 0 times"),
    ("messages are missing", expecting(inbound=1), "1 messages from phones", "0"),
    ("no phone wrote", expecting(inbound="all"), "1 messages from phones", "0"),
    ("it took too long", expecting(within_s=2.0), "over within 2 s", "5 s"),
    ("a fault never happened", lambda: facts(
        expect=ExpectPart(faults=["north"]),
        totals={"north": {**LEDGER, "requests": 9000, "faults": {"close": 9},
                          "accounts": {"spring": LEDGER, "summer": LEDGER}}},
    ), "north: every fault happened", "never: delay"),
]  # fmt: skip


def test_all_holds_when_all_is_well() -> None:
    assert [check for check in checks(facts()) if not check.holds] == []


@pytest.mark.parametrize(("broken", "what", "found"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_what_is_broken_is_told(broken: Callable[[], Facts], what: str, found: str) -> None:
    failing: list[Check] = [check for check in checks(broken()) if not check.holds]
    assert any(what in check.what and found in check.found for check in failing), failing
    assert not Outcome.of(broken()).passed


FEW = {"north": {**LEDGER, "requests": 9, "faults": {}, "accounts": {"spring": LEDGER, "summer": LEDGER}}}
SHORT = {**LEDGER, "active_s": 0.5}
NOT_JUDGED: list[tuple[str, Facts, str, str]] = [
    ("too few requests for every fault", facts(expect=ExpectPart(faults=["north"]), totals=FEW),
     "north: every fault happened", "too few to tell"),
    ("too little was sent", facts(expect=ExpectPart(limit_used_min=0.5),
                                  totals={"north": {**LEDGER, "accounts": {"spring": LEDGER, "summer": SHORT}}}),
     "at least 50 % of every flow limit", "summer sent too little to tell"),
    ("no account is paced", facts(expect=ExpectPart(limit_used_min=0.5), totals={
        "north": {**LEDGER, "accounts": {name: {**LEDGER, "limit": None} for name in ("spring", "summer")}}}),
     "at least 50 % of every flow limit", "no account has a flow limit"),
]  # fmt: skip


@pytest.mark.parametrize(("run", "what", "found"), [row[1:] for row in NOT_JUDGED], ids=[row[0] for row in NOT_JUDGED])
def test_what_too_little_happened_for_is_not_judged_and_passes_only_in_a_smaller_run(
    run: Facts, what: str, found: str
) -> None:
    [check] = [check for check in checks(run) if check.holds is not True]
    assert check.holds is None
    assert what in check.what
    assert found in check.found
    assert not Outcome.of(run).passed
    smaller = msgspec.structs.replace(run, scenario=msgspec.structs.replace(run.scenario, smaller=True))
    assert Outcome.of(smaller).passed
    assert Outcome.of(smaller).as_json()["expected"][-1]["holds"] is None


def test_what_the_scenario_allows_is_allowed() -> None:
    allowed = facts(
        expect=ExpectPart(
            unknown_max=0.2, no_report_max=0.1, refused_max=0.1, over_limit=["spring"], cancelled=["may-sale"]
        ),
        views=(view(Counts(rows=10, delivered=6, unknown=2, no_report=1, cancelled=1)),),
        listed=2,
        totals={"north": {**LEDGER, "accounts": {
            "spring": {**LEDGER, "windows_over_limit": 3, "violations": {"too_fast": 3}}, "summer": LEDGER}}},
    )  # fmt: skip
    assert [check for check in checks(allowed) if not check.holds] == []


def test_the_outcome_has_both_ledgers_side_by_side() -> None:
    outcome = Outcome.of(facts())
    spring = outcome.as_json()["accounts"]["spring"]
    assert spring["ours"]["taken"] == spring["ledger"]["taken"] == 10
    assert spring["ledger"]["limit_used"] == 0.97
    assert outcome.passed
