"""The site of the console: who asks, which page answers, what is audited, how it is rendered.

Without sign-in only the sign-in page, one-time links, static files and the switches of language and theme are
reachable. A session is a cookie; a trusted proxy may name the person in `[web] user_header` instead. Every POST has the
secret of its form. Permission is judged before a body is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import tempfile
import traceback
from collections.abc import AsyncGenerator, Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

import msgspec
from multidict import CIMultiDict

from dispatcher.config.file import Config
from dispatcher.errors import DispatcherError, NotFound, UserError
from dispatcher.i18n import N_, _, use_language
from dispatcher.log.port import Log
from dispatcher.loggers import get_logger
from dispatcher.masking import masked_mobiles
from dispatcher.service.people.audit import audit
from dispatcher.service.people.directory import Directory, open_directory
from dispatcher.service.session import Session
from producers.console.arrival import SESSION_COOKIE, Arrival
from producers.console.forms import BadForm, read_form
from producers.console.live import Live
from producers.console.pages.table import ROUTES
from producers.console.rendering.navigation import MENU
from producers.console.rendering.renderer import Renderer
from producers.console.rendering.static_files import StaticFiles
from producers.console.sign_in import SignIn
from producers.console.state import ConsoleState
from producers.console.visit import Answer, ConsoleRoute, Download, Events, Fields, Html, Redirect, UploadedFile, Visit
from producers.console.wording.sentences import said
from producers.web.answers import ReadyAnswer
from producers.web.routes import Found, Routes
from producers.web.server import WebServer
from producers.web.site import Answer as WebAnswer
from producers.web.site import Head, Incoming, Streamed

PIECE_BYTES: Final = 262_144
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
FAULTS: Final = {
    400: (N_("This request cannot be read"), N_("Go back and try again.")),
    403: (N_("Not allowed"), N_("Your role does not allow this. An administrator can change it.")),
    404: (N_("No such page"), N_("The address is wrong, or what it named is gone.")),
    405: (N_("Not this way"), N_("This address is there, but not for this kind of request.")),
    413: (N_("Too large"), N_("The form or its file is larger than allowed.")),
    415: (N_("No files here"), N_("This form takes no files.")),
    500: (N_("A mistake of ours"), N_("The log of the dispatcher says more. Nothing was changed unless it says so.")),
    503: (N_("Not at this moment"), N_("Try again in a few seconds.")),
    507: (N_("No space"), N_("The file cannot be kept: the disk of the dispatcher is full or may not be written.")),
}
"""The title of an error's page, and what to do."""
FORM_TOO_OLD: Final = N_("This form is too old. It was not sent: try again.")

_SESSION: Final = re.compile(rb"\b" + SESSION_COOKIE.encode() + rb"=([\w-]{20,100})")

logger = get_logger(__name__)


async def open_site(config: Config, log: Log, server: WebServer) -> ConsoleSite:
    """Open the console on this log. Raises LogError."""
    session = Session(config, log)
    people = await open_directory(session)
    site = ConsoleSite(config, session, people)
    site.follow()
    return site


