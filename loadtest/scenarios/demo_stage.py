"""The demo's stage: a folder with the lists, a configuration file with two accounts, and what the vendor is told.

`paced` has a flow limit the vendor enforces, `unpaced` has none; a campaign over both is dealt in proportion to their
speed, so that the paced part takes about twenty seconds for every 200,000 rows.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from loadtest.scenarios.made_lists import DemoList, write_clean, write_dirty
from loadtest.sim.profiles import VENDORS, DemoVendor

PACED: Final = "paced"
UNPACED: Final = "unpaced"
FLOW_PER_S: Final = 2_000
URGENT_RECIPIENTS: Final = 200

BIG: Final = "autumn-sale"
BIG_TEXT: Final = "【Demo】Autumn sale: 20 % off everything until Sunday. Reply N to stop."
URGENT: Final = "water-alert"
URGENT_TEXT: Final = "【Demo】No water in your street today from 10 to 12."

_PUSH_CONNECTIONS: Final = 24

_TOML: Final = """\
# What `dispatcher demo` ran with. Look around: dispatcher campaign show {big} --config {path}
[log]
url = "{log}"

[store]
url = "sqlite:{folder}/results.db"

[web]
listen = "127.0.0.1:0"

[account.{paced}]
vendor = "{vendor}"
url = "{url}"
push_open = true
{we_on_paced}
flow = {{ limit = {flow}, per_s = 1, unit = "messages" }}

[account.{unpaced}]
vendor = "{vendor}"
url = "{url}"
push_open = true
{we_on_unpaced}
"""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """What was set up: the vendor, the configuration's path, the big list and what is in it, the urgent list."""

    vendor: DemoVendor
    folder: Path
    config: Path
    dirty: DemoList
    urgent: Path
    password: str


def vendor_settings(vendor: str, password: str) -> dict[str, Any]:
    """What the simulated vendor is started with (loadtest/sim/config.py)."""
    return {
        **VENDORS[vendor].simulated,
        "push_connections": _PUSH_CONNECTIONS,
        "report_delay_mean_s": 1.0,
        "account": {
            PACED: {"pswd": password, "flow": {"limit": FLOW_PER_S, "per_s": 1.0, "unit": "messages"}},
            UNPACED: {"pswd": password},
        },
    }


def report_urls(webhooks: str) -> Mapping[str, Any]:
    """The settings that make the vendor push its reports to our webhooks."""
    return {name: {"report_url": f"{webhooks}/push/{name}/report"} for name in (PACED, UNPACED)}


def new_password() -> str:
    """The accounts' password, for this run only."""
    return secrets.token_urlsafe(9)


def set_up(folder: Path, *, rows: int, vendor: str, vendor_url: str, log_url: str | None, password: str) -> Stage:
    """Write the lists and the configuration into the folder. `log_url` None: a SQLite log there."""
    kind, secret = VENDORS[vendor], f"${{file:{folder}/pswd.txt}}"
    (folder / "pswd.txt").write_text(f"{password}\n", "ascii")
    (folder / "pswd.txt").chmod(0o600)
    dirty = write_dirty(folder, rows)
    urgent = folder / "urgent.txt"
    write_clean(urgent, URGENT_RECIPIENTS)
    config = folder / "dispatcher.toml"
    config.write_text(
        _TOML.format(
            big=BIG,
            path=config,
            log=log_url or f"sqlite:{folder}/log.db",
            folder=folder,
            vendor=vendor,
            url=vendor_url,
            paced=PACED,
            unpaced=UNPACED,
            we_on_paced=kind.account.format(name=PACED, password=secret),
            we_on_unpaced=kind.account.format(name=UNPACED, password=secret),
            flow=FLOW_PER_S,
        ),
        "utf-8",
    )
    return Stage(vendor=kind, folder=folder, config=config, dirty=dirty, urgent=urgent, password=password)


def own_topics(log_url: str, name: str = "demo") -> str:
    """The log's URL with topics of this run's own where it names none: a demo never meets another one's campaigns."""
    scheme, slashes, rest = log_url.partition("://")
    if scheme != "kafka" or not slashes:
        return log_url
    hosts, query, options = rest.partition("?")
    broker, slash, prefix = hosts.partition("/")
    if slash and prefix:
        return log_url
    return f"kafka://{broker}/{name}-{secrets.token_hex(4)}.{query}{options}"
