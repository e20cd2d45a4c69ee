"""Sign-in under attack, and what vendors, phones, lists and people write: shown as text, exported as text."""

from __future__ import annotations

import base64
import io
import json
import re
import time
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest

from dispatcher.core.sign_in import OF_A_NAME, OF_AN_ADDRESS
from dispatcher.log.port import Entry
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.people import directory as people
from dispatcher.service.suppression import change_suppression
from producers.console.arrival import FORM_COOKIE, SESSION_COOKIE
from producers.console.pages.table import ROUTES
from producers.console.site import FORM_TOO_OLD
from producers.drafts.api import draft
from producers.launch.api import launch
from schemas.codec import encode
from schemas.records import Effect, Inbound
from schemas.topics import INBOUND, REPORTS, lane_partition
from tests.producers.attacks.whole_server import (
    ACCOUNT,
    FORM,
    PASSWORD,
    UNLISTED,
    Place,
    Raw,
    Whole,
    every_place,
    filled,
    served,
)
from tests.service.place import FIRST
from tests.service.reports.test_spend import Lane
from tests.store.joined_history import reports_record

SIGN_IN = Place("console", "POST", "/sign-in", "form")
MEDIA = "application/x-www-form-urlencoded"


@pytest.fixture
async def whole(tmp_path: Path) -> Any:
    async with served(tmp_path, api={"requests_per_s_max": 1_000_000}) as running:
        yield running


async def sign_in(whole: Whole, name: str, password: str, more: bytes = b"", **form: str) -> Raw:
    body = urlencode({"csrf": whole.csrf(""), "name": name, "password": password, **form}).encode()
    return await whole.send(SIGN_IN, "", body, MEDIA, more)


# --- sign-in ---------------------------------------------------------------------------------------------------------


async def test_tries_are_bounded_by_name_and_by_address_whatever_a_stranger_says_of_its_address(whole: Whole) -> None:
    statuses = []
    for at in range(OF_A_NAME.tries + 1):
        spoofed = (
            f"X-Forwarded-For: 192.0.2.{at}\r\nForwarded: for=192.0.2.{at}\r\nX-Real-IP: 192.0.2.{at}\r\n".encode()
        )
        statuses.append((await sign_in(whole, "ann", "wrong", spoofed)).status)
    assert statuses == [401] * OF_A_NAME.tries + [429]
    assert (await sign_in(whole, "ann", PASSWORD)).status == 429
    assert (await sign_in(whole, "olga", PASSWORD)).status == 303
    names = [(await sign_in(whole, f"nobody-{at}", "wrong")).status for at in range(OF_AN_ADDRESS.tries)]
    assert names[0] == 401
    assert names[-1] == 429


async def test_an_unknown_name_costs_the_same_check_as_a_wrong_password(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    verifies = people._verifies

    def counted(hashed: str, password: str) -> bool:
        checked.append(hashed or people._nobodys_hash())
        return verifies(hashed, password)

    monkeypatch.setattr(people, "_verifies", counted)
    answers = [await sign_in(whole, name, "wrong") for name in ("ann", "nobody")]
    assert [each.status for each in answers] == [401] * 2
    assert len({re.sub(r'value="[^"]*"', "", each.text) for each in answers}) == 1
    assert len(checked) == 2
    parameters = {each.rpartition("$")[0].rpartition("$")[0] for each in checked}
    assert len(parameters) == 1, "the same algorithm with the same cost"


async def test_a_session_that_a_stranger_chose_is_never_used(whole: Whole) -> None:
    chosen = b"Cookie: %s=chosen-by-somebody-else-1234; %s=%s\r\n" % (
        SESSION_COOKIE.encode(),
        FORM_COOKIE.encode(),
        FORM.encode(),
    )
    body = urlencode({"csrf": whole.csrf(""), "name": "ann", "password": PASSWORD}).encode()
    head = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n" % (
        MEDIA.encode(),
        len(body),
    )
    answer = await whole.ask(head + chosen + b"\r\n" + body)
    assert answer.status == 303
    given = re.findall(rf"Set-Cookie: {SESSION_COOKIE}=([\w-]+)", answer.head.decode())
    assert given
    assert "chosen" not in given[0]
    before = await whole.ask(b"GET /me HTTP/1.1\r\nHost: x\r\n" + chosen + b"\r\n")
    assert before.header("Location").startswith("/sign-in")


