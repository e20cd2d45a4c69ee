"""A link under test and the gateway's side of it, octet for octet, without a socket."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from dispatcher.cmpp import pdus
from dispatcher.cmpp.frames import FrameReader, read
from dispatcher.cmpp.layout import Pdu
from dispatcher.cmpp.link import Event, Link, LinkSettings, LoggedIn
from dispatcher.cmpp.login import authenticator_ismg
from dispatcher.cmpp.submits import SubmitTemplate

SP_ID, SECRET, TIMESTAMP = b"901234", b"sim-secret", "0131235959"
NUMBERS = [b"%d" % number for number in range(13_800_000_000, 13_800_000_100)]
TEMPLATE = SubmitTemplate([pdus.Submit(msg_src=SP_ID, msg_content=b"hello")])
SETTINGS = LinkSettings(sp_id=SP_ID, secret=SECRET)
E = TypeVar("E")


class Wire:
    """The link, what it wrote, and its events."""

    def __init__(self, **settings: Any) -> None:
        self.link = Link(msgspec.structs.replace(SETTINGS, **settings))
        self.now_s = 0.0
        self.events: list[Event] = []
        self._reader = FrameReader()

    def written(self) -> list[tuple[int, Any]]:
        """Sequence_Id and PDU of what the link has written since the last time."""
        frames = self._reader.feed(self.link.take_output())
        return [(frame[1], read(frame)) for frame in frames]

    def connect(self) -> tuple[int, pdus.Connect]:
        self.link.connected(TIMESTAMP, self.now_s)
        [(sequence, login)] = self.written()
        return sequence, login

    def open(self) -> Wire:
        """Logged in."""
        sequence, login = self.connect()
        self.gets(pdus.ConnectResp(0, authenticator_ismg(0, login.authenticator, SECRET)).pack(sequence))
        assert self.all(LoggedIn) == [LoggedIn("spec", 0x20)]
        self.events.clear()
        return self

    def submit(self, count: int, first: int = 0, template: SubmitTemplate = TEMPLATE) -> list[int]:
        """Submit to so many numbers; the Sequence_Ids."""
        batch = self.link.prepare(template, NUMBERS[:count], first, [7] * count)
        self.link.send(batch, batch.left, self.now_s)
        return [sequence for sequence, _ in self.written()]

    def gets(self, octets: bytes) -> None:
        """The gateway sends this."""
        self.events += self.link.received(octets, self.now_s)

    def answers(self, *sequences: int, result: int = 0) -> None:
        self.gets(b"".join(pdus.SubmitResp((1 << 63) + s, result).pack(s) for s in sequences))

    def wait(self, seconds: float) -> None:
        """Time passes, and the link is told."""
        self.now_s += seconds
        self.events += self.link.tick(self.now_s)

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def sends(self, *kinds: type[Pdu]) -> list[int]:
        """What the link wrote is of these kinds; their Sequence_Ids."""
        written = self.written()
        assert [type(pdu) for _, pdu in written] == [*kinds]
        return [sequence for sequence, _ in written]
