"""Runs a scenario: carries out what is due, shows progress, and gathers the facts at the end.

The run is over when everything has happened, every campaign is over, and the vendors have nothing left to push; or when
nothing has changed for `run.patience_s`, or `expect.within_s` has passed twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import msgspec
import polars as pl

from dispatcher.errors import DispatcherError
from dispatcher.service.campaigns.progress import over
from dispatcher.service.session import open_session
from dispatcher.store.opening import open_reader
from dispatcher.store.port import CampaignView, StoreReader
from loadtest.scenarios.events import do, launch, words
from loadtest.scenarios.format import CampaignPart, EventPart, Scenario
from loadtest.scenarios.ledger_comparison import Comparison, compare, our_rows, their_rows
from loadtest.scenarios.lists import MadeList, text_of, told_apart
from loadtest.scenarios.stage import Stage
from loadtest.screen import Screen
from loadtest.sim.profiles import VENDORS

LOOK_EVERY_S: Final = 0.25
ASK_EVERY_S: Final = 0.5
QUIET_S: Final = 1.0
DOUBT_S: Final = 8.0  # with unknown recipients: evidence is searched for every other second, and the lane decides
HANDS: Final = 8
OVERTIME: Final = 2.0
INBOUND_MAX: Final = 1_000_000


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known after a run. `totals` are the vendors' ledgers by vendor, with `gateways` by code if it is a
    network of them; `refused` by account how many
    recipients the vendor refused for good; `listed` how many recipients are in the list of unknowns;
    `made` by campaign what is in its list.
    """

    scenario: Scenario
    log: str
    views: tuple[CampaignView, ...]
    totals: Mapping[str, Mapping[str, Any]]
    comparison: Comparison
    refused: Mapping[str, int]
    listed: int
    inbound: int
    made: Mapping[str, MadeList]
    happened: tuple[tuple[float, str], ...]
    not_happened: tuple[str, ...]
    wrong: tuple[str, ...]
    seconds: float


class _Due(msgspec.Struct):
    """A due action: a launch, an event, or its undoing. It waits for the one called `behind`, if that has begun."""

    words: str
    work: Any
    at_s: float | None = None
    after_taken: float | None = None
    behind: str = ""


