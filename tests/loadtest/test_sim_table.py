"""docs/SIMULATORS.md tells every switch, code and fault with its test; here it is held to that."""

from __future__ import annotations

import re

import pytest

from loadtest.sim.batch_table import SWITCHES
from loadtest.sim.common_table import COMMON
from loadtest.sim.switches import Switch
from tests.loadtest import sim_table

ALL = (*COMMON, *SWITCHES)


def test_every_value_of_every_switch_every_code_fault_and_status_has_a_test() -> None:
    assert sim_table.untested(sim_table.exercised()) == []


def test_no_test_exercises_a_switch_that_is_not_there() -> None:
    assert sim_table.unknown(sim_table.exercised()) == []


def test_a_value_without_a_test_would_be_noticed() -> None:
    found = sim_table.exercised()
    found["max_chars"] = [(value, test) for value, test in found["max_chars"] if value != 585]
    del found["trailing_eol"]
    found["code"] = found["code"][1:]
    assert sim_table.untested(found) == ["max_chars = 585", "trailing_eol = 'off'", "trailing_eol = 'on'", "code = '0'"]


def test_the_document_says_what_is_so() -> None:
    document = sim_table.DOCUMENT.read_text("utf-8")
    assert document == sim_table.written(document), "run: python -m tests.loadtest.sim_table"


def test_switches_have_one_name_each() -> None:
    names = [s.name for s in ALL]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("switch", ALL, ids=[s.name for s in ALL])
def test_a_switch_has_a_source_and_its_default_among_what_it_accepts(switch: Switch) -> None:
    assert re.match(r"vendors\.md \d|AMB-(BATCH|X)-\d", switch.source)
    assert switch.values
    switch.check(switch.default)
