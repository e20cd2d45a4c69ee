"""A week of a team in less than a minute: the test moves the wall clock of all processes. One suite for every log."""

from __future__ import annotations

import mmap
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import orjson
import polars as pl
import pytest

from dispatcher import clock
from tests.always import ALWAYS_TOML
from tests.e2e.stand import Stand, numbers_file, stand, text_of

SHANGHAI: Final = timezone(timedelta(hours=8))
CLOCK: Final = Path(__file__).parent / "shifted_clock"
ACCOUNTS: Final[dict[str, dict[str, Any]]] = {
    "spring": {"flow": {"limit": 200}, "price": {"default": "0.045"}},
    "summer": {"flow": {"limit": 200}, "price": {"default": "0.050"}},
}
REPORTS: Final[dict[str, Any]] = {
    "status_mix": {"DELIVRD": 1.0},
    "report_delay_mean_s": 0.1,
    "report_delay_max_s": 0.5,
}
TERMS: Final = """
[approval]
above = 200
[routes.careful]
default = ["spring", "summer"]
failover_after_s = 1
"""
CAMPAIGNS: Final = (
    "codes",
    "may",
    "may.test-1",
    "june",
    "june-again",
    "july",
    "august",
    "september",
    "september.retry-1",
)
RETRIED: Final = 20
JULY: Final = 1_600
"""So many that the vendor cannot have taken them all before the test moves the clock."""


