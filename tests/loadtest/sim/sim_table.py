"""The tables of docs/SIMULATORS.md, made from the switches, codes and faults; and which of these the tests exercise.

python -m tests.loadtest.sim.sim_table        writes them into the document
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from loadtest.sim.batch import codes_and_switches as batch_table
from loadtest.sim.batch import codes_and_switches_b as batch_b_table
from loadtest.sim.cmpp import codes_and_switches as cmpp_table
from loadtest.sim.cmpp.faults import FAULTS as CMPP_FAULTS
from loadtest.sim.common_switches import COMMON
from loadtest.sim.cosms import codes_and_switches as cosms_table
from loadtest.sim.guodu import codes_and_switches as guodu_table
from loadtest.sim.hezhong import codes_and_switches as hezhong_table
from loadtest.sim.requests.faults import FAULTS
from loadtest.sim.switches import Switch

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[2] / "docs" / "SIMULATORS.md"


class Tables(NamedTuple):
    """What one vendor has; faults and statuses of logins only where they are its own."""

    switches: tuple[Switch, ...]
    codes: Mapping[str, str]
    statuses: tuple[str, ...]
    faults: Mapping[str, tuple[bool, str]] = {}
    logins: Mapping[str, str] = {}


VENDORS = {
    "batch": Tables(
        batch_table.SWITCHES,
        batch_table.CODES,
        tuple(dict.fromkeys((*batch_table.STATUSES_A, *batch_table.STATUSES_B, *batch_table.STATUSES_ODD))),
    ),
    "hezhong": Tables(hezhong_table.SWITCHES, hezhong_table.CODES, hezhong_table.STATUSES),
    "guodu": Tables(guodu_table.SWITCHES, guodu_table.CODES, tuple(guodu_table.STATUSES)),
    "batch-b": Tables(
        batch_b_table.SWITCHES,
        batch_b_table.CODES,
        tuple(dict.fromkeys((*batch_table.STATUSES_A, *batch_table.STATUSES_B, *batch_table.STATUSES_ODD))),
    ),
    "cosms": Tables(cosms_table.SWITCHES, cosms_table.CODES, cosms_table.STATUSES),
    "cmpp": Tables(
        cmpp_table.SWITCHES, cmpp_table.RESULTS, cmpp_table.STATUSES, CMPP_FAULTS, cmpp_table.LOGIN_STATUSES
    ),
}
NOTHING = Tables((), {}, ())
BASES = {"batch-b": "batch"}  # the document shows only what a vendor does not share with its base
FREE = re.compile("any (number|share|table)")  # where the default and the bounds say what may be set
ANY = ""  # the scope of what every vendor has
# a file of these tests is about the edition that its name says, not about its folder's vendor
EDITION = {"test_batch_b_": "batch-b"}

# (vendor or ANY, name of a switch): (value, test) in the order found
Exercised = dict[tuple[str, str], list[tuple[Any, str]]]


def exercised() -> Exercised:
    """What every `each` of the simulator's tests exercises; a file in a vendor's folder is about that vendor, and one
    with VENDORS about all of those: its tests run once for each.
    """
    found: Exercised = {}
    common = {s.name for s in COMMON} | {"fault"}
    for file in sorted(HERE.rglob("test_*.py")):
        path = file.relative_to(HERE)
        module = importlib.import_module(".".join(("tests.loadtest.sim", *path.with_suffix("").parts)))
        edition = next((name for start, name in EDITION.items() if file.name.startswith(start)), None)
        scope = edition or (file.parent.name if file.parent.name in VENDORS else ANY)
        scopes = getattr(module, "VENDORS", (scope,))
        for name, test in inspect.getmembers(module, inspect.isfunction):
            for mark in getattr(test, "pytestmark", ()):
                if mark.name != "parametrize" or mark.args[0] != ("value", "expected"):
                    continue
                assert inspect.getsource(test).count("value") > 1, f"{name} never looks at its value"
                switch = mark.kwargs["ids"][0].partition("=")[0]
                for key in dict.fromkeys(_scope(each, switch, common) for each in scopes):
                    found.setdefault(key, []).extend((value, f"{path}::{name}") for value, _ in mark.args[1])
    return found


def _scope(vendor: str, name: str, common: set[str]) -> tuple[str, str]:
    """What a test of this vendor is about: what the vendor has itself, or what all have."""
    has = VENDORS.get(vendor)
    own = has is not None and (
        name in {switch.name for switch in has.switches} or (name == "fault" and bool(has.faults))
    )
    return (vendor, name) if own or name not in common else (ANY, name)


def _wanted() -> dict[tuple[str, str], Iterable[Any]]:
    wanted: dict[tuple[str, str], Iterable[Any]] = {(ANY, s.name): s.values for s in COMMON}
    wanted[ANY, "fault"] = FAULTS
    for vendor, has in VENDORS.items():
        wanted |= {(vendor, s.name): s.values for s in has.switches}
        wanted |= {(vendor, "code"): has.codes, (vendor, "status"): has.statuses}
        wanted |= {(vendor, "fault"): has.faults} if has.faults else {}
        wanted |= {(vendor, "login_status"): has.logins} if has.logins else {}
    return wanted


def untested(found: Exercised) -> list[str]:
    """Every documented value of a switch, every code, fault and status that no test exercises."""
    missing = []
    for (vendor, name), values in _wanted().items():
        known = [value for value, _ in found.get((vendor, name), ())]
        missing += [f"{vendor} {name} = {value!r}".strip() for value in values if value not in known]
    return missing


def unknown(found: Exercised) -> list[tuple[str, str]]:
    """What tests exercise and nothing has."""
    return sorted(set(found) - set(_wanted()))


def tables() -> dict[str, str]:
    """The generated parts of the document, by their name in it."""
    made = {"common": _switches(COMMON, sources=False), "faults": _faults(FAULTS)}
    for vendor, has in VENDORS.items():
        base = VENDORS.get(BASES.get(vendor, ""), NOTHING)
        made[vendor] = _switches(switch for switch in has.switches if switch not in base.switches)
        made[f"{vendor} codes"] = _codes(has.codes, base.codes)
        if has.faults:
            made[f"{vendor} faults"] = _faults(has.faults)
        if has.logins:
            made[f"{vendor} logins"] = _codes(has.logins, {})
    return made


def written(document: str) -> str:
    """The document with its generated parts as they should be."""
    for name, table in tables().items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = document.partition(start)
        assert rest, f"docs/SIMULATORS.md has lost its mark {start!r}"
        document = before + start + table + end + rest.partition(end)[2]
    return document


def _codes(codes: Mapping[str, str], shared: Mapping[str, str]) -> str:
    """A line for each code that is not shared."""
    lines = (f"`{code}` {meaning}" for code, meaning in codes.items() if shared.get(code) != meaning)
    return "\\\n".join(lines) + "\n"


def _faults(faults: Mapping[str, tuple[bool, str]]) -> str:
    """A row for each fault; neighbours of which the same is said share one."""
    rows = []
    for (taken, what), names in groupby(faults, key=faults.__getitem__):
        rows.append((", ".join(f"`{name}`" for name in names), what + ("" if taken else " (not carried out)")))
    return _table(("fault", "what happens"), rows)


def _switches(switches: Iterable[Switch], sources: bool = True) -> str:
    rows = (
        (
            f"`{s.name}`" + (f" ({_source(s)})" if sources else ""),
            _values(s),
            s.meaning.replace(", simulated seconds", ""),
        )
        for s in switches
    )
    return _table(("switch" + (" (source)" if sources else ""), "values (**default**)", "meaning"), rows)


def _source(switch: Switch) -> str:
    """The section or AMB number alone: `vendors.md 3.1 (103)` is 3.1."""
    return re.sub(r"vendors\.md | \([^)]*\)", "", switch.source)


def _values(switch: Switch) -> str:
    default = f"**{_cell(switch.default)}**"
    if switch.by_edition:
        default += "".join(f" (edition {e}: **{_cell(v)}**)" for e, v in switch.by_edition.items())
    others = [] if FREE.match(switch.also) else [_cell(v) for v in switch.values if v != switch.default]
    also = re.sub(r"^any (whole number|number|share) (from (?=.* to ))?", "", switch.also)
    return ", ".join([default, *others]) + (f"; {also}" if also else "")


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    if isinstance(value, dict):
        return ", ".join(f"`{k}` {v}" for k, v in value.items()) or "none"
    return f"`{value}`" if value != "" else "(empty)"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"{' | '.join(cell.replace('|', chr(92) + '|') for cell in line)}\n" for line in lines)


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text("utf-8")), "utf-8")
