"""Reports of certain codes put their number on the suppression list, with the code for the reason."""

from __future__ import annotations

import numpy as np
import pytest

from dispatcher.arrivals import columns, take_reports
from dispatcher.carriers.learnt import LearntCarriers
from dispatcher.config.file import FromReports, SuppressionConfig, parse
from dispatcher.errors import ConfigError
from dispatcher.report_effects import ReportEffects
from dispatcher.suppression.from_reports import SuppressingReports
from dispatcher.suppression.list import SuppressionList, put
from dispatcher.vendors.batch.pushes import REPORT_CODES as BATCH
from dispatcher.vendors.cosms.pages import REPORT_CODES as COSMS
from dispatcher.vendors.seam.vendor import ReportRow
from schemas.states import REPORT_FAILED
from tests.memory_log import MemoryLog

N = 13_800_138_000


def row(number: int, code: str) -> ReportRow:
    return ReportRow("77", number, REPORT_FAILED, code, 0)


def _effects(wanted: tuple[FromReports, ...]) -> ReportEffects:
    return ReportEffects(BATCH, SuppressionConfig(from_reports=wanted), LearntCarriers())


ROWS = [row(N, "MBBLACK"), row(N + 1, "DELIVRD"), row(N + 2, " dtblack"), row(0, "MBBLACK"), row(N + 3, "UNDELIV")]


@pytest.mark.parametrize("items", [ROWS, [columns("spring", ROWS, 1)], [columns("spring", ROWS[:2], 1), *ROWS[2:]]])
def test_the_numbers_of_a_blacklist_are_found_in_rows_and_in_columns(items):
    found = SuppressingReports(BATCH, ["blacklist"]).numbers(items)
    assert {code: numbers.tolist() for code, numbers in found.items()} == {"MBBLACK": [N], "DTBLACK": [N + 2]}


def test_numbers_that_do_not_exist_are_asked_for_by_themselves():
    items = [row(N, "1"), row(N + 1, "4"), row(N + 2, "0")]
    each = {
        wanted: list(SuppressingReports(COSMS, [wanted]).numbers(items)) for wanted in ("blacklist", "no-such-number")
    }
    assert each == {"blacklist": ["4"], "no-such-number": ["1"]}


@pytest.mark.parametrize("wanted", [(), ("blacklist",)])
async def test_they_are_on_the_list_only_where_the_configuration_says_so(wanted):
    log = MemoryLog()
    await take_reports(log, "spring", ROWS, 5_000, _effects(wanted))
    found = SuppressionList(detailed=True)
    await found.read_on(log)
    assert found.listing.numbers.tolist() == ([N, N + 2] if wanted else [])
    if wanted:
        origin = found.origin(0)
        assert (origin.source, origin.by, origin.why) == ("report", "spring", "MBBLACK")


async def test_a_person_who_opts_out_later_is_not_there_because_of_the_report_any_more():
    log = MemoryLog()
    await take_reports(log, "spring", ROWS, 5_000, _effects(("blacklist",)))
    await put(log, np.array([N], np.int64), adds=True, source="opt-out", by="spring", why="TD", at_ms=9_000)
    found = SuppressionList(detailed=True)
    await found.read_on(log)
    assert (found.origin(0).source, found.only_reported().tolist()) == ("opt-out", [N + 2])


@pytest.mark.parametrize("wanted", [["blacklist", "no-such-number"], []])
def test_the_configuration_names_them(wanted):
    assert parse({"suppression": {"from_reports": wanted}}, "d.toml").suppression.from_reports == tuple(wanted)


def test_another_name_is_a_mistake():
    with pytest.raises(ConfigError, match="from_reports"):
        parse({"suppression": {"from_reports": ["failed"]}}, "d.toml")
