"""The site `/v1`: who calls, what they may do, what they ask for, and the answer or the problem.

In this order: the token, the route, the rate, the permission, the query, the body by its declared length and then its
bytes. A request without a valid token costs what any stranger's costs, and its body is not read. A change is audited
after it was done, and when it was refused for lack of a permission.

A person's session (cookie) may read, too, so that the documentation opens in a browser; changes need a token, which
another site's page cannot send.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from http.cookies import CookieError, SimpleCookie
from typing import Annotated, Any, Final, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec

from dispatcher.config.file import Config
from dispatcher.core.people import Caller
from dispatcher.errors import DispatcherError, LogError
from dispatcher.i18n import ENGLISH, N_, language_asked, language_is
from dispatcher.log.port import Log
from dispatcher.loggers import get_logger
from dispatcher.process.service_process import call_service
from dispatcher.service.people.audit import audit
from dispatcher.service.people.directory import Directory, open_directory
from dispatcher.service.session import Session
from producers.api.limits import CallerLimits
from producers.api.operation import ANYBODY_SIGNED_IN, Answered, Api, Call, CallService, Operation
from producers.api.problems import Fault, Problem, fault_of, problem_of
from producers.api.replays import Replays
from producers.api.results import Watches
from producers.api.routes import ROUTES
from producers.api.streams import MessageGroups
from producers.api.uploads import Uploads
from producers.web.answers import ReadyAnswer
from producers.web.bodies import BodyBroken, BodyTooLarge, NoRoom, read_body
from producers.web.server import WebServer
from producers.web.site import Answer, Head, Incoming, Pieces, Streamed

BODY_S: Final = 30.0
QUERY_FIELDS_MAX: Final = 64
SESSION_COOKIE: Final = "dispatcher_session"
LANGUAGE_COOKIE: Final = "dispatcher_language"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
ALWAYS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_CHANGES: Final = frozenset(("POST", "PUT", "PATCH", "DELETE"))

logger = get_logger(__name__)


async def open_site(config: Config, log: Log, _: WebServer) -> ApiSite:
    """The API on this log. Raises LogError."""
    session = Session(config, log)
    directory = await open_directory(session)
    return ApiSite(config, session, directory)


class ApiSite:
    """Answers the requests of the API."""

    roots: Final = ("v1",)

    def __init__(
        self, config: Config, session: Session, directory: Directory, run_service: CallService = call_service
    ) -> None:
        messages = MessageGroups(session)
        self._api = Api(config, session, Uploads.beside(config), Watches(), messages, run_service)
        self._session = session
        self._directory = directory
        self._limits = CallerLimits(config.api.requests_per_s_max, config.api.heavy_max)
        self._replays = Replays()
        self._tasks = [
            asyncio.create_task(directory.follow()),
            asyncio.create_task(self._api.uploads.keep_clean()),
        ]

    async def close(self) -> None:
        """End the tasks and the session."""
        await self._api.messages.drained()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    def proves(self, head: Head, address: str) -> bool:
        """Whether the request carries a valid token."""
        return bool(head.bearer) and self._directory.caller_of_token(head.bearer) is not None

    async def handle(self, incoming: Incoming) -> Answer:
        """Answer a request, in the language that it asks for."""
        with language_is(_language(incoming)):
            return await self._handle(incoming)

    async def _handle(self, incoming: Incoming) -> Answer:
        caller = self._caller(incoming)
        if caller is None:
            problem = Problem(
                "not-signed-in", N_("The request has no valid token."), headers={"WWW-Authenticate": "Bearer"}
            )
            return incoming.distrust(problem.answer())
        incoming.prove()
        found = ROUTES.find(incoming.method, incoming.path)
        if isinstance(found, ReadyAnswer):
            return _without_route(found, incoming)
        try:
            return await self._answer(incoming, caller, found.route, found.values)
        except Problem as problem:
            return problem.answer()
        except DispatcherError as error:
            if not (error.exit_code == 2 or error.retryable):
                logger.error("api-request-failed", operation=found.route.id, error=type(error).__name__)
            return problem_of(error, self._api.config.path).answer()

    def _caller(self, incoming: Incoming) -> Caller | None:
        """Who calls; None: nobody who may."""
        scheme, _, secret = incoming.http.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._directory.caller_of_token(secret.strip())
        if scheme or incoming.method in _CHANGES:
            return None
        cookie = _cookie(incoming.http.headers.get("Cookie", ""), SESSION_COOKIE)
        return self._directory.caller_of_session(cookie) if cookie else None

    async def _answer(self, incoming: Incoming, caller: Caller, operation: Operation, values: dict[str, str]) -> Answer:
        """Raises Problem, DispatcherError."""
        who = caller.token or caller.name
        if not self._limits.take(who, time.monotonic()):
            raise Problem("too-fast", N_("This token sends more requests per second than it may ([api])."))
        await self._check_permission(incoming, caller, operation, values)
        query = _query(operation, incoming.query)
        raw, body = await _body(operation, incoming)
        call = Call(self._api, caller, incoming, values, query, body)
        if not operation.heavy:
            return await self._once(call, operation, who, raw)
        if not self._limits.begin_heavy(who):
            raise Problem("too-fast", N_("This token has as many long requests under way as it may ([api] heavy_max)."))
        ends: Callable[[], None] = partial(self._limits.end_heavy, who)
        try:
            answer = await self._once(call, operation, who, raw)
            if isinstance(answer, Streamed):
                answer, ends = msgspec.structs.replace(answer, pieces=_UntilClosed(answer.pieces, ends)), _nothing
            return answer
        finally:
            ends()

    async def _check_permission(
        self, incoming: Incoming, caller: Caller, operation: Operation, values: dict[str, str]
    ) -> None:
        """Raises Problem."""
        wanted = operation.permission
        if wanted in (None, ANYBODY_SIGNED_IN) or wanted in caller.permissions:
            return
        if operation.audited:
            target = next(iter(values.values()), "")
            await audit(
                self._session,
                caller,
                operation.audited,
                target,
                says=str(wanted),
                refused=True,
                address=incoming.address,
            )
        raise Problem(
            "not-allowed",
            N_('This needs the permission "{wanted}", which {name} has not.'),
            wanted=wanted,
            name=caller.name,
        )

    async def _once(self, call: Call, operation: Operation, who: str, raw: bytes) -> Answer:
        """The answer, or the one that the same request with the same Idempotency-Key got. Raises Problem."""
        key = call.incoming.http.headers.get(IDEMPOTENCY_KEY) if operation.repeatable else None
        if key is None:
            return await self._done(call, operation)
        path = call.incoming.path
        before = self._replays.begin(who, path, key, raw, time.monotonic())
        if before is not None:
            return before
        answer: Answer | None = None
        try:
            answer = await self._done(call, operation)
            return answer
        finally:
            self._replays.end(who, path, key, answer if isinstance(answer, ReadyAnswer) else None)

    async def _done(self, call: Call, operation: Operation) -> Answer:
        result = await operation.handler(call)
        if operation.audited and call.audits:
            await self._audit(call, operation)
        if isinstance(result, Streamed):
            return result
        if not isinstance(result, Answered):
            result = Answered(value=result)
        body = msgspec.json.encode(result.value) if result.body is None else result.body
        return ReadyAnswer(
            result.status or operation.status,
            body,
            result.content_type,
            headers={**ALWAYS, **result.headers},
        )

    async def _audit(self, call: Call, operation: Operation) -> None:
        """The change is done: a log that fails now does not undo it."""
        try:
            await audit(
                self._session,
                call.caller,
                operation.audited,
                call.target,
                says=call.says,
                address=call.incoming.address,
            )
        except LogError as error:
            logger.error("not-audited", operation=operation.id, target=call.target, error=type(error).__name__)


class _UntilClosed:
    """Pieces of a stream, and what is called once when they are closed."""

    def __init__(self, pieces: Pieces, ends: Callable[[], None]) -> None:
        self._pieces = pieces
        self._ends = ends

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces.__aiter__()

    async def aclose(self) -> None:
        """End it."""
        ends, self._ends = self._ends, _nothing
        ends()
        await self._pieces.aclose()


def _nothing() -> None:
    return None


def _language(incoming: Incoming) -> str:
    """As the page's switch says (a cookie), or the client."""
    headers = incoming.http.headers
    chosen = _cookie(headers.get("Cookie", ""), LANGUAGE_COOKIE)
    return chosen or language_asked(headers.get("Accept-Language", "")) or ENGLISH


