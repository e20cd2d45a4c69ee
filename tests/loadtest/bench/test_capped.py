"""The benchmark of launching with a frequency cap measures what it says."""

from __future__ import annotations

import pytest

from loadtest.bench.launching import capped


async def test_what_is_measured_leaves_out_who_is_over_the_cap(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(capped, "ROWS_QUICK", 2_000)
    monkeypatch.setattr(capped, "KNOWN_QUICK", 50_000)
    monkeypatch.setattr(capped, "SPACE", 100_000)
    monkeypatch.setattr(capped, "CAMPAIGNS_COUNTED", 3)
    monkeypatch.setattr(capped, "SHARE", 0.2)
    figures = await capped.run(quick=True)
    assert [figure["unit"] for figure in figures] == ["s", "s", "MB", "MB"]
    assert all(figure["value"] > 0 for figure in figures)
