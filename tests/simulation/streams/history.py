"""One history of a stream beside a campaign: mishaps, then peace; then the vendor, the log and the results agree.

Segments and pages of keys are as small as they can be, so that a history has many of them.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import pytest

from dispatcher.core.lane import batches as lane_batches
from dispatcher.core.lane.spec import LaneSpec
from dispatcher.core.lane.state import LaneState
from dispatcher.core.messages.chunks import Batch
from dispatcher.core.streams import keys, segments
from dispatcher.store.views import CampaignView
from schemas.records import Appended, Budgeted, Cancelled, Flowed, Job
from schemas.states import EXPIRED, State
from tests.simulation.judging.joining import PARTITION, as_history
from tests.simulation.launches import Plan, launch
from tests.simulation.personal import PARTS_MAX
from tests.simulation.streams.messages import (
    FIRST,
    RUN,
    STREAM,
    Appenders,
    Message,
    StreamWatch,
    cost_of,
    launched,
    messages_on,
)
from tests.simulation.world.place import Place
from tests.simulation.world.process import Process
from tests.simulation.world.sim_log import SimLog
from tests.simulation.world.sim_vendor import SimVendor
from tests.simulation.world.world import ACCOUNT, START_S, Broken, World
from tests.store.joined_store import Driver, MemoryPlace

WAR_S: Final = 40.0
PEACE_S: Final = 120.0
BULK: Final = "bulk"
BUDGET_SHARE: Final = 0.3


def play(seed: int, *, joined: bool = True) -> Counter[str]:
    """Play the history of this seed; how many messages ended how. Raises Broken, AssertionError."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "SEGMENT_MAX", 7)
        patch.setattr(keys, "PAGE", 5)
        patch.setattr(lane_batches, "LOADED_MAX", 2)
        world = World(seed)
        try:
            return _play(world, joined=joined)
        except Broken:
            raise
        except Exception as error:
            raise world.broken(f"{type(error).__name__}: {error}") from error


def _play(world: World, *, joined: bool) -> Counter[str]:
    rng = world.rng
    log = SimLog(world, rng.choice(["sqlite", "kafka"]), faults=True)
    vendor = SimVendor(world, log, faults=True, credit=None)
    vendor.memory.acts = False
    spec = LaneSpec(
        account=ACCOUNT, numbers_max=rng.choice([1, 20]), limit=rng.choice([5, 50, None]), inflight_max=4, timeout_s=2.0
    )
    appenders, watch = Appenders(world, log, WAR_S), StreamWatch(world, log)
    plan = Plan(name=BULK, first=0, sizes=(60, 60), unknown="hold", weight=1, urgent=False, segments=1)
    batches: dict[int, Batch] = {}
    place = Place(world, log, vendor, batches, spec, opt_outs=_SharedList(watch), streams=watch)  # type: ignore[arg-type]
    money = _Money(world, log, appenders)
    record = launched("hold", 1, urgent=rng.random() < 0.7, budget=money.most)
    for name, run in ((STREAM, RUN), (BULK, 0)):
        vendor.segments[name], vendor.runs[name] = 1, run
    world.after(0.2, lambda: log.put("campaigns", [record]))
    world.after(rng.random() * WAR_S, lambda: launch(log, batches, plan, "a"))
    _controls(world, log)
    for _ in range(rng.choice([0, 3])):
        world.after(rng.random() * WAR_S, partial(watch.opts_out, rng.choice(appenders.wanted).number))
    processes: list[Process] = []

    def fresh() -> None:
        process = Process(place)
        process.wall_skew_ms = 0
        processes.append(process)
        process.start()

    fresh()
    while world.now_s < START_S + WAR_S:
        world.run(world.now_s + rng.expovariate(1 / 4.0))
        victim = processes[-1]
        match rng.choice(["kill", "freeze", "race", "stop", "reads late", "vendor down", "nothing"]):
            case "kill":
                victim.kill()
            case "freeze":
                victim.freeze(rng.random() * 8)
            case "stop":
                victim.stop()
            case "reads late":
                victim.read_late(rng.random() * 5)
            case "vendor down":
                vendor.down_until_s = world.now_s + rng.random() * 6
            case "race":
                fresh()
        if all(process.dead or process.stopped or process.frozen_until_s > world.now_s for process in processes):
            fresh()
    vendor.faults = log.faults = False
    vendor.down_until_s = 0.0
    world.run(world.now_s + 15.0)
    fresh()
    world.run(world.now_s + PEACE_S)
    while any(process.busy for process in processes) and world.now_s < START_S + 2_000:
        world.run(world.now_s + 20.0)
    sent = messages_on(log.topics["jobs"])
    twice = [number for number, times in vendor.taken.items() if times > _keys_of(sent, int(number))]
    if twice:
        raise world.broken(f"{twice[0].decode()} was sent {vendor.taken[twice[0]]} times")
    money.judge(vendor)
    return _judge(world, log, batches, vendor, watch, sent) if joined else Counter()


