"""A launch: what it puts on the log, in which order, and that the same one launches once."""

from __future__ import annotations

import ast
import asyncio
import doctest
import inspect
import sys

import numpy as np
import pytest

from dispatcher.config.file import parse
from dispatcher.core.backoff import Backoff
from dispatcher.errors import InputError, LogFull, LogTimeout, LogUnavailable, TextError, UserError
from dispatcher.log.opening import open_log
from loadtest.scenarios.lists import write_dirty
from producers.launch import commit
from producers.launch.commit import LaunchResult
from producers.lists.dedupe import ROWS_MAX
from schemas.codec import decode
from schemas.records import Launched
from schemas.topics import CAMPAIGNS, JOBS, RECIPIENTS, REJECTS, lane_partition
from tests.always import ALWAYS
from tests.memory_log import MemoryLog
from tests.producers.launch import launched as on_log
from tests.producers.launch.launched import launch, prepare
from tests.producers.lists.xlsx.test_sheets import STR, cell, packed, row, sheet

TABLE = {"vendor": "batch-a", "url": "http://127.0.0.1:9101", "account": "demo", "pswd": "x"}
FLOW = {"limit": 100, "per_s": 1, "unit": "messages"}
ACCOUNTS = {"spring": {**TABLE, "flow": FLOW}, "summer": {**TABLE, "flow": {**FLOW, "limit": 300}}, "bulk": TABLE}
CONFIG = parse({"account": ACCOUNTS} | ALWAYS, "test.toml")
LIST = ["13800138000", "+86 139-0013-9000", "13800138000", "n/a", "", "13700137000", "1.38E+10", "137 0013 7000"]
FIRST = 13_000_000_000


@pytest.fixture
def log():
    return MemoryLog()


async def launched(log, numbers=LIST, **changes):
    options = {"text": "hi", "route": ["spring"], "id": "may", "config": CONFIG, "log": log, **changes}
    return await launch(numbers, **options)


async def test_a_list_becomes_batches_jobs_rejects_and_one_launch(log):
    result = await launched(log, suppress=[["13700137000"]], name="May", weight=2, urgent=True, options={"extno": "12"})
    assert (result.rows, result.recipients, result.invalid, result.duplicate, result.suppressed) == (8, 2, 3, 2, 1)
    record = await on_log.launched(log, "may")
    assert record.rows == record.recipients + record.invalid + record.duplicate + record.suppressed
    assert record.invalid_reasons == {"empty": 1, "scientific notation": 1, "no number": 1}
    assert (record.name, record.weight, record.urgent, record.unknown) == ("May", 2, True, "hold")
    assert (record.options, record.batches, record.segments) == ({"extno": "12"}, 1, 1)
    assert await on_log.recipients(log, record) == {"spring": ["13800138000", "13900139000"]}
    assert await on_log.rejects(log, record) == [
        (3, "13800138000", "duplicate"),
        (4, "n/a", "no number"),
        (5, "", "empty"),
        (6, "13700137000", "suppressed"),
        (7, "1.38E+10", "scientific notation"),
        (8, "137 0013 7000", "duplicate"),
    ]


async def test_the_launch_says_from_when_on_reports_of_scheduled_messages_are_awaited(log):
    link = {"vendor": "cmpp", "url": "cmpp://127.0.0.1:9", "sp_id": "901234", "secret": "x"}
    config = parse({"account": {"spring": TABLE, "polar": link}} | ALWAYS, "test.toml")
    options = {"polar.at_time": "20300101080000"}
    await launched(log, ["13800138000", "13900139000"], config=config, route=["spring", "polar"], options=options)
    record = await on_log.launched(log, "may")
    assert record.reports_from_ms == {"polar": 1_893_456_000_000}  # 2030-01-01 00:00 UTC


async def test_the_launch_is_the_last_record_and_its_key_is_its_own(log, monkeypatch):
    order = []
    write = log._write

    def noted(topic, *rest):
        order.append(topic)
        return write(topic, *rest)

    monkeypatch.setattr(log, "_write", noted)
    await launched(log)
    assert order[-2:] == [JOBS.name, CAMPAIGNS.name]
    assert set(order[:-2]) == {RECIPIENTS.name, REJECTS.name}
    (stored,) = log.records[CAMPAIGNS.name, 0]
    record = decode(stored.value)
    assert isinstance(record, Launched)
    assert stored.key == f"may#{record.attempt}".encode()


