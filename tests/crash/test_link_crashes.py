"""kill -9 of lanes whose account is on links, each time with a full window: at most a window for each connection is
unknown, all of it is named, and ledger, results and export agree. On both logs.
"""

from __future__ import annotations

import asyncio
import csv
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from dispatcher.config.file import Config, load
from dispatcher.core.results.equation import Counts
from dispatcher.errors import UserError
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.views import view_of
from dispatcher.service.session import Session
from dispatcher.service.unknowns import list_unknown
from producers.launch.api import launch
from tests.crash.processes import DISPATCHER, ROOT, die_with_parent
from tests.loadtest.sim.cmpp.cmpp_kit import Ismg, ismg
from tests.waiting import PATIENCE_S

FIRST: Final = 13_800_300_000
RECIPIENTS: Final = 1_500
WINDOW: Final = 16
CONNECTIONS: Final = 2
KILLS: Final = 2
TOML: Final = """\
[log]
url = "{log}"
[store]
url = "sqlite:{folder}/results.db"
[hours]
marketing = "00:00-24:00"
[account.polar]
vendor = "cmpp"
url = "cmpp://{gateway}"
sp_id = "901234"
secret = "sim-secret"
src_id = "1069"
service_id = "SVC"
connections = {connections}
"""


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
async def test_what_a_kill_leaves_unknown_is_a_window_and_everything_agrees(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    log_url = f"sqlite:{tmp_path}/log.db"
    if kind == "kafka":
        broker, prefix = request.getfixturevalue("kafka_bootstrap"), request.getfixturevalue("kafka_prefix")
        log_url = f"kafka://{broker}/{prefix}?session_s=1.5"
    async with ismg(report_loss=1.0) as gateway:
        toml = TOML.format(log=log_url, folder=tmp_path, gateway=gateway.sim.wire_address, connections=CONNECTIONS)
        path = tmp_path / "dispatcher.toml"
        path.write_text(toml, "utf-8")
        config = load(path)
        log = await open_log(config.log.url)
        numbers = range(FIRST, FIRST + RECIPIENTS)
        await launch(Session(config, log), LaunchRequest(numbers=numbers, text="hi", route=["polar"], id="may"))
        for kill in range(1, KILLS + 1):
            await killed_with_a_full_window(gateway, path, kill)
        last = [work(path, "lanes"), work(path, "results")]
        try:
            counts = await settled(config, log)
            listed, _ = await list_unknown(Session(config, log), "may")
        finally:
            for child in last:
                child.terminate()
                await asyncio.to_thread(child.wait)
            await log.close()
        exported = tmp_path / "may.csv"
        command = [*DISPATCHER, "campaign", "export", "may", "--format", "csv", "-o", str(exported)]
        await asyncio.to_thread(subprocess.run, [*command, "--config", str(path)], cwd=ROOT, check=True)
        judged(gateway, counts, sum(each.chunk.recipients for each in listed), exported)


def work(path: Path, role: str) -> subprocess.Popen[bytes]:
    """A role in a process of its own."""
    return subprocess.Popen(
        [*DISPATCHER, "run", "--role", role, "--config", str(path)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )


async def killed_with_a_full_window(gateway: Ismg, path: Path, kill: int) -> None:
    """Some are sent and answered; then answers stop, windows fill, and the process dies."""
    child = work(path, "lanes")
    account = gateway.sim.gateway.accounts["spring"]
    try:
        await until(lambda: account.counts.submits_accepted >= 200 * kill)
        gateway.sim.configure(no_answer="submit_only")
        before = -1
        while before != account.counts.submits:
            before = account.counts.submits
            await asyncio.sleep(0.3)
    finally:
        child.kill()
        await asyncio.to_thread(child.wait)
    await until(lambda: not gateway.sim.gateway.sessions)
    gateway.sim.configure(no_answer="off")


async def until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


async def settled(config: Config, log: Log) -> Counts:
    """Everybody is accepted or unknown."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                counts = (await view_of(Session(config, log), "may")).counts
            except UserError:  # the joiner has not read the launch yet
                counts = None
            if counts is not None and counts.accepted + counts.unknown == RECIPIENTS:
                return counts
            await asyncio.sleep(0.1)


def judged(gateway: Ismg, counts: Counts, listed: int, exported: Path) -> None:
    """Nobody twice, nobody lost, the unknown named, the export as the results."""
    rows = gateway.sim.rows()
    taken = rows.filter(rows["accepted"])
    assert taken["number"].n_unique() == taken.height == RECIPIENTS
    assert 0 < counts.unknown <= KILLS * CONNECTIONS * WINDOW
    assert listed == counts.unknown
    with exported.open(encoding="utf-8-sig", newline="") as file:
        states = [row["state"] for row in csv.DictReader(file)]
    assert len(states) == RECIPIENTS
    assert states.count("unknown") == counts.unknown
