"""A launch killed at any point, then launched again, twice or ten times: launched once, to everybody once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.log.opening import open_log
from schemas.records import Launched
from schemas.topics import CAMPAIGNS
from tests.producers.launch import launched as on_log
from tests.producers.launch.launch_and_die import run

ROOT = Path(__file__).parents[3]
SCRIPT = str(Path(__file__).with_name("launch_and_die.py"))
NUMBERS = [str(13_000_000_000 + 7 * number) for number in range(60_000)]
APPENDS = 6  # rejected rows, two batches, jobs of two accounts, the launch
LAST = APPENDS - 1
RELAUNCHES = 10  # of the one that was killed at its last append; two are enough for the others


@pytest.fixture
def numbers(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("".join(f"{number}\n" for number in [*NUMBERS, "n/a", NUMBERS[0]]))
    return path


@pytest.fixture
def url(tmp_path):
    return f"sqlite:{tmp_path / 'log.db'}"


def killed(url, numbers, when, number):
    """Launch in another process that dies at this append; was it killed?"""
    command = [sys.executable, SCRIPT, url, str(numbers), when, str(number)]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode == -signal.SIGKILL


async def check(url):
    """Everybody is there once, whatever else lies on the log. Returns how many launches lie there."""
    log = await open_log(url)
    try:
        record = await on_log.launched(log, "may")
        sent = await on_log.recipients(log, record)
        assert sorted(sent["spring"] + sent["summer"]) == NUMBERS
        assert [reason for _, _, reason in await on_log.rejects(log, record)] == ["no number", "duplicate"]
        return sum(isinstance(each, Launched) for _, each in await on_log.records(log, CAMPAIGNS.name))
    finally:
        await log.close()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(APPENDS))
async def test_a_launch_killed_at_any_append_launches_once_when_it_is_repeated(url, numbers, when, number):
    assert killed(url, numbers, when, number)
    results = [await run(url, numbers) for _ in range(RELAUNCHES if number == LAST else 2)]
    done = (when, number) == ("after", LAST)
    assert [result.already_launched for result in results] == [done] + [True] * (len(results) - 1)
    assert await check(url) == 1


async def test_a_launch_killed_again_and_again_leaves_nothing_that_counts(url, numbers):
    points = [("before", LAST)] + [("after", random.Random(7).randrange(LAST)) for _ in range(3)]
    for when, number in points:
        assert killed(url, numbers, when, number)
    assert not (await run(url, numbers)).already_launched
    assert (await run(url, numbers)).already_launched
    assert await check(url) == 1


def test_those_are_all_its_appends(url, numbers):
    assert not killed(url, numbers, "before", APPENDS)
