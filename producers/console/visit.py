"""What a page's handler gets, and what it may answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from dispatcher.core.people import Caller, Permission
from dispatcher.service.people.audit import audit
from dispatcher.service.people.directory import Directory
from dispatcher.service.session import Session
from producers.web.routes import Route

if TYPE_CHECKING:
    from producers.console.state import ConsoleState


class Fields(Mapping[str, str]):
    """The fields of a form or a query: the last value of each name; `every` has all."""

    def __init__(self, pairs: Sequence[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> str:
        return self._values[name][-1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def every(self, name: str) -> list[str]:
        """All values of a name, in order."""
        return list(self._values.get(name, ()))


class UploadedFile(msgspec.Struct, frozen=True):
    """A file of a form, at `path` until the request ends; `name` is what the browser calls it."""

    path: Path
    name: str
    size: int


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a person who is signed in. `path` has the values of the route's template."""

    state: ConsoleState
    caller: Caller
    target: str
    path: Mapping[str, str]
    query: Fields
    form: Fields = Fields()
    files: Mapping[str, UploadedFile] = {}
    language: str
    prefix: str
    address: str

    @property
    def session(self) -> Session:
        """The open dispatcher."""
        return self.state.session

    @property
    def people(self) -> Directory:
        """Who may sign in."""
        return self.state.people

    def may(self, permission: Permission) -> bool:
        """Whether this person has the permission."""
        return self.caller.may(permission)

    async def audit(self, action: str, target: str = "", *, says: str = "", refused: bool = False) -> None:
        """Write what this person did, or was refused, as seeing numbers unmasked. Raises LogError."""
        await audit(self.session, self.caller, action, target, says=says, refused=refused, address=self.address)


class Html(msgspec.Struct, frozen=True):
    """A rendered template: a page, or a fragment for htmx."""

    template: str
    values: dict[str, Any] = {}
    status: int = 200


class Redirect(msgspec.Struct, frozen=True):
    """Show this path of the console next (303); `says` is one sentence on it, of the kind ok, warn or bad."""

    path: str
    says: str = ""
    kind: str = "ok"


class Download(msgspec.Struct, frozen=True):
    """A file for the browser to keep: bytes, or a file that is deleted afterwards."""

    content: bytes | Path
    name: str
    content_type: str = "application/octet-stream"


class Events(msgspec.Struct, frozen=True):
    """A part of a page that changes: `render` makes it every `every_s` seconds, once for all who watch the same.

    The same are `key`, language and permissions: `render` may depend on nothing else.
    """

    key: str
    render: Callable[[], Awaitable[Html]]
    every_s: float = 1.0


Answer = Html | Redirect | Download | Events
Handler = Callable[[Visit], Awaitable[Answer]]


class ConsoleRoute(Route[Handler], frozen=True, kw_only=True, eq=False):
    """A page, or what a form of one does. The body of a POST is read only for who has the permission.

    `audited` false: a POST that orders nothing (a preview). `uploads`: its form may have files.
    """

    audited: bool = True
    uploads: bool = False
