"""What a simulator is started with: its address, its switches, its accounts, its rules (TOML, JSON or a dict of the
same shape).

    [sim]
    vendor = "batch"
    listen = "127.0.0.1:9101"
    max_chars = 585                       # any switch of GET /_sim/config
    [sim.account.spring]
    account = "demo"                      # what the client calls itself; default: the section's name
    pswd = "secret"
    flow = { limit = 500, per_s = 1, unit = "messages" }
    products = { "1234567" = 1000000 }    # credit in parts
    report_url = "http://127.0.0.1:8080/push/spring/report"
    [[sim.rule]]                          # faults.py
    fault = "no_answer"
    p = 0.01

Several in one process, each with what [sim] says besides and what its own table says:

    [sim.north]
    vendor = "hezhong"
    listen = "127.0.0.1:9102"
    [sim.north.account.spring]

It talks to this machine alone: other listening or push addresses are refused unless `allow_remote = true`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from dispatcher.config.mistakes import converted
from dispatcher.config.small_files import read_toml
from dispatcher.errors import ConfigError

DEFAULT_LISTEN = "127.0.0.1:9101"
DEFAULT_PSWD = "secret"
DEFAULT_DES_KEY = "12345678"
VENDORS = ("batch", "hezhong", "guodu", "cosms", "batch-b")  # by name; server.py has what they are
LINKED = ("cmpp",)  # not over HTTP: loadtest/sim/cmpp/server.py
DES_BYTES = 8

Road = Literal["", "push", "poll", "both"]


class Flow(msgspec.Struct, forbid_unknown_fields=True):
    """At most `limit` messages, requests or parts in any `per_s` real seconds; 0 means no limit."""

    limit: Annotated[int, Meta(ge=0)] = 0
    per_s: Annotated[float, Meta(gt=0)] = 1.0
    unit: Literal["messages", "requests", "parts"] = "messages"


class AgentConfig(msgspec.Struct, forbid_unknown_fields=True):
    """What an agent of the BATCH platform calls itself and encrypts with. `des_iv` empty: the same as `des_key`."""

    username: str
    secret_key: str = DEFAULT_PSWD
    des_key: str = DEFAULT_DES_KEY
    des_iv: str = ""
    ips: list[str] = []

    def __post_init__(self) -> None:
        if any(len(key.encode()) != DES_BYTES for key in (self.des_key, self.des_iv) if key):
            raise ValueError(f"des_key and des_iv must have {DES_BYTES} bytes")


class AccountConfig(msgspec.Struct, forbid_unknown_fields=True):
    """One account. Everything may be changed at run time through POST /_sim/config."""

    name: str
    account: str = ""
    pswd: str = DEFAULT_PSWD
    userid: str = ""
    products: dict[str, int] = msgspec.field(default_factory=lambda: {"1234567": 1_000_000_000})
    flow: Flow = msgspec.field(default_factory=Flow)
    report_url: str = ""
    inbound_url: str = ""
    receiver: str = ""
    receiver_pswd: str = ""
    split_single: int = 70
    split_multi: int = 67
    ips: list[str] = []
    may_send: bool = True
    expires: str = ""
    month_quota: int = 0
    signature: str = ""
    white_list: list[str] = []
    login_name: str = ""
    sub_of: str = ""
    reports: Road = ""
    inbound: Road = ""
    agent: AgentConfig | None = None
    extno: str = ""
    send_type: str = ""
    send_hours: str = ""
    need_audit: bool = False
    need_reportmo: bool = True
    force_signature: bool = True
    about: dict[str, str] = {}
    gateway: str = ""
    service_code: str = ""
    services: list[str] = []

    @property
    def shown_pswd(self) -> str:
        """The password of the sample accounts; any other is not shown."""
        return self.pswd if self.pswd == DEFAULT_PSWD else "PSWD"

    def report_roads(self) -> tuple[bool, bool]:
        """Are its reports pushed; are they kept to be fetched? Not set: pushed if there is somewhere to push them."""
        return _roads(self.reports, self.report_url)

    def inbound_roads(self) -> tuple[bool, bool]:
        """The same for messages from phones."""
        return _roads(self.inbound, self.inbound_url)


def _roads(road: Road, url: str) -> tuple[bool, bool]:
    return bool(url) and road != "poll", road in ("poll", "both") or not (road or url)


class SimConfig(msgspec.Struct, forbid_unknown_fields=True):
    """`switches` and `rules` as in TOML; `seed` decides every draw. `control` is where a CMPP gateway answers /_sim;
    empty: on a free port of the same host. `network`: two CMPP gateways and the name server.
    """

    vendor: str = "batch"
    listen: str = DEFAULT_LISTEN
    control: str = ""
    network: bool = False
    seed: int = 1
    allow_remote: bool = False
    switches: dict[str, Any] = {}
    accounts: dict[str, AccountConfig] = {}
    rules: list[dict[str, Any]] = []

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on; port 0 takes a free one."""
        return _address(self.listen)

    @property
    def control_address(self) -> tuple[str, int]:
        """The same for the control endpoint of a CMPP gateway."""
        return _address(self.control) if self.control else (self.address[0], 0)


def _address(written: str) -> tuple[str, int]:
    host, _, port = written.rpartition(":")
    return host.strip("[]"), int(port)


DEFAULT_ACCOUNTS: dict[str, Any] = {
    "demo": {"flow": {"limit": 500, "per_s": 1, "unit": "messages"}, "agent": {"username": "agent"}},
    "bulk": {},
}

