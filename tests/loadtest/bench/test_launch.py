"""The launch benchmark compares two ways that do the same."""

from __future__ import annotations

from loadtest.bench.launching import launch as bench
from loadtest.bench.launching import naive
from loadtest.bench.launching.personal import TEXT


async def test_both_ways_agree_on_who_is_a_recipient(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "BLOCK_ROWS", 3_000)
    bench.write_list(tmp_path / "list.csv", 10_000)
    ours = await bench.ours(tmp_path, "hi")
    for file in tmp_path.glob("log.db*"):
        if file.is_file():
            file.unlink()
    assert await naive.launch(tmp_path, "hi") == ours
    assert 9_000 < ours < 9_500


async def test_both_ways_agree_on_who_gets_a_text_of_their_own(tmp_path):
    bench.write_list(tmp_path / "list.csv", 5_000)
    ours = await bench.ours(tmp_path, TEXT)
    for file in tmp_path.glob("log.db*"):
        if file.is_file():
            file.unlink()
    assert await naive.launch(tmp_path, TEXT) == ours
    assert 4_500 < ours < 4_800


def test_the_list_is_as_dirty_as_it_says(tmp_path):
    bench.write_list(tmp_path / "list.csv", 20_000)
    lines = (tmp_path / "list.csv").read_text().splitlines()
    phones = [line.split(",")[2] for line in lines[1:]]
    plain = {phone for phone in phones if phone.isdecimal() and len(phone) == 11}
    assert len(lines) == 20_001
    assert 0.11 < 1 - len(plain) / len(phones) < 0.14
