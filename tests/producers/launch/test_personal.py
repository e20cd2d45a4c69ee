"""Launching personalised campaigns: who becomes a recipient, what their batch carries, what the plan says of it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import polars as pl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.config.file import parse as parsed_config
from dispatcher.core.messages.personal import Personal
from dispatcher.core.messages.template import parse
from dispatcher.core.messages.text import Split
from dispatcher.errors import InputError, TextError, UserError
from dispatcher.suppression.list import put
from producers.launch.commit import commit
from producers.launch.personal_values import CHARACTERS_MAX
from producers.launch.planning.plan_text import plan_lines
from producers.lists.rejects import OTHER, REASONS_MAX, Spool
from schemas.batch import BYTES_MAX, unpack_values
from schemas.topics import RECIPIENTS
from tests.always import ALWAYS
from tests.memory_log import MemoryLog
from tests.producers.launch import launched as on_log
from tests.producers.launch.launched import launch, prepare

URL = {"url": "http://127.0.0.1:9101"}
BATCH = {**URL, "vendor": "batch-a", "account": "demo", "pswd": "x"}
ACCOUNTS = {
    "spring": BATCH,
    "strict": {**BATCH, "text_chars_max": 20},
    "many": {**BATCH, "numbers_min": 5},
    "summer": {**URL, "vendor": "hezhong", "userid": "1", "username": "demo", "password": "x"},
    "autumn": {**URL, "vendor": "guodu", "oper_id": "demo", "oper_pass": "x"},
    "winter": {**BATCH, "vendor": "batch-b", "flow": {"limit": 100, "unit": "requests"}},
}
CONFIG = parsed_config({"account": ACCOUNTS} | ALWAYS, "test.toml")
TEXT = "Dear {name}, {order}"
FIRST = 13_000_000_000


@pytest.fixture
def log():
    return MemoryLog()


def table(rows: list[tuple[Any, ...]], columns: tuple[str, ...] = ("mobile", "name", "order")) -> bytes:
    """A CSV file of these rows."""
    return pl.DataFrame(rows, schema=list(columns), orient="row", infer_schema_length=None).write_csv().encode()


def numbered(values: list[tuple[Any, ...]]) -> bytes:
    """A CSV file of these values, each with a number of its own."""
    return table([(FIRST + index, *value) for index, value in enumerate(values)])


async def launched(log, numbers, **changes):
    options = {"text": TEXT, "route": ["spring"], "id": "may", "config": CONFIG, "log": log, **changes}
    return await launch(numbers, **options)


async def planned(numbers, **changes):
    prepared = await prepare(CONFIG, numbers, **{"text": TEXT, "route": ["spring"], "ask_balance": False, **changes})
    prepared.close()
    return prepared.plan


async def texts(log, campaign="may") -> list[tuple[str, str]]:
    """(number, text) of every recipient, in the order of the jobs, as a lane would send them."""
    record, found = await on_log.launched(log, campaign), []
    for jobs in (await on_log.jobs(log, record)).values():
        for job in jobs:
            stored = await log.fetch(RECIPIENTS.name, job.partition, job.offset)
            numbers, _, values = unpack_values(stored.value, stored.headers, job.sha256)
            assert values is not None
            batch = Personal(values, parse(record.text).of(values.names), Split())
            for at in range(job.start, job.start + job.count):
                found.append((numbers.decode().split(",")[at], batch.text(at)))
    return found


# --- rows ------------------------------------------------------------------------------------------------------------


async def test_each_row_becomes_its_own_text_and_what_cannot_be_sent_is_set_aside_with_its_reason(log):
    rows = [
        ("13800138000", " Ann ", "1"),
        ("13800138001", "李雷", "2"),
        ("13800138002", " ", "3"),
        ("13800138003", "Bob", None),
        ("13800138000", "Ann again", "4"),
        ("n/a", "Nobody", "5"),
        ("13800138004", "Zoë", "6"),
        ("13800138005", "bro\ufffdken", "7"),
        ("13800138006", "x" * 1000, "8"),
        ("13800138007", "Suppressed", "9"),
    ]
    result = await launched(log, table(rows), route=["summer"], suppress=[["13800138007"]])
    assert (result.rows, result.recipients, result.invalid, result.duplicate, result.suppressed) == (10, 2, 6, 1, 1)
    assert await texts(log) == [("13800138000", "Dear Ann, 1"), ("13800138001", "Dear 李雷, 2")]
    record = await on_log.launched(log, "may")
    assert (record.text, record.variables) == (TEXT, ("name", "order"))
    assert [reason for _, _, reason in await on_log.rejects(log, record)] == [
        "no value for {name}",
        "no value for {order}",
        "duplicate",
        "no number",
        '{name} has "ë" (U+00EB LATIN SMALL LETTER E WITH DIAERESIS), which account "summer" cannot carry (GBK)',
        "{name} has a broken character",
        'the text is over the 1000 characters of account "summer"',
        "suppressed",
    ]
    assert record.invalid_reasons == dict.fromkeys(
        [reason for _, _, reason in await on_log.rejects(log, record) if reason not in ("duplicate", "suppressed")], 1
    )


async def test_a_row_set_aside_is_kept_as_it_was_written(log):
    await launched(log, table([("+86 138-0013-8000", "", "1"), ("13800138001", "Ann", "2")]))
    record = await on_log.launched(log, "may")
    assert await on_log.rejects(log, record) == [(2, "+86 138-0013-8000", "no value for {name}")]


ERRORS = [
    "#N/A",
    "#REF!",
    "#DIV/0!",
    "#NAME?",
    "#####",
    "NULL",
    "(null)",
    "\\N",
    "nan",
    "undefined",
    "\u200b",
    "\u3164 ",
]
NAMES = ["Null", "Nan", "N", "#1", "NULL Ltd", "None of it"]


async def test_what_stands_for_no_value_is_set_aside_and_named(log):
    result = await launched(log, numbered([(error, "1") for error in ERRORS] + [(name, "1") for name in NAMES]))
    reasons = [f"{{name}} is {error}, which stands for no value" for error in ERRORS[:-2]]
    assert result.invalid_reasons == {**dict.fromkeys(reasons, 1), "no value for {name}": 2}
    assert [text for _, text in await texts(log)] == [f"Dear {name}, 1" for name in NAMES]


async def test_a_sheet_and_a_text_file_set_the_same_rows_aside(log, tmp_path):
    rows = [["手机号", "name"], ["13910000001", "#N/A"], ["13910000002", "Ann"]]
    with xlsxwriter.Workbook(tmp_path / "list.xlsx") as book:
        sheet = book.add_worksheet()
        for at, row in enumerate(rows):
            sheet.write_row(at, 0, row)
        sheet.write_formula("B2", "=NA()", value="#N/A")
    results = [
        await launched(log, source, text="Dear {name}", id=f"c{at}")
        for at, source in enumerate([tmp_path / "list.xlsx", "\n".join(map(",".join, rows)).encode()])
    ]
    for result in results:
        assert result.invalid_reasons == {"{name} is #N/A, which stands for no value": 1}


async def test_the_first_row_of_a_number_that_can_be_sent_wins(log):
    await launched(log, table([("13800138000", "", "1"), ("13800138000", "Ann", "2"), ("13800138000", "Bob", "3")]))
    assert await texts(log) == [("13800138000", "Dear Ann, 2")]


async def test_a_text_that_is_too_long_for_one_account_of_the_route_goes_through_none(log):
    result = await launched(log, numbered([("x" * 12, "1"), ("x" * 13, "1")]), route=["spring", "strict"])
    assert result.invalid_reasons == {'the text is over the 20 characters of account "strict"': 1}


async def test_an_emoji_counts_two_characters(log):
    result = await launched(log, numbered([("😀" * 6, "1"), ("😀" * 6 + "x", "1")]), route=["strict"])
    assert (result.recipients, result.plan.text_chars) == (1, 20)


async def test_a_list_without_recipients_is_refused_with_the_reasons(log):
    with pytest.raises(
        InputError, match=re.escape("none of 2 rows has a number and values that can be sent (2 no value for {name})")
    ):
        await launched(log, numbered([("", "1"), (" ", "2")]))


def test_reasons_are_bounded_and_the_last_one_stands_for_the_rest():
    spool = Spool()
    codes = [spool.code_of(f"reason {index}") for index in range(1000)]
    spool.close()
    assert max(codes) == REASONS_MAX - 1
    assert spool.reasons[-1] == OTHER
    assert spool.code_of("reason 0") == codes[0]


async def test_many_different_characters_are_named_and_the_rest_share_a_reason(log):
    rows = [(chr(0x0900 + index), "1") for index in range(CHARACTERS_MAX + 5)] + [("Ann", "1")]
    result = await launched(log, numbered(rows), route=["summer"])
    assert len(result.invalid_reasons) == CHARACTERS_MAX + 1
    assert result.invalid == CHARACTERS_MAX + 5


# --- columns ---------------------------------------------------------------------------------------------------------

XLSX_COLUMNS = {"mobile": ["13800138000", "13800138001"], "name": ["李雷", "Ann"], "order": [7, 8]}


async def test_spreadsheets_and_parquet_and_tables_carry_values_too(log, tmp_path):
    frame = pl.DataFrame(XLSX_COLUMNS)
    frame.write_parquet(tmp_path / "list.parquet")
    frame.with_columns(pl.col("order").cast(pl.Float64)).write_excel(
        tmp_path / "list.xlsx", column_formats={"order": "General"}
    )
    sources = [
        tmp_path / "list.parquet",
        tmp_path / "list.xlsx",
        frame,
        frame.write_csv().encode("gbk"),
        frame.to_struct(),
    ]
    for index, source in enumerate(sources):
        await launched(log, source, id=f"c{index}")
        assert await texts(log, f"c{index}") == [("13800138000", "Dear 李雷, 7"), ("13800138001", "Dear Ann, 8")]


CELLS = [
    (pl.Series([1.0, 2.0]), ["1", "2"]),
    (pl.Series([1.5, 2.0]), ["1.5", "2.0"]),
    (pl.Series([1, None]), ["1", None]),
    (pl.Series([True, False]), ["true", "false"]),
    (pl.Series(["2025-05-01", "2025-05-02"]).str.to_date(), ["2025-05-01", "2025-05-02"]),
    (pl.Series(["a", "b"]).cast(pl.Categorical), ["a", "b"]),
]


@pytest.mark.parametrize(("column", "shown"), CELLS, ids=[str(row[0].dtype) for row in CELLS])
async def test_a_cell_is_written_as_people_read_it(log, column, shown):
    frame = pl.DataFrame({"mobile": ["13800138000", "13800138001"], "x": column})
    await launched(log, frame, text="{x}")
    assert [text for _, text in await texts(log)] == [value for value in shown if value is not None]


async def test_a_column_of_lists_is_refused(log):
    frame = pl.DataFrame({"mobile": ["13800138000"], "x": [["a"]]})
    with pytest.raises(InputError, match=re.escape("column {x} holds no text and no numbers (List(String))")):
        await launched(log, frame, text="{x}")


async def test_a_day_in_a_spreadsheet_is_written_as_a_day(log, tmp_path):
    days = pl.Series(["2025-05-01", "2025-05-02"]).str.to_date()
    frame = pl.DataFrame({"mobile": ["13800138000", "13800138001"], "day": days, "price": [1.0, 2.5]})
    frame.write_excel(tmp_path / "list.xlsx", column_formats={"price": "General"})
    await launched(log, tmp_path / "list.xlsx", text="{day} {price}")
    assert [text for _, text in await texts(log)] == ["2025-05-01 1", "2025-05-02 2.5"]


NAMED = [
    ("{name}|{order}", "Ann|7"),
    ("{NAME}|{ order }", "Ann|7"),
    ("{2}|{3}|{2}", "Ann|7|Ann"),
    ("{mobile}", "13800138000"),
    ("{{name}} {name}", "{name} Ann"),
]


@pytest.mark.parametrize(("text", "sent"), NAMED, ids=[row[0] for row in NAMED])
async def test_a_placeholder_names_a_column_by_its_header_or_its_number(log, text, sent):
    await launched(log, table([("13800138000", "Ann", "7")]), text=text)
    assert await texts(log) == [("13800138000", sent)]


FOUND = [
    # the header, the placeholder
    ("姓名", "{姓名}"),
    ("姓名\u200b", "{姓名}"),
    ('"姓名\n(必填)"', "{姓名}"),
    ('"姓名\n(必填)"', "{姓名 (必填)}"),
    ('"姓名\r\n（必填）"', "{姓名(必填)}"),
    ("*姓名：", "{姓名}"),
    ("Ｎａｍｅ", "{name}"),
]


@pytest.mark.parametrize(("header", "placeholder"), FOUND, ids=[f"{row[0]!r} by {row[1]}" for row in FOUND])
async def test_a_header_is_found_with_any_text_around_its_name(log, header, placeholder):
    await launched(log, f"{header},手机号\nAnn,13910000001\n".encode(), text=f"Dear {placeholder}")
    assert await texts(log) == [("13910000001", "Dear Ann")]


OTHERS = ["｛姓名｝", "{{姓名}}", "${姓名}", "#姓名#", "%姓名%", "$姓名$", "@姓名@", "[姓名]", "<姓名>", "$姓名"]
NOT_OTHERS = [
    "{姓名}",
    "{姓名}{姓名}",
    "{{{姓名}}}",
    "【姓名汇】50% off, 20% more",
    "#1 in town",
    "a@b.com",
    "[城市]",
    "姓名",
]


@pytest.mark.parametrize("text", OTHERS)
async def test_a_placeholder_of_another_system_is_warned_of(text):
    plan = await planned("姓名,手机号\nAnn,13910000001\n".encode(), text=f"Dear {text}!")
    warned = [note for note in plan.notes if "looks like a placeholder" in note]
    assert len(warned) == 1
    assert f'"{text}"' in warned[0]
    assert warned[0].endswith("for the value of column 姓名 write {姓名}")


@pytest.mark.parametrize("text", NOT_OTHERS)
async def test_what_is_no_placeholder_is_not_warned_of(text):
    plan = await planned("姓名,手机号\nAnn,13910000001\n".encode(), text=f"Dear {text}!")
    assert not [note for note in plan.notes if "looks like a placeholder" in note]


async def test_a_quoted_value_may_hold_what_divides_the_columns(log):
    await launched(log, table([("13800138000", 'Smith, "Bob"; X', "a\nb")]))
    assert await texts(log) == [("13800138000", 'Dear Smith, "Bob"; X, a b')]


UNKNOWN = [
    ("{nmae}", 'has no column "nmae" (its columns: "mobile", "name", "order"). Did you mean {name}? Write {{nmae}}'),
    ("{4}", 'has no column "4"'),
    ("{0}", 'has no column "0"'),
]


@pytest.mark.parametrize(("text", "words"), UNKNOWN, ids=[row[0] for row in UNKNOWN])
async def test_a_placeholder_without_a_column_is_answered_with_those_there_are(log, text, words):
    with pytest.raises(InputError, match=re.escape(words)):
        await launched(log, table([("13800138000", "Ann", "7")]), text=text)


@pytest.mark.parametrize("numbers", [["13800138000"], np.array([13800138000]), b"13800138000\n"])
async def test_a_list_without_columns_has_no_placeholders_and_says_how_to_send_braces(log, numbers):
    with pytest.raises(InputError, match=re.escape("Write {{off}} to send the braces as they are")):
        await launched(log, numbers, text="100% {off}")
    await launched(log, numbers, text="100% {{off}}")
    record = await on_log.launched(log, "may")
    assert (record.text, record.variables) == ("100% {off}", ())


async def test_two_columns_of_one_name_are_told_apart_by_their_numbers(log):
    numbers = b"mobile,x,x\n13800138000,a,b\n"
    with pytest.raises(InputError, match=re.escape('2 columns "x". Name the one you mean by its number: {2} and {3}')):
        await launched(log, numbers, text="{x}")
    await launched(log, numbers, text="{3}")
    assert await texts(log) == [("13800138000", "b")]


@pytest.mark.parametrize("text", ["a { b", "a } b", "{}", "{a{b}}"])
async def test_braces_that_do_not_pair_are_refused_with_what_to_do(log, text):
    with pytest.raises(TextError, match=re.escape("Write {{ and }} to send braces as they are.")):
        await launched(log, numbered([("a", "b")]), text=text)


REFUSED = [
    ({"route": ["many"]}, TextError, "at least 5 numbers a request"),
    ({"route": ["winter"], "text": "{{$var}} {name}"}, TextError, 'account "winter": the text holds "{$var}"'),
    ({"route": ["summer"], "text": "ë {name}"}, TextError, "U+00EB"),
    ({"route": ["strict"], "text": "x" * 21 + "{name}"}, TextError, "21 characters"),
    ({"route": ["spring"], "options": {"colour": "red"}}, TextError, "colour"),
    ({"route": ["spring"], "options": {"sprig.extno": "1"}}, UserError, '"sprig", which is not in the route (spring)'),
]


@pytest.mark.parametrize(("changes", "kind", "words"), REFUSED, ids=[row[2] for row in REFUSED])
async def test_what_an_account_cannot_do_is_refused_before_the_list_is_read(log, changes, kind, words):
    with pytest.raises(kind, match=re.escape(words)):
        await launched(log, numbered([("a", "b")]), **changes)


# --- the order and the batches ---------------------------------------------------------------------------------------

VALUES = st.sampled_from(["a", "b", "ab", "李", "😀", "x" * 30])


@settings(max_examples=25)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=40))
async def test_equal_texts_come_together_and_different_ones_stay_in_the_lists_order(rows):
    log = MemoryLog()
    await launched(log, numbered(rows))
    expected = {str(FIRST + index): f"Dear {name}, {order}" for index, (name, order) in enumerate(rows)}
    found = await texts(log)
    assert dict(found) == expected
    first_seen = list(dict.fromkeys(rows))
    assert [number for number, _ in found] == [
        str(FIRST + index) for index in sorted(range(len(rows)), key=lambda index: first_seen.index(rows[index]))
    ]


async def test_long_values_make_smaller_batches_and_every_one_of_them_fits(log):
    rows = [(f"{index:06}" + "长" * 60, "1") for index in range(12_000)]
    result = await launched(log, numbered(rows), route=["spring", "winter"])
    assert result.batches > 1
    found = await texts(log)
    assert dict(found) == {str(FIRST + index): f"Dear {name}, 1" for index, (name, _) in enumerate(rows)}
    assert len(found) == 12_000
    for partition in range(RECIPIENTS.partitions):
        for stored in await log.read(RECIPIENTS.name, partition, 0):
            numbers, count, _ = unpack_values(stored.value, stored.headers)
            assert len(numbers) + 180 * count < BYTES_MAX + 20 * count


# --- the plan --------------------------------------------------------------------------------------------------------


async def test_the_plan_shows_three_texts_and_the_longest_which_decides_the_segments():
    plan = await planned(numbered([("a", "1"), ("b", "2"), ("b", "2"), ("c", "3"), ("d" * 70, "4")]))
    assert plan.samples == ("Dear a, 1", "Dear b, 2", "Dear c, 3")
    assert plan.longest == f"Dear {'d' * 70}, 4"
    assert (plan.text_chars, plan.segments, plan.messages, plan.requests) == (78, 2, 6, 4)
    lines = list(plan_lines(plan))
    assert "text        up to 78 characters, 2 segments per message" in lines
    assert f"longest     {plan.longest}" in lines
    assert lines.index("preview     Dear a, 1") + 2 == lines.index("            Dear c, 3")


async def test_a_plain_plan_shows_no_texts():
    plan = await planned(["13800138000"], text="hi")
    assert (plan.samples, plan.longest) == ((), "")
    assert not any(line.startswith(("preview", "longest")) for line in plan_lines(plan))


REQUESTS = [
    ({"route": ["spring"]}, 250),
    ({"route": ["winter"]}, 1),
]


@pytest.mark.parametrize(("changes", "requests"), REQUESTS)
async def test_the_plan_counts_requests_as_the_lane_will_cut_them(changes, requests):
    plan = await planned(numbered([(str(index // 2), "x") for index in range(500)]), **changes)
    assert plan.requests == requests


async def cuts(log) -> list[int]:
    """The recipients of each request that a lane will make of the campaign's batches at account winter."""
    record, winter, found = await on_log.launched(log, "may"), CONFIG.accounts["winter"], []
    for jobs in (await on_log.jobs(log, record)).values():
        for job in jobs:
            stored = await log.fetch(RECIPIENTS.name, job.partition, job.offset)
            _, _, values = unpack_values(stored.value, stored.headers, job.sha256)
            assert values is not None
            personal = Personal(values, parse(record.text).of(values.names), winter.split, winter.variable_limits)
            start = 0
            while start < job.count:
                found.append(personal.cut(start, min(job.count, start + winter.limits.numbers_max)))
                start += found[-1]
    return found