CMPP_ACCOUNTS: dict[str, Any] = {
    "demo": {"account": "901234", "service_code": "1069000101", "flow": {"limit": 500, "per_s": 1}},
    "bulk": {"account": "901235", "service_code": "1069000202"},
}
NETWORK_ACCOUNTS: dict[str, Any] = {**CMPP_ACCOUNTS, "bulk": CMPP_ACCOUNTS["bulk"] | {"gateway": "079101"}}


def load(source: Path | Mapping[str, Any] | None) -> dict[str, Any]:
    """The table [sim] of a TOML file or a dict, as it is. ConfigError if there is none to read."""
    if source is None:
        return {}
    if isinstance(source, Path):
        source = read_toml(source)
    return dict(source.get("sim", source))


def read(source: Path | Mapping[str, Any] | None, listen: str | None = None) -> SimConfig:
    """A configuration from a TOML file or a dict of its shape (with or without the outer `sim`).

    None gives two sample accounts; `listen` wins over what the source says. ConfigError says what cannot be used.
    """
    table = load(source)
    if listen:
        table["listen"] = listen
    samples = CMPP_ACCOUNTS if table.get("vendor") in LINKED else DEFAULT_ACCOUNTS
    samples = NETWORK_ACCOUNTS if table.get("network") else samples
    accounts = table.pop("account", None) or samples
    rules = table.pop("rule", [])
    own = {
        key: table.pop(key)
        for key in ("vendor", "listen", "control", "network", "seed", "allow_remote")
        if key in table
    }
    config = converted(own | {"rules": rules, "switches": table}, SimConfig, "simulator configuration")
    accounts = converted(accounts, dict[str, dict[str, Any]], "simulator configuration: account")
    for name, settings in accounts.items():
        config.accounts[name] = account(name, settings, config.allow_remote)
    _check_address("listen", config.listen, config.allow_remote)
    if config.network and config.vendor not in LINKED:
        raise ConfigError(f'network = true is for vendor = "cmpp", not for {config.vendor!r}. Take it away there.')
    if config.control:
        _check_address("control", config.control, config.allow_remote)
    return config


def tables_of_several(table: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Where [sim] is of several simulators: their tables by name."""
    return {n: t for n, t in table.items() if n != "account" and isinstance(t, Mapping) and "vendor" in t}


def read_all(
    source: Path | Mapping[str, Any] | None,
    listen: str | None = None,
    vendor: str | None = None,
    network: bool = False,
) -> dict[str, SimConfig]:
    """As `read`, and where [sim] has tables of its own with a `vendor` each: one simulator per such table.

    These take over what [sim] says besides; its `listen` is the first one's, the next get the next ports, unless they
    have their own. The other arguments are for one simulator only.
    """
    table = load(source)
    several = tables_of_several(table)
    if not several:
        config = read(table | ({"vendor": vendor} if vendor else {}) | ({"network": True} if network else {}), listen)
        return {config.vendor: config}
    if listen or vendor:
        raise ConfigError(
            f"simulator configuration: there are several ({', '.join(several)}). "
            "Set listen and vendor in the table of each, not on the command line."
        )
    shared = {name: value for name, value in table.items() if name not in several}
    first = SimConfig(listen=str(shared.pop("listen", DEFAULT_LISTEN)), allow_remote=True)
    _check_address("listen", first.listen, True)
    host, port = first.address
    return {
        name: read({"listen": f"{host}:{port and port + place}"} | shared | dict(own))
        for place, (name, own) in enumerate(several.items())
    }


def account(
    name: str, settings: Mapping[str, Any], allow_remote: bool, old: AccountConfig | None = None
) -> AccountConfig:
    """An account's settings, laid over `old` if given."""
    where = f"simulated account {name!r}"
    values = (msgspec.to_builtins(old) if old else {}) | converted(settings, dict[str, Any], where)
    values |= {"name": name, "account": values.get("account") or name}
    result = converted(values, AccountConfig, where)
    if result.send_hours and not is_hours(result.send_hours):
        raise ConfigError(
            f"simulated account {name!r}: send_hours = {result.send_hours!r} is not FROM-TO, such as 8-21."
        )
    for url in (result.report_url, result.inbound_url):
        if url:
            check_url(url, allow_remote)
    return result


def is_hours(value: object) -> bool:
    """Is this `FROM-TO`, hours of a day?"""
    start, _, end = str(value).partition("-")
    return start.isdigit() and end.isdigit() and 0 <= int(start) < int(end) <= 24


def check_url(url: str, allow_remote: bool) -> None:
    """A push goes over plain HTTP to this machine, or ConfigError."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigError(f"push address {url!r}: the simulator pushes to http://HOST:PORT/PATH only.")
    if not allow_remote and not is_loopback(parts.hostname):
        raise ConfigError(
            f"push address {url!r} is not on this machine. Use 127.0.0.1, or set allow_remote = true in [sim]."
        )


def is_loopback(host: str) -> bool:
    """Is this host name or address certainly this machine?"""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_address(name: str, written: str, allow_remote: bool) -> None:
    try:
        host, port = _address(written)
    except ValueError:
        host, port = "", -1
    if not host or not 0 <= port <= 65535:
        raise ConfigError(f"{name} = {written!r} is not HOST:PORT, such as {DEFAULT_LISTEN!r}.")
    if not allow_remote and not is_loopback(host):
        raise ConfigError(
            f"{name} = {written!r} is not on this machine alone. Use 127.0.0.1, or set allow_remote = true in [sim]."
        )
