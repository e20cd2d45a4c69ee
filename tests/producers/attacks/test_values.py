"""Hostile values in well-formed requests, at every route that takes any: each is answered plainly.

The values are in paths, queries, headers, JSON and forms of somebody who may do everything, on a log with a campaign.
Every place meets some of them (`some`), and all places together meet each one many times.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
import pytest

from producers.api.routes import OPERATIONS
from producers.console.pages.table import ROUTES
from producers.web.routes import Route
from tests.producers.attacks.whole_server import UNLISTED, Place, Raw, Whole, every_place, filled, served
from tests.service.place import launched

T = TypeVar("T")
FORM = "application/x-www-form-urlencoded"
CHECKS = "check"
"""Routes that end so ask the vendor, and wait for its answer."""
IN_PATHS = ["%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%00", "%ff", "%0d%0aSet-Cookie:%20a=b", "%22%3E%3Cb%3E", "..", "%25",
            "%u0041", "x" * 5_000, "may:frob", "%F0%9F%98%80"]  # fmt: skip
IN_QUERIES = ["%ff", "%00", "NaN", "-1", "9" * 30, "1e999", "%22%3E%3Cb%3E", "2026-99-99", "x" * 5_000, "%0d%0a"]
IN_HEADERS = [
    b"Accept-Language: " + b"zh," * 5_000,
    b"Accept-Language: zh;q=NaN",
    b"Referer: http://[",
    b"Referer: //evil.example/",
    b"Range: bytes=0-",
    b"Expect: nonsense",
    b"Upgrade: websocket\r\nConnection: Upgrade",
    b"Content-Encoding: gzip",
    b'Cookie: a="\\377"; dispatcher_says=AAAA; dispatcher_language=../../x; dispatcher_theme=%0d',
    b"Upload-Offset: 99999999999999999999",
    b"Content-Range: bytes 0-5/99999999999999",
    b"Authorization: Basic AAAA",
]
IN_FORMS = [
    "\0",
    "9" * 400,
    "-1",
    "NaN",
    "1e999",
    "x" * 3_000,
    "\"'><b>",
    "=1+1",
    "2026-99-99T99:99",
    "٣",
    "\r\nX: y",
    "may",
]
IN_JSON = [b'"\\ud800"', b'"\\u0000"', b"1" + b"0" * 400, b"1e999", b"-1", b"null", b"NaN", b"[[]]", b"{}",
           b'["\\ud800"]', b'"=1+1"', b"9223372036854775808", b"true", b'"1e99999999"', b'"NaN"',
           b'"' + b"x" * 100_000 + b'"',
           b"[" + b",".join([b'"1"'] * 10_000) + b"]"]  # fmt: skip
WHOLE_JSON = [
    b"[" * 500_000,
    b'{"a":' * 100_000,
    b"NaN",
    b'{"x":1,"x":2}',
    b'"\\ud800"',
    b"null",
    b"[]",
    b"1e999",
    b"\xff",
]
FIELDS = {"text": b'"hi"', "route": b'["spring"]', "numbers": b'["13800138000"]', "to": b'["13800138000"]',
          "why": b'"because"', "weight": b"2", "number": b'"13800138000"'}  # fmt: skip


@pytest.fixture
async def whole(tmp_path: Path) -> Any:
    async with served(tmp_path, api={"requests_per_s_max": 1_000_000}) as running:
        await launched(running.session, "may")
        yield running


async def wrong_of(whole: Whole, asked: Iterator[tuple[str, Place, dict[str, Any]]]) -> list[tuple[str, str, int]]:
    """What was answered with anything but a plain answer; several are asked at the same time."""
    wrong: list[tuple[str, str, int]] = []

    async def work() -> None:
        for name, place, how in asked:
            answer = await whole.send(place, "admin", **how)
            if not 200 <= answer.status < 500 or not plain(answer):
                wrong.append((str(place)[:80], name[:40], answer.status))

    await asyncio.gather(*(work() for _ in range(4)))
    return wrong


class Some:
    """The next ones of values, round and round."""

    def __init__(self) -> None:
        self._turn = count()

    def __call__(self, values: list[T], number: int = 2) -> list[T]:
        first = next(self._turn) * number
        return [values[(first + at) % len(values)] for at in range(number)]


def plain(answer: Raw) -> bool:
    """Whether it shows nothing of our source, and sets no header that the client made up."""
    cookies = re.findall(rb"\r\nSet-Cookie: ([^=]*)", answer.head)
    is_ours = all(name.startswith(b"dispatcher_") for name in cookies)
    return is_ours and b"Traceback" not in answer.body and b"evil.example" not in answer.head


def empty_body(place: Place, csrf: str) -> dict[str, Any]:
    if place.method == "GET":
        return {}
    if place.site == "api":
        return {"body": b"{}", "media": "application/json" if place.takes == "json" else "text/csv"}
    return {"body": urlencode({"csrf": csrf}).encode(), "media": FORM}


def with_values() -> list[tuple[Place, str]]:
    """Every path with parameters, and its template."""
    found = [(each, each.path) for each in UNLISTED if each.path.count("/") > 1]
    places: list[tuple[Route[Any], str]] = [
        *((each, "api") for each in OPERATIONS),
        *((each, "console") for each in ROUTES),
    ]
    found += [(Place(site, each.method, each.path, "json"), each.path) for each, site in places if "{" in each.path]
    return [(place, path) for place, path in found if not path.endswith(CHECKS)]


async def test_hostile_paths(whole: Whole) -> None:
    some = Some()
    csrf = whole.csrf("admin")

    def asked() -> Iterator[tuple[str, Place, dict[str, Any]]]:
        for place, template in with_values():
            for value in some(IN_PATHS):
                path = re.sub(r"\{\w+\}", value, template)
                if path == template:
                    path = f"{template.rpartition('/')[0]}/{value}"
                yield value, Place(place.site, place.method, path), empty_body(place, csrf)

    assert await wrong_of(whole, asked()) == []


async def test_hostile_queries(whole: Whole) -> None:
    some = Some()
    names = fields_in_source("query")

    def asked() -> Iterator[tuple[str, Place, dict[str, Any]]]:
        for operation in OPERATIONS:
            for field in msgspec.structs.fields(operation.query):
                for value in some(IN_QUERIES):
                    path = f"{filled(operation.path)}?{field.encode_name}={value}"
                    yield (
                        value,
                        Place("api", operation.method, path, "json"),
                        empty_body(Place("api", operation.method, "", "json"), ""),
                    )
        for place in every_place():
            if place.site == "console" and place.method == "GET":
                for value in some(IN_QUERIES):
                    query = "&".join(f"{name}={value}" for name in names)
                    yield value, Place("console", "GET", f"{place.path}?{query}"), {}

    assert await wrong_of(whole, asked()) == []


async def test_hostile_headers(whole: Whole) -> None:
    some = Some()

    def asked() -> Iterator[tuple[str, Place, dict[str, Any]]]:
        for place in every_place():
            if not place.path.endswith(CHECKS) and place.path != "/sign-out":
                for header in some(IN_HEADERS, 1):
                    yield header.decode(), place, {"more": header + b"\r\n"}

    assert await wrong_of(whole, asked()) == []


async def test_hostile_json(whole: Whole) -> None:
    some = Some()

    def asked() -> Iterator[tuple[str, Place, dict[str, Any]]]:
        for operation in OPERATIONS:
            if operation.body is None:
                continue
            place = Place("api", operation.method, filled(operation.path))
            fields = [each.encode_name for each in msgspec.structs.fields(operation.body)]
            known = {name: value for name, value in FIELDS.items() if name in fields}
            for body in WHOLE_JSON:
                yield body.decode("latin-1"), place, {"body": body, "media": "application/json"}
            for field in fields:
                for value in some(IN_JSON, 4):
                    told = known | {field: value}
                    body = b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), each) for name, each in told.items())
                    yield f"{field} = {value.decode()}", place, {"body": body, "media": "application/json"}

    assert await wrong_of(whole, asked()) == []


async def test_hostile_forms(whole: Whole) -> None:
    some = Some()
    csrf, names = whole.csrf("admin"), fields_in_source("form")

    def asked() -> Iterator[tuple[str, Place, dict[str, Any]]]:
        for place in every_place():
            if place.site != "console" or place.method != "POST" or place.path.endswith((CHECKS, "/sign-out")):
                continue
            for value in some(IN_FORMS):
                form = urlencode({"csrf": csrf} | dict.fromkeys(names - {"csrf"}, value)).encode()
                yield value, place, {"body": form, "media": FORM}

    assert await wrong_of(whole, asked()) == []


def fields_in_source(of: str) -> set[str]:
    """Every field that the pages read from a form or a query."""
    folder = Path(__file__).parents[3] / "producers" / "console"
    pattern = re.compile(rf'{of}(?:\.get|\.every)?[\[(]"(\w+)"')
    found = {name for file in folder.rglob("*.py") for name in pattern.findall(file.read_text())}
    assert len(found) > 10
    return found


FIELD = b'--b\r\nContent-Disposition: form-data; name="x"'
PARTS = {
    "10,000 parts": (FIELD + b"\r\n\r\n1\r\n") * 10_000 + b"--b--\r\n",
    "no end": FIELD + b"\r\n\r\n1",
    "no name": b"--b\r\n\r\n1\r\n--b--\r\n",
    "a broken header": b"--b\r\nnonsense\r\n\r\n1\r\n--b--\r\n",
    "a header with a zero byte": b"--b\r\nX: a\x00b\r\n\r\n1\r\n--b--\r\n",
    "a long header": b"--b\r\nX: " + b"x" * 70_000 + b"\r\n\r\n1\r\n--b--\r\n",
    "many headers": b"--b\r\n" + b"X: y\r\n" * 20_000 + b"\r\n1\r\n--b--\r\n",
    "a part that lies about its length": FIELD + b"\r\nContent-Length: 1\r\n\r\n12345\r\n--b--\r\n",
    "a length that is no number": FIELD + b"\r\nContent-Length: x\r\n\r\n1\r\n--b--\r\n",
    "parts in parts": b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n1\r\n--c--\r\n--b--\r\n",
    "an encoding": FIELD + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n?\r\n--b--\r\n",
    "a field that is not UTF-8": FIELD + b"\r\n\r\n\xff\r\n--b--\r\n",
    "a file name with a path": FIELD + b'; filename="../../x\\"\r\n\r\n1\r\n--b--\r\n',
    "no boundary in sight": b"x" * 300_000,
    "empty": b"",
}


@pytest.mark.parametrize("secret", ["first", "missing"])
async def test_hostile_parts_of_forms(whole: Whole, secret: str) -> None:
    some = Some()
    csrf = b'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n%s\r\n' % whole.csrf("admin").encode()
    begin = csrf if secret == "first" else b""

    def asked() -> Iterator[tuple[str, Place, dict[str, Any]]]:
        for place in every_place():
            if place.takes == "files" or place.path in ("/me/password", "/sign-in"):
                for name, parts in some(list(PARTS.items()), 4):
                    yield name, place, {"body": begin + parts, "media": "multipart/form-data; boundary=b"}
                for media in (
                    "multipart/form-data",
                    "multipart/form-data; boundary=" + "b" * 100,
                    "multipart/form-data; boundary=",
                ):
                    yield media, place, {"body": begin, "media": media}

    assert await wrong_of(whole, asked()) == []


async def test_a_body_that_grows_by_unpacking_is_refused_everywhere(whole: Whole) -> None:
    bomb, csrf = gzip.compress(bytes(20_000_000)), whole.csrf("admin")
    header = f"Content-Encoding: gzip\r\nX-CSRF-Token: {csrf}\r\n".encode()
    for place in every_place():
        if place.takes in ("form", "json", "files") and not place.path.endswith(CHECKS) and place.site != "push":
            media = "application/json" if place.takes == "json" else FORM
            answer = await whole.send(place, "admin", bomb, media, header)
            assert 400 <= answer.status < 500, (str(place), answer.status)


async def test_more_fields_than_allowed_are_refused_everywhere(whole: Whole) -> None:
    fields = quote(whole.csrf("admin")) + "".join(f"&f{at}=1" for at in range(10_000))
    for place in every_place():
        if place.takes in ("form", "files") and not place.path.endswith(CHECKS):
            answer = await whole.send(place, "admin", f"csrf={fields}".encode(), FORM)
            assert 400 <= answer.status < 500, (str(place), answer.status)
