"""The web server over real sockets: answers in order, everything bounded, no connection left behind."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from typing import Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.producers.web.web_clients import GET, HOST, OK, Client, SteppedLoop, serving, until

# --- answers ----------------------------------------------------------------------------------------------------------


async def test_requests_that_follow_each_other_are_answered_in_their_order():
    async with serving() as (handler, _, client):
        handler.gate.clear()
        vendor = await client()
        requests = [b"GET /a?%d HTTP/1.1\r\n%s\r\n" % (number, HOST) for number in range(40)]
        vendor.send(b"".join(requests))
        await until(lambda: "whole" in handler.seen)
        handler.gate.set()
        for number in range(40):
            await vendor.gets(OK.replace(b"2\r\n\r\nok", b"%d\r\n\r\n%d" % (len(str(number)), number)))


CONNECTIONS = [
    # the request, the Connection header of its answer, whether it stays open
    (b"GET /a HTTP/1.1\r\n%s\r\n", None, True),
    (b"GET /a HTTP/1.1\r\n%sConnection: close\r\n\r\n", b"close", False),
    (b"GET /a HTTP/1.0\r\n\r\n", b"close", False),
    (b"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", b"keep-alive", True),
    (b"GET /at-once HTTP/1.0\r\n\r\n", b"close", False),
    (b"POST /at-once HTTP/1.1\r\n%sConnection: close\r\nContent-Length: 9\r\n\r\nbody", b"close", False),
    (b"POST /at-once-and-last HTTP/1.1\r\n%sContent-Length: 9\r\n\r\nbody", b"close", False),
    (b"POST /at-once HTTP/1.1\r\n%sContent-Length: 4\r\n\r\nbody", None, True),
    (b"POST /at-once HTTP/1.1\r\n%sContent-Length: 9\r\n\r\nbody", b"close", False),
    (b"POST /a HTTP/1.1\r\n%sConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nok", None, True),
]


@pytest.mark.parametrize(("sent", "connection", "stays"), CONNECTIONS)
async def test_the_connection_stays_or_ends_as_both_sides_say(sent, connection, stays):
    async with serving() as (_, server, client):
        vendor = await client()
        vendor.send(sent.replace(b"%s", HOST))
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


async def test_a_head_request_is_answered_without_a_body():
    async with serving() as (_, _, client):
        vendor = await client()
        vendor.send(b"HEAD /a HTTP/1.1\r\n" + HOST + b"\r\n")
        assert b"Content-Length: 2\r\n" in await vendor.head()
        vendor.send(GET)
        await vendor.gets(OK)


ASKS = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_a_client_that_expects_100_continue_gets_it_at_its_turn():
    async with serving() as (handler, _, client):
        vendor = await client()
        vendor.send(ASKS)
        await vendor.gets(GO_ON)
        handler.gate.clear()
        vendor.send(b"ok" + ASKS)
        await until(lambda: "whole" in handler.seen)
        handler.gate.set()
        await vendor.gets(OK + GO_ON)
        vendor.send(b"ok")
        await vendor.gets(OK)


@pytest.mark.parametrize("path", [b"/at-once", b"/a"])
async def test_a_client_that_asks_before_an_unwanted_body_is_answered_and_the_connection_closed(path):
    async with serving(body_bytes_max=1) as (_, _, client):
        vendor = await client()
        vendor.send(ASKS.replace(b"/a", path))
        answer = await vendor.rest()
        assert answer.startswith(b"HTTP/1.1 200" if path == b"/at-once" else b"HTTP/1.1 413")
        assert b"Connection: close\r\n" in answer


@pytest.mark.parametrize("share", [100.0, 0.05])
async def test_a_client_that_leaves_in_the_middle_of_its_body_is_not_waited_for(share):
    async with serving(strangers_share=share) as (handler, server, client):
        vendor = await client()
        vendor.send(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nbody")
        vendor.writer.write_eof()
        await until(lambda: "broken" in handler.seen)
        await until(lambda: not server.connections)


# --- bodies -----------------------------------------------------------------------------------------------------------


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;x=y\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nX-Sum: 1\r\n\r\n"


BODY = bytes(range(256)) * 1_000


@pytest.mark.parametrize("piece", [999, 70_000, 1_000_000])
@pytest.mark.parametrize("way", ["length", "chunks", "small chunks"])
async def test_a_body_comes_through_whole_however_it_is_cut_and_so_does_the_next_request(way, piece):
    head = b"POST /a HTTP/1.1\r\n" + HOST
    if way == "length":
        sent = head + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    else:
        sent = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(BODY, 70_000 if way == "chunks" else 700)
    async with serving() as (_, _, client):
        vendor = await client()
        for at in range(0, len(sent), piece):
            vendor.send(sent[at : at + piece])
            await asyncio.sleep(0)
        assert b"Content-Length: %d\r\n" % len(BODY) in await vendor.head()
        await vendor.gets(BODY)
        vendor.send(GET)
        await vendor.gets(OK)


@pytest.mark.parametrize(("encoding", "wbits"), [("GZIP", zlib.MAX_WBITS + 16), ("deflate", zlib.MAX_WBITS)])
async def test_a_packed_body_is_unpacked(encoding, wbits):
    packer = zlib.compressobj(wbits=wbits)
    body = packer.compress(b"ok") + packer.flush()
    async with serving() as (_, _, client):
        vendor = await client()
        head = f"POST /a HTTP/1.1\r\nHost: x\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
        vendor.send(head.encode() + body)
        await vendor.gets(OK)


TOO_LARGE = [
    b"Content-Length: 4000000\r\n\r\n" + b"x" * 4_000_000,
    b"Transfer-Encoding: chunked\r\n\r\n" + b"1000\r\n%s\r\n" % (b"x" * 4_096) * 1_000,
]


@pytest.mark.parametrize("sent", TOO_LARGE, ids=["a length", "chunks"])
async def test_a_client_that_sends_too_much_hears_it_while_it_is_still_sending(sent):
    async with serving(body_bytes_max=100_000) as (handler, _, client):
        vendor = await client()
        vendor.send(GET)
        await vendor.gets(OK)
        vendor.send(b"POST /a HTTP/1.1\r\n" + HOST + sent)
        head = await vendor.head()
        assert head.startswith(b"HTTP/1.1 413 ")
        assert b"Connection: close\r\n" in head
        assert handler.seen == ["begun", "whole", "begun", "too large"]


PACKED = zlib.compress(b"abcd")
BOMB = zlib.compress(b"x" * 10_000)
BROKEN = [
    # name, rest of the request, status
    ("a chunk without a size", b"Transfer-Encoding: chunked\r\n\r\n|xyz\r\n", 400),
    ("a chunk that is longer", b"Transfer-Encoding: chunked\r\n\r\n|2\r\nabc\r\n", 400),
    ("trailers without end",   b"Transfer-Encoding: chunked\r\n\r\n0\r\n|" + b"A: b\r\n" * 100, 400),
    ("no gzip",                b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 400),
    ("half of a packed body",  b"Content-Encoding: deflate\r\nContent-Length: 9\r\n\r\n" + PACKED[:9], 400),
    ("a length too large",     b"Content-Length: 101\r\n\r\n|abc", 413),
    ("chunks too large",       b"Transfer-Encoding: chunked\r\n\r\n|" + b"40\r\n%s\r\n" % (b"x" * 64) * 3, 413),
    ("a bomb",                 b"Content-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB, 413),
]  # fmt: skip


@pytest.mark.parametrize(("rest", "status"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
@pytest.mark.parametrize("pieces", ["as they come", "together"])
async def test_a_request_whose_body_cannot_be_is_refused_and_its_connection_closed(rest, status, pieces):
    async with serving(body_bytes_max=100) as (handler, server, client):
        vendor = await client()
        head, _, body = (b"POST /a HTTP/1.1\r\n" + HOST + rest).partition(b"|")
        if pieces == "together":
            vendor.send(head + body)
        else:
            vendor.send(head)
            if body:
                await until(lambda: bool(handler.seen))
                vendor.send(body)
        answer = await vendor.rest()
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert answer.count(b"HTTP/1.1") == 1
        vendor.writer.close()
        await until(lambda: not server.connections)


# --- heads ------------------------------------------------------------------------------------------------------------

REFUSED = [
    ("no HTTP",                  b"hello\r\n\r\n",                                                              400),
    ("TLS",                      b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",                               400),
    ("HTTP/2",                   b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",                                           400),
    ("no host",                  b"GET / HTTP/1.1\r\n\r\n",                                                     400),
    ("two hosts",                b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",                               400),
    ("line ends without CR",     b"GET / HTTP/1.1\nHost: x\n\n",                                                400),
    ("a folded header",          b"GET / HTTP/1.1\r\n%sA: b\r\n c\r\n\r\n",                                     400),
    ("a blank in the target",    b"GET /?a=b c HTTP/1.1\r\n%s\r\n",                                             400),
    ("a control character",      b"GET /?a=\x01 HTTP/1.1\r\n%s\r\n",                                            400),
    ("a name with a blank",      b"POST / HTTP/1.1\r\n%sContent-Length : 3\r\n\r\nabc",                         400),
    ("two lengths",              b"POST / HTTP/1.1\r\n%sContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",     400),
    ("a length and chunks",      b"POST / HTTP/1.1\r\n%sContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("chunks and a length",      b"POST / HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400),
    ("a length with a sign",     b"POST / HTTP/1.1\r\n%sContent-Length: +3\r\n\r\nabc",                         400),
    ("too long a length",        b"POST / HTTP/1.1\r\n%sContent-Length: 9" + b"9" * 5_000 + b"\r\n\r\nabc",     400),
    ("chunks not last",          b"POST / HTTP/1.1\r\n%sTransfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n",        400),
    ("a head too large",         b"GET /?" + b"x" * 70_000 + b" HTTP/1.1\r\n%s\r\n",                            431),
    ("many headers",             b"GET / HTTP/1.1\r\n%s" + b"a: b\r\n" * 1_000 + b"\r\n",                       400),
    ("a head without an end",    b"GET / HTTP/1.1\r\nA: " + b"x" * 200_000,                                     431),
    ("nothing but line ends",    b"\r\n" * 50_000,                                                              431),
    ("that with raw bytes",      b"\r\n" * 50_000 + b"\xff",                                                    431),
]  # fmt: skip


@pytest.mark.parametrize(("stream", "status"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
@pytest.mark.parametrize("piece", [1_000, 1_000_000])
async def test_a_head_that_could_be_read_in_two_ways_or_in_none_is_refused_and_named_nowhere(stream, status, piece):
    async with serving() as (_, server, client):
        vendor = await client()
        vendor.send(GET)
        await vendor.gets(OK)
        stream = stream.replace(b"%s", HOST)
        answering = asyncio.create_task(vendor.rest())
        for at in range(0, len(stream), piece):
            if not answering.done():
                vendor.send(stream[at : at + piece])
                await asyncio.sleep(0.001)
        answer = await answering
        assert answer == b"HTTP/1.1 %d " % status + answer[13:]
        assert answer.endswith(b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        assert server.counts.malformed == 1
        vendor.writer.close()
        await until(lambda: not server.connections)


@pytest.mark.parametrize("piece", [1, 7, 1_000_000])
@pytest.mark.parametrize("charset", ["utf-8", "gb18030"])
async def test_bytes_beyond_ascii_in_a_head_come_through_escaped_however_the_pieces_are_cut(charset, piece):
    query = "msg=退订,中".encode(charset)
    escaped = b"".join(bytes([byte]) if byte < 0x80 else b"%%%02X" % byte for byte in query)
    request = b"GET /a?%s HTTP/1.1\r\nX-Name: %s\r\n%s\r\n" % (query, query, HOST)
    post = b"POST /a HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s" % (HOST, len(query), query)
    stream = (request + post) * 3 + request + GET
    async with serving() as (_, _, client):
        vendor = await client()
        for at in range(0, len(stream), piece):
            vendor.send(stream[at : at + piece])
            await asyncio.sleep(0)
        for body in [escaped, query] * 3 + [escaped, b"ok"]:
            assert b"Content-Length: %d\r\n" % len(body) in await vendor.head()
            await vendor.gets(body)


# --- time and numbers -------------------------------------------------------------------------------------------------


async def test_while_too_many_requests_are_unanswered_nothing_more_is_read():
    async with serving() as (handler, _, client):
        handler.gate.clear()
        vendor = await client()
        request = b"GET /a?%s HTTP/1.1\r\n%s\r\n" % (b"x" * 10_000, HOST)
        total = 2_000
        sending = asyncio.create_task(_send_all(vendor, request, total))
        await until(lambda: "whole" in handler.seen)
        await asyncio.sleep(0.1)
        assert not sending.done()
        handler.gate.set()
        for _ in range(total):
            assert b" 200 " in await vendor.head()
            await vendor.gets(b"x" * 10_000)
        await sending


async def _send_all(vendor: Client, request: bytes, count: int) -> None:
    for _ in range(count):
        vendor.send(request)
        await vendor.writer.drain()


async def test_a_client_that_does_not_read_its_answers_is_not_read_from_and_then_cut_off():
    async with serving(write_s=0.2) as (handler, server, client):
        vendor = await client()
        request = b"GET /a?%s HTTP/1.1\r\n%s\r\n" % (b"x" * 10_000, HOST)
        sending = asyncio.create_task(_send_all(vendor, request, 10_000))
        await until(lambda: len(server.connections) == 1)
        await until(lambda: not server.connections)
        assert handler.seen.count("whole") < 10_000
        sending.cancel()


SLOW = [
    # what comes before nothing comes, the answer's status, what the handler is told
    (b"", None, []),
    (b"G", 408, []),
    (b"GET /a HTTP/1.1\r\nA: b\r\n", 408, []),
    (b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nbody", 400, ["begun", "broken"]),
    (b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nbody", 400, ["begun", "broken"]),
    (GET, 200, ["begun", "whole"]),
]


@pytest.mark.parametrize(("sent", "status", "seen"), SLOW)
async def test_a_client_that_is_idle_or_slow_for_too_long_is_cut_off(sent, status, seen):
    async with serving(idle_s=0.1, head_s=0.1, body_s=0.1) as (handler, _, client):
        vendor = await client()
        vendor.send(sent)
        try:
            answer = await vendor.rest()
        except ConnectionResetError:
            answer = b""
        assert (int(answer.split()[1]) if answer else None) == status
        assert handler.seen == seen


@pytest.mark.parametrize(
    "sent", [b"x", b"GET / HTTP/1.1\r\nA: ", b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n"]
)
async def test_a_client_that_sends_a_byte_now_and_then_is_cut_off_too(sent):
    async with serving(head_s=0.2, body_s=0.2) as (_, server, client):
        vendor = await client()
        vendor.send(sent)

        async def trickle() -> None:
            while True:
                vendor.send(b"a")
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        await until(lambda: len(server.connections) == 1)
        await until(lambda: not server.connections)
        trickling.cancel()


async def test_a_client_that_waits_for_a_slow_answer_is_not_cut_off():
    async with serving(idle_s=0.05, head_s=0.05, body_s=0.05, write_s=0.05) as (handler, _, client):
        handler.gate.clear()
        vendor = await client()
        vendor.send(GET)
        await asyncio.sleep(0.5)
        handler.gate.set()
        await vendor.gets(OK)


async def test_a_connection_that_is_used_now_and_then_is_not_idle():
    async with serving(idle_s=0.3) as (_, server, client):
        loop, vendor = SteppedLoop(server), await client()
        for _ in range(12):
            vendor.send(GET)
            await vendor.gets(OK)
            await loop.passes(0.05)


# --- broken off -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (b"GET /a HTT", []),
        (b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nbody", ["begun", "broken"]),
        (b"POST /at-once HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nbody", ["begun"]),
        (
            GET + b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nbody",
            ["begun", "whole", "begun", "broken"],
        ),
    ],
)
@pytest.mark.parametrize("how", ["half", "close", "reset"])
async def test_a_request_whose_rest_never_comes_is_noticed_once(sent, seen, how):
    async with serving() as (handler, server, client):
        vendor = await client()
        vendor.send(sent)
        await until(lambda: handler.seen == [word for word in seen if word != "broken"])
        if how == "half":
            vendor.writer.write_eof()
            await vendor.rest()
        elif how == "close":
            vendor.writer.close()
        else:
            vendor.writer.transport.abort()
        await until(lambda: not server.connections)
        assert handler.seen == seen


async def test_a_half_closed_client_still_gets_its_answers():
    async with serving() as (handler, server, client):
        handler.gate.clear()
        vendor = await client()
        vendor.send(GET + GET)
        vendor.writer.write_eof()
        await until(lambda: "whole" in handler.seen)
        await asyncio.sleep(0.05)
        handler.gate.set()
        answer = await vendor.rest()
        assert answer.startswith(OK)
        assert answer.count(b"HTTP/1.1 200 OK") == 2
        await until(lambda: not server.connections)


async def test_an_answer_for_a_client_that_has_gone_goes_nowhere():
    async with serving() as (handler, server, client):
        handler.gate.clear()
        vendor = await client()
        vendor.send(GET + GET)
        await until(lambda: "whole" in handler.seen)
        vendor.writer.transport.abort()
        await asyncio.sleep(0.05)
        handler.gate.set()
        await until(lambda: not server.connections)
        other = await client()
        other.send(GET)
        await other.gets(OK)


async def test_a_mistake_of_ours_is_answered_and_ends_only_its_own_connection():
    async with serving() as (handler, _, client):
        vendor, other = await client(), await client()
        handler.fails = True
        vendor.send(GET)
        assert (await vendor.rest()).startswith(b"HTTP/1.1 500 ")
        handler.fails = False
        other.send(GET)
        await other.gets(OK)


# --- closing ----------------------------------------------------------------------------------------------------------


async def test_closing_answers_what_has_begun_and_hangs_up_on_the_others():
    async with serving() as (handler, server, client):
        idle, waits, sends = [await client() for _ in range(3)]
        idle.send(GET)
        await idle.gets(OK)
        handler.gate.clear()
        waits.send(GET)
        sends.send(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbo")
        await until(lambda: handler.seen.count("begun") == 3)
        closing = asyncio.create_task(server.close())
        assert await idle.rest() == b""
        with pytest.raises(ConnectionError):
            await client()
        sends.send(b"dy")
        await until(lambda: handler.seen.count("whole") == 3)
        handler.gate.set()
        for vendor in (waits, sends):
            answer = await vendor.rest()
            assert answer.count(b"HTTP/1.1 200") == answer.count(b"Connection: close") == 1
            vendor.writer.close()
        await closing


async def test_closing_does_not_wait_for_ever():
    async with serving() as (handler, server, client):
        handler.gate.clear()
        vendor = await client()
        vendor.send(GET)
        await until(lambda: "whole" in handler.seen)
        await server.close(shutdown_s=0.1)
        with contextlib.suppress(ConnectionResetError):
            assert await vendor.rest() == b""
        await server.close()


# --- whatever comes ---------------------------------------------------------------------------------------------------

PARTS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        (
            *(GET, ASKS, b"ok", b"POST /a HTTP/1.1\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"),
            *(HOST, b"\r\n", b"3\r\n", b"0\r\n\r\n", b"Connection: close\r\n", b"GET /\xff\xcd", b" HTTP/1.1\r\n\r\n"),
            *(b"Upgrade: x\r\nConnection: upgrade\r\n", b"Upgrade: websocket\r\nConnection: upgrade\r\n"),
        )
    ),
)
ENDS = st.sampled_from(["half", "close", "reset"])


async def _fuzz(streams: list[tuple[list[bytes], str]]) -> None:
    async with serving(body_s=5) as (handler, server, client):
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))

        async def play(parts: list[bytes], end: str) -> None:
            vendor = await client()
            try:
                for part in parts:
                    if vendor.writer.transport.is_closing():
                        break
                    vendor.send(part)
                    await asyncio.sleep(0)
                if end == "half" and not vendor.writer.transport.is_closing():
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
        ends = [handler.seen.count(word) for word in ("whole", "broken", "too large")]
        assert handler.seen.count("begun") == sum(ends)
        vendor = await client()
        vendor.send(GET)
        await vendor.gets(OK)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@given(st.lists(st.tuples(st.lists(PARTS, max_size=12), ENDS), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_whatever_comes_the_server_lives_on_and_keeps_no_connection(run, streams):
    run(_fuzz(streams))


ON_UVLOOP = [
    (test_requests_that_follow_each_other_are_answered_in_their_order, [()]),
    (test_while_too_many_requests_are_unanswered_nothing_more_is_read, [()]),
    (test_a_client_that_does_not_read_its_answers_is_not_read_from_and_then_cut_off, [()]),
    (test_a_half_closed_client_still_gets_its_answers, [()]),
    (test_closing_answers_what_has_begun_and_hangs_up_on_the_others, [()]),
    (test_a_client_that_sends_too_much_hears_it_while_it_is_still_sending, [(sent,) for sent in TOO_LARGE]),
    (test_the_connection_stays_or_ends_as_both_sides_say, CONNECTIONS),
]


@pytest.mark.parametrize(("test", "rows"), ON_UVLOOP, ids=[test.__name__ for test, _ in ON_UVLOOP])
def test_the_same_holds_on_uvloop(test, rows):
    async def all_rows() -> None:
        for row in rows:
            await test(*row)

    uvloop.run(all_rows())
