"""Cutting bytes into frames, and frames that are wrong: values with a reason, whatever comes."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.cmpp import pdus
from dispatcher.cmpp.frames import FRAME_BYTES_MAX, Frame, FrameReader, Malformed, read
from dispatcher.cmpp.layout import Pdu
from tests.cmpp.vectors import FRAMES, MEANINGS

STREAM = b"".join(FRAMES)
WHOLE = FrameReader().feed(STREAM)


@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(0, len(STREAM))))
def test_frames_do_not_depend_on_how_their_bytes_are_cut(cuts: list[int]) -> None:
    reader, frames = FrameReader(), list[Frame]()
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in itertools.pairwise(edges):
        frames += reader.feed(STREAM[start:end])
        assert reader.pending_bytes < FRAME_BYTES_MAX
    assert frames == WHOLE
    assert [(sequence, read((c, sequence, body))) for c, sequence, body in frames] == MEANINGS


def test_frames_come_one_byte_at_a_time() -> None:
    reader = FrameReader()
    assert [frame for at in range(len(STREAM)) for frame in reader.feed(STREAM[at : at + 1])] == WHOLE


@pytest.mark.parametrize("length", [0, 11, 4_097, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_length_that_cannot_be_right_breaks_the_stream(length: int) -> None:
    reader = FrameReader()
    good = pdus.ActiveTest().pack(1)
    assert reader.feed(good + length.to_bytes(4, "big") + bytes(3)) == [(8, 1, b"")]
    assert reader.broken is not None
    assert reader.broken.reason == f"Total_Length {length} is not between 12 and 4096"
    assert str(reader.broken).endswith(f"(first bytes: {(length.to_bytes(4, 'big') + bytes(3)).hex(' ')})")
    assert reader.feed(good * 1_000) == []
    assert reader.pending_bytes == 0


def test_http_breaks_the_stream_and_little_of_it_is_shown() -> None:
    reader = FrameReader()
    assert reader.feed(b"GET /msg/HttpBatchSendSM?mobile=13800138000 HTTP/1.1\r\n\r\n") == []
    assert reader.broken is not None
    assert reader.broken.head == b"GET /msg/Htt"


def test_the_longest_frame_is_read_and_one_octet_more_is_not() -> None:
    for length, broken in ((4_096, False), (4_097, True)):
        reader = FrameReader()
        frames = reader.feed(length.to_bytes(4, "big") + bytes(length - 4))
        assert (len(frames), reader.broken is not None) == (0 if broken else 1, broken)


def test_an_unknown_command_breaks_nothing() -> None:
    unknown = bytes.fromhex("0000000d0000000a0000000701")
    first, second = FrameReader().feed(unknown + pdus.ActiveTest().pack(2))
    assert read(first) == Malformed("unknown Command_Id 0x0000000a", unknown[:12], 0x0A, 7)
    assert read(second) == pdus.ActiveTest()


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (pdus.ConnectResp().pack(1)[:29], "ConnectResp of 29 octets: its table says 30"),
        (pdus.SubmitResp().pack(1) + b"\0", "SubmitResp of 22 octets: its table says 21"),
        (pdus.Submit().pack(1) + b"\0", "Submit of 139 octets: its table says 138 and what its list and content have"),
        (pdus.Submit(dest_terminal_ids=(b"1",)).pack(1)[:140], "Dest_terminal_Id of Submit goes beyond the end"),
        (pdus.Deliver(msg_content=b"12345").pack(1)[:80], "Msg_Content of Deliver goes beyond the end of the frame"),
    ],
)
def test_a_body_that_disagrees_with_its_length_says_so(frame: bytes, reason: str) -> None:
    frame = len(frame).to_bytes(4, "big") + frame[4:]
    [got] = FrameReader().feed(frame)
    wrong = read(got)
    assert isinstance(wrong, Malformed)
    assert wrong.reason.startswith(reason)
    assert wrong.head == frame[:12]


@pytest.mark.parametrize(
    ("frame", "pdu"),
    [
        (pdus.ConnectRespWide(3).pack(1), pdus.ConnectRespWide(3)),
        (pdus.ActiveTestRespBare().pack(1), pdus.ActiveTestRespBare()),
    ],
)
def test_what_real_peers_send_instead_is_read(frame: bytes, pdu: Pdu) -> None:
    [got] = FrameReader().feed(frame)
    assert read(got) == pdu


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame[:12].hex())
def test_every_truncation_of_every_vector_is_waiting_or_malformed(frame: bytes) -> None:
    for length in range(len(frame)):
        reader = FrameReader()
        assert reader.feed(frame[:length]) == []
        assert reader.broken is None
        if length >= 12:
            [cut] = FrameReader().feed(length.to_bytes(4, "big") + frame[4:length])
            assert isinstance(read(cut), Malformed | pdus.ActiveTestRespBare)


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame[:12].hex())
def test_every_flipped_bit_of_every_vector_is_a_pdu_or_malformed(frame: bytes) -> None:
    for bit in range(8 * len(frame)):
        flipped = bytearray(frame)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        reader = FrameReader()
        got = reader.feed(bytes(flipped))
        outcomes = [reader.broken] if reader.broken else [read(each) for each in got]
        assert all(isinstance(each, Pdu | Malformed) for each in outcomes)
        if bit >= 64 and got and isinstance(pdu := read(got[0]), Pdu):  # behind Command_Id
            assert len(pdu.pack(got[0][1])) == len(frame)


def test_no_bytes_raise() -> None:
    random_ = random.Random(20)
    for _ in range(300):
        reader = FrameReader()
        stream = b"".join(_damaged(random_.choice(FRAMES), random_) for _ in range(6))
        for at in range(0, len(stream), 97):
            for frame in reader.feed(stream[at : at + 97]):
                assert isinstance(read(frame), Pdu | Malformed)
        assert reader.pending_bytes <= FRAME_BYTES_MAX


def _damaged(frame: bytes, random_: random.Random) -> bytes:
    damaged = bytearray(frame)
    for _ in range(random_.randrange(6)):
        damaged[random_.randrange(4, len(damaged))] = random_.randrange(256)
    if not random_.randrange(4):
        damaged = damaged[: random_.randrange(len(damaged))]
    if not random_.randrange(3):
        damaged[:4] = len(damaged).to_bytes(4, "big")
    return bytes(damaged)
