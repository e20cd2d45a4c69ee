"""The pushing client against a receiver that answers in every way HTTP allows, and in some it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from loadtest.sim.http.push_client import FAILED, Answer, Push, Pusher
from loadtest.sim.http.target import Target
from tests.waiting import patience

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Recorded(Push):
    __slots__ = ("statuses",)

    def __init__(self, statuses: list[int]) -> None:
        super().__init__(b"GET /r?n=1 HTTP/1.1\r\nHost: r\r\n\r\n")
        self.statuses = statuses

    def done(self, answer: Answer) -> None:
        self.statuses.append(answer.status)


async def push(answering: Answering, count: int, connections: int = 1, timeout_s: float = 5.0) -> tuple[list[int], int]:
    """Push so often; the statuses, and how many connections it took."""
    made = 0

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal made
        made += 1
        try:
            await answering(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    statuses: list[int] = []
    work = [Recorded(statuses) for _ in range(count)]
    port = server.sockets[0].getsockname()[1]
    pusher = Pusher("127.0.0.1", port, lambda: work.pop() if work else None, connections, timeout_s)
    try:
        async with patience():
            while len(statuses) < count:
                pusher.kick()
                pusher.sweep()
                await asyncio.sleep(0.01)
    finally:
        pusher.close()
        server.close()
    return statuses, made


def always(answer: bytes, pieces: int = 1) -> Answering:
    """The same answer to every request, on one connection, in so many pieces."""

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            size = -(-len(answer) // pieces)
            for at in range(0, len(answer), size):
                writer.write(answer[at : at + size])
                await writer.drain()
                await asyncio.sleep(0)

    return answering


class Heard(Push):
    __slots__ = ("answer",)

    def __init__(self) -> None:
        super().__init__(b"GET /r HTTP/1.1\r\nHost: r\r\n\r\n")
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def done(self, answer: Answer) -> None:
        self.answer.set_result(answer)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"code":0}', b'{"code":0}'),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
async def test_the_body_of_an_answer_is_heard(answer: bytes, body: bytes) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    heard = Heard()
    work: list[Push] = [heard]
    port = server.sockets[0].getsockname()[1]
    pusher = Pusher("127.0.0.1", port, lambda: work.pop() if work else None, 1, 5.0)
    try:
        pusher.kick()
        async with patience():
            assert (await heard.answer).body == body
    finally:
        pusher.close()
        server.close()


@pytest.mark.parametrize("pieces", [1, 3, 1000])
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length:   2\r\n\r\nok", 200),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!", 403),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 503),
    ],
)
async def test_answers_on_a_kept_connection(answer: bytes, status: int, pieces: int) -> None:
    assert await push(always(answer, pieces), 5) == ([status] * 5, 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_an_answer_that_closes_costs_a_connection_each(answer: bytes) -> None:
    assert await push(always(answer), 4) == ([200] * 4, 4)


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 202 Accepted\r\n\r\nsome text")

    assert await push(answering, 3) == ([202] * 3, 3)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"what?\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
async def test_no_answer_or_none_that_is_http_is_a_failure(answer: bytes) -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    assert await push(answering, 3) == ([FAILED] * 3, 3)


async def test_a_kept_connection_closed_by_the_receiver_is_tried_once_more_on_a_new_one() -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")  # the third is taken off the wire and dropped

    assert await push(answering, 6) == ([200] * 6, 3)


async def test_a_receiver_that_hangs_is_given_up_after_the_timeout() -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    assert await push(answering, 2, timeout_s=0.05) == ([FAILED] * 2, 2)


async def test_an_endless_answer_is_cut_off() -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    statuses, _ = await push(answering, 1)
    assert statuses == [FAILED]


async def test_a_connection_that_is_refused_is_a_failure() -> None:
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    statuses: list[int] = []
    work = [Recorded(statuses)]
    pusher = Pusher("127.0.0.1", port, lambda: work.pop() if work else None, 1, 5.0)
    pusher.kick()
    async with patience():
        while not statuses:
            await asyncio.sleep(0.005)
    assert statuses == [FAILED]


async def test_work_is_spread_over_the_connections_allowed() -> None:
    seen = 0
    all_there = asyncio.Event()

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        await reader.readuntil(b"\r\n\r\n")
        seen += 1
        if seen == 4:
            all_there.set()
        await all_there.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    assert await push(answering, 4, connections=4) == ([200] * 4, 4)


@pytest.mark.parametrize(
    ("url", "method", "head"),
    [
        ("http://127.0.0.1:81/p?k=v", "GET", b"GET /p?k=v&a=1 HTTP/1.1\r\nHost: 127.0.0.1:81\r\n"),
        ("http://127.0.0.1:81/p", "GET", b"GET /p?a=1 HTTP/1.1\r\nHost: 127.0.0.1:81\r\n"),
        ("http://localhost", "POST", b"POST / HTTP/1.1\r\nHost: localhost:80\r\n"),
        ("http://127.0.0.1:81/p?k=v", "POST", b"POST /p?k=v HTTP/1.1\r\n"),
    ],
)
def test_the_request_keeps_what_the_receivers_url_has(url: str, method: str, head: bytes) -> None:
    request = Target.of(url).request(method, b"a=1")
    assert request.startswith(head)
    assert request.endswith(b"\r\n\r\na=1" if method == "POST" else b"\r\n\r\n")
