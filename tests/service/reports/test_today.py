"""Today's figures: campaigns of today whole, of earlier ones what was sent since midnight."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from dispatcher.core.results.equation import Counts
from dispatcher.service.reports import today as today_module
from dispatcher.service.reports.outcomes import OutcomeReport, OutcomeRow
from dispatcher.service.reports.today import BEFORE_AGAIN_S, TodayCounts, begin_of_day
from tests.service.reports.test_alerts import campaign

NOON = int(datetime(2026, 11, 30, 4, tzinfo=UTC).timestamp() * 1000)
MIDNIGHT = NOON - 12 * 3_600_000


def test_the_day_begins_at_midnight_in_shanghai() -> None:
    assert begin_of_day(NOON) == MIDNIGHT
    assert begin_of_day(MIDNIGHT) == MIDNIGHT
    assert begin_of_day(MIDNIGHT - 1) == MIDNIGHT - 86_400_000


async def test_what_was_sent_before_today_is_taken_off_and_counted_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def earlier(_: Any, wanted: Any) -> OutcomeReport:
        asked.append(wanted)
        row = OutcomeRow(delivered=30, failed=5, waiting=1)
        return OutcomeReport(since_ms=0, until_ms=wanted.until_ms, by=wanted.by, rows=[row])

    monkeypatch.setattr(today_module, "report_outcomes", earlier)
    now_s = [0.0]
    figures = TodayCounts(lambda: now_s[0])
    counts = Counts(rows=100, delivered=50, failed=10, accepted=5, in_flight=2, unknown=3, queued=30)
    sent = {"first_sent_ms": MIDNIGHT + 1, "last_sent_ms": NOON}
    views = [
        campaign(counts, **sent),
        campaign(counts, id="earlier", first_sent_ms=MIDNIGHT - 5, last_sent_ms=NOON),
        campaign(counts, id="yesterday", first_sent_ms=1, last_sent_ms=MIDNIGHT - 1, cancelled=True),
    ]
    found = await figures.look(None, NOON, views)  # type: ignore[arg-type]
    assert (found.delivered, found.failed, found.unknown) == (70, 15, 6)
    assert (found.waiting, found.sent, found.queued, found.campaigns) == (13, 104, 60, 2)
    await figures.look(None, NOON, views)  # type: ignore[arg-type]
    assert [(each.campaign, each.until_ms) for each in asked] == [("earlier", MIDNIGHT)]
    now_s[0] = BEFORE_AGAIN_S
    await figures.look(None, NOON, views)  # type: ignore[arg-type]
    assert len(asked) == 2
