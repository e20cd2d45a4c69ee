"""When campaigns that share an account will have left it, within their hours and the account's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.flow.forecast import HORIZON_MS, Account, Load, Sent, Waves, when_sent, when_waves_sent
from dispatcher.core.schedule.hours import ALWAYS, NEVER, Hours, daily, hours_of
from dispatcher.core.shanghai import DAY_MS, HOUR_MS
from tests.core.schedule.test_hours import HOURS, at

MIDNIGHT_MS = at("2026-11-30 00:00")
DAY = daily(8, 20)


def ends_s(loads: list[Load], start_ms: int = MIDNIGHT_MS) -> dict[str, float]:
    found = when_sent(loads, start_ms)
    return {campaign: (each.at_ms - start_ms) / 1000 for campaign, each in found.items() if each.at_ms is not None}


def hours(count: float, campaign: str = "a", **keys: Any) -> Load:
    """A load of so many hours."""
    return Load(campaign, count * 3600, **keys)


def h(sent: Sent) -> float | None:
    """The hour, counted from the first midnight."""
    return None if sent.at_ms is None else (sent.at_ms - MIDNIGHT_MS) / HOUR_MS


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        pytest.param([], {}, id="nothing to send"),
        pytest.param([Load("a", 10)], {"a": 10}, id="alone"),
        pytest.param([Load("a", 0), Load("b", 5)], {"a": 0, "b": 5}, id="nothing left of one"),
        pytest.param([Load("a", 10), Load("b", 10)], {"a": 20, "b": 20}, id="equal shares"),
        pytest.param([Load("a", 10), Load("b", 100)], {"a": 20, "b": 110}, id="the short one first"),
        pytest.param([Load("a", 10, 3), Load("b", 10, 1)], {"a": 10 / 0.75, "b": 20}, id="by weight"),
        pytest.param([Load("a", 10), Load("b", 5, urgent=True)], {"a": 15, "b": 5}, id="urgent before all"),
    ],
)
def test_the_account_is_shared_by_weight_and_urgent_campaigns_go_first(loads, expected):
    assert ends_s(loads) == pytest.approx(expected, abs=0.001)


@given(
    st.lists(
        st.builds(
            Load,
            campaign=st.uuids().map(str),
            alone_s=st.floats(0, 1e7),
            weight=st.integers(1, 100),
            urgent=st.booleans(),
        ),
        max_size=20,
    )
)
def test_the_last_campaign_leaves_when_all_work_is_done_and_none_before_its_own_is(loads):
    found = ends_s(loads)
    assert found.keys() == {load.campaign for load in loads}
    if loads:
        assert max(found.values()) == pytest.approx(sum(load.alone_s for load in loads), rel=1e-6, abs=0.01)
    assert all(found[load.campaign] >= load.alone_s * (1 - 1e-6) - 0.01 for load in loads)


@pytest.mark.parametrize(
    ("start_h", "sending_h", "opens", "ends_h"),
    [
        pytest.param(10, 5, ALWAYS, 15, id="no hours"),
        pytest.param(10, 5, daily(8, 21), 15, id="within the day"),
        pytest.param(10, 11, daily(8, 21), 21, id="until it closes"),
        pytest.param(10, 12, daily(8, 21), 24 + 9, id="the rest the next morning"),
        pytest.param(3, 1, daily(8, 21), 9, id="before it opens"),
        pytest.param(22, 1, daily(8, 21), 24 + 9, id="after it closed"),
        pytest.param(22, 26, daily(8, 21), 48 + 21, id="two whole days"),
        pytest.param(22, 0, daily(8, 21), 24 + 8, id="nothing to send, closed"),
        pytest.param(10, 0, daily(8, 21), 10, id="nothing to send, open"),
        pytest.param(10, 4, hours_of("22:00-02:00"), 26, id="over midnight"),
        pytest.param(10, 2, hours_of("Wed 09:00-10:00"), 9 * 24 + 10, id="weekly"),
    ],
)
@pytest.mark.parametrize("of", ["the account", "the campaign"])
def test_hours_are_waited_for(start_h: int, sending_h: int, opens: Hours, ends_h: int, of: str):
    start_ms = MIDNIGHT_MS + start_h * HOUR_MS
    account, campaign = (opens, ALWAYS) if of == "the account" else (ALWAYS, opens)
    assert h(when_sent([hours(sending_h, hours=campaign)], start_ms, account)["a"]) == ends_h


def test_campaigns_with_different_hours_take_the_account_when_the_other_may_not():
    day, night = hours(6, "day", hours=DAY), hours(6, "night", hours=daily(0, 10))
    found = when_sent([day, night], MIDNIGHT_MS)
    assert (h(found["night"]), h(found["day"])) == (6, 14)
    late = when_sent([day, night], MIDNIGHT_MS + 8 * HOUR_MS)  # both until 10, then the day's alone
    assert h(late["day"]) == 15
    assert h(late["night"]) == 24 + 5


def test_what_is_left_when_a_session_ends_is_not_sent_and_makes_room():
    ends_ms = MIDNIGHT_MS + 20 * HOUR_MS
    found = when_sent([hours(6, "a", hours=DAY, ends_ms=ends_ms), hours(12, "b")], MIDNIGHT_MS + 12 * HOUR_MS)
    assert found["a"].at_ms is None
    assert found["a"].left_s == pytest.approx(2 * 3600)
    assert h(found["b"]) == 28


def test_a_campaign_that_begins_later_takes_nothing_before():
    found = when_sent([hours(4, "a"), hours(1, "b", from_ms=MIDNIGHT_MS + 2 * HOUR_MS)], MIDNIGHT_MS)
    assert (h(found["a"]), h(found["b"])) == (5, 4)


def test_waves_begin_on_all_accounts_when_the_last_one_has_sent_the_wave_before():
    parts = [("slow", hours(4, "a")), ("fast", hours(2, "a"))]
    accounts = {"slow": Account((hours(1, "b"),)), "fast": Account()}
    ends = when_waves_sent(parts, accounts, Waves((0.5, 0.5), 1 * HOUR_MS), MIDNIGHT_MS)
    assert [h(each) for each in ends] == [3 + 1 + 2, 3 + 1 + 1]  # beside b the first half takes three hours
    later = when_waves_sent(parts, accounts, Waves((1.0,), 0, MIDNIGHT_MS + 5 * HOUR_MS), MIDNIGHT_MS)
    assert [h(each) for each in later] == [9, 7]


def test_what_a_wave_cannot_send_in_time_is_left_with_all_later_waves():
    part = ("x", hours(4, "a", ends_ms=MIDNIGHT_MS + 3 * HOUR_MS))
    [sent] = when_waves_sent([part], {"x": Account()}, Waves((0.25, 0.25, 0.5), HOUR_MS), MIDNIGHT_MS)
    assert sent == Sent(None, 2 * 3600)  # one hour, a wait, one hour


def test_loads_of_one_campaign_share_its_weight():
    found = when_sent([hours(1, "a"), hours(1, "a"), hours(3, "b", weight=2)], MIDNIGHT_MS)
    assert (h(found["a"]), h(found["b"])) == (5, 4.5)


def test_what_never_opens_is_never_sent():
    assert when_sent([hours(1, hours=NEVER)], MIDNIGHT_MS)["a"] == Sent(None, 3600)
    never = when_sent([hours(9e6, hours=DAY)], MIDNIGHT_MS)["a"]
    assert never.at_ms is None
    assert 0 < never.left_s < 9e6 * 3600 - 365 * 12 * 3600 + HORIZON_MS / 1000


@given(st.integers(0, 10**7), st.integers(0, 100_000), HOURS, HOURS)
def test_a_forecast_lies_inside_all_hours_and_never_before_the_work_could_be_done(start_s, sending_s, one, other):
    start_ms = MIDNIGHT_MS + start_s * 1000
    [sent] = when_sent([Load("a", sending_s, hours=one)], start_ms, other).values()
    if sent.at_ms is not None:
        assert sent.at_ms >= start_ms + sending_s * 1000
        assert all(each.is_open(sent.at_ms) or each.is_open(sent.at_ms - 1) for each in (one, other))
        assert sent.at_ms - start_ms <= HORIZON_MS + 8 * DAY_MS
