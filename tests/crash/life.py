"""One life of log and vendor, through many rounds: start, kill and restart the dispatcher's roles; launch; make peace.

What a round does is in rounds.py; what must hold at the end in judge.py. Blocking, one thread.
"""

from __future__ import annotations

import contextlib
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from loadtest.broker import Broker
from tests.crash.comparing import compare, exports_differ, rebuilt
from tests.crash.lists import Campaign, write_list
from tests.crash.processes import DISPATCHER, Process
from tests.crash.settling import wait_until_settled
from tests.crash.stage import LogKind, Stage, stage
from tests.crash.story import Story
from tests.waiting import PATIENCE_S

ROLES: Final = ("lanes", "results", "web")
BUSY_S: Final = 2.5


class Launching(msgspec.Struct):
    """A launch command under way. `kill_at_s`: when to kill it, on the monotonic clock; it is then repeated."""

    campaign: Campaign
    process: Process
    began_s: float
    kill_at_s: float | None
    repeat: bool = True


@contextlib.contextmanager
def living(
    kind: LogKind,
    folder: Path,
    broker: Broker | None,
    *,
    seed: int,
    title: str,
    trouble: bool = True,
    data: Path | None = None,
) -> Iterator[Life]:
    """Everything set up, and every role at work. At its end every process of it is gone, whatever happened."""
    story = Story(folder, title)
    try:
        with stage(kind, folder, broker, trouble=trouble, seed=seed, data=data) as where:
            life = Life(where, story, random.Random(f"{seed} {kind}"))
            try:
                life.all_up()
                life.ready(*ROLES)
                yield life
            finally:
                life.end()
    finally:
        story.close()


