"""The push server over real sockets: answers in order, everything bounded, nobody left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.webhooks.connection import PIPELINED_MAX
from producers.webhooks.http_server import PushServer
from producers.webhooks.reader import Bounds
from producers.webhooks.request import Answer, Request

GET = b"GET /a HTTP/1.1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


def ok(body: bytes = b"ok", last: bool = False) -> Answer:
    return Answer(200, body, "text/plain", last=last)


class Keeper:
    """A handler that keeps requests until they are told to be answered; `/at-once…` needs no body for that."""

    def __init__(self) -> None:
        self.kept: list[Request] = []
        self.told: list[str] = []
        self.keeps = False
        self.dawdles = False

    def begun(self, request: Request) -> None:
        self.told.append("begun")
        if request.path.startswith(b"/at-once"):
            request.answer(ok(request.path, last=request.path.endswith(b"last")))

    def whole(self, request: Request) -> None:
        self.told.append("whole")
        if self.keeps:
            self.kept.append(request)
        elif self.dawdles and len(self.told) % 3:
            asyncio.get_running_loop().call_later(0.003 * (len(self.told) % 3), request.answer, ok())
        else:
            request.answer(ok(request.query or request.body or b"ok"))

    def broken(self, request: Request) -> None:
        self.told.append("broken")

    def too_large(self, request: Request) -> None:
        self.told.append("too large")

    def malformed(self) -> None:
        self.told.append("malformed")


class Client:
    """A raw connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def gets(self, data: bytes) -> None:
        """What comes next is this."""
        async with asyncio.timeout(20):
            assert await self.reader.readexactly(len(data)) == data

    async def head(self) -> bytes:
        async with asyncio.timeout(20):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def rest(self) -> bytes:
        """What comes until the server closes."""
        async with asyncio.timeout(20):
            return await self.reader.read()


@asynccontextmanager
async def serving(**bounds: Any) -> AsyncIterator[tuple[Keeper, PushServer, Callable[[], Coroutine[Any, Any, Client]]]]:
    handler = Keeper()
    server = PushServer(handler, Bounds(**{"linger_s": 0.5} | bounds), sweep_s=0.01)
    port = await server.listen("127.0.0.1", 0)
    clients: list[Client] = []

    async def client() -> Client:
        clients.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
        return clients[-1]

    yield handler, server, client
    await server.close(shutdown_s=1)
    for each in clients:
        each.writer.close()
    await until(lambda: not server.connections)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


# --- answers ----------------------------------------------------------------------------------------------------------


async def test_answers_come_in_the_order_of_their_requests_whenever_they_are_given():
    async with serving() as (handler, _, client):
        handler.keeps = True
        vendor = await client()
        vendor.send(
            b"".join(b"GET /a?%d HTTP/1.1\r\n\r\n" % number for number in range(6)) + b"GET /at-once HTTP/1.1\r\n\r\n"
        )
        await until(lambda: len(handler.kept) == 6)
        for number in (3, 1, 0, 5, 4, 2):
            handler.kept[number].answer(ok(b"%d" % number))
        for number in range(6):
            await vendor.gets(OK.replace(b"2\r\n\r\nok", b"1\r\n\r\n%d" % number))
        await vendor.gets(OK.replace(b"2\r\n\r\nok", b"8\r\n\r\n/at-once"))


