"""What reports teach about ported numbers, and what becomes of it on the log."""

from __future__ import annotations

import numpy as np
import pytest

from dispatcher.arrivals import columns, take_reports
from dispatcher.carriers.learnt import LearntCarriers
from dispatcher.carriers.lookup import carrier_of, carriers_of
from dispatcher.config.file import SuppressionConfig
from dispatcher.core.carriers import Carrier
from dispatcher.core.numbers import Numbers
from dispatcher.errors import LogDamaged
from dispatcher.log.port import Entry
from dispatcher.report_effects import ReportEffects
from dispatcher.vendors.batch.pushes import REPORT_CODES as BATCH
from dispatcher.vendors.cmpp.codes import REPORT_CODES as CMPP
from dispatcher.vendors.cosms.pages import REPORT_CODES as COSMS
from dispatcher.vendors.hezhong.codes import REPORT_CODES as HEZHONG
from dispatcher.vendors.seam.vendor import ReportRow
from schemas.codec import encode
from schemas.packed_numbers import pack_ascending
from schemas.records import CarrierLearnt
from schemas.states import REPORT_FAILED
from schemas.topics import CARRIERS
from tests.memory_log import MemoryLog

N = 13_800_138_000


def row(number: int, code: str) -> ReportRow:
    return ReportRow("77", number, REPORT_FAILED, code, 0)


async def learn(log: MemoryLog, *items: ReportRow, learnt: LearntCarriers | None = None, at_ms: int = 5_000) -> None:
    effects = ReportEffects(BATCH, SuppressionConfig(), learnt or LearntCarriers())
    await take_reports(log, "spring", items, at_ms, effects)


async def folded(log: MemoryLog, numbers_max: int = 100) -> LearntCarriers:
    found = LearntCarriers(numbers_max)
    await found.read_on(log)
    return found


def known(found: LearntCarriers) -> dict[int, Carrier]:
    return {number: Carrier(carrier) for number, carrier in zip(found.numbers.tolist(), found.carriers, strict=True)}


def record(numbers: Numbers, carrier: int, at_ms: int = 0) -> Entry:
    packed = pack_ascending(numbers)
    learnt = CarrierLearnt(
        account="spring", code="NP:1", carrier=carrier, count=len(numbers), numbers=packed, at_ms=at_ms
    )
    return Entry(b"spring", encode(learnt))


@pytest.mark.parametrize("codes", [BATCH, COSMS, HEZHONG, CMPP])
def test_every_vendor_knows_the_operators_codes_of_ported_numbers(codes):
    assert {code: codes.find(code).ported_to for code in ("MB:1047", "mb:1048", "MB:1049", "NP:1243", "NP:77")} == {
        "MB:1047": "unknown",
        "mb:1048": "unknown",
        "MB:1049": "unknown",
        "NP:1243": "unicom",
        "NP:77": "unknown",
    }
    assert codes.find("MB:1046").ported_to == ""
    assert "another carrier" in codes.advice("MB:1047")


@pytest.mark.parametrize("in_columns", [False, True])
async def test_reports_teach_where_a_number_is(in_columns):
    log = MemoryLog()
    rows = [row(N, "NP:1243"), row(N + 1, "MB:1047"), row(N + 2, "MB:0001"), row(0, "NP:1243"), row(N + 3, " np:1243")]
    await learn(log, *([columns("spring", rows, 1)] if in_columns else rows))
    found = await folded(log)
    assert known(found) == {N: Carrier.UNICOM, N + 1: Carrier.UNKNOWN, N + 3: Carrier.UNICOM}
    lesson = found.lessons[int(found.lesson_index[0])]
    assert (lesson.account, lesson.code, int(found.times[0])) == ("spring", "NP:1243", 5)
    assert carrier_of(N) is Carrier.MOBILE
    assert carrier_of(N, found.overrides) is Carrier.UNICOM


async def test_only_what_is_new_is_appended():
    log, learnt = MemoryLog(), LearntCarriers()
    for code in ("MB:1047", "MB:1047", "NP:1243", "NP:1243", "MB:1048"):
        await learn(log, row(N, code), learnt=learnt)
    assert await log.end(CARRIERS.name, 0) == 2
    await learn(log, row(N, "NP:1243"))  # another process
    assert await log.end(CARRIERS.name, 0) == 2
    assert known(await folded(log)) == {N: Carrier.UNICOM}


async def test_reports_without_such_codes_do_not_even_read_the_topic():
    log = MemoryLog()
    log.read = None  # type: ignore[assignment]
    await learn(log, row(N, "DELIVRD"), row(N + 1, "MB:0001"))
    assert await log.end(CARRIERS.name, 0) == 0


async def test_a_code_that_names_no_carrier_never_replaces_one_that_did_in_any_order():
    for order in ((2, 0), (0, 2)):
        log = MemoryLog()
        for carrier in order:
            await log.append(CARRIERS.name, 0, [record(np.array([N]), carrier)])
        assert known(await folded(log)) == {N: Carrier.UNICOM}


async def test_the_last_carrier_counts_however_the_topic_is_read():
    log, early = MemoryLog(), LearntCarriers()
    for carrier in (Carrier.UNICOM, Carrier.TELECOM, Carrier.MOBILE):
        await log.append(CARRIERS.name, 0, [record(np.array([N, N + carrier]), carrier)])
        await early.read_on(log)
    assert known(early) == known(await folded(log))
    assert known(early)[N] is Carrier.MOBILE


async def test_the_newest_numbers_are_kept_when_there_are_too_many():
    log = MemoryLog()
    for at_ms, number in ((3_000, N), (1_000, N + 5), (2_000, N + 2)):
        await log.append(CARRIERS.name, 0, [record(np.array([number]), Carrier.UNICOM, at_ms)])
    found = await folded(log, numbers_max=2)
    assert found.numbers.tolist() == [N, N + 2]


async def test_a_carrier_of_a_newer_release_is_an_unknown_one():
    log = MemoryLog()
    await log.append(CARRIERS.name, 0, [record(np.array([N]), 77)])
    assert known(await folded(log)) == {N: Carrier.UNKNOWN}


async def test_a_damaged_record_is_not_taken_for_nothing():
    log = MemoryLog()
    broken = CarrierLearnt(account="spring", code="NP:1", carrier=2, count=9, numbers=b"x", at_ms=0)
    await log.append(CARRIERS.name, 0, [Entry(b"spring", encode(broken))])
    with pytest.raises(LogDamaged, match="offset 0"):
        await folded(log)


async def test_numbers_with_a_country_code_are_the_same_and_those_abroad_are_left_out():
    log = MemoryLog()
    await learn(log, row(10**15 + 86 * 10**11 + N, "NP:1243"), row(10**15 + 85_291_234_567, "NP:1243"))
    assert known(await folded(log)) == {N: Carrier.UNICOM}


def test_many_overrides_are_found_among_many_numbers():
    random = np.random.default_rng(7)
    ported = np.unique(random.integers(13_000_000_000, 20_000_000_000, 5_000))
    found = LearntCarriers()
    found.numbers, found.carriers = ported, np.full(len(ported), Carrier.BROADNET, np.uint8)
    numbers = np.concatenate([ported[::3], ported[::3] + 1, random.integers(13_000_000_000, 20_000_000_000, 5_000)])
    expected = np.where(np.isin(numbers, ported), Carrier.BROADNET, carriers_of(numbers))
    assert (carriers_of(numbers, found.overrides) == expected).all()
