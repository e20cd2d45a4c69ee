"""What lasts is told once, and taken back once; what one release tells, another one understands."""

from __future__ import annotations

import pytest

from dispatcher.core.lane.notices import AGAIN_S, LASTS_S, Notices, old_word, whole
from dispatcher.core.lane.work import Piece, Wait
from schemas.records import Job, Stop, Stopped, Why

LOGIN = Stop(why=Why.LOGIN, code="102", since_ms=1)
BUSY = Stop(why=Why.BUSY, code="104", since_ms=1, until_ms=9, row=3)
JOB = Job(
    campaign="c", attempt="a", account="spring", number=0, batch=0, partition=0, offset=0, sha256=b"", start=0, count=99
)


def told(notices: Notices, *steps: tuple[float, Stop | None]) -> list[tuple[float, str]]:
    """What is told of these stops, each from its moment on; looked at every tenth of a second."""
    found = []
    for tenth in range(300):
        stop = [stop for from_s, stop in steps if from_s <= tenth / 10][-1]
        stops = notices.due(stop, tenth / 10)
        if stops is not None:
            found.append((tenth / 10, " ".join(each.why for each in stops)))
    return found


@pytest.mark.parametrize(
    ("before", "steps", "says"),
    [
        ((), [(0.0, None)], []),
        ((), [(0.0, LOGIN)], [(LASTS_S, "login")]),
        ((), [(0.0, LOGIN), (5.0, None)], [(LASTS_S, "login"), (5.0 + LASTS_S, "")]),
        ((), [(0.0, LOGIN), (0.3, None)], []),
        ((LOGIN,), [(0.0, LOGIN)], []),
        ((LOGIN,), [(0.0, None)], [(LASTS_S, "")]),
        ((LOGIN,), [(0.0, None), (0.2, LOGIN)], []),
        ((), [(0.0, BUSY), (3.0, LOGIN)], [(LASTS_S, "busy"), (3.0 + LASTS_S, "login")]),
    ],
)
def test_a_stop_is_told_once_if_it_lasts_and_taken_back_once(before, steps, says):
    assert told(Notices(before), *steps) == says


def test_who_is_woken_when_told_misses_nothing():
    notices = Notices(())
    assert notices.due(LOGIN, 0.0) is None
    assert notices.due(LOGIN, notices.wake_s) == (LOGIN,)


def test_a_new_pause_of_the_same_stop_is_told_too():
    notices = Notices((BUSY,))
    later = Stop(why=Why.BUSY, code="104", since_ms=1, until_ms=99, row=4)
    assert told(notices, (0.0, BUSY), (5.0, later)) == [(5.0, "busy")]


def waiting(count: int, until_s: float, why: Why = Why.OTHER_CREDIT, code: str = "505") -> Piece:
    return Piece(0, JOB, 0, count, wait=Wait(until_s, why, code))


def test_recipients_that_wait_are_counted_by_what_they_wait_for():
    notices = Notices(())
    notices.saw([waiting(3, 60.0), waiting(4, 20.0), waiting(9, 5.0, Why.BUSY, "104")], 0.0, 1_000)
    notices.due(None, 0.0)
    stops = notices.due(None, 10.0)
    assert stops == (
        Stop(why=Why.OTHER_CREDIT, code="505", since_ms=1_000, until_ms=21_000, recipients=7),
        Stop(why=Why.BUSY, code="104", since_ms=1_000, until_ms=6_000, recipients=9),
    )
    notices.due(LOGIN, 20.0)
    stops = notices.due(LOGIN, 20.0 + LASTS_S)
    assert stops is not None
    assert [stop.why for stop in stops] == [Why.LOGIN, Why.OTHER_CREDIT]
    assert whole(stops) == LOGIN


def test_since_when_recipients_wait_outlasts_their_tries_and_ends_with_the_last_of_them():
    notices = Notices(())
    notices.saw([waiting(3, 60.0)], 0.0, 1_000)
    notices.saw([waiting(1, 90.0)], 50.0, 51_000)
    notices.due(None, 50.0)
    [stop] = notices.due(None, 50.0 + LASTS_S) or ()
    assert (stop.since_ms, stop.recipients) == (1_000, 1)
    notices.saw([], 60.0, 61_000)
    notices.due(None, 60.0)
    assert notices.due(None, 60.0 + LASTS_S) == ()


def test_that_more_recipients_wait_is_told_now_and_then():
    notices, count = Notices(()), 0
    for tenth in range(1_000):
        notices.saw([waiting(1 + tenth, 600.0)], tenth / 10, tenth)
        count += notices.due(None, tenth / 10) is not None
    assert 100 / AGAIN_S - 1 <= count <= 100 / AGAIN_S + 2


@pytest.mark.parametrize("why", Why)
def test_older_releases_read_a_word_that_they_know(why):
    assert old_word((Stop(why=why),)) in ("auth", "balance", "hours", "unreachable")
    assert old_word((Stop(why=why, recipients=3),)) == ""


@pytest.mark.parametrize(
    ("word", "why"),
    [("auth", Why.LOGIN), ("balance", Why.CREDIT), ("hours", Why.HOURS), ("unreachable", Why.UNREACHABLE)],
)
def test_a_record_of_an_older_release_says_the_same(word, why):
    assert Stopped(account="spring", at_ms=7, why=word, says="x").reasons() == (Stop(why=why, since_ms=7),)
    assert Stopped(account="spring", at_ms=7, why="", says="").reasons() == ()


def test_a_former_owner_s_notice_that_comes_late_is_told_over():
    notices = Notices((LOGIN,))
    assert notices.due(LOGIN, 0.0) is None
    notices.log_says((), 5.0)
    assert notices.due(LOGIN, 5.0) == (LOGIN,)
    notices.log_says((), 5.0 + AGAIN_S / 2)  # ours is on its way
    assert notices.due(LOGIN, 5.0 + AGAIN_S / 2) is None