CONNECTIONS = [
    # the request, the Connection header of its answer, whether it stays open
    (b"GET /a HTTP/1.1\r\n\r\n", None, True),
    (b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n", b"close", False),
    (b"GET /a HTTP/1.0\r\n\r\n", b"close", False),
    (b"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", b"keep-alive", True),
    (b"GET /at-once HTTP/1.0\r\n\r\n", b"close", False),
    (b"POST /at-once HTTP/1.1\r\nConnection: close\r\nContent-Length: 9\r\n\r\nbody", b"close", False),
    (b"POST /at-once-and-last HTTP/1.1\r\nContent-Length: 9\r\n\r\nbody", b"close", False),
    (b"POST /at-once HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", None, True),
    (b"POST /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nok", None, True),
    (b"CONNECT h:1 HTTP/1.1\r\n\r\n", b"close", False),
]


@pytest.mark.parametrize(("sent", "connection", "stays"), CONNECTIONS)
async def test_the_connection_stays_or_ends_as_both_sides_say(sent, connection, stays):
    async with serving() as (_, server, client):
        vendor = await client()
        vendor.send(sent)
        head = await vendor.head()
        said = [line[12:] for line in head.split(b"\r\n") if line.startswith(b"Connection: ")]
        assert said == ([connection] if connection else [])
        length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
        await vendor.gets(b"/at-once-and-last"[:length] if b"at-once" in sent else b"ok")
        if stays:
            vendor.send(GET)
            await vendor.gets(OK)
        else:
            assert await vendor.rest() == b""
            vendor.writer.close()
            await until(lambda: not server.connections)


async def test_a_head_alone_is_answered_to_a_head_request():
    async with serving() as (_, _, client):
        vendor = await client()
        vendor.send(b"HEAD /a HTTP/1.1\r\n\r\n" + GET)
        assert b"Content-Length: 2\r\n" in await vendor.head()
        await vendor.gets(OK)


async def test_only_the_first_answer_counts():
    async with serving() as (handler, _, client):
        handler.keeps = True
        vendor = await client()
        vendor.send(GET)
        await until(lambda: len(handler.kept) == 1)
        handler.kept[0].answer(ok())
        handler.kept[0].answer(ok(b"another"))
        handler.keeps = False
        vendor.send(GET)
        await vendor.gets(OK + OK)


ASKS = b"POST /a HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_who_asks_before_the_body_is_told_to_go_on_when_it_is_his_turn():
    async with serving() as (handler, _, client):
        vendor = await client()
        vendor.send(ASKS)
        await vendor.gets(GO_ON)
        handler.keeps = True
        vendor.send(b"ok" + GET + ASKS)
        await until(lambda: handler.told.count("begun") == 3)
        handler.kept[0].answer(ok())
        await vendor.gets(OK)
        handler.kept[1].answer(ok())
        await vendor.gets(OK + GO_ON)
        vendor.send(b"ok")
        await until(lambda: len(handler.kept) == 3)
        handler.kept[2].answer(ok())
        await vendor.gets(OK)


@pytest.mark.parametrize("path", [b"/at-once", b"/a"])
async def test_who_asks_before_a_body_that_nobody_wants_is_answered_and_the_connection_closed(path):
    async with serving(body_bytes_max=1) as (_, _, client):
        vendor = await client()
        vendor.send(ASKS.replace(b"/a", path))
        answer = await vendor.rest()
        assert answer.startswith(b"HTTP/1.1 200" if path == b"/at-once" else b"HTTP/1.1 413")
        assert b"Connection: close\r\n" in answer


# --- bounds -----------------------------------------------------------------------------------------------------------


async def test_while_too_many_requests_are_unanswered_nothing_more_is_read():
    async with serving() as (handler, _, client):
        handler.keeps = True
        vendor = await client()
        request = b"GET /a?%s HTTP/1.1\r\n\r\n" % (b"x" * 10_000)
        total = 4_000
        sending = asyncio.create_task(_send_all(vendor, request, total))
        await until(lambda: len(handler.kept) >= PIPELINED_MAX)
        await asyncio.sleep(0.1)
        assert len(handler.kept) < PIPELINED_MAX + 262_144 // len(request) + 1
        assert not sending.done()
        handler.keeps = False
        for kept in handler.kept:
            kept.answer(ok(kept.query))
        for _ in range(total):
            assert b" 200 " in await vendor.head()
            await vendor.gets(b"x" * 10_000)
        await sending


async def _send_all(vendor: Client, request: bytes, count: int) -> None:
    for _ in range(count):
        vendor.send(request)
        await vendor.writer.drain()


async def test_who_does_not_read_the_answers_is_not_read_from_and_then_cut_off():
    async with serving(write_s=0.2) as (handler, server, client):
        vendor = await client()
        sending = asyncio.create_task(_send_all(vendor, b"GET /a?%s HTTP/1.1\r\n\r\n" % (b"x" * 10_000), 10_000))
        await until(lambda: len(server.connections) == 1)
        await until(lambda: not server.connections)
        assert handler.told.count("whole") < 10_000
        sending.cancel()


TOO_LARGE = [
    b"POST /a HTTP/1.1\r\nContent-Length: 4000000\r\n\r\n" + b"x" * 4_000_000,
    b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1000\r\n%s\r\n" % (b"x" * 4_096) * 1_000,
]


@pytest.mark.parametrize("sent", TOO_LARGE, ids=["a length", "chunks"])
async def test_who_sends_too_much_hears_it_even_while_still_sending(sent):
    async with serving(body_bytes_max=100_000, linger_s=20) as (handler, _, client):
        vendor = await client()
        vendor.send(GET + sent)
        await vendor.gets(OK)
        answer = await vendor.rest()
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"Connection: close\r\n" in answer
        assert handler.told == ["begun", "whole", "begun", "too large"]


async def test_a_body_that_nobody_wants_is_thrown_away_but_not_for_ever():
    async with serving(body_bytes_max=100_000, linger_s=20) as (handler, _, client):
        vendor = await client()
        vendor.send(
            b"POST /at-once HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1000\r\n%s\r\n" % (b"x" * 4_096) * 1_000
        )
        assert (await vendor.rest()).endswith(b"/at-once")
        assert handler.told == ["begun"]


SLOW = [
    # what comes before nothing comes, the answer's status, what the handler is told
    (b"", None, []),
    (b"\r\n", None, []),
    (b"G", 408, ["malformed"]),
    (b"GET /a HTTP/1.1\r\nA: b\r\n", 408, ["malformed"]),
    (b"POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nbody", 408, ["begun", "broken"]),
    (b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nbody", 408, ["begun", "broken"]),
    (GET, 200, ["begun", "whole"]),
]


@pytest.mark.parametrize(("sent", "status", "told"), SLOW)
async def test_who_is_idle_or_slow_for_too_long_is_cut_off(sent, status, told):
    async with serving(idle_s=0.1, request_s=0.1) as (handler, _, client):
        vendor = await client()
        vendor.send(sent)
        answer = await vendor.rest()
        assert (int(answer.split()[1]) if answer else None) == status
        assert handler.told == told


@pytest.mark.parametrize("sent", [b"x", b"GET / HTTP/1.1\r\n", b"POST /a HTTP/1.1\r\nContent-Length: 99999\r\n\r\n"])
async def test_who_sends_a_byte_now_and_then_is_cut_off_too(sent):
    async with serving(request_s=0.2) as (_, server, client):
        vendor = await client()
        vendor.send(sent)

        async def trickle() -> None:
            while True:
                vendor.send(b"a")
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        await until(lambda: not server.connections)
        trickling.cancel()


async def test_who_waits_for_a_slow_answer_is_not_cut_off():
    async with serving(idle_s=0.05, request_s=0.05, linger_s=0.05, write_s=0.05) as (handler, _, client):
        handler.keeps = True
        vendor = await client()
        vendor.send(GET)
        await asyncio.sleep(0.5)
        handler.kept[0].answer(ok())
        await vendor.gets(OK)


async def test_who_does_not_close_after_the_last_answer_is_closed_on():
    async with serving(linger_s=0.1) as (_, server, client):
        vendor = await client()
        vendor.send(b"GET /a HTTP/1.0\r\n\r\n")
        await until(lambda: len(server.connections) == 1)
        await until(lambda: not server.connections)


# --- broken off -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"GET /a HTT", ["malformed"]),
        (b"POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nbody", ["begun", "broken"]),
        (b"POST /at-once HTTP/1.1\r\nContent-Length: 9\r\n\r\nbody", ["begun"]),
        (GET + b"POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nbody", ["begun", "whole", "begun", "broken"]),
    ],
)
@pytest.mark.parametrize("how", ["half", "close", "reset"])
async def test_a_request_whose_rest_never_comes_is_told_of_once(sent, told, how):
    async with serving() as (handler, server, client):
        vendor = await client()
        vendor.send(sent)
        await until(lambda: handler.told == [word for word in told if word not in ("malformed", "broken")])
        if how == "half":
            vendor.writer.write_eof()
            await vendor.rest()
        elif how == "close":
            vendor.writer.close()
        else:
            vendor.writer.transport.abort()
        await until(lambda: not server.connections)
        assert handler.told == told or (how == "reset" and handler.told == told[:-1] and told[-1] == "malformed")


