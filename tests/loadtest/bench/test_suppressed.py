"""The benchmark of launching beside a long suppression list measures what it says."""

from __future__ import annotations

from loadtest.bench.launching import suppressed


async def test_what_is_measured_leaves_out_who_is_suppressed(monkeypatch):
    monkeypatch.setattr(suppressed, "ROWS", 2_000)
    monkeypatch.setattr(suppressed, "LISTED_QUICK", 50_000)
    monkeypatch.setattr(suppressed, "SPACE", 100_000)
    figures = await suppressed.run(quick=True)
    assert [figure["unit"] for figure in figures] == ["s", "MB", "s"]
    assert all(figure["value"] > 0 for figure in figures)