ODD = ["a,b", "a;b", "{$var}", "{var}"]


async def test_values_that_cannot_share_a_request_end_none_of_the_others(log):
    values = [f"v{index}" if index % 3 else ODD[index // 3 % 4] for index in range(3_000)]
    prepared = await prepare(
        CONFIG, numbered([(value, str(index)) for index, value in enumerate(values)]), text=TEXT, route=["winter"],
        id="may", ask_balance=False, log=log,
    )  # fmt: skip
    await commit(prepared, log)
    prepared.close()
    assert await cuts(log) == [1_000, 1_000] + [1] * 1_000
    assert prepared.plan.requests == 1_002
    assert dict(await texts(log)) == {
        str(FIRST + index): f"Dear {value}, {index}" for index, value in enumerate(values)
    }


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", "a,b", "x;y"]), min_size=1, max_size=60))
async def test_the_plan_counts_the_requests_of_any_values_as_the_lane_will_cut_them(values):
    log = MemoryLog()
    prepared = await prepare(
        CONFIG, numbered([(value, "1") for value in values]), text=TEXT, route=["winter"], id="may", ask_balance=False,
        log=log,
    )  # fmt: skip
    await commit(prepared, log)
    prepared.close()
    found = await cuts(log)
    assert (sum(found), len(found)) == (len(values), prepared.plan.requests)


async def test_where_the_flow_counts_requests_a_request_has_as_many_recipients_as_share_a_text(log):
    rows = [(str(index // 4), "x") for index in range(400)]
    accounts = {"slow": {**BATCH, "flow": {"limit": 10, "unit": "requests"}}}
    prepared = await prepare(
        parsed_config({"account": accounts}, "test.toml"), numbered(rows), text=TEXT, route=["slow"], ask_balance=False
    )
    prepared.close()
    assert (prepared.plan.requests, prepared.plan.accounts[0].per_s, prepared.plan.seconds) == (100, 40.0, 10.0)


async def test_vendors_notes_are_of_the_longest_text():
    plan = await planned(numbered([("x" * 600, "1")]), route=["summer"])
    assert any("608 characters" in finding.says for finding in plan.content if finding.rule == "vendor")


# --- once ------------------------------------------------------------------------------------------------------------


async def test_the_same_launch_launches_once_and_another_value_is_another_campaign(log):
    rows = [("Ann", "1"), ("Bob", "2")]
    await launched(log, numbered(rows))
    assert (await launched(log, numbered(rows))).already_launched
    with pytest.raises(UserError, match="other numbers or values"):
        await launched(log, numbered([("Ann", "1"), ("Bob", "3")]))
    with pytest.raises(UserError, match="another text"):
        await launched(log, numbered(rows), text="Dear {name}, {order}!")


async def test_values_that_join_alike_are_not_the_same(log):
    await launched(log, numbered([("ab", "c")]))
    with pytest.raises(UserError, match="other numbers or values"):
        await launched(log, numbered([("a", "bc")]))


async def test_who_came_on_the_suppression_list_meanwhile_is_left_out_and_the_others_get_their_own_texts(log):
    rows = numbered([("a", "1"), ("b", "2"), ("a", "1"), ("c", "3"), ("b", "2")])
    prepared = await prepare(CONFIG, rows, text=TEXT, route=["winter"], id="may", ask_balance=False, log=log)
    await put(log, np.array([FIRST, FIRST + 4]), adds=True, source="person", by="ann", why="", at_ms=1)
    result = await commit(prepared, log)
    assert (result.recipients, result.suppressed) == (3, 2)
    assert await texts(log) == [
        (str(FIRST + 1), "Dear b, 2"),
        (str(FIRST + 2), "Dear a, 1"),
        (str(FIRST + 3), "Dear c, 3"),
    ]
    assert (await launched(log, rows, route=["winter"])).already_launched
    prepared.close()


# --- the extension of the sender's number ----------------------------------------------------------------------------


async def test_extno_goes_to_every_account_under_its_vendors_own_name(log):
    await launched(log, ["13800138000"], text="hi", route=["spring", "summer", "autumn", "winter"], extno="12")
    assert (await on_log.launched(log, "may")).options == {
        "spring.extno": "12",
        "summer.sub": "12",
        "autumn.append_id": "12",
        "winter.extno": "12",
    }


WRONG_EXTENSIONS = [
    ("spring", "1234", 'account "spring": extno must be 1 to 3 digits'),
    ("winter", "1a", 'account "winter": extno must be 1 to 3 digits'),
    ("summer", "123456", 'account "summer": sub must be 1 to 5 digits'),
    ("autumn", "12345", 'account "autumn": append_id must be 1 to 4 digits'),
]


@pytest.mark.parametrize(("account", "extno", "words"), WRONG_EXTENSIONS, ids=[row[0] for row in WRONG_EXTENSIONS])
async def test_an_extension_that_a_vendor_does_not_take_is_refused_by_its_account(log, account, extno, words):
    with pytest.raises(TextError, match=re.escape(words)):
        await launched(log, ["13800138000"], text="hi", route=[account], extno=extno)
    with pytest.raises(TextError, match=re.escape(words)):
        await launched(log, numbered([("a", "b")]), route=[account], extno=extno)


async def test_an_option_of_one_account_is_not_the_others(log):
    options = {"spring.product": "7", "winter.product": "9", "summer.sub": "1"}
    await launched(log, ["13800138000"], text="hi", route=["spring", "summer", "winter"], options=options)
    assert (await on_log.launched(log, "may")).options == options
