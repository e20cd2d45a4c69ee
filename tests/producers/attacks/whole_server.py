"""Every site on one server of this process: every route, people and tokens of every role, and raw clients."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import structlog
from argon2 import PasswordHasher

from dispatcher.config.file import Config, parse
from dispatcher.core.people import ROLES, Role
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.service.people import directory as people
from dispatcher.service.people.directory import open_directory
from dispatcher.service.session import Session
from producers.api.routes import OPERATIONS
from producers.api.site import ApiSite
from producers.console.arrival import FORM_COOKIE, SESSION_COOKIE, _derived
from producers.console.pages.table import ROUTES
from producers.console.site import ConsoleSite
from producers.console.site import open_site as open_console
from producers.console.visit import ConsoleRoute
from producers.metrics.site import open_site as open_metrics
from producers.web.server import WebServer
from producers.web.serving import Web, serve
from producers.webhooks.server import open_site as open_pushes
from tests.always import ALWAYS
from tests.producers.api.api_kit import in_this_process

ACCOUNT = "spring"
PASSWORD = "green horses 7"
PEOPLE: dict[Role, str] = {"viewer": "vera", "operator": "olga", "approver": "arno", "admin": "ann"}
FORM = "f" * 43
"""The cookie of a browser that is not signed in."""


class Place(msgspec.Struct, frozen=True):
    """A method and a path that something answers; `site` is which part of the server, `takes` what its body is."""

    site: str
    method: str
    path: str
    takes: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


VALUES = {"id": "may", "stream": "codes", "account": ACCOUNT, "kind": "conflict", "form": "none", "token": "none",
          "name": "ann"}  # fmt: skip
UNLISTED = [
    Place("console", "GET", "/sign-in"),
    Place("console", "POST", "/sign-in", "form"),
    Place("console", "POST", "/sign-out", "form"),
    Place("console", "GET", "/link/none"),
    Place("console", "POST", "/link/none", "form"),
    Place("console", "GET", "/language/zh"),
    Place("console", "GET", "/theme/dark"),
    Place("console", "GET", "/static/x/app.css"),
    Place("metrics", "GET", "/metrics"),
    Place("push", "GET", "/healthz"),
    Place("push", "GET", f"/push/{ACCOUNT}/report"),
    Place("push", "POST", f"/push/{ACCOUNT}/report", "form"),
    Place("push", "POST", f"/push/{ACCOUNT}/inbound", "form"),
    Place("none", "GET", "/v1"),
    Place("none", "GET", "/push"),
]
"""What stands in no table of routes."""


def filled(path: str, **values: str) -> str:
    """The path with a value for each of its parameters."""
    return re.sub(r"\{(\w+)\}", lambda found: (VALUES | values).get(found[1], "none"), path)


def every_place() -> list[Place]:
    """Every route of every site."""
    api = [Place("api", each.method, filled(each.path), _body_of_operation(each)) for each in OPERATIONS]
    console = [
        Place("console", each.method, filled(each.path), _form_of(each) if each.method == "POST" else "")
        for each in ROUTES
    ]
    return [*api, *console, *UNLISTED]


def _form_of(route: ConsoleRoute) -> str:
    return "files" if route.uploads else "form"


def _body_of_operation(operation: Any) -> str:
    if operation.body is not None:
        return "json"
    return "list" if operation.method in ("PUT", "PATCH") else ""


class Raw(msgspec.Struct):
    """What came back first, of events only the head. `status` 0: the connection was closed without an answer."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        found = re.search(rb"\r\n" + name.encode() + rb": ([^\r]*)", self.head, re.IGNORECASE)
        return "" if found is None else found[1].decode()

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Whole:
    """The running server. `sessions` and `tokens` are by role; `logged` is every line of the log."""

    def __init__(self, config: Config, log: Log, web: Web, console: ConsoleSite, logged: list[Any]) -> None:
        self.config = config
        self.log = log
        self.web = web
        self.console = console
        self.session = console._state.session
        self.logged = logged
        self.sessions: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        self._port = int(web.url.rpartition(":")[2])

    def headers_of(self, place: Place, role: str) -> bytes:
        """What a person or a system of this role sends to be known; nothing for role "", a stranger."""
        if not role:
            return b"Cookie: %s=%s\r\n" % (FORM_COOKIE.encode(), FORM.encode())
        if place.site == "console":
            return b"Cookie: %s=%s\r\n" % (SESSION_COOKIE.encode(), self.sessions[role].encode())
        return b"Authorization: Bearer %s\r\n" % self.tokens[role].encode()

    def csrf(self, role: str) -> str:
        """The secret of this person's forms."""
        return _derived(self.sessions[role] if role else FORM)

    async def ask(self, request: bytes, *, ends: bool = False) -> Raw:
        """Send these bytes on a new connection, read the first answer. `ends`: then send no more."""
        async with asyncio.timeout(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 24)
            try:
                writer.write(request)
                if ends:
                    writer.write_eof()
                return await _answer(reader, is_head=request.startswith(b"HEAD "))
            except ConnectionError:
                return Raw(0, b"", b"")
            finally:
                writer.transport.abort()

    async def send(self, place: Place, role: str, body: bytes = b"", media: str = "", more: bytes = b"") -> Raw:
        """A well-formed request of this role."""
        head = b"%s %s HTTP/1.1\r\nHost: x\r\n" % (place.method.encode(), place.path.encode())
        if body or media:
            head += b"Content-Type: %s\r\nContent-Length: %d\r\n" % (media.encode(), len(body))
        return await self.ask(head + self.headers_of(place, role) + more + b"\r\n" + body)

    def faults(self) -> list[Any]:
        """Lines of the log that say that the server itself is wrong, and any traceback."""
        return [
            line
            for line in self.logged
            if line["log_level"] in ("error", "critical") or line["event"] == "page-failed" or "exc_info" in line
        ]


