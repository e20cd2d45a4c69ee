"""The forms of campaigns without a browser: a new one step by step, a draft that must be approved, a follow-up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest
from msgspec.structs import replace

from dispatcher.clock import now_ms
from dispatcher.config.places import ApprovalConfig
from dispatcher.service.campaigns.drafts import approve_campaign, show_draft
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.views import show_campaign
from producers.drafts.api import draft, launch_draft
from producers.launch.api import launch
from schemas.records import Effect
from tests.console.served import Served, configuration
from tests.console.test_site import Answer, ask, signed_in
from tests.service.place import ACCOUNT, FIRST
from tests.service.reports.test_spend import Lane

LIST = "name,手机号,手机号码\n" + "".join(f"Ann{at},{FIRST + at},{FIRST + 100 + at}\n" for at in range(4))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A console where more than 2 recipients need an approval; olga drafted "big" to 3 and launched "sent" to 2."""
    config = configuration(Path(tmp_path_factory.mktemp("guarded")))
    found = Served(replace(config, approval=ApprovalConfig(above=2)))
    for name, role in (("vera", "viewer"), ("olga", "operator"), ("arno", "approver"), ("ann", "admin")):
        found.add_person(name, role)

    async def fill() -> None:
        request = LaunchRequest(numbers=[], text="【Shop】hello", route=[ACCOUNT], by="olga")
        await draft(found.session, replace(request, numbers=list(range(FIRST, FIRST + 3)), id="big", name="Big sale"))
        await launch(found.session, replace(request, numbers=list(range(FIRST, FIRST + 2)), id="sent"))
        lane = Lane(found.log, ACCOUNT)
        await lane.owned()
        at_ms = now_ms()
        intent = await lane.intent("sent", 0, 2, at_ms=at_ms)
        await lane.outcome(intent, Effect.FAILED, at_ms=at_ms)

    found.run(fill)
    yield found
    found.close()


class Asking:
    """A person who opens pages and sends forms; a redirect is followed."""

    def __init__(self, served: Served, name: str) -> None:
        self._served = served
        self._cookies = signed_in(served, name)
        self.path = "/"

    def get(self, path: str, language: str = "en") -> Answer:
        return ask(self._served, path, cookies=self._cookies | {"dispatcher_language": language})

    def send(self, path: str, *pairs: tuple[str, str], language: str = "en") -> Answer:
        csrf = self.get("/me").csrf()
        cookies = self._cookies | {"dispatcher_language": language}
        body = urlencode([("csrf", csrf), *pairs])
        answer = ask(self._served, path, method="POST", body=body, cookies=cookies)
        if answer.status != 303:
            return answer
        self.path = answer.location
        return self.get(self.path)


@pytest.fixture
def olga(guarded: Served) -> Asking:
    return Asking(guarded, "olga")


def alerts(answer: Answer) -> Sequence[str]:
    found = re.findall(r'role="alert"[^>]*>(.*?)</(?:p|div)>', answer.body, re.DOTALL)
    return [unescape(re.sub(r"<[^>]+>|\s+", " ", each)).strip() for each in found]