async def test_nobody_is_led_to_another_site(whole: Whole) -> None:
    for to in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/evil.example",
               "/%0d%0aX: y", "\r\nX: y", "/x\r\nX: y", "///evil.example"):  # fmt: skip
        answer = await sign_in(whole, "olga", PASSWORD, next=to)
        assert answer.status == 303
        assert answer.header("Location") in ("/", "/%250d%250aX:%20y", "/%0d%0aX: y", "/%0d%0aX:%20y"), to
        assert not answer.header("X")
    for referer in ("http://evil.example//evil.example", "//evil.example//evil.example", "http://[", "/\\evil.example"):
        answer = await whole.send(
            Place("console", "GET", "/language/zh"), "admin", more=f"Referer: {referer}\r\n".encode()
        )
        assert re.match(r"/(?![/\\])", answer.header("Location")), referer


def is_refused_form(answer: Raw) -> bool:
    """Whether the form was not read: a page of its own, or the page it came from that will say so."""
    says = re.search(rb"Set-Cookie: dispatcher_says=\"?([\w=-]+)", answer.head)
    if answer.status == 303 and says is not None:
        return bool(json.loads(base64.urlsafe_b64decode(says[1])) == ["bad", FORM_TOO_OLD])
    return answer.status == 403


async def test_no_form_is_taken_without_its_secret_or_from_another_site(whole: Whole) -> None:
    for place in every_place():
        if place.site != "console" or place.method != "POST":
            continue
        form = {"word": "PAUSE", "name": "mallory", "role": "admin"}
        for csrf, more in (("", b""), ("0" * 64, b""), (whole.csrf("admin"), b"Sec-Fetch-Site: cross-site\r\n")):
            answer = await whole.send(place, "admin", urlencode({"csrf": csrf, **form}).encode(), MEDIA, more)
            assert is_refused_form(answer), (str(place), answer.status)
    assert whole.console._people.caller_of_name("mallory") is None
    assert whole.console._people.caller_of_session(whole.sessions["admin"]) is not None


async def test_a_proxy_that_is_not_trusted_names_nobody(tmp_path: Path) -> None:
    web = {"trusted_proxies": ["192.0.2.1"], "user_header": "X-Forwarded-User"}
    async with served(tmp_path, web=web) as whole:
        said = b"X-Forwarded-User: ann\r\nX-Forwarded-For: 127.0.0.1\r\nForwarded: for=127.0.0.1\r\n"
        for place in every_place():
            if place.site in ("console", "api") and place.method == "GET" and place not in UNLISTED:
                answer = await whole.send(place, "", more=said)
                assert answer.status in (303, 401), str(place)
        figures = await whole.send(Place("metrics", "GET", "/metrics"), "", more=b"X-Forwarded-For: 127.0.0.1\r\n")
        assert figures.status == 401


# --- texts -----------------------------------------------------------------------------------------------------------

MARK = "'\"><b onclick=x>boom</b>"
"""Markup in every field that somebody else fills."""
FORMULA = "=cmd|'/c calc'!A1"


async def fill(whole: Whole) -> None:
    """Texts of a person, a list, a vendor's report and answer, and phones, all with markup."""
    session, numbers = whole.session, [*range(FIRST, FIRST + 20), f"no number {MARK}"]
    terms: dict[str, Any] = {"text": f"【Shop】{MARK}", "route": [ACCOUNT], "name": MARK + "{{7*7}}", "by": MARK}
    await launch(session, LaunchRequest(numbers=numbers, id="may", **terms))
    await draft(session, LaunchRequest(numbers=numbers, id="june", **terms))
    lane = Lane(whole.log, ACCOUNT)
    await lane.owned()
    intent = await lane.intent("may", 0, 10)
    await lane.outcome(intent, Effect.ACCEPTED, vendor_id=f"id-{MARK}")
    await lane.outcome(await lane.intent("may", 10, 5), Effect.UNKNOWN)
    rows = [(f"id-{MARK}", FIRST + at, 2, (MARK, FORMULA)[at % 2], 1_700_000_000) for at in range(10)]
    report = encode(reports_record(ACCOUNT, rows))
    await whole.log.append(REPORTS.name, lane.partition, [Entry(ACCOUNT.encode(), report)])
    now_ms = int(time.time() * 1000)
    for at, text in enumerate((MARK, FORMULA, "+1+cmd", "-1+cmd", "@SUM(A1)", "\tx", "\r=1")):
        message = Inbound(account=ACCOUNT, number=str(FIRST + at), text=text, to=MARK, at_ms=now_ms, received_ms=now_ms)
        await whole.log.append(INBOUND.name, lane_partition(ACCOUNT), [Entry(ACCOUNT.encode(), encode(message))])
    await change_suppression(session, np.array([FIRST]), adds=True, source="person", why=MARK, by=MARK)
    await change_suppression(session, np.array([FIRST + 1]), adds=True, source="person", why=FORMULA, by="ann")
    whole.console._state.forms.new("ann", terms={"text": f"【Shop】{MARK}", "name": MARK})


