"""A team's day in the browser alone, on both logs: a campaign of 200,000 from its list to its export and follow-up."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.console.browser import Visitor
from tests.console.working import Working

FIRST = 13_800_000_000
RECIPIENTS = 200_000
PER_S = 20_000
TEST_NUMBER = 13_900_139_000
LONG_MS = 240_000
"""How long a page may take on a busy machine: lists of this size are read by processes of their own."""


@pytest.fixture(params=["sqlite", "kafka"])
def working(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Working]:
    log_url = f"sqlite:{tmp_path}/log.db"
    if request.param == "kafka":
        bootstrap = request.getfixturevalue("kafka_bootstrap")
        log_url = f"kafka://{bootstrap}/console-{uuid.uuid4().hex[:12]}.?session_s=6"
    found = Working(tmp_path, log_url, per_s=PER_S)
    found.add_person("olga", "operator")
    yield found
    found.close()


def test_a_campaign_of_200_000_is_run_from_its_list_to_its_follow_up_by_the_browser_alone(
    browser: Browser, working: Working, tmp_path: Path
) -> None:
    visitor = Visitor(browser, working, "olga")
    visitor.waits(LONG_MS)
    page = visitor.go("/new-campaign")
    give_list(visitor, page, tmp_path)
    write_text(visitor, page)
    say_when(visitor, page)
    launch(visitor, page)

    # watched, paused, halted in its first wave, released
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Paused.")
    expect(page.locator("#live .badge").first).to_have_text("paused")
    agrees_with_the_ledger(page, working)
    visitor.shoot("campaign-paused-en")
    page.get_by_role("button", name="Resume", exact=True).click()
    page.get_by_role("button", name="Halt", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Halted in wave")
    expect(page.locator("#live .badge").first).to_have_text("held")
    agrees_with_the_ledger(page, working)
    visitor.shoot("campaign-halted-en")
    working.conduct()
    page.get_by_role("button", name="Release the next wave").click()
    expect(page.locator("#live .badge").first).to_have_text("finished")
    visitor.shoot("campaign-finished-en")

    # every figure is the vendor's, and opens its rows
    texted = ledger(working)
    assert texted.height == texted["number"].n_unique() == RECIPIENTS
    ends = dict(texted.group_by("state").len().iter_rows())
    equation = page.locator("#live .equation")
    expect(equation).to_contain_text(f"{RECIPIENTS + 2:,} rows")
    for state, count in ends.items():
        expect(equation.locator("a", has_text=state).locator("strong")).to_have_text(f"{count:,}")
    equation.locator("a", has_text="failed").click()
    expect(page.locator("tbody tr")).to_have_count(100)
    expect(page.locator("tbody th").first).to_contain_text("****")
    page.get_by_role("button", name="Show the numbers").click()
    expect(page.locator("tbody th").first).not_to_contain_text("****")
    failed = texted.filter(pl.col("state") == "failed")["number"].to_list()
    assert int(page.locator("tbody th").first.inner_text()) in failed
    visitor.shoot("campaign-rows-en")

    # exported
    page.get_by_role("button", name="Export").click()
    page.get_by_label("Format").select_option("csv")
    page.locator("#export").get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download may-sale.csv").click()
    exported = pl.read_csv(download.value.path(), columns=["number", "state"]).sort("number")
    assert exported.equals(texted)

    # who failed is followed up, and nobody else is texted again
    visitor.go("/campaigns/may-sale")
    page.get_by_role("button", name="Follow up").click()
    page.get_by_label("failed").check()
    page.get_by_role("button", name="Plan it").click()
    page.get_by_label("Type the number of recipients").fill(str(len(failed)))
    visitor.shoot("campaign-follow-up-en")
    page.get_by_role("button", name=f"Launch to {len(failed):,} recipients").click()
    expect(page.get_by_role("status")).to_contain_text(f"{len(failed):,} recipients are texted again")
    expect(page.locator("#live .badge").first).to_have_text("finished")
    expect(page.get_by_role("link", name="follows may-sale")).to_be_visible()
    again = ledger(working)
    assert again.height == RECIPIENTS + len(failed)
    assert again.filter(pl.col("number").is_duplicated())["number"].unique().sort().to_list() == failed

    # the list of campaigns has all of it, and a clone begins a new one
    visitor.go("/campaigns?q=may")
    expect(page.locator("table.campaigns tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Clone may-sale", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Cloned.")
    visitor.close()


def give_list(visitor: Visitor, page: Page, folder: Path) -> None:
    """The first step, with a list that repeats a number and has one that is too short."""
    page.get_by_role("button", name="Look at the list").click()
    expect(page.get_by_role("alert")).to_have_text("Choose a file, or paste numbers.")
    numbers = "\n".join(map(str, range(FIRST, FIRST + RECIPIENTS)))
    (folder / "may.csv").write_text(f"phone\n{numbers}\n{FIRST}\n12345\n", "ascii")
    page.get_by_label("A file").set_input_files(folder / "may.csv")
    page.get_by_role("button", name="Look at the list").click()
    expect(page.locator(".stat", has_text="Recipients").locator(".figure")).to_have_text(f"{RECIPIENTS:,}")
    expect(page.locator("table.samples")).to_contain_text("138****0000")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download these rows").click()
    aside = list(csv.reader(Path(download.value.path()).read_text("utf-8-sig").splitlines()))
    assert [row[1] for row in aside[1:]] == [str(FIRST), "12345"]
    visitor.shoot("new-campaign-list-en")
    page.get_by_role("button", name="On to the text").click()


def write_text(visitor: Visitor, page: Page) -> None:
    """The second step: measured while it is written."""
    page.get_by_label("Text", exact=True).fill("【Shop】Dear {nam}, sale today 拒收请回复R")
    expect(page.locator("#preview")).to_contain_text("The list has no column {nam}.")
    page.get_by_label("Text", exact=True).fill("【Shop】Sale today from 8 to 10 拒收请回复R")
    expect(page.locator("#preview q").first).to_have_text("【Shop】Sale today from 8 to 10 拒收请回复R")
    expect(page.locator("#preview")).to_contain_text("9,000.00 CNY")
    visitor.shoot("new-campaign-text-en")
    page.get_by_role("button", name="On to when and how").click()


def say_when(visitor: Visitor, page: Page) -> None:
    """The third step: each mistake stands beside its field."""
    page.locator('input[name="id"]').fill("may sale")
    page.get_by_label("Waves").fill("10 %, rest")
    page.get_by_label("Weight").fill("many")
    page.get_by_role("button", name="Plan it").click()
    expect(page.locator("#mistake-weight")).to_have_text("The weight must be a whole number, as 1 or 20.")
    page.get_by_label("Weight").fill("2")
    page.get_by_role("button", name="Plan it").click()
    expect(page.locator("#mistake-id")).to_contain_text("must be 1 to 64 of letters")
    page.locator('input[name="id"]').fill("may-sale")
    visitor.shoot("new-campaign-when-en")
    page.get_by_role("button", name="Plan it").click()


def launch(visitor: Visitor, page: Page) -> None:
    """The fourth step: the plan, a test, and the launch, confirmed by the number of recipients."""
    expect(page.get_by_role("status")).to_contain_text("Drafted.")
    expect(page.locator("#plan")).to_contain_text("9,000.00 CNY")
    expect(page.locator("#plan")).to_contain_text("enough")
    page.get_by_label("Send this very message to").fill(str(TEST_NUMBER))
    page.get_by_role("button", name="Send the test").click()
    expect(page.get_by_role("status")).to_contain_text("may-sale.test-1")
    visitor.shoot("new-campaign-plan-en")
    launching = page.locator("form", has=page.get_by_role("heading", name="Launch now"))
    launching.get_by_label("Type the number of recipients").fill("4")
    launching.get_by_role("button").click()
    expect(page.locator("#mistake-launch")).to_contain_text("type the number of recipients: 200,000")
    launching.get_by_label("Type the number of recipients").fill("200,000")
    launching.get_by_role("button").click()
    expect(page.get_by_role("status")).to_contain_text(f"Launched to {RECIPIENTS:,} recipients.")


def agrees_with_the_ledger(page: Page, working: Working) -> None:
    """Nothing is under way any more, and what is left is what the vendor has not got."""
    expect(page.locator("#live .equation")).not_to_contain_text("in flight")
    left: Locator = page.locator(".stat", has_text="Left to send").locator(".figure")
    expect(left).to_have_text(f"{RECIPIENTS - ledger(working).height:,}")
    assert left.inner_text() != "0"


def ledger(working: Working) -> pl.DataFrame:
    """How each message but the test's ended, by the vendor."""

    async def read() -> pl.DataFrame:
        return working.vendor.rows()

    state = pl.when(pl.col("status") == "DELIVRD").then(pl.lit("delivered")).otherwise(pl.lit("failed"))
    rows = working.run(read).select(pl.col("number").cast(pl.Int64), state.alias("state"))
    return rows.filter(pl.col("number") != TEST_NUMBER).sort("number")
