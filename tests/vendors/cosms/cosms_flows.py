"""Accounts at COSMS for the tests, and flows run by hand: requests out, answers in, no server."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec

from dispatcher.vendors.cosms.vendor import Cosms
from dispatcher.vendors.seam.vendor import Answer, Request, Secret

ACCOUNT = Cosms(url="http://127.0.0.1:9104", corp_id="100", login_name="DEMO", password=Secret("s3cret"), md5=False)
SECURE = msgspec.structs.replace(ACCOUNT, md5=True)
RECEIVED_MS = 1_700_000_000_000


def run(flow: Any, *bodies: bytes, cut: bool = False) -> tuple[list[Request], Any]:
    """(the requests of a flow that gets these answers, what it returned)."""
    requests = [next(flow)]
    for body in bodies:
        try:
            requests.append(flow.send(Answer(body, "", cut)))
        except StopIteration as end:
            return requests, end.value
    raise AssertionError("the flow wants more answers")


def sent(request: Request) -> dict[str, str]:
    """The form of a request, each value in Latin-1 so that no byte of it is lost."""
    text = b"".join((request.prefix, request.tail, request.suffix)).decode("ascii")
    assert "+" not in text
    return dict(parse_qsl(text, keep_blank_values=True, encoding="latin-1", strict_parsing=True))