def _cookie(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _without_route(answer: ReadyAnswer, incoming: Incoming) -> ReadyAnswer:
    """404 and 405 as problems; OPTIONS as it is."""
    if answer.status == 404:
        return Problem("not-found", N_("There is no such path.")).answer()
    if answer.status == 405:
        return Problem("wrong-method", N_("{method} is no method of this path."), method=incoming.method).answer(
            allow=answer.allow
        )
    return answer


def _query(operation: Operation, raw: bytes) -> Any:
    """The parameters; a list may be repeated or have commas. Raises Problem."""
    try:
        pairs = parse_qsl(
            raw.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=QUERY_FIELDS_MAX,
            strict_parsing=bool(raw),
        )
    except (ValueError, UnicodeDecodeError):
        raise Problem("invalid", N_("The query of the URL cannot be read.")) from None
    lists = {field.encode_name for field in msgspec.structs.fields(operation.query) if _is_list(field.type)}
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in lists:
            found.setdefault(name, []).extend(value.split(","))
        elif name in found:
            raise Problem("invalid", N_('The parameter "{name}" is given twice.'), name=name)
        else:
            found[name] = value
    try:
        return msgspec.convert(found, operation.query, strict=False)
    except msgspec.ValidationError as error:
        fault = fault_of(error, parameter=True)
        raise Problem("invalid", N_("A parameter is wrong."), faults=[fault]) from None


def _is_list(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return get_origin(annotation) is list


async def _body(operation: Operation, incoming: Incoming) -> tuple[bytes, Any]:
    """The body as sent and as a value. Raises Problem. Without a struct the handler reads it itself."""
    if operation.body is None:
        return b"", None
    headers = incoming.http.headers
    media = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media not in operation.body_media and (media or incoming.http.body_exists):
        raise Problem(
            "wrong-media",
            N_('The content type is "{media}".'),
            media=media,
            headers={"Accept": ", ".join(operation.body_media)},
        )
    try:
        raw = await read_body(incoming.http, incoming.held, bytes_max=operation.body_bytes_max, within_s=BODY_S)
    except BodyTooLarge:
        raise Problem(
            "too-large", N_("The body has more than {body_bytes_max:,} bytes."), body_bytes_max=operation.body_bytes_max
        ) from None
    except BodyBroken:
        raise Problem(
            "broken", N_("The body ended early, came too slowly, or is not what Content-Encoding says.")
        ) from None
    except NoRoom:
        raise Problem("unavailable", N_("The server holds as many bytes as it may.")) from None
    try:
        return raw, msgspec.json.decode(raw or b"{}", type=operation.body)
    except msgspec.ValidationError as error:
        fault = fault_of(error)
        raise Problem("invalid", N_("The body is not as this operation wants it."), faults=[fault]) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        fault = Fault(detail="this is not JSON", pointer="")
        raise Problem("invalid", N_("The body is not JSON."), faults=[fault]) from None