class ConsoleSite:
    """Made by `open_site`; all paths that no other site owns."""

    roots: Final = ("",)

    def __init__(self, config: Config, session: Session, people: Directory) -> None:
        self._web = config.web
        self._static = StaticFiles()
        self._renderer = Renderer(self._static, config.web.prefix)
        self._live = Live()
        self._state = ConsoleState(config, session, people, self._live)
        self._people = people
        self._sign_in = SignIn(session, people)
        self._routes: Routes[ConsoleRoute] = Routes(ROUTES)
        there = {route.path for route in ROUTES if route.method == "GET"}
        self._menu = [entry for entry in MENU if entry.path in there]
        self._following: asyncio.Task[None] | None = None
        self._link = ""

    def follow(self) -> None:
        """Follow the people."""
        self._following = asyncio.create_task(self._people.follow())

    async def listening(self) -> None:
        """Without an administrator make the link for the first one. Raises LogError."""
        if not self._people.has_admin:
            self._link = (await self._people.make_link("", by="dispatcher run")).secret

    def greeting(self, url: str) -> list[str]:
        """What whoever started the process is told."""
        where = f"{url}{self._web.prefix}"
        if not self._link:
            return [f"  console  {where}/"]
        return [
            f"  console  {where}/",
            f"           the first administrator begins here, once: {where}/link/{self._link}",
        ]

    def proves(self, head: Head, address: str) -> bool:
        """Whether the first bytes have the cookie of a session."""
        found = _SESSION.search(head.first)
        return found is not None and self._people.caller_of_session(found[1].decode()) is not None

    async def close(self) -> None:
        """Stop following, and what is watched."""
        self._live.close()
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self._state.session.close()

    # --- a request ---------------------------------------------------------------------------------------------------

    async def handle(self, incoming: Incoming) -> WebAnswer:
        """Answer it."""
        if incoming.path.startswith("/static/"):
            return self._file(incoming)
        arrival = Arrival(incoming, self._web.prefix, tls=bool(self._web.certificate))
        use_language(arrival.language)
        try:
            return await self._answer(arrival)
        except BadForm as error:
            if error.status == HTTPStatus.FORBIDDEN:
                incoming.connection.distrust()
                return self._refused_form(arrival)
            return self._fault(arrival, error.status)
        except NotFound as error:
            return self._fault(arrival, 404, said(error))
        except UserError as error:
            return self._fault(arrival, 400, said(error))
        except DispatcherError as error:
            logger.warning("page-failed", path=incoming.path, error=str(error))
            return self._fault(arrival, 503, said(error))
        except ConnectionError:
            raise
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            at = f"{where.filename}:{where.lineno}"
            logger.error("page-failed", path=incoming.path, error=f"{type(error).__name__}: {error}", at=at)
            return self._fault(arrival, 500)

    async def _answer(self, arrival: Arrival) -> WebAnswer:
        incoming = arrival.incoming
        named = self._identify(arrival)
        if incoming.method == "POST" and not arrival.same_site:
            raise BadForm(403)
        before = await self._sign_in.answer(arrival)
        if before is not None:
            return self._rendered(arrival, before)
        caller = arrival.caller
        if caller is None:
            return self._stranger(arrival, named)
        incoming.prove()
        if arrival.path == "/" and self._menu[0].path != "/":
            return self._rendered(arrival, Redirect(self._menu[0].path))
        found = self._routes.find(incoming.method, arrival.path)
        if isinstance(found, ReadyAnswer):
            if found.status == 405 and incoming.method in ("GET", "HEAD"):
                return self._rendered(arrival, Redirect(self._page_above(arrival.path)))
            return found if found.status < 400 else self._fault(arrival, found.status)
        route = found.route
        if route.permission is not None and not caller.may(cast("Any", route.permission)):
            await audit(
                self._state.session, caller, route.permission, arrival.path, refused=True, address=arrival.address
            )
            return self._fault(arrival, 403)
        visit = Visit(
            state=self._state,
            caller=caller,
            target=arrival.path,
            path=found.values,
            query=arrival.query,
            language=arrival.language,
            prefix=self._web.prefix,
            address=arrival.address,
        )
        if incoming.method != "POST":
            return self._rendered(arrival, await route.handler(visit), visit)
        return await self._post(arrival, route, visit)

    def _page_above(self, path: str) -> str:
        """The page that has the form of this address; a refused form leaves its address to be opened again."""
        while path.rpartition("/")[0]:
            path = path.rpartition("/")[0]
            if isinstance(self._routes.find("GET", path), Found):
                return path
        return "/"

    async def _post(self, arrival: Arrival, route: ConsoleRoute, visit: Visit) -> WebAnswer:
        """Read the form, order, audit it or why it was refused; a mistake is said on the page that the form is on."""
        with _folder() as folder:
            form, files = await read_form(arrival.incoming, arrival.csrf(), folder if route.uploads else None)
            visit = _with_form(visit, form, files)
            try:
                answer = await route.handler(visit)
                refused = isinstance(answer, Html) and answer.status >= 400
            except UserError as error:
                answer, refused = Redirect(arrival.back(), said(error), "bad"), True
            if route.audited:
                says = masked_mobiles(_outcome(answer))
                await visit.audit(route.permission or "own-account", arrival.path, says=says, refused=refused)
            return self._rendered(arrival, answer, visit)

    def _identify(self, arrival: Arrival) -> str:
        """Find out who asks; returns the name that a trusted proxy gives, also of a person who is not known."""
        header = self._web.user_header
        if header and arrival.incoming.connection.is_proxy:
            name = arrival.incoming.http.headers.get(header, "").strip()
            if name:
                arrival.by_proxy = True
                arrival.caller = self._people.caller_of_name(name)
                return name
        if arrival.session:
            arrival.caller = self._people.caller_of_session(arrival.session)
        return ""

    def _stranger(self, arrival: Arrival, named: str) -> WebAnswer:
        if named:
            says = _("You are signed in as {name}, but no administrator has added this name here.").format(name=named)
            return self._fault(arrival, 403, says)
        to = arrival.path if arrival.incoming.method == "GET" else "/"
        if arrival.is_htmx:
            return ReadyAnswer(401, headers={"HX-Redirect": self._renderer.url("/sign-in")} | HEADERS)
        return self._rendered(arrival, Redirect(f"/sign-in?next={quote(to)}" if to != "/" else "/sign-in"))

    def _file(self, incoming: Incoming) -> ReadyAnswer:
        name = incoming.path.rpartition("/")[2]
        accepts = incoming.http.headers.get("Accept-Encoding", "")
        found = self._static.answer(name, accepts) if incoming.method in ("GET", "HEAD") else None
        return found if found is not None else ReadyAnswer(404)

    # --- answers -----------------------------------------------------------------------------------------------------

    def _rendered(self, arrival: Arrival, answer: Answer, visit: Visit | None = None) -> WebAnswer:
        match answer:
            case Html():
                page = self._html(arrival, answer, visit)
                return ReadyAnswer(answer.status, page, "text/html; charset=utf-8", headers=_headers(arrival))
            case Redirect():
                if answer.says:
                    arrival.say_next(answer.kind, answer.says)
                headers = _headers(arrival)
                headers["Location"] = quote(self._renderer.url(answer.path), safe="/?&=%:@!$'()*+,;~#")
                return ReadyAnswer(303, headers=headers)
            case Download():
                return _download(answer, arrival)
            case Events():
                return self._events(arrival, answer, visit)

    def _html(self, arrival: Arrival, answer: Html, visit: Visit | None) -> bytes:
        values = {
            "arrival": arrival,
            "caller": arrival.caller,
            "visit": visit,
            "menu": [each for each in self._menu if arrival.caller is not None and arrival.caller.may(each.permission)],
            "here": arrival.path,
            "says": None if arrival.is_htmx else arrival.says(),
            "csrf": arrival.csrf(),
            "csrf_field": lambda: self._renderer.csrf_field(arrival.csrf()),
        }
        return self._renderer.render(answer.template, values | answer.values).encode()

    def _events(self, arrival: Arrival, answer: Events, visit: Visit | None) -> Streamed:
        caller, session, named = arrival.caller, arrival.session, arrival.by_proxy
        assert caller is not None
        language = arrival.language

        def allowed() -> bool:
            now = self._people.caller_of_name(caller.name) if named else self._people.caller_of_session(session)
            return now is not None and now.permissions == caller.permissions

        async def render() -> str:
            use_language(language)
            html = await answer.render()
            values = {"caller": caller, "here": arrival.path, "csrf_field": lambda: self._renderer.csrf_field("")}
            return self._renderer.render(html.template, values | html.values)

        key = (answer.key, language, caller.permissions)
        return Streamed(
            pieces=self._live.watch(key, render, answer.every_s, allowed),
            content_type="text/event-stream",
            caller=caller.name,
            headers=HEADERS | {"X-Accel-Buffering": "no"},
        )

    def _fault(self, arrival: Arrival, status: int, says: str = "") -> ReadyAnswer:
        title, advice = FAULTS.get(status, FAULTS[400])
        values = {"title": _(title), "advice": _(says or advice), "status": status}
        page = self._html(arrival, Html("base/fault.html", values), None)
        return ReadyAnswer(status, page, "text/html; charset=utf-8", headers=_headers(arrival))

    def _refused_form(self, arrival: Arrival) -> WebAnswer:
        """A form without its secret: most often the session has ended meanwhile."""
        if arrival.caller is None or not arrival.same_site:
            return self._fault(arrival, 403, FORM_TOO_OLD)
        return self._rendered(arrival, Redirect(arrival.back(), _(FORM_TOO_OLD), "bad"))