class Week:
    """A stand whose processes have one wall clock. It shows the real time until the test moves it to a day and an hour
    of next week.
    """

    def __init__(self, at: Stand, patch: pytest.MonkeyPatch) -> None:
        self.stand = at
        path = at.folder / "clock"
        path.write_bytes(bytes(8))
        with path.open("r+b") as file:
            self._shift = mmap.mmap(file.fileno(), 8)
        at.env |= {"SHIFTED_CLOCK": str(path), "PYTHONPATH": str(CLOCK)}
        patch.setattr(clock, "time", SimpleNamespace(time_ns=self._time_ns))  # commands run in this process
        today = datetime.now(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
        self.monday: Final = today + timedelta(days=7 - today.weekday())

    def _time_ns(self) -> int:
        return time.time_ns() + int.from_bytes(self._shift[:8], "little", signed=True) * 1_000_000

    def comes(self, day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
        """It is this moment now; days count from Monday, 0."""
        then = self.monday + timedelta(days=day, hours=hour, minutes=minute, seconds=second)
        shift_ms = round(then.timestamp() * 1000) - time.time_ns() // 1_000_000
        self._shift[:8] = shift_ms.to_bytes(8, "little", signed=True)
        self.stand.vendor.configure(clock_start=then.strftime("%Y-%m-%dT%H:%M:%S"))
        return then

    def does(self, person: str, *arguments: str, code: int = 0) -> str:
        """A person runs a command; what it printed, or why it was refused if that is expected."""
        self.stand.env["USER"] = self.stand.env["LOGNAME"] = person
        return self.stand.command(*arguments, code=code)

    def shows(self, campaign: str) -> dict[str, Any]:
        """`campaign show --json`."""
        shown: dict[str, Any] = orjson.loads(self.stand.command("campaign", "show", campaign, "--json"))
        return shown

    def until_is(self, campaign: str, status: str) -> dict[str, Any]:
        """Wait until the campaign has this status; the campaign."""
        found: dict[str, Any] = {}

        def it_is() -> bool:
            found.update(self.shows(campaign))
            return bool(found["status"] == status)

        self.stand.until(it_is, f"{campaign} is {status}")
        return found

    def until_is_held(self, campaign: str, why: str) -> dict[str, Any]:
        """Wait until this holds the campaign and nothing of it is under way; the campaign."""
        found: dict[str, Any] = {}

        def it_is() -> bool:
            found.update(self.shows(campaign))
            counts = found["counts"]
            return (found["held"] or {}).get("why") == why and not counts["in_flight"] and not counts["accepted"]

        self.stand.until(it_is, f"{why} holds {campaign}")
        return found


@contextmanager
def week(folder: Path, log_url: str) -> Iterator[Week]:
    """A team's stand with marketing hours, before the week."""
    with (
        stand(folder, log_url, ours=ACCOUNTS, switches=REPORTS) as at,
        pytest.MonkeyPatch.context() as patch,
    ):
        text = at.config_path.read_text("utf-8").replace(ALWAYS_TOML, "")
        at.config_path.write_text(f"{text}\n{TERMS}", "utf-8")
        yield Week(at, patch)


class WeekContract:
    """Inherited by one class per log, which provides the fixture `log_url`."""

    def test_a_team_has_its_week_and_ledger_equation_and_spending_agree(self, tmp_path: Path, log_url: str) -> None:
        with week(tmp_path, log_url) as team:
            dispatcher = team.stand.run()
            self._before(team)
            self._monday(team)
            self._tuesday(team)
            self._wednesday(team)
            self._thursday(team)
            self._friday(team)
            self._saturday(team)
            self._sunday(team)
            assert dispatcher.stop() == 0
            self._anew(team)

    def _before(self, team: Week) -> None:
        """A stream of codes is opened, and the first phone signs in, by the log's own clock."""
        at = team.stand
        terms = ("--class", "code", "--route", "summer", "--text", "【Test】{code} is your code")
        team.does("li", "stream", "open", "--id", "codes", *terms)
        team.does("li", "verify", "start", "13700000009", "--stream", "codes", "--key", "sign-in-1")
        team.does("li", "verify", "start", "13700000009", "--stream", "codes", "--key", "sign-in-1")
        at.until(lambda: at.taken() == 1, "the phone has its code")
        [text] = at.ledger()["text"]
        code = re.findall(r"\d{6}", text)[0]
        wrong = code[:-1] + str((int(code[-1]) + 1) % 10)
        for typed, answer in ((wrong, 3), (code, 0), (code, 3)):
            team.does("li", "verify", "check", "13700000009", typed, "--stream", "codes", code=answer)

    def _monday(self, team: Week) -> None:
        """A draft, tried on two phones, approved by somebody else, to start tomorrow at ten."""
        at = team.stand
        team.comes(0, 9)
        numbers = numbers_file(at.folder, 250)
        draft = ("campaign", "draft", str(numbers), "--id", "may", "--text", text_of("may"), "--route", "spring")
        team.does("ann", *draft, "--between", "10:00-18:00", "--waves", "20 %, rest")
        assert team.shows("may")["status"] == "awaits approval"
        team.does("ann", "campaign", "test", "may", "--to", "13700000001,13700000002", "--yes")
        at.until(lambda: at.taken() == 3, "both phones have the text")
        team.does("ann", "campaign", "launch", "may", "--yes", code=2)
        team.does("ann", "campaign", "approve", "may", "--yes", code=2)
        team.does("chen", "campaign", "approve", "may", "--yes")
        team.does("ann", "campaign", "schedule", "may", "--at", "tomorrow 10:00")
        assert team.shows("may")["status"] == "scheduled"

    def _tuesday(self, team: Week) -> None:
        """It starts by itself; its first wave is good, so the rest follows without anybody."""
        at = team.stand
        team.comes(1, 9)
        opts_out(at, "13800000007")  # on the list of May, before its start
        assert at.taken() == 3
        team.comes(1, 10)
        shown = team.until_is("may", "finished")
        counts = shown["counts"]
        assert (counts["rows"], counts["suppressed"], counts["delivered"]) == (250, 1, 249)

    def _wednesday(self, team: Week) -> None:
        """A bad day at the vendor: half of the first wave fails, the rest is never sent; who failed goes elsewhere."""
        at = team.stand
        team.comes(2, 9)
        at.vendor.configure(status_mix={"DELIVRD": 0.5, "MK:0001": 0.5})
        numbers = numbers_file(at.folder, 200, first=13_810_000_000)
        launch = ("campaign", "launch", str(numbers), "--id", "june", "--text", text_of("june"), "--route", "spring")
        team.does("ann", *launch, "--waves", "50 %, rest", "--yes", "--even-if-short")
        sent = team.until_is_held("june", "halted")["counts"]
        at.vendor.configure(status_mix={"DELIVRD": 1.0})
        team.does("chen", "campaign", "cancel", "june", "--yes")
        again = ("campaign", "follow-up", "june", "--to", "failed", "--route", "summer", "--id", "june-again")
        team.does("ann", *again, "--text", text_of("june-again"), "--yes", "--even-if-short")
        shown = team.until_is("june-again", "finished")
        assert shown["counts"]["delivered"] == sent["failed"] > 0

    def _thursday(self, team: Week) -> None:
        """Launched late: what is left at eight waits for a person, also the next morning. Codes do not wait."""
        at = team.stand
        team.comes(3, 19)
        numbers = numbers_file(at.folder, JULY, first=13_820_000_000)
        draft = ("campaign", "draft", str(numbers), "--id", "july", "--text", text_of("july"), "--route", "careful")
        team.does("ann", *draft)
        team.does("chen", "campaign", "approve", "july", "--yes")
        before = at.taken()
        team.does("ann", "campaign", "launch", "july", "--yes", "--even-if-short")
        at.until(lambda: at.taken() > before, "it is being sent")
        team.comes(3, 20)
        team.until_is_held("july", "closing")
        sent = at.taken() - before
        assert 0 < sent < JULY
        opts_out(at, str(13_820_000_000 + (JULY - 1) * 7))  # the last of its list
        team.comes(3, 22)
        send = ("stream", "send", "codes", "13700000010", "--key", "order-1", "--value", "code=4711")
        team.does("li", *send)
        team.does("li", *send)
        at.until(lambda: at.taken() - before == sent + 1, "the phone has its code at night")
        team.comes(4, 9)
        assert team.until_is_held("july", "closing")["counts"]["queued"] == JULY - sent
        assert at.taken() - before == sent + 1

    def _friday(self, team: Week) -> None:
        """A campaign has little money. July continues without the phone that opted out, and its account breaks down."""
        at = team.stand
        numbers = numbers_file(at.folder, 200, first=13_830_000_000)
        launch = ("campaign", "launch", str(numbers), "--id", "august", "--text", text_of("august"))
        team.does("ann", *launch, "--route", "spring,summer", "--budget", "5", "--yes", "--even-if-short")
        spent = team.until_is_held("august", "budget")["counts"]
        assert 4_950_000 < spent_micro_yuan(at, "august") <= 5_000_000
        team.does("chen", "campaign", "budget", "august", "20")
        counts = team.until_is("august", "finished")["counts"]
        assert counts["delivered"] == 200 > spent["delivered"]
        before = at.taken()
        team.does("chen", "campaign", "resume", "july")
        at.until(lambda: at.taken() > before, "July is being sent again")
        at.vendor.configure(account={"spring": {"pswd": "changed"}})
        shown = team.until_is("july", "finished")
        assert (shown["counts"]["delivered"], shown["counts"]["suppressed"]) == (JULY - 1, 1)
        [moved] = shown["moves"]
        by_account = dict(of_campaign(at, "july").group_by("account").len().iter_rows())
        assert (moved["account"], moved["to"], moved["why"]) == ("spring", "summer", "login")
        assert by_account["spring"] > 0
        assert by_account["summer"] in (moved["recipients"], moved["recipients"] - 1)  # without who opted out

    def _saturday(self, team: Week) -> None:
        """Nobody is reached in the morning; at noon the dispatcher texts them again by itself."""
        at = team.stand
        team.comes(5, 9)
        at.vendor.configure(status_mix={"UNDELIV": 1.0})
        numbers = numbers_file(at.folder, RETRIED, first=13_840_000_000)
        launch = ("campaign", "launch", str(numbers), "--id", "september", "--text", text_of("september"))
        retry = ("--retry", "temporary: 1 within 6 h")
        team.does("ann", *launch, "--route", "summer", *retry, "--yes", "--even-if-short")
        at.until(lambda: team.shows("september")["counts"]["failed"] == RETRIED, "all of them failed")
        at.vendor.configure(status_mix={"DELIVRD": 1.0})
        team.comes(5, 12, 30)

        def the_retry() -> dict[str, Any]:
            [found] = team.shows("september")["retries"]["retries"]
            return dict(found)

        at.until(lambda: the_retry()["state"] == "launched", "they are texted again")
        assert team.until_is("september.retry-1", "finished")["counts"]["delivered"] == RETRIED

    def _sunday(self, team: Week) -> None:
        """Everything adds up: the vendor's ledger, the campaigns, the money, and results made anew."""
        at = team.stand
        team.comes(6, 18)
        team.does("li", "stream", "close", "codes")
        ledger = at.ledger()
        again = ledger.filter(pl.struct("number", "text").is_duplicated())
        assert again["text"].unique().to_list() == [text_of("september")]
        totals = at.vendor.totals()
        assert (totals["double_texts"], totals["windows_over_limit"]) == (RETRIED, 0)
        shown = {campaign: team.shows(campaign) for campaign in CAMPAIGNS}
        assert all(each["adds_up"] and each["settled"] for each in shown.values())
        codes = shown["codes"]["counts"]
        assert (codes["rows"], codes["duplicate"], codes["delivered"]) == (2, 0, 2)
        spend = orjson.loads(at.command("report", "spend", "--from", "14 d", "--by", "account,person", "--json"))
        assert spend["total"]["parts"] == ledger.height

    def _anew(self, team: Week) -> None:
        """Results made anew from the log are the same."""
        before = {campaign: team.shows(campaign)["counts"] for campaign in CAMPAIGNS}
        team.stand.command("store", "rebuild", "--yes")
        assert {campaign: team.shows(campaign)["counts"] for campaign in CAMPAIGNS} == before


def opts_out(at: Stand, number: str) -> None:
    """A phone sends TD."""
    assert at.vendor.push_inbound("spring", mobile=number, msg="TD") == [200]


def of_campaign(at: Stand, campaign: str) -> pl.DataFrame:
    """The rows of the vendor's ledger with the campaign's text."""
    return at.ledger().filter(pl.col("text") == text_of(campaign))


def spent_micro_yuan(at: Stand, campaign: str) -> int:
    """What the vendor's ledger says that a campaign has cost so far."""
    price = {"spring": 45_000, "summer": 50_000}
    return sum(price[account] for account in of_campaign(at, campaign)["account"])
