"""The benchmark of the CMPP codec compares two ways that do the same."""

from __future__ import annotations

from dispatcher.cmpp.frames import FrameReader
from dispatcher.cmpp.submits import SubmitTemplate
from loadtest.bench.sending import cmpp_codec as bench


def test_both_ways_pack_the_same_frames() -> None:
    assert SubmitTemplate([bench.SUBMIT]).pack(bench.NUMBERS, range(bench.WINDOW)) == bench.naive_pack()


def test_both_ways_read_the_same_answers() -> None:
    ours = [(c, s, int.from_bytes(body[:8], "big"), body[8]) for c, s, body in FrameReader().feed(bench.ANSWERS)]
    assert ours == [(a.command, a.sequence, a.msg_id, a.result) for a in bench.naive_read(bench.ANSWERS)]