class _Money:
    """The stream's budget, in some histories: a part of what its messages cost, and more of it later. `most`: of it so
    far; 0: none.
    """

    def __init__(self, world: World, log: SimLog, appenders: Appenders) -> None:
        self._world, self._log = world, log
        rng = Random(f"{world.seed}, budget")
        whole = sum(cost_of(each.number) for each in appenders.wanted)
        self.most = max(PARTS_MAX, round(whole * rng.choice([0.2, 0.5, 0.9]))) if has_budget(world.seed) else 0
        self._raised = round(self.most * rng.choice([1.0, 1.0, 1.3]))
        if self._raised > self.most:
            world.after(rng.random() * WAR_S, self._raises)

    def _raises(self) -> None:
        self.most = self._raised
        self._log.put("campaigns", [Budgeted(campaign=STREAM, budget=self.most, at_ms=0, by="ann")])

    def judge(self, vendor: SimVendor) -> None:
        """The vendor took no more than the budget pays, and what it certainly did not take is not spent."""
        if not self.most:
            return
        of_stream = ((int(number), times) for number, times in vendor.taken.items() if int(number) >= FIRST)
        paid = sum(times * cost_of(number) for number, times in of_stream)
        if paid > self.most:
            raise self._world.broken(f"the vendor took {paid:,}, the budget was never above {self.most:,}")
        state = LaneState()
        for offset, record in enumerate(self._log.topics["jobs"]):
            if isinstance(record, Appended):
                state.take_appended(offset, record)
            elif isinstance(record, Job):
                state.take_job(offset, record)
            else:
                state.skip_inbox(offset)
        for offset, record in enumerate(self._log.topics["lanes"]):
            state.apply(offset, record)
        is_open = sum(chunk.cost_of(chunk.open_ranges) for chunk in state.open.values() if chunk.campaign == STREAM)
        spent = state.spent.get((ACCOUNT, STREAM), 0)
        if spent - is_open > paid:
            raise self._world.broken(f"{spent:,} count as spent, {is_open:,} are open, and the vendor took {paid:,}")


def has_budget(seed: int) -> bool:
    """Whether the stream of this history has a budget."""
    return Random(f"{seed}, money").random() < BUDGET_SHARE


class _SharedList:
    """The suppression list of all processes."""

    def __init__(self, watch: StreamWatch) -> None:
        self._watch = watch

    def for_process(self, process: object) -> object:
        return self._watch.suppressed

    def announces(self, *of: object) -> None:
        return None


def _controls(world: World, log: SimLog) -> None:
    rng = world.rng
    for _ in range(rng.choice([0, 0, 1])):
        begins_s = rng.random() * WAR_S
        for at_s, paused in ((begins_s, True), (begins_s + rng.random() * 20, False)):
            record = Flowed(campaign=STREAM, paused=paused, at_ms=0, by="t")
            world.after(at_s, partial(log.put, "campaigns", [record]))
    if rng.random() < 0.15:
        cancelled = Cancelled(campaign=STREAM, at_ms=0, by="t")
        world.after(rng.random() * WAR_S, partial(log.put, "campaigns", [cancelled]))


def _keys_of(sent: list[Message], number: int) -> int:
    """How many messages with keys of their own this number is meant to get."""
    return sum(message.number == number and not message.repeats for message in sent) or 1