async def test_jobs_go_to_the_lane_of_their_account_and_are_numbered_from_0(log):
    numbers = np.arange(FIRST, FIRST + 150_001)
    result = await launched(log, numbers, route=["spring", "summer"])
    record = await on_log.launched(log, "may")
    taken = await on_log.jobs(log, record)
    assert {account: [job.number for job in mine] for account, mine in taken.items()} == {
        "spring": [0, 1, 2],
        "summer": [0, 1, 2, 3],
    }
    assert {account: sum(job.count for job in mine) for account, mine in taken.items()} == {
        "spring": 37_500,
        "summer": 112_501,
    }
    for account, mine in taken.items():
        held = log.records[JOBS.name, lane_partition(account)]
        assert [decode(stored.value) for stored in held if stored.key == account.encode()] == mine
    sent = await on_log.recipients(log, record)
    assert sorted(sent["spring"] + sent["summer"]) == [str(number) for number in numbers]
    assert result.batches == record.batches == 4


async def test_recipients_keep_the_order_of_the_list(log):
    numbers = np.random.default_rng(3).permutation(np.arange(FIRST, FIRST + 60_000))
    await launched(log, numbers, route=["bulk"])
    sent = await on_log.recipients(log, await on_log.launched(log, "may"))
    assert sent["bulk"] == [str(number) for number in numbers]


async def test_an_account_that_gets_nobody_is_named_with_no_jobs(log):
    config = parse({"account": {"a": {**TABLE, "flow": {**FLOW, "limit": 1}}, "b": TABLE}} | ALWAYS, "test.toml")
    await launched(log, ["13800138000"], route=["a", "b"], config=config)
    record = await on_log.launched(log, "may")
    assert [(leg.account, leg.jobs, leg.recipients) for leg in record.legs] == [("a", 0, 0), ("b", 1, 1)]
    assert {leg.vendor for leg in record.legs} == {"batch-a"}


async def test_the_same_launch_again_adds_nothing(log):
    first = await launched(log)
    appends = log.appends
    again = await launched(log, [*reversed(LIST[3:5]), "138 0013 8000", "13900139000", "13700137000"])
    assert (first.already_launched, again.already_launched) == (False, True)
    assert log.appends == appends


@pytest.mark.parametrize(
    ("share", "said"),
    [({"weight": 5}, "campaign weight may 5"), ({"weight": 5, "urgent": True}, "campaign weight may 5 --urgent")],
)
async def test_another_weight_for_a_launched_id_is_an_error_that_names_the_command(log, share, said):
    await launched(log, id="may", weight=2)
    appends = log.appends
    with pytest.raises(UserError, match=f'"may" was launched before and has weight 2.*dispatcher {said}$'):
        await launched(log, id="may", **share)
    assert log.appends == appends
    assert (await launched(log, id="may", weight=2)).already_launched


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"numbers": ["13800138000"]}, "3 recipients instead of 1"),
        ({"numbers": ["13800138000", "13900139000", "13600136000"]}, "other numbers"),
        ({"numbers": ["13900139000", "13800138000", "13700137000"]}, "other numbers"),
        ({"text": "ho"}, "another text"),
        ({"route": ["summer"]}, "another route"),
        ({"unknown": "resend"}, "another policy"),
        ({"options": {"extno": "1"}}, "other options"),
        ({"text": "ho", "route": ["summer"]}, "another text and another route"),
    ],
)
async def test_an_id_that_is_taken_by_another_campaign_is_refused(log, changes, difference):
    await launched(log)
    appends = log.appends
    with pytest.raises(UserError, match=f'the id "may" is taken: it was launched with {difference}'):
        await launched(log, **changes)
    assert log.appends == appends


async def test_an_id_is_no_prefix_of_another(log):
    await launched(log, id="may-2")
    assert not (await launched(log, ["13600136000"], id="may")).already_launched


async def test_without_an_id_every_launch_is_a_new_one(log):
    first, second = await launched(log, id=None, name="May"), await launched(log, id=None, name="May")
    assert first.campaign != second.campaign
    assert not second.already_launched