async def test_who_says_no_more_after_the_request_is_answered_all_the_same():
    async with serving() as (handler, _, client):
        handler.keeps = True
        vendor = await client()
        vendor.send(GET + GET)
        vendor.writer.write_eof()
        await until(lambda: len(handler.kept) == 2)
        await asyncio.sleep(0.05)
        for kept in handler.kept:
            kept.answer(ok())
        answer = await vendor.rest()
        assert answer.startswith(OK)
        assert answer.count(b"HTTP/1.1 200 OK") == 2


async def test_an_answer_for_somebody_who_has_gone_goes_nowhere():
    async with serving() as (handler, server, client):
        handler.keeps = True
        vendor = await client()
        vendor.send(GET + GET)
        await until(lambda: len(handler.kept) == 2)
        vendor.writer.transport.abort()
        await asyncio.sleep(0.05)
        for kept in reversed(handler.kept):
            kept.answer(ok())
        await until(lambda: not server.connections)
        other = await client()
        other.send(GET)
        await until(lambda: len(handler.kept) == 3)
        handler.kept[2].answer(ok())
        await other.gets(OK)


async def test_what_comes_before_nonsense_is_answered_before_it():
    async with serving() as (handler, _, client):
        handler.keeps = True
        vendor = await client()
        vendor.send(GET + b"\x00nonsense\r\n\r\n")
        await until(lambda: "malformed" in handler.told)
        handler.kept[0].answer(ok())
        answer = await vendor.rest()
        assert answer.startswith(OK + b"HTTP/1.1 400 ")
        assert b"Connection: close\r\n" in answer


