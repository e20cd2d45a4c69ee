"""From a TOML file to a checked scenario, and the scenarios that come with the dispatcher.

A mistake is a ConfigError: one plain sentence that names the file, the key, and what is allowed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from dispatcher.config.file import parse
from dispatcher.config.mistakes import converted, suggestion
from dispatcher.config.small_files import read_toml
from dispatcher.errors import ConfigError
from loadtest.scenarios.format import (
    AccountPart,
    CampaignPart,
    EventPart,
    ExpectPart,
    LogPart,
    RunPart,
    Scenario,
    VendorPart,
)
from loadtest.scenarios.settings import configuration, secret_file, simulated
from loadtest.sim.config import read as configuration_of
from loadtest.sim.profiles import VENDORS

SHIPPED: Final = Path(__file__).parent
SECTIONS: Final = (
    "about", "seed", "log", "run", "lanes", "store", "web", "hours", "vendor", "account", "campaign", "event", "expect"
)  # fmt: skip
WEB: Final = "127.0.0.1:1"
_AS_OURS: Final[tuple[str, ...]] = ("lanes", "store", "web", "hours")
_CAMPAIGN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PLACEHOLDER: Final = re.compile(r"(?<!\{)\{(\w+)\}")
_VERBS: Final[Mapping[str, tuple[str, ...]]] = {
    "vendor": ("outage",),
    "account": ("repeat",),
    "role": ("kill", "stop", "start", "restart", "freeze"),
    "campaign": ("pause", "resume", "cancel"),
}
_SETTINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "vendor": ("set", "rules", "every_fault"),
    "account": ("top_up", "flow", "inbound"),
    "role": (),
    "campaign": (),
}
_UNDONE: Final = ("outage", "set", "rules", "every_fault", "kill", "stop", "freeze", "pause")
_ENDLESS: Final = ("outage", "freeze")

T = TypeVar("T")


def shipped() -> dict[str, tuple[str, Path]]:
    """The shipped scenarios: name, subject, file."""
    found = sorted(SHIPPED.glob("*.toml"))
    return {path.stem: (str(read_toml(path).get("about", "")), path) for path in found}


def find(name: str) -> Path:
    """The file of this path, or of a shipped scenario's name. Raises ConfigError."""
    path = Path(name)
    if path.is_file():
        return path
    inside = SHIPPED / f"{name}.toml"
    if "/" not in name and inside.is_file():
        return inside
    close = difflib.get_close_matches(name, list(shipped()), n=1)
    guess = f" Did you mean {close[0]}?" if close else ""
    raise ConfigError(f"{name}: no such file, and no scenario of that name.{guess} `dispatcher loadtest` lists them.")


def load(path: Path) -> Scenario:
    """Read and check a scenario. Raises ConfigError."""
    return check(_scenario(read_toml(path), str(path)))


def _scenario(table: dict[str, Any], path: str) -> Scenario:
    for name in table:
        if name not in SECTIONS:
            raise ConfigError(f"{path}: there is no section {name}{suggestion(name, SECTIONS)}.")
    about, seed = table.get("about"), table.get("seed", 1)
    if not isinstance(about, str) or not about or "\n" in about:
        raise ConfigError(f'{path}: about is missing; write in one line what this scenario shows: about = "…".')
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ConfigError(f"{path}: seed must be a whole number.")
    sections = {str(name): _table(table[name], f"{path}: [{name}]") for name in _AS_OURS if name in table}
    return Scenario(
        path=path,
        about=about,
        seed=seed,
        log=_part(table.get("log", {}), LogPart, f"{path}: [log]"),
        run=_part(table.get("run", {}), RunPart, f"{path}: [run]"),
        sections=sections,
        vendors={name: _vendor(fields, f"{path}: [vendor.{name}]") for name, fields in _named(table, "vendor", path)},
        accounts={
            name: _account(fields, f"{path}: [account.{name}]", [name for name, _ in _named(table, "vendor", path)])
            for name, fields in _named(table, "account", path)
        },
        campaigns=tuple(_parts(table, "campaign", CampaignPart, path)),
        events=tuple(_parts(table, "event", EventPart, path)),
        expect=_part(table.get("expect", {}), ExpectPart, f"{path}: [expect]"),
    )