async def test_what_others_write_is_only_text_on_every_page_in_both_languages(whole: Whole) -> None:
    await fill(whole)
    shown = 0
    for route in ROUTES:
        if route.method != "GET" or route.path.endswith(("/file", "/workbook", "/export", "/set-aside")):
            continue
        for language in ("en", "zh"):
            for campaign in ("may", "june") if "{id}" in route.path else ("",):
                place = Place("console", "GET", filled(route.path, id=campaign))
                answer = await whole.send(place, "admin", more=f"Accept-Language: {language}\r\n".encode())
                assert answer.status < 500, str(place)
                assert "<b onclick" not in answer.text, str(place)
                assert not re.search(r'="[^"]*\'"><b', answer.text), str(place)
                assert "49" not in answer.text.partition("boom")[2][:20], str(place)
                shown += "boom" in answer.text
    assert shown >= 15
    searched = "%27%22%3E%3Cb%20onclick"
    for path in (f"/lookup?number={FIRST}", "/inbound?q=boom", f"/campaigns?q={searched}",
                 f"/people/audit?search={searched}", "/campaigns/may/rows?state=failed"):  # fmt: skip
        answer = await whole.send(Place("console", "GET", path), "admin")
        assert answer.status < 500, path
        assert "<b onclick" not in answer.text, path


async def test_answers_of_the_api_are_never_taken_for_pages(whole: Whole) -> None:
    await fill(whole)
    for place in every_place():
        if place.site == "api" and place.method == "GET" and place.path not in ("/v1/docs", "/v1/docs.css"):
            answer = await whole.send(place, "admin")
            kind = answer.header("Content-Type").partition(";")[0]
            assert kind in ("application/json", "application/problem+json", "application/x-ndjson", "text/event-stream")
            assert answer.header("X-Content-Type-Options") == "nosniff", str(place)


async def test_what_is_downloaded_has_no_formulas_and_a_plain_name(whole: Whole) -> None:
    await fill(whole)
    paths = ["/suppression/export", "/reports/workbook?kind=codes&since=2020-01-01"]
    for kind in ("csv", "xlsx"):
        form = urlencode({"csrf": whole.csrf("admin"), "as": kind, "kind": kind, "state": "failed"}).encode()
        ordered = await whole.send(Place("console", "POST", "/campaigns/may/exports"), "admin", form, MEDIA)
        assert ordered.status == 303
        export = whole.console._state.exports.of("ann")[0]
        assert export.task is not None
        await export.task
        paths.append(f"/exports/{export.token}/file")
    kinds = set()
    for path in paths:
        answer = await whole.send(Place("console", "GET", path), "admin")
        assert answer.status == 200
        name = answer.header("Content-Disposition")
        assert re.fullmatch(r"attachment; filename=\"[\w.\- ]+\"; filename\*=UTF-8''[\w.%-]+", name)
        body = answer.body
        if answer.header("Transfer-Encoding") == "chunked":
            body = b"".join(re.findall(rb"[0-9A-Fa-f]+\r\n(.*)\r\n0\r\n\r\n$", body, re.DOTALL))
        kinds.add(body[:2] == b"PK")
        if body[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(body)) as book:
                assert not any(b"<f>" in book.read(each) for each in book.namelist())
        else:
            assert not re.search(rb'(^|,|\n)"?[=@+\t]', body), path
    assert kinds == {True, False}
