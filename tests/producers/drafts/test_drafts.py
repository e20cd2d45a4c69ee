"""A draft: what launching it comes to, what is judged again then, and what happens if it changes meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from msgspec.structs import replace

from dispatcher.config.file import Config, parse
from dispatcher.config.places import ApprovalConfig
from dispatcher.core.numbers import decode
from dispatcher.errors import InputError, LogUnavailable, UserError
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.log.port import Entry, Log
from dispatcher.service.campaigns.drafts import approve_campaign, cancel_entry, schedule_campaign, show_draft
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import open_session
from dispatcher.service.unknowns import list_unknown
from dispatcher.suppression.list import put
from producers.drafts import api
from schemas.batch import unpack_values
from schemas.records import Drafted, DraftPlaces, Job, Launched
from schemas.topics import CAMPAIGNS, JOBS, RECIPIENTS
from tests.memory_log import MemoryLog
from tests.producers.launch import launched as on_log
from tests.producers.launch.test_launch import CONFIG, LIST

PEOPLE = pl.DataFrame(
    {
        "phone": ["13800138000", "13900139000", "13700137000", "13600136000", "13800138000"],
        "name": ["王", "李", None, "张", "王"],
    }
)
TERMS: dict[str, Any] = {"text": "hi", "route": ["spring"], "id": "may", "by": "ann"}
OF_TEN = replace(CONFIG, approval=ApprovalConfig(above=1))


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


async def draft(log: Log, numbers: Any = LIST, *, config: Config = CONFIG, start_ms: int = 0, **terms: Any):
    async with open_session(config, log=log) as session:
        return await api.draft(session, LaunchRequest(numbers=numbers, **TERMS | terms), start_ms=start_ms)


async def launch(log: MemoryLog, campaign: str = "may", *, config: Config = CONFIG, by: str = "bob") -> api.DraftLaunch:
    async with open_session(config, log=log) as session:
        return await api.launch_draft(session, campaign, by=by)


async def launched(log: MemoryLog, campaign: str = "may") -> Launched:
    """The launch that counts, by the fold that lanes read."""
    found = (await read_campaigns(log)).launched(campaign)
    assert found is not None
    return found


async def texts(log: Log, record: Launched) -> list[tuple[int, tuple[str, ...]]]:
    """(number, values) of every recipient of a launch."""
    found = []
    for _, job in await on_log.records(log, JOBS.name):
        assert isinstance(job, Job)
        if job.attempt == record.attempt:
            stored = await log.fetch(RECIPIENTS.name, job.partition, job.offset)
            wire, count, values = unpack_values(stored.value, stored.headers, job.sha256)
            columns: list[list[str]] = [] if values is None else [_column(values, i) for i in range(len(values.names))]
            found += [
                (number, tuple(column[at] for column in columns)) for at, number in enumerate(decode(wire).tolist())
            ]
            assert len(decode(wire)) == count
    return sorted(found)


def _column(values: Any, index: int) -> list[str]:
    ends = [int.from_bytes(values.ends[index][at : at + 4], "little") for at in range(0, len(values.ends[index]), 4)]
    entries = [values.texts[index][start:end].decode() for start, end in zip([0, *ends], ends, strict=False)]
    rows = values.rows[index]
    return [entries[int.from_bytes(rows[at : at + 2], "little")] for at in range(0, len(rows), 2)]


LISTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "a dirty list": (LIST, {"suppress": [["13700137000"]]}),
    "several lists": (LIST, {"more_lists": [["13500135000", "13800138000", "x"], ["n/a", "13400134000"]]}),
    "personal values": (PEOPLE, {"text": "Dear {name}", "column": "phone", "route": ["spring", "summer"]}),
    "excluded people and other terms": (LIST, {"exclude": [["13900139000"]], "weight": 3, "urgent": True, "name": "M"}),
}


@pytest.mark.parametrize(("numbers", "terms"), LISTS.values(), ids=LISTS.keys())
async def test_launching_a_draft_comes_to_the_same_as_launching_its_list(numbers: Any, terms: dict[str, Any]) -> None:
    direct, drafted = MemoryLog(), MemoryLog()
    await on_log.launch(numbers, config=CONFIG, log=direct, **TERMS | terms)
    made = await draft(drafted, numbers, **terms)
    assert (await read_campaigns(drafted)).launched("may") is None
    result = await launch(drafted)
    one, other = await launched(direct), await launched(drafted)
    assert (result.recipients, made.recipients) == (one.recipients, one.recipients)
    same = {"attempt": "", "at_ms": 0, "by": "", "revision": ""}
    assert replace(one, **same) == replace(other, **same)
    assert other.by == "bob"
    assert await texts(direct, one) == await texts(drafted, other)
    assert sorted(await on_log.rejects(direct, one)) == sorted(await on_log.rejects(drafted, other))


async def test_the_suppression_list_is_judged_when_the_draft_is_launched(log: MemoryLog) -> None:
    await put(log, numbers([13_800_138_000]), adds=True, source="person", by="li", why="", at_ms=1)
    await draft(log)
    await put(log, numbers([13_800_138_000]), adds=False, source="person", by="li", why="", at_ms=2)
    await put(log, numbers([13_900_139_000]), adds=True, source="opt-out", by="spring", why="TD", at_ms=3)
    await launch(log)
    record = await launched(log)
    assert [number for number, _ in await texts(log, record)] == [13_700_137_000, 13_800_138_000]
    assert record.suppressed_reasons == {"on the suppression list": 1}
    assert (2, "13900139000", "on the suppression list") in await on_log.rejects(log, record)


async def test_a_draft_without_anybody_left_is_not_launched(log: MemoryLog) -> None:
    await draft(log, ["13800138000"])
    await put(log, numbers([13_800_138_000]), adds=True, source="person", by="li", why="", at_ms=1)
    with pytest.raises(InputError, match="nobody to send to"):
        await launch(log)


async def test_a_draft_is_launched_once(log: MemoryLog) -> None:
    await draft(log)
    await launch(log)
    again = await launch(log)
    assert (again.already_launched, again.recipients, again.launch) == (True, 3, None)
    with pytest.raises(UserError, match="was launched already"):
        await draft(log)


@pytest.mark.parametrize("international", [True, False])
async def test_an_account_that_does_not_take_the_draft_any_more_is_a_mistake(
    log: MemoryLog, international: bool
) -> None:
    abroad: dict[str, Any] = {"numbers": ["+85291234567", "13800138000"], "route": ["sea"]}
    await draft(log, config=_sea(international=True), **abroad)
    if international:
        assert (await launch(log, config=_sea(international=True))).recipients == 2
        return
    with pytest.raises(UserError, match="not what was drafted"):
        await launch(log, config=_sea(international=False))


def _sea(*, international: bool) -> Config:
    """A configuration whose account `sea` takes numbers abroad, or does not."""
    table = {"vendor": "cosms", "url": "http://127.0.0.1:9", "corp_id": "1", "login_name": "demo", "password": "x"}
    return parse({"account": {"sea": {**table, "international": international}}}, "test.toml")


async def test_what_changes_while_a_draft_is_launched_decides_by_the_order_on_the_log(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await draft(log)
    write = log._write

    def meanwhile(topic: str, partition: int, entries: Any) -> Any:
        """Right before the launch is on the log, somebody cancels the draft."""
        if topic == CAMPAIGNS.name and b"#" in entries[0].key and b"#cancelled#" not in entries[0].key:
            write(CAMPAIGNS.name, 0, [cancel_entry("may", "li")])
        return write(topic, partition, entries)

    monkeypatch.setattr(log, "_write", meanwhile)
    with pytest.raises(UserError, match="was cancelled by li, and is not launched"):
        await launch(log)
    known = (await read_campaigns(log)).by_id["may"]
    assert (known.launched, known.cancelled) == (None, True)


@pytest.mark.parametrize("change", ["drafted again", "moved"])
async def test_a_draft_that_is_changed_while_it_is_launched_is_not_launched_as_it_was(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    await draft(log)
    append, changing = log.append, False

    async def meanwhile(topic: str, partition: int, entries: Any) -> Any:
        nonlocal changing
        if topic == JOBS.name and not changing:
            changing = True
            if change == "moved":
                async with open_session(CONFIG, log=log) as session:
                    await schedule_campaign(session, "may", 9_000_000_000_000)
            else:
                await draft(log, text="ho")
        return await append(topic, partition, entries)

    monkeypatch.setattr(log, "append", meanwhile)
    with pytest.raises(UserError, match="drafted again, scheduled or moved"):
        await launch(log)
    assert (await read_campaigns(log)).launched("may") is None
    monkeypatch.setattr(log, "append", append)
    await launch(log)
    assert (await launched(log)).text == ("hi" if change == "moved" else "ho")


async def test_a_launch_that_dies_at_any_append_is_repeated_and_counts_once() -> None:
    whole = MemoryLog()
    await draft(whole, LIST, more_lists=[["13500135000"]])
    before = whole.appends
    await launch(whole)
    for dies_at in range(whole.appends - before):
        log = MemoryLog()
        await draft(log, LIST, more_lists=[["13500135000"]])
        log.failures.extend([(None, True)] * dies_at)
        log.failures.append((UnwantedEnd(), True))
        with pytest.raises(UnwantedEnd):
            await launch(log)
        again = await launch(log)
        assert again.recipients == 4
        record = await launched(log)
        assert [number for number, _ in await texts(log, record)] == [
            13_500_135_000,
            13_700_137_000,
            13_800_138_000,
            13_900_139_000,
        ]


class UnwantedEnd(BaseException):
    """The process dies here."""


async def test_a_draft_that_was_appended_twice_is_the_same_draft(log: MemoryLog) -> None:
    await draft(log)
    drafted = [each for _, each in await on_log.records(log, CAMPAIGNS.name) if isinstance(each, Drafted)]
    log.failures.append((LogUnavailable("away"), True))
    await draft(log, text="ho")
    await launch(log)
    assert (await launched(log)).text == "ho"
    assert len(drafted) == 1


async def test_a_direct_launch_under_the_id_of_a_draft_is_refused(log: MemoryLog) -> None:
    await draft(log)
    with pytest.raises(UserError, match="is a draft"):
        await on_log.launch(LIST, config=CONFIG, log=log, **TERMS)


async def test_a_cancelled_draft_can_neither_be_launched_nor_drafted_again(log: MemoryLog) -> None:
    await draft(log)
    await log.append(CAMPAIGNS.name, 0, [cancel_entry("may", "li")])
    with pytest.raises(UserError, match="cancelled, and that is final"):
        await draft(log)
    with pytest.raises(UserError, match="cancelled"):
        await launch(log)


# --- approval ---------------------------------------------------------------------------------------------------------


async def test_a_large_draft_needs_the_approval_of_another_person(log: MemoryLog) -> None:
    made = await draft(log, config=OF_TEN)
    assert made.lacks_approval
    with pytest.raises(UserError, match="another person than its author"):
        await launch(log, config=OF_TEN)
    async with open_session(OF_TEN, log=log) as session:
        with pytest.raises(UserError, match="was drafted by ann"):
            await approve_campaign(session, "may", by="ann")
        view = await approve_campaign(session, "may", by="bob")
    assert (view.status, view.approved_by, view.needs_approval) == ("draft", "bob", True)
    await launch(log, config=OF_TEN)
    assert (await launched(log)).approved_by == "bob"


async def test_a_change_voids_the_approval_and_says_what_changed(log: MemoryLog) -> None:
    await draft(log, config=OF_TEN)
    async with open_session(OF_TEN, log=log) as session:
        await approve_campaign(session, "may", by="bob")
        made = await draft(log, [*LIST, "13500135000"], config=OF_TEN, text="ho", between="09:00-18:00")
        assert made.approval_void == ("list", "between", "text")
        view = await show_draft(session, "may")
    assert (view.status, view.changed_since_approval) == ("awaits approval", ("list", "between", "text"))
    with pytest.raises(UserError, match="approval is void: list, between, text changed since"):
        await launch(log, config=OF_TEN)


async def test_a_large_direct_launch_is_refused_and_says_what_to_do(log: MemoryLog) -> None:
    with pytest.raises(UserError, match="above 1 another person must approve.*campaign draft"):
        await on_log.launch(LIST, config=OF_TEN, log=log, **TERMS)
    small = TERMS | {"id": "small"}
    assert (await on_log.launch(["13800138000"], config=OF_TEN, log=log, **small)).recipients == 1


# --- tests of a draft -------------------------------------------------------------------------------------------------


async def test_a_test_is_a_campaign_of_its_own_with_the_very_message(log: MemoryLog) -> None:
    await draft(
        log, PEOPLE, config=OF_TEN, text="Dear {name}", column="phone", extno="7", weight=9, between="00:00-00:01"
    )
    async with open_session(OF_TEN, log=log) as session:
        [sent] = await api.send_test(session, "may", ["13300133000", "13300133001"], by="cat")
        [one] = await api.send_test(session, "may", ["13300133000"], row=4, by="cat")
    assert (sent.campaign, sent.test_of, sent.recipients, one.campaign) == ("may.test-1", "may", 2, "may.test-2")
    record, other = await launched(log, "may.test-1"), await launched(log, "may.test-2")
    assert await texts(log, record) == [(13_300_133_000, ("王",)), (13_300_133_001, ("李",))]
    assert await texts(log, other) == [(13_300_133_000, ("张",))]
    assert (record.test_of, record.urgent, record.by, record.hours, record.weight) == ("may", True, "cat", (), 1)
    assert (record.text, record.options) == ("Dear {name}", {"spring.extno": "7"})
    assert (await read_campaigns(log)).launched("may") is None


async def test_the_same_test_twice_is_sent_twice(log: MemoryLog) -> None:
    await draft(log)
    async with open_session(CONFIG, log=log) as session:
        ids = [(await api.send_test(session, "may", ["13300133000"]))[0].campaign for _ in range(2)]
    assert ids == ["may.test-1", "may.test-2"]


async def test_each_of_several_texts_is_sent_as_a_test(log: MemoryLog) -> None:
    await draft(log, [13_800_000_000 + n for n in range(300)], more_texts=["ho"], waves="10 %, rest")
    async with open_session(CONFIG, log=log) as session:
        sent = await api.send_test(session, "may", ["13300133000"])
    assert [(await launched(log, each.campaign)).text for each in sent] == ["hi", "ho"]
    assert (await launch(log)).recipients == 300
    record = await launched(log)
    direct = MemoryLog()
    terms = TERMS | {"more_texts": ["ho"], "waves": "10 %, rest"}
    await on_log.launch([13_800_000_000 + n for n in range(300)], config=CONFIG, log=direct, **terms)
    assert record.fingerprint == (await launched(direct)).fingerprint
    assert (record.waves, record.texts) == ((await launched(direct)).waves, (await launched(direct)).texts)


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no number": ({"to": []}, "1 to 100 numbers"),
    "too many": ({"to": ["13300133000"] * 101}, "1 to 100 numbers"),
    "a row without values": ({"to": ["13300133000"], "row": 2}, "Leave --row out"),
    "nobody's number": ({"to": ["13300133000", "x"]}, r'--to: "x" is no mobile number \(no number\)'),
}


@pytest.mark.parametrize(("arguments", "says"), MISTAKES.values(), ids=MISTAKES.keys())
async def test_a_mistake_in_a_test_is_one_sentence(log: MemoryLog, arguments: dict[str, Any], says: str) -> None:
    await draft(log)
    async with open_session(CONFIG, log=log) as session:
        with pytest.raises(UserError, match=says):
            await api.send_test(session, "may", **arguments)


async def test_the_line_of_nobody_is_a_mistake(log: MemoryLog) -> None:
    await draft(log, PEOPLE, text="Dear {name}", column="phone")
    async with open_session(CONFIG, log=log) as session:
        with pytest.raises(UserError, match="line 3 of the list has no recipient"):
            await api.send_test(session, "may", ["13300133000"], row=3)


async def test_a_draft_whose_recipients_are_deleted_says_so(log: MemoryLog) -> None:
    await draft(log)
    [drafted] = [each for _, each in await on_log.records(log, CAMPAIGNS.name) if isinstance(each, Drafted)]
    places = msgspec.msgpack.decode(drafted.places, type=DraftPlaces)
    log.records[RECIPIENTS.name, places.lists[0].batches[0].partition].clear()
    with pytest.raises(InputError, match="cannot be read from the log.*Draft it again"):
        await launch(log)


def numbers(values: list[int]) -> Any:
    import numpy as np

    return np.array(values, np.int64)


async def test_a_draft_of_a_later_field_is_read(log: MemoryLog) -> None:
    """A release that knows more terms wrote the draft: what this one knows of it counts."""
    await draft(log)
    [drafted] = [each for _, each in await on_log.records(log, CAMPAIGNS.name) if isinstance(each, Drafted)]
    terms = msgspec.json.decode(drafted.terms)
    later = replace(drafted, revision="r9", terms=msgspec.json.encode(terms | {"mood": "calm"}))
    from schemas.codec import encode

    await log.append(CAMPAIGNS.name, 0, [Entry(b"may#draft#r9", encode(later))])
    await launch(log)
    assert (await launched(log)).revision == "r9"


async def test_a_question_about_unknown_requests_of_a_draft_says_that_it_is_one(
    log: MemoryLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # its results are a file beside the configuration
    await draft(log, ["13800138000"], id="may")
    async with open_session(CONFIG, log=log) as session:
        with pytest.raises(UserError, match='"may" is a draft, and nothing of it is sent yet'):
            await list_unknown(session, "may")
