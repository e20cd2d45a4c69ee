"""The role `web`: serves sites on one bounded server at `[web] listen`; the paths of no site are answered with 404."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib.metadata import entry_points
from typing import Final, cast

import msgspec
from aiohttp import web
from aiohttp.http import HttpVersion10, HttpVersion11

from dispatcher.config.file import Config
from dispatcher.errors import ConfigError, PortInUse
from dispatcher.log.port import Log
from dispatcher.loggers import get_logger
from dispatcher.process.roles import Work
from producers.web.addresses import expected_from
from producers.web.answers import ReadyAnswer, Reply
from producers.web.connection import Connection
from producers.web.listener import FILES_KEPT, raise_file_limit, tls_context
from producers.web.server import ServerBounds, WebServer
from producers.web.site import (
    Answer,
    Greeting,
    Incoming,
    Listening,
    OpenSite,
    Site,
    Streamed,
    read_head,
    root_of,
    target,
)

SITE_GROUP: Final = "dispatcher.sites"

BROKEN: Final = ReadyAnswer(400, last=True)
OTHER_VERSION: Final = ReadyAnswer(505, last=True)
UNKNOWN_PATH: Final = ReadyAnswer(404)
TOO_MANY_STREAMS: Final = ReadyAnswer(503, retry_after_s=5)
TOO_MANY_OF_CALLER: Final = ReadyAnswer(429, retry_after_s=5)

logger = get_logger(__name__)


class Web:
    """The server and its sites, made by `serve`. `url` is where it listens."""

    def __init__(self, config: Config) -> None:
        self.url = ""
        self._config = config.web
        self._sites: list[Site] = []
        self._of_root: dict[str, Site] = {}
        bounds = ServerBounds(
            connections_max=min(config.web.connections_max, max(raise_file_limit() - FILES_KEPT, 16)),
            connections_per_address_max=config.web.connections_per_address_max,
            strangers_share=config.web.strangers_share,
            held_bytes_max=config.web.held_bytes_max,
        )
        self.server = WebServer(
            self._handle,
            bounds,
            is_proxy=expected_from(config.web.trusted_proxies) or _no_proxy,
            proves=self._proves,
            tls=tls_context(config.web.certificate, config.web.key) if config.web.certificate else None,
        )

    def add(self, site: Site) -> None:
        """Serve this site, too."""
        self._sites.append(site)
        self._of_root.update(dict.fromkeys(site.roots, site))

    async def listen(self) -> None:
        """Listen at `config.web.listen` (port 0: any free one). Raises PortInUse, ConfigError, LogError."""
        where = self._config.listen
        host, port = address_of(where)
        if self.server.bounds.connections_max < self._config.connections_max:
            logger.warning(
                "fewer-connections",
                connections_max=self.server.bounds.connections_max,
                advice="[web] connections_max is more than the limit on open files allows (ulimit -n)",
            )
        try:
            bound = await self.server.listen(host, port, share_port=self._config.share_port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(
                    "{where} is in use. Stop the program there, or give [web] listen another port.", where=where
                ) from error
            raise ConfigError(
                "cannot listen at {where}: give [web] listen an address of this machine.", where=where
            ) from error
        scheme = "https" if self._config.certificate else "http"
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{bound}"
        for site in self._sites:
            if isinstance(site, Listening):
                await site.listening()

    async def close(self) -> None:
        """Stop listening, answer the requests under way, end streams, and close the sites."""
        async with AsyncExitStack() as stack:
            for site in self._sites:
                stack.push_async_callback(site.close)
            stack.push_async_callback(self.server.close)

    def _proves(self, first: bytes, address: str) -> bool:
        head = read_head(first)
        if head is None:
            return False
        head = msgspec.structs.replace(head, path=self._inner(head.path))
        site = self._site(head.path)
        return site is not None and site.proves(head, address)

    def _inner(self, path: str) -> str:
        """The path without `[web] prefix`, which the proxy may have left in it."""
        prefix = self._config.prefix
        if prefix and (path == prefix or path.startswith(f"{prefix}/")):
            return path[len(prefix) :] or "/"
        return path

    def greetings(self) -> list[str]:
        """What the sites tell whoever starts the process."""
        return [line for site in self._sites if isinstance(site, Greeting) for line in site.greeting(self.url)]

    def _site(self, path: str) -> Site | None:
        return self._of_root.get(root_of(path)) or self._of_root.get("")

    async def _handle(self, request: web.BaseRequest) -> Reply | web.StreamResponse:
        connection = cast("Connection", request.protocol)
        with self.server.budget.hold(stranger=not connection.known) as held:
            path, query = target(request.raw_path)
            answer = await self._answer(Incoming(request, connection, held, self._inner(path), query))
            if isinstance(answer, ReadyAnswer):
                return Reply(answer, request)
            refused = self._no_more_streams(answer.caller)
            if refused is not None:
                await answer.pieces.aclose()
                return Reply(refused, request)
            return await _stream(request, connection, answer)

    def _no_more_streams(self, caller: str) -> ReadyAnswer | None:
        if self.server.streams_full:
            return TOO_MANY_STREAMS
        return TOO_MANY_OF_CALLER if self.server.has_its_streams(caller) else None

    async def _answer(self, incoming: Incoming) -> Answer:
        request = incoming.http
        if request.version not in (HttpVersion10, HttpVersion11):
            return incoming.distrust(OTHER_VERSION)
        if request.version == HttpVersion10 and "Transfer-Encoding" in request.headers:
            # HTTP/1.0 has no chunks: a proxy may have found its end elsewhere.
            return incoming.distrust(BROKEN)
        site = self._site(incoming.path)
        if site is None:
            self.server.unknown_path()
            return incoming.distrust(UNKNOWN_PATH)
        return await site.handle(incoming)


async def start_web(config: Config, log: Log) -> Work:
    """The role `web`: every installed site. At the end what waits for the log is answered. Raises as `serve`."""
    found = sorted(entry_points(group=SITE_GROUP), key=lambda each: each.name)
    running = await serve(config, log, [each.load() for each in found])
    return Work(running.close, running.url, running.greetings())


async def serve(config: Config, log: Log, open_sites: Sequence[OpenSite]) -> Web:
    """Open these sites and listen. Raises PortInUse, ConfigError, LogError."""
    serving = Web(config)
    try:
        for open_site in open_sites:
            serving.add(await open_site(config, log, serving.server))
        await serving.listen()
    except BaseException:
        await serving.close()
        raise
    return serving


async def _stream(request: web.BaseRequest, connection: Connection, answer: Streamed) -> web.StreamResponse:
    """Write it as the client reads it. Connection.sweep ends it if the client hangs."""
    response = web.StreamResponse(headers={**answer.headers, "Content-Type": answer.content_type})
    if connection.ends:
        response.force_close()
    writing = asyncio.create_task(_write(request, response, answer))
    connection.begin_stream(answer.caller, writing.cancel)
    error: BaseException | None = None
    try:
        await asyncio.wait({writing})
        error = asyncio.CancelledError() if writing.cancelled() else writing.exception()
    finally:
        writing.cancel()
        connection.end_stream(answer.caller, early=not writing.done() or error is not None)
    if error is not None:
        if not isinstance(error, (ConnectionError, asyncio.CancelledError)):
            logger.error("web-stream-failed", error=type(error).__name__)
        connection.abort()
        raise ConnectionResetError("the stream ended early")
    return response


async def _write(request: web.BaseRequest, response: web.StreamResponse, answer: Streamed) -> None:
    try:
        await response.prepare(request)
        if request.method != "HEAD":
            async for piece in answer.pieces:
                await response.write(piece)
        await response.write_eof()
    finally:
        await answer.pieces.aclose()


def _no_proxy(_: str | None) -> bool:
    return False


def address_of(listen: str) -> tuple[str, int]:
    """(host, port) of `HOST:PORT`. Raises ConfigError."""
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise ConfigError(
            '[web] listen = "{listen}" is not HOST:PORT. Write, for example, "127.0.0.1:8080".', listen=listen
        )
    return host, int(port)
