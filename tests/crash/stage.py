"""Where a life of crashes takes place: a folder, a configuration, a simulated vendor with its ledger, and a log.

Three accounts in different lane partitions: `spring` is not paced, `summer` has a flow limit that the vendor judges,
`polar` is on links to a CMPP gateway, with a flow limit too. Vendor and gateway misbehave a little all the time
(VENDOR_TROUBLE, GATEWAY_TROUBLE), and repeat a report until we have taken it. They do not lie:
a report under a made-up id would count as evidence for an unknown chunk (docs/RELIABILITY.md).
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import polars as pl

from dispatcher.config.file import Config, load
from loadtest.broker import Broker
from loadtest.free_ports import free_port
from loadtest.sim.process import SpawnedSimulator, spawn

LogKind = Literal["sqlite", "kafka"]

UNPACED: Final = "spring"
PACED: Final = "summer"
LINKED: Final = "polar"
ACCOUNTS: Final = (UNPACED, PACED, LINKED)
SP_ID: Final = "901234"
PASSWORD: Final = "crash-secret"
FLOW_PER_S: Final = 600
TTL_S: Final = 1.0

VENDOR_TROUBLE: Final = (
    {"fault": "close", "taken": True, "p": 0.004},  # taken, and no answer: unknown
    {"fault": "reset", "taken": False, "p": 0.004},  # not taken, and no answer: unknown
    {"fault": "no_answer", "taken": True, "p": 0.002, "hold_s": 4.0},  # taken, and silence: unknown
    {"code": "104", "p": 0.01},  # busy: to be sent again
    {"code": "105", "p": 0.004},  # refused for good
)

GATEWAY_TROUBLE: Final = (
    {"fault": "close", "taken": True, "p": 0.001},  # taken; a window is unknown
    {"fault": "reset", "taken": False, "p": 0.001},  # not taken; a window is unknown
    {"fault": "no_answer", "taken": True, "p": 0.002},  # taken; its second copy gets Result 3
    {"code": 8, "p": 0.02},  # too fast
    {"code": 6, "p": 0.004},  # refused for good
)

_TOML: Final = """\
[log]
url = "{log}"

[store]
url = "sqlite:{data}/results.db"

[web]
listen = "127.0.0.1:{port}"

[lanes]
intent_ttl_s = {ttl}
checkpoint_every = 100

[hours]
marketing = "00:00-24:00"

[account.{unpaced}]
vendor = "batch-a"
url = "{vendor}"
account = "{unpaced}"
pswd = "{password}"
numbers_per_request = 12
inflight_max = 4
connect_timeout_s = 1.0
timeout_s = 1.5

[account.{paced}]
vendor = "batch-a"
url = "{vendor}"
account = "{paced}"
pswd = "{password}"
numbers_per_request = 60
connect_timeout_s = 1.0
timeout_s = 1.5
flow = {{ limit = {flow}, per_s = 1, unit = "messages" }}