async def test_of_two_launches_at_the_same_time_one_counts(log):
    results = await asyncio.gather(launched(log), launched(log), launched(log))
    assert sorted(result.already_launched for result in results) == [False, True, True]
    record = await on_log.launched(log, "may")
    assert await on_log.recipients(log, record) == {"spring": ["13800138000", "13900139000", "13700137000"]}


async def test_of_two_different_launches_at_the_same_time_one_is_refused(log):
    results = await asyncio.gather(launched(log), launched(log, text="ho"), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["LaunchResult", "UserError"]
    assert [result.already_launched for result in results if isinstance(result, LaunchResult)] == [False]


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("error", [LogTimeout, LogUnavailable])
async def test_an_append_that_may_have_failed_is_repeated(log, monkeypatch, written, error):
    monkeypatch.setattr(commit, "PAUSE", Backoff(0.0, 0.0))
    numbers = [*np.arange(FIRST, FIRST + 120_000).tolist(), "n/a"]
    log.failures.extend([(error("slow"), written)] * 3)
    log.failures.extend([(error("slow"), written), (None, True)] * 20)
    result = await launched(log, numbers, route=["spring", "summer"])
    assert not result.already_launched
    record = await on_log.launched(log, "may")
    sent = await on_log.recipients(log, record)
    assert sorted(sent["spring"] + sent["summer"]) == [str(number) for number in numbers[:-1]]
    assert await on_log.rejects(log, record) == [(120_001, "n/a", "no number")]


async def test_a_log_that_stays_away_is_given_up(log, monkeypatch):
    monkeypatch.setattr(commit, "PAUSE", Backoff(0.0, 0.0))
    log.failures.extend([(LogUnavailable("the broker is away"), False)] * 1000)
    with pytest.raises(LogUnavailable, match="the broker is away"):
        await launched(log)
    assert not log.records[CAMPAIGNS.name, 0]


async def test_a_launch_that_cannot_be_confirmed_says_how_to_make_sure(log, monkeypatch):
    monkeypatch.setattr(commit, "PAUSE", Backoff(0.0, 0.0))
    write = log.append

    async def lost(topic, *rest):
        await write(topic, *rest)
        if topic == CAMPAIGNS.name:
            raise LogTimeout("no answer within 5 s.")

        return [0]

    monkeypatch.setattr(log, "append", lost)
    with pytest.raises(LogTimeout, match=r"no answer within 5 s. Campaign may may or may not be launched.*that id"):
        await launched(log)
    monkeypatch.setattr(log, "append", write)
    assert (await launched(log)).already_launched


async def test_a_full_disk_is_not_tried_again(log):
    log.failures.extend([(LogFull("the disk is full"), False)] * 2)
    with pytest.raises(LogFull, match="the disk is full"):
        await launched(log)
    assert log.appends <= 2
    assert not log.records[CAMPAIGNS.name, 0]


async def test_a_launch_that_is_cancelled_is_not_launched(log):
    stuck = asyncio.Event()

    async def never(*_):
        stuck.set()
        await asyncio.sleep(3600)

    log.append = never
    task = asyncio.create_task(launched(log, np.arange(FIRST, FIRST + 200_000)))
    await stuck.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not log.records
    assert len(asyncio.all_tasks()) == 1, "nothing goes on behind"


async def test_a_launch_that_is_cancelled_while_it_reads_lets_go_of_the_file(log):
    reading = asyncio.Event()

    def progress(*_):
        reading.set()

    content = b"13800138000\n" * 2_000_000
    task = asyncio.create_task(launched(log, content, progress=progress))
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not log.records


async def test_progress_is_told_in_bytes_and_in_batches(log):
    seen = []
    await launched(log, b"13800138000\n13900139000\n", progress=lambda *what: seen.append(what))
    assert seen[0] == ("reading", 24, 24)
    assert seen[-1] == ("batches", 1, 1)
    seen.clear()
    await launched(log, ["13800138000"], id="two", progress=lambda *what: seen.append(what))
    assert seen[0] == ("reading", 1, None)


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ([], "has no rows"),
        (b"phone\n", "has no rows below its header"),
        (["n/a", "1"], r"none of 2 rows is a mobile number \(1 no number, 1 too short\)"),
        (b"", "the list is empty"),
    ],
)
async def test_a_list_without_numbers_is_refused(log, numbers, sentence):
    with pytest.raises(InputError, match=sentence):
        await launched(log, numbers)
    assert not log.records


