"""The problems that the API answers with (RFC 9457): kinds in one table, and which error is which kind.

An error's class decides, never its message. `detail` is the sentence that commands print, which says what to do; the
kind's `what_to_do` says it for programs. The type of a problem is a path of this server that describes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from dispatcher.errors import (
    ConfigError,
    Conflict,
    DispatcherError,
    InputError,
    LogFull,
    LogTimeout,
    LogUnavailable,
    NotFound,
    ServiceUnavailable,
    StoreBusy,
    TextError,
    UserError,
)
from dispatcher.i18n import N_, _
from producers.web.answers import ReadyAnswer

PROBLEM_JSON: Final = "application/problem+json"
TYPES: Final = "/v1/problems/"


class Kind(msgspec.Struct, frozen=True):
    """A kind of problem."""

    status: int
    title: str
    what_to_do: str
    retry_after_s: int = 0
    last: bool = False


KINDS: Final[dict[str, Kind]] = {
    "not-signed-in": Kind(
        401,
        N_("Not signed in"),
        N_("Send a valid token: Authorization: Bearer dsp_… (dispatcher token add)."),
        last=True,
    ),
    "not-allowed": Kind(403, N_("Not allowed"), N_("Use a token that has this permission among its scopes.")),
    "not-found": Kind(404, N_("Not found"), N_("Check the path and the id.")),
    "wrong-method": Kind(405, N_("Wrong method"), N_("Use one of the methods in Allow.")),
    "conflict": Kind(409, N_("Not possible in this state"), N_("Read the state, then decide again.")),
    "under-way": Kind(
        409, N_("Under way"), N_("Wait for the same request that is under way, then repeat this one."), 1
    ),
    "wrong-offset": Kind(409, N_("Wrong offset"), N_("Continue the upload at Upload-Offset."), last=True),
    "too-large": Kind(413, N_("Too large"), N_("Send less at once."), last=True),
    "wrong-media": Kind(415, N_("Wrong content type"), N_("Send one of the content types in Accept."), last=True),
    "invalid": Kind(422, N_("Invalid request"), N_("Correct what errors names.")),
    "unusable": Kind(422, N_("Not usable"), N_("Correct the request as the detail says.")),
    "wrong-digest": Kind(422, N_("Wrong digest"), N_("Send the bytes again: they changed on the way.")),
    "other-content": Kind(422, N_("Same id, other content"), N_("Use another id, or the content that has this id.")),
    "broken": Kind(400, N_("Broken request"), N_("Send it again."), last=True),
    "too-fast": Kind(429, N_("Too fast"), N_("Wait for the seconds of Retry-After."), 1),
    "failed": Kind(500, N_("Failed"), N_("Tell the operator: the log of the dispatcher has the error.")),
    "unavailable": Kind(503, N_("Not available"), N_("Repeat the same request after the seconds of Retry-After."), 1),
    "uncertain": Kind(
        503, N_("Uncertain"), N_("It may have been done: repeat the same request, which does it once."), 1
    ),
    "full": Kind(507, N_("No space"), N_("The operator must free space on the disk; then repeat the request."), 60),
}

OF_ERRORS: Final[Sequence[tuple[type[DispatcherError], str]]] = (
    (NotFound, "not-found"),
    (Conflict, "conflict"),
    (TextError, "unusable"),
    (InputError, "unusable"),
    (ConfigError, "unusable"),
    (UserError, "unusable"),
    (LogTimeout, "uncertain"),
    (LogFull, "full"),
    (LogUnavailable, "unavailable"),
    (StoreBusy, "unavailable"),
    (ServiceUnavailable, "unavailable"),
    (DispatcherError, "failed"),
)
"""The kind of an error is that of the first class that it is of."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong: where in the body (a JSON pointer) or which parameter, and what."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class ProblemBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    what_to_do: str
    errors: list[Fault] = []


class Problem(Exception):
    """Raised by what answers a request with a problem. `headers` are added to the answer.

    The detail is `says` in the language of the request, with `values` in its places.
    """

    def __init__(
        self,
        kind: str,
        says: str,
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        retry_after_s: int = 0,
        **values: object,
    ) -> None:
        said = _(says)
        super().__init__(says)
        self.kind = kind
        self.retry_after_s = retry_after_s
        self.detail = said.format(**values) if values else said
        self.faults = faults
        self.headers = headers or {}

    def answer(self, *, allow: str = "") -> ReadyAnswer:
        """The answer to the request."""
        kind = KINDS[self.kind]
        body = ProblemBody(
            type=TYPES + self.kind,
            title=_(kind.title),
            status=kind.status,
            detail=self.detail,
            what_to_do=_(kind.what_to_do),
            errors=list(self.faults),
        )
        return ReadyAnswer(
            kind.status,
            msgspec.json.encode(body),
            PROBLEM_JSON,
            allow=allow,
            retry_after_s=self.retry_after_s or kind.retry_after_s,
            headers={"X-Content-Type-Options": "nosniff", **self.headers},
            last=kind.last,
        )


def problem_of(error: DispatcherError, config: str) -> Problem:
    """The problem that this error is, without the path of the configuration `config`."""
    kind = next(kind for of, kind in OF_ERRORS if isinstance(error, of))
    if not isinstance(error, UserError) and not error.retryable:
        return Problem(kind, N_("The dispatcher failed."))
    sentence = error.sentence.replacing(config, _("the configuration")) if config else error.sentence
    detail = sentence.said(name=_member)
    faults = [Fault(detail=detail, pointer=f"/{_member(error.about)}")] if error.about else []
    return Problem(kind, detail, faults=faults)


def _member(option: str) -> str:
    """What a body calls what a command has as an option: `wave_wait` of `--wave-wait`."""
    return option.removeprefix("--").replace("-", "_")


_AT: Final = re.compile(r" - at `(?:\$|key in )?(.*)`$")
_STEP: Final = re.compile(r"\[(\d+|\.\.\.)\]|\.?([^.\[]+)")


def fault_of(error: msgspec.ValidationError, *, parameter: bool = False) -> Fault:
    """What msgspec found wrong, with the place as a JSON pointer; or as the name of a parameter."""
    text = str(error)
    found = _AT.search(text)
    steps = [index or name for index, name in _STEP.findall(found[1])] if found else []
    detail = text[: found.start()] if found else text
    if parameter:
        return Fault(detail=detail, parameter=steps[0] if steps else "")
    return Fault(detail=detail, pointer="".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in steps))


def kind_document(name: str) -> dict[str, Any] | None:
    """What the type URL of a problem shows; None for an unknown one."""
    kind = KINDS.get(name)
    if kind is None:
        return None
    return {"type": TYPES + name, "title": _(kind.title), "status": kind.status, "what_to_do": _(kind.what_to_do)}
