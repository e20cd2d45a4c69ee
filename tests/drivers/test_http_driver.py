"""The HTTP driver against real servers that misbehave: the right class each time, and no request ever written twice."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, ClassVar, TypeAlias
from urllib.parse import quote_plus

import msgspec
import pytest
import structlog
import uvloop

from dispatcher.core.lane.answers.policy import POLICY
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.core.messages.text import Split
from dispatcher.drivers.http.answer import BODY_BYTES_MAX
from dispatcher.drivers.http.body import JOIN_BYTES_MAX
from dispatcher.drivers.http.driver import HttpDriver, query_balance
from dispatcher.drivers.http.sessions import FRESH_S_MIN
from dispatcher.vendors.batch.edition_a import BatchA
from dispatcher.vendors.seam.vendor import Answer, HttpVendor, Limits, Message, Request, Secret, SubmitFlow

TAKEN = b"20110725160412,0\n1234567890100"
CHUNK = b"13800138000,13800138001"

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
Act = Callable[["Peer", Writer, bytes], Awaitable[None]]


def ok(body: bytes, *headers: bytes, version: bytes = b"HTTP/1.1", status: bytes = b"200 OK") -> bytes:
    lines = [version + b" " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Peer:
    """A server that reads whole requests, remembers them, and does to each what `acts` say; the last act repeats."""

    def __init__(self, *acts: Act) -> None:
        self.acts = acts
        self.requests: list[bytes] = []
        self.connections = 0
        self.url = ""
        self.writers: list[Writer] = []
        self.carried: dict[Writer, int] = {}
        self.asked = asyncio.Event()

    async def serve(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                body = await reader.readexactly(length)
                self.requests.append(head + body)
                self.asked.set()
                act = self.acts[min(len(self.requests), len(self.acts)) - 1]
                await act(self, writer, body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def say(data: bytes) -> Act:
    async def act(peer: Peer, writer: Writer, body: bytes) -> None:
        writer.write(data)
        await writer.drain()

    return act


def say_and_close(data: bytes) -> Act:
    async def act(peer: Peer, writer: Writer, body: bytes) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    return act


def say_and_reset(data: bytes) -> Act:
    async def act(peer: Peer, writer: Writer, body: bytes) -> None:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0.05)
        _reset(writer)

    return act


def _reset(writer: Writer) -> None:
    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
    writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def silence(peer: Peer, writer: Writer, body: bytes) -> None:
    await asyncio.sleep(60)


async def drip(peer: Peer, writer: Writer, body: bytes) -> None:
    writer.write(ok(TAKEN)[: -len(TAKEN)])
    for at in range(len(TAKEN)):
        writer.write(TAKEN[at : at + 1])
        await asyncio.sleep(0.1)


@asynccontextmanager
async def running(peer: Peer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0, limit=2**21, ssl=tls)
    peer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield peer
    finally:
        server.close()
        for writer in peer.writers:
            writer.transport.abort()


def account(url: str, act: Act | None = None, **keys: Any) -> BatchA:
    """Its time-out is short only where the peer's act is one that never answers in time."""
    keys = {"timeout_s": 1.0 if act in (silence, drip) else 60.0, "connect_timeout_s": 60.0} | keys
    return BatchA(url=url, account="demo", pswd=Secret("s3cret-pw"), **keys)


@asynccontextmanager
async def driver(vendor: HttpVendor) -> AsyncIterator[HttpDriver]:
    opened = HttpDriver(vendor, "spring")

    try:
        yield opened
    finally:
        await opened.close()


PREPARED = account("http://127.0.0.1").prepare(Message(text="您好"))


async def sent(opened: HttpDriver, chunk: bytes = CHUNK, **how: Any) -> Verdict:
    return (await opened.submit(PREPARED, memoryview(chunk), 2, **how)).verdict


# --- what an answer, or its absence, means ---------------------------------------------------------------------------

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECES = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (TAKEN[:5], TAKEN[5:20], TAKEN[20:]))
UNTIL_CLOSE = b"HTTP/1.0 200 OK\r\n\r\n"
LOCATION = b"Location: /msg/elsewhere"

