"""A chunk on its way to the vendor: proposed to the log, read back, handed to the driver, written. Values only."""

from __future__ import annotations

from typing import Final

import msgspec

from dispatcher.core.lane.account_states import AccountEvent
from dispatcher.core.lane.state import Chunk
from dispatcher.core.lane.work import Piece
from dispatcher.core.messages.personal import ChunkTexts

UNWRITTEN_TOLD: Final = 10


class Proposal(msgspec.Struct):
    """An intent that was given to the log and not read back yet.

    `count`: how many recipients its request has; `parts`: the messages that they are billed as.
    `doubted_s`: when the log failed without saying whether it wrote it. `expires_ms`: when the first message of a
    stream in it is over.
    """

    n: int
    piece: Piece
    count: int
    parts: int
    numbers: memoryview
    texts: ChunkTexts | None
    asked_s: float
    ttl_s: float
    doubted_s: float | None = None
    cost: int = 0
    expires_ms: int | None = None
    urgent: bool = False


class Ready(msgspec.Struct):
    """An intent read back as valid (at `read_s`), not yet handed to the driver. `variant`: the index of its text."""

    chunk: Chunk
    parts: int
    numbers: memoryview
    texts: ChunkTexts | None
    asked_s: float
    ttl_s: float
    read_s: float
    urgent: bool
    variant: int = 0
    expires_ms: int | None = None

    @property
    def deadline_s(self) -> float:
        """The end of its time to live."""
        return self.asked_s + self.ttl_s


class Sending(msgspec.Struct):
    """A chunk handed to the driver at `handed_s`.

    `units`: what it still takes of the flow limit. `stands_s`: since when its request is built and connected (the
    gate); `waits_for`: the units that it waits for there now. `written`: the first byte of its last unit may have gone
    out, with `ticket` for its last place in the flow limit; `granted`: the messages that a link may write of it.
    `refused`: why the rest may not be written any more. `trial`: it finds out whether the account may send again.
    `started`: the link asks for the rest of a recipient whose first message is out; `confirmed_s`: when the newest
    intent that was read back as valid was asked for. `heard`: what its answers meant for the account before it ended.
    """

    chunk: Chunk
    parts: int
    units: int
    texts: ChunkTexts | None
    asked_s: float
    ttl_s: float
    handed_s: float
    urgent: bool
    trial: bool = False
    stands_s: float | None = None
    waits_for: int = 0
    written: bool = False
    granted: int = 0
    ticket: int = 0
    refused: str = ""
    started: bool = False
    confirmed_s: float = 0.0
    expires_ms: int | None = None
    heard: tuple[AccountEvent, ...] = ()

    @property
    def deadline_s(self) -> float:
        """The end of the time in which it may be written, before any next owner sends."""
        return (max(self.asked_s, self.confirmed_s) if self.started else self.asked_s) + self.ttl_s

    def parts_of(self, start: int, count: int) -> int:
        """The messages that `count` recipients of its request from number `start` on are billed as."""
        if self.texts is None:
            return self.parts * count // self.chunk.asked
        return self.texts.parts(start, count)


class Unwritten(msgspec.Struct):
    """A chunk that came back `tries` times in a row without a byte written; `why` it did the last time."""

    campaign: str
    recipients: int
    tries: int
    why: str

    @property
    def told(self) -> bool:
        """Whether it was tried often enough for people to know."""
        return self.tries >= UNWRITTEN_TOLD

    def sentence(self) -> str:
        """A sentence for people, without its full stop."""
        return f"a chunk of {self.campaign} was tried {self.tries} times without a byte written: {self.why}"