async def test_a_mistake_of_ours_is_answered_and_ends_only_its_own_connection(monkeypatch):
    async with serving() as (handler, _, client):
        vendor, other = await client(), await client()
        monkeypatch.setattr(handler, "whole", lambda request: 1 / 0)
        vendor.send(GET)
        assert (await vendor.rest()).startswith(b"HTTP/1.1 500 ")
        monkeypatch.undo()
        other.send(GET)
        await other.gets(OK)


# --- closing ----------------------------------------------------------------------------------------------------------


async def test_closing_answers_what_has_begun_and_hangs_up_on_the_others():
    async with serving() as (handler, server, client):
        handler.keeps = True
        idle, waits, sends, busy = [await client() for _ in range(4)]
        idle.send(GET)
        await until(lambda: len(handler.kept) == 1)
        handler.kept[0].answer(ok())
        await idle.gets(OK)
        waits.send(GET)
        await until(lambda: len(handler.kept) == 2)
        sends.send(b"POST /a HTTP/1.1\r\nContent-Length: 4\r\n\r\nbo")
        busy.send(GET + b"GET /a HT")
        await until(lambda: len(handler.kept) == 3 and handler.told.count("begun") == 4)
        closing = asyncio.create_task(server.close())
        assert await idle.rest() == b""
        with pytest.raises(ConnectionError):
            await client()
        sends.send(b"dy" + GET)
        busy.send(b"TP/1.1\r\n\r\n" + GET)
        await until(lambda: len(handler.kept) == 5)
        for kept in handler.kept:
            kept.answer(ok())
        for vendor, answers in ((waits, 1), (sends, 1), (busy, 2)):
            answer = await vendor.rest()
            assert answer.count(b"HTTP/1.1 200") == answers
            assert answer.count(b"Connection: close") == 1
            assert answer.partition(b"Connection: close")[2].count(b"HTTP/1.1") == 0
            vendor.writer.close()
        await closing
        assert len(handler.kept) == 5


async def test_closing_does_not_wait_for_ever():
    async with serving() as (handler, server, client):
        handler.keeps = True
        vendor = await client()
        vendor.send(GET)
        await until(lambda: len(handler.kept) == 1)
        await server.close(shutdown_s=0.1)
        assert await vendor.rest() == b""
        await server.close()


# --- whatever comes ---------------------------------------------------------------------------------------------------

PARTS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        (
            *(GET, ASKS, b"ok", b"POST /a HTTP/1.1\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"),
            *(b"\r\n", b"3\r\n", b"0\r\n\r\n", b"Connection: close\r\n", b"GET /\xff\xcd", b" HTTP/1.1\r\n\r\n"),
            b"Upgrade: x\r\nConnection: upgrade\r\n",
        )
    ),
)
ENDS = st.sampled_from(["half", "close", "reset"])


async def _fuzz(streams: list[tuple[list[bytes], str]]) -> None:
    async with serving(request_s=5) as (handler, server, client):
        handler.dawdles = True
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))

        async def play(parts: list[bytes], end: str) -> None:
            vendor = await client()
            try:
                for part in parts:
                    vendor.send(part)
                    await asyncio.sleep(0)
                if end == "half":
                    vendor.writer.write_eof()
                    await vendor.rest()
                elif end == "reset":
                    vendor.writer.transport.abort()
            except ConnectionError:
                pass
            vendor.writer.close()

        await asyncio.gather(*(play(parts, end) for parts, end in streams))
        await until(lambda: not server.connections)
        assert failures == []
        handler.dawdles = False
        begun, whole = handler.told.count("begun"), handler.told.count("whole")
        assert begun == whole + handler.told.count("broken") + handler.told.count("too large")
        vendor = await client()
        vendor.send(GET)
        await vendor.gets(OK)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@given(st.lists(st.tuples(st.lists(PARTS, max_size=12), ENDS), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_whatever_comes_the_server_lives_on_and_keeps_no_connection(run, streams):
    run(_fuzz(streams))


def test_the_same_holds_on_uvloop():
    async def both() -> None:
        await test_answers_come_in_the_order_of_their_requests_whenever_they_are_given()
        await test_while_too_many_requests_are_unanswered_nothing_more_is_read()
        await test_who_does_not_read_the_answers_is_not_read_from_and_then_cut_off()
        await test_who_says_no_more_after_the_request_is_answered_all_the_same()
        await test_who_does_not_close_after_the_last_answer_is_closed_on()
        await test_closing_answers_what_has_begun_and_hangs_up_on_the_others()
        for sent in TOO_LARGE:
            await test_who_sends_too_much_hears_it_even_while_still_sending(sent)
        for row in CONNECTIONS:
            await test_the_connection_stays_or_ends_as_both_sides_say(*row)

    uvloop.run(both())