[account.{linked}]
vendor = "cmpp"
url = "cmpp://{gateway}"
sp_id = "{sp_id}"
secret = "{password}"
src_id = "1069"
connections = 2
connect_timeout_s = 1.0
timeout_s = 1.5
transmissions = 2
flow = {{ limit = {flow}, per_s = 1, unit = "parts" }}
"""


class Vendors:
    """The simulated vendor and the simulated gateway; their ledgers read as one."""

    def __init__(self, simulators: SpawnedSimulator) -> None:
        self._batch, self._gateway = simulators.named["batch"], simulators.named["gateway"]

    def totals(self, doubles: bool = True) -> dict[str, Any]:
        """The figures that both have, summed; the accounts of both."""
        batch, gateway = self._batch.totals(doubles), self._gateway.totals(doubles)
        both = {name: value + gateway.get(name, 0) for name, value in batch.items() if type(value) is int}
        return both | {"accounts": batch["accounts"] | gateway["accounts"]}

    def rows(self) -> pl.DataFrame:
        """Every recipient, of the gateway those that it took."""
        columns = ["account", "msgid", "number", "text", "accepted", "acked", "status"]
        return pl.concat([self._batch.rows().select(*columns), self._gateway.recipients().select(*columns)])


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """What is there: `config` is the file, `loaded` what it says. `broker` is None on SQLite."""

    kind: LogKind
    folder: Path
    data: Path
    config: Path
    loaded: Config
    vendor: Vendors
    broker: Broker | None

    @property
    def log_file(self) -> Path:
        """The file of a SQLite log."""
        return self.data / "log.db"

    @property
    def store_file(self) -> Path:
        """The results."""
        return self.data / "results.db"


@contextlib.contextmanager
def stage(
    kind: LogKind, folder: Path, broker: Broker | None, *, trouble: bool = True, seed: int = 1, data: Path | None = None
) -> Iterator[Stage]:
    """Set it up in this folder, or with its files in `data`; on Kafka with topics of its own. Ends with the vendor."""
    data = data or folder
    port = free_port()
    if broker is None:
        log = f"sqlite:{data}/log.db"
    else:
        log = f"kafka://{broker.bootstrap}/crash-{uuid.uuid4().hex[:8]}.?timeout_s=4&session_s=1.5"
    sims = {"batch": _vendor(port, trouble=trouble, seed=seed), "gateway": _gateway(trouble=trouble, seed=seed)}
    with spawn(sims, loop="asyncio") as simulators:
        config = folder / "dispatcher.toml"
        config.write_text(
            _TOML.format(
                log=log,
                data=data,
                port=port,
                ttl=TTL_S,
                vendor=simulators.named["batch"].url,
                gateway=simulators.addresses["gateway"],
                linked=LINKED,
                sp_id=SP_ID,
                unpaced=UNPACED,
                paced=PACED,
                password=PASSWORD,
                flow=FLOW_PER_S,
            ),
            "utf-8",
        )
        yield Stage(
            kind=kind,
            folder=folder,
            data=data,
            config=config,
            loaded=load(config),
            vendor=Vendors(simulators),
            broker=broker,
        )


def _vendor(web_port: int, *, trouble: bool, seed: int) -> dict[str, Any]:
    push = f"http://127.0.0.1:{web_port}/push"
    names = (UNPACED, PACED)
    accounts: dict[str, Any] = {name: {"pswd": PASSWORD, "report_url": f"{push}/{name}/report"} for name in names}
    accounts[PACED]["flow"] = {"limit": FLOW_PER_S, "per_s": 1.0, "unit": "messages"}
    return {
        "vendor": "batch",
        "seed": seed,
        "latency_s": 0.02,
        "latency_exp_s": 0.02,
        "report_delay_min_s": 0.1,
        "report_delay_mean_s": 0.4,
        "report_delay_max_s": 1.5,
        "report_duplicates": 0.03,
        "report_early": 0.03,
        "report_early_hold_s": 0.5,
        "push_retry": "until_200",
        "push_attempts_max": 200,
        "push_backoff_s": 0.05,
        "push_timeout_s": 3.0,
        "balance_interval": 0,
        "account": accounts,
        "rule": list(VENDOR_TROUBLE) if trouble else [],
    }


def _gateway(*, trouble: bool, seed: int) -> dict[str, Any]:
    account = {"account": SP_ID, "pswd": PASSWORD, "flow": {"limit": FLOW_PER_S, "per_s": 1.0}}
    return {
        "vendor": "cmpp",
        "seed": seed,
        "latency_s": 0.01,
        "latency_exp_s": 0.01,
        "report_delay_min_s": 0.1,
        "report_delay_mean_s": 0.4,
        "report_delay_max_s": 1.5,
        "report_duplicates": 0.03,
        "active_interval_s": 5.0,
        "answer_timeout_s": 2.0,
        "deliver_rounds": 200,
        "account": {LINKED: account},
        "rule": list(GATEWAY_TROUBLE) if trouble else [],
    }
