"""What the tests of the simulated CMPP gateway share: a gateway with one account, and a small SP on a real socket."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from dispatcher.cmpp import pdus
from dispatcher.cmpp.frames import FrameReader, Malformed, read
from dispatcher.cmpp.layout import Pdu
from loadtest.sim.cmpp.server import CmppSimulator
from tests.waiting import patience

SP_ID, SECRET = b"901234", b"sim-secret"
NOW = {"report_delay": "fixed", "report_delay_min_s": 0.0}
NEVER = {"report_loss": 1.0}
SUBMIT = pdus.Submit(
    service_id=b"SVC",
    msg_src=SP_ID,
    src_id=b"1069000101",
    dest_terminal_ids=(b"13800138000",),
    msg_content=b"hello",
)
P = TypeVar("P", bound=Pdu)


def hashed(timestamp: str = "0131235959", name: bytes = SP_ID, secret: bytes = SECRET) -> bytes:
    """AuthenticatorSource."""
    return hashlib.md5(name + bytes(9) + secret + timestamp.encode()).digest()


def submit(**fields: Any) -> pdus.Submit:
    return msgspec.structs.replace(SUBMIT, **fields)


@dataclass
class Sp:
    """A small SP. It answers what is delivered with `result`, None not at all."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    result: int | None = 0
    echo: int | None = None
    got: list[tuple[int, Pdu | Malformed]] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    closed: bool = False
    reset: bool = False
    broken: Malformed | None = None
    sequence: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        """Read until the connection ends."""
        frames = FrameReader()
        try:
            while data := await self.reader.read(65536):
                self.chunks.append(data)
                for frame in frames.feed(data):
                    pdu = read(frame)
                    self.got.append((frame[1], pdu))
                    if isinstance(pdu, pdus.Deliver) and self.result is not None:
                        echo = pdu.msg_id if self.echo is None else self.echo
                        self.writer.write(pdus.DeliverResp(echo, self.result).pack(frame[1]))
                self.broken = frames.broken
                self._news.set()
        except ConnectionError:
            self.reset = True
        self.closed = True
        self._news.set()

    def send(self, *requests: Pdu, sequence: int | None = None) -> int:
        """Write requests at once; the Sequence_Id of the last."""
        octets = b""
        for request in requests:
            self.sequence = self.sequence + 1 if sequence is None else sequence
            octets += request.pack(self.sequence)
        self.writer.write(octets)
        return self.sequence

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something that came makes this true."""
        async with patience():
            while not condition():
                assert not self.closed, "the gateway has ended the connection"
                self._news.clear()
                await self._news.wait()

    async def answers(self, kind: type[P], count: int = 1) -> list[tuple[int, P]]:
        """The first `count` PDUs of a kind, with their Sequence_Ids."""
        found: list[tuple[int, P]] = []

        def enough() -> bool:
            found[:] = [(sequence, pdu) for sequence, pdu in self.got if isinstance(pdu, kind)]
            return len(found) >= count

        await self.until(enough)
        return found

    async def ask(self, request: Pdu, kind: type[P]) -> P:
        """A request and the answer to it."""
        sequence = self.send(request)
        await self.until(lambda: any(s == sequence and isinstance(pdu, kind) for s, pdu in self.got))
        return next(pdu for s, pdu in self.got if s == sequence and isinstance(pdu, kind))

    async def login(self, **fields: Any) -> pdus.ConnectResp | pdus.ConnectRespWide | Malformed:
        """CONNECT; its answer, whatever its Sequence_Id."""
        values: dict[str, Any] = {"source_addr": SP_ID, "authenticator": hashed(), "timestamp": 131235959} | fields
        self.send(pdus.Connect(**values))
        kinds = (pdus.ConnectResp, pdus.ConnectRespWide, Malformed)
        seen = len(self.got)
        await self.until(lambda: any(isinstance(pdu, kinds) for _, pdu in self.got[seen:]))
        return next(pdu for _, pdu in self.got[seen:] if isinstance(pdu, kinds))

    async def submit(self, **fields: Any) -> pdus.SubmitResp:
        return await self.ask(submit(**fields), pdus.SubmitResp)

    async def closing(self) -> None:
        """Wait until the gateway has ended the connection."""
        await self.until(lambda: self.closed)


@dataclass
class Ismg:
    """A running gateway whose account is `spring`."""

    sim: CmppSimulator
    sps: list[tuple[Sp, asyncio.Task[None]]] = field(default_factory=list)

    async def connect(self, result: int | None = 0) -> Sp:
        """A connection that has not logged in."""
        reader, writer = await asyncio.open_connection(*self.sim.address)
        sp = Sp(reader, writer, result)
        self.sps.append((sp, asyncio.create_task(sp.listen())))
        return sp

    async def sp(self, result: int | None = 0) -> Sp:
        """A connection that has."""
        sp = await self.connect(result)
        answer = await sp.login()
        assert not isinstance(answer, Malformed)
        assert answer.status == 0
        return sp

    async def account(self) -> dict[str, Any]:
        """The account's part of the ledger."""
        await asyncio.sleep(0)
        figures: dict[str, Any] = self.sim.totals()["accounts"]["spring"]
        return figures

    async def figure(self, name: str, value: Any) -> None:
        """Wait until a figure of the account is this."""
        async with patience():
            while (await self.account())[name] != value:
                await asyncio.sleep(0.002)


@asynccontextmanager
async def ismg(account: dict[str, Any] | None = None, /, **switches: Any) -> AsyncIterator[Ismg]:
    """A gateway on a free port."""
    spring = {"account": SP_ID.decode(), "pswd": SECRET.decode()} | (account or {})
    config = {"vendor": "cmpp", "listen": "127.0.0.1:0", "account": {"spring": spring}} | switches
    async with CmppSimulator(config) as sim:
        made = Ismg(sim)
        try:
            yield made
        finally:
            for sp, task in made.sps:
                sp.writer.close()
                task.cancel()
