"""From bytes to requests: whatever is sent, wherever it is cut."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.webhooks.reader import PIECES_MAX, Bounds, RequestReader
from producers.webhooks.request import Answer, Request

Told = tuple[Any, ...]


class Notes:
    """A receiver that writes down what it is told."""

    def __init__(self, bounds: Bounds | None = None, answers_at_once: bool = False) -> None:
        self.told: list[Told] = []
        self.answers_at_once = answers_at_once
        self.reader = RequestReader(self, self.answered, "127.0.0.1", bounds or Bounds())

    def answered(self, request: Request, reply: Answer) -> None:
        request.reply = reply

    def head_came(self, request: Request) -> None:
        if self.answers_at_once:
            request.answer(Answer(404))

    def came(self, request: Request) -> None:
        self.told.append((request.method, request.path, request.query, request.body, request.content_type))
        assert request.closes is self.reader.deaf

    def gave_up(self, request: Request | None, answer: Answer) -> None:
        self.told.append((answer.status, request is not None))


def read(*pieces: bytes, bounds: Bounds | None = None) -> list[Told]:
    notes = Notes(bounds)
    for piece in pieces:
        notes.reader.feed(piece)
    return notes.told


def by_bytes(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


def escaped(target: bytes) -> bytes:
    return b"".join(bytes([byte]) if byte < 0x80 else b"%%%02X" % byte for byte in target)


# --- every cut of every stream ---------------------------------------------------------------------------------------

DEFLATED = zlib.compress(b"abcd")
BOMB = zlib.compress(b"x" * 10_000)
WORDS = st.text("abc=&%/;,.", max_size=8).map(str.encode)
RAW = st.text("退订a中\u00e9", max_size=6).flatmap(
    lambda text: st.sampled_from([text.encode(), text.encode("gb18030")])
)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"GET /push/\xcd\xcb HTTP/1.1\r\n\r\n", b"\r\n\r\n", b"0\r\n\r\n", "回\n复\r\n".encode("gbk")]),
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, Told]:
    """A request as bytes, and as it is to be told."""
    query = draw(WORDS) + draw(RAW) + draw(WORDS)
    method = draw(st.sampled_from([b"GET", b"POST"]))
    lines = [b"%s /push/spring/report?%s HTTP/1.1" % (method, query), b"Host: x"]
    content_type = draw(st.sampled_from([b"", b"text/xml"]))
    if content_type:
        lines.append(b"content-TYPE: " + content_type)
    if draw(st.booleans()):
        lines.append(b"X-Name: " + draw(RAW))
    if draw(st.integers(0, 4)) == 0:
        lines += [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQ"]
    body, sent = b"", b""
    how = draw(st.sampled_from(["none", "length", "chunks"]))
    if how == "length":
        sent = body = draw(BODIES)
        lines.append(b"Content-Length: %d" % len(body))
    elif how == "chunks":
        parts = [part for part in draw(st.lists(BODIES, max_size=3)) if part]
        body = b"".join(parts)
        sent = b"".join(b"%x;x=y\r\n%s\r\n" % (len(part), part) for part in parts)
        sent += draw(st.sampled_from([b"0\r\n\r\n", b"0\r\nX-Sum: 1\r\n\r\n"]))
        lines.append(b"Transfer-Encoding: chunked")
    told = (method.decode(), b"/push/spring/report", escaped(query), body, content_type.decode())
    return b"\r\n".join(lines) + b"\r\n\r\n" + sent, told


def cut(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    places = sorted(draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    return [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_requests_that_follow_each_other_are_read_alike_wherever_they_are_cut(data):
    made = data.draw(st.lists(requests(), min_size=1, max_size=4))
    stream = b"".join(sent for sent, _ in made)
    told = [told for _, told in made]
    assert read(stream) == told
    assert read(*cut(data.draw, stream)) == told
    assert read(*by_bytes(stream)) == told


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_what_is_mutilated_or_no_http_at_all_ends_alike_wherever_it_is_cut(data):
    stream = bytearray(b"".join(sent for sent, _ in data.draw(st.lists(requests(), max_size=3))))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(stream)))
        stream[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    stream += data.draw(st.binary(max_size=30))
    ends = read(bytes(stream))
    assert read(*cut(data.draw, bytes(stream))) == ends
    assert read(*by_bytes(bytes(stream))) == ends


# --- what is refused -------------------------------------------------------------------------------------------------

REFUSED = [
    ("no HTTP",                  b"hello\r\n\r\n",                                                              400),
    ("TLS",                      b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",                               400),
    ("another version",          b"GET / HTTP/2.0\r\n\r\n",                                                     505),
    ("a version of long ago",    b"GET /\r\n\r\n",                                                              505),
    ("HTTP/2",                   b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",                                           400),
    ("line ends without CR",     b"GET / HTTP/1.1\nHost: x\n\n",                                                400),
    ("a folded header",          b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",                                       400),
    ("a blank in the target",    b"GET /?a=b c HTTP/1.1\r\n\r\n",                                               400),
    ("a control character",      b"GET /?a=\x01 HTTP/1.1\r\n\r\n",                                              400),
    ("a name with a blank",      b"POST / HTTP/1.1\r\nContent-Length : 3\r\n\r\nabc",                           400),
    ("two lengths",              b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",       400),
    ("a length and chunks",      b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("chunks and a length",      b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400),
    ("a length with a sign",     b"POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc",                           400),
    ("too long a length",        b"POST / HTTP/1.1\r\nContent-Length: %s3\r\n\r\nabc" % (b"0" * 5_000),         400),
    ("chunks not last",          b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n",          400),
    ("chunks in HTTP/1.0",       b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",             400),
    ("a head too large",         b"GET /?%s HTTP/1.1\r\n\r\n" % (b"x" * 70_000),                                431),
    ("many headers",             b"GET / HTTP/1.1\r\n%s\r\n" % (b"a: b\r\n" * 12_000),                          431),
    ("a head without an end",    b"GET / HTTP/1.1\r\nA: %s" % (b"x" * 200_000),                                 431),
]  # fmt: skip


@pytest.mark.parametrize(("stream", "status"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_could_be_read_in_two_ways_or_in_none_is_refused(stream, status):
    good = b"GET /first HTTP/1.1\r\n\r\n"
    first = ("GET", b"/first", b"", b"", "")
    pieces = [stream[at : at + 1_000] for at in range(0, len(stream), 1_000)]
    assert read(good, *pieces, good) == [first, (status, False)]
    if len(stream) < 10_000:
        assert read(good + stream + good) == [first, (status, False)]
        assert read(*by_bytes(good + stream + good)) == [first, (status, False)]


@pytest.mark.parametrize("begins", [b"GET /?", b"GET / HTTP/1.1\r\nA: ", b"GET / HTTP/1.1\r\nA"])
def test_a_head_is_refused_while_it_still_grows(begins):
    assert read(begins, *[b"x" * 1_000] * 65) == []
    assert read(begins, *[b"x" * 1_000] * 67) == [(431, False)]


BROKEN = [
    ("a chunk without a size",   b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",                 400),
    ("a chunk that is longer",   b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",            400),
    ("another encoding",         b"Transfer-Encoding: gzip\r\n\r\nabc",                        400),
    ("no gzip",                  b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",    400),
    ("half of a deflated body",  b"Content-Encoding: deflate\r\nContent-Length: 9\r\n\r\n" + DEFLATED[:9], 400),
    ("a length too large",       b"Content-Length: 101\r\n\r\nabc",                            413),
    ("chunks too large",         b"Transfer-Encoding: chunked\r\n\r\n" + b"40\r\n%s\r\n" % (b"x" * 64) * 3, 413),
    ("a bomb",                   b"Content-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB, 413),
]  # fmt: skip


@pytest.mark.parametrize(("rest", "status"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_request_that_had_begun_well_is_told_of_as_broken_or_too_large(rest, status):
    stream = b"POST /push HTTP/1.1\r\n" + rest
    bounds = Bounds(body_bytes_max=100)
    assert read(stream, bounds=bounds) == [(status, True)]
    assert read(*by_bytes(stream), bounds=bounds) == [(status, True)]


# --- what is taken ---------------------------------------------------------------------------------------------------

TAKEN = [
    # name, bytes, (method, path, query, body)
    ("HTTP/1.0",            b"GET /a?b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", ("GET", b"/a", b"b", b"")),
    ("another method",      b"DELETE /a HTTP/1.1\r\n\r\n",                          ("DELETE", b"/a", b"", b"")),
    ("an absolute target",  b"GET http://h:80/a?b=http:// HTTP/1.1\r\n\r\n",      ("GET", b"/a", b"b=http://", b"")),
    ("empty lines first",   b"\r\n\r\nGET /a HTTP/1.1\r\n\r\n",                     ("GET", b"/a", b"", b"")),
    ("a GET with a body",   b"GET /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nab",      ("GET", b"/a", b"", b"ab")),
    ("no body at all",      b"POST /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n",       ("POST", b"/a", b"", b"")),
    ("a star",              b"OPTIONS * HTTP/1.1\r\n\r\n",                          ("OPTIONS", b"*", b"", b"")),
]  # fmt: skip


@pytest.mark.parametrize(("stream", "told"), [row[1:] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_what_may_look_unusual_is_taken(stream, told):
    assert read(stream + stream) == [(*told, "")] * 2
    assert read(*by_bytes(stream + stream)) == [(*told, "")] * 2


@pytest.mark.parametrize(("encoding", "wbits"), [("GZIP", zlib.MAX_WBITS + 16), ("deflate", zlib.MAX_WBITS)])
def test_a_zipped_or_deflated_body_is_taken(encoding, wbits):
    zipper = zlib.compressobj(wbits=wbits)
    body = zipper.compress(b"rpts=1") + zipper.flush()
    head = f"POST /a HTTP/1.1\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    assert read(head.encode() + body) == [("POST", b"/a", b"", b"rpts=1", "")]


def test_a_connect_is_told_of_and_nothing_behind_it():
    assert read(b"CONNECT h:80 HTTP/1.1\r\n\r\nGET /a HTTP/1.1\r\n\r\n") == [("CONNECT", b"h:80", b"", b"", "")]


def test_nothing_behind_the_last_request_is_looked_at():
    assert read(b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n" + b"\x00junk") == [("GET", b"/a", b"", b"", "")]
    assert read(b"GET /a HTTP/1.0\r\n\r\n", b"GET /b HTTP/1.0\r\n\r\n") == [("GET", b"/a", b"", b"", "")]


def test_a_body_that_came_in_one_piece_is_handed_on_in_one_piece_and_one_of_a_million_pieces_costs_no_million_objects():
    size = PIECES_MAX * 4
    notes = Notes()
    notes.reader.feed(b"POST /a HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size)
    for _ in range(size - 1):
        notes.reader.feed(b"x")
        assert len(notes.reader._body) <= PIECES_MAX
    notes.reader.feed(b"x")
    assert notes.told == [("POST", b"/a", b"", b"x" * size, "")]


def test_the_body_of_a_request_that_is_answered_already_is_thrown_away_and_the_next_one_is_read():
    notes = Notes(answers_at_once=True)
    stream = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\n\xcd\xcb\n"
    stream += b"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    for piece in by_bytes(stream * 2):
        notes.reader.feed(piece)
    assert [told[1:4] for told in notes.told] == [(b"/a", b"", b""), (b"/b", b"", b"")] * 2
