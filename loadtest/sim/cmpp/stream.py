"""Bytes to frames, written afresh (vendors.md 6.3). A length that cannot be right ends the stream."""

from __future__ import annotations

from loadtest.sim.cmpp.ledger import hexed

HEAD = 12
FRAME_MAX = 4096
Frame = tuple[int, int, bytes]


class Stream:
    """What one peer sends. It holds one frame at most."""

    def __init__(self) -> None:
        self._held = bytearray()
        self.wrong = ""

    def frames(self, data: bytes) -> list[Frame]:
        """Command_Id, Sequence_Id and body of what is complete. `wrong` says why there will be no more."""
        if self.wrong:
            return []
        held = self._held
        held += data
        found: list[Frame] = []
        start = 0
        while len(held) - start >= 4:
            length = int.from_bytes(held[start : start + 4], "big")
            if length < HEAD or length > FRAME_MAX:
                self.wrong = f"Total_Length {length}, first bytes {hexed(held[start : start + HEAD])}"
                held.clear()
                return found
            if len(held) - start < length:
                break
            command = int.from_bytes(held[start + 4 : start + 8], "big")
            sequence = int.from_bytes(held[start + 8 : start + 12], "big")
            found.append((command, sequence, bytes(held[start + HEAD : start + length])))
            start += length
        del held[:start]
        return found

    @property
    def held(self) -> int:
        """Bytes of an unfinished frame."""
        return len(self._held)
