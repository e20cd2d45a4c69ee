"""When campaigns that share an account will have left it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.flow.forecast import Load, finish_s, sent_by_ms

MIDNIGHT_MS = 1_800_000_000_000 // 86_400_000 * 86_400_000 - 8 * 3_600_000  # 00:00 in Shanghai
HOUR_MS = 3_600_000


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
    assert finish_s(loads) == pytest.approx(expected)


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
    found = finish_s(loads)
    assert found.keys() == {load.campaign for load in loads}
    if loads:
        assert max(found.values()) == pytest.approx(sum(load.alone_s for load in loads), rel=1e-6, abs=1e-6)
    assert all(found[load.campaign] >= load.alone_s * (1 - 1e-6) - 1e-6 for load in loads)


@pytest.mark.parametrize(
    ("start_h", "sending_h", "hours", "ends_h"),
    [
        pytest.param(10, 5, None, 15, id="no hours"),
        pytest.param(10, 5, (0, 24), 15, id="all hours"),
        pytest.param(10, 5, (8, 21), 15, id="within the day"),
        pytest.param(10, 11, (8, 21), 21, id="until it closes"),
        pytest.param(10, 12, (8, 21), 24 + 9, id="the rest the next morning"),
        pytest.param(3, 1, (8, 21), 9, id="before it opens"),
        pytest.param(22, 1, (8, 21), 24 + 9, id="after it closed"),
        pytest.param(22, 26, (8, 21), 48 + 21, id="two whole days"),
        pytest.param(22, 0, (8, 21), 24 + 8, id="nothing to send, closed"),
        pytest.param(10, 0, (8, 21), 10, id="nothing to send, open"),
    ],
)
def test_sending_hours_are_waited_for(start_h, sending_h, hours, ends_h):
    found_ms = sent_by_ms(MIDNIGHT_MS + start_h * HOUR_MS, sending_h * 3600, hours)
    assert (found_ms - MIDNIGHT_MS) / HOUR_MS == ends_h


@given(st.integers(0, 10**10), st.floats(0, 1e7), st.integers(0, 23), st.integers(1, 24))
def test_a_forecast_never_lies_before_the_work_could_be_done(start_s, sending_s, opens, length):
    hours = (opens, min(24, opens + length))
    start_ms = start_s * 1000
    ends_ms = sent_by_ms(start_ms, sending_s, hours)
    assert ends_ms >= start_ms + round(sending_s * 1000)
    of_day_ms = (ends_ms + 8 * HOUR_MS) % (24 * HOUR_MS)
    assert hours[0] * HOUR_MS <= of_day_ms <= hours[1] * HOUR_MS or (hours[1] == 24 and of_day_ms == 0)