FAULTS = [
    # name, act, kind, code
    ("an answer",               say(ok(TAKEN)),                                           Kind.ACCEPTED,  "0"),
    ("an answer and the end",   say_and_close(ok(TAKEN)),                                 Kind.ACCEPTED,  "0"),
    ("Connection: close",       say_and_close(ok(TAKEN, b"Connection: close")),           Kind.ACCEPTED,  "0"),
    ("HTTP/1.0 with a length",  say_and_close(ok(TAKEN, version=b"HTTP/1.0")),            Kind.ACCEPTED,  "0"),
    ("HTTP/1.0 until the end",  say_and_close(UNTIL_CLOSE + TAKEN),                       Kind.ACCEPTED,  "0"),
    ("chunked",                 say(CHUNKED + PIECES + b"0\r\n\r\n"),                     Kind.ACCEPTED,  "0"),
    ("100 kB after the answer", say(ok(TAKEN + b"\n" + b" " * 100_000)),                  Kind.ACCEPTED,  "0"),
    ("a refusal",               say(ok(b"20110725160412,103")),                           Kind.THROTTLED, "103"),
    ("an HTML page",            say(ok(b"<html>")),                                       Kind.UNKNOWN,   "unreadable"),
    ("100 kB of HTML",          say(ok(b"<html>" * 17_000)),                              Kind.UNKNOWN,   "unreadable"),
    ("an empty body",           say(ok(b"")),                                             Kind.UNKNOWN,   "unreadable"),
    ("no answer, closed",       say_and_close(b""),                                       Kind.UNKNOWN,   "no answer"),
    ("no answer, reset",        say_and_reset(b""),                                       Kind.UNKNOWN,   "no answer"),
    ("half a status line",      say_and_close(b"HTTP/1.1 20"),                            Kind.UNKNOWN,   "no answer"),
    ("half the headers",        say_and_close(b"HTTP/1.1 200 OK\r\nContent-"),            Kind.UNKNOWN,   "no answer"),
    ("half the body, closed",   say_and_close(ok(TAKEN)[:-8]),                            Kind.UNKNOWN,   "no answer"),
    ("half the body, reset",    say_and_reset(ok(TAKEN)[:-8]),                            Kind.UNKNOWN,   "no answer"),
    ("half the chunks",         say_and_close(CHUNKED + PIECES[:20]),                     Kind.UNKNOWN,   "no answer"),
    ("no answer in time",       silence,                                                  Kind.UNKNOWN,   "no answer"),
    ("an answer too slow",      drip,                                                     Kind.UNKNOWN,   "no answer"),
    ("not HTTP",                say_and_close(b"220 mail ready\r\n"),                     Kind.UNKNOWN,   "no answer"),
    ("301",                     say(ok(b"", LOCATION, status=b"301 Moved Permanently")),  Kind.REJECTED,  "http 301"),
    ("302",                     say(ok(b"", LOCATION, status=b"302 Found")),              Kind.UNKNOWN,   "http 302"),
    ("303",                     say(ok(b"", LOCATION, status=b"303 See Other")),          Kind.UNKNOWN,   "http 303"),
    ("307",                     say(ok(b"", LOCATION, status=b"307 Temporary Redirect")), Kind.REJECTED,  "http 307"),
    ("202",                     say(ok(TAKEN, status=b"202 Accepted")),                   Kind.UNKNOWN,   "http 202"),
    ("400",                     say(ok(b"", status=b"400 Bad Request")),                  Kind.REJECTED,  "http 400"),
    ("404",                     say(ok(b"", status=b"404 Not Found")),                    Kind.REJECTED,  "http 404"),
    ("408",                     say(ok(b"", status=b"408 Request Timeout")),              Kind.UNKNOWN,   "http 408"),
    ("429",                     say(ok(b"", status=b"429 Too Many Requests")),            Kind.THROTTLED, "http 429"),
    ("500 saying success",      say(ok(TAKEN, status=b"500 Oh")),                         Kind.UNKNOWN,   "http 500"),
    ("502",                     say(ok(b"", status=b"502 Bad Gateway")),                  Kind.UNKNOWN,   "http 502"),
    ("503",                     say(ok(b"", status=b"503 Unavailable")),                  Kind.UNKNOWN,   "http 503"),
    ("504",                     say(ok(b"", status=b"504 Gateway Timeout")),              Kind.UNKNOWN,   "http 504"),
    ("500, its page broken",    say_and_close(ok(b"x" * 99, status=b"500 Oh")[:-9]),      Kind.UNKNOWN,   "http 500"),
]  # fmt: skip


async def judged(act: Act, kind: Kind, code: str) -> None:
    async with running(Peer(act)) as peer, driver(account(peer.url, act)) as opened:
        result = await opened.submit(PREPARED, memoryview(CHUNK), 2)
        assert (result.verdict.kind, result.verdict.code) == (kind, code)
        assert len(peer.requests) == 1
        assert result.wrote_s is not None
        assert result.answered_s is None or result.answered_s >= result.wrote_s
        assert result.answered_s is not None or code == "no answer"


