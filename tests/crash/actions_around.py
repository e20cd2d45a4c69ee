"""What may happen around the lanes: results, pushes, commands, the broker, the log itself."""

from __future__ import annotations

import os
import signal

from tests.crash.life import Life
from tests.waiting import freeze


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
    freeze(broker._process.pid)
    life.story.say("SIGSTOP broker")
    life.figures["SIGSTOP broker"] += 1
    life.sleep(life.rng.choice([0.5, 1.5, 3.0, 7.0]))
    if life.rng.random() < 0.3:
        life.kill("lanes")
    os.kill(broker._process.pid, signal.SIGCONT)
    life.story.say("SIGCONT broker")


def launch_twice_at_once(life: Life) -> None:
    """Two commands with the same id race; and once more when it is long launched."""
    life.launch_again(life.launch(most=700))
    certain = [campaign for campaign in life.campaigns if campaign.certain]
    if certain:
        life.launch_again(life.rng.choice(certain))
    life.sleep(life.rng.uniform(0.3, 1.0))
    life.kill("lanes")


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


def _new_log(life: Life) -> str:
    name = f"new-{life.story.round}"
    if life.stage.broker is None:
        return f"sqlite:{life.stage.folder}/{name}/log.db"
    return f"kafka://{life.stage.broker.bootstrap}/{life.stage.folder.name}-{name}."
