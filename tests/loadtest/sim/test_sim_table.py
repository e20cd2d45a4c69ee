"""docs/SIMULATORS.md shows every switch, code and fault as the code has them, and each of their values has a test."""

from __future__ import annotations

import re

import pytest

from loadtest.sim.cmpp import codes_and_switches as cmpp
from loadtest.sim.common_switches import COMMON
from loadtest.sim.server import VENDORS
from loadtest.sim.switches import Switch
from tests.loadtest.sim import sim_table

TABLES = {**{name: vendor.table for name, vendor in VENDORS.items()}, "cmpp": cmpp.SWITCHES}
ALL = [("", s) for s in COMMON] + [(name, s) for name, table in TABLES.items() for s in table]


def test_every_value_of_every_switch_every_code_fault_and_status_has_a_test() -> None:
    assert sim_table.untested(sim_table.exercised()) == []


def test_no_test_exercises_a_switch_that_is_not_there() -> None:
    assert sim_table.unknown(sim_table.exercised()) == []


def test_a_value_without_a_test_would_be_noticed() -> None:
    found = sim_table.exercised()
    of_max = found["batch", "max_chars"]
    found["batch", "max_chars"] = [(value, test) for value, test in of_max if value != 585]
    del found["hezhong", "sub_max"]
    found["guodu", "code"] = found["guodu", "code"][1:]
    assert sim_table.untested(found) == [
        "batch max_chars = 585",
        "hezhong sub_max = 5",
        "hezhong sub_max = 6",
        "guodu code = '00'",
    ]


def test_every_vendor_is_in_the_tables() -> None:
    assert {name: tables.switches for name, tables in sim_table.VENDORS.items()} == TABLES


def test_the_document_says_what_is_so() -> None:
    document = sim_table.DOCUMENT.read_text("utf-8")
    assert document == sim_table.written(document), "run: python -m tests.loadtest.sim.sim_table"


@pytest.mark.parametrize("vendor", TABLES)
def test_a_vendors_switches_have_one_name_each(vendor: str) -> None:
    names = [s.name for s in (cmpp.ALL if vendor == "cmpp" else (*COMMON, *TABLES[vendor]))]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("vendor", "switch"), ALL, ids=[f"{vendor}-{s.name}" for vendor, s in ALL])
def test_a_switch_has_a_source_and_its_default_among_what_it_accepts(vendor: str, switch: Switch) -> None:
    prefixes = {"batch": "BATCH", "hezhong": "HZ", "guodu": "GD", "cosms": "COSMS", "batch-b": "BATCH", "cmpp": "CMPP"}
    own = prefixes.get(vendor, "X")
    assert re.match(rf"vendors\.md \d|AMB-({own}|X)-\d", switch.source)
    assert switch.values
    switch.check(switch.default)
