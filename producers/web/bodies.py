"""Reads a request's body, bounded in bytes, in time, in unpacked size, and by what the process may hold."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, cast

from aiohttp import web
from aiohttp.http import HttpVersion11

from producers.web.byte_budget import HeldBytes

if TYPE_CHECKING:
    from producers.web.connection import Connection

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
UNPACKED_RATIO_MAX: Final = 100
"""Most times that a body may grow by unpacking; lists of reports reach 10 or 20."""


class BodyTooLarge(Exception):
    """The body is larger than allowed, as declared, as sent or unpacked."""


class BodyBroken(Exception):
    """The body timed out, ended early or is malformed."""


class NoRoom(Exception):
    """The process holds as many bytes as it may."""


async def read_body(request: web.BaseRequest, held: HeldBytes, *, bytes_max: int, within_s: float) -> bytes:
    """The body, unpacked; its bytes are counted in `held`. Raises BodyTooLarge, BodyBroken, NoRoom.

    A body with too large a declared length, or without room, is not read at all.
    """
    if request.content.is_eof() and not request.can_read_body:
        return b""
    declared = request.content_length or 0
    if declared > bytes_max:
        raise BodyTooLarge
    if not held.stranger:
        _hold(request, held, declared)
    _go_on(request)
    if _is_cut(request):
        raise BodyBroken
    try:
        async with asyncio.timeout(within_s):
            body = await _read(request, held, 0 if held.stranger else declared, bytes_max)
    except (web.RequestPayloadError, ConnectionError, TimeoutError) as error:
        raise BodyBroken from error
    return _unpacked(request, held, body, bytes_max)


async def body_pieces(request: web.BaseRequest, *, within_s: float) -> AsyncIterator[bytes]:
    """A long body as it comes, still packed, for a caller that keeps no piece; each comes within `within_s`.

    Raises BodyBroken.
    """
    if request.content.is_eof() and not request.can_read_body:
        return
    _go_on(request)
    while True:
        if _is_cut(request):
            yield request.content.read_nowait()
            raise BodyBroken
        try:
            async with asyncio.timeout(within_s):
                piece = await request.content.readany()
        except (web.RequestPayloadError, ConnectionError, TimeoutError) as error:
            raise BodyBroken from error
        if not piece:
            return
        yield piece


def _is_cut(request: web.BaseRequest) -> bool:
    """Whether the client left before its body ended; aiohttp says so only to handlers that had begun then."""
    return request.transport is None and not request.content.is_eof()


def _hold(request: web.BaseRequest, held: HeldBytes, count: int) -> None:
    """Raises NoRoom."""
    if not held.grow(count):
        cast("Connection", request.protocol).server.too_many_bytes()
        raise NoRoom


def _go_on(request: web.BaseRequest) -> None:
    """Ask for the body, as some clients wait for that (curl, .NET)."""
    asks = request.headers.get("Expect", "").strip().lower() == "100-continue"
    if asks and request.version == HttpVersion11 and request.transport is not None:
        request.transport.write(CONTINUE)


async def _read(request: web.BaseRequest, held: HeldBytes, held_for_it: int, bytes_max: int) -> bytes:
    """Raises BodyTooLarge, NoRoom."""
    parts: list[bytes] = []
    size = 0
    while part := await request.content.readany():
        size += len(part)
        if size > bytes_max:
            raise BodyTooLarge
        if size > held_for_it:
            _hold(request, held, size - held_for_it)
            held_for_it = size
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _unpacked(request: web.BaseRequest, held: HeldBytes, body: bytes, bytes_max: int) -> bytes:
    """Raises BodyTooLarge, BodyBroken, NoRoom."""
    encoding = request.headers.get("Content-Encoding")
    if encoding is None:
        return body
    began_s = time.perf_counter()
    whole = unpacked(body, encoding, bytes_max)
    connection = cast("Connection", request.protocol)
    connection.charge(time.perf_counter() - began_s)
    if whole is not body:
        _hold(request, held, len(whole))
    return whole


def unpacked(body: bytes, encoding: str, bytes_max: int) -> bytes:
    """The body without its Content-Encoding. Raises BodyTooLarge, BodyBroken.

    Only gzip and deflate are decoded; a body in any other encoding stays as it is.
    """
    encoding = encoding.strip().lower()
    if not body or encoding not in ("gzip", "x-gzip", "deflate"):
        return body
    whole_max = min(bytes_max, UNPACKED_RATIO_MAX * len(body))
    unpacking = zlib.decompressobj(zlib.MAX_WBITS if encoding == "deflate" else zlib.MAX_WBITS + 16)
    try:
        whole = unpacking.decompress(body, whole_max + 1)
    except zlib.error as error:
        raise BodyBroken from error
    if len(whole) > whole_max:
        raise BodyTooLarge
    if not unpacking.eof:
        raise BodyBroken
    return whole
