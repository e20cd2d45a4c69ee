"""Tests that share a module's fixture run in one process; the others wherever there is time, the longest first."""

from __future__ import annotations

import pytest

from tests.distribution import LONGEST_FIRST, ROOT, group_of, rank_of


@pytest.mark.parametrize(
    ("test", "group"),
    [
        ("tests/core/test_numbers.py::test_a[1]", "tests/core/test_numbers.py::test_a[1]"),
        ("tests/house/test_install.py::test_a[wheel]", "tests/house/test_install.py"),
        ("tests/crash/test_owners.py::test_a[sqlite]", "tests/crash/test_owners.py"),
        ("tests/crash/test_owners.py::test_a[kafka]", "crashes on Kafka"),
        ("tests/crash/test_crashes.py::test_a[kafka]", "crashes on Kafka"),
    ],
)
def test_the_group_of_a_test(test: str, group: str) -> None:
    assert (ROOT / test.partition("::")[0]).is_file()
    assert group_of(test) == group


def test_every_test_that_uses_a_module_s_fixture_is_in_a_group(request: pytest.FixtureRequest) -> None:
    alone = {
        item.nodeid
        for item in request.session.items
        if isinstance(item, pytest.Function) and _shares(item) and group_of(item.nodeid) == item.nodeid
    }
    assert not alone


@pytest.mark.parametrize("beginning", LONGEST_FIRST)
def test_what_starts_first_is_there(beginning: str) -> None:
    assert (ROOT / beginning).exists()


def test_the_longest_start_first_and_the_order_of_the_others_stays() -> None:
    tests = ["tests/core/test_a.py::b", "tests/core/test_a.py::a", "tests/cli/test_a.py::a", "tests/test_lint.py::a"]
    assert sorted(tests, key=rank_of) == [tests[3], tests[2], tests[0], tests[1]]


def _shares(item: pytest.Function) -> bool:
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    return any(fixture.scope == "module" for same_name in fixtures for fixture in same_name)
