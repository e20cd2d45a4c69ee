"""Every mistake in a form is said beside its field, in both languages. Without a browser, which would add nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from dispatcher.config.places import ApprovalConfig
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.streams import StreamRequest, open_stream
from producers.drafts.api import draft
from producers.launch.api import launch
from schemas.records import Effect
from tests.console.served import Served, configuration
from tests.console.test_campaign_forms import Asking
from tests.service.place import ACCOUNT, FIRST
from tests.service.reports.test_spend import Lane

FORM = "/new-campaign/FORM"
"""Stands for an unfinished campaign with a list of one column."""

Pairs = tuple[tuple[str, str], ...]


class Mistake(NamedTuple):
    """A form that is refused: where it is sent, what it has, what is said in English, and the id of what says it."""

    path: str
    fields: Pairs
    english: str
    beside: str = ""


WHEN: Pairs = (("route", ACCOUNT), ("weight", "1"))
MISTAKES = [
    Mistake("/new-campaign", (), "Choose a file, or paste numbers.", "mistake"),
    Mistake(f"{FORM}/text", (("text", "{nobody}"),), "The list has no column {nobody}."),
    Mistake(f"{FORM}/when", (("weight", "1"),), "Choose at least one account", "mistake-route"),
    Mistake(f"{FORM}/when", (*WHEN, ("weight", "x")), "must be a whole number", "mistake-weight"),
    Mistake(f"{FORM}/when", (("route", ACCOUNT), ("weight", "0")), "must be a whole number", "mistake-weight"),
    Mistake(f"{FORM}/when", (*WHEN, ("budget", "x")), "is not an amount", "mistake-budget"),
    Mistake(f"{FORM}/when", (*WHEN, ("from", "25:00")), "25:00", "mistake-between"),
    Mistake(f"{FORM}/when", (*WHEN, ("id", "a b")), "1 to 64", "mistake-id"),
    Mistake(f"{FORM}/when", (*WHEN, ("start", "x")), '"x"', "mistake-start"),
    Mistake("/campaigns/open/weight", (("weight", "x"),), "must be a whole number", "mistake-weight"),
    Mistake("/campaigns/open/weight", (("weight", "2000"),), "must be 1 to", "mistake-weight"),
    Mistake("/campaigns/open/hours", (("between", "x"),), "hours", "mistake-hours"),
    Mistake("/campaigns/open/budget", (("budget", "x"),), "is not an amount", "mistake-budget"),
    Mistake("/campaigns/open/cancel", (("confirm", "x"),), "type the id", "mistake-cancel"),
    Mistake("/campaigns/answers/close-stream", (("confirm", "x"),), "type its id", "mistake-close-stream"),
    Mistake("/campaigns/small/test", (("to", "12"),), '"12"', "mistake-test"),
    Mistake("/campaigns/small/launch", (("confirm", "1"),), "type the number of recipients: 2", "mistake-launch"),
    Mistake("/campaigns/small/schedule", (("start", ""),), "start", "mistake-schedule"),
    Mistake("/campaigns/big/launch", (("confirm", "3"),), "another person", "mistake-launch"),
    Mistake("/campaigns/sent/follow-up", (), "whom to text again", "mistake"),
    Mistake("/campaigns/sent/follow-up/launch", (("to", "failed"),), "type the number", "mistake-launch"),
    Mistake("/unknown/doubt", (("as", "sent"), ("why", "x")), "Tick the requests", "mistake"),
    Mistake("/unknown/doubt", (("chunk", "1:1"), ("why", "x")), "Say what became of them.", "mistake"),
    Mistake("/unknown/doubt", (("chunk", "1:1"), ("as", "sent")), "Write why", "mistake"),
    Mistake("/lookup", (("number", "12"),), '"12" is no phone number', "mistake"),
    Mistake("/suppression/add", (), "Write at least one number.", "mistake-add"),
    Mistake("/suppression/add", (("numbers", "12"),), '"12"', "mistake-add"),
    Mistake("/suppression/remove", (("numbers", str(FIRST)),), "Write why", "mistake-remove"),
    Mistake("/suppression/import", (), "Choose a file with numbers.", "mistake-import"),
    Mistake("/suppression/find", (("number", "12"),), '"12"', "mistake-find"),
    Mistake("/inbound/0a/reply", (("stream", "answers"),), "Write what the phone gets.", "mistake"),
    Mistake("/people/add", (("name", "a b"), ("role", "viewer")), '"a b"', "mistake-add"),
    Mistake("/people/add", (("name", "kim"), ("role", "king")), "king", "mistake-add"),
    Mistake("/people/ann/role", (("role", "viewer"),), "only administrator", "mistake-role-ann"),
    Mistake("/people/ann/remove", (("word", "x"),), "Type ann", "mistake-remove-ann"),
    Mistake("/people/tokens/add", (("name", "crm"), ("days", "x")), "1 to 3,650", "mistake-token"),
    Mistake("/people/tokens/add", (("name", "crm"),), "scope", "mistake-token"),
    Mistake("/me/password", (("password", "x" * 12), ("again", "y")), "The two passwords differ."),
    Mistake("/me/password", (("old", "x"), ("password", "z" * 12), ("again", "z" * 12)), "old password"),
]
CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """More than 2 recipients need an approval, more than 1 are confirmed by their number."""
    config = configuration(Path(tmp_path_factory.mktemp("mistakes")), confirm_above=1)
    found = Served(replace(config, approval=ApprovalConfig(above=2)))
    found.add_person("ann", "admin")

    async def fill() -> None:
        request = LaunchRequest(numbers=[FIRST, FIRST + 1], text="【Shop】hi", route=["summer"], by="olga", budget="50")
        await launch(found.session, replace(request, id="sent"))
        lane = Lane(found.log, "summer")
        await lane.owned()
        await lane.outcome(await lane.intent("sent", 0, 2), Effect.FAILED)
        await launch(found.session, replace(request, id="open"))
        await launch(found.session, replace(request, id="doubt", numbers=[FIRST + 8]))
        await lane.outcome(await lane.intent("doubt", 0, 1), Effect.UNKNOWN)
        await draft(found.session, replace(request, id="small", by="ann"))
        await draft(found.session, replace(request, id="big", numbers=[FIRST, FIRST + 1, FIRST + 2]))
        await open_stream(found.session, StreamRequest(id="answers", route=["summer"], by="olga"))

    found.run(fill)
    yield found
    found.close()


@pytest.fixture(scope="module")
def ann(desk: Served) -> Asking:
    return Asking(desk, "ann")


@pytest.fixture(scope="module")
def form(ann: Asking) -> str:
    ann.send("/new-campaign", ("pasted", f"phone\n{FIRST}\n"))
    return ann.path.rpartition("/")[0]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("mistake", MISTAKES, ids=[f"{each.path} {dict(each.fields)}" for each in MISTAKES])
def test_a_mistake_is_said_beside_its_field(ann: Asking, form: str, mistake: Mistake, language: str) -> None:
    page = ann.send(mistake.path.replace(FORM, form), *mistake.fields, language=language)
    assert page.status in (400, 422)
    alerts = re.findall(r'<\w+([^>]*role="alert"[^>]*)>(.*?)</(?:p|div|span)>', page.body, re.DOTALL)
    assert len(alerts) == 1, alerts
    [(attributes, html)] = alerts
    sentence = unescape(re.sub(r"<[^>]+>|\s+", " ", html)).strip()
    assert mistake.english in sentence if language == "en" else CHINESE.search(sentence)
    assert "--" not in sentence
    assert "dispatcher campaign" not in sentence
    if mistake.beside:
        assert f'id="{mistake.beside}"' in attributes
