"""Bodies that stall or end early, at every route that reads one: each is given up, and nothing stays held."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from producers.api import recipients
from producers.api import site as api
from producers.console import forms
from producers.webhooks import server as webhooks
from tests.producers.attacks.whole_server import Place, Raw, Whole, every_place, served

MEDIA = {"json": "application/json", "list": "text/csv", "form": "application/x-www-form-urlencoded"}
PATIENCE = ((api, "BODY_S"), (forms, "READ_S"), (recipients, "PIECE_S"), (webhooks, "BODY_S"), (webhooks, "PROOF_S"))
PROOF = "?receiver=admin&pswd=known-to-us"


def begun(whole: Whole, place: Place, body: bytes, length: int) -> bytes:
    """A request of somebody who is known, that declares this length."""
    path = place.path + (PROOF if place.site == "push" else "")
    head = f"{place.method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
    media = f"Content-Type: {MEDIA.get(place.takes, MEDIA['form'])}\r\n"
    return (head + media).encode() + whole.headers_of(place, "admin") + b"\r\n" + body


def places_with_bodies() -> list[Place]:
    """Where somebody who is signed in sends a body that is read."""
    found = [each for each in every_place() if each.takes and not each.path.endswith("check")]
    return [each for each in found if each.path != "/sign-out"]


async def test_a_body_that_stalls_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in PATIENCE:
        monkeypatch.setattr(module, name, 0.05)
    async with served(tmp_path, api={"heavy_max": 1_000}) as whole:
        places = sorted(places_with_bodies(), key=lambda each: each.takes == "list")
        at_once = [each for each in places if each.takes != "list"]  # a newer upload ends an older one
        answers = await asyncio.gather(*(whole.ask(begun(whole, each, b"{", 500)) for each in at_once))
        answers += [await whole.ask(begun(whole, each, b"{", 500)) for each in places[len(at_once) :]]
        assert [(str(each), got.status) for each, got in zip(places, answers, strict=True) if not refused(got)] == []


async def test_a_body_that_is_shorter_than_it_says_leaves_nothing_behind(tmp_path: Path) -> None:
    async with served(tmp_path, api={"heavy_max": 1_000}) as whole:
        for place in places_with_bodies():
            answer = await whole.ask(begun(whole, place, b"{", 500), ends=True)
            assert answer.status == 0 or refused(answer), str(place)


def refused(answer: Raw) -> bool:
    return 400 <= answer.status < 500
