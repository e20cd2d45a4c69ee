"""Tests of the BATCH platform run once for each simulator of it that their module names in VENDORS."""

from __future__ import annotations

import pytest

from tests.loadtest.sim import sim_kit


@pytest.fixture
def platform(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The simulator that sim_kit's `vendor` starts."""
    name: str = request.param
    monkeypatch.setattr(sim_kit, "platform", name)
    return name


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "platform" in metafunc.fixturenames:
        metafunc.parametrize("platform", metafunc.module.VENDORS, indirect=True)
