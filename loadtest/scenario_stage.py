"""A scenario's stage: a folder with configuration and lists, every vendor in a process of its own, a log, the roles."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from dispatcher.config import Config, load
from loadtest.broker import Broker
from loadtest.demo_list import number_block, write_dirty
from loadtest.demo_stage import own_topics
from loadtest.scenario_format import CampaignPart, Scenario
from loadtest.scenario_processes import Processes
from loadtest.scenario_settings import as_toml, configuration, secret_file, simulated
from loadtest.sim.spawn import Spawned, spawn

DIRTY_ROWS_MIN: Final = 50
BLOCK: Final = 1_000_000


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """What is there while a scenario runs: `config` is the file, `loaded` what it says; `lists` by campaign: the list
    and, of a dirty one, whom it must not reach.
    """

    scenario: Scenario
    folder: Path
    config: Path
    loaded: Config
    vendors: Mapping[str, Spawned]
    processes: Processes
    lists: Mapping[str, tuple[Path, Path | None]]


@contextmanager
def staged(scenario: Scenario, folder: Path, log_url: str | None) -> Iterator[Stage]:
    """Set everything up and start the roles; `log_url` wins over the scenario's. Raises DispatcherError."""
    password, port = secrets.token_urlsafe(9), _free_port()
    secret_file(folder).write_text(f"{password}\n", "ascii")
    secret_file(folder).chmod(0o600)
    web = f"127.0.0.1:{port}"
    with ExitStack() as stack:
        vendors = {
            name: stack.enter_context(spawn(simulated(scenario, name, password=password, web=f"http://{web}")))
            for name in scenario.vendors
        }
        log = _log(scenario, folder, log_url, stack)
        config = folder / "dispatcher.toml"
        urls = {name: vendor.url for name, vendor in vendors.items()}
        config.write_text(as_toml(configuration(scenario, urls=urls, log=log, folder=folder, web=web)), "utf-8")
        processes = Processes(config, folder, scenario.run.lanes)
        stack.callback(processes.close)
        for role in ("results", "web", "lanes"):
            processes.start(role)
        yield Stage(
            scenario=scenario,
            folder=folder,
            config=config,
            loaded=load(config),
            vendors=vendors,
            processes=processes,
            lists=_lists(scenario, folder),
        )


def _log(scenario: Scenario, folder: Path, log_url: str | None, stack: ExitStack) -> str:
    options = f"?{scenario.log.options}" if scenario.log.options else ""
    if log_url is not None:
        return own_topics(log_url, "loadtest")
    if scenario.log.kind == "sqlite":
        return f"sqlite:{folder}/log.db{options}"
    broker = stack.enter_context(Broker(folder / "kafka"))
    return own_topics(f"kafka://{broker.bootstrap}{options}", "loadtest")


def _lists(scenario: Scenario, folder: Path) -> dict[str, tuple[Path, Path | None]]:
    lists: dict[str, tuple[Path, Path | None]] = {}
    first = scenario.seed % 1000 * 40_000
    for campaign in scenario.campaigns:
        lists[campaign.id] = _list(scenario, campaign, folder, first)
        first += campaign.recipients or 0
    return lists


def _list(scenario: Scenario, campaign: CampaignPart, folder: Path, first: int) -> tuple[Path, Path | None]:
    if campaign.file is not None:
        return (Path(scenario.path).parent / campaign.file).absolute(), None
    rows = campaign.recipients or 0
    if campaign.dirty:
        inside = folder / f"list-{campaign.id}"
        inside.mkdir()
        made = write_dirty(inside, max(rows, DIRTY_ROWS_MIN), scenario.seed, first)
        return made.path, made.suppress
    path = folder / f"{campaign.id}.txt"
    with path.open("w", encoding="ascii") as file:
        for start in range(0, rows, BLOCK):
            numbers = number_block(first + start, min(BLOCK, rows - start))
            file.write("".join(f"{number}\n" for number in np.asarray(numbers).tolist()))
    return path, None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
