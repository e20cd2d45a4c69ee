"""What a team orders in the browser: waves, texts, share, hours, budget, approval, schedule, lists, people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from playwright.sync_api import Locator, Page, expect

from dispatcher.clock import now_ms
from dispatcher.config.places import ApprovalConfig
from dispatcher.log.port import Entry
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.streams import StreamRequest, open_stream
from producers.drafts.api import draft
from producers.launch.api import launch
from schemas.codec import encode
from schemas.records import Inbound
from schemas.topics import INBOUND, lane_partition
from tests.console.served import Served, configuration
from tests.service.place import ACCOUNT, FIRST

LIMIT = 100


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """More than LIMIT recipients need an approval; there are campaigns, drafts and messages. No lane runs."""
    config = configuration(Path(tmp_path_factory.mktemp("orders")))
    found = Served(replace(config, approval=ApprovalConfig(above=LIMIT)))
    for name, role in (("vera", "viewer"), ("olga", "operator"), ("arno", "approver"), ("ann", "admin")):
        found.add_person(name, role)

    async def fill() -> None:
        request = LaunchRequest(
            numbers=list(range(FIRST, FIRST + 40)), text="【Shop】sale 拒收请回复R", route=["summer"], by="olga"
        )
        waves = replace(request, waves="10 %, 20 %, rest", wave_wait="2 h", more_texts=["【Shop】SALE 拒收请回复R"])
        await launch(found.session, replace(waves, id="texts", name="Two texts"))
        await launch(found.session, replace(request, id="plain", budget="50"))
        await launch(found.session, replace(request, id="june", by="ann", text="【Shop】June 拒收请回复R"))
        await draft(found.session, replace(request, id="small"))
        await draft(found.session, replace(request, id="big", numbers=list(range(FIRST, FIRST + LIMIT + 1))))
        await open_stream(found.session, StreamRequest(id="answers", route=["summer"], by="olga"))
        for at, text in enumerate(("When does the sale end?", "please STOP texting me")):
            message = Inbound(
                account=ACCOUNT, number=str(FIRST + at), text=text, to="1069", at_ms=now_ms(), received_ms=now_ms()
            )
            entry = Entry(ACCOUNT.encode(), encode(message))
            await found.log.append(INBOUND.name, lane_partition(ACCOUNT), [entry])

    found.run(fill)
    yield found
    found.close()


def says(page: Page) -> Locator:
    return page.get_by_role("status").first


def form_of(page: Page, action: str) -> Locator:
    return page.locator(f'form[action$="{action}"]')


def test_a_wave_is_halted_and_released_and_a_person_decides_the_text(visit):
    page = visit("olga").go("/campaigns/texts")
    terms = page.locator("dl.facts").first
    expect(terms).to_contain_text("【Shop】sale")
    expect(terms).to_contain_text("【Shop】SALE")
    page.get_by_role("button", name="Halt", exact=True).click()
    expect(says(page)).to_contain_text("Halted in wave 1.")
    expect(page.locator("#live .badge").first).to_have_text("held")
    page.get_by_role("button", name="Release the next wave").click()
    expect(says(page)).to_contain_text("Released: waves up to 2 may be sent.")
    page.get_by_role("button", name="Release the next wave").click()
    expect(page.get_by_role("button", name="Release the next wave")).to_have_count(0)
    form_of(page, "/texts/decide").filter(has_text="Send text B").get_by_role("button").click()
    expect(says(page)).to_contain_text("Decided: the last wave gets text B.")
    expect(terms.locator("dd", has_text="Text B").get_by_text("decided")).to_be_visible()
    timeline = page.locator("ol.timeline")
    for what in ("wave halted", "wave released", "text decided"):
        expect(timeline.get_by_text(what).first).to_be_visible()


def test_share_hours_and_budget_are_changed_and_their_mistakes_stand_beside_them(visit):
    visitor = visit("olga")
    page = visitor.go("/campaigns/plain")
    page.get_by_text("Change or end it").click()
    for order, field, wrong, mistake, right, done in (
        ("weight", "weight", "many", "must be a whole number", "7", "The weight is 7 now."),
        ("hours", "between", "8 o'clock", "The hours", "09:00-20:00", "It may be sent 09:00-20:00 now."),
        ("budget", "budget", "abc", "is not an amount in CNY", "60", "The budget is 60.00 CNY now; it was 50.00 CNY."),
    ):
        form = form_of(page, f"/plain/{order}")
        form.locator(f'input[name="{field}"]').fill(wrong)
        form.get_by_role("button").click()
        expect(form.locator(f"#mistake-{order}")).to_contain_text(mistake)
        expect(form.locator(f'input[name="{field}"]')).to_have_value(wrong)
        form.locator(f'input[name="{field}"]').fill(right)
        form.get_by_role("button").click()
        expect(says(page)).to_contain_text(done)
        page.get_by_text("Change or end it").click()
    visitor.shoot("campaign-changed-en")


def test_a_draft_is_approved_by_another_person_scheduled_moved_and_taken_off(visit):
    olga, arno = visit("olga"), visit("arno", language="zh")
    page = olga.go("/campaigns/big")
    expect(page.get_by_role("button", name="Launch to 101 recipients")).to_be_disabled()
    approving = arno.go("/campaigns/big")
    approving.get_by_role("button", name="审批通过").click()
    expect(says(approving)).to_contain_text("已审批")
    expect(approving.get_by_role("button", name="启动")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("button", name="Launch to 101 recipients")).to_be_enabled()
    at = datetime.now() + timedelta(days=2)
    for start, done in ((at, f"It starts by itself at {at:%Y-%m-%d} 10:30."), (at + timedelta(days=1), "10:30")):
        page.locator('input[name="start"]').fill(f"{start:%Y-%m-%d}T10:30")
        form_of(page, "/big/schedule").get_by_role("button", name="Schedule").click()
        expect(says(page)).to_contain_text(done)
    expect(form_of(page, "/big/schedule")).to_contain_text(f"Scheduled for {start:%Y-%m-%d} 10:30 by olga.")
    page.get_by_role("button", name="Not any more").click()
    expect(says(page)).to_contain_text("It does not start by itself any more.")


def test_campaigns_are_searched_filtered_and_cloned(visit):
    page = visit("olga").go("/campaigns")
    rows = page.locator("table.campaigns tbody tr")
    expect(rows).to_have_count(4)
    page.get_by_role("searchbox").fill("june")
    page.get_by_role("button", name="Filter").click()
    expect(rows).to_have_count(1)
    page.get_by_role("searchbox").fill("")
    page.get_by_label("Owner").select_option("ann")
    page.get_by_role("button", name="Filter").click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("june")
    page.get_by_label("State").select_option("finished")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("No campaign is like that.")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    page.get_by_role("button", name="Clone june").click()
    expect(says(page)).to_contain_text("Cloned.")
    page.get_by_label("or pasted numbers").fill(str(FIRST + 77))
    page.get_by_role("button", name="Look at the list").click()
    page.get_by_role("button", name="On to the text").click()
    expect(page.locator('textarea[name="text"]')).to_have_value("【Shop】June 拒收请回复R")


def test_a_message_is_found_answered_through_a_stream_and_its_sender_suppressed(visit):
    visitor = visit("olga")
    page = visitor.go("/inbound")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    page.get_by_role("searchbox").fill("sale")
    page.get_by_role("button", name="Filter").click()
    expect(rows).to_have_count(1)
    page.get_by_text("Reply", exact=True).click()
    page.get_by_label("Text", exact=True).fill("until {nobody} knows 拒收请回复R")
    visitor.shoot("inbound-reply-en")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(says(page)).to_contain_text("The reply is on its way, through answers.")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("by olga")
    page.get_by_role("button", name="Text no more").click()
    expect(says(page)).to_contain_text("The number is on the suppression list.")
    expect(rows).to_contain_text("on the suppression list")
    page = visitor.go("/inbound?review=1")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("please STOP texting me")


def test_a_suppression_list_is_imported(visit, tmp_path):
    visitor = visit("olga")
    page = visitor.go("/suppression")
    form = form_of(page, "/suppression/import")
    form.get_by_role("button", name="Import").click()
    expect(form.locator("#mistake-import")).to_have_text("Choose a file with numbers.")
    (tmp_path / "asked.csv").write_text(f"手机号\n{FIRST + 30}\n{FIRST + 31}\nnobody\n", "utf-8")
    form.get_by_label("A file").set_input_files(tmp_path / "asked.csv")
    form.get_by_role("button", name="Import").click()
    expect(says(page)).to_contain_text("2 numbers were added, 0 were there already, 1 rows are no phone numbers.")
    page.get_by_label("Is this number on it?").fill(str(FIRST + 31))
    page.get_by_role("button", name="Look", exact=True).click()
    expect(says(page)).to_contain_text("asked.csv")


def test_every_unmasking_is_in_the_audit_trail(visit):
    olga = visit("olga")
    page = olga.go("/campaigns/june/rows?state=queued")
    page.get_by_role("button", name="Show the numbers").click()
    expect(page.locator("tbody th").first).to_have_text(str(FIRST))
    page = visit("ann", language="zh").go("/people/audit?search=olga+unmask")
    expect(page.get_by_role("row").nth(1)).to_contain_text("june")
    expect(page.get_by_role("row").nth(1)).to_contain_text("显示号码")


def test_a_person_is_signed_out_everywhere_by_the_administrator(visit):
    vera, ann = visit("vera"), visit("ann")
    vera.go("/campaigns")
    page = ann.go("/people")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="vera"))
    row.get_by_role("button", name="Sign out").click()
    expect(says(page)).to_contain_text("vera is signed out everywhere.")
    page = vera.go("/campaigns")
    expect(page).to_have_title("Sign in · dispatcher")


def test_a_refused_person_is_asked_for_again_in_the_same_dialog(visit):
    visitor = visit("ann")
    page = visitor.go("/people")
    page.get_by_role("button", name="Add a person").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("no name")
    dialog.get_by_role("button", name="Add").click()
    expect(dialog.locator("#mistake-add")).to_contain_text("no name")
    expect(dialog.get_by_label("Name")).to_have_value("no name")
    assert not visitor.faults()