def _judge(
    world: World, log: SimLog, batches: dict[int, Batch], vendor: SimVendor, watch: StreamWatch, sent: list[Message]
) -> Counter[str]:
    history, rng = as_history(log, batches), Random(world.seed)
    with tempfile.TemporaryDirectory() as folder:
        driver = Driver(Path(folder) / "a.db", history)
        driver.inputs("campaigns")
        places = [(topic, PARTITION) for topic in ("jobs", "lanes", "reports")]
        ends = {place: len(history.records.get(place, [])) for place in places}
        while any(driver.store.offsets()[place] < end for place, end in ends.items()):
            driver.store.take_inputs(driver.read([("jobs", PARTITION)], rng.randint(1, 40)))
            if driver.store.offsets()["jobs", PARTITION] == ends["jobs", PARTITION]:
                driver.take(places[1:], rng.randint(1, 60))
            if rng.random() < 0.1:
                driver.reopen()
            _adds_up(driver)
        driver.load(driver.store.batches_wanted(1000))
        rows = driver.rows()
        found = _ends(driver, sent, vendor, watch)
        driver.close()
        again, memory = Driver(Path(folder) / "b.db", history), Driver(MemoryPlace(), history)
        for each in (again, memory):
            each.all()
        assert again.rows() == rows, "a rebuild differs"
        assert _counts(again) == _counts(memory), "the stores differ"
        again.close()
    return found


def _view(driver: Driver) -> CampaignView:
    reader = driver.reader()
    try:
        view = reader.campaign(STREAM, now_ms=0)
        assert view is not None
        return view
    finally:
        reader.close()


def _counts(driver: Driver) -> object:
    view = _view(driver)
    return view.counts, view.stream, view.failures


def _adds_up(driver: Driver) -> None:
    reader = driver.reader()
    try:
        for view in reader.campaigns(now_ms=0):
            view.counts.check()
            for day in view.stream.days if view.stream is not None else ():
                day.counts.check()
    finally:
        reader.close()


def _ends(driver: Driver, sent: list[Message], vendor: SimVendor, watch: StreamWatch) -> Counter[str]:
    """Each message has its word, the vendor agrees with it, and the figures are the sums."""
    view, reader = _view(driver), driver.reader()
    pages = list(reader.pages(STREAM, now_ms=0))
    reader.close()
    words = [
        (int(number), State(int(state)), page.codes[code])
        for page in pages
        for number, state, code in zip(page.numbers, page.states, page.code_index.tolist(), strict=True)
    ]
    assert [number for number, _, _ in words] == [message.number for message in sent], "messages are missing"
    assert view.counts.rows == len(sent), f"{view.counts.rows} rows, {len(sent)} messages were appended"
    found: Counter[str] = Counter()
    numbers = Counter(message.number for message in sent if not message.repeats)
    for message, (number, state, code) in zip(sent, words, strict=True):
        times = vendor.taken.get(b"%d" % number, 0)
        word = EXPIRED if (state, code) == (State.FAILED, EXPIRED) else state.word
        found[word] += 1
        if message.repeats:
            assert state in (State.DUPLICATE, State.CANCELLED), f"a repeat of {number} counts as {state.word}"
            continue
        assert state is not State.DUPLICATE, f"the first message of a key to {number} counts as a repeat"
        assert state not in (State.IN_FLIGHT, State.QUEUED), f"{number} is {state.word} in the end"
        assert state is not State.SUPPRESSED or number in watch.opted_out, f"{number} never opted out"
        if state in (State.ACCEPTED, State.DELIVERED):
            assert times, f"{number} counts as {state.word}, the vendor never took it"
        if word in (EXPIRED, "suppressed", "cancelled") and numbers[number] == 1:
            assert not times, f"{number} counts as {word}, the vendor took it"
    assert view.stream is not None
    assert view.stream.expired == found[EXPIRED]
    assert view.counts.duplicate == found["duplicate"]
    assert view.counts.failed == found[EXPIRED] + found["failed"]
    days = Counter(message.day for message in sent)
    assert [day.counts.rows for day in view.stream.days] == [days[day] for day in sorted(days, reverse=True)]
    return found
