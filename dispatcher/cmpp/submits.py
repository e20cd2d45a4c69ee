"""Many SUBMITs of one message at once: the frame is packed once; copies get Sequence_Id, number and reference.

All parts of a long message to one number are neighbours, in order, so that they leave on one connection in order
(vendors.md 6.7).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from dispatcher.cmpp.layout import NUMBER_BYTES
from dispatcher.cmpp.pdus import Submit

SEQUENCE_AT: Final = 8
SEQUENCE_MAX: Final = 0xFFFFFFFF
NUMBER_AT: Final = 129  # with one number in the list
CONTENT_AT: Final = NUMBER_AT + NUMBER_BYTES + 1


class SubmitTemplate:
    """One message in its parts (one, if it is short). ValueError if the PDU does not fit its table."""

    def __init__(self, parts: Sequence[Submit]) -> None:
        frames = [msgspec.structs.replace(part, dest_terminal_ids=(b"",)).pack(0) for part in parts]
        self.parts = len(frames)
        self.frame_bytes = tuple(map(len, frames))
        self._long = any(part.tp_udhi for part in parts)
        self._pieces = [_pieces(frame, self._long) for frame in frames]

    def pack(self, numbers: Iterable[bytes], sequences: Iterable[int], references: Iterable[int] = ()) -> bytes:
        """The frames for these numbers, one behind the other. `sequences` has one for each frame; `references` one for
        each number, and is needed for a long message alone. A number of more than 21 octets is a bug of the caller.
        """
        return b"".join(self.frames(numbers, sequences, references))

    def frames(self, numbers: Iterable[bytes], sequences: Iterable[int], references: Iterable[int] = ()) -> list[bytes]:
        """The same, each frame for itself."""
        if self._long:
            return self._long_frames(numbers, iter(sequences), references)
        pack, head, middle, tail = self._pieces[0]
        return [
            pack(head, sequence, middle, number, tail) for number, sequence in zip(numbers, sequences, strict=False)
        ]

    def _long_frames(
        self, numbers: Iterable[bytes], sequences: Iterator[int], references: Iterable[int]
    ) -> list[bytes]:
        return [
            pack(head, next(sequences), middle, number, tail[:4], reference, tail[5:])
            for number, reference in zip(numbers, references, strict=True)
            for pack, head, middle, tail in self._pieces
        ]


def _pieces(frame: bytes, long: bool) -> tuple[Callable[..., bytes], bytes, bytes, bytes]:
    """What stands before the Sequence_Id, between it and the number, and behind the number."""
    head, middle, tail = frame[:SEQUENCE_AT], frame[SEQUENCE_AT + 4 : NUMBER_AT], frame[NUMBER_AT + NUMBER_BYTES :]
    rest = f"4sB{len(tail) - 5}s" if long else f"{len(tail)}s"
    return struct.Struct(f">{len(head)}sI{len(middle)}s{NUMBER_BYTES}s{rest}").pack, head, middle, tail


def next_sequence(sequence: int) -> int:
    """The one after it: 1 after the largest (AMB-CMPP-12)."""
    return 1 if sequence >= SEQUENCE_MAX else sequence + 1
