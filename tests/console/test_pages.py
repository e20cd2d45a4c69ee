"""Every page of campaigns, accounts, messages and reports: no serious fault for axe, and it fits its window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from dispatcher.clock import now_ms
from dispatcher.log.port import Entry
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.streams import StreamMessage, StreamRequest, append_messages, open_stream
from dispatcher.service.suppression import change_suppression
from producers.drafts.api import draft
from producers.launch.api import launch
from schemas.codec import encode
from schemas.records import Effect, Inbound
from schemas.topics import INBOUND, REPORTS, lane_partition
from tests.console.served import Served
from tests.service.place import ACCOUNT, FIRST
from tests.service.reports.test_spend import Lane
from tests.store.joined_history import reports_record

PAGES = {
    "overview": "/",
    "campaigns": "/campaigns",
    "campaigns-none": "/campaigns?q=nothing-like-that",
    "campaign": "/campaigns/may-sale",
    "campaign-retries": "/campaigns/retried",
    "campaign-waves": "/campaigns/june",
    "stream": "/campaigns/codes",
    "campaign-rows": "/campaigns/may-sale/rows?state=failed&state=invalid",
    "campaign-follow-up": "/campaigns/may-sale/follow-up",
    "draft": "/campaigns/july",
    "exports": "/exports",
    "new-campaign": "/new-campaign",
    "unknown": "/unknown",
    "accounts": "/accounts",
    "account": f"/accounts/{ACCOUNT}",
    "lookup": "/lookup",
    "inbound": "/inbound",
    "suppression": "/suppression",
    "reports": "/reports?by=day&by=account",
    "reports-chart": "/reports?since=2020-01-01",
    "reports-codes": "/reports?kind=codes&by=account",
    "reports-spend": "/reports?kind=spend&by=campaign",
    "people": "/people",
    "people-audit": "/people/audit",
    "me": "/me",
    "settings": "/settings",
}
LOOKS = {
    "en-light": {"language": "en", "theme": "light"},
    "zh-dark-phone": {"language": "zh", "theme": "dark", "phone": True},
}
DAY_MS = 86_400_000


@pytest.fixture(scope="module", autouse=True)
def _something_is_there(served: Served) -> None:
    served.run(lambda: fill(served))


async def fill(served: Served) -> None:
    """Campaigns in several states, a draft, unknown recipients, messages from phones, suppressed numbers."""
    session = served.session
    numbers: list[Any] = [*range(FIRST, FIRST + 60), FIRST, "no number"]
    sale = LaunchRequest(
        numbers=numbers, text="【商城】五一大促 拒收请回复R", route=[ACCOUNT], id="may-sale", name="五一大促", by="olga"
    )
    await launch(session, sale)
    waves = LaunchRequest(
        numbers=list(range(FIRST, FIRST + 80)),
        text="【Shop】A",
        more_texts=["【Shop】B"],
        route=["summer"],
        id="june",
        by="ann",
    )
    await launch(session, waves)
    july = LaunchRequest(numbers=numbers, text="【Shop】hello", route=[ACCOUNT], id="july", by="olga")
    await draft(session, july)
    await open_stream(session, StreamRequest(id="codes", route=[ACCOUNT], campaign_class="code"))
    await append_messages(session, "codes", [StreamMessage(number=str(FIRST), key="one", text="【Shop】123456")])
    retried = LaunchRequest(
        numbers=numbers, text="【Shop】again", route=[ACCOUNT], id="retried", retry="temporary: 2 within 6 h", by="olga"
    )
    await launch(session, retried)
    at_ms = now_ms()
    lane = Lane(served.log, ACCOUNT)
    await lane.owned()
    for start, count, effect, sent_ms in (
        (0, 30, Effect.ACCEPTED, at_ms - DAY_MS),
        (30, 15, Effect.ACCEPTED, at_ms),
        (45, 5, Effect.UNKNOWN, at_ms),
    ):
        intent = await lane.intent("may-sale", start, count, at_ms=sent_ms)
        await lane.outcome(intent, effect, at_ms=sent_ms, vendor_id=f"id-{start}" if effect is Effect.ACCEPTED else "")
    rows = [
        ("id-0", FIRST + at, 1 if at % 6 else 2, "DELIVRD" if at % 6 else "MBBLACK", at_ms // 1000 - 80_000)
        for at in range(28)
    ]
    report = encode(reports_record(ACCOUNT, rows))
    await served.log.append(REPORTS.name, lane.partition, [Entry(ACCOUNT.encode(), report)])
    for at, text in enumerate(("退订", "When does the sale end?", "please STOP texting me")):
        message = Inbound(account=ACCOUNT, number=str(FIRST + at), text=text, to="1069", at_ms=at_ms, received_ms=at_ms)
        entry = Entry(ACCOUNT.encode(), encode(message))
        await served.log.append(INBOUND.name, lane_partition(ACCOUNT), [entry])
    await change_suppression(session, np.array([FIRST + 900]), adds=True, source="person", why="asked", by="olga")
    served.site._state.forms.new("olga", terms={"text": "【Shop】unfinished"})


@pytest.mark.parametrize("looks", list(LOOKS.values()), ids=list(LOOKS))
def test_every_page_has_no_serious_fault_and_fits_its_window(visit, looks, request):
    visitor = visit("ann", **looks)
    name = request.node.callspec.id
    faults = {}
    for page, path in PAGES.items():
        visitor.go(path)
        if page == "reports-chart":
            expect(visitor.page.locator(".chart canvas")).to_be_visible()
        visitor.shoot(f"{page}-{name}")
        wide = ["it is wider than its window"] if visitor.is_wider_than_its_window() else []
        found = visitor.faults() + wide
        if found:
            faults[page] = found
    assert not faults


def test_a_stream_is_closed_by_its_visible_button_and_its_days_add_up(visit):
    visitor = visit("olga")
    page = visitor.go("/campaigns/codes")
    row = page.locator("section", has=page.get_by_role("heading", name="Stream")).locator("tbody tr").first
    figures = [int(each) for each in row.locator("td").all_inner_texts()]
    assert figures[0] == sum(figures[1:]) == 1
    page.get_by_role("button", name="Close", exact=True).click()
    form = page.locator("#close-stream")
    form.get_by_label("Type codes to confirm").fill("code")
    form.get_by_role("button").click()
    expect(page.locator("#mistake-close-stream")).to_contain_text("A stream is closed for good.")
    form.get_by_label("Type codes to confirm").fill("codes")
    form.get_by_role("button").click()
    expect(page.get_by_role("status")).to_contain_text("It takes no more messages")


def test_a_viewer_sees_masked_numbers_and_no_button_that_does_something(visit):
    visitor = visit("vera")
    page = visitor.go("/campaigns/may-sale/rows?state=delivered&unmasked=1")
    expect(page.locator("tbody th").first).to_contain_text("****")
    expect(page.get_by_role("button", name="Show the numbers")).to_have_count(0)
    for path in ("/campaigns/may-sale", "/campaigns/july", "/unknown", "/inbound", "/suppression"):
        visitor.go(path)
        posts = page.locator("main form[method=post]").evaluate_all("forms => forms.map(each => each.action)")
        assert [each for each in posts if not each.endswith("/suppression/find")] == [], path


def test_a_number_is_looked_up_suppressed_and_taken_off_again(visit):
    visitor = visit("olga")
    page = visitor.go("/lookup")
    page.get_by_label("Number").fill("12")
    page.get_by_role("button", name="Look up").click()
    expect(page.get_by_role("alert")).to_contain_text('"12" is no phone number')
    page.get_by_label("Number").fill(str(FIRST + 6))
    page.get_by_role("button", name="Look up").click()
    expect(page.locator("main")).to_contain_text("MBBLACK")
    visitor.shoot("lookup-found-en")
    visitor.go("/suppression")
    adding = page.locator("form", has=page.get_by_role("heading", name="Add"))
    adding.get_by_label("Numbers").fill(f"{FIRST + 6}\n{FIRST + 900}")
    adding.get_by_label("Why").fill("asked by phone")
    adding.get_by_role("button").click()
    expect(page.get_by_role("status")).to_contain_text("1 number is on the list now. 1 were there already.")
    removing = page.locator("form", has=page.get_by_role("heading", name="Take off"))
    removing.get_by_label("Numbers").fill(str(FIRST + 6))
    removing.get_by_role("button").click()
    expect(page.locator("#mistake-remove")).to_have_text("Write why they may be texted again.")
    removing.get_by_label("Why they may").fill("asked again")
    removing.get_by_role("button").click()
    expect(page.get_by_role("status")).to_contain_text("1 number was taken off the list.")


def test_unknown_requests_are_resolved_with_a_reason(visit):
    visitor = visit("olga")
    page = visitor.go("/unknown")
    page.get_by_role("button", name="Decide").click()
    expect(page.locator(".mistake")).to_have_text("Tick the requests that you decide about.")
    page.locator('input[name="chunk"]').check()
    page.get_by_label("They were sent.").check()
    page.get_by_role("button", name="Decide").click()
    expect(page.locator(".mistake")).to_have_text("Write why: it stays on the log with your name.")
    page.get_by_label("Why", exact=True).fill("the vendor found them")
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_role("status")).to_contain_text("Decided about 5 recipients.")
