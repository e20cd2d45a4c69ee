"""Every launch leaves out who is on the suppression list, up to the moment it is committed, and says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.arrivals import take_inbound
from dispatcher.config.file import parse
from dispatcher.errors import InputError, LogUnavailable
from dispatcher.suppression import list as suppression_list
from dispatcher.suppression.list import put
from producers.launch.commit import commit
from producers.lists import dedupe
from producers.lists.dedupe import Growing, Listed, ascending_of, separate
from producers.lists.normalise import normalise
from producers.lists.rejects import Spool
from schemas.batch import unpack
from schemas.codec import decode
from schemas.records import Inbound, Launched, Rejects
from schemas.states import BY_FILE, ON_LIST
from tests.always import ALWAYS
from tests.memory_log import MemoryLog
from tests.producers.launch.launched import launch, prepare

N = 13_800_138_000
CONFIG = parse(
    {"account": {"spring": {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": "x"}}}
    | ALWAYS,
    "test",
)
SEND: dict[str, Any] = {"text": "【Shop】Sale", "route": ["spring"], "config": CONFIG}


async def suppressed(log: MemoryLog, *numbers: int, adds: bool = True) -> None:
    await put(log, np.array(numbers, np.int64), adds=adds, source="person", by="ann", why="", at_ms=1000)


def recipients(log: MemoryLog) -> list[int]:
    found: list[Any] = []
    for (topic, _), records in log.records.items():
        for stored in records if topic == "recipients" else ():
            found += unpack(stored.value, stored.headers)[0].split(b",")
    return sorted(map(int, found))


def set_aside(log: MemoryLog) -> list[tuple[int, str, str]]:
    found: list[Any] = []
    for (topic, _), records in log.records.items():
        for stored in records if topic == "rejects" else ():
            record = decode(stored.value)
            assert isinstance(record, Rejects)
            rows = np.frombuffer(record.rows, "<u8").tolist()
            reasons = [record.reasons[index] for index in record.reason_index]
            found += zip(rows, record.values.decode().split("\n"), reasons, strict=True)
    return sorted(found)


def the_launch(log: MemoryLog) -> Launched:
    found = [decode(stored.value) for stored in log.records["campaigns", 0]]
    (record,) = [each for each in found if isinstance(each, Launched)]
    return record


async def test_who_is_on_the_list_is_left_out_and_counted_with_the_reason():
    log = MemoryLog()
    await suppressed(log, N + 1, N + 2, N + 9)
    await suppressed(log, N + 9, adds=False)
    numbers = [N, f"+86 {N + 1}", N + 2, N + 1, N + 9, "n/a"]
    result = await launch(numbers, **SEND, log=log, suppress=[[N + 2]])
    assert (result.rows, result.recipients, result.suppressed, result.duplicate) == (6, 2, 2, 1)
    assert result.suppressed_reasons == {"in a suppression file": 1, "on the suppression list": 1}
    assert recipients(log) == [N, N + 9]
    assert set_aside(log) == [
        (2, f"+86 {N + 1}", "on the suppression list"),
        (3, str(N + 2), "suppressed"),
        (4, str(N + 1), "duplicate"),
        (6, "n/a", "no number"),
    ]
    record = the_launch(log)
    assert (record.suppressed, record.suppressed_reasons) == (2, result.suppressed_reasons)


async def test_the_same_launch_repeated_is_the_same_whoever_came_on_the_list_meanwhile():
    log = MemoryLog()
    await suppressed(log, N + 1)
    await launch([N, N + 1, N + 2, N + 3], **SEND, log=log, id="may")
    await suppressed(log, N, N + 3)
    await suppressed(log, N + 1, adds=False)
    again = await launch([N, N + 1, N + 2, N + 3], **SEND, log=log, id="may")
    assert again.already_launched
    assert recipients(log) == [N, N + 2, N + 3]


async def test_an_opt_out_between_plan_and_commit_is_left_out():
    log = MemoryLog()
    prepared = await prepare(CONFIG, [N, N + 1, N + 2], text="hi", route=["spring"], ask_balance=False, log=log)
    assert prepared.plan.recipients == 3
    before = prepared.fingerprint
    await suppressed(log, N + 1)
    result = await commit(prepared, log)
    prepared.close()
    assert (result.recipients, result.suppressed_reasons) == (2, {"on the suppression list": 1})
    assert (result.plan.messages, result.plan.accounts[0].recipients) == (2, 2)
    assert recipients(log) == [N, N + 2]
    assert set_aside(log) == [(2, str(N + 1), "on the suppression list")]
    assert the_launch(log).fingerprint == before


@pytest.mark.parametrize("pushed", ["447700900123", "00447700900123"])
async def test_an_opt_out_from_abroad_is_left_out_in_every_form_of_its_number(pushed):
    cosms = {"vendor": "cosms", "url": "http://127.0.0.1:9", "corp_id": "1", "login_name": "demo", "password": "x"}
    config = parse({"account": {"abroad": cosms | {"international": True}}}, "test")
    log = MemoryLog()
    message = Inbound(account="abroad", number=pushed, text="TD", to="", at_ms=1, received_ms=1)
    await take_inbound(log, "abroad", [message])
    numbers = ["+44 7700 900123", N, "+44 7700 900124"]
    result = await launch(numbers, text="【Shop】Sale", route=["abroad"], config=config, log=log)
    assert (result.recipients, result.suppressed_reasons) == (2, {"on the suppression list": 1})
    assert recipients(log) == [N, 447700900124]


async def test_an_opt_out_from_a_phone_with_an_area_code_is_left_out():
    cosms = {"vendor": "cosms", "url": "http://127.0.0.1:9", "corp_id": "1", "login_name": "demo", "password": "x"}
    config = parse({"account": {"phs": cosms | {"phs": True}}}, "test")
    log = MemoryLog()
    message = Inbound(account="phs", number="02129900660", text="TD", to="", at_ms=1, received_ms=1)
    await take_inbound(log, "phs", [message])
    numbers = ["021-29900660", N, "0755 2522 7898"]
    result = await launch(numbers, text="【Shop】Sale", route=["phs"], config=config, log=log)
    assert (result.recipients, result.suppressed_reasons) == (2, {"on the suppression list": 1})
    assert recipients(log) == [N, 75525227898]


async def test_when_the_last_of_them_opts_out_nothing_is_launched():
    log = MemoryLog()
    prepared = await prepare(CONFIG, [N], text="hi", route=["spring"], ask_balance=False, log=log)
    await suppressed(log, N)
    with pytest.raises(InputError, match="all 1 numbers are suppressed"):
        await commit(prepared, log)
    prepared.close()
    assert recipients(log) == []


async def test_a_plan_says_that_the_list_could_not_be_read_and_the_launch_fails(monkeypatch):
    log = MemoryLog()
    await suppressed(log, N + 1)

    async def away(*_, **__):
        raise LogUnavailable("the broker is away")

    with monkeypatch.context() as broken:
        broken.setattr(log, "end", away)
        prepared = await prepare(CONFIG, [N, N + 1], text="hi", route=["spring"], ask_balance=False, log=log)
        assert any(
            "the suppression list is not in this plan: the broker is away" in note for note in prepared.plan.notes
        )
        with pytest.raises(LogUnavailable):
            await commit(prepared, log)
    assert (await commit(prepared, log)).recipients == 1
    prepared.close()


async def test_a_launch_sums_up_a_list_that_has_grown_long(monkeypatch):
    monkeypatch.setattr(suppression_list, "SNAPSHOT_AFTER_RECORDS", 3)
    log = MemoryLog()
    for number in range(4):
        await suppressed(log, N + number)
    for campaign in ("may", "june"):
        assert (await launch([N, N + 9], **SEND, log=log, id=campaign)).recipients == 1
    kinds = [type(decode(stored.value)).__name__ for stored in log.records["suppression", 0]]
    assert kinds == ["Suppression"] * 4 + ["SuppressionSnapshot"]


@pytest.mark.parametrize(
    ("name", "content", "note"),
    [
        ("empty.txt", "", "is empty: nobody is suppressed by it"),
        ("blank.txt", "\n \n", "is empty: nobody is suppressed by it"),
        ("header.csv", "手机号\n", "has no rows: nobody is suppressed by it"),
    ],
)
async def test_an_empty_suppression_file_suppresses_no_number_and_is_mentioned(tmp_path, name, content, note):
    path = tmp_path / name
    path.write_text(content, "utf-8")
    result = await launch([N], **SEND, log=MemoryLog(), suppress=[str(path)])
    assert (result.recipients, result.suppressed) == (1, 0)
    assert any(said == f"suppression list {path} {note}" for said in result.plan.notes)


FEW = st.integers(13_000_000_000, 13_000_000_012)


@given(st.lists(FEW, max_size=40), st.sets(FEW), st.sets(FEW), st.sets(FEW), st.integers(1, 9))
def test_a_list_comes_apart_by_file_and_by_list_whenever_the_list_was_read(numbers, in_file, at_first, later, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dedupe, "_BLOCK", block)
        found = apart(numbers, in_file, at_first).without(ON_LIST, np.array(sorted(at_first | later), np.int64))
        at_once = apart(numbers, in_file, at_first | later)
        for name in ("recipients", "duplicates"):
            assert getattr(found, name).packed.tolist() == getattr(at_once, name).packed.tolist(), name
        for reason in (BY_FILE, ON_LIST):
            assert found.aside[reason].packed.tolist() == at_once.aside[reason].packed.tolist(), reason
        given_numbers = [number for part in found.given() for number in part.numbers(0, len(part)).tolist()]
        assert given_numbers == [number for number in dict.fromkeys(numbers) if number not in in_file]


def apart(numbers, in_file, on_list):
    listed, barred = Listed(), Growing()
    listed.add_block(np.array(numbers, np.int64), 0)
    barred.add(np.array(list(in_file), np.int64).view(np.uint64))
    return separate(listed, {BY_FILE: ascending_of(barred), ON_LIST: np.array(sorted(on_list), np.int64)})


def test_rejected_rows_keep_what_was_written_whichever_list_they_are_on():
    values = ["13800138000", "+86 138 0013 8001", "13800138002"]
    spool, listed = Spool(), Listed()
    block = normalise(pl.Series(values))
    listed.add_block(block.numbers, 0)
    spool.add(block, 0, 1)
    separated = separate(listed, {BY_FILE: np.array([N], np.int64), ON_LIST: np.array([N, N + 1], np.int64)})
    (record,) = spool.rejects("may", "a1", separated)
    spool.close()
    assert record.values.decode().split("\n") == values[:2]
    assert [record.reasons[index] for index in record.reason_index] == ["suppressed", "on the suppression list"]
