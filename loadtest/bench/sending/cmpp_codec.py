"""`cmpp_pack`, `cmpp_read`: SUBMITs packed and answers read, beside a struct per field and an object per PDU.

Nothing is sent. 16 frames at a time, as a window has them. Per second of CPU time, interleaved rounds.

    python -m loadtest.bench.sending.cmpp_codec [--quick]
"""

from __future__ import annotations

import json
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from statistics import median
from typing import Any, Final

import uvloop

from dispatcher.cmpp.frames import FrameReader
from dispatcher.cmpp.pdus import Submit, SubmitResp
from dispatcher.cmpp.submits import SubmitTemplate

WINDOW: Final = 16
ROUNDS: Final = 5
NUMBERS: Final = [b"%d" % number for number in range(13_800_000_000, 13_800_000_000 + WINDOW)]
SUBMIT: Final = Submit(
    service_id=b"SVC", msg_src=b"901234", src_id=b"1069000101", msg_fmt=8, msg_content="打折".encode("utf-16-be")
)
ANSWERS: Final = b"".join(SubmitResp((1 << 63) + place, 0).pack(place) for place in range(WINDOW))


@dataclass
class NaiveSubmit:
    """A SUBMIT as libraries have it: an attribute per field, packed one after the other."""

    msg_id: int
    pk_total: int
    pk_number: int
    registered_delivery: int
    msg_level: int
    service_id: bytes
    fee_user_type: int
    fee_terminal_id: bytes
    tp_pid: int
    tp_udhi: int
    msg_fmt: int
    msg_src: bytes
    fee_type: bytes
    fee_code: bytes
    valid_time: bytes
    at_time: bytes
    src_id: bytes
    dest_terminal_ids: tuple[bytes, ...]
    msg_content: bytes
    reserve: bytes

    def pack(self, sequence: int) -> bytes:
        """The frame."""
        body = struct.pack(">Q", self.msg_id)
        for number in (self.pk_total, self.pk_number, self.registered_delivery, self.msg_level):
            body += struct.pack(">B", number)
        body += struct.pack(">10s", self.service_id)
        body += struct.pack(">B", self.fee_user_type)
        body += struct.pack(">21s", self.fee_terminal_id)
        for number in (self.tp_pid, self.tp_udhi, self.msg_fmt):
            body += struct.pack(">B", number)
        for value, size in ((self.msg_src, 6), (self.fee_type, 2), (self.fee_code, 6), (self.valid_time, 17)):
            body += struct.pack(f">{size}s", value)
        body += struct.pack(">17s", self.at_time)
        body += struct.pack(">21s", self.src_id)
        body += struct.pack(">B", len(self.dest_terminal_ids))
        for terminal in self.dest_terminal_ids:
            body += struct.pack(">21s", terminal)
        body += struct.pack(">B", len(self.msg_content)) + self.msg_content
        body += struct.pack(">8s", self.reserve)
        return struct.pack(">III", 12 + len(body), 4, sequence) + body


@dataclass
class NaiveSubmitResp:
    """An answer as libraries have it."""

    command: int
    sequence: int
    msg_id: int
    result: int


def naive_read(data: bytes) -> list[NaiveSubmitResp]:
    """Field after field."""
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        (command,) = struct.unpack(">I", data[at + 4 : at + 8])
        (sequence,) = struct.unpack(">I", data[at + 8 : at + 12])
        (msg_id,) = struct.unpack(">Q", data[at + 12 : at + 20])
        (result,) = struct.unpack(">B", data[at + 20 : at + 21])
        found.append(NaiveSubmitResp(command, sequence, msg_id, result))
        at += length
    return found


def naive_pack() -> bytes:
    """A window of SUBMITs, each made and packed."""
    values = {field.name: getattr(SUBMIT, field.name) for field in fields(NaiveSubmit)}
    del values["dest_terminal_ids"]
    return b"".join(
        NaiveSubmit(**values, dest_terminal_ids=(number,)).pack(sequence) for sequence, number in enumerate(NUMBERS)
    )


async def run(quick: bool = False) -> list[dict[str, Any]]:
    """Frames packed and read per second of CPU time."""
    template, reader = SubmitTemplate([SUBMIT]), FrameReader()
    assert template.pack(NUMBERS, range(WINDOW)) == naive_pack()
    assert len(reader.feed(ANSWERS)) == len(naive_read(ANSWERS)) == WINDOW
    return [
        _figure("cmpp_pack", lambda: template.pack(NUMBERS, range(WINDOW)), naive_pack, quick),
        _figure("cmpp_read", lambda: reader.feed(ANSWERS), lambda: naive_read(ANSWERS), quick),
    ]


def _figure(name: str, ours: Callable[[], object], naive: Callable[[], object], quick: bool) -> dict[str, Any]:
    windows = 2_000 if quick else 20_000
    rounds = [(_per_s(ours, windows), _per_s(naive, windows // 10)) for _ in range(ROUNDS)]
    value, baseline = (median(column) for column in zip(*rounds, strict=True))
    return {"name": name, "value": value, "unit": "frames/CPU s", "baseline": baseline, "ratio": value / baseline}


def _per_s(one: Callable[[], object], windows: int) -> float:
    started_s = time.process_time()
    for _ in range(windows):
        one()
    return WINDOW * windows / (time.process_time() - started_s)


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run("--quick" in sys.argv)), indent=2))