@pytest.mark.parametrize(("act", "kind", "code"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
async def test_every_answer_and_every_fault_has_its_class_and_is_asked_once(act, kind, code):
    await judged(act, kind, code)


def test_they_have_the_same_class_on_uvloop():
    async def all_at_once() -> None:
        await asyncio.gather(*(judged(act, kind, code) for _, act, kind, code in FAULTS))

    uvloop.run(all_at_once())


async def test_a_request_is_the_form_with_the_slice_of_the_batch():
    async with running(Peer(say(ok(TAKEN)))) as peer, driver(account(peer.url)) as opened:
        assert (await sent(opened)).vendor_id == "1234567890100"
        head, _, body = peer.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /msg/HttpBatchSendSM HTTP/1.1\r\n")
    assert b"Content-Type: application/x-www-form-urlencoded" in head
    assert b"s3cret" not in head
    assert body == PREPARED + CHUNK


@pytest.mark.parametrize("size", [12, JOIN_BYTES_MAX, 600_000])
async def test_a_body_of_any_size_arrives_whole(size):
    chunk = (b"13800138000," * (size // 12 + 1))[:size]
    async with running(Peer(say(ok(TAKEN)))) as peer, driver(account(peer.url)) as opened:
        assert (await sent(opened, chunk)).kind is Kind.ACCEPTED
        assert peer.requests[0].partition(b"\r\n\r\n")[2] == PREPARED + chunk


async def test_a_url_with_a_path_is_kept():
    async with running(Peer(say(ok(TAKEN)))) as peer, driver(account(peer.url + "/gw/")) as opened:
        await sent(opened)
        assert peer.requests[0].startswith(b"POST /gw/msg/HttpBatchSendSM ")


# --- before the first byte -------------------------------------------------------------------------------------------


def closed_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
    return port


async def test_a_refused_connection_is_to_be_tried_again_for_nothing_was_sent():
    async with driver(account(f"http://127.0.0.1:{closed_port()}")) as opened:
        result = await opened.submit(PREPARED, memoryview(CHUNK), 2)
    assert (result.verdict.kind, result.verdict.code) == (Kind.NOT_SENT, "not connected")
    assert "refused" in result.verdict.text.lower()
    assert (result.wrote_s, result.answered_s) == (None, None)


async def test_a_host_that_is_not_known_is_to_be_tried_again():
    async with driver(account("http://no-such-host.invalid")) as opened:
        verdict = await sent(opened)
    assert (verdict.kind, verdict.code) == (Kind.NOT_SENT, "not connected")


async def test_a_connection_that_is_not_made_in_time_is_to_be_tried_again():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # a full backlog: further connections hang
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        async with driver(account(f"http://127.0.0.1:{full.getsockname()[1]}", connect_timeout_s=0.4)) as opened:
            verdict = await sent(opened)
        for filler in fillers:
            filler.close()
    assert (verdict.kind, verdict.code) == (Kind.NOT_SENT, "not connected")
    assert "no connection within" in verdict.text


async def test_tls_to_a_server_that_speaks_none_is_to_be_tried_again():
    async with (
        running(Peer(say(ok(TAKEN)))) as peer,
        driver(account(peer.url.replace("http:", "https:"), connect_timeout_s=0.4)) as opened,
    ):
        verdict = await sent(opened)
        assert (verdict.kind, verdict.code) == (Kind.NOT_SENT, "not connected")
        assert peer.requests == []


async def test_an_intent_whose_time_is_over_is_not_written():
    async with running(Peer(say(ok(TAKEN)))) as peer, driver(account(peer.url)) as opened:
        result = await opened.submit(PREPARED, memoryview(CHUNK), 2, before_write=lambda: False)
        assert result.verdict.kind is Kind.NOT_SENT
        assert (result.wrote_s, result.answered_s) == (None, None)
        assert peer.requests == []
        assert (await sent(opened, before_write=lambda: True)).kind is Kind.ACCEPTED
        assert len(peer.requests) == 1


async def test_the_question_is_asked_when_the_connection_is_there_and_before_the_first_byte():
    asked: list[tuple[int, int]] = []
    async with running(Peer(say(ok(TAKEN)))) as peer, driver(account(peer.url)) as opened:

        def before_write() -> bool:
            asked.append((len(opened._sessions.idle), len(peer.requests)))
            return True

        before_s = time.monotonic()
        result = await opened.submit(PREPARED, memoryview(CHUNK), 2, before_write=before_write)
        assert asked == [(0, 0)]
        assert result.wrote_s is not None
        assert result.answered_s is not None
        assert before_s <= result.wrote_s <= result.answered_s <= time.monotonic()


class Gate:
    """Lets a request wait until it is opened; `asked` is set when the request stands before it."""

    def __init__(self) -> None:
        self.open = False
        self.asked = asyncio.Event()
        self._opened = asyncio.Event()

    def __call__(self) -> bool | Awaitable[object]:
        self.asked.set()
        return True if self.open else self._opened.wait()

    def opens(self) -> None:
        self.open = True
        self._opened.set()


async def test_a_request_that_has_to_wait_is_written_in_its_connection_once_it_may():
    gate = Gate()
    async with running(Peer(say(ok(TAKEN)))) as peer, driver(account(peer.url)) as opened:
        sending = asyncio.create_task(sent(opened, before_write=gate))
        await gate.asked.wait()
        await asyncio.sleep(0.05)
        assert (len(peer.requests), sending.done()) == (0, False)
        gate.opens()
        assert (await sending).kind is Kind.ACCEPTED
        assert (len(peer.requests), peer.connections) == (1, 1)


async def test_the_time_for_the_answer_counts_from_the_first_byte():
    gate = Gate()
    vendor = account("", timeout_s=0.3, connect_timeout_s=0.3)
    async with running(Peer(say(ok(TAKEN)))) as peer, driver(msgspec.structs.replace(vendor, url=peer.url)) as opened:
        sending = asyncio.create_task(sent(opened, before_write=gate))
        await gate.asked.wait()
        await asyncio.sleep(0.6)
        gate.opens()
        assert (await sending).kind is Kind.ACCEPTED


@pytest.mark.parametrize("end", ["closed", "reset", "closed with a word"])
async def test_a_connection_that_the_vendor_ends_while_a_request_waits_in_it_is_replaced(end):
    gate = Gate()
    async with running(Peer(say(ok(TAKEN)))) as peer, driver(account(peer.url)) as opened:
        sending = asyncio.create_task(sent(opened, before_write=gate))
        await gate.asked.wait()
        gate.asked.clear()
        match end:
            case "reset":
                _reset(peer.writers[0])
            case "closed with a word":
                peer.writers[0].write(ok(b"", status=b"408 Request Timeout"))
                peer.writers[0].close()
            case _:
                peer.writers[0].close()
        await asyncio.wait_for(gate.asked.wait(), 20)
        gate.opens()
        assert (await sending).kind is Kind.ACCEPTED
        assert (len(peer.requests), peer.connections) == (1, 2)


async def test_nothing_is_written_of_a_request_that_is_given_up_while_it_waits():
    gate = Gate()
    async with running(Peer(say(ok(TAKEN)))) as peer, driver(account(peer.url)) as opened:
        sending = asyncio.create_task(sent(opened, before_write=gate))
        await gate.asked.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        gate.opens()
        await asyncio.sleep(0.1)
        assert peer.requests == []


# --- connections that are kept ---------------------------------------------------------------------------------------


async def test_a_kept_connection_is_used_again():
    async with running(Peer(say(ok(TAKEN)))) as peer, driver(account(peer.url)) as opened:
        for _ in range(5):
            await sent(opened)
        assert (len(peer.requests), peer.connections) == (5, 1)


async def test_a_connection_the_vendor_closed_meanwhile_costs_nothing():
    async with running(Peer(say_and_close(ok(TAKEN)))) as peer, driver(account(peer.url)) as opened:
        for number in range(1, 4):
            assert (await sent(opened)).kind is Kind.ACCEPTED
            await asyncio.sleep(0.05)
            assert (len(peer.requests), peer.connections) == (number, number)


async def replaced(how: str) -> None:
    """The vendor ends the connection while our loop is busy: nothing tells us but the socket itself."""
    async with running(Peer(say(ok(TAKEN)))) as peer, driver(account(peer.url)) as opened:
        assert (await sent(opened)).kind is Kind.ACCEPTED
        if how == "spoken into":
            os.write(peer.writers[0].transport.get_extra_info("socket").fileno(), b"HTTP/1.1 408 Timeout\r\n\r\n")
        elif how == "reset":
            _reset(peer.writers[0])
        else:
            peer.writers[0].transport.abort()
        # No await between the end above and the submit below: our transport has not heard of it.
        assert (await sent(opened)).kind is Kind.ACCEPTED
        assert (len(peer.requests), peer.connections) == (2, 2)


DEAD = ["closed", "reset", "spoken into"]


@pytest.mark.parametrize("how", DEAD)
async def test_a_connection_found_dead_right_before_the_write_is_replaced_and_nothing_is_written_into_it(how):
    await replaced(how)


@pytest.mark.parametrize("how", DEAD)
def test_it_is_found_dead_on_uvloop_too(how):
    uvloop.run(replaced(how))


async def test_a_vendor_that_closes_each_connection_at_once_is_to_be_tried_later():
    connections = 0

    async def hang_up(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with driver(account(url)) as opened:
        verdict = await sent(opened)
    server.close()
    # The end may be seen before the write (safe) or after it (unknown); never as taken, never endlessly.
    assert verdict.kind in (Kind.NOT_SENT, Kind.UNKNOWN)
    assert connections <= 3


def _ended(writer: Writer) -> None:
    writer.transport.abort()


def say_and_close_without_a_word(answers: int, end: Callable[[Writer], None] = _ended) -> Act:
    """Each connection carries so many answers; the request after them finds nobody."""

    async def act(peer: Peer, writer: Writer, body: bytes) -> None:
        carried = peer.carried.get(writer, 0)
        if carried == answers:
            end(writer)
            return
        peer.carried[writer] = carried + 1
        writer.write(ok(TAKEN))
        await writer.drain()

    return act


@pytest.mark.parametrize("end", [_ended, _reset])
async def test_once_a_kept_connection_was_closed_with_a_request_in_it_each_request_gets_its_own(end):
    async with running(Peer(say_and_close_without_a_word(3, end))) as peer, driver(account(peer.url)) as opened:
        kinds = [(await sent(opened)).kind for _ in range(10)]
        assert kinds == [Kind.ACCEPTED] * 3 + [Kind.UNKNOWN] + [Kind.ACCEPTED] * 6
        assert (len(peer.requests), peer.connections) == (10, 7)
        heads = [request.partition(b"\r\n\r\n")[0].lower() for request in peer.requests]
        assert [b"connection: close" in head for head in heads] == [False] * 4 + [True] * 6


async def test_connections_are_kept_again_after_a_pause_that_doubles_if_it_recurs(monkeypatch):
    now_s = 0.0
    monkeypatch.setattr("dispatcher.drivers.http.sessions.time", SimpleNamespace(monotonic=lambda: now_s))
    async with running(Peer(say_and_close_without_a_word(1))) as peer, driver(account(peer.url)) as opened:
        assert [(await sent(opened)).kind for _ in range(3)] == [Kind.ACCEPTED, Kind.UNKNOWN, Kind.ACCEPTED]
        now_s += FRESH_S_MIN
        assert [(await sent(opened)).kind for _ in range(3)] == [Kind.ACCEPTED, Kind.UNKNOWN, Kind.ACCEPTED]
        assert opened._sessions._fresh_s == 2 * FRESH_S_MIN


@pytest.mark.parametrize("act", [say_and_close(b""), say_and_reset(b""), silence], ids=["closed", "reset", "silent"])
async def test_a_new_connection_that_breaks_says_nothing_about_kept_ones(act):
    async with running(Peer(act, say(ok(TAKEN)))) as peer, driver(account(peer.url, act)) as opened:
        assert (await sent(opened)).kind is Kind.UNKNOWN
        for _ in range(3):
            assert (await sent(opened)).kind is Kind.ACCEPTED
        assert peer.connections == 2


async def test_an_idle_connection_is_not_used_beyond_keepalive_s():
    async with running(Peer(say(ok(TAKEN)))) as peer, driver(account(peer.url, keepalive_s=0.1)) as opened:
        await sent(opened)
        await asyncio.sleep(0.3)
        await sent(opened)
        assert peer.connections == 2


async def test_many_submits_at_once_each_arrive_once():
    async with running(Peer(say(ok(TAKEN)))) as peer, driver(account(peer.url)) as opened:
        chunks = [b"138001%05d" % number for number in range(200)]
        verdicts = await asyncio.gather(*(sent(opened, chunk) for chunk in chunks))
        assert {verdict.kind for verdict in verdicts} == {Kind.ACCEPTED}
        assert sorted(request.rpartition(b"=")[2] for request in peer.requests) == chunks


async def test_a_cancelled_submit_is_cancelled_and_the_next_one_works():
    async with running(Peer(silence, say(ok(TAKEN)))) as peer, driver(account(peer.url)) as opened:
        task = asyncio.create_task(sent(opened))
        await peer.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await sent(opened)).kind is Kind.ACCEPTED
        assert len(peer.requests) == 2


# --- other flows -----------------------------------------------------------------------------------------------------


class Scripted(HttpVendor, frozen=True, kw_only=True, tag="scripted"):
    """A vendor whose flow is given: requests to make, in order; the verdict is the last answer's body."""

    requests: tuple[Request, ...] = ()
    bodies: ClassVar[list[Answer]] = []

    @property
    def limits(self) -> Limits:
        return Limits(numbers_max=1, text_chars_max=1)

    @property
    def split(self) -> Split:
        return Split()

    def submit(self, prepared: bytes, chunk: memoryview, count: int) -> SubmitFlow:
        answer = Answer(b"")
        for request in self.requests:
            answer = yield request
            Scripted.bodies.append(answer)
        return Verdict(kind=Kind.ACCEPTED, code=answer.body.decode("ascii"))


async def test_a_get_that_submits_is_not_repeated_by_the_client_library():
    get = Request(path="/send", method="GET", submits=True)
    async with (
        running(Peer(say(ok(b"1")), say_and_close(b""), say(ok(b"3")))) as peer,
        driver(Scripted(url=peer.url, requests=(get,))) as opened,
    ):
        assert (await sent(opened)).code == "1"
        assert (await sent(opened)).kind is Kind.UNKNOWN
        assert len(peer.requests) == 2


LOGIN = Request(path="/login")
SUBMIT = Request(path="/send", submits=True, same_connection=True)


async def test_a_flow_of_two_requests_travels_on_one_connection():
    async with (
        running(Peer(say(ok(b"token")), say(ok(b"done")))) as peer,
        driver(Scripted(url=peer.url, requests=(LOGIN, SUBMIT))) as opened,
    ):
        assert (await sent(opened)).code == "done"
        assert (len(peer.requests), peer.connections) == (2, 1)


async def test_a_flow_with_a_lost_connection_is_not_continued_on_another():
    async with (
        running(Peer(say_and_close(ok(b"token", b"Connection: close")))) as peer,
        driver(Scripted(url=peer.url, requests=(LOGIN, SUBMIT))) as opened,
    ):
        verdict = await sent(opened)
        assert (verdict.kind, verdict.code) == (Kind.NOT_SENT, "not connected")
        assert len(peer.requests) == 1


LOGINS = [
    ("closed without an answer", say_and_close(b""), Kind.NOT_SENT, "not connected"),
    ("500", say(ok(b"", status=b"500 Oh")), Kind.NOT_SENT, "not connected"),
    ("429", say(ok(b"", status=b"429 Slower")), Kind.THROTTLED, "http 429"),
    ("403", say(ok(b"", status=b"403 Forbidden")), Kind.AUTH, "http 403"),
]


@pytest.mark.parametrize(("act", "kind", "code"), [row[1:] for row in LOGINS], ids=[row[0] for row in LOGINS])
async def test_a_login_that_fails_keeps_the_messages_for_none_went_out(act, kind, code):
    async with (
        running(Peer(act)) as peer,
        driver(Scripted(url=peer.url, requests=(LOGIN, SUBMIT))) as opened,
    ):
        verdict = await sent(opened)
        assert (verdict.kind, verdict.code, POLICY[verdict.kind].effect) == (kind, code, "queued")
        assert len(peer.requests) == 1


async def test_a_mistake_in_a_vendors_code_after_the_write_is_unknown_not_an_exception():
    async with (
        running(Peer(say(ok(b"\xff")))) as peer,
        driver(Scripted(url=peer.url, requests=(Request(path="/send", submits=True),))) as opened,
    ):
        assert (await sent(opened)).kind is Kind.UNKNOWN
        assert len(peer.requests) == 1


async def test_of_an_endless_answer_a_bounded_part_is_read():
    Scripted.bodies.clear()
    async with (
        running(Peer(say(ok(b"x" * 1_000_000)))) as peer,
        driver(Scripted(url=peer.url, requests=(Request(path="/send", submits=True),))) as opened,
    ):
        await sent(opened)
    assert [(len(answer.body), answer.cut) for answer in Scripted.bodies] == [(BODY_BYTES_MAX, True)]


class WithCookies(Scripted, frozen=True, kw_only=True, tag="with-cookies"):
    """The same for a vendor whose login may be a cookie."""

    cookies: ClassVar[bool] = True


COOKIE = b"Set-Cookie: session=1; path=/"


async def test_a_flow_carries_the_cookie_that_its_login_set_and_the_next_flow_does_not():
    async with (
        running(Peer(say(ok(b"token", COOKIE)), say(ok(b"done")), say(ok(b"token")), say(ok(b"done")))) as peer,
        driver(WithCookies(url=peer.url, requests=(LOGIN, SUBMIT))) as opened,
    ):
        await sent(opened)
        await sent(opened)
        assert [b"session=1" in request for request in peer.requests] == [False, True, False, False]
        assert peer.connections == 1


async def test_a_vendor_without_cookies_gets_none():
    async with (
        running(Peer(say(ok(b"token", COOKIE)), say(ok(b"done")))) as peer,
        driver(Scripted(url=peer.url, requests=(LOGIN, SUBMIT))) as opened,
    ):
        await sent(opened)
        assert b"session=1" not in peer.requests[1]


CLOSERS = [
    ("it says close", say_and_close(ok(b"token", COOKIE, b"Connection: close"))),
    ("it speaks HTTP/1.0", say_and_close(ok(b"token", COOKIE, version=b"HTTP/1.0"))),
]


@pytest.mark.parametrize("act", [row[1] for row in CLOSERS], ids=[row[0] for row in CLOSERS])
async def test_where_the_vendor_announced_that_it_closes_the_cookie_goes_on_alone(act):
    async with (
        running(Peer(act, say(ok(b"done")))) as peer,
        driver(WithCookies(url=peer.url, requests=(LOGIN, SUBMIT))) as opened,
    ):
        assert (await sent(opened)).code == "done"
        assert (peer.connections, b"session=1" in peer.requests[1]) == (2, True)


async def test_where_the_connection_is_gone_without_a_word_nothing_is_sent():
    async with (
        running(Peer(say_and_close(ok(b"token", COOKIE)), say(ok(b"done")))) as peer,
        driver(WithCookies(url=peer.url, requests=(LOGIN, SUBMIT))) as opened,
    ):
        assert (await sent(opened)).kind is Kind.NOT_SENT
        assert len(peer.requests) == 1


async def test_a_kept_http_1_0_connection_is_one_connection():
    token = ok(b"token", b"Connection: keep-alive", version=b"HTTP/1.0")
    async with (
        running(Peer(say(token), say(ok(b"done")))) as peer,
        driver(WithCookies(url=peer.url, requests=(LOGIN, SUBMIT))) as opened,
    ):
        assert (await sent(opened)).code == "done"
        assert peer.connections == 1


FETCH = Request(path="/login", or_path="/login/", method="GET")
WRONG_PATHS = [b"404 Not Found", b"405 No", b"301 Moved\r\nLocation: /login/"]


@pytest.mark.parametrize("status", WRONG_PATHS)
async def test_the_other_spelling_of_a_path_is_asked_and_remembered(status):
    wrong, right, done = say(ok(b"", status=status)), say(ok(b"token")), say(ok(b"done"))
    async with (
        running(Peer(wrong, right, done, right, done)) as peer,
        driver(Scripted(url=peer.url, requests=(FETCH, SUBMIT))) as opened,
    ):
        assert (await sent(opened)).code == "done"
        assert (await sent(opened)).code == "done"
        assert [request.split()[1] for request in peer.requests] == [
            b"/login", b"/login/", b"/send", b"/login/", b"/send",
        ]  # fmt: skip


async def test_where_neither_spelling_is_there_the_account_stops_and_keeps_its_messages():
    async with (
        running(Peer(say(ok(b"", status=b"404 Not Found")))) as peer,
        driver(Scripted(url=peer.url, requests=(FETCH, SUBMIT))) as opened,
    ):
        assert (await sent(opened)).kind is Kind.AUTH
        assert [request.split()[1] for request in peer.requests] == [b"/login", b"/login/"]


async def test_what_submits_is_never_asked_under_another_spelling():
    submit = Request(path="/send", or_path="/send/", submits=True)
    async with (
        running(Peer(say(ok(b"", status=b"404 Not Found")))) as peer,
        driver(Scripted(url=peer.url, requests=(submit,))) as opened,
    ):
        assert (await sent(opened)).kind is Kind.REJECTED
        assert len(peer.requests) == 1


async def test_an_empty_get_is_written_once_and_answered():
    async with (
        running(Peer(say(ok(b"112233")))) as peer,
        driver(Scripted(url=peer.url, requests=(Request(path="/login", method="GET"),))) as opened,
    ):
        assert (await sent(opened)).code == "112233"
        assert peer.requests[0].startswith(b"GET /login HTTP/1.1\r\n")


async def test_a_page_may_be_as_long_as_its_request_allows():
    Scripted.bodies.clear()
    page = Request(path="/page", answer_bytes_max=200_000)
    async with (
        running(Peer(say(ok(b"1" * 150_000)), say(ok(b"1" * 250_000)))) as peer,
        driver(Scripted(url=peer.url, requests=(page, page))) as opened,
    ):
        await sent(opened)
    assert [(len(answer.body), answer.cut) for answer in Scripted.bodies] == [(150_000, False), (200_000, True)]


@pytest.mark.parametrize("act", [say_and_close, say_and_reset], ids=["closed", "reset"])
async def test_of_a_page_that_breaks_off_the_rows_that_came_are_read_if_they_are_rows(act):
    broken = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n100\r\n1,0"
    for rows in (True, False):
        Scripted.bodies.clear()
        async with (
            running(Peer(act(broken))) as peer,
            driver(Scripted(url=peer.url, requests=(Request(path="/page", rows=rows),))) as opened,
        ):
            verdict = await sent(opened)
        assert [(answer.body, answer.cut) for answer in Scripted.bodies] == ([(b"100\r\n1,0", True)] if rows else [])
        assert verdict.kind is (Kind.ACCEPTED if rows else Kind.NOT_SENT)


# --- balance ---------------------------------------------------------------------------------------------------------

BALANCES = [
    ("an answer", say(ok(b"20130303180000,0\n1234567,1000")), 1000.0, None),
    ("too fast", say(ok(b"20130303180000,103")), None, Kind.THROTTLED),
    ("500", say(ok(b"", status=b"500 Oh")), None, Kind.RETRY_LATER),
    ("404", say(ok(b"", status=b"404 Not Found")), None, Kind.REJECTED),
    ("closed", say_and_close(b""), None, Kind.RETRY_LATER),
    ("silence", silence, None, Kind.RETRY_LATER),
]


@pytest.mark.parametrize(("act", "messages", "kind"), [row[1:] for row in BALANCES], ids=[row[0] for row in BALANCES])
async def test_a_balance_query_returns_what_was_said_or_why_not_and_asks_once(act, messages, kind):
    async with running(Peer(act)) as peer:
        balance = await query_balance(account(peer.url, act), "spring")
        assert balance is not None
        assert balance.messages == messages
        assert (balance.verdict.kind if balance.verdict else None) is kind
        assert len(peer.requests) == 1


async def test_a_balance_query_that_may_not_leave_any_more_does_not():
    async with running(Peer(say(ok(b"20130303180000,0\n1234567,1000")))) as peer:
        balance = await query_balance(account(peer.url), "spring", before_write=lambda: False)
        assert balance is not None
        assert balance.verdict is not None
        assert balance.verdict.kind is Kind.NOT_SENT
        assert len(peer.requests) == 0


async def test_a_vendor_without_a_balance_query_has_none():
    assert await query_balance(Scripted(url="http://127.0.0.1"), "spring") is None


# --- secrets ---------------------------------------------------------------------------------------------------------


async def test_no_verdict_and_no_log_line_holds_the_password_or_a_number():
    echo = ok(PREPARED + CHUNK, status=b"500 Internal Server Error")
    with structlog.testing.capture_logs() as lines:
        for act in (say(echo), say(ok(PREPARED)), say_and_close(b""), silence):
            async with running(Peer(act)) as peer, driver(account(peer.url, act)) as opened:
                verdict = await sent(opened)
                assert "s3cret-pw" not in repr(verdict)
        async with driver(account(f"http://127.0.0.1:{closed_port()}")) as opened:
            assert "s3cret-pw" not in repr(await sent(opened))
    assert "s3cret-pw" not in repr(lines)
    assert "13800138000" not in repr(lines)
    assert "s3cret-pw" not in repr(msgspec.structs.asdict(account("http://127.0.0.1")))


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found", b"500 Internal Server Error"])
@pytest.mark.parametrize("before", [0, 100, 185, 190, 300])
async def test_no_verdict_repeats_a_password_that_an_error_page_shows_as_it_was_escaped(before: int, status: bytes):
    awkward = Secret("s3cr+t%&=\u6c49")
    escaped = quote_plus(awkward, encoding="gbk").encode() + b" " + json.dumps(awkward).encode()
    page = ok(b"x" * before + b"pswd=" + escaped, status=status)
    async with running(Peer(say(page))) as peer:
        vendor = msgspec.structs.replace(account(peer.url), pswd=awkward)
        async with driver(vendor) as opened:
            assert "s3cr" not in (await sent(opened)).text
