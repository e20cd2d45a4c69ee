"""Many SUBMITs of one message at once: the frame is packed once; copies get Sequence_Id, number and reference.

All parts of a long message to one number are neighbours, in order, so that they leave on one connection in order
(vendors.md 6.7).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final

import msgspec

from dispatcher.cmpp.layout import NUMBER_BYTES
from dispatcher.cmpp.pdus import Submit

SEQUENCE_AT: Final = 8
SEQUENCE_MAX: Final = 0xFFFFFFFF
NUMBER_AT: Final = 129  # with one number in the list
REFERENCE_AT: Final = 3  # in the content of a part
BLOCK: Final = 64  # numbers packed at once


class SubmitTemplate:
    """One message in its parts (one, if it is short). ValueError if the PDU does not fit its table.

    `numbers_max`: to how many numbers one SUBMIT may be addressed.
    """

    def __init__(self, parts: Sequence[Submit], numbers_max: int = 1) -> None:
        self.numbers_max = numbers_max
        frames = [msgspec.structs.replace(part, dest_terminal_ids=(b"",)).pack(0) for part in parts]
        self.parts = len(frames)
        self.frame_bytes = tuple(map(len, frames))
        self._long = any(part.tp_udhi for part in parts)
        self._format = "".join(_format(frame, self._long) for frame in frames)
        self._values = [value for frame in frames for value in _values(frame, self._long)]
        self._packers: dict[int, Callable[..., bytes]] = {}
        self._of_parts = parts

    def only(self, part: int) -> SubmitTemplate:
        """One part of the message (from 0), to be sent again by itself."""
        return self if self.parts == 1 else SubmitTemplate([self._of_parts[part]])

    def pack(self, numbers: Sequence[bytes], sequences: Sequence[int], references: Sequence[int] = ()) -> bytes:
        """The frames for these numbers, one behind the other. `sequences` has one for each frame; `references` one for
        each number, and is needed for a long message alone. A number of more than 21 octets is a bug of the caller.
        """
        if len(sequences) != len(numbers) * self.parts or (self._long and len(references) != len(numbers)):
            raise ValueError("one Sequence_Id for each frame, and one reference for each number of a long message")
        if len(numbers) <= BLOCK:
            return self._block(numbers, sequences, references)
        return b"".join(
            self._block(
                numbers[at : at + BLOCK],
                sequences[at * self.parts : (at + BLOCK) * self.parts],
                references[at : at + BLOCK],
            )
            for at in range(0, len(numbers), BLOCK)
        )

    def pack_group(self, part: int, numbers: Sequence[bytes], sequence: int, reference: int = 0) -> bytes:
        """One SUBMIT of this part (from 0) to all these numbers; a long message has one reference for all of them."""
        submit = self._of_parts[part]
        content = submit.msg_content
        if self._long:
            content = content[:REFERENCE_AT] + bytes((reference,)) + content[REFERENCE_AT + 1 :]
        return msgspec.structs.replace(submit, dest_terminal_ids=tuple(numbers), msg_content=content).pack(sequence)

    def edges(self, numbers: int) -> Sequence[int]:
        """Where each frame for this many numbers begins, and where the last one ends."""
        if self.parts == 1:
            return range(0, self.frame_bytes[0] * numbers + 1, self.frame_bytes[0])
        return list(accumulate(self.frame_bytes * numbers, initial=0))

    def _block(self, numbers: Sequence[bytes], sequences: Sequence[int], references: Sequence[int]) -> bytes:
        """One call of `struct` for all of them: what differs is set at its places in the list of all values."""
        count = len(numbers)
        pack = self._packers.get(count)
        if pack is None:
            pack = self._packers[count] = struct.Struct(">" + self._format * count).pack
        values = self._values * count
        step = len(self._values)
        width = step // self.parts
        for part in range(self.parts):
            at = part * width
            values[at + 1 :: step] = sequences[part :: self.parts]
            values[at + 3 :: step] = numbers
            if self._long:
                values[at + 5 :: step] = references
        return pack(*values)


def _format(frame: bytes, long: bool) -> str:
    """What stands before the Sequence_Id, the Sequence_Id, what is between it and the number, the number, the rest."""
    middle, rest = NUMBER_AT - SEQUENCE_AT - 4, len(frame) - NUMBER_AT - NUMBER_BYTES
    return f"{SEQUENCE_AT}sI{middle}s{NUMBER_BYTES}s" + (f"4sB{rest - 5}s" if long else f"{rest}s")


def _values(frame: bytes, long: bool) -> list[bytes | int]:
    """The values of `_format`; those that differ from frame to frame are empty."""
    rest = frame[NUMBER_AT + NUMBER_BYTES :]
    fixed: list[bytes | int] = [frame[:SEQUENCE_AT], 0, frame[SEQUENCE_AT + 4 : NUMBER_AT], b""]
    return [*fixed, rest[:4], 0, rest[5:]] if long else [*fixed, rest]


def next_sequence(sequence: int) -> int:
    """The one after it: 1 after the largest (AMB-CMPP-12)."""
    return 1 if sequence >= SEQUENCE_MAX else sequence + 1
