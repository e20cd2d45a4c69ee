"""Parts of long messages: exact boundaries, characters that are never divided, headers, references."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.cmpp.long_texts import (
    PART_BYTES_MAX,
    Part,
    References,
    TooLong,
    behind_header,
    contents,
    header,
    read_part,
    split,
)
from dispatcher.cmpp.texts import ASCII, CHARSETS, GB, UCS2


def parts_of(text: str, msg_fmt: int, ascii_bytes_max: int = 159) -> list[bytes]:
    parts = split(text, msg_fmt, ascii_bytes_max)
    assert isinstance(parts, list)
    return parts


@pytest.mark.parametrize(
    ("text", "msg_fmt", "lengths"),
    [
        ("", ASCII, [0]),
        ("a" * 159, ASCII, [159]),
        ("a" * 160, ASCII, [134, 26]),
        ("a" * 268, ASCII, [134, 134]),
        ("a" * 269, ASCII, [134, 134, 1]),
        ("字" * 70, UCS2, [140]),
        ("字" * 71, UCS2, [134, 8]),
        ("字" * 134, UCS2, [134, 134]),
        ("字" * 135, UCS2, [134, 134, 2]),
        ("字" * 70, GB, [140]),
        ("字" * 71, GB, [134, 8]),
        ("a" + "字" * 70, GB, [133, 8]),
        ("😀" * 35, UCS2, [140]),
        ("😀" * 36, UCS2, [132, 12]),
        ("a" + "😀" * 35, UCS2, [134, 8]),
        ("😀" * 36, GB, [132, 12]),
        ("aa" + "😀" * 36, GB, [134, 12]),
    ],
)
def test_boundaries(text, msg_fmt, lengths):
    assert [len(part) for part in parts_of(text, msg_fmt)] == lengths


def test_an_account_may_take_160_octets_of_ascii():
    assert [len(part) for part in parts_of("a" * 160, ASCII, 160)] == [160]


@settings(max_examples=60, deadline=None)
@given(
    text=st.lists(st.sampled_from("a字😀€㐀é"), max_size=300).map("".join),
    msg_fmt=st.sampled_from([UCS2, GB]),
)
def test_every_part_is_a_text_of_its_own_and_together_they_are_the_text(text, msg_fmt):
    parts = parts_of(text, msg_fmt)
    assert "".join(part.decode(CHARSETS[msg_fmt]) for part in parts) == text
    if len(parts) > 1:
        assert all(PART_BYTES_MAX - 4 < len(part) <= PART_BYTES_MAX for part in parts[:-1])
        assert all(len(content) <= 140 for content in contents(parts, 7))


def test_a_message_has_255_parts_at_most():
    assert len(parts_of("字" * 67 * 255, UCS2)) == 255
    assert split("字" * 67 * 255 + "字", UCS2) == TooLong(256)


def test_a_short_text_has_no_header():
    assert contents([b"hello"], 7) == [b"hello"]


def test_parts_carry_their_header():
    assert contents([b"one", b"two"], 0xA5) == [b"\x05\x00\x03\xa5\x02\x01one", b"\x05\x00\x03\xa5\x02\x02two"]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"\x05\x00\x03\xa5\x02\x01text", Part(0xA5, 8, 2, 1, b"text")),
        (b"\x06\x08\x04\x12\x34\x02\x02text", Part(0x1234, 16, 2, 2, b"text")),
        (b"\x09\x70\x02\xff\xff\x00\x03\x07\x03\x03text", Part(7, 8, 3, 3, b"text")),
        (b"\x05\x00\x03\xa5\x02\x03text", None),  # part 3 of 2
        (b"\x05\x00\x03\xa5\x02\x00text", None),
        (b"\x05\x00\x09\xa5\x02\x01text", None),  # an element longer than the header
        (b"\x04\x70\x02\xff\xfftext", None),
        (b"\x05\x00\x03", None),
        (b"", None),
        (b"\x00text", None),
    ],
)
def test_a_part_is_read_from_its_header(content, part):
    assert read_part(content) == part


@given(content=st.binary(max_size=255))
def test_no_content_raises(content):
    part = read_part(content)
    assert part is None or content.endswith(part.content)
    assert content.endswith(behind_header(content))


@given(reference=st.integers(0, 255), total=st.integers(1, 255), data=st.data())
def test_what_we_write_is_what_we_read(reference, total, data):
    number = data.draw(st.integers(1, total))
    assert read_part(header(reference, total, number) + b"x") == Part(reference, 8, total, number, b"x")


def test_references_of_one_destination_do_not_repeat_among_its_last_256():
    references = References()
    for _ in range(3):
        references.next(b"13900139000")
    assert len({references.next(b"13800138000") for _ in range(256)}) == 256


def test_references_are_kept_of_a_bounded_number_of_destinations():
    references = References(destinations_max=2)
    first = [references.next(b"1"), references.next(b"2")]
    references.next(b"3")  # "1" is forgotten, "2" is not
    assert references.next(b"2") == first[1] + 1


def test_a_group_has_one_reference_that_is_not_the_last_one_of_any_of_its_numbers():
    references = References()
    numbers = [b"%d" % number for number in range(99)]
    assert len({references.next_of_all(numbers) for _ in range(256)}) == 256
    for at, number in enumerate(numbers):
        for _ in range(at * 5 % 83):
            references.next(number)
    lasts = set(references._last.values())
    assert len(lasts) > 50
    mine = references.next_of_all([*numbers, b"new"])
    assert mine not in lasts
    assert {references.next(number) for number in (*numbers, b"new")} == {(mine + 1) % 256}


def test_references_of_groups_are_kept_of_a_bounded_number_of_destinations():
    references = References(destinations_max=3)
    references.next_of_all([b"1", b"2", b"3", b"4"])
    assert list(references._last) == [b"2", b"3", b"4"]
