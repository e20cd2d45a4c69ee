"""One connection of an account, on asyncio: logs in, sends its chunks, connects again after an end.

All of the protocol is in dispatcher/cmpp/link.py, and what becomes of chunks in chunk.py. This file has the socket, the
timer and the pauses. What is due is written at once: one write for all frames of one moment. No task and no future is
made for a message.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final, cast

from dispatcher.cmpp.link import (
    Answers,
    Delivered,
    Ended,
    Event,
    Link,
    LoggedIn,
    Refused,
    Reported,
    State,
    Unanswered,
)
from dispatcher.core.backoff import Backoff
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.drivers.link.chunk import ChunkSend
from dispatcher.drivers.link.progress import socket_words
from dispatcher.loggers import get_logger
from dispatcher.vendors.seam.link import LinkVendor
from dispatcher.wording import SHANGHAI

AGAIN: Final = Backoff(0.5, 60.0)
REFUSED_AGAIN_S: Final = 300.0
"""How long after a refused login the next one is tried, unless a chunk asks for it."""

REFUSED_IN_A_ROW: Final = 3
"""As many refusals for now mean that a person must look."""

STEADY_S: Final = 30.0
"""A session of this length makes the next pause short again."""

CLOSE_S_MAX: Final = 5.0
"""How long the last octets of a session may take to leave: a gateway that reads nothing must not hold up the next."""

TOKENS: Final = 1 << 48
READ_ON_BELOW: Final = 768
"""With as many unacknowledged deliveries it stops reading: with one more read (256 KiB) they are below the link's
bound.
"""

ENDED_CHUNKS_MAX: Final = 16
"""Ended chunks that late answers may still belong to."""

log = get_logger(__name__)


class Connection(asyncio.Protocol):
    """`changed` is called when it opens and when it ends; `delivered` with what the gateway delivers."""

    def __init__(
        self,
        vendor: LinkVendor,
        account: str,
        number: int,
        *,
        changed: Callable[[Verdict | None], None],
        delivered: Callable[[Connection, Delivered | Reported], None],
    ) -> None:
        self.link = Link(vendor.settings)
        self.why = "not connected yet"
        self._vendor: Final = vendor
        self._changed: Final = changed
        self._delivered: Final = delivered
        self._logger = log.bind(account=account, link=number)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over: asyncio.Future[None] | None = None
        self._wanted = asyncio.Event()
        self._chunks: list[ChunkSend] = []
        self._ended_chunks: list[ChunkSend] = []
        self._token = 0
        self._blocked = False
        self._waits_for_log = False
        self._leaving = False
        self._refusals = 0
        self._refused_for_good = False
        self._failures = 0
        self._due_s = 0.0

    # --- for the driver ---

    @property
    def is_open(self) -> bool:
        """Whether chunks may be given to it."""
        return self.link.state is State.OPEN

    @property
    def load(self) -> int:
        """Frames that it has still to send."""
        return sum(chunk.left for chunk in self._chunks) + self.link.outstanding

    def take(self, chunk: ChunkSend) -> None:
        """Send this chunk."""
        chunk.begins(self.link, self._token)
        self._token = chunk.end_token % TOKENS
        self._chunks.append(chunk)
        self._go()

    def want(self) -> None:
        """A chunk waits for a session: do not wait for the end of the long pause after a refused login."""
        if self._refused_for_good:
            self._wanted.set()

    def acknowledge(self, sequences: list[int], result: int, link: Link) -> None:
        """Answer these deliveries of `link`, if that is still the session."""
        now_s = time.monotonic()
        if link is self.link:
            link.acknowledge(sequences, result, now_s)
            if self._waits_for_log and link.unacknowledged < READ_ON_BELOW and self._transport is not None:
                self._waits_for_log = False
                self._transport.resume_reading()
            self._flush()

    def abandon(self) -> None:
        """End what is under way now: what was not answered is unknown."""
        self._happened(self.link.lost("the dispatcher stops and waits no longer"))
        self._cut()

    async def run(self) -> None:
        """Keep a session open until `leave`."""
        while not self._leaving:
            began_s = time.monotonic()
            await self._session()
            if time.monotonic() - began_s >= STEADY_S:
                self._failures = 0
            self._failures += 1
            await self._pause()

    async def leave(self) -> None:
        """End the session in good order: TERMINATE and its answer, at most T each."""
        self._leaving = True
        self._wanted.set()
        self._happened(self.link.drain(time.monotonic()))
        self._flush()
        if self._over is not None and self.link.state is not State.NEW:
            await asyncio.wait({self._over})

    # --- one session ---

    async def _session(self) -> None:
        loop = asyncio.get_running_loop()
        self.link = Link(self._vendor.settings)
        self._over = loop.create_future()
        self._wanted.clear()
        try:
            async with asyncio.timeout(self._vendor.connect_timeout_s):
                await loop.create_connection(lambda: self, *self._vendor.address)
        except (OSError, TimeoutError) as error:
            why = f"no connection within {self._vendor.connect_timeout_s:g} s"
            self.why = why if isinstance(error, TimeoutError) else socket_words(error)
            self._logger.warning("not connected", why=self.why)
            self._over = None
            self._changed(None)
            return
        try:
            await self._over
        finally:
            self._cut()
            self._over = None

    async def _pause(self) -> None:
        pause_s = AGAIN.pause_s(self._failures) * random.uniform(0.5, 1.0)
        with suppress(TimeoutError):
            async with asyncio.timeout(REFUSED_AGAIN_S if self._refused_for_good else pause_s):
                await self._wanted.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is no asyncio.Transport
        if self._leaving:
            transport.abort()
            return
        self._transport = transport
        self._blocked = self._waits_for_log = False
        self.link.connected(datetime.now(SHANGHAI).strftime("%m%d%H%M%S"), time.monotonic())
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._happened(self.link.received(data, time.monotonic()))
        if self.link.unacknowledged >= READ_ON_BELOW and self._transport is not None:
            self._waits_for_log = True
            self._transport.pause_reading()
        self._go()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        why = "the gateway closed the connection" if error is None else f"the connection broke ({error})"
        self._happened(self.link.lost(why))
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def pause_writing(self) -> None:
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        self._go()

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # --- sending ---

    def _go(self) -> None:
        """Send what may be sent, end what is over, write it all."""
        if not self._blocked:
            now_s = time.monotonic()
            for chunk in self._chunks:
                if not chunk.send(self.link, now_s, self._go):
                    break
        if self._chunks:
            ended = [chunk for chunk in self._chunks if chunk.ends_if_over()]
            if ended:
                self._chunks = [chunk for chunk in self._chunks if chunk not in ended]
                self._ended_chunks = [*self._ended_chunks, *ended][-ENDED_CHUNKS_MAX:]
        self._flush()

    def _flush(self) -> None:
        output = self.link.take_output()
        if output and self._transport is not None and not self._transport.is_closing():
            self._transport.write(output)
        if self.link.state is not State.ENDED:
            self._arm()
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.close()
            asyncio.get_running_loop().call_later(CLOSE_S_MAX, self._transport.abort)

    def _arm(self) -> None:
        """Call `_tick` when the link has something to do. If that moves away meanwhile, it is called in vain once."""
        due_s = self.link.due_s
        if due_s is None or (self._timer is not None and self._due_s <= due_s):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due_s = due_s
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due_s - time.monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        now_s = time.monotonic()
        due_s = self.link.due_s
        if due_s is not None and due_s <= now_s:
            self._happened(self.link.tick(now_s))
        self._go()

    # --- events ---

    def _happened(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Answers():
                    self._answered(event)
                case Delivered() | Reported():
                    self._delivered(self, event)
                case Unanswered():
                    for chunk, frames, _ in self._of_chunks(event.tokens):
                        chunk.unanswered(frames)
                case LoggedIn():
                    self._logged_in(event)
                case Refused():
                    self._refused(event)
                case Ended():
                    self._ended(event)

    def _answered(self, answers: Answers) -> None:
        now_s = time.monotonic()
        for chunk, frames, places in self._of_chunks(answers.tokens):
            part = answers
            if places is not None:
                ids, results = [[column[at] for at in places] for column in (answers.msg_ids, answers.results)]
                part = Answers(answers.tokens, ids, results, answers.transmissions, answers.late)
            if answers.late:
                chunk.late(part, frames)
            else:
                chunk.answered(part, frames, now_s)

    def _of_chunks(self, tokens: list[int]) -> list[tuple[ChunkSend, list[int], list[int] | None]]:
        """The chunks of these tokens with their frames, and the places among the tokens (None: all of them)."""
        least, most = min(tokens), max(tokens)
        found: list[tuple[ChunkSend, list[int], list[int] | None]] = []
        for chunk in (*self._chunks, *self._ended_chunks):
            first, end = chunk.first_token, chunk.end_token
            if first <= least and most < end:
                return [(chunk, [token - first for token in tokens], None)]
            places = [at for at, token in enumerate(tokens) if first <= token < end]
            if places:
                found.append((chunk, [tokens[at] - first for at in places], places))
        return found

    def _logged_in(self, event: LoggedIn) -> None:
        self._refusals, self._refused_for_good = 0, False
        self.why = ""
        if event.proof not in ("spec", "not looked at"):
            self._logger.warning("the gateway's proof is not the document's", proof=event.proof)
        if oddities := self._oddities():
            self._logger.warning("the login was answered oddly", **oddities)
        self._logger.info("logged in", version=f"{event.version:#04x}")
        self._changed(None)

    def _refused(self, event: Refused) -> None:
        self._refusals += 1
        self.why = event.reason
        verdict = self._vendor.login_refused(event.status)
        if verdict.kind is not Kind.AUTH and self._refusals >= REFUSED_IN_A_ROW:
            verdict = Verdict(kind=Kind.AUTH, code=verdict.code, text=f"{self._refusals} times: {verdict.text}")
        self._logger.warning("login refused", status=event.status, why=event.reason)
        self._refused_for_good = verdict.kind is Kind.AUTH
        self._changed(verdict)

    def _ended(self, event: Ended) -> None:
        why = event.reason or "the session ended"
        if event.reason and not self._leaving:
            self._logger.warning("link ended", why=why, unknown=len(event.unknown), **self._oddities())
        self.why = why
        chunks, self._chunks = self._chunks, []
        for chunk in chunks:
            chunk.broken(why)
        self._ended_chunks.clear()
        self._changed(None)

    def _oddities(self) -> dict[str, int]:
        return {name: count for name, count in self.link.counts.items() if count}
