"""A template makes the same frames as packing each PDU does."""

from __future__ import annotations

import msgspec
import pytest

from dispatcher.cmpp.long_texts import contents, split
from dispatcher.cmpp.pdus import Submit
from dispatcher.cmpp.submits import SubmitTemplate, next_sequence
from dispatcher.cmpp.texts import UCS2

BASE = Submit(service_id=b"SVC", msg_src=b"901234", src_id=b"1069000101", valid_time=b"260131235959032+")
NUMBERS = [b"13800138000", b"13900139000", b"8613800138001"]


def of(pdu: Submit, number: bytes, sequence: int) -> bytes:
    return msgspec.structs.replace(pdu, dest_terminal_ids=(number,)).pack(sequence)


@pytest.mark.parametrize("content", [b"hello", b"", b"x" * 159])
def test_a_short_message(content: bytes) -> None:
    pdu = msgspec.structs.replace(BASE, msg_content=content)
    template = SubmitTemplate([pdu])
    expected = [of(pdu, number, sequence) for sequence, number in enumerate(NUMBERS, 0xFFFFFFF0)]
    assert template.pack(NUMBERS, range(0xFFFFFFF0, 0xFFFFFFF3)) == b"".join(expected)
    assert (template.parts, template.frame_bytes) == (1, (len(expected[0]),))


def test_the_parts_of_a_long_message_are_neighbours_with_one_reference_and_every_field() -> None:
    texts = split("字" * 150, UCS2)
    assert isinstance(texts, list)

    def parts(reference: int) -> list[Submit]:
        return [
            msgspec.structs.replace(
                BASE, pk_total=3, pk_number=number, tp_udhi=1, msg_fmt=UCS2, registered_delivery=1, msg_content=content
            )
            for number, content in enumerate(contents(texts, reference), 1)
        ]

    references, sequences = [0, 255, 17], iter(range(1, 10))
    expected = [
        of(part, number, next(sequences))
        for number, reference in zip(NUMBERS, references, strict=True)
        for part in parts(reference)
    ]
    assert SubmitTemplate(parts(99)).pack(NUMBERS, range(1, 10), references) == b"".join(expected)


def test_a_group_is_one_frame_with_all_its_numbers_and_one_reference() -> None:
    short = msgspec.structs.replace(BASE, msg_content=b"hello")
    numbers = (NUMBERS * 33)[:99]
    expected = msgspec.structs.replace(short, dest_terminal_ids=tuple(numbers)).pack(5)
    assert SubmitTemplate([short], 99).pack_group(0, numbers, 5) == expected
    texts = split("字" * 100, UCS2)
    assert isinstance(texts, list)
    first, second = (
        [
            msgspec.structs.replace(BASE, pk_total=2, pk_number=number, tp_udhi=1, msg_fmt=UCS2, msg_content=content)
            for number, content in enumerate(contents(texts, reference), 1)
        ]
        for reference in (0, 200)
    )
    for part in (0, 1):
        expected = msgspec.structs.replace(second[part], dest_terminal_ids=tuple(NUMBERS)).pack(6)
        assert SubmitTemplate(first, 99).pack_group(part, NUMBERS, 6, 200) == expected


def test_a_field_that_does_not_fit_is_named_when_the_template_is_made() -> None:
    with pytest.raises(ValueError, match="Service_Id has 11 octets"):
        SubmitTemplate([Submit(service_id=b"12345678901")])


def test_after_the_largest_sequence_comes_one() -> None:
    assert [next_sequence(s) for s in (0, 1, 0xFFFFFFFE, 0xFFFFFFFF)] == [1, 2, 0xFFFFFFFF, 1]
