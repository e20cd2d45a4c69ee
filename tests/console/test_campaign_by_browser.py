"""A team's day in the browser alone: a campaign is made, launched, watched, paused, followed up and exported."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.console.browser import WAIT_MS, Visitor
from tests.console.working import Working

FIRST = 13_800_138_000
RECIPIENTS = 400
PER_S = 150


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Working]:
    found = Working(Path(tmp_path_factory.mktemp("working")), per_s=PER_S, confirm_above=100)
    found.add_person("olga", "operator")
    yield found
    found.close()


def test_a_campaign_is_run_from_its_list_to_its_export_by_the_browser_alone(
    browser: Browser, working: Working, tmp_path: Path
) -> None:
    expect.set_options(timeout=WAIT_MS)
    visitor = Visitor(browser, working, "olga")
    page = visitor.go("/new-campaign")

    # the list
    page.get_by_role("button", name="Look at the list").click()
    expect(page.get_by_role("alert")).to_have_text("Choose a file, or paste numbers.")
    visitor.complaints.clear()  # the browser itself notes the status 422
    rows = ["name,phone", *(f"Ann{at},{FIRST + at}" for at in range(RECIPIENTS)), f"Twin,{FIRST}", "Nobody,12345"]
    page.get_by_label("or pasted numbers").fill("\n".join(rows))
    page.get_by_role("button", name="Look at the list").click()
    expect(page.locator(".stat", has_text="Recipients").locator(".figure")).to_have_text(f"{RECIPIENTS:,}")
    expect(page.locator("table.samples")).to_contain_text("138****8000")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download these rows").click()
    aside = list(csv.reader(Path(download.value.path()).read_text("utf-8-sig").splitlines()))
    assert [row[1] for row in aside[1:]] == [str(FIRST), "12345"]
    visitor.shoot("new-campaign-list-en")
    page.get_by_role("button", name="On to the text").click()

    # the text
    page.get_by_label("Text", exact=True).fill("【Shop】Dear {nam}, sale today 拒收请回复R")
    expect(page.locator("#preview")).to_contain_text("The list has no column {nam}.")
    page.get_by_label("Text", exact=True).fill("【Shop】Dear {name}, sale today 拒收请回复R")
    expect(page.locator("#preview q").first).to_have_text("【Shop】Dear Ann0, sale today 拒收请回复R")
    expect(page.locator("#preview")).to_contain_text("18.00 CNY")
    visitor.shoot("new-campaign-text-en")
    page.get_by_role("button", name="On to when and how").click()

    # when and how
    page.locator('input[name="id"]').fill("may sale")
    page.get_by_label("Weight").fill("many")
    page.get_by_role("button", name="Plan it").click()
    expect(page.locator("#mistake-weight")).to_have_text("The weight must be a whole number, as 1 or 20.")
    page.get_by_label("Weight").fill("2")
    page.get_by_role("button", name="Plan it").click()
    expect(page.locator("#mistake-id")).to_contain_text("must be 1 to 64 of letters")
    page.locator('input[name="id"]').fill("may-sale")
    visitor.complaints.clear()
    visitor.shoot("new-campaign-when-en")
    page.get_by_role("button", name="Plan it").click()

    # the plan, a test, the launch
    expect(page.get_by_role("status")).to_contain_text("Drafted.")
    expect(page.locator("#plan")).to_contain_text("18.00 CNY")
    expect(page.locator("#plan")).to_contain_text("enough")
    page.get_by_label("Send this very message to").fill("13900139000")
    page.get_by_role("button", name="Send the test").click()
    expect(page.get_by_role("status")).to_contain_text("may-sale.test-1")
    visitor.shoot("new-campaign-plan-en")
    launching = page.locator("form", has=page.get_by_role("heading", name="Launch now"))
    launching.get_by_label("Type the number of recipients").fill("4")
    launching.get_by_role("button").click()
    expect(page.locator("#mistake-launch")).to_contain_text("type the number of recipients: 400")
    visitor.complaints.clear()
    launching.get_by_label("Type the number of recipients").fill("400")
    launching.get_by_role("button").click()

    # watched, paused, resumed
    expect(page.get_by_role("status")).to_have_text(re.compile("Launched to 400 recipients"))
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Paused.")
    expect(page.locator("#live .badge").first).to_have_text("paused")
    visitor.shoot("campaign-paused-en")
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(page.locator("#live .badge").first).to_have_text("finished")
    expect(page.locator("#live .equation")).to_contain_text("402 rows")
    visitor.shoot("campaign-finished-en")
    texted = _ends(working)
    assert len(texted) == RECIPIENTS + 1  # and the test
    delivered = sum(texted[FIRST + at] == "delivered" for at in range(RECIPIENTS))
    figure = page.locator(".legend li", has_text="delivered").locator("strong")
    expect(figure).to_have_text(str(delivered))
    assert 0 < delivered < RECIPIENTS

    # every figure opens its rows
    failed = page.locator("#live .equation a", has_text="failed")
    count = int(failed.locator("strong").inner_text())
    failed.click()
    expect(page.locator("tbody tr")).to_have_count(min(count, 100))
    expect(page.locator("tbody th").first).to_contain_text("****")
    page.get_by_role("button", name="Show the numbers").click()
    expect(page.locator("tbody th").first).to_have_text(re.compile(r"^138001\d{5}$"))
    visitor.shoot("campaign-rows-en")

    # exported
    page.get_by_role("button", name="Export").click()
    page.get_by_label("Format").select_option("csv")
    page.locator("#export").get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download may-sale.csv").click()
    exported = list(csv.DictReader(Path(download.value.path()).read_text("utf-8-sig").splitlines()))
    assert {int(row["number"]): row["state"] for row in exported} == {
        number: status for number, status in texted.items() if number < 13_900_000_000
    }

    # followed up
    visitor.go("/campaigns/may-sale")
    page.get_by_role("button", name="Follow up").click()
    page.get_by_label("failed").check()
    page.get_by_role("button", name="Plan it").click()
    visitor.shoot("campaign-follow-up-en")
    page.get_by_role("button", name=f"Launch to {count} recipients").click()
    expect(page.get_by_role("status")).to_contain_text(f"{count} recipients are texted again")
    expect(page.locator("#live .badge").first).to_have_text("finished")
    expect(page.get_by_role("link", name="follows may-sale")).to_be_visible()

    # the list of campaigns has all of it, and a clone begins a new one
    visitor.go("/campaigns?q=may")
    expect(page.locator("table.campaigns tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Clone may-sale", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Cloned.")
    visitor.close()


def _ends(working: Working) -> dict[int, str]:
    """By number, how its message ended by the vendor's ledger."""

    async def read() -> dict[int, str]:
        rows = working.vendor.rows().select("number", "status").iter_rows()
        return {int(number): "delivered" if status == "DELIVRD" else "failed" for number, status in rows}

    return working.run(read)
