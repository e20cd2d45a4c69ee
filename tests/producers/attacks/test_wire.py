"""Attacks on the wire against every route of every site: each is answered plainly, and no fault of ours is logged.

What is not HTTP is refused before any route is looked up, so every attack meets each kind of place, and every place
meets some of the attacks.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from tests.producers.attacks.whole_server import Place, every_place, served

ATTACKS_OF_EACH = 2
"""Attacks that a place meets whose kind has met all of them."""


def malformed(place: Place, who: bytes) -> dict[str, bytes]:
    """Requests that are not HTTP, or that two readers could understand differently."""
    line = b"%s %s HTTP/1.1\r\n" % (place.method.encode(), place.path.encode())
    begin = line + b"Host: x\r\n" + who
    return {
        "no host": line + who + b"\r\n",
        "two hosts": begin + b"Host: y\r\n\r\n",
        "length and chunks": begin + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "two lengths": begin + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "a list of lengths": begin + b"Content-Length: 3, 3\r\n\r\nabc",
        "a signed length": begin + b"Content-Length: +3\r\n\r\nabc",
        "a length that is no number": begin + b"Content-Length: 0x3\r\n\r\nabc",
        "an unknown coding": begin + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "chunks not last": begin + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "a broken chunk": begin + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        "chunks in HTTP/1.0": begin.replace(b"/1.1", b"/1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "bare line feeds": (begin + b"\r\n").replace(b"\r\n", b"\n"),
        "a space before the colon": begin + b"X-A : b\r\n\r\n",
        "a folded header": begin + b"X-A: b\r\n c\r\n\r\n",
        "a zero byte": begin + b"X-A: b\x00c\r\n\r\n",
        "a bare carriage return": begin + b"X-A: b\rc: d\r\n\r\n",
        "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "a line without a version": b"%s %s\r\n\r\n" % (place.method.encode(), place.path.encode()),
        "a method with a space": b"GE T %s HTTP/1.1\r\nHost: x\r\n\r\n" % place.path.encode(),
        "a head that is too long": begin + b"X-A: " + b"x" * 70_000 + b"\r\n\r\n",
        "many headers": begin + b"X-A: b\r\n" * 100 + b"\r\n",
        "a URL that is too long": line.replace(b" HTTP", b"?" + b"x" * 70_000 + b" HTTP") + b"Host: x\r\n\r\n",
    }


STATUS = {"a line without a version": 505, "a head that is too long": 431, "a URL that is too long": 431}
"""400 for all others."""


@pytest.mark.parametrize("role", ["", "admin"], ids=["stranger", "admin"])
async def test_what_is_not_http_is_refused_at_every_route(tmp_path: Path, role: str) -> None:
    async with served(tmp_path) as whole:
        met = set()
        wrong = {}
        for at, place in enumerate(every_place()):
            attacks = malformed(place, whole.headers_of(place, role))
            kind = place.site, place.method, place.takes
            some = attacks if kind not in met else list(islice(attacks, at % len(attacks), None))[:ATTACKS_OF_EACH]
            met.add(kind)
            for name in some:
                answer = await whole.ask(attacks[name])
                if answer.status != STATUS.get(name, 400) or answer.header("Connection") != "close":
                    wrong[f"{place}: {name}"] = answer.status
        assert not wrong
        assert not whole.faults()
