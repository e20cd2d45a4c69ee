"""Numbers: what people write becomes an int64, an int64 becomes the wire, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core import numbers
from dispatcher.core.wire_number import DOMESTIC_END, DOMESTIC_MIN, from_wire, to_wire

GOOD = [
    "13800138000",
    "138 0013 8000",
    "138-0013-8000",
    "(138)0013.8000",
    "+8613800138000",
    "+86 138 0013 8000",
    "008613800138000",
    "0086-138-0013-8000",
    "8613800138000",
    '"13800138000"',
    "'13800138000",
    '="13800138000"',
    "\t13800138000\t",
    "13800138000\r",
    "13800138000.0",
    "13800138000.0\r",
    '"13800138000.0"',
    "１３８００１３８０００",
    "＋８６１３８００１３８０００",
    "138－0013－8000",
    "138\u20110013\u20118000",
    "138·0013·8000",
    "138\u00a00013\u30008000",
    "\u202d13800138000\u202c",
    "\ufeff13800138000",
    "“13800138000”",
]

BAD = [
    ("", "empty"),
    ("  \t ", "empty"),
    ("-", "empty"),
    ("—", "empty"),
    ("1.38E+10", "scientific notation"),
    ("1.38001e10", "scientific notation"),
    ("1.38001E+10\r", "scientific notation"),
    ("１.38Ｅ+10", "scientific notation"),
    ("+", "no number"),
    ("n/a", "no number"),
    ("e", "no number"),
    ("1e", "no number"),
    ("E10", "no number"),
    ("1e2e3", "no number"),
    ("张三", "no number"),
    ("1380013800x", "no number"),
    ("138+00138000", "no number"),
    ("13800138000/13900139000", "several numbers in one cell"),
    ("1", "too short"),
    ("1380013800", "too short"),
    ("00", "too short"),
    ("+861380013800", "too short"),
    ("008613800138", "too short"),
    ("+86138001380001", "too long"),
    ("+86", "too short"),
    ("8613800138", "too short"),
    ("138001380001", "too long"),
    ("13800138000 13900139000", "several numbers in one cell"),
    ("张三13800138000", "other text beside the number"),
    ("tel:+86 138 0013 8000", "other text beside the number"),
    ("手机：13800138000转802", "other text beside the number"),
    ("1. 13800138000", "other text beside the number"),
    ("17951 13800138000", "other text beside the number"),
    ("号码 110101199001011234", "no number"),
    ("9" * 400, "too long"),
    ("8612345678901", "not a mobile number"),
    ("010-1234 5678", "not a mobile number"),
    ("12345678901", "not a mobile number"),
    ("+44 7700 900123", "international"),
    ("00852 1234 5678", "international"),
    ("+13800138000", "international"),
]


@pytest.mark.parametrize("written", GOOD)
def test_a_mobile_is_recognised_however_it_is_written(written):
    assert numbers.normalise_one(written) == 13800138000


@pytest.mark.parametrize(("written", "reason"), BAD)
def test_what_is_no_mobile_is_refused_with_its_reason(written, reason):
    found, reasons = numbers.normalise(f"{written}\n".encode())
    assert found.tolist() == [0]
    assert numbers.REASONS[reasons[0]] == reason


def test_a_column_is_judged_row_by_row():
    rows = [*GOOD, *(written for written, _ in BAD)]
    found, reasons = numbers.normalise("".join(f"{row}\n" for row in rows).encode())
    assert found.tolist() == [13800138000] * len(GOOD) + [0] * len(BAD)
    assert [numbers.REASONS[code] for code in reasons] == [""] * len(GOOD) + [reason for _, reason in BAD]


def test_no_lines_are_no_numbers():
    found, reasons = numbers.normalise(b"")
    assert len(found) == len(reasons) == 0


@given(st.lists(st.text(st.characters(exclude_characters="\n"), max_size=20), max_size=20))
def test_every_value_gets_a_number_or_a_reason_never_both(rows):
    found, reasons = numbers.normalise("".join(f"{row}\n" for row in rows).encode("utf-8", "replace"))
    assert len(found) == len(reasons) == len(rows)
    assert ((found > 0) == (reasons == 0)).all()
    assert numbers.is_domestic(found[found > 0]).all()


@given(st.binary(max_size=60))
def test_bytes_that_are_not_text_do_no_harm(junk):
    found, reasons = numbers.normalise(junk.replace(b"\n", b"") + b"\n")
    assert len(found) == len(reasons) == 1


domestic = st.integers(DOMESTIC_MIN, DOMESTIC_END - 1)
wire_form = st.one_of(
    domestic.map(str),
    st.integers(0, 10**15 - 1).map(str),
    st.tuples(st.integers(1, 30), st.integers(0, 10**15 - 1)).map(lambda pair: "0" * pair[0] + str(pair[1])),
)


@given(domestic, st.sampled_from(["{}", "+86{}", "0086{}", "86{}", " {} ", '"{}"', "+86-{}", "{}.0"]))
def test_every_domestic_number_survives_its_forms(number, form):
    assert numbers.normalise_one(form.format(number)) == number


@given(st.lists(wire_form, min_size=1, max_size=30))
def test_wire_forms_come_back_digit_by_digit(forms):
    wire = ",".join(forms).encode()
    values = numbers.decode(wire)
    assert numbers.encode(values) == wire
    assert values.tolist() == [from_wire(form) for form in forms]
    assert [to_wire(value) for value in values.tolist()] == forms


@given(st.lists(domestic, min_size=1, max_size=50))
def test_domestic_numbers_are_their_own_digits(values):
    wire = numbers.encode(np.array(values, np.int64))
    assert wire == ",".join(map(str, values)).encode()
    assert numbers.decode(memoryview(wire)).tolist() == values


@given(st.lists(wire_form, min_size=2, max_size=10, unique=True))
def test_two_wire_forms_never_share_a_code(forms):
    assert len({from_wire(form) for form in forms}) == len(forms)


@pytest.mark.parametrize("wire", [b"13001,10000", b"1,2,3,4,5,6", b"13800138000,1,900139000", b"1,380013800"])
def test_short_numbers_are_not_taken_for_long_ones(wire):
    assert numbers.encode(numbers.decode(wire)) == wire
    assert len(numbers.decode(wire)) == wire.count(b",") + 1


def test_nothing_is_nothing_on_the_wire():
    assert numbers.encode(np.empty(0, np.int64)) == b""
    assert len(numbers.decode(b"")) == 0


def test_another_separator_divides_as_well():
    assert numbers.encode(np.array([13800138000, 13900139000]), b"\n") == b"13800138000\n13900139000"
    assert numbers.decode(b"13800138000\n123", b"\n").tolist() == [13800138000, from_wire("123")]


@pytest.mark.parametrize(
    "wire", [b",", b"1,,2", b"13800138000,", b"1380013800x", b"+8613800138000", b"1234567890123456"]
)
def test_what_is_no_wire_form_is_refused(wire):
    with pytest.raises(ValueError):
        numbers.decode(wire)


@pytest.mark.parametrize("text", ["", "+86", "１３８", "1234567890123456", "0" * 9100])
def test_a_single_wire_form_is_refused_too(text):
    with pytest.raises(ValueError):
        from_wire(text)


@pytest.mark.parametrize("value", [0, -1, 5, 20_000_000_000])
def test_what_is_no_code_has_no_wire_form(value):
    with pytest.raises(ValueError):
        to_wire(value)
    with pytest.raises(ValueError):
        numbers.encode(np.array([13800138000, value]))


def test_every_advice_is_about_a_reason():
    assert set(numbers.ADVICE) <= set(numbers.REASONS)


ABROAD = [
    ("+44 7700 900123", "447700900123", ""),
    ("0044 7700 900123", "447700900123", ""),
    ("+1 (202) 555-0147", "12025550147", ""),
    ("00852 1234 5678", "85212345678", ""),
    ("+1 380 013 8000", "", "ambiguous international number"),
    ("001 380 013 8000", "", "ambiguous international number"),
    ("+13800138000", "", "ambiguous international number"),
    ("+86 138 0013 8000", "13800138000", ""),
    ("13800138000", "13800138000", ""),
    ("+8613800138", "", "too short"),
    ("+0447700900123", "", "no number"),
    ("447700900123", "", "too long"),
    ("+1234567890123456", "", "too long"),
    ("+123456", "", "too short"),
]


@pytest.mark.parametrize(("written", "wire", "reason"), ABROAD)
def test_numbers_abroad_are_taken_where_asked_for_but_none_that_reads_like_a_mobile(written, wire, reason):
    [number], [code] = numbers.normalise(written.encode() + b"\n", international=True)
    assert (to_wire(int(number)) if number else "", numbers.REASONS[code]) == (wire, reason)


PHS = [
    ("02129900660", "02129900660", ""),
    ("(021) 2990-0660", "02129900660", ""),
    ("010 1234567", "0101234567", ""),
    ("0755 2522 7898", "075525227898", ""),
    ("0311 1234567", "03111234567", ""),
    ("13800138000", "13800138000", ""),
    ("+86 138 0013 8000", "13800138000", ""),
    ("013800138000", "", "too long"),
    ("0123456789", "", "too short"),
    ("0311123456", "", "too short"),
    ("021299006600", "", "too long"),
    ("2129900660", "", "too short"),
    ("0044 7700 900123", "", "international"),
    ("99999999999", "", "not a mobile number"),
]


@pytest.mark.parametrize(("written", "wire", "reason"), PHS)
def test_numbers_with_an_area_code_are_taken_where_asked_for(written, wire, reason):
    [number], [code] = numbers.normalise(written.encode() + b"\n", phs=True)
    assert (to_wire(int(number)) if number else "", numbers.REASONS[code]) == (wire, reason)
    assert not numbers.is_abroad(np.array([number])).any()
    [number], _ = numbers.normalise(written.encode() + b"\n")
    assert bool(number) == (wire == "13800138000"), "and nowhere else"


def test_numbers_abroad_and_with_an_area_code_are_told_apart():
    lines = b"13800138000\n+447700900123\n02129900660\n"
    found, _ = numbers.normalise(lines, international=True, phs=True)
    assert numbers.is_abroad(found).tolist() == [False, True, False]
    assert numbers.encode(found) == b"13800138000,447700900123,02129900660"
    assert numbers.decode(numbers.encode(found)).tolist() == found.tolist()


@given(st.lists(st.integers(10**6, 10**15 - 1).map(lambda value: f"+{value}"), max_size=20))
def test_a_number_abroad_has_the_digits_it_was_written_with_or_is_refused(written):
    found, reasons = numbers.normalise("".join(f"{each}\n" for each in written).encode(), international=True)
    for each, number, code in zip(written, found.tolist(), reasons.tolist(), strict=True):
        assert (number != 0) == (code == 0)
        if number and not each.startswith("+86"):
            assert to_wire(number) == each[1:]
            assert not 13_000_000_000 <= int(each[1:]) < 20_000_000_000
