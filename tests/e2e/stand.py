"""A test stand: a simulated vendor and `dispatcher run` in processes of their own, and the commands of whoever uses it.

Commands run in the test's process: starting one costs more than all that it does. What the vendor got is read from its
own ledger, what we say of it from the export, and the two are compared row by row.
"""

from __future__ import annotations

import asyncio
import csv
import functools
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl
from click.testing import CliRunner

from dispatcher.cli import main
from dispatcher.config.file import Config, load
from dispatcher.core.results.equation import Counts
from dispatcher.service.campaigns.views import view_of
from dispatcher.service.session import open_session
from dispatcher.store.port import CampaignView
from loadtest.free_ports import free_port
from loadtest.scenarios.settings import as_toml
from loadtest.sim.process import SpawnedSimulator, spawn
from loadtest.sim.profiles import VENDORS
from tests.always import ALWAYS_TOML
from tests.waiting import PATIENCE_S

LOOK_EVERY_S: Final = 0.25
COMMAND: Final = (sys.executable, "-c", "from dispatcher.cli import main; main()")

SWITCHES: Final[dict[str, Any]] = {
    "report_delay_min_s": 0.05,
    "report_delay_mean_s": 0.2,
    "report_delay_max_s": 2.0,
    "push_backoff_s": 0.2,
    "push_attempts_max": 20,
}


class Dispatcher:
    """A `dispatcher run` in a process of its own."""

    def __init__(self, stand: Stand, *arguments: str) -> None:
        self.errors = stand.folder / f"run-{time.monotonic_ns()}.log"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*COMMAND, "run", "--config", str(stand.config_path), "--json", *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                env=stand.env,
                cwd=stand.folder,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"dispatcher run ended with {self.process.wait()}: {self.said()}")
        self.ready: dict[str, Any] = orjson.loads(line)

    def stop(self) -> int:
        """An orderly stop; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """What no process can do anything about."""
        self.process.kill()
        self.process.wait()

    def said(self) -> str:
        """Its log so far."""
        return self.errors.read_text("utf-8")


class Stand:
    """One vendor, one configuration, any number of dispatchers; made by `stand`."""

    def __init__(
        self,
        folder: Path,
        log_url: str,
        vendor: SpawnedSimulator,
        accounts: Mapping[str, Mapping[str, Any]],
        lanes: str,
        tag: str = "batch-a",
    ) -> None:
        self.folder = folder
        self.vendor = vendor
        self.kind = VENDORS[tag]
        self.env = os.environ | {"PSWD": "secret", "COLUMNS": "120"}
        self.config_path = folder / "dispatcher.toml"
        self.web = f"http://127.0.0.1:{free_port()}"
        sections = [
            f'[log]\nurl = "{log_url}"\n[store]\nurl = "sqlite:{folder}/results.db"',
            ALWAYS_TOML,
            f'[web]\nlisten = "{self.web.removeprefix("http://")}"\n[lanes]\n{lanes}',
        ]
        sections += [_account(name, tag, vendor.url, keys) for name, keys in accounts.items()]
        self.config_path.write_text("\n".join(sections), "utf-8")
        self._running: list[Dispatcher] = []
        push = f"{self.web}/push"
        vendor.configure(
            account={
                name: {"report_url": f"{push}/{name}/report", "inbound_url": f"{push}/{name}/inbound"}
                for name in accounts
            }
        )

    # --- what a user does --------------------------------------------------------------------------------------------

    def run(self, *arguments: str) -> Dispatcher:
        """Start `dispatcher run`; it is ended with the stand if nobody does it before."""
        dispatcher = Dispatcher(self, *arguments)
        self._running.append(dispatcher)
        return dispatcher

    def command(self, *arguments: str, code: int = 0, stdin: str = "") -> str:
        """Run `dispatcher …`; what it printed (or said on standard error, if it is to fail)."""
        words = [*arguments, "--config", str(self.config_path)]
        done = CliRunner(env=self.env).invoke(main, words, input=stdin, catch_exceptions=False)
        assert done.exit_code == code, (arguments, done.exit_code, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def started(self, *arguments: str) -> str:
        """The same in a process of its own, for those who do something at the same time; what it printed."""
        command = [*COMMAND, *arguments, "--config", str(self.config_path)]
        done = subprocess.run(command, capture_output=True, text=True, env=self.env, cwd=self.folder, check=False)
        assert done.returncode == 0, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def launch(self, campaign: str, numbers: Path, *arguments: str, route: str = "spring", text: str = "") -> None:
        """`dispatcher campaign launch`. The text, unique to the campaign, is how the ledger's rows are told apart."""
        self.command(
            "campaign", "launch", str(numbers), "--id", campaign, "--text", text or text_of(campaign),
            "--route", route, "--yes", "--even-if-short", *arguments,
        )  # fmt: skip

    def export(self, campaign: str) -> list[dict[str, str]]:
        """`dispatcher campaign export` as CSV."""
        path = self.folder / f"{campaign}.csv"
        path.unlink(missing_ok=True)
        self.command("campaign", "export", campaign, "--format", "csv", "-o", str(path))
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    # --- what is the case --------------------------------------------------------------------------------------------

    @property
    def config(self) -> Config:
        """The configuration, read with the secrets a dispatcher has."""
        os.environ.setdefault("PSWD", "secret")
        return load(self.config_path)

    def view(self, campaign: str) -> CampaignView:
        """The campaign, with everything folded that is on the log when this is called."""
        found = asyncio.run(self._view(campaign))
        found.counts.check()
        return found

    def counts(self, campaign: str) -> Counts:
        """Its balance."""
        return self.view(campaign).counts

    async def _view(self, campaign: str) -> CampaignView:
        async with open_session(self.config) as session:
            while await session.behind():
                pass
            return await view_of(session, campaign)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until it is so."""
        until_s = time.monotonic() + PATIENCE_S
        while not condition():
            for dispatcher in self._running:
                assert dispatcher.process.poll() in (None, 0, -signal.SIGKILL), dispatcher.said()
            if time.monotonic() > until_s:
                raise AssertionError(f"gave up waiting until {what}: {self._state()}")
            time.sleep(LOOK_EVERY_S)

    def until_settled(self, *campaigns: str) -> None:
        """Wait until every recipient has its final word."""
        for campaign in campaigns:
            self.until(functools.partial(self._settled, campaign), f"{campaign} is settled")

    def _settled(self, campaign: str) -> bool:
        return self.view(campaign).counts.settled

    def taken(self) -> int:
        """How many numbers the vendor has accepted."""
        return int(self.vendor.totals(False)["numbers_accepted"])

    def compare(self, *campaigns: str) -> None:
        """Row by row: every number the vendor accepted is in the export of its campaign with the same account, message
        id, code and state, and nobody else is there as sent. Who is unknown may be in the ledger or not: once at most.
        """
        of_text = {text_of(campaign): campaign for campaign in campaigns}
        ours: Counter[tuple[str, ...]] = Counter()
        unknown: set[tuple[str, str]] = set()
        for campaign in campaigns:
            for line in self.export(campaign):
                if line["state"] == "unknown":
                    unknown.add((campaign, line["number"]))
                elif line["state"] not in ("queued", "cancelled"):
                    key = (line["number"], line["state"], line["code"], line["vendor_id"], line["account"])
                    ours[campaign, *key] += 1
        theirs: Counter[tuple[str, ...]] = Counter()
        for row in self.ledger().iter_rows(named=True):
            campaign, number = of_text[row["text"]], row["number"]
            if (campaign, number) in unknown:
                unknown.remove((campaign, number))
                continue
            good = row["status"] in self.kind.delivered
            state = "accepted" if not row["acked"] else "delivered" if good else "failed"
            code = self.kind.codes.get(row["status"], row["status"]) if row["acked"] else "0"
            theirs[campaign, number, state, code, row["msgid"], row["account"]] += 1
        assert ours - theirs == Counter()
        assert theirs - ours == Counter()

    def ledger(self) -> pl.DataFrame:
        """The vendor's accepted numbers, one a row."""
        return self.vendor.rows().filter("accepted")

    def close(self) -> None:
        """End what still runs."""
        for dispatcher in self._running:
            if dispatcher.process.poll() is None:
                dispatcher.kill()
            if dispatcher.process.stdout is not None:
                dispatcher.process.stdout.close()

    def _state(self) -> str:
        logs = "\n".join(dispatcher.said()[-2000:] for dispatcher in self._running)
        return f"{self.vendor.totals(False)}\n{logs}"