def test_a_new_campaign_is_asked_for_step_by_step(guarded: Served, olga: Asking) -> None:
    # two columns of numbers: the page asks for one of them, and its button is the first one
    page = olga.send("/new-campaign", ("pasted", LIST))
    assert "named like phone numbers equally well." in alerts(page)[0]
    assert "--column" not in page.body
    assert re.search(r"<button>(?:(?!</button>).)*Read it so", page.body)
    assert '<details class="panel give">' in page.body
    form = olga.path.rpartition("/")[0]
    page = olga.send(f"{form}/list", ("column", "2"), ("header_row", "1"))
    assert "On to the text" in page.body

    # a text is kept while it is written, and a placeholder without a column is not sent on
    assert "no column {nocity}" in olga.send(f"{form}/preview", ("text", "【Shop】Dear {nocity}")).body
    assert "【Shop】Dear {nocity}</textarea>" in olga.get(f"{form}/text").body
    page = olga.send(f"{form}/text", ("text", "【Shop】Dear {nocity}"))
    assert page.status == 422
    assert alerts(page) == ["The list has no column {nocity}."]
    page = olga.send(f"{form}/text", ("text", "【Shop】Dear {name} 拒收请回复R"))
    assert olga.path == f"{form}/when"
    assert re.search(r"<label>from<input", page.body)

    # when and how: a mistake stands beside its field, and every answer becomes a term
    answers = (
        *(("route", ACCOUNT), ("id", "stepwise"), ("weight", "1"), ("retry_class", "temporary")),
        *(("retry_times", "3"), ("retry_within", "2 h"), ("defer", "1")),
    )
    page = olga.send(f"{form}/when", *answers[:-1], ("budget", "abc"))
    assert alerts(page) == ['The budget "abc" is not an amount in CNY: write it like 0.045 or 500, at most 6 decimals.']
    page = olga.send(f"{form}/when", *answers[:-3], ("retry_times", "99"), ("retry_within", "2 h"))
    assert len(alerts(page)) == 1
    assert 'name="retry_times" inputmode="numeric" value="99"' in page.body
    page = olga.send(f"{form}/when", *answers)
    assert olga.path == "/campaigns/stepwise"
    terms = guarded.run(lambda: show_draft(guarded.session, "stepwise")).terms
    assert (terms["retry"], terms["defer"]) == ("temporary: 3 within 2 h", True)

    # a change of the draft shows them again
    olga.send("/campaigns/stepwise/change")
    page = olga.get(f"{olga.path.rpartition('/')[0]}/when")
    assert 'name="retry_class" value="temporary" checked' in page.body
    assert 'value="2 h"' in page.body
    assert 'name="defer" value="1" checked' in page.body


def test_a_draft_that_awaits_approval_cannot_be_launched_from_its_page(guarded: Served, olga: Asking) -> None:
    page = olga.get("/campaigns/big")
    assert "another person than olga must approve it first" in page.body
    assert re.search(r'<button disabled aria-describedby="unapproved">', page.body)
    refused = olga.send("/campaigns/big/launch")
    assert refused.status == 422
    assert "dispatcher campaign" not in refused.body
    ann = Asking(guarded, "ann")
    assert 'action="/campaigns/big/approve"' in ann.get("/campaigns/big").body
    guarded.run(lambda: draft(guarded.session, _drafted_by_ann("own", 3)))
    assert 'action="/campaigns/own/approve"' not in ann.get("/campaigns/own").body


def test_who_approves_a_draft_sees_when_it_starts(guarded: Served) -> None:
    guarded.run(lambda: draft(guarded.session, _drafted_by_ann("later", 3)))
    before = Asking(guarded, "arno").get("/campaigns/later").body
    assert "Scheduled for" not in before
    Asking(guarded, "ann").send("/campaigns/later/schedule", ("start", "2030-01-01T09:00"))
    after = Asking(guarded, "arno").get("/campaigns/later").body
    assert "Scheduled for 2030-01-01 09:00 by ann." in after
    assert "/campaigns/later/approve" in after


def test_a_mistake_without_its_form_stands_above_the_draft(guarded: Served) -> None:
    guarded.run(lambda: draft(guarded.session, _drafted_by_ann("small", 2)))
    page = Asking(guarded, "ann").send("/campaigns/small/approve")
    assert page.status == 422
    (why,) = alerts(page)
    assert "needs no approval" in why


def test_the_plan_of_compared_texts_shows_each_and_who_gets_it_first(guarded: Served) -> None:
    numbers = list(range(FIRST, FIRST + 40))
    request = replace(_drafted_by_ann("compared", 1), numbers=numbers, text="【Shop】One", more_texts=["【Shop】Two"])
    guarded.run(lambda: draft(guarded.session, request))
    page = Asking(guarded, "ann").get("/campaigns/compared").body
    assert "【Shop】One" in page
    assert "【Shop】Two" in page
    assert "1: 4 (A 2, B 2)" in page


def _drafted_by_ann(campaign: str, recipients: int) -> LaunchRequest:
    numbers = list(range(FIRST, FIRST + recipients))
    return LaunchRequest(numbers=numbers, text="【Shop】hello", route=[ACCOUNT], id=campaign, by="ann")


