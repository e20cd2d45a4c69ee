"""Many pushes read at once say what each says by itself; and what is not as regular as that needs is read alone."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote_plus

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.config.file import parse
from dispatcher.vendors.reading import forms
from dispatcher.vendors.reading import report_columns as columns
from dispatcher.vendors.reading.byte_columns import Spans, column_of
from dispatcher.vendors.reading.same_shape_json import SHAPES_MAX, read_alike
from dispatcher.vendors.seam.vendor import Push

ACCOUNTS = {
    "hezhong": {"vendor": "hezhong", "userid": "1", "username": "spring", "password": "secret"},
    "guodu": {"vendor": "guodu", "oper_id": "spring", "oper_pass": "secret"},
}
CONFIG = parse(
    {
        "log": {"url": f"sqlite:{Path('unused')}"},
        "account": {name: {"url": "http://127.0.0.1:1", **keys} for name, keys in ACCOUNTS.items()},
    },
    "test",
)
STAMPS = st.sampled_from(["20250501120000", "20250501235959", "20250502000000", "20240229010203"])
REPORT = st.tuples(
    st.integers(13_000_000_000, 19_999_999_999),
    st.sampled_from(["DELIVRD", "UNDELIV", "0", "MK:0001", "x"]),
    st.from_regex(r"[0-9A-Za-z]{1,12}", fullmatch=True),
    STAMPS,
)
OF_ONE_LENGTH = st.tuples(
    st.integers(13_800_138_000, 13_800_138_099),
    st.sampled_from(["DELIVRD", "UNDELIV"]),
    st.sampled_from(["881", "882", "901"]),
    STAMPS,
)
PUSHES = st.one_of(
    [st.lists(st.lists(each, min_size=1, max_size=40), min_size=1, max_size=5) for each in (REPORT, OF_ONE_LENGTH)]
)


def hezhong(reports, *, escaped=False, ending=""):
    text = ";".join(f"{number},{code},{vendor_id},{stamp}" for number, code, vendor_id, stamp in reports) + ending
    return b"rpts=" + (quote_plus(text) if escaped else text).encode()


def guodu(reports, key="msgId"):
    entries = [
        {"msg": code, "mobile": str(number), key: vendor_id, "reportTime": printed(stamp), "status": 7 - len(code)}
        for number, code, vendor_id, stamp in reports
    ]
    return json.dumps(entries, separators=(",", ":")).encode() + b";"


def printed(s):
    return f"{s[:4]}-{s[4:6]}-{s[6:8]} {s[8:10]}:{s[10:12]}:{s[12:]}"


def push(account, body):
    return Push(account, "POST", b"", body, "", 1_700_000_000_000)


def rows(records):
    found = []
    for record in records:
        ids = np.frombuffer(record.id_index, "<u4").tolist()
        codes = np.frombuffer(record.code_index, "<u2").tolist()
        numbers, times = np.frombuffer(record.numbers, "<i8").tolist(), np.frombuffer(record.times, "<u4").tolist()
        for at, number in enumerate(numbers):
            found.append((record.ids[ids[at]], number, record.codes[codes[at]], record.states[at], times[at]))
    return found


def alone(account, bodies):
    found = [CONFIG.http_account(account).report_push(push(account, body)) for body in bodies]
    lists = [each for each in found if isinstance(each, list)]
    assert len(lists) == len(found)
    return rows(record for each in lists for record in each), [len(rows(each)) for each in lists]


@given(PUSHES, st.booleans(), st.sampled_from(["", ";"]))
def test_hezhongs_pushes_say_the_same_together(pushes, escaped, ending):
    bodies = [hezhong(reports, escaped=escaped, ending=ending) for reports in pushes]
    together = CONFIG.http_account("hezhong").report_pushes([push("hezhong", body) for body in bodies])
    assert together is not None
    assert (rows(together[0]), together[1]) == alone("hezhong", bodies)


@given(PUSHES)
def test_guodus_pushes_say_the_same_together(pushes):
    bodies = [guodu(reports) for reports in pushes]
    together = CONFIG.http_account("guodu").report_pushes([push("guodu", body) for body in bodies])
    if together is None:
        layouts = {(len(code), len(vendor_id)) for reports in pushes for _, code, vendor_id, _ in reports}
        assert len(layouts) > SHAPES_MAX or len(layouts) != len({sum(layout) for layout in layouts})
        return
    assert (rows(together[0]), together[1]) == alone("guodu", bodies)


FINE = (13_800_138_000, "DELIVRD", "881", "20250501120000")
IRREGULAR = [
    ("hezhong", b"rpts="),
    ("hezhong", b"other=1"),
    ("hezhong", b"rpts=13800138000,DELIVRD,881"),
    ("hezhong", b"rpts=13800138000,DELIVRD,,20250501120000"),
    ("hezhong", b"rpts=%2B8613800138000,DELIVRD,881,20250501120000"),
    ("hezhong", b"rpts=13800138000,DEL+VRD,881,20250501120000"),
    ("hezhong", b"rpts=13800138000,DELIVRD,881,20251301120000"),
    ("hezhong", b"rpts=13800138000,DELIVRD,881,2025050112000"),
    ("hezhong", b"rpts=13800138000%2CDELIVRD%2C881%2C20250501120000%3"),
    ("guodu", b"{}"),
    ("guodu", b"[5]"),
    ("guodu", b"nothing"),
    ("guodu", guodu([FINE], key="MsgId")),
    ("guodu", guodu([FINE]).replace(b"DELIVRD", b"\\u5931")),
    ("guodu", b'[{"mobile":"1380013800O","msgId":"881","status":0,"reportTime":"20250501120000"}]'),
    ("guodu", b'[{"mobile":"13800138000","msgId":" ","status":0,"reportTime":"20250501120000"}]'),
]


@pytest.mark.parametrize(("account", "body"), IRREGULAR)
def test_irregular_pushes_are_read_alone(account, body):
    fine = hezhong([FINE]) if account == "hezhong" else guodu([FINE])
    assert CONFIG.http_account(account).report_pushes([push(account, fine)]) is not None
    for pushes in ([body], [fine, body], [body, fine]):
        assert CONFIG.http_account(account).report_pushes([push(account, each) for each in pushes]) is None


@given(st.lists(st.from_regex(rb"20(24|25)[0-3][0-9][0-3][0-9][0-2][0-9]([0-6][0-9]){2}", fullmatch=True), min_size=1))
def test_times_are_those_of_reading_each(stamps):
    rows = np.frombuffer(b"".join(stamps), np.uint8).reshape(len(stamps), 14)
    marked = b"".join(b"%b-%b-%b %b:%b:%b" % (s[:4], s[4:6], s[6:8], s[8:10], s[10:12], s[12:]) for s in stamps)
    wanted = [forms.time_s(stamp) for stamp in stamps]
    for found in (
        column_of(rows).times(),
        column_of(np.frombuffer(marked, np.uint8).reshape(-1, 19)).times(b"-- ::", (4, 7, 10, 13, 16)),
    ):
        assert (None if found is None else found.tolist()) == (wanted if all(wanted) else None)


@given(st.lists(st.sampled_from([*range(24), 24, 29]), min_size=1, max_size=40), st.integers(0, 61), st.integers(0, 61))
def test_times_of_one_day_are_those_of_reading_each(hours, minute, second):
    stamps = [b"20250501%02d%02d%02d" % (hour, minute, second) for hour in hours]
    found = column_of(np.frombuffer(b"".join(stamps), np.uint8).reshape(-1, 14)).times()
    wanted = [forms.time_s(stamp) for stamp in stamps]
    assert (None if found is None else found.tolist()) == (wanted if all(wanted) else None)


@given(st.lists(st.binary(min_size=5, max_size=5), min_size=1, max_size=70))
def test_a_column_knows_the_range_of_each_place(values):
    rows = np.frombuffer(b"".join(values), np.uint8).reshape(-1, 5)
    column = column_of(rows)
    assert column.low.tolist() == rows.min(axis=0).tolist()
    assert column.high.tolist() == rows.max(axis=0).tolist()
    assert column.is_same() == (len(set(values)) == 1)
    for character in range(256):
        assert column.holds(character) == any(character in value for value in values)


def test_a_value_that_hides_a_boundary_of_two_pushes_is_not_read_across_them():
    halves = [b'{"a":"x}', b'{"a":"y"}']
    assert read_alike([halves[0], b'{y"}']) is None
    assert read_alike(halves) is None


VALUES = st.lists(st.binary(min_size=1, max_size=9).filter(lambda value: b"\0" not in value), min_size=1, max_size=9)


@given(VALUES)
def test_the_distinct_values_of_spans_are_those_of_the_values(values):
    text = b",".join(values) + b"," * 9
    ends = np.cumsum([len(value) + 1 for value in values]) - 1
    starts = ends - [len(value) for value in values]
    column = Spans(np.frombuffer(text, np.uint8), starts, ends).column()
    assert column is not None
    known, index = column.distinct()
    assert [known[at] for at in index.tolist()] == values
    assert len(set(known)) == len(known)
    assert sorted(known) == sorted(columns.indexed(values)[0])


ODD_OBJECTS = [
    b'{"a":"1","b":2}',
    b'{"a":"1","b":true}',
    b'{"a":"1","b":{"c":1}}',
    b'{"a":"1","b":[1]}',
    b'{"a":"1","b":01}',
    b'{"a":"1","b":-1}',
    b'{"a":"\\u0041"}',
    b'{"a":"{"}',
    b'{"a":"},{"}',
    b'{"a":"1","a":"2"}',
    b'{"a" : "1" , "b" : 2 }',
    '{"a":"成功"}'.encode(),
    b'{"a":"\xff"}',
    b'{"a":"\x01"}',
    b'{"a":""}',
    b"{}",
    b'{"a":"1"',
    b'"a":"1"}',
    b'{"a":"1"};',
]


@given(st.lists(st.sampled_from([*ODD_OBJECTS, b'{"a":"1","b":3}', b'{"a":"2","b":2}']), min_size=1, max_size=5))
def test_objects_written_alike_are_what_json_says_they_are_or_nothing(objects):
    text = b",".join(objects)
    read = read_alike([text])
    if read is None:
        return
    shapes, counts = read
    assert counts == [len(objects)]
    found = {}
    for shape in shapes:
        for at, row in enumerate(shape.rows.tolist()):
            found[row] = {key: bytes(column.rows[at]).decode() for key, column in shape.values.items()}
    whole = json.loads(b"[" + text + b"]")
    assert [found[row] for row in range(len(found))] == [{k: str(v) for k, v in each.items()} for each in whole]


def test_the_usual_objects_are_read_at_any_length():
    entries = [{"msg": "成功", "id": str(7**n), "status": n} for n in range(11)]
    text = json.dumps(entries, ensure_ascii=False).encode()[1:-1].replace(b"}, {", b"},{")
    read = read_alike([text])
    assert read is not None
    shapes, counts = read
    assert counts == [11]
    assert sum(len(shape.rows) for shape in shapes) == 11