async def test_a_workbook_whose_numbers_are_formulas_without_results_says_so(log):
    content = packed(sheet=sheet(row(1, cell("A1", "手机号", STR)) + row(2, '<c r="A2"><f>B2</f></c>'))).getvalue()
    with pytest.raises(InputError, match=r"none of 1 rows is a mobile number \(1 empty; 1 formula has no result in"):
        await launched(log, content)


async def test_an_empty_path_is_no_list(log):
    with pytest.raises(InputError, match=r"^the path of the list is empty\."):
        await launched(log, "")


async def test_a_list_of_suppressed_numbers_only_is_refused(log):
    with pytest.raises(InputError, match="all 1 numbers are suppressed"):
        await launched(log, ["13800138000"], suppress=[["+86 13800138000"]])


async def test_a_suppression_list_without_numbers_is_refused(log):
    with pytest.raises(InputError, match="suppression list .* none of its 1 rows"):
        await launched(log, suppress=[["n/a"]])


async def test_several_suppression_lists_add_up(log, tmp_path):
    path = tmp_path / "optout.csv"
    path.write_text("name,手机\nx,13900139000\n", "gbk")
    result = await launched(log, suppress=[path, [13700137000]], text="【Shop】hi")
    assert (result.recipients, result.suppressed) == (1, 2)
    assert result.plan.notes == (
        f'suppression list {path}, "手机" (column 2): 1 numbers in 1 rows',
        "suppression list the numbers: 1 numbers in 1 rows",
    )


async def test_a_campaign_too_small_for_its_vendor_is_refused(log):
    config = parse({"account": {"spring": {**TABLE, "numbers_min": 5}}} | ALWAYS, "test.toml")
    with pytest.raises(InputError, match="takes at least 5 numbers a request and would get 3"):
        await launched(log, config=config)


async def test_a_wrong_text_is_refused_before_the_list_is_read(log):
    with pytest.raises(TextError):
        await launched(log, "/nowhere/list.csv", text="")
    with pytest.raises(InputError, match="no such file"):
        await launched(log, "/nowhere/list.csv")


async def test_a_prepared_launch_has_put_nothing_on_the_log(log):
    prepared = await prepare(CONFIG, LIST, text="hi", route=["spring"], ask_balance=False)
    assert prepared.plan.recipients == 3
    prepared.close()
    assert not log.records


async def test_a_dirty_list_of_every_kind_is_counted_exactly(tmp_path):
    dirty = write_dirty(tmp_path, 20_000)
    log = await open_log(f"sqlite:{tmp_path / 'log.db'}")
    try:
        result = await launched(log, dirty.path, suppress=[dirty.suppress], route=["spring", "bulk"])
        record = await on_log.launched(log, "may")
        sent = await on_log.recipients(log, record)
        rejected = await on_log.rejects(log, record)
    finally:
        await log.close()
    counts = (result.rows, result.recipients, result.invalid, result.duplicate, result.suppressed)
    assert counts == (dirty.rows, dirty.recipients, dirty.invalid, dirty.duplicate, dirty.suppressed)
    everybody = [number for numbers in sent.values() for number in numbers]
    assert len(set(everybody)) == len(everybody) == dirty.recipients
    assert [row for row, _, _ in rejected] == sorted(row for row, _, _ in rejected)
    assert len(rejected) == dirty.rows - dirty.recipients < ROWS_MAX


async def test_the_example_of_the_docstring_does_what_it_says(tmp_path, monkeypatch):
    (example,) = doctest.DocTestFinder(recurse=False).find(launch, "launch", globs={})
    config = parse({"log": {"url": f"sqlite:{tmp_path / 'log.db'}"}, "account": ACCOUNTS} | ALWAYS, "test.toml")
    names, printed = {"config": config}, []
    monkeypatch.setattr(sys, "displayhook", lambda value: printed.append(repr(value)))
    for step in example.examples:
        code = compile(step.source, "<docstring>", "single", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        running = eval(code, names)
        if inspect.isawaitable(running):
            await running
        assert printed == ([step.want.strip()] if step.want else [])
        printed.clear()