class Run:
    """One run of a staged scenario."""

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self._stage = stage
        self._screen = screen
        self._scenario = stage.scenario
        self._due = [self._launch(campaign) for campaign in stage.scenario.campaigns]
        self._due += [self._event(event) for event in stage.scenario.events]
        self._under_way: dict[Future[None], str] = {}
        self._happened: list[tuple[float, str]] = []
        self._totals: dict[str, dict[str, Any]] = {}
        self._down: set[str] = set()
        self._began_s = 0.0

    def run(self) -> Facts:
        """Run it, and gather the facts. Raises DispatcherError if the scenario itself could not be carried out."""
        self._began_s = time.monotonic()
        reader = open_reader(self._stage.loaded.store)
        wrong: list[str] = []
        try:
            with ThreadPoolExecutor(HANDS) as hands, self._screen.shown():
                wrong += self._until_over(reader, hands)
        finally:
            reader.close()
        seconds = self._now_s()
        wrong += self._stage.processes.stop(["web", "lanes", "results"])
        return asyncio.run(self._facts(wrong, seconds))

    def _now_s(self) -> float:
        return time.monotonic() - self._began_s

    # --- what is to happen -------------------------------------------------------------------------------------------

    def _launch(self, campaign: CampaignPart) -> _Due:
        def work() -> None:
            self._tell(launch(self._stage, campaign))

        at_s = None if campaign.after_taken is not None else campaign.at_s
        return _Due(_launch_of(campaign.id), work, at_s, campaign.after_taken)

    def _event(self, event: EventPart) -> _Due:
        def work() -> None:
            undo = do(self._stage, event)
            self._tell(words(event))
            if undo is not None and event.for_s is not None:
                self._due.append(
                    _Due(f"end of: {words(event)}", self._undoing(undo, event), self._now_s() + event.for_s)
                )

        behind = _launch_of(event.campaign) if event.campaign is not None else ""
        return _Due(words(event), work, event.at_s, event.after_taken, behind)

    def _undoing(self, undo: Any, event: EventPart) -> Any:
        def work() -> None:
            undo()
            self._tell(f"end of: {words(event)}")

        return work

    def _tell(self, what: str) -> None:
        now_s = self._now_s()
        self._happened.append((now_s, what))
        self._screen.say(f"{now_s:7.1f} s  {what}")

    def _begin_what_is_due(self, share: float, hands: ThreadPoolExecutor) -> None:
        now_s = self._now_s()
        due = [
            each
            for each in self._due
            if (each.at_s is not None and each.at_s <= now_s)
            or (each.after_taken is not None and each.after_taken <= share)
        ]
        begun = {*self._under_way.values(), *(each.words for each in due)}
        for each in due:
            if each.behind in begun:
                continue
            self._due.remove(each)
            self._under_way[hands.submit(each.work)] = each.words
        for future in [future for future in self._under_way if future.done()]:
            what = self._under_way.pop(future)
            try:
                future.result()
            except DispatcherError as error:
                raise DispatcherError(f"{self._scenario.path}: could not {what}: {error}") from error

    # --- watching ----------------------------------------------------------------------------------------------------

    def _until_over(self, reader: StoreReader, hands: ThreadPoolExecutor) -> list[str]:
        changed_s = quiet_s = asked_s = 0.0
        before: Any = None
        asking: list[Future[None]] = []
        limit_s = self._scenario.expect.within_s
        while True:
            now_s = self._now_s()
            views = reader.campaigns()
            if now_s - asked_s >= ASK_EVERY_S and all(each.done() for each in asking):
                asked_s = now_s
                asking = [hands.submit(self._ask, name) for name in self._stage.vendors]
            self._begin_what_is_due(self._share(views), hands)
            self._screen.draw(views, self._notes(), now_s)
            if lost := self._stage.processes.lost():
                return lost
            counts: Any = ([view.counts for view in views], sum(map(_heard, self._totals.values())), len(self._due))
            if counts != before or self._under_way:
                changed_s, before = now_s, counts
            if not self._is_quiet(views):
                quiet_s = now_s
            if not any(each.at_s is not None for each in self._due):
                if now_s - max(quiet_s, changed_s) >= self._rest_s(views):
                    return []
                if now_s - changed_s > self._scenario.run.patience_s:
                    return [f"nothing changed any more for {self._scenario.run.patience_s:g} s"]
            if limit_s is not None and now_s > OVERTIME * limit_s:
                return [f"given up after {now_s:.0f} s"]
            time.sleep(LOOK_EVERY_S)

    def _ask(self, vendor: str) -> None:
        try:
            self._totals[vendor] = self._stage.vendors[vendor].totals(doubles=False)
            self._down.discard(vendor)
        except OSError:
            self._down.add(vendor)

    def _share(self, views: Sequence[CampaignView]) -> float:
        """The share of all recipients that the vendors have taken."""
        launched = {view.id: view.counts.recipients for view in views}
        whole = sum(launched.get(each.id, each.recipients or 0) for each in self._scenario.campaigns)
        return sum(int(totals["numbers_accepted"]) for totals in self._totals.values()) / max(whole, 1)

    def _is_quiet(self, views: Sequence[CampaignView]) -> bool:
        """Whether all campaigns are over, and no vendor has anything left to push."""
        to_come = {each.words for each in self._due}
        expected = [each for each in self._scenario.campaigns if f"launch {each.id}" not in to_come]
        if self._under_way or self._down or len(views) < len(expected) or not over(views):
            return False
        return len(self._totals) == len(self._stage.vendors) and not any(map(_busy, self._totals.values()))

    @staticmethod
    def _rest_s(views: Sequence[CampaignView]) -> float:
        return DOUBT_S if any(view.counts.unknown for view in views) else QUIET_S

    def _notes(self) -> list[str]:
        return [
            f"{name:<12} is down"
            if name in self._down
            else f"{name:<12} {totals['numbers_accepted']:,} taken, {totals['reports_acked']:,} reports taken by us, "
            f"{totals['reports_waiting']:,} to come; {totals['windows_over_limit']:,} windows over the flow limit"
            for name, totals in sorted(self._totals.items())
        ]

    # --- the end -----------------------------------------------------------------------------------------------------

    async def _facts(self, wrong: list[str], seconds: float) -> Facts:
        config, scenario = self._stage.loaded, self._scenario
        totals = {name: vendor.totals() for name, vendor in self._stage.vendors.items()}
        for name, vendor in self._stage.vendors.items():
            if len(vendor.named) > 1:
                totals[name]["gateways"] = {code: gateway.totals() for code, gateway in vendor.named.items()}
        async with open_session(config) as session:
            while await session.behind():
                pass
        reader = open_reader(config.store)
        try:
            views = tuple(reader.campaigns())
            refused: dict[str, int] = {}
            for failure in (failure for view in views for failure in view.failures if failure.source == "submit"):
                refused[failure.account] = refused.get(failure.account, 0) + failure.recipients
            return Facts(
                scenario=scenario,
                log=config.log.url,
                views=views,
                totals=totals,
                comparison=self._compare(reader, views),
                refused=refused,
                listed=sum(chunk.recipients for chunk in reader.unknown()),
                inbound=len(reader.inbound(messages_max=INBOUND_MAX)),
                made=self._stage.lists,
                happened=tuple(self._happened),
                not_happened=tuple(each.words for each in self._due),
                wrong=tuple(wrong),
                seconds=seconds,
            )
        finally:
            reader.close()

    def _compare(self, reader: StoreReader, views: Sequence[CampaignView]) -> Comparison:
        texts = {text_of(each): each.id for each in self._scenario.campaigns}
        theirs = []
        for name, vendor in self._stage.vendors.items():
            kind, rows = VENDORS[self._scenario.vendors[name].vendor], vendor.recipients()
            for campaign in self._scenario.campaigns:
                if campaign.variables:
                    rows = told_apart(rows, campaign, self._stage.lists[campaign.id].path)
            theirs.append(their_rows(rows, texts, kind.delivered, kind.codes, kind.interim, kind.named))
        if not views:
            return Comparison(compared=0, lost=0, disagreements=("there is no campaign in our results",))
        return compare(pl.concat([our_rows(view.id, reader.pages(view.id)) for view in views]), pl.concat(theirs))


def _busy(totals: Mapping[str, Any]) -> bool:
    return bool(totals["reports_waiting"] or totals["inbound_waiting"] or totals["in_work"])


def _heard(totals: Mapping[str, Any]) -> int:
    """What changes at a vendor as long as something is sent to it or pushed by it; not its balance, asked for ever."""
    return int(totals["requests"]) + int(totals["pushes"])


def _launch_of(campaign: str) -> str:
    return f"launch {campaign}"
