"""Answers on the wire: the bytes of a good one, and every way to spoil it (vendors.md 9 (3)).

aiohttp serves the connections; an answer is written to the transport directly, because most faults are no HTTP that a
library would send.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from loadtest.sim.requests.faults import Rule

TEXT = "text/plain; charset=UTF-8"
HTML = b"<html><head><title>Notice</title></head><body><h1>Please try again later</h1></body></html>"
FILLER = (b"x" * 99 + b"\n") * 1000
OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: %d\r\n\r\n"


@dataclass(slots=True)
class Reply:
    """What a request is answered with. `rule` spoils it; `hold` keeps it back until it is set, at most `hold_s`;
    `more` is more header lines, each with its line end.
    """

    body: bytes
    status: int = 200
    content_type: str = TEXT
    rule: Rule | None = None
    hold: asyncio.Event | None = None
    hold_s: float = 0.0
    more: str = ""


def half_of_rows(body: bytes) -> bytes:
    """The first line and the first half of the others; nothing of a single line."""
    lines = body.splitlines(keepends=True)
    return b"".join(lines[: 1 + (len(lines) - 1) // 2]) if len(lines) > 1 else b""


class Wire:
    """Writes one Reply; has what aiohttp asks of a response (prepare, write_eof, keep_alive)."""

    __slots__ = ("keep_alive", "reply")

    def __init__(self, reply: Reply, keep_alive: bool) -> None:
        self.reply = reply
        self.keep_alive = keep_alive

    async def prepare(self, request: Any) -> None:
        """Called by aiohttp to send the head; all is sent here."""
        transport = request.protocol.transport
        if transport is None or transport.is_closing():
            return
        reply = self.reply
        if reply.rule is not None and reply.rule.fault:
            await self._spoil(transport, reply, reply.rule, request.path)
        elif reply.status == 200 and reply.content_type is TEXT and self.keep_alive:
            transport.write(OK_HEAD % len(reply.body) + reply.body)
        else:
            transport.write(self._bytes(reply.status, reply.content_type, reply.body, reply.more))

    async def write_eof(self) -> None:
        """Called by aiohttp at the end; nothing is left to do."""

    def _bytes(self, status: int, content_type: str, body: bytes, more: str = "") -> bytes:
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {content_type}\r\n"
        head += f"Content-Length: {len(body)}\r\n{more}"
        if not self.keep_alive:
            head += "Connection: close\r\n"
        return head.encode() + b"\r\n" + body

    async def _spoil(self, transport: asyncio.Transport, reply: Reply, rule: Rule, path: str) -> None:
        fault, body, kind = rule.fault, reply.body, reply.content_type
        if fault.startswith("http_") and fault[5:].isdigit():
            status = int(fault[5:])
            more = f"Location: {path}\r\n" if status == 302 else ""
            transport.write(self._bytes(status, "text/html", f"<html>{status}</html>".encode(), more))
            return
        match fault:
            case "delay":
                await asyncio.sleep(rule.delay_s)
                transport.write(self._bytes(200, kind, body))
            case "no_answer":
                await asyncio.sleep(rule.hold_s)
                self._close(transport)
            case "close":
                self._close(transport)
            case "reset":
                self._reset(transport)
            case "half_answer":
                whole = self._bytes(200, kind, body)
                transport.write(whole[: len(whole) - (len(body) + 1) // 2])
                self._close(transport)
            case "half_rows":
                whole = self._bytes(200, kind, body)
                transport.write(whole[: len(whole) - len(body)] + half_of_rows(body))
                self._close(transport)
            case "html_200":
                transport.write(self._bytes(200, "text/html", HTML))
            case "empty_body":
                transport.write(self._bytes(200, kind, b""))
            case "wrong_charset":
                transport.write(self._bytes(200, "text/html; charset=UTF-16", body))
            case "chunked":
                cut = len(body) // 2
                chunks = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in (body[:cut], body[cut:]) if c)
                head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
                transport.write(head + chunks + b"0\r\n\r\n")
            case "http10_close":
                transport.write(f"HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode() + body)
                self._close(transport)
            case "connection_close":
                self.keep_alive = False
                transport.write(self._bytes(200, kind, body))
            case "body_100k":
                transport.write(self._bytes(200, kind, body + b"\n" + FILLER))
            case "slow_drip":
                whole = self._bytes(200, kind, body)
                cut = len(whole) - len(body)
                transport.write(whole[:cut])
                for at in range(cut, len(whole)):
                    await asyncio.sleep(rule.drip_s)
                    transport.write(whole[at : at + 1])

    def _close(self, transport: asyncio.Transport) -> None:
        self.keep_alive = False
        transport.close()

    def _reset(self, transport: asyncio.Transport) -> None:
        self.keep_alive = False
        reset(transport)


def reset(transport: asyncio.Transport) -> None:
    """Close a connection with RST, as the kernel does for a process that died."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