async def _answer(reader: asyncio.StreamReader, *, is_head: bool) -> Raw:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return Raw(0, b"", b"")
    answer = Raw(int(head.split(b" ", 2)[1]), head, b"")
    length = answer.header("Content-Length")
    if length and not is_head:
        answer.body = await reader.readexactly(int(length))
    elif answer.header("Transfer-Encoding") == "chunked" and b"text/event-stream" not in head:
        answer.body = await reader.readuntil(b"0\r\n\r\n")
    return answer


def configured(folder: Path, more: dict[str, Any]) -> Config:
    """Two accounts that reach no vendor: spring has a secret for its pushes, summer takes them from anybody."""
    account = {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": "secret-of-the-vendor"}
    table = {
        "log": {"url": f"sqlite:{folder}/log.db"},
        "store": {"url": f"sqlite:{folder}/results.db"},
        "account": {
            ACCOUNT: account | {"receiver": "admin", "push_pswd": "known-to-us"},
            "summer": account | {"push_open": True},
        },
    } | ALWAYS
    web = {"listen": "127.0.0.1:0", "strangers_share": 1.0}
    return parse(table | more | {"web": web | more.get("web", {})}, str(folder / "dispatcher.toml"))


@asynccontextmanager
async def served(folder: Path, **more: Any) -> AsyncIterator[Whole]:
    """Serve every site. At the end no byte is held, no connection open, and no fault was logged."""
    config = configured(folder, more)
    log = await open_log(config.log.url, create=True)
    consoles: list[ConsoleSite] = []

    async def open_api(config: Config, log: Log, _: WebServer) -> ApiSite:
        session = Session(config, log)
        return ApiSite(config, session, await open_directory(session), in_this_process)

    async def remembered(config: Config, log: Log, server: WebServer) -> ConsoleSite:
        consoles.append(await open_console(config, log, server))
        return consoles[0]

    before = people._hasher
    people._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # type: ignore[misc]
    try:
        with structlog.testing.capture_logs() as logged:
            web = await serve(config, log, [open_pushes, open_api, remembered, open_metrics])
            whole = Whole(config, log, web, consoles[0], logged)
            await _admit(whole)
            yield whole
            assert not whole.faults()
            await web.close()
            await log.close()
            assert not whole.faults()
    finally:
        people._hasher = before  # type: ignore[misc]
    assert web.server.budget.used == 0
    assert web.server.counts.open == 0


async def _admit(whole: Whole) -> None:
    """A person and a token of each role; the console's directory is the one that the sessions are made in."""
    directory = whole.console._people
    for role, name in PEOPLE.items():
        await directory.add_person(name, role, PASSWORD, by="test")
        whole.sessions[role] = (await directory.sign_in(name, PASSWORD)).secret
        whole.tokens[role] = (await directory.add_token(f"{name}-api", sorted(ROLES[role]), by="test")).secret
    for site in whole.web._sites:
        if (other := getattr(site, "_directory", None)) is not None:
            await other.catch_up()
