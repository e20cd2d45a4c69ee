"""What may happen to whoever sends: it dies, freezes, is drained, has rivals, has no room to write."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Final

from schemas.topics import lane_partition
from tests.crash.life import ROLES, Life
from tests.crash.stage import ACCOUNTS

WATCHED_S: Final = 3.0


def kill_lanes(life: Life) -> None:
    """Again and again, at any moment."""
    for _ in range(life.rng.randint(1, 3)):
        if life.rng.random() < 0.6:
            life.busy()
        life.sleep(life.rng.uniform(0.0, 0.8))
        life.kill("lanes")
        life.sleep(life.rng.choice([0.0, 0.0, 0.3]))
        life.up("lanes")


def kill_lanes_inside_a_commit(life: Life) -> None:
    """Right when the log's file has just been written to, and not yet synced."""
    life.ready("lanes")
    wal = life.stage.log_file.with_name(life.stage.log_file.name + "-wal")
    for _ in range(life.rng.randint(1, 2)):
        life.busy()
        life.sleep(life.rng.uniform(0.0, 0.3))
        _wait_for_a_write(wal)
        life.kill("lanes")
        life.up("lanes")


def freeze_lanes(life: Life) -> None:
    """Within and after the time to live of its intents."""
    life.busy()
    life.sleep(life.rng.uniform(0.0, 0.3))
    process = life.up("lanes")
    process.freeze()
    life.figures["SIGSTOP lanes"] += 1
    life.sleep(life.rng.uniform(0.1, 2.5))
    process.thaw()
    if life.rng.random() < 0.3:
        life.sleep(life.rng.uniform(0.0, 0.1))
        life.kill("lanes")


def freeze_lanes_until_another_owns(life: Life) -> None:
    """A zombie: it wakes up behind a newer Owned, with requests in mind."""
    life.launch()
    life.busy()
    life.sleep(life.rng.uniform(0.0, 0.2))
    process = life.up("lanes")
    process.freeze()
    life.figures["SIGSTOP lanes"] += 1
    del life.roles["lanes"]
    new = life.up("lanes")
    life.until(lambda: new.said().count("lane owned") == len(ACCOUNTS), "another owner", new)
    life.sleep(life.rng.choice([0.0, 0.0, life.rng.uniform(0.0, 2.0)]))
    process.thaw()
    life.sleep(life.rng.uniform(0.3, 1.5))
    process.kill9()
    life.figures["kill -9 lanes"] += 1


def rebalance_while_sending(life: Life) -> None:
    """A second process of lanes comes and goes: in order, or not."""
    life.ready("lanes")
    life.busy()
    life.up("lanes 2")
    life.sleep(life.rng.uniform(0.5, 2.0))
    match life.rng.randrange(4):
        case 0:
            life.kill("lanes 2")
        case 1:
            life.kill("lanes")
            life.sleep(life.rng.uniform(0.0, 1.0))
            life.stop_when_ready("lanes 2")
        case _:
            life.stop_when_ready("lanes 2")


def two_owners_by_force(life: Life) -> None:
    """Another owner of the same partition, which asks nobody; several times over."""
    partitions = [str(lane_partition(account)) for account in ACCOUNTS]
    life.launch()
    forced = life.script("forced owner", "tests.crash.forced_owner", str(life.stage.config), *partitions)
    life.sleep(life.rng.uniform(0.8, 2.5))
    forced.kill9()
    life.figures["forced owners"] += 1


def restart_in_order(life: Life) -> None:
    """SIGTERM while sending; sometimes kill -9 on top of it."""
    life.ready(*ROLES)
    life.busy()
    name = life.rng.choice(["lanes", "lanes", "results", "web"])
    life.figures["orderly restarts"] += 1
    if life.rng.random() < 0.6:
        life.stop(name)
    else:
        life.roles[name].ask_to_stop()
        life.sleep(life.rng.uniform(0.0, 0.3))
        life.kill(name)


def resolve_by_hand(life: Life) -> None:
    """A person decides about what is unknown: to send it again, whatever the risk."""
    life.busy()
    life.kill("lanes")
    life.up("lanes")
    campaign = life.rng.choice([each for each in life.campaigns[-8:] if each.certain] or [life.launch(most=60)])
    verdict = life.rng.choice(["resend", "not-sent"])
    command = ["unknown", "resolve", campaign.id, "--as", verdict, "--why", "the harness says so", "--yes"]
    resolving = life.command("resolve", *command)
    life.sleep(life.rng.uniform(0.3, 2.5))
    if resolving.alive and life.rng.random() < 0.3:
        life.kill("lanes")
    resolving.kill9()
    life.figures["decisions by hand"] += 1


def run_out_of_space(life: Life) -> None:
    """The lanes' process may write no more bytes for a while (a quota); then it may again."""
    life.ready("lanes")
    process = life.roles["lanes"]
    limits = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    life.busy()
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, limits[1]))
    life.story.say("the disk is full")
    life.figures["full disks"] += 1
    life.sleep(life.rng.uniform(0.3, 1.5))
    if life.rng.random() < 0.3:
        life.kill("lanes")
        return
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
    life.story.say("there is room again")


def _wait_for_a_write(path: Path) -> None:
    until_s = time.monotonic() + WATCHED_S
    was = _written(path)
    while time.monotonic() < until_s and _written(path) == was:
        pass


def _written(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)