def _vendor(fields: Any, where: str) -> VendorPart:
    simulated = dict(_table(fields, where))
    tag, p = simulated.pop("vendor", None), simulated.pop("every_fault", 0.0)
    if tag not in VENDORS:
        said = "vendor is missing" if tag is None else f'vendor = "{tag}" is not known'
        raise ConfigError(f"{where}: {said}; write one of: {', '.join(VENDORS)}.")
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
        raise ConfigError(f"{where}: every_fault must be a probability from 0 to 1.")
    return VendorPart(vendor=tag, every_fault=float(p), simulated=simulated)


def _account(fields: Any, where: str, vendors: list[str]) -> AccountPart:
    ours = dict(_table(fields, where))
    at = ours.pop("at", vendors[0] if len(vendors) == 1 else None)
    if at not in vendors:
        said = "at is missing" if at is None else f'at = "{at}" is no vendor of this scenario'
        raise ConfigError(f"{where}: {said}; write one of: {', '.join(vendors) or 'none, there is no [vendor.NAME]'}.")
    return AccountPart(at=at, ours=ours)


# --- what does not fit together --------------------------------------------------------------------------------------


def check(scenario: Scenario) -> Scenario:
    """The same scenario, if it can be run. Raises ConfigError."""
    for name in ("vendor", "account", "campaign"):
        if not getattr(scenario, f"{name}s"):
            section = f"[[{name}]]" if name == "campaign" else f"[{name}.NAME]"
            raise ConfigError(f"{scenario.path}: there is no {section}; at least one is needed.")
    _check_settings(scenario)
    for number, campaign in enumerate(scenario.campaigns, 1):
        _check_campaign(scenario, campaign, f"{scenario.path}: [[campaign]] {number}")
    ids = [campaign.id for campaign in scenario.campaigns]
    for id_ in ids:
        if ids.count(id_) > 1:
            raise ConfigError(f'{scenario.path}: [[campaign]]: two have the id "{id_}"; give each its own.')
    for number, event in enumerate(scenario.events, 1):
        _check_event(scenario, event, f"{scenario.path}: [[event]] {number}")
    _check_expect(scenario, f"{scenario.path}: [expect]")
    return scenario


def _check_settings(scenario: Scenario) -> None:
    from loadtest.sim.command import simulated_vendor  # with it comes everything a vendor is

    for name in scenario.vendors:
        table = simulated(scenario, name, password="x", web="http://127.0.0.1:1")
        if not table["account"]:
            raise ConfigError(
                f"{scenario.path}: [vendor.{name}] has no account; add an [account.NAME] with at = {name!r}."
            )
        try:
            vendor = simulated_vendor(configuration_of(table))
            for event in scenario.events:
                if event.vendor == name and event.set is not None:
                    vendor.configure(**event.set)
                if event.vendor == name and event.rules is not None:
                    vendor.configure(rule=event.rules)
                if event.account in table["account"] and event.flow is not None:
                    vendor.configure(account={event.account: {"flow": event.flow}})
        except ConfigError as error:
            raise ConfigError(f"{scenario.path}: [vendor.{name}]: {error}") from None
    folder = Path("/nowhere")
    table = configuration(
        scenario, addresses=dict.fromkeys(scenario.vendors, "127.0.0.1:1"), log="sqlite:x", folder=folder, web=WEB
    )
    secret = f"${{file:{secret_file(folder)}}}"
    for account in table["account"].values():
        account |= {key: "secret" for key, value in account.items() if value == secret}
    parse(table, scenario.path)


