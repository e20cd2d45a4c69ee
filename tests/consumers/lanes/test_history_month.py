"""A vendor's history is of the present month in China."""

from __future__ import annotations

from datetime import datetime

import pytest

from consumers.lanes.history_watch import month_start


@pytest.mark.parametrize(
    ("now", "start"),
    [
        ("2026-11-30T15:59:59+00:00", "2026-10-31T16:00:00+00:00"),
        ("2026-11-30T16:00:00+00:00", "2026-11-30T16:00:00+00:00"),
    ],
)
def test_a_month_begins_at_midnight_in_china(now, start):
    seconds = [datetime.fromisoformat(text).timestamp() for text in (now, start)]
    assert month_start(round(seconds[0] * 1000)) == round(seconds[1] * 1000)
