"""How accounts deliver to carriers, from the results of campaigns on a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumers.reports.delivery_command import delivery_table
from dispatcher.errors import ConfigError, UserError
from dispatcher.log.port import Entry
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.reports.delivery import report_delivery
from dispatcher.service.session import Session, open_session
from producers.launch.api import launch
from schemas.codec import encode
from schemas.records import Effect
from schemas.topics import REPORTS
from tests.service.place import ACCOUNT, configured
from tests.service.reports.test_spend import DAY_MS, EVENING_MS, MOBILE, TELECOM, Lane
from tests.store.joined_history import reports_record

SINCE_MS, UNTIL_MS = EVENING_MS - DAY_MS, EVENING_MS + DAY_MS


async def sent(session: Session, numbers: list[int], taken: int) -> None:
    """Launch to these numbers; the vendor took the first ones, and reported about three of them."""
    await launch(session, LaunchRequest(numbers=numbers, text="【Shop】hello", route=[ACCOUNT], id="may"))
    lane = Lane(await session.log(), ACCOUNT)
    await lane.owned()
    await lane.outcome(await lane.intent("may", 0, taken), Effect.ACCEPTED, vendor_id="77")
    at_s = EVENING_MS // 1000
    rows = [
        ("77", MOBILE, 1, "DELIVRD", at_s + 4),
        ("77", MOBILE + 1, 2, "UNDELIV", at_s + 9),
        ("77", TELECOM, 1, "DELIVRD", at_s - 3),  # the vendor's clock is behind ours
    ]
    await lane.log.append(REPORTS.name, lane.partition, [Entry(b"spring", encode(reports_record(ACCOUNT, rows)))])


async def test_reports_count_by_account_and_carrier_and_what_was_not_taken_does_not(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await sent(session, [MOBILE, MOBILE + 1, TELECOM, TELECOM + 1, TELECOM + 2], taken=4)
        found = await report_delivery(session, since_ms=SINCE_MS, until_ms=UNTIL_MS)
        before = await report_delivery(session, since_ms=SINCE_MS, until_ms=EVENING_MS)
        other = await report_delivery(session, since_ms=SINCE_MS, until_ms=UNTIL_MS, account=ACCOUNT)
        with pytest.raises(ConfigError, match="nobody"):
            await report_delivery(session, since_ms=SINCE_MS, until_ms=UNTIL_MS, account="nobody")
        with pytest.raises(UserError, match="the time ends before it begins"):
            await report_delivery(session, since_ms=EVENING_MS, until_ms=EVENING_MS)
    assert [(row.carrier, row.delivered, row.failed, row.no_report + row.waiting, row.rate) for row in found.rows] == [
        ("mobile", 1, 1, 0, 0.5),
        ("telecom", 1, 0, 1, found.rows[1].rate),
    ]
    assert (found.rows[0].delay_p50_s, found.rows[1].delay_p50_s) == (44, 44)  # the end of the minute, in classes
    assert before.rows == []
    assert other.rows == found.rows
    table = delivery_table(found.rows)
    assert table.row_count == 2
