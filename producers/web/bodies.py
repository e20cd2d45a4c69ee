"""Reading a request's body: bounded in bytes, in time, and in what it unpacks to."""

from __future__ import annotations

import asyncio
import zlib
from typing import Final

from aiohttp import web
from aiohttp.http import HttpVersion11

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class BodyTooLarge(Exception):
    """The body is larger than allowed, as declared, as sent or unpacked."""


class BodyBroken(Exception):
    """The rest of the body never came, came too slowly, or is not what its headers say."""


async def read_body(request: web.BaseRequest, bytes_max: int, within_s: float) -> bytes:
    """The body, unpacked. Raises BodyTooLarge (a declared length is refused unread), BodyBroken."""
    if (request.content_length or 0) > bytes_max:
        raise BodyTooLarge
    if not request.can_read_body and request.content.is_eof():
        return b""
    _go_on(request)
    try:
        async with asyncio.timeout(within_s):
            body = await _read(request, bytes_max)
    except (web.RequestPayloadError, ConnectionError, TimeoutError) as error:
        raise BodyBroken from error
    return inflated(body, request.headers.get("Content-Encoding", ""), bytes_max)


def _go_on(request: web.BaseRequest) -> None:
    """Ask for the body, as some clients do not send it before (curl, .NET)."""
    asks = request.headers.get("Expect", "").strip().lower() == "100-continue"
    if asks and request.version == HttpVersion11 and request.transport is not None:
        request.transport.write(CONTINUE)


async def _read(request: web.BaseRequest, bytes_max: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := await request.content.readany():
        size += len(part)
        if size > bytes_max:
            raise BodyTooLarge
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def inflated(body: bytes, encoding: str, bytes_max: int) -> bytes:
    """A body as it was before its Content-Encoding. Raises BodyTooLarge, BodyBroken.

    Only gzip and deflate are known; any other encoding is left to whoever reads the body.
    """
    encoding = encoding.strip().lower()
    if not body or encoding not in ("gzip", "x-gzip", "deflate"):
        return body
    inflating = zlib.decompressobj(zlib.MAX_WBITS if encoding == "deflate" else zlib.MAX_WBITS + 16)
    try:
        whole = inflating.decompress(body, bytes_max + 1)
    except zlib.error as error:
        raise BodyBroken from error
    if len(whole) > bytes_max:
        raise BodyTooLarge
    if not inflating.eof:
        raise BodyBroken
    return whole