def _check_campaign(scenario: Scenario, campaign: CampaignPart, where: str) -> None:
    if not _CAMPAIGN_ID.fullmatch(campaign.id):
        raise ConfigError(f'{where}: id = "{campaign.id}" must be letters, digits, "_", "-" and ".".')
    for account in campaign.route:
        _one_of(account, scenario.accounts, f"{where}: route")
    if (campaign.recipients is None) == (campaign.file is None):
        raise ConfigError(f"{where}: give either recipients = N or file = PATH.")
    if campaign.recipients is not None and not 1 <= campaign.recipients <= 50_000_000:
        raise ConfigError(f"{where}: recipients must be 1 to 50,000,000.")
    named = set(_PLACEHOLDER.findall(campaign.text))
    if campaign.variables and (campaign.dirty or campaign.file is not None):
        raise ConfigError(f"{where}: variables are made for lists that are neither dirty nor a file.")
    if campaign.file is None and named != set(campaign.variables):
        wrong = ", ".join(sorted(named ^ set(campaign.variables)))
        raise ConfigError(f"{where}: the text must name every one of variables as {{NAME}}, and no other: see {wrong}.")
    if campaign.file is not None and not (Path(scenario.path).parent / campaign.file).is_file():
        raise ConfigError(f"{where}: file = {campaign.file!r}: no such file beside {scenario.path}.")


def _check_event(scenario: Scenario, event: EventPart, where: str) -> None:
    if (event.at_s is None) == (event.after_taken is None):
        raise ConfigError(f"{where}: give either at_s = SECONDS or after_taken = SHARE.")
    kinds = [kind for kind in _VERBS if getattr(event, kind) is not None]
    if len(kinds) != 1:
        raise ConfigError(f"{where}: name one of vendor, account, role, campaign that it happens to.")
    kind = kinds[0]
    there: Mapping[str, Iterable[str]] = {
        "vendor": scenario.vendors,
        "account": scenario.accounts,
        "role": ("web", "lanes", "results"),
        "campaign": [campaign.id for campaign in scenario.campaigns],
    }
    _one_of(getattr(event, kind), there[kind], f"{where}: {kind}")
    given = [name for names in _SETTINGS.values() for name in names if getattr(event, name) is not None]
    done = [*given, *([event.do] if event.do is not None else [])]
    possible = [f'do = "{verb}"' for verb in _VERBS[kind]] + list(_SETTINGS[kind])
    if len(done) != 1 or done[0] not in (*_VERBS[kind], *_SETTINGS[kind]):
        article = "an" if kind == "account" else "a"
        raise ConfigError(f"{where}: to {article} {kind} it can do one of: {', '.join(possible)}.")
    if event.for_s is not None and done[0] not in _UNDONE:
        raise ConfigError(f"{where}: for_s goes with {', '.join(_UNDONE)} only.")
    if done[0] in _ENDLESS and event.for_s is None:
        raise ConfigError(f"{where}: {done[0]} needs for_s = SECONDS.")


def _check_expect(scenario: Scenario, where: str) -> None:
    expect = scenario.expect
    for name in expect.over_limit:
        _one_of(name, scenario.accounts, f"{where}: over_limit")
    for name in (*expect.codes, *expect.faults):
        _one_of(name, scenario.vendors, f"{where}: {'codes' if name in expect.codes else 'faults'}")
    for name in expect.cancelled:
        _one_of(name, [campaign.id for campaign in scenario.campaigns], f"{where}: cancelled")
    if expect.delivered is not None and not 0 <= expect.delivered[0] <= expect.delivered[1] <= 1:
        raise ConfigError(f"{where}: delivered must be [LEAST, MOST], both from 0 to 1.")


def _one_of(name: str, there: Iterable[str], where: str) -> None:
    if name not in there:
        raise ConfigError(f'{where}: there is no "{name}" in this scenario; write one of: {", ".join(there)}.')


# --- values of the right kind ----------------------------------------------------------------------------------------


def _named(table: Mapping[str, Any], name: str, path: str) -> Iterator[tuple[str, Any]]:
    yield from _table(table.get(name, {}), f"{path}: [{name}.NAME]").items()


def _parts(table: Mapping[str, Any], name: str, kind: type[T], path: str) -> Iterator[T]:
    found = table.get(name, [])
    if not isinstance(found, list):
        raise ConfigError(f"{path}: [{name}] must be written [[{name}]], one for each.")
    for number, fields in enumerate(found, 1):
        yield _part(fields, kind, f"{path}: [[{name}]] {number}")


def _part(fields: Any, kind: type[T], where: str) -> T:
    return converted(_table(fields, where), kind, where)


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be a table of keys.")
    return value
