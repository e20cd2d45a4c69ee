"""A scenario's stage: a folder with configuration and lists, every vendor in a process of its own, a log, the roles."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from dispatcher.config.file import Config, load
from dispatcher.log.opening import read_url
from loadtest.broker import Broker
from loadtest.free_ports import free_port
from loadtest.scenarios.format import Scenario
from loadtest.scenarios.lists import Lists, write_lists
from loadtest.scenarios.processes import Processes
from loadtest.scenarios.settings import as_toml, configuration, secret_file, simulated
from loadtest.sim.process import SpawnedSimulator, spawn


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """What is there while a scenario runs: `config` is the file, `loaded` what it says."""

    scenario: Scenario
    folder: Path
    config: Path
    loaded: Config
    vendors: Mapping[str, SpawnedSimulator]
    processes: Processes
    lists: Lists


@contextmanager
def staged(scenario: Scenario, folder: Path, log_url: str | None) -> Iterator[Stage]:
    """Set everything up and start the roles; `log_url` wins over the scenario's. Raises DispatcherError."""
    if log_url is not None:
        read_url(log_url)  # before anything is started
    password, port = secrets.token_urlsafe(9), free_port()
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
        addresses = {name: vendor.address for name, vendor in vendors.items()}
        table = configuration(scenario, addresses=addresses, log=log, folder=folder, web=web)
        config.write_text(as_toml(table), "utf-8")
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
            lists=write_lists(scenario, folder),
        )


def _log(scenario: Scenario, folder: Path, log_url: str | None, stack: ExitStack) -> str:
    options = f"?{scenario.log.options}" if scenario.log.options else ""
    if log_url is not None:
        return own_topics(log_url)
    if scenario.log.kind == "sqlite":
        return f"sqlite:{folder}/log.db{options}"
    broker = stack.enter_context(Broker(folder / "kafka"))
    return own_topics(f"kafka://{broker.bootstrap}{options}")


def own_topics(log_url: str) -> str:
    """The log's URL with topics of this run's own where it names none: a run never meets another one's campaigns."""
    scheme, slashes, rest = log_url.partition("://")
    if scheme != "kafka" or not slashes:
        return log_url
    hosts, query, options = rest.partition("?")
    broker, slash, prefix = hosts.partition("/")
    if slash and prefix:
        return log_url
    return f"kafka://{broker}/loadtest-{secrets.token_hex(4)}.{query}{options}"
