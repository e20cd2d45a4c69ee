"""The figures of monitoring: they are bounded, add up, and say what stops an account and how far the results are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dispatcher.accounts.poll_times import PollTimes
from dispatcher.core.results.equation import Counts
from dispatcher.core.schedule.holds import Hold
from dispatcher.log.port import Entry
from dispatcher.service.account_states import AccountState
from dispatcher.service.campaigns.hindrances import stop_of
from dispatcher.service.reports.metrics import CAMPAIGNS_MAX, NOT_RUN, STOP_WHYS, MetricsWatch, account_figures, busiest
from dispatcher.service.session import open_session
from schemas.codec import encode
from schemas.records import BalanceAsked, Effect, Stop, Stopped, Why
from schemas.topics import CAMPAIGNS
from tests.service.place import ACCOUNT, configured, launched
from tests.service.reports.test_alerts import account, campaign
from tests.service.reports.test_spend import Lane


def stopped(*stops: Stop) -> AccountState:
    """An account with these stops, as its lane writes them."""
    return account(stopped=stop_of(Stopped(account="spring", at_ms=1, why="auth", says="", stops=stops)))


def test_the_busiest_campaigns_are_those_with_the_longest_queues_and_at_most_so_many() -> None:
    views = [campaign(Counts(rows=n, queued=n), id=f"c{n}") for n in range(1, CAMPAIGNS_MAX + 3)]
    over = campaign(Counts(rows=9_999, delivered=9_999), id="over")
    waiting = campaign(Counts(rows=9_999, accepted=9_999), id="waits-for-reports")
    found = busiest([over, waiting, *views])
    assert [each.id for each in found] == [f"c{n}" for n in range(CAMPAIGNS_MAX + 2, 2, -1)]
    assert [each.id for each in busiest([over, waiting, *views[:2]])] == ["c2", "c1", "waits-for-reports"]


@pytest.mark.parametrize("name", ["13800138000", "to-8613800138000", "13800138000.test"])
def test_a_campaign_that_is_called_like_a_phone_number_is_never_named(name: str) -> None:
    assert busiest([campaign(Counts(rows=3, queued=3), id=name)]) == []


def test_an_account_says_why_it_sends_nothing_and_who_waits_for_another_reason() -> None:
    state = stopped(Stop(why=Why.LOGIN), Stop(why=Why.OTHER_CREDIT, recipients=7), Stop(why=Why.BUSY, recipients=2))
    found = account_figures(state, Counts(), 5_000, holders_known=True)
    assert (found.stops, found.held) == (frozenset({"login"}), {"other-credit": 7, "busy": 2})
    assert found.stops | found.held.keys() < set(STOP_WHYS)


@pytest.mark.parametrize(
    ("queued", "holders_known", "stops"), [(5, True, {NOT_RUN}), (5, False, set()), (0, True, set())]
)
def test_an_account_without_a_process_is_stopped_if_that_is_known_and_it_has_a_queue(
    queued: int, holders_known: bool, stops: set[str]
) -> None:
    assert account_figures(account(queued=queued), Counts(), 0, holders_known=holders_known).stops == stops


def test_the_age_of_the_credit_is_never_negative() -> None:
    for now_ms, age_s in ((9_000, 2.0), (6_000, 0.0)):
        found = account_figures(account(credit=5.0, credit_ms=7_000), Counts(), now_ms, holders_known=False)
        assert (found.credit, found.credit_age_s) == (5.0, age_s)
    assert account_figures(account(), Counts(), 1, holders_known=False).credit_age_s is None


async def test_the_figures_of_a_log_add_up_and_know_rates_credit_and_polls(tmp_path: Path) -> None:
    at_s, polls = 100.0, PollTimes()
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may", recipients=30)
        await launched(session, "june", recipients=4)
        watch = MetricsWatch(lambda: at_s, polls)
        before = await watch.look(session, 1_000)
        log = await session.log()
        lane = Lane(log, ACCOUNT)
        await lane.owned()
        await lane.outcome(await lane.intent("may", 0, 20), Effect.ACCEPTED, vendor_id="77")
        asked = BalanceAsked(account=ACCOUNT, at_ms=7_000, by="ann", messages=500.0, says="")
        await log.append(CAMPAIGNS.name, 0, [Entry(b"balance!spring", encode(asked))])
        session._folded_s = 0.0  # a second has passed
        at_s = 110.0
        with polls.running(ACCOUNT, "report", 4_000):
            after = await watch.look(session, 9_000)
    assert (before.counts.queued, before.others_number, before.poll_ages_s) == (34, 0, {})
    assert (after.counts.rows, after.counts.invalid, after.counts.adds_up, after.broken) == (36, 2, True, 0)
    assert (after.statuses["running"], sum(after.statuses.values())) == (2, 2)
    [spring] = after.accounts
    assert (spring.counts.rows, spring.counts.queued, spring.counts.in_flight + spring.counts.no_report) == (34, 14, 20)
    assert (spring.sent_per_s, spring.credit, spring.credit_age_s, spring.credit_lasts_s) == (2.0, 500.0, 2.0, 250.0)
    assert (spring.stops, spring.queued_messages, after.former) == (frozenset({NOT_RUN}), 14, Counts())
    assert [(each.campaign, each.sent_per_s) for each in after.campaigns] == [("may", 2.0), ("june", 0.0)]
    assert after.others == Counts()
    assert after.poll_ages_s == {(ACCOUNT, "report"): 5.0}
    assert (set(after.behind.values()), after.late) == ({0}, 0)
    assert {kind for kind, number in after.alerts.items() if number} == {"not-run", "credit-low"}
    assert after.callbacks == ()


async def test_records_that_nobody_folds_are_behind_at_once_and_late_at_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        watch = MetricsWatch()
        await watch.look(session, 1)

        async def folds_nothing() -> None:
            return None

        monkeypatch.setattr(session, "fold", folds_nothing)
        await Lane(await session.log(), ACCOUNT).owned()
        new = await watch.look(session, 2)
        again = await watch.look(session, 3)
    assert (new.behind["lanes"], sum(new.behind.values()), new.late) == (1, 1, 0)
    assert (again.behind["lanes"], again.late) == (1, 1)


def measured(*views: Any, **more: Any) -> Any:
    """The figures of these campaigns."""
    states = [account(held_by=None)]
    return MetricsWatch()._measure(views, states, {}, 1_000, holders_known=False, **more)


def test_other_campaigns_and_former_accounts_are_counted_together() -> None:
    whole = Counts(rows=3, queued=3)
    views = [
        campaign(whole, id=f"c{n}", accounts={"spring" if n % 2 else "gone": whole}) for n in range(CAMPAIGNS_MAX + 2)
    ]
    found = measured(*views)
    assert (len(found.campaigns), found.others_number, found.others.rows) == (CAMPAIGNS_MAX, 2, 6)
    assert found.counts == Counts(rows=66, queued=66)
    assert (found.accounts[0].counts.rows, found.former.rows) == (33, 33)


def test_broken_equations_are_counted_even_if_their_differences_cancel_out() -> None:
    found = measured(campaign(Counts(rows=3, queued=2)), campaign(Counts(rows=2, queued=3), id="june"))
    assert (found.broken, found.counts.adds_up) == (2, True)


def test_a_hold_is_a_word() -> None:
    [found] = measured(campaign(Counts(rows=3, queued=3), status="held", held=Hold("halted"))).campaigns
    assert found.hold == "halted"


def test_polls_of_an_account_have_the_age_of_the_last_answer_while_they_run() -> None:
    polls = PollTimes()
    with polls.running("spring", "report", 1_000) as first, polls.running("spring", "inbound", 2_000):
        first.answered_ms = 3_000
        assert polls.ages_s(4_000) == {("spring", "report"): 1.0, ("spring", "inbound"): 2.0}
        with polls.running("spring", "report", 3_500):
            assert polls.ages_s(4_000)["spring", "report"] == 0.5
        assert polls.ages_s(2_000)["spring", "report"] == 0.0
    assert polls.ages_s(4_000) == {}
