"""Carries out launches and events of a scenario: each in words for people, and its undoing.

Each call blocks until it is done; run.py makes them in separate threads, when they are due.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from typing import Any, Final

from dispatcher.errors import DispatcherError
from loadtest.scenarios.format import CampaignPart, EventPart
from loadtest.scenarios.lists import text_of
from loadtest.scenarios.processes import COMMAND
from loadtest.scenarios.settings import every_fault
from loadtest.scenarios.stage import Stage
from loadtest.sim.process import SimClient

Undo = Callable[[], None]

ERROR_CHARS_MAX: Final = 500


def launch(stage: Stage, campaign: CampaignPart) -> str:
    """`dispatcher campaign launch`; returns what was done, in words. Raises DispatcherError."""
    made = stage.lists[campaign.id]
    more = ["--urgent"] if campaign.urgent else []
    more += ["--suppress", str(made.suppress)] if made.suppress else []
    more += [word for name, value in campaign.options.items() for word in ("--option", f"{name}={value}")]
    _command(
        stage, "campaign", "launch", str(made.path), "--id", campaign.id, "--text", text_of(campaign),
        "--route", ",".join(campaign.route), "--weight", str(campaign.weight), "--unknown", campaign.unknown,
        "--yes", "--even-if-short", *more,
    )  # fmt: skip
    return f"{campaign.id} is launched"


def do(stage: Stage, event: EventPart) -> Undo | None:
    """Carry it out; returns its undoing, if any. Raises DispatcherError."""
    if event.vendor is not None:
        return _to_vendor(stage, event.vendor, event)
    if event.account is not None:
        _to_account(stage, event.account, event)
        return None
    if event.role is not None:
        return _to_role(stage, event.role, event)
    assert event.campaign is not None
    campaign, verb = event.campaign, str(event.do)
    _command(stage, "campaign", verb, campaign, *(["--yes"] if verb == "cancel" else []))
    return (lambda: _command(stage, "campaign", "resume", campaign)) if verb == "pause" else None


def _to_vendor(stage: Stage, name: str, event: EventPart) -> Undo | None:
    client = stage.vendors[name]
    if event.do == "outage":
        _asked(client.outage, event.for_s)
        return None  # it ends without an action
    if event.set is not None:
        before = _switches(client, event.set)
        _asked(client.configure, **event.set)
        return lambda: _asked(client.configure, **before)
    vendor = stage.scenario.vendors[name]
    rules = event.rules if event.rules is not None else every_fault(vendor.vendor, event.every_fault or 0.0)
    _asked(client.configure, rule=rules)
    first = [*vendor.simulated.get("rule", []), *every_fault(vendor.vendor, vendor.every_fault)]
    return lambda: _asked(client.configure, rule=first)


def _to_account(stage: Stage, name: str, event: EventPart) -> None:
    client = stage.vendors[stage.scenario.accounts[name].at]
    if event.top_up is not None:
        _asked(client.top_up, name, event.top_up)
    elif event.flow is not None:
        _asked(client.configure, account={name: {"flow": event.flow}})
    elif event.inbound is not None:
        _asked(client.push_inbound, name, **event.inbound)
    else:
        _asked(client.repeat, name)


def _to_role(stage: Stage, role: str, event: EventPart) -> Undo | None:
    processes = stage.processes
    match event.do:
        case "start":
            processes.start(role)
            return None
        case "restart":
            _in_order(processes.stop([role]))
            processes.start(role)
            return None
        case "freeze":
            processes.freeze(role, True)
            return lambda: processes.freeze(role, False)
        case "stop":
            _in_order(processes.stop([role]))
        case _:
            processes.kill(role)
    return lambda: processes.start(role)


def words(event: EventPart) -> str:
    """An event for people."""
    for_s = f" for {event.for_s:g} s" if event.for_s else ""
    if event.vendor is not None:
        if event.do == "outage":
            return f"{event.vendor} dies{for_s}"
        if event.set is not None:
            return f"{event.vendor}: {_pairs(event.set)}{for_s}"
        if event.every_fault is not None:
            return f"{event.vendor}: every fault at {100 * event.every_fault:g} %{for_s}"
        return f"{event.vendor}: {len(event.rules or [])} rules{for_s}"
    if event.account is not None:
        if event.top_up is not None:
            return f"{event.account} is topped up by {event.top_up:,}"
        if event.flow is not None:
            return f"{event.account}: the vendor's limit is {_pairs(event.flow)}"
        return f"{event.account}: a message from a phone" if event.inbound else f"{event.account}: all reports again"
    done = {"kill": "killed (-9)", "stop": "stopped", "start": "started", "restart": "restarted", "freeze": "frozen"}
    if event.role is not None:
        return f"role {event.role} is {done[str(event.do)]}{for_s}"
    return f"{event.campaign} is {str(event.do).rstrip('e').replace('cancel', 'cancell')}ed{for_s}"


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def _switches(client: SimClient, names: Mapping[str, Any]) -> dict[str, Any]:
    found: list[dict[str, Any]] = _asked(client.describe)["switches"]
    return {switch["name"]: switch["value"] for switch in found if switch["name"] in names}


def _asked(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    try:
        return call(*arguments, **named)
    except OSError as error:
        raise DispatcherError(f"a simulated vendor does not answer: {error}") from None


def _in_order(wrong: list[str]) -> None:
    if wrong:
        raise DispatcherError("; ".join(wrong))


def _command(stage: Stage, *arguments: str) -> None:
    done = subprocess.run(
        [*COMMAND, *arguments, "--config", str(stage.config)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-ERROR_CHARS_MAX:]
        raise DispatcherError(f"dispatcher {' '.join(arguments[:3])} … failed: {said}")
