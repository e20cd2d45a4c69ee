"""A table of routes: method, path template, permission, handler. Which route answers is decided here; pure.

A template's segments are literal, `{name}` or `{name}:verb`: `/v1/campaigns/{id}:launch`. Segments are unescaped after
the path is divided, so a slash in a value stays in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Generic, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from producers.web.answers import ReadyAnswer

SEGMENTS_MAX: Final = 32

Handler = TypeVar("Handler")


class Route(msgspec.Struct, Generic[Handler], frozen=True, kw_only=True, eq=False):
    """One line of the table. `permission`: a word of the table of roles; None: no sign-in is needed."""

    method: str
    path: str
    permission: str | None
    handler: Handler


AnyRoute = TypeVar("AnyRoute", bound=Route[Any])


class Found(msgspec.Struct, Generic[AnyRoute], frozen=True):
    """The route of a request, and the values in its path."""

    route: AnyRoute
    values: dict[str, str]


class _Node:
    """The routes behind one beginning of a path."""

    __slots__ = ("any", "literal", "methods", "name", "verbs")

    def __init__(self) -> None:
        self.methods: dict[str, Any] = {}
        self.literal: dict[str, _Node] = {}
        self.verbs: dict[str, tuple[str, _Node]] = {}
        self.any: _Node | None = None
        self.name = ""


class Routes(Generic[AnyRoute]):
    """The table. A literal segment wins over `{name}:verb`, that over `{name}`. Raises ValueError for a conflict."""

    def __init__(self, routes: Iterable[AnyRoute]) -> None:
        self.all: Final = tuple(routes)
        self._root = _Node()
        for route in self.all:
            node = self._root
            for segment in route.path[1:].split("/"):
                node = _below(node, segment)
            if node.methods.setdefault(route.method, route) is not route:
                raise ValueError(f"{route.method} {route.path} is in the table twice")

    def find(self, method: str, path: str) -> Found[AnyRoute] | ReadyAnswer:
        """The route, or the answer to a request without one: 404, 405, or 204 to OPTIONS. HEAD finds what GET does."""
        values: dict[str, str] = {}
        node = self._node(path, values)
        if node is None or not node.methods:
            return NOT_FOUND
        route = node.methods.get("GET" if method == "HEAD" else method)
        if route is not None:
            return Found(route, values)
        if ":" in values.get(node.name, ""):  # the verb is unknown
            return NOT_FOUND
        there = {*node.methods, "OPTIONS"} | ({"HEAD"} if "GET" in node.methods else set())
        allow = ", ".join(sorted(there))
        return ReadyAnswer(204 if method == "OPTIONS" else 405, allow=allow)

    def _node(self, path: str, values: dict[str, str]) -> _Node | None:
        segments = path[1:].split("/", SEGMENTS_MAX)
        if len(segments) > SEGMENTS_MAX or not path.startswith("/"):
            return None
        node = self._root
        for escaped in segments:
            try:
                segment = unquote_to_bytes(escaped).decode()
            except UnicodeDecodeError:
                return None
            below = node.literal.get(segment)
            if below is not None:
                node = below
                continue
            value, colon, verb = segment.rpartition(":")
            if colon and value and verb in node.verbs:
                name, node = node.verbs[verb]
                values[name] = value
                continue
            if node.any is None or not segment:
                return None
            values[node.any.name] = segment
            node = node.any
        return node


NOT_FOUND: Final = ReadyAnswer(404)


def _below(node: _Node, segment: str) -> _Node:
    if not segment.startswith("{"):
        return node.literal.setdefault(segment, _Node())
    name, _, verb = segment[1:].partition("}")
    if not verb:
        if node.any is None:
            node.any = _Node()
            node.any.name = name
        elif node.any.name != name:
            raise ValueError(f"a segment is called {{{node.any.name}}} and {{{name}}}")
        return node.any
    return node.verbs.setdefault(verb.removeprefix(":"), (name, _Node()))[1]
