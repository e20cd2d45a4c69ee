"""Reads an HTTP answer: a bounded part of it, and whether its connection stays open. The driver decides its meaning."""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp

from dispatcher.vendors.seam.vendor import Request

BODY_BYTES_MAX: Final = Request(path="/").answer_bytes_max
"""How much of an answer is read by default; after a longer one the connection is closed."""


def ends(response: aiohttp.ClientResponse) -> bool:
    """Whether the vendor announced that it closes the connection after this answer."""
    said = response.headers.get("Connection", "").lower()
    old = response.version is not None and response.version < aiohttp.HttpVersion11
    return "close" in said or (old and "keep-alive" not in said)


async def bounded(
    response: aiohttp.ClientResponse, until_s: float | None, bytes_max: int = BODY_BYTES_MAX, *, rows: bool = False
) -> tuple[bytes, bool]:
    """(the body's first `bytes_max` bytes, whether there was more); with `rows` also for a body that breaks off.

    Reading also ends at `until_s` by the loop's clock.
    """
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout_at(until_s):
            while part := await response.content.readany():
                parts.append(part)
                size += len(part)
                if size > bytes_max:
                    response.close()
                    return b"".join(parts)[:bytes_max], True
    except (aiohttp.ClientError, TimeoutError, OSError):
        if not rows or not parts:
            raise
        response.close()
        return b"".join(parts), True
    return b"".join(parts), False


async def start(response: aiohttp.ClientResponse, until_s: float | None) -> str:
    """The start of an error page, for people; only the status decides, so the page may break off."""
    try:
        body, _ = await bounded(response, until_s)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return ""
    return body.decode("utf-8", "replace").strip()
