"""The tables of docs/SIMULATORS.md, made from the switches, codes, faults and the tests that exercise them.

python -m tests.loadtest.sim_table        writes them into the document
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from loadtest.sim.batch_table import CODES, STATUSES_A, STATUSES_B, STATUSES_ODD, SWITCHES
from loadtest.sim.common_table import COMMON
from loadtest.sim.faults import FAULTS
from loadtest.sim.switches import Switch

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "SIMULATORS.md"
STATUSES = tuple(dict.fromkeys((*STATUSES_A, *STATUSES_B, *STATUSES_ODD)))

Exercised = dict[str, list[tuple[Any, str]]]  # name of a switch: (value, test) in the order found


def exercised() -> Exercised:
    """What every `each` of the simulator's tests exercises."""
    found: Exercised = {}
    for file in sorted(HERE.glob("test_sim_*.py")):
        module = importlib.import_module(f"tests.loadtest.{file.stem}")
        for name, test in inspect.getmembers(module, inspect.isfunction):
            for mark in getattr(test, "pytestmark", ()):
                if mark.name != "parametrize" or mark.args[0] != ("value", "expected"):
                    continue
                assert inspect.getsource(test).count("value") > 1, f"{name} never looks at its value"
                switch = mark.kwargs["ids"][0].partition("=")[0]
                found.setdefault(switch, []).extend((value, f"{file.name}::{name}") for value, _ in mark.args[1])
    return found


def untested(found: Exercised) -> list[str]:
    """Every documented value of a switch, every code, fault and status that no test exercises."""
    wanted: list[tuple[str, Iterable[Any]]] = [(s.name, s.values) for s in (*COMMON, *SWITCHES)]
    wanted += [("code", CODES), ("fault", FAULTS), ("status", STATUSES)]
    missing = []
    for name, values in wanted:
        known = [value for value, _ in found.get(name, ())]
        missing += [f"{name} = {value!r}" for value in values if value not in known]
    return missing


def unknown(found: Exercised) -> list[str]:
    """What tests exercise and nothing has."""
    return sorted(set(found) - {s.name for s in (*COMMON, *SWITCHES)} - {"code", "fault", "status"})


def tables() -> dict[str, str]:
    """The generated parts of the document, by their name in it."""
    found = exercised()
    return {
        "common": _switches(COMMON, found),
        "batch": _switches(SWITCHES, found),
        "codes": _table(
            ("code", "meaning", "test"), ((f"`{c}`", meaning, _tests(found, "code", c)) for c, meaning in CODES.items())
        ),
        "faults": _table(
            ("fault", "what happens", "carried out by default", "test"),
            (
                (f"`{f}`", what, "yes" if taken else "no", _tests(found, "fault", f))
                for f, (taken, what) in FAULTS.items()
            ),
        ),
    }


def written(document: str) -> str:
    """The document with its generated parts as they should be."""
    for name, table in tables().items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = document.partition(start)
        assert rest, f"docs/SIMULATORS.md has lost its mark {start!r}"
        document = before + start + table + end + rest.partition(end)[2]
    return document


def _switches(switches: Iterable[Switch], found: Exercised) -> str:
    return _table(
        ("switch", "values (**default**)", "source", "meaning", "test"), (_switch(s, found) for s in switches)
    )


def _switch(switch: Switch, found: Exercised) -> tuple[str, ...]:
    default = f"**{_cell(switch.default)}**"
    if switch.by_edition:
        default += "".join(f" (edition {e}: **{_cell(v)}**)" for e, v in switch.by_edition.items())
    others = [_cell(v) for v in switch.values if v != switch.default]
    values = ", ".join([default, *others]) + (f"; {switch.also}" if switch.also else "")
    return (f"`{switch.name}`", values, switch.source, switch.meaning, _tests(found, switch.name))


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    if isinstance(value, dict):
        return ", ".join(f"`{k}` {v}" for k, v in value.items()) or "none"
    return f"`{value}`" if value != "" else "(empty)"


def _tests(found: Exercised, name: str, value: Any = None) -> str:
    tests = dict.fromkeys(test for v, test in found.get(name, ()) if value is None or v == value)
    return "<br>".join(f"`{test}`" for test in tests)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text("utf-8")), "utf-8")
