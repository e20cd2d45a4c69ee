"""One operation of the API: a line of the table (routes.py), and the call that its handler gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import msgspec

from dispatcher.config.file import Config
from dispatcher.core.people import Caller
from dispatcher.i18n import N_
from dispatcher.service.session import Session
from producers.api.problems import Problem
from producers.web.routes import Route
from producers.web.site import Incoming, Streamed

if TYPE_CHECKING:
    from producers.api.results import Watches
    from producers.api.streams import MessageGroups
    from producers.api.uploads import Uploads

JSON: Final = "application/json"
ANYBODY_SIGNED_IN: Final = ""
"""The permission of what every caller may do."""

BODY_BYTES_MAX: Final = 1_048_576

T = TypeVar("T")


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is not simply a value as JSON with the operation's status."""

    value: Any = None
    status: int = 0
    body: bytes | None = None
    content_type: str = JSON
    headers: Mapping[str, str] = {}


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operation without parameters."""


class HeaderField(msgspec.Struct, frozen=True):
    """A header of a request or an answer, as the documentation has it: its schema, and what it is."""

    name: str
    schema: dict[str, Any]
    says: str


CallService = Callable[..., Awaitable[Any]]
"""As dispatcher.process.service_process.call_service."""


class Api:
    """What the operations of one process share."""

    def __init__(
        self,
        config: Config,
        session: Session,
        uploads: Uploads,
        watches: Watches,
        messages: MessageGroups,
        call_service: CallService,
    ) -> None:
        self.config: Final = config
        self.session: Final = session
        self.uploads: Final = uploads
        self.watches: Final = watches
        self.messages: Final = messages
        self._call_service: Final = call_service

    async def call_service(self, service: str, **arguments: Any) -> Any:
        """A service in a process of its own. Raises UserError, ServiceFailed."""
        return await self._call_service(service, self.config.path, **arguments)


class Call:
    """One request that was judged: who calls, the values of its path, its query and its body."""

    __slots__ = ("api", "audits", "body", "caller", "incoming", "query", "says", "target", "values")

    def __init__(
        self, api: Api, caller: Caller, incoming: Incoming, values: dict[str, str], query: Any, body: Any
    ) -> None:
        self.api = api
        self.caller = caller
        self.incoming = incoming
        self.values = values
        self.query = query
        self.body = body
        self.target = next(iter(values.values()), "")
        """What the call is about, for the audit trail."""
        self.says = ""
        """Details for the audit trail."""
        self.audits = True
        """Whether it is audited, if its operation is."""

    def check_unmasked(self, *, wanted: bool) -> None:
        """Phone numbers are shown whole only to those who may see them, and that is audited. Raises Problem."""
        if wanted and "numbers:read" not in self.caller.permissions:
            raise Problem(
                "not-allowed",
                N_('Unmasked numbers need the permission "numbers:read", which {by} has not.'),
                by=self.by,
            )
        self.audits, self.says = wanted, "unmasked"

    @property
    def session(self) -> Session:
        """The session of this process."""
        return self.api.session

    @property
    def by(self) -> str:
        """The name of who calls."""
        return self.caller.name


Handler = Callable[[Call], Awaitable[Any]]
"""Returns a value for JSON, an Answered, or a Streamed."""
BodyKind = Literal["json", "list", "none"]
Result = Answered | Streamed


class Operation(Route[Handler], frozen=True, kw_only=True, eq=False):
    """A line of the table.

    `query`, `body` and `answer` are structs; `media` is the content type of the answer. `problems`: kinds
    (problems.py) besides those of every operation. `audited`: the action in the audit trail, "" if it changes nothing.
    `heavy`: a caller may have a few of them under way only. `repeatable`: this process gives the same answer to the
    same Idempotency-Key; `keyed`: the handler takes it. `headers` of the request and `answer_headers` are those that
    mean something besides the usual ones.
    """

    summary: str
    group: str
    query: type[msgspec.Struct] = NoQuery
    body: Any = None
    body_media: tuple[str, ...] = (JSON,)
    answer: Any = None
    status: int = 200
    media: str = JSON
    problems: tuple[str, ...] = ()
    audited: str = ""
    heavy: bool = False
    repeatable: bool = False
    keyed: bool = False
    body_bytes_max: int = BODY_BYTES_MAX
    headers: tuple[HeaderField, ...] = ()
    answer_headers: tuple[HeaderField, ...] = ()

    @property
    def id(self) -> str:
        """Its name in the OpenAPI document."""
        words = self.path.replace("{", "by_").replace("}", "").replace(":", "/").split("/")[2:]
        return "_".join([self.method.lower(), *words]).replace("-", "_").replace(".", "_")
