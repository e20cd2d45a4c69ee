"""A session for a person's question: log in, ask, log out. It sends no message, and takes nothing that is delivered.

It is a connection of its own beside those of a running lane: a gateway that allows no further one refuses it (login 5).
What the gateway delivers meanwhile is not acknowledged, so it comes again on another connection.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from dispatcher.cmpp import pdus
from dispatcher.cmpp.layout import Pdu
from dispatcher.cmpp.link import Asked, Ended, Link, LoggedIn, Refused, State
from dispatcher.core.lane.answers.verdict import Verdict
from dispatcher.drivers.link.progress import not_sent, socket_words
from dispatcher.vendors.seam.link import LinkVendor
from dispatcher.wording import SHANGHAI

ANSWER_S_MAX: Final = 10.0
READ_BYTES: Final = 65_536


async def ask(vendor: LinkVendor, requests: Sequence[pdus.Query | pdus.Cancel] = ()) -> list[Pdu | None] | Verdict:
    """The answers, in order (None: none came); or why there was no session."""
    host, port = vendor.address
    try:
        async with asyncio.timeout(vendor.connect_timeout_s):
            reader, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return not_sent(f"no connection within {vendor.connect_timeout_s:g} s")
    except OSError as error:
        return not_sent(f"no connection to {host}:{port}: {socket_words(error)}")
    session = _Session(vendor, reader, writer, requests)
    try:
        return await session.run()
    except OSError:
        return session.result("the gateway closed the connection")
    finally:
        writer.close()


class _Session:
    """One session."""

    def __init__(
        self,
        vendor: LinkVendor,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        requests: Sequence[pdus.Query | pdus.Cancel],
    ) -> None:
        patience_s = min(vendor.timeout_s, ANSWER_S_MAX)
        settings = msgspec.structs.replace(vendor.settings, timeout_s=patience_s, transmissions=1)
        self._vendor = vendor
        self._link = Link(settings)
        self._reader = reader
        self._writer = writer
        self._waiting = list(enumerate(requests))
        self._answers: list[Pdu | None] = [None] * len(requests)
        self._missing = len(requests)
        self._let_in = False

    def result(self, reason: str) -> list[Pdu | None] | Verdict:
        """What there is when the session ends for this reason."""
        return self._answers if self._let_in else not_sent(reason)

    async def run(self) -> list[Pdu | None] | Verdict:
        """Until the session is over."""
        link = self._link
        link.connected(datetime.now(SHANGHAI).strftime("%m%d%H%M%S"), time.monotonic())
        while True:
            self._writer.write(link.take_output())
            for event in await self._events():
                match event:
                    case LoggedIn():
                        self._let_in = True
                    case Refused():
                        return self._vendor.login_refused(event.status)
                    case Asked():
                        self._answers[int(event.name)] = event.answer
                        self._missing -= 1
                    case Ended():
                        return self.result(event.reason)
            while self._waiting and link.room:
                place, request = self._waiting.pop(0)
                link.ask(str(place), request, time.monotonic())
            if self._let_in and not self._missing and link.state is State.OPEN:
                link.drain(time.monotonic())

    async def _events(self) -> list[object]:
        link, now_s = self._link, time.monotonic()
        wait_s = max(0.0, (link.due_s or now_s) - now_s)
        try:
            async with asyncio.timeout(wait_s):
                octets = await self._reader.read(READ_BYTES)
        except TimeoutError:
            return list(link.tick(time.monotonic()))
        if not octets:
            return list(link.lost("the gateway closed the connection"))
        return list(link.received(octets, time.monotonic()))
