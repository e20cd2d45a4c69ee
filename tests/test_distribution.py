"""Tests that share a module's fixture run in one process; the others wherever there is time."""

from __future__ import annotations

import pytest

from tests.distribution import ROOT, group_of


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


def _shares(item: pytest.Function) -> bool:
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    return any(fixture.scope == "module" for same_name in fixtures for fixture in same_name)