@contextmanager
def stand(
    folder: Path,
    log_url: str,
    *,
    ours: Mapping[str, Mapping[str, Any]] | None = None,
    theirs: Mapping[str, Mapping[str, Any]] | None = None,
    switches: Mapping[str, Any] | None = None,
    lanes: str = "",
    vendor: str = "batch-a",
) -> Iterator[Stand]:
    """A stand with these accounts: keys of [account.NAME] by name in `ours`, of the simulated one in `theirs`.

    What `theirs` does not say of an account's flow is as in `ours`. `lanes` is the text of the section [lanes].
    """
    accounts = ours or {"spring": {}}
    settings = {
        name: {"pswd": "secret"}
        | ({"flow": dict(keys["flow"]) | {"per_s": 1.0}} if "flow" in keys else {})
        | dict((theirs or {}).get(name, {}))
        for name, keys in accounts.items()
    }
    with spawn({**VENDORS[vendor].simulated, **SWITCHES, **(switches or {}), "account": settings}) as simulated:
        made = Stand(folder, log_url, simulated, accounts, lanes, vendor)
        try:
            yield made
        finally:
            made.close()


def text_of(campaign: str) -> str:
    """The text of a campaign."""
    return f"【Test】{campaign}"


def numbers_file(folder: Path, count: int, first: int = 13_800_000_000) -> Path:
    """A clean list, one number a line."""
    path = folder / f"numbers-{first}-{count}.txt"
    path.write_text("".join(f"{first + number * 7}\n" for number in range(count)), "ascii")
    return path


def _account(name: str, tag: str, url: str, keys: Mapping[str, Any]) -> str:
    who = tomllib.loads(VENDORS[tag].account.format(name=name, password="${PSWD}"))
    return as_toml({"account": {name: {"vendor": tag, "url": url, **who, **keys}}})
