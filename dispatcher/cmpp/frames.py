"""Bytes in any cut become frames, and a frame becomes a PDU. What is malformed is a value with a reason, never an
exception.

A frame whose length cannot be right breaks the stream: nothing behind it can be read, and the connection must be closed
(vendors.md 6.3). A frame that is well cut and wrong inside breaks nothing: the next one begins behind it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from dispatcher.cmpp.layout import HEADER, HEADER_BYTES, Pdu
from dispatcher.cmpp.pdus import LAYOUTS

FRAME_BYTES_MAX: Final = 4096
Frame = tuple[int, int, bytes]
"""Command_Id, Sequence_Id and the body."""


class Malformed(msgspec.Struct, frozen=True):
    """What is wrong, and where: the header, as far as it came. Never the body, which has texts and numbers."""

    reason: str
    head: bytes
    command: int | None = None
    sequence: int | None = None

    def __str__(self) -> str:
        return f"{self.reason} (first bytes: {self.head.hex(' ')})"


class FrameReader:
    """Cuts one direction of one connection into frames. It keeps less than one frame; nothing once it is `broken`."""

    def __init__(self, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        self._bytes_max = frame_bytes_max
        self._rest = b""
        self.broken: Malformed | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now, in order."""
        if self.broken is not None:
            return []
        if self._rest:
            data = self._rest + data
        frames: list[Frame] = []
        take, header, bytes_max = frames.append, HEADER.unpack_from, self._bytes_max
        at, end = 0, len(data)
        while end - at >= HEADER_BYTES:
            length, command, sequence = header(data, at)
            if not HEADER_BYTES <= length <= bytes_max:
                self._break(data, at, length)
                return frames
            if end - at < length:
                break
            take((command, sequence, data[at + HEADER_BYTES : at + length]))
            at += length
        if end - at >= 4 and not HEADER_BYTES <= (length := int.from_bytes(data[at : at + 4], "big")) <= bytes_max:
            self._break(data, at, length)
            return frames
        self._rest = data[at:]
        return frames

    def take_pending(self) -> bytes:
        """What is kept of an unfinished frame, for a caller that looks at it with what follows and feeds it again."""
        rest, self._rest = self._rest, b""
        return rest

    @property
    def pending_bytes(self) -> int:
        """What is kept of an unfinished frame."""
        return len(self._rest)

    def _break(self, data: bytes, at: int, length: int) -> None:
        reason = f"Total_Length {length} is not between {HEADER_BYTES} and {self._bytes_max}"
        self.broken = Malformed(reason, bytes(data[at : at + HEADER_BYTES]))
        self._rest = b""


def read(frame: Frame) -> Pdu | Malformed:
    """The PDU of a frame."""
    command, _, body = frame
    layouts = LAYOUTS.get(command)
    if layouts is None:
        return _malformed(frame, f"unknown Command_Id 0x{command:08x}")
    for layout in layouts[1:]:
        if layout.body_bytes_min == len(body):
            layouts = (layout,)
    made = layouts[0].unpack(body)
    return _malformed(frame, made) if isinstance(made, str) else made


def _malformed(frame: Frame, reason: str) -> Malformed:
    command, sequence, body = frame
    return Malformed(reason, HEADER.pack(HEADER_BYTES + len(body), command, sequence), command, sequence)
