"""What became of what was sent, by day, account, carrier, campaign and code."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.errors import UserError
from dispatcher.service.reports.outcomes import OutcomesWanted, report_outcomes
from dispatcher.service.session import open_session
from tests.service.place import configured
from tests.service.reports.test_delivery import SINCE_MS, UNTIL_MS, sent
from tests.service.reports.test_spend import EVENING_MS, MOBILE, TELECOM


async def test_outcomes_are_counted_by_any_of_their_dimensions(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await sent(session, [MOBILE, MOBILE + 1, TELECOM, TELECOM + 1, TELECOM + 2], taken=4)

        async def rows(*by: str, **more: object) -> list[tuple[object, ...]]:
            wanted = OutcomesWanted(since_ms=SINCE_MS, until_ms=UNTIL_MS, by=by, **more)  # type: ignore[arg-type]
            found = await report_outcomes(session, wanted)
            return [(*(getattr(row, name) for name in by), row.sent, row.delivered, row.failed) for row in found.rows]

        [(day, *counts)] = await rows("day")
        assert counts == [4, 2, 1]
        assert await rows("account") == [("spring", 4, 2, 1)]
        assert await rows("day", "carrier", "campaign") == [
            (day, "mobile", "may", 2, 1, 1),
            (day, "telecom", "may", 2, 1, 0),
        ]
        assert await rows("code") == [("UNDELIV", 1, 0, 1)]
        assert await rows("account", account="summer") == []
        assert await rows("account", campaign="may") == [("spring", 4, 2, 1)]
        [failed] = (await report_outcomes(session, OutcomesWanted(until_ms=UNTIL_MS, by=("code",)))).rows
        assert (failed.source, failed.vendor) == ("report", "batch-a")
        assert failed.meaning
        early = OutcomesWanted(since_ms=SINCE_MS, until_ms=EVENING_MS)
        assert (await report_outcomes(session, early)).rows == []
        with pytest.raises(UserError, match="ends before it begins"):
            await report_outcomes(session, OutcomesWanted(since_ms=5, until_ms=5))
        with pytest.raises(UserError, match="each once"):
            await report_outcomes(session, OutcomesWanted(until_ms=5, by=("day", "day")))
        with pytest.raises(UserError, match="no campaign"):
            await report_outcomes(session, OutcomesWanted(until_ms=5, campaign="june"))
