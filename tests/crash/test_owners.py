"""Several processes that own, or believe that they own, the same lanes: on the log only one can be right.

Each test ends with Life.check: the vendor's ledger agrees, and nobody was texted twice unless the policy allows it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from schemas.topics import lane_partition
from tests.crash.actions_around import kill_the_broker
from tests.crash.conftest import KAFKA, SQLITE
from tests.crash.life import Life
from tests.crash.processes import Process
from tests.crash.stage import ACCOUNTS
from tests.crash.truth import read_truth

SEED = 2
TROUBLE = False
DEPOSED = "another process owns the lane now"

on_both = pytest.mark.parametrize("kind", [SQLITE, KAFKA], indirect=True)
on_kafka = pytest.mark.parametrize("kind", [KAFKA], indirect=True)


def force(life: Life, name: str) -> Process:
    """A process that owns the lanes whatever the claims say."""
    partitions = [str(lane_partition(account)) for account in ACCOUNTS]
    return life.script(name, "tests.crash.forced_owner", str(life.stage.config), *partitions)


def in_the_middle(life: Life) -> str:
    """Launch a campaign and wait until it is being sent; its id."""
    campaign = life.launch()
    life.launches_done()
    life.busy()
    return campaign.id


def freeze(life: Life, process: Process) -> None:
    """On SQLite not while it holds the write lock: then no process could write (docs/RELIABILITY.md)."""
    while True:
        process.freeze()
        if life.stage.kind == "kafka" or _can_write(life.stage.log_file):
            return
        process.thaw()


def _can_write(path: Path) -> bool:
    with closing(sqlite3.connect(path, timeout=0.5, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
    return True


@on_both
def test_two_forced_owners_text_no_recipient_twice(life: Life):
    life.launch()
    forced = [force(life, "forced a"), force(life, "forced b")]
    life.until(lambda: all(DEPOSED in each.said() for each in forced), "each to depose the other")
    for each in forced:
        each.kill9()
    life.check()


@on_both
def test_an_owner_frozen_until_another_owns_stops_when_it_wakes_up(life: Life):
    """On Kafka the group gives its lanes to another. On SQLite it keeps its file locks: another owns by force."""
    in_the_middle(life)
    zombie = life.roles.pop("lanes")
    freeze(life, zombie)
    other = life.up("lanes") if life.stage.kind == "kafka" else force(life, "other")
    life.until(lambda: other.said().count("lane owned") >= len(ACCOUNTS), "another owner", other)
    zombie.thaw()
    life.until(lambda: DEPOSED in zombie.said(), "the zombie to notice", zombie)
    zombie.kill9()
    if life.stage.kind == "sqlite":
        other.kill9()
    life.check()


@on_kafka
def test_what_the_group_takes_away_is_drained_first(life: Life):
    """A rebalance while sending: a second process comes and goes in order, and nothing becomes unknown."""
    campaign = in_the_middle(life)
    life.ready("lanes 2")
    life.until(lambda: "lane owned" in life.roles["lanes 2"].said(), "the second process to own a lane")
    life.stop("lanes 2")
    life.check()
    chunks = asyncio.run(read_truth(life.stage.loaded.log.url)).chunks
    assert [chunk.unknowns for chunk in chunks if chunk.record.campaign == campaign and chunk.unknowns] == []


@on_kafka
def test_a_broker_killed_while_sending_comes_back_and_no_recipient_is_texted_twice(life: Life):
    in_the_middle(life)
    kill_the_broker(life)
    life.launch()
    life.check()
