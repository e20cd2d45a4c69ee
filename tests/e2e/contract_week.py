"""A week of a team, in minutes: the test moves the wall clock of all processes. One suite for every log."""

from __future__ import annotations

import mmap
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl

from tests.always import ALWAYS_TOML
from tests.e2e.stand import COMMAND, Stand, numbers_file, stand, text_of

SHANGHAI: Final = timezone(timedelta(hours=8))
CLOCK: Final = Path(__file__).parent / "shifted_clock"
ACCOUNTS: Final[dict[str, dict[str, Any]]] = {
    "spring": {"flow": {"limit": 200}, "price": {"default": "0.045"}},
    "summer": {"flow": {"limit": 200}, "price": {"default": "0.050"}},
}
CAMPAIGNS: Final = ("may", "may.test-1", "june", "june-again", "july", "august")


class Week:
    """A stand whose processes have one wall clock, which stands at a day and an hour of a week that is to come."""

    def __init__(self, at: Stand) -> None:
        self.stand = at
        path = at.folder / "clock"
        path.write_bytes(bytes(8))
        with path.open("r+b") as file:
            self._shift = mmap.mmap(file.fileno(), 8)
        at.env |= {"SHIFTED_CLOCK": str(path), "PYTHONPATH": str(CLOCK)}
        today = datetime.now(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
        self.monday: Final = today + timedelta(days=7 - today.weekday())

    def comes(self, day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
        """It is this moment now; days count from Monday, 0."""
        then = self.monday + timedelta(days=day, hours=hour, minutes=minute, seconds=second)
        shift_ms = round(then.timestamp() * 1000) - time.time_ns() // 1_000_000
        self._shift[:8] = shift_ms.to_bytes(8, "little", signed=True)
        self.stand.vendor.configure(clock_start=then.strftime("%Y-%m-%dT%H:%M:%S"))
        return then

    def does(self, person: str, *arguments: str) -> str:
        """A person runs a command; what it printed."""
        self.stand.env["USER"] = self.stand.env["LOGNAME"] = person
        return self.stand.started(*arguments)

    def refuses(self, person: str, *arguments: str) -> str:
        """A person runs a command that is refused; what it said."""
        self.stand.env["USER"] = self.stand.env["LOGNAME"] = person
        command = [*COMMAND, *arguments, "--config", str(self.stand.config_path)]
        done = subprocess.run(command, capture_output=True, text=True, env=self.stand.env, check=False)
        assert done.returncode == 2, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stderr

    def shows(self, campaign: str, after_s: float = 0.0) -> dict[str, Any]:
        """`campaign show --json`, after a pause: each is a process of its own, which costs more than waiting."""
        time.sleep(after_s)
        shown: dict[str, Any] = orjson.loads(self.stand.started("campaign", "show", campaign, "--json"))
        return shown

    def until_is(self, campaign: str, status: str) -> dict[str, Any]:
        """Wait until the campaign has this status; the campaign."""
        found: dict[str, Any] = {}

        def it_is() -> bool:
            found.update(self.shows(campaign, after_s=1.0))
            return bool(found["status"] == status)

        self.stand.until(it_is, f"{campaign} is {status}")
        return found

    def until_is_held(self, campaign: str, why: str) -> dict[str, Any]:
        """Wait until this holds the campaign and nothing of it is under way; the campaign."""
        found: dict[str, Any] = {}

        def it_is() -> bool:
            found.update(self.shows(campaign, after_s=1.0))
            counts = found["counts"]
            return (found["held"] or {}).get("why") == why and not counts["in_flight"] and not counts["accepted"]

        self.stand.until(it_is, f"{why} holds {campaign}")
        return found


@contextmanager
def week(folder: Path, log_url: str) -> Iterator[Week]:
    """A team's stand with marketing hours, on Monday at nine."""
    with stand(folder, log_url, ours=ACCOUNTS, switches={"status_mix": {"DELIVRD": 1.0}}) as at:
        text = at.config_path.read_text("utf-8").replace(ALWAYS_TOML, "")
        at.config_path.write_text(f"{text}\n[approval]\nabove = 500\n", "utf-8")
        team = Week(at)
        team.comes(0, 9)
        yield team


class WeekContract:
    """Inherited by one class per log, which provides the fixture `log_url`."""

    def test_a_team_has_its_week_and_ledger_equation_and_spending_agree(self, tmp_path: Path, log_url: str) -> None:
        with week(tmp_path, log_url) as team:
            dispatcher = team.stand.run()
            self._monday(team)
            self._tuesday(team)
            self._wednesday(team)
            self._thursday(team)
            self._friday(team)
            self._sunday(team)
            assert dispatcher.stop() == 0
            self._anew(team)

    def _monday(self, team: Week) -> None:
        """A draft, tried on two phones, approved by somebody else, to start tomorrow at ten."""
        at = team.stand
        numbers = numbers_file(at.folder, 600)
        draft = ("campaign", "draft", str(numbers), "--id", "may", "--text", text_of("may"), "--route", "spring")
        team.does("ann", *draft, "--between", "10:00-18:00", "--waves", "20 %, rest")
        assert team.shows("may")["status"] == "awaits approval"
        team.does("ann", "campaign", "test", "may", "--to", "13700000001,13700000002", "--yes")
        at.until(lambda: at.taken() == 2, "both phones have the text")
        team.refuses("ann", "campaign", "launch", "may", "--yes")
        team.refuses("ann", "campaign", "approve", "may", "--yes")
        team.does("chen", "campaign", "approve", "may", "--yes")
        team.does("ann", "campaign", "schedule", "may", "--at", "tomorrow 10:00")
        assert team.shows("may")["status"] == "scheduled"

    def _tuesday(self, team: Week) -> None:
        """It starts by itself; its first wave is good, so the rest follows without anybody."""
        at = team.stand
        team.comes(1, 9)
        opts_out(at, "13800000007")  # on the list of May, before its start
        assert at.taken() == 2
        team.comes(1, 10)
        shown = team.until_is("may", "finished")
        counts = shown["counts"]
        assert (counts["rows"], counts["suppressed"], counts["delivered"]) == (600, 1, 599)

    def _wednesday(self, team: Week) -> None:
        """A bad day at the vendor: half of the first wave fails, the rest is never sent; who failed goes elsewhere."""
        at = team.stand
        team.comes(2, 9)
        at.vendor.configure(status_mix={"DELIVRD": 0.5, "MK:0001": 0.5})
        numbers = numbers_file(at.folder, 500, first=13_810_000_000)
        launch = ("campaign", "launch", str(numbers), "--id", "june", "--text", text_of("june"), "--route", "spring")
        team.does("ann", *launch, "--waves", "40 %, rest", "--yes", "--even-if-short")
        sent = team.until_is_held("june", "halted")["counts"]
        at.vendor.configure(status_mix={"DELIVRD": 1.0})
        team.does("chen", "campaign", "cancel", "june", "--yes")
        again = ("campaign", "follow-up", "june", "--to", "failed", "--route", "summer", "--id", "june-again")
        team.does("ann", *again, "--text", text_of("june-again"), "--yes", "--even-if-short")
        shown = team.until_is("june-again", "finished")
        assert shown["counts"]["delivered"] == sent["failed"] > 0

    def _thursday(self, team: Week) -> None:
        """Launched late: what is left at eight in the evening waits for a person, also the next morning."""
        at = team.stand
        team.comes(3, 19)
        numbers = numbers_file(at.folder, 6000, first=13_820_000_000)
        draft = ("campaign", "draft", str(numbers), "--id", "july", "--text", text_of("july"), "--route", "spring")
        team.does("ann", *draft)
        team.does("chen", "campaign", "approve", "july", "--yes")
        before = at.taken()
        team.does("ann", "campaign", "launch", "july", "--yes", "--even-if-short")
        at.until(lambda: at.taken() > before, "it is being sent")
        team.comes(3, 20)
        team.until_is_held("july", "closing")
        sent = at.taken() - before
        assert 0 < sent < 6000
        opts_out(at, str(13_820_000_000 + 5999 * 7))  # the last of its list
        team.comes(4, 9)
        assert team.until_is_held("july", "closing")["counts"]["queued"] == 6000 - sent
        assert at.taken() - before == sent

    def _friday(self, team: Week) -> None:
        """It goes on when somebody says so, without the phone that opted out; another campaign has little money."""
        at = team.stand
        team.does("chen", "campaign", "resume", "july")
        counts = team.until_is("july", "finished")["counts"]
        assert (counts["delivered"], counts["suppressed"]) == (5999, 1)
        numbers = numbers_file(at.folder, 300, first=13_830_000_000)
        launch = ("campaign", "launch", str(numbers), "--id", "august", "--text", text_of("august"))
        team.does("ann", *launch, "--route", "spring,summer", "--budget", "5", "--yes", "--even-if-short")
        spent = team.until_is_held("august", "budget")["counts"]
        assert 4_950_000 < spent_micro_yuan(at, "august") <= 5_000_000
        team.does("chen", "campaign", "budget", "august", "20")
        counts = team.until_is("august", "finished")["counts"]
        assert counts["delivered"] == 300 > spent["delivered"]

    def _sunday(self, team: Week) -> None:
        """Everything adds up: the vendor's ledger, the campaigns, the money, and results made anew."""
        at = team.stand
        team.comes(6, 18)
        ledger = at.ledger()
        assert not ledger.select(pl.struct("number", "text").is_duplicated().any()).item()
        totals = at.vendor.totals()
        assert (totals["double_texts"], totals["windows_over_limit"]) == (0, 0)
        shown = [team.shows(campaign) for campaign in CAMPAIGNS]
        assert all(each["adds_up"] and each["settled"] for each in shown)
        spend = orjson.loads(at.started("report", "spend", "--from", "7 d", "--by", "account,person", "--json"))
        assert spend["total"]["parts"] == ledger.height

    def _anew(self, team: Week) -> None:
        """Results made anew from the log are the same."""
        before = {campaign: team.shows(campaign)["counts"] for campaign in CAMPAIGNS}
        team.stand.started("store", "rebuild", "--yes")
        assert {campaign: team.shows(campaign)["counts"] for campaign in CAMPAIGNS} == before


def opts_out(at: Stand, number: str) -> None:
    """A phone sends TD."""
    assert at.vendor.push_inbound("spring", mobile=number, msg="TD") == [200]


def spent_micro_yuan(at: Stand, campaign: str) -> int:
    """What the vendor's ledger says that a campaign has cost so far."""
    accounts = at.ledger().filter(pl.col("text") == text_of(campaign))["account"]
    price = {"spring": 45_000, "summer": 50_000}
    return sum(price[account] for account in accounts)