class Life:
    """The dispatcher on one stage. `figures` count what happened."""

    def __init__(self, stage: Stage, story: Story, rng: random.Random) -> None:
        self.stage = stage
        self.story = story
        self.rng = rng
        self.roles: dict[str, Process] = {}
        self.campaigns: list[Campaign] = []
        self.paused: set[str] = set()
        self.launching: list[Launching] = []
        self.figures: Counter[str] = Counter()
        self.may_end = False  # the broker was away: a process may have given up, with one sentence
        self._took_s: dict[str, float] = {}  # how long a command took when it was last left alone
        self._others: list[Process] = []

    # --- processes ---------------------------------------------------------------------------------------------------

    def command(self, name: str, *arguments: str) -> Process:
        """Run `dispatcher …` in a process of its own."""
        self.story.say(f"dispatcher {' '.join(each for each in arguments if len(each) < 80)}")
        process = Process(self.story, name, [*DISPATCHER, *arguments, "--config", str(self.stage.config)])
        self._others.append(process)
        return process

    def script(self, name: str, module: str, *arguments: str) -> Process:
        """Run a module of the tests in a process of its own."""
        self.story.say(f"{module} {' '.join(arguments)}")
        process = Process(self.story, name, [sys.executable, "-m", module, *arguments])
        self._others.append(process)
        return process

    def up(self, name: str) -> Process:
        """The process of this role (`lanes 2` is a second one of `lanes`), started if it does not run."""
        process = self.roles.get(name)
        if process is not None and process.alive:
            return process
        role = name.split()[0]
        process = self.roles[name] = self.command(name, "run", "--role", role, "--json")
        self.figures["starts"] += 1
        return process

    def all_up(self) -> None:
        """Every role runs."""
        for name in ROLES:
            self.up(name)

    def ready(self, *names: str) -> None:
        """Wait until these have said that they are at work."""
        for name in names:
            process = self.up(name)
            self.until(lambda p=process: '"ready":true' in p.said(), f"{name} is ready", process)  # type: ignore[misc]

    def kill(self, name: str) -> None:
        """kill -9, and forget it."""
        process = self.roles.pop(name, None)
        if process is not None and process.kill9():
            self.figures[f"kill -9 {name.split()[0]}"] += 1

    def stop(self, name: str) -> None:
        """Stop a role in order; anything else than exit code 0 fails."""
        process = self.roles.pop(name)
        code = process.stop()
        if code != 0:
            raise self.story.failure([f"{name} was stopped in order and ended with {code}: {process.said()[-2000:]}"])

    def stop_when_ready(self, name: str) -> None:
        """As `stop`, but not before it can be asked: a process that is just starting has no ear for it yet."""
        self.ready(name)
        self.stop(name)

    def revive(self) -> None:
        """Start again what is not there. What ended by itself fails, unless it may have."""
        for name, process in list(self.roles.items()):
            process.thaw()
            if process.alive:
                continue
            del self.roles[name]
            code = process.wait()
            said = process.said()
            self.story.say(f"{name} ended by itself with {code}")
            if not self.may_end or code != 1 or said.strip().splitlines()[-1:][0][:6] != "error:":
                raise self.story.failure([f"{name} ended by itself with {code}: {said[-2000:]}"])
            self.figures["gave up on the log"] += 1
        self.all_up()

    def end(self) -> None:
        """Whatever still runs ends now."""
        for process in [*self.roles.values(), *self._others]:
            if process.alive:
                process.kill9()

    # --- waiting -----------------------------------------------------------------------------------------------------

    def sleep(self, seconds: float) -> None:
        """Let things happen, and kill the launches whose time has come."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            self.look_after_launches()
            time.sleep(min(left_s, 0.02))

    def until(
        self, done: Callable[[], bool], what: str, process: Process | None = None, within_s: float = PATIENCE_S
    ) -> None:
        """Wait for something that must happen; a bound so long that only a hang reaches it."""
        until_s = time.monotonic() + within_s
        while not done():
            if process is not None and not process.alive:
                raise self.story.failure([f"waited for: {what}; {process.name} ended: {process.said()[-2000:]}"])
            if time.monotonic() > until_s:
                raise self.story.failure([f"waited {within_s:g} s in vain for: {what}"])
            self.look_after_launches()
            time.sleep(0.02)

    def busy(self) -> None:
        """Wait for a request to arrive at the vendor, so that what comes next comes amid them; BUSY_S at most."""
        until_s = time.monotonic() + BUSY_S
        before = self.stage.vendor.totals(doubles=False)["requests"]
        while time.monotonic() < until_s and self.stage.vendor.totals(doubles=False)["requests"] == before:
            self.look_after_launches()
            time.sleep(0.02)

    def reporting(self) -> None:
        """Wait for a report to be pushed to us; BUSY_S at most."""
        until_s = time.monotonic() + BUSY_S
        before = self.stage.vendor.totals(doubles=False)["reports_pushed"]
        while time.monotonic() < until_s and self.stage.vendor.totals(doubles=False)["reports_pushed"] == before:
            self.look_after_launches()
            time.sleep(0.02)

    def some_time_in(self, command: str) -> float:
        """Seconds after which this command, if it was just started, is likely to be in the middle of it."""
        return self.rng.uniform(0.3, 1.05) * self._took_s.get(command, 1.0)

    def took(self, command: str, seconds: float) -> None:
        """It ran from its beginning to its end in this time."""
        self._took_s[command] = seconds

    # --- launches ----------------------------------------------------------------------------------------------------

    def launch(self, *, kill: bool = False, repeat: bool = True, most: int = 1_400) -> Campaign:
        """Begin to launch a campaign by the command; kill it if so asked, and repeat it until it says that it is done.

        `repeat` False: a killed launch is left as it is.
        """
        campaign = write_list(self.stage.folder, self.rng, f"c{len(self.campaigns):04}", most=most)
        self.campaigns.append(campaign)
        self._launch(campaign, kill=kill, repeat=repeat)
        return campaign

    def launch_again(self, campaign: Campaign) -> None:
        """One more command for the same campaign, perhaps beside the first; once or twice, it is launched once."""
        self._launch(campaign, kill=False, repeat=True)

    def _launch(self, campaign: Campaign, *, kill: bool, repeat: bool) -> None:
        process = self.command(f"launch {campaign.id}", "campaign", "launch", *campaign.arguments())
        now_s = time.monotonic()
        kill_at_s = now_s + self.some_time_in("launch") if kill else None
        self.launching.append(Launching(campaign, process, now_s, kill_at_s, repeat))

    def look_after_launches(self) -> None:
        """Kill those whose time has come, repeat the killed ones, note those that are done."""
        for each in list(self.launching):
            if each.process.alive:
                if each.kill_at_s is None or time.monotonic() < each.kill_at_s:
                    continue
                each.process.kill9()
                self.figures["kill -9 launch"] += 1
                self.launching.remove(each)
                if each.repeat:
                    self._launch(each.campaign, kill=self.rng.random() < 0.3, repeat=True)
                continue
            self.launching.remove(each)
            code, said = each.process.wait(), each.process.said()
            if code == 0:
                each.campaign.certain = True
                self.took("launch", time.monotonic() - each.began_s)
                self.figures["launches"] += 1
                self.story.say(f"{each.campaign.id} is launched: {len(each.campaign.numbers)} recipients")
            elif self.may_end and code == 1 and said.startswith("error:") and said.count("\n") == 1:
                self.figures["gave up on the log"] += 1
                self._launch(each.campaign, kill=False, repeat=each.repeat)
            else:
                raise self.story.failure([f"the launch of {each.campaign.id} ended with {code}: {said[-2000:]}"])

    def launches_done(self) -> None:
        """Wait for the launches under way."""
        self.until(lambda: not self.launching, "the launches under way")

    # --- peace -------------------------------------------------------------------------------------------------------

    def peace(self) -> None:
        """No more faults: everything settles, the roles stop in order, all is compared. Raises CrashFailure."""
        self.story.say("peace")
        self._settle()
        for name in ("web", "lanes", "results"):
            self.stop(name)
        self._fail_on(compare(self) + exports_differ(self))
        self._fail_on(rebuilt(self))
        self.story.say("peace: everything agrees")

    def check(self) -> None:
        """As `peace`, but the roles go on. Raises CrashFailure."""
        self._settle()
        self._fail_on(compare(self))
        self.story.say("everything agrees")

    def _settle(self) -> None:
        for name in [name for name in self.roles if name not in ROLES]:
            self.stop(name)
        self.revive()
        self.launches_done()
        for campaign in sorted(self.paused):
            self.done("campaign", "resume", campaign)
        self.paused.clear()
        wait_until_settled(self)
        self.may_end = False

    def _fail_on(self, complaints: list[str]) -> None:
        if complaints:
            raise self.story.failure(complaints)

    def done(self, *arguments: str) -> str:
        """Run a command to its end; it must succeed. What it said."""
        began_s = time.monotonic()
        process = self.command(" ".join(arguments[:2]), *arguments)
        code = process.wait()
        self.took(arguments[1], time.monotonic() - began_s)
        if code != 0:
            raise self.story.failure([f"dispatcher {' '.join(arguments)} ended with {code}: {process.said()[-2000:]}"])
        return process.said()
