"""The start values of a scenario's vendors, and our configuration: two tables made from one scenario.

Defaults are filled in: url and credentials of our accounts, the flow limit at the vendor (ours), where it pushes to,
and the settings of each simulated vendor (loadtest/sim/profiles.py).
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from loadtest.scenarios.format import Scenario
from loadtest.sim.cmpp.faults import FAULTS as LINK_FAULTS
from loadtest.sim.profiles import VENDORS
from loadtest.sim.requests.faults import FAULTS


def simulated(scenario: Scenario, name: str, *, password: str, web: str) -> dict[str, Any]:
    """What the simulator of [vendor.NAME] is started with (loadtest/sim/config.py). `web` is our webhooks' URL."""
    vendor = scenario.vendors[name]
    seed = scenario.seed + list(scenario.vendors).index(name)  # otherwise all of them would draw the same
    kind = VENDORS[vendor.vendor]
    table: dict[str, Any] = {"seed": seed, **kind.simulated, **vendor.simulated}
    own = table.pop("account", {})
    accounts: dict[str, dict[str, Any]] = {}
    for account, part in scenario.accounts.items():
        if part.at != name:
            continue
        accounts[account] = {
            "account": kind.account_of(account),
            "pswd": password,
            "report_url": f"{web}/push/{account}/report",
            "inbound_url": f"{web}/push/{account}/inbound",
        }
        if isinstance(part.ours.get("flow"), Mapping):
            accounts[account]["flow"] = dict(part.ours["flow"])
    for account, settings in own.items():
        accounts[account] = accounts.get(account, {"pswd": password}) | settings
    rules = [*table.pop("rule", []), *every_fault(vendor.vendor, vendor.every_fault)]
    return {**table, "account": accounts, "rule": rules}


def every_fault(tag: str, p: float) -> list[dict[str, Any]]:
    """A rule for each fault that the simulator of this vendor has, each with this probability."""
    hold = {"hold_s": 4.0} if VENDORS[tag].scheme == "http" else {}
    return [{"fault": fault, "p": p, **hold} for fault in faults_of(tag)] if p else []


def faults_of(tag: str) -> Collection[str]:
    """What the simulator of this vendor can do wrong."""
    return LINK_FAULTS if VENDORS[tag].scheme == "cmpp" else FAULTS


PASSWORD: Final = "{password}"
"""Stands for the reference to the password's file, whose path may hold what TOML does not take as it is."""


def configuration(
    scenario: Scenario, *, addresses: Mapping[str, str], log: str, folder: Path, web: str
) -> dict[str, Any]:
    """Our configuration as a table of dispatcher.toml; the accounts' secret is read from `secret_file(folder)`.

    `addresses` are the vendors' HOST:PORT by name, `web` that of our webhooks.
    """
    secret = f"${{file:{secret_file(folder)}}}"
    accounts: dict[str, Any] = {}
    for name, part in scenario.accounts.items():
        tag = scenario.vendors[part.at].vendor
        kind = VENDORS[tag]
        who = tomllib.loads(kind.account.format(name=kind.account_of(name), password=PASSWORD))
        who = {key: secret if value == PASSWORD else value for key, value in who.items()}
        pushes = {"push_open": True} if kind.scheme == "http" else {}
        accounts[name] = {"vendor": tag, "url": kind.url(addresses[part.at]), **pushes, **who, **part.ours}
    return {
        "log": {"url": log},
        "store": {"url": f"sqlite:{folder}/results.db", **scenario.sections.get("store", {})},
        "web": {"listen": web, "pushes_per_s_max": 1_000_000, **scenario.sections.get("web", {})},
        "lanes": scenario.sections.get("lanes", {}),
        "hours": {"marketing": "00:00-24:00", **scenario.sections.get("hours", {})},  # it runs at any time of the day
        "account": accounts,
    }


def secret_file(folder: Path) -> Path:
    """Where the accounts' password of this run is."""
    return folder / "pswd.txt"


def as_toml(table: Mapping[str, Any]) -> str:
    """A table of tables as the text of a TOML file."""
    lines: list[str] = []
    for section, keys in table.items():
        if section == "account":
            for name, fields in keys.items():
                lines += [f"[account.{name}]", *_pairs(fields), ""]
        else:
            lines += [f"[{section}]", *_pairs(keys), ""]
    return "\n".join(lines)


def _pairs(fields: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in fields.items()]


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_text(key)} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    if isinstance(value, str):
        return _text(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else c for c in escaped) + '"'