def test_the_overview_says_what_awaits_the_approval_of_whoever_may_approve(guarded: Served) -> None:
    assert 'campaigns/big">Big sale</a> (3 recipients, by olga)' in Asking(guarded, "arno").get("/").body
    assert "等待您批准" in Asking(guarded, "arno").get("/", "zh").body
    assert "your approval" not in Asking(guarded, "olga").get("/").body
    assert "your approval" not in Asking(guarded, "vera").get("/").body


def test_a_refused_order_says_why_once_and_its_address_leads_to_its_page(olga: Asking) -> None:
    page = olga.send("/campaigns/sent/cancel", ("confirm", "no"))
    assert page.status == 422
    assert len(alerts(page)) == 1
    for path, above in (
        ("/campaigns/sent/cancel", "/campaigns/sent"),
        ("/campaigns/big/launch", "/campaigns/big"),
        ("/new-campaign/x/forget", "/new-campaign"),
        ("/suppression/add", "/suppression"),
        ("/overview/pause", "/"),
    ):
        answer = olga.get(path)
        assert (answer.status, answer.location) == (303, above)
    assert olga.get("/no-such-page").status == 404


def test_a_follow_up_says_how_many_failed_with_each_class_of_code(olga: Asking) -> None:
    page = olga.get("/campaigns/sent/follow-up")
    counts = dict(re.findall(r'name="class" value="(\w+)"(?: disabled)?>[^<]*<strong>(\d+)</strong>', page.body))
    assert sum(map(int, counts.values())) == 2
    assert len(counts) == 8
    chinese = olga.get("/campaigns/sent/follow-up", "zh").body
    assert "黑名单 <strong>" in chinese
    assert "temporary <strong>" not in chinese


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A console where more than 1 recipient needs an approval; 3 recipients of the approved campaign "may" failed."""
    config = configuration(Path(tmp_path_factory.mktemp("limited")))
    found = Served(replace(config, approval=ApprovalConfig(above=1)))
    for name, role in (("olga", "operator"), ("arno", "approver")):
        found.add_person(name, role)

    async def fill() -> None:
        numbers = list(range(FIRST, FIRST + 3))
        await draft(
            found.session, LaunchRequest(numbers=numbers, text="【Shop】hi", route=[ACCOUNT], id="may", by="olga")
        )
        await approve_campaign(found.session, "may", by="arno")
        await launch_draft(found.session, "may", by="olga")
        lane = Lane(found.log, ACCOUNT)
        await lane.owned()
        intent = await lane.intent("may", 0, 3, at_ms=now_ms())
        await lane.outcome(intent, Effect.FAILED, at_ms=now_ms())

    found.run(fill)
    yield found
    found.close()


def test_a_follow_up_above_the_limit_is_drafted_changed_approved_and_launched(limited: Served) -> None:
    olga, arno = Asking(limited, "olga"), Asking(limited, "arno")
    planned = olga.send("/campaigns/may/follow-up", ("to", "failed"))
    assert "another person must approve them first" in planned.body
    assert "/follow-up/launch" not in planned.body
    refused = olga.send("/campaigns/may/follow-up/launch", ("to", "failed"))
    assert (refused.status, len(alerts(refused))) == (422, 1)
    page = olga.send("/campaigns/may/follow-up/draft", ("to", "failed"))
    assert olga.path == "/campaigns/may.follow-1"
    assert "follows may</a>" in page.body
    olga.send("/campaigns/may.follow-1/change")
    olga.send(olga.path, ("text", "【Shop】hi again"))
    assert olga.path.endswith("/when")
    olga.send(olga.path, ("route", ACCOUNT), ("weight", "2"))
    assert olga.path == "/campaigns/may.follow-1"
    assert "by arno" in arno.send("/campaigns/may.follow-1/approve").body
    assert "follows may</a>" in olga.send("/campaigns/may.follow-1/launch").body
    shown = limited.run(lambda: show_campaign(limited.session, "may.follow-1"))
    assert (shown.weight, shown.text, shown.approved_by) == (2, "【Shop】hi again", "arno")
