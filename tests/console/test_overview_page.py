"""Overview in a browser: figures that change by themselves, what needs attention, and pausing everything."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from dispatcher.service.campaigns.orders.control import control_campaign
from tests.service.place import launched


@pytest.fixture(scope="module")
def with_campaign(served):
    served.run(lambda: launched(served.session, "may", 3))
    return served


@pytest.mark.parametrize(
    "looks",
    [
        {"language": "en", "theme": "dark"},
        {"language": "zh", "theme": "light", "phone": True},
    ],
    ids=["en-dark", "zh-light-phone"],
)
def test_the_overview_has_no_serious_fault_and_fits_its_window(visit, with_campaign, looks):
    visitor = visit("olga", **looks)
    page = visitor.go()
    expect(page.locator("h1")).to_have_text("概览" if looks["language"] == "zh" else "Overview")
    visitor.shoot(f"overview-{'-'.join(map(str, looks.values()))}".replace("True", "phone"))
    assert not visitor.faults()
    assert not visitor.is_wider_than_its_window()


def test_the_figures_change_by_themselves(visit, with_campaign):
    visitor = visit("vera")
    page = visitor.go()
    expect(page.get_by_role("row").filter(has_text="may")).to_contain_text("running")
    expect(page.get_by_role("button", name="Pause everything")).to_have_count(0)
    with_campaign.run(lambda: control_campaign(with_campaign.session, "may", "pause", by="bob"))
    expect(page.get_by_role("row").filter(has_text="may")).to_contain_text("paused")
    with_campaign.run(lambda: control_campaign(with_campaign.session, "may", "resume", by="bob"))
    expect(page.get_by_role("row").filter(has_text="may")).to_contain_text("running")


def test_they_change_also_if_the_script_for_events_comes_late(visit, with_campaign):
    visitor = visit("vera")
    page = visitor.page

    def late(route):
        time.sleep(1.0)
        route.continue_()

    page.route("**/hx-sse*", late)
    with page.expect_request("**/overview/events"):
        page.goto(visitor.served.url)
    page.unroute("**/hx-sse*")


def test_what_needs_attention_is_listed(visit, with_campaign):
    visitor = visit("vera")
    page = visitor.go()
    expect(page.get_by_role("listitem").filter(has_text="No process sends for account spring")).to_be_visible()


def test_everything_is_paused_after_a_typed_word_and_the_page_says_when_the_last_request_left(visit, with_campaign):
    visitor = visit("olga", language="zh")
    page = visitor.go()
    page.get_by_role("button", name="暂停全部").first.click()
    dialog = page.get_by_role("dialog")
    pause = dialog.get_by_role("button", name="暂停全部")
    expect(pause).to_be_disabled()
    dialog.get_by_role("textbox").fill("pause")
    expect(pause).to_be_disabled()
    dialog.get_by_role("textbox").fill("PAUSE")
    visitor.shoot("overview-pause-zh")
    pause.click()
    expect(page.locator("h1")).to_have_text("已全部暂停")
    expect(page.get_by_text("已停止所有发送")).to_be_visible()
    expect(page.get_by_text("尚未发送")).to_be_visible()
    visitor.shoot("paused-zh")
    assert not visitor.faults()
    page = visitor.go()
    expect(page.get_by_role("row").filter(has_text=re.compile("may"))).to_contain_text("已暂停")
