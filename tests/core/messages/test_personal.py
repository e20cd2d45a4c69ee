"""Personalised batches: who gets which text, who shares a request, and what it costs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.messages.chunks import Batch
from dispatcher.core.messages.personal import ChunkTexts, Personal
from dispatcher.core.messages.template import Template, TemplateBroken, VariableLimits, parse
from dispatcher.core.messages.text import Split, parts, units
from producers.launch.personal_values import packed_values
from schemas.batch import Values

SPLIT = Split(70, 67)
ROAD = VariableLimits(recipients_max=3, separators=(",", ";", "{$var}"))
TEXT = "您好{name}, code {code}; {name}!"
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=90)
ROWS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=30)


def personal(rows: Sequence[tuple[str, ...]], text: str = TEXT, batch_limits: VariableLimits | None = None) -> Personal:
    """The batch of these values, in this order."""
    template = parse(text)
    columns = [pl.Series(column, dtype=pl.String) for column in zip(*rows, strict=True)]
    values = packed_values(template.names, columns)
    return Personal(values, template, SPLIT, batch_limits)


def chunks(batch: Personal, count: int) -> list[range]:
    """The batch cut from its beginning to its end."""
    cut, start = [], 0
    while start < count:
        size = batch.cut(start, count)
        cut.append(range(start, start + size))
        start += size
    return cut


# --- the text --------------------------------------------------------------------------------------------------------

TEMPLATES = [
    ("no braces", Template(("no braces",))),
    ("{{100%}}", Template(("{100%}",))),
    ("{a}", Template(("", ""), (0,), ("a",))),
    ("{a}{b}{a}", Template(("", "", "", ""), (0, 1, 0), ("a", "b"))),
    ("hi { 姓名 }!", Template(("hi ", "!"), (0,), ("姓名",))),
    ("{{{a}}}", Template(("{", "}"), (0,), ("a",))),
    ("{first name} {{x}}", Template(("", " {x}"), (0,), ("first name",))),
]


@pytest.mark.parametrize(("text", "template"), TEMPLATES, ids=[row[0] for row in TEMPLATES])
def test_a_text_is_read_with_its_placeholders_and_its_braces(text, template):
    assert parse(text) == template


BROKEN = [("a {", 3, "nothing closes"), ("a }", 3, "closes nothing"), ("{a} {b", 5, "nothing closes"),
          ("{a{b}}", 1, "nothing closes"), ("{}", 1, "without a name"), ("{ }", 1, "without a name"),
          ("{" + "x" * 101 + "}", 1, "endless")]  # fmt: skip


@pytest.mark.parametrize(("text", "position", "why"), BROKEN)
def test_braces_that_do_not_pair_are_named_with_their_place(text, position, why):
    with pytest.raises(TemplateBroken, match=why) as broken:
        parse(text)
    assert broken.value.position == position


@given(WORDS, WORDS)
def test_a_text_with_its_braces_doubled_is_the_text(text, value):
    doubled = text.replace("{", "{{").replace("}", "}}")
    assert parse(doubled) == Template((text,))
    assert parse(f"{doubled}{{x}}").fill([value]) == text + value


def test_a_vendors_own_placeholder_stands_where_ours_did():
    assert parse("{a}，{b}，{a}").marked("{$var}") == "{$var}，{$var}，{$var}"


def test_variables_may_be_kept_in_another_order():
    assert parse("{a}-{b}").of(("b", "x", "a")).fill(["1", "2", "3"]) == "3-1"
    with pytest.raises(ValueError, match="no variable b"):
        parse("{a}-{b}").of(("a",))


# --- a batch ---------------------------------------------------------------------------------------------------------


@given(ROWS)
def test_everybody_gets_their_own_text_and_is_billed_for_it(rows):
    batch = personal(rows)
    for at, (name, code) in enumerate(rows):
        text = f"您好{name}, code {code}; {name}!"
        assert batch.text(at) == text
        assert batch.values(at, 1) == [[name, code, name]]
        assert batch.parts(at, 1) == parts(text, SPLIT) == (1 if units(text) <= 70 else -(-units(text) // 67))
    assert batch.parts(0, len(rows)) == sum(batch.parts(at, 1) for at in range(len(rows)))


@given(st.lists(st.sampled_from(["a", "b", "a,b"]).map(lambda value: (value, "1")), min_size=1, max_size=30))
def test_without_a_road_for_variables_a_request_has_one_text_and_as_many_recipients_as_share_it(rows):
    batch = personal(rows)
    cut = chunks(batch, len(rows))
    for chunk in cut:
        assert len({rows[at] for at in chunk}) == 1
        assert batch.one_text(chunk.start, len(chunk))
    assert all(rows[before.stop - 1] != rows[after.start] for before, after in pairwise(cut))


@given(st.lists(st.sampled_from(["a", "b", "c;", ",", "{$var}", "é"]).map(lambda v: (v, "1")), min_size=1, max_size=30))
def test_on_a_road_for_variables_what_would_break_its_grammar_goes_in_a_request_of_its_own(rows):
    batch = personal(rows, batch_limits=ROAD)
    for chunk in chunks(batch, len(rows)):
        texts = {rows[at] for at in chunk}
        apart = [at for at in chunk if re.search(r"[,;]|\{\$var\}", rows[at][0])]
        assert len(chunk) <= ROAD.recipients_max or len(texts) == 1
        assert not apart or len(texts) == 1
        assert batch.one_text(chunk.start, len(chunk)) == bool(apart)


CHARS = [(1_000, 3), (20, 3), (19, 2), (15, 1), (1, 1)]


@pytest.mark.parametrize(("chars_max", "count"), CHARS)
def test_a_request_is_bounded_by_the_characters_of_its_values_too_but_never_empty(chars_max, count):
    batch_limits = VariableLimits(recipients_max=3, separators=(), chars_max=chars_max)
    batch = personal(
        [("abc", "1"), ("😀😀", "2"), ("x", "34"), ("y", "5")], batch_limits=batch_limits
    )  # 7, 9, 4 in three slots
    assert batch.cut(0, 4) == count


def test_the_letters_of_a_chunk_are_one_text_or_each_ones_values():
    rows = [("a", "1"), ("a", "1"), ("b", "1"), ("c;d", "1")]
    batch = personal(rows)
    assert ChunkTexts(batch, 0, 2).text == "您好a, code 1; a!"
    assert ChunkTexts(batch, 0, 3).text is None
    batch = personal(rows, batch_limits=ROAD)
    assert [ChunkTexts(batch, start, count).text for start, count in ((0, 3), (0, 2), (2, 1))] == [None] * 3
    assert ChunkTexts(batch, 1, 2).values == [["a", "1", "a"], ["b", "1", "b"]]
    assert ChunkTexts(batch, 3, 1).text == "您好c;d, code 1; c;d!"


def test_a_batch_is_cut_at_the_number_of_recipients_and_at_the_text_whichever_comes_first():
    numbers = b",".join([b"13800138000"] * 5)
    batch = Batch(numbers, 5, personal([("a", "1")] * 3 + [("b", "1")] * 2))
    assert [batch.cut(0, 5, 2), batch.cut(2, 5, 2), batch.cut(3, 5, 9), batch.cut(0, 5, 9)] == [2, 1, 2, 3]
    assert batch.parts(0, 5, 99) == 5
    assert batch.texts(0, 3) is not None


def test_a_plain_batch_has_no_letters_and_the_campaigns_segments():
    batch = Batch(b"13800138000,13800138001", 2)
    assert (batch.parts(0, 2, 3), batch.texts(0, 2)) == (6, None)


DAMAGED = [
    ("an end beyond the text", {"ends": (b"\x09\0\0\0",)}),
    ("ends that go back", {"ends": (b"\x03\0\0\0\x02\0\0\0",)}),
    ("a row without an entry", {"rows": (b"\x01\0",)}),
    ("no UTF-8", {"texts": (b"\xff\xff",)}),
    ("a character cut in two", {"texts": ("好a".encode(),), "ends": (b"\x01\0\0\0\x04\0\0\0",)}),
]


@pytest.mark.parametrize("change", [row[1] for row in DAMAGED], ids=[row[0] for row in DAMAGED])
def test_damaged_values_are_never_sent(change):
    sound = Values(names=("a",), ends=(b"\x02\0\0\0",), texts=(b"hi",), rows=(b"\0\0",))
    assert Personal(sound, parse("{a}"), SPLIT).text(0) == "hi"
    with pytest.raises(ValueError, match="dictionary|decode"):
        Personal(msgspec.structs.replace(sound, **change), parse("{a}"), SPLIT)
