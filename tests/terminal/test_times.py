"""A time to come, as people type it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from dispatcher.errors import UserError
from dispatcher.terminal import times
from dispatcher.terminal.times import coming_ms
from dispatcher.wording import SHANGHAI, show_times_in

NOW = datetime(2026, 11, 30, 10, 0, tzinfo=SHANGHAI)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(times, "now_ms", lambda: round(NOW.timestamp() * 1000))
    show_times_in(SHANGHAI)
    yield
    show_times_in(SHANGHAI)


TYPED = [
    ("2026-12-01 09:00", "2026-12-01 09:00+08:00"),
    ("2026-12-01T09:00:30", "2026-12-01 09:00:30+08:00"),
    ("10:01", "2026-11-30 10:01+08:00"),
    ("10:00", "2026-12-01 10:00+08:00"),
    ("09:00", "2026-12-01 09:00+08:00"),
    ("tomorrow 09:00", "2026-12-01 09:00+08:00"),
    ("tomorrow 23:59", "2026-12-01 23:59+08:00"),
    ("2026-12-01 09:00+09:00", "2026-12-01 09:00+09:00"),
    ("2026-12-01 09:00 Z", "2026-12-01 09:00+00:00"),
    ("12:00 +09:00", "2026-11-30 12:00+09:00"),
    ("10:30 +0900", "2026-12-01 10:30+09:00"),
]


@pytest.mark.parametrize(("typed", "expected"), TYPED)
def test_a_time_to_come_is_read(typed: str, expected: str) -> None:
    assert coming_ms(typed, "--at") == round(datetime.fromisoformat(expected).timestamp() * 1000)


def test_it_is_read_in_the_zone_of_the_display() -> None:
    show_times_in(UTC)
    assert coming_ms("03:00", "--at") == round(datetime.fromisoformat("2026-11-30 03:00+00:00").timestamp() * 1000)


@pytest.mark.parametrize(
    "typed", ["", "soon", "25:00", "2026-02-30 09:00", "tomorrow", "tomorrow 2026-12-01 09:00", "3 h"]
)
def test_what_is_no_time_is_a_mistake(typed: str) -> None:
    with pytest.raises(UserError, match="is no time"):
        coming_ms(typed, "--at")


@pytest.mark.parametrize("typed", ["2026-11-30 09:59", "2026-11-30 10:00", "2026-11-30 10:30+09:00"])
def test_a_time_that_is_over_is_a_mistake(typed: str) -> None:
    with pytest.raises(UserError, match="is over"):
        coming_ms(typed, "--at")
