"""What is done to a life: one short round after another, chosen by the seed.

Each round launches something, then lets one thing happen (ACTIONS), then starts again whatever is not there. A seed
chooses the same actions and waits each time; where exactly a kill strikes is up to the machine.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from schemas.topics import lane_partition
from tests.crash.life import ROLES, Life
from tests.crash.stage import ACCOUNTS, LogKind

Action = Callable[[Life], None]

WATCHED_S: Final = 3.0
LAUNCHING_MAX: Final = 2  # a launch may go on into the next round: so there is always something being sent


def play(life: Life, number: int, *, seed: int, action: str | None = None) -> None:
    """One round; the seed chooses the action if none is given. Raises CrashFailure."""
    life.story.begin_round(number)
    rng = life.rng = random.Random(f"{seed} {life.stage.kind} {number}")
    life.revive()
    fate = rng.random()
    life.launch(kill=fate < 0.35, repeat=fate >= 0.06)
    if rng.random() < 0.3:
        life.launch(most=200)
    names = [name for name, (weight, kinds) in ACTIONS.items() if life.stage.kind in kinds for _ in range(weight)]
    name = action or rng.choice(names)
    life.story.say(f"action: {name}")
    life.figures[f"rounds: {name}"] += 1
    _BY_NAME[name](life)
    life.revive()
    life.until(lambda: len(life.launching) <= LAUNCHING_MAX, "all but a few of the launches")
    life.figures["rounds"] += 1


# --- what may happen -------------------------------------------------------------------------------------------------


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


def kill_results(life: Life) -> None:
    for _ in range(life.rng.randint(1, 2)):
        life.reporting()
        life.sleep(life.rng.uniform(0.0, 0.6))
        life.kill("results")
        life.up("results")


def kill_web(life: Life) -> None:
    for _ in range(life.rng.randint(1, 2)):
        life.reporting()
        life.sleep(life.rng.uniform(0.0, 0.5))
        life.kill("web")
        life.up("web")


def kill_everything(life: Life) -> None:
    life.sleep(life.rng.uniform(0.2, 1.2))
    for name in life.rng.sample(list(life.roles), len(life.roles)):
        life.kill(name)
    life.sleep(life.rng.choice([0.0, 0.5]))


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


def kill_rebuild(life: Life) -> None:
    """The results are made anew, and that dies; once more, or the results role just goes on."""
    life.kill("results")
    rebuild = life.command("rebuild", "store", "rebuild", "--yes")
    life.sleep(life.some_time_in("rebuild"))
    if rebuild.kill9():
        life.figures["kill -9 rebuild"] += 1
    if life.rng.random() < 0.5:
        life.done("store", "rebuild", "--yes")


def kill_export(life: Life) -> None:
    """An export that dies leaves no file that looks whole."""
    certain = [campaign for campaign in life.campaigns if campaign.certain]
    if not certain:
        return
    campaign = life.rng.choice(certain)
    path = life.stage.folder / f"{campaign.id}.killed.csv"
    export = life.command("export", "campaign", "export", campaign.id, "--format", "csv", "-o", str(path))
    life.sleep(life.some_time_in("export"))
    if export.kill9():
        life.figures["kill -9 export"] += 1
    if path.exists():
        lines = path.read_text("utf-8").count("\n")
        if lines != len(campaign.numbers) + 1:
            raise life.story.failure([f"a killed export left {lines} lines of {len(campaign.numbers) + 1} in {path}"])
        path.unlink()


def control(life: Life) -> None:
    """Pause, resume or cancel, while lanes die."""
    certain = [campaign for campaign in life.campaigns[-6:] if campaign.certain and not campaign.cancelled]
    if not certain:
        return
    campaign = life.rng.choice(certain)
    what = life.rng.choice(["pause", "pause", "cancel"])
    if what == "cancel":
        campaign.cancelled = True
        life.done("campaign", "cancel", campaign.id, "--yes")
    else:
        life.paused.add(campaign.id)
        life.done("campaign", "pause", campaign.id)
    life.kill("lanes")
    life.up("lanes")
    life.sleep(life.rng.uniform(0.0, 1.0))
    if life.paused and life.rng.random() < 0.7:
        resumed = life.rng.choice(sorted(life.paused))
        if not any(each.id == resumed and each.cancelled for each in life.campaigns):
            life.done("campaign", "resume", resumed)
        life.paused.discard(resumed)


def kill_the_broker(life: Life) -> None:
    """As a machine that loses its power, except that its page cache survives."""
    broker = life.stage.broker
    assert broker is not None
    life.busy()
    life.sleep(life.rng.uniform(0.0, 0.3))
    life.may_end = True
    broker.kill9()
    life.story.say("kill -9 broker")
    life.figures["kill -9 broker"] += 1
    life.sleep(life.rng.choice([0.0, 0.5, 2.0]))
    if life.rng.random() < 0.4:
        life.kill("lanes")
    broker.restart()
    life.story.say("the broker is back")


def freeze_the_broker(life: Life) -> None:
    """Appends time out, and are written all the same, later."""
    broker = life.stage.broker
    assert broker is not None
    life.busy()
    life.may_end = True
    assert broker._process is not None
    os.kill(broker._process.pid, signal.SIGSTOP)
    life.story.say("SIGSTOP broker")
    life.figures["SIGSTOP broker"] += 1
    life.sleep(life.rng.choice([0.5, 1.5, 3.0, 7.0]))
    if life.rng.random() < 0.3:
        life.kill("lanes")
    os.kill(broker._process.pid, signal.SIGCONT)
    life.story.say("SIGCONT broker")


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


def launch_twice_at_once(life: Life) -> None:
    """Two commands with the same id race; and once more when it is long launched."""
    life.launch_again(life.launch(most=700))
    certain = [campaign for campaign in life.campaigns if campaign.certain]
    if certain:
        life.launch_again(life.rng.choice(certain))
    life.sleep(life.rng.uniform(0.3, 1.0))
    life.kill("lanes")


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


def kill_while_the_log_is_made(life: Life) -> None:
    """A process that makes a new log (its file, or its topics) dies at it; the next one makes it whole."""
    url = _new_log(life)
    for _ in range(life.rng.randint(1, 3)):
        maker = life.script("maker", "tests.crash.make_log", url)
        life.sleep(life.rng.uniform(0.15, 0.6))
        if maker.kill9():
            life.figures["kill -9 making a log"] += 1
    maker = life.script("maker", "tests.crash.make_log", url)
    if maker.wait() != 0:
        raise life.story.failure([f"a log that was half made cannot be opened: {maker.said()[-2000:]}"])


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


def _new_log(life: Life) -> str:
    name = f"new-{life.story.round}"
    if life.stage.broker is None:
        return f"sqlite:{life.stage.folder}/{name}/log.db"
    return f"kafka://{life.stage.broker.bootstrap}/{life.stage.folder.name}-{name}."


BOTH: Final[tuple[LogKind, ...]] = ("sqlite", "kafka")

ACTIONS: Final[dict[str, tuple[int, tuple[LogKind, ...]]]] = {
    "kill lanes": (8, BOTH),
    "kill lanes inside a commit": (4, ("sqlite",)),
    "kill results": (3, BOTH),
    "kill web": (3, BOTH),
    "kill everything": (2, BOTH),
    "freeze lanes": (2, BOTH),
    "freeze lanes until another owns": (3, ("kafka",)),
    "rebalance while sending": (3, BOTH),
    "two owners by force": (3, BOTH),
    "kill rebuild": (2, BOTH),
    "kill export": (1, BOTH),
    "control": (2, BOTH),
    "restart in order": (3, BOTH),
    "launch twice at once": (2, BOTH),
    "resolve by hand": (2, BOTH),
    "kill the broker": (2, ("kafka",)),
    "freeze the broker": (3, ("kafka",)),
    "kill while the log is made": (1, BOTH),
    "run out of space": (2, ("sqlite",)),
}
_BY_NAME: Final[dict[str, Action]] = {name: globals()[name.replace(" ", "_")] for name in ACTIONS}