def _outcome(answer: Answer) -> str:
    """What an order did, or why it was refused, in the words of its page."""
    match answer:
        case Redirect():
            return answer.says
        case Html(values=values):
            by_field = values.get("mistakes") or {}
            refused = values.get("mistake") or values.get("fault") or "; ".join(by_field.values())
            return str(refused or values.get("did", ""))
    return ""


def _headers(arrival: Arrival) -> CIMultiDict[str]:
    headers = CIMultiDict(HEADERS)
    headers.extend(arrival.cookies)
    return headers


def _download(answer: Download, arrival: Arrival) -> WebAnswer:
    headers = _headers(arrival)
    plain = re.sub(r"[^\w.\- ]", "_", answer.name, flags=re.ASCII)
    headers["Content-Disposition"] = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(answer.name)}"
    if isinstance(answer.content, bytes):
        return ReadyAnswer(200, answer.content, answer.content_type, headers=headers)
    caller = "" if arrival.caller is None else arrival.caller.name
    return Streamed(
        pieces=_file_pieces(answer.content), content_type=answer.content_type, caller=caller, headers=headers
    )


async def _file_pieces(path: Path) -> AsyncGenerator[bytes, None]:
    """The file, which is deleted afterwards."""
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece
    finally:
        file.close()
        await asyncio.to_thread(path.unlink, missing_ok=True)


@contextlib.contextmanager
def _folder() -> Iterator[Callable[[], Path]]:
    """A call that makes a folder for files, which is deleted at the end."""
    made: list[Path] = []

    def make() -> Path:
        if not made:
            made.append(Path(tempfile.mkdtemp(prefix="dispatcher-")))
        return made[0]

    try:
        yield make
    finally:
        for each in made:
            shutil.rmtree(each, ignore_errors=True)


def _with_form(visit: Visit, form: Fields, files: dict[str, UploadedFile]) -> Visit:
    return msgspec.structs.replace(visit, form=form, files=files)
