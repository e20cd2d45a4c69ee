"""Where a life of crashes takes place: a folder, a configuration, a simulated vendor with its ledger, and a log.

Two accounts in different lane partitions: `spring` is not paced, `summer` has a flow limit that the vendor judges. The
vendor misbehaves a little all the time (VENDOR_TROUBLE), and repeats a report until we have taken it. It does not lie:
a report under a made-up id would count as evidence for an unknown chunk (docs/RELIABILITY.md).
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from dispatcher.config.file import Config, load
from loadtest.broker import Broker
from loadtest.free_ports import free_port
from loadtest.sim.process import SpawnedSimulator, spawn

LogKind = Literal["sqlite", "kafka"]

UNPACED: Final = "spring"
PACED: Final = "summer"
ACCOUNTS: Final = (UNPACED, PACED)
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
"""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """What is there: `config` is the file, `loaded` what it says. `broker` is None on SQLite."""

    kind: LogKind
    folder: Path
    data: Path
    config: Path
    loaded: Config
    vendor: SpawnedSimulator
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
    with spawn(_vendor(port, trouble=trouble, seed=seed), loop="asyncio") as vendor:
        config = folder / "dispatcher.toml"
        config.write_text(
            _TOML.format(
                log=log,
                data=data,
                port=port,
                ttl=TTL_S,
                vendor=vendor.url,
                unpaced=UNPACED,
                paced=PACED,
                password=PASSWORD,
                flow=FLOW_PER_S,
            ),
            "utf-8",
        )
        yield Stage(
            kind=kind, folder=folder, data=data, config=config, loaded=load(config), vendor=vendor, broker=broker
        )


def _vendor(web_port: int, *, trouble: bool, seed: int) -> dict[str, Any]:
    push = f"http://127.0.0.1:{web_port}/push"
    accounts: dict[str, Any] = {name: {"pswd": PASSWORD, "report_url": f"{push}/{name}/report"} for name in ACCOUNTS}
    accounts[PACED]["flow"] = {"limit": FLOW_PER_S, "per_s": 1.0, "unit": "messages"}
    return {
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
