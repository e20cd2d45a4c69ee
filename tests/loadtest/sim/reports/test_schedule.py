"""The schedule of pushes: everything comes out once, never early, earliest first."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadtest.sim.reports.schedule import NOTHING, ROW, Schedule

dues = st.lists(st.floats(0, 30), max_size=40)


@given(st.lists(st.tuples(dues, st.floats(0, 40), st.integers(1, 50)), max_size=12))
def test_everything_comes_out_once_never_early_and_earliest_first(steps: list[tuple[list[float], float, int]]) -> None:
    schedule, put, got, now_s = Schedule(), list[int](), list[int](), 0.0
    steps.append(([], 1000.0, 10_000))
    for due_s, later_s, count_max in steps:
        rows = np.zeros(len(due_s), ROW)
        rows["due_s"] = due_s
        rows["entry"] = range(len(put), len(put) + len(due_s))
        put.extend(rows["entry"].tolist())
        schedule.put(rows)
        now_s += later_s
        taken = schedule.take(now_s, count_max)
        assert taken.size <= count_max
        assert (taken["due_s"] <= now_s).all()
        assert (np.diff(taken["due_s"]) >= 0).all()
        got.extend(taken["entry"].tolist())
        assert len(schedule) == len(put) - len(got)
    assert sorted(got) == put


def test_equal_times_keep_the_order_they_were_put_in() -> None:
    schedule = Schedule()
    rows = np.zeros(100, ROW)
    rows["place"] = range(100)
    schedule.put(rows)
    assert schedule.take(0.0, 1000)["place"].tolist() == list(range(100))


def test_nothing_put_is_nothing_taken() -> None:
    schedule = Schedule()
    schedule.put(NOTHING)
    assert schedule.take(1e9, 10).size == 0


def test_a_row_is_24_bytes_and_a_backlog_is_taken_in_order() -> None:
    assert ROW.itemsize == 24
    schedule = Schedule()
    for due_s in (5.0, 1.0, 3.0):
        rows = np.zeros(10, ROW)
        rows["due_s"] = due_s + np.arange(10) / 100
        schedule.put(rows)
    assert schedule.take(100.0, 15)["due_s"][-1] == 3.04
    late = np.zeros(1, ROW)
    late["due_s"] = 0.5
    schedule.put(late)
    assert schedule.take(100.0, 2)["due_s"].tolist() == [0.5, 3.05]
    assert len(schedule) == 14
