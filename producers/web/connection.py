"""One connection of the web server: aiohttp's RequestHandler, quiet about mistakes of strangers and bounded in time.

`sweep` is called every second or so and ends what lasts too long: a head, an idle connection, answers that are not
read. Bodies are bounded in time where they are read (bodies.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from dispatcher.loggers import get_logger
from producers.web.answers import Answer, Reply
from producers.web.parser import Parser

if TYPE_CHECKING:
    from producers.web.server import WebServer

TOO_SLOW: Final = Answer(408, last=True)

logger = get_logger(__name__)


class Connection(web.RequestHandler):
    """Made by WebServer for each connection."""

    __slots__ = ("_answers", "_half_closed", "_server", "_since_s", "_state")

    def __init__(self, server: WebServer, **settings: Any) -> None:
        super().__init__(server, **settings)
        self._server = server
        self._parser = Parser(self._parser, server.bounds.head_bytes_max)  # type: ignore[assignment]
        self._answers = 0
        self._half_closed = False
        self._state = ("request", 0)
        self._since_s = self._loop.time()

    @property
    def _reading(self) -> Parser | None:
        return self._parser  # type: ignore[return-value]

    @property
    def unanswered(self) -> int:
        """Requests that have come and are not answered."""
        return self._reading.requests - self._answers if self._reading is not None else 0

    @property
    def ends(self) -> bool:
        """Whether the connection is closed after the answer that is being written."""
        return self._server.closing or (self._half_closed and self.unanswered <= 1)

    @property
    def linger_s(self) -> float:
        """How long a refused client may take to read its answer."""
        return self._server.bounds.linger_s

    def answered(self) -> None:
        """Called when an answer is written."""
        self._answers += 1

    async def drained(self) -> None:
        """Wait until the client has read enough of its answers. Raises ConnectionError if it goes."""
        await self._drain_helper()

    # --- called by the loop and by aiohttp ---------------------------------------------------------------------------

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """The client sends no more, but may still wait for its answers."""
        if self._reading is None or not self.unanswered or self._reading.in_body:
            return None
        self._half_closed = True
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        """Called by the loop."""
        super().connection_lost(exc)
        self._server.lost(self)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to a request that is not HTTP, or whose handler failed; nothing of the request is in it."""
        if status == 500:
            logger.error("web-request-failed", error=type(exc).__name__)
        else:
            self._server.malformed()
            status = 431 if isinstance(exc, LineTooLong) else status
        return Reply(Answer(status, last=True), request, unread=True).as_response()

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """A mistake of ours outside a handler: it costs this connection, and no other."""
        logger.error("web-connection-failed", error=type(kw.get("exc_info")).__name__)

    # --- called by the server ----------------------------------------------------------------------------------------

    def sweep(self, now_s: float) -> None:
        """End what lasts too long."""
        state = (self._waits_for(), self._answers)
        if state != self._state:
            self._state, self._since_s = state, now_s
        bounds = self._server.bounds
        bound_s = {"request": bounds.idle_s, "head": bounds.head_s, "reader": bounds.write_s}.get(state[0])
        if bound_s is None or now_s - self._since_s <= bound_s or self.transport is None:
            return
        if state[0] == "head":
            self._server.malformed()
            self.transport.write(TOO_SLOW.to("GET", b"close"))
            self.transport.close()
        else:
            self.abort()

    def drain(self) -> None:
        """The server closes: close now, or after the answers that are due."""
        if not self.unanswered:
            self.force_close()

    def abort(self) -> None:
        """End it at once."""
        if self.transport is not None:
            self.transport.abort()

    def _waits_for(self) -> str:
        """What the connection waits for: a request, the rest of a head, a reader of its answers, or us."""
        if self.writing_paused:
            return "reader"
        if self.unanswered:
            return "us"
        return "head" if self._reading is not None and self._reading.head_bytes else "request"
