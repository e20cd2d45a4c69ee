"""What was spent: the estimate from the results, and what the balances say beside it."""

from __future__ import annotations

from array import array
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dispatcher.config.file import Config, parse
from dispatcher.core.carriers import Carrier
from dispatcher.core.money.spend import DIMENSIONS, Dimension, Spent, total
from dispatcher.errors import UserError
from dispatcher.log.port import Entry, Log
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.views import show_campaign
from dispatcher.service.reports.spend import SpendReport, SpendWanted, campaign_spend, report_spend
from dispatcher.service.session import Session, open_session
from dispatcher.wording import day_of
from producers.launch.api import launch
from producers.launch.prepare import prepare
from schemas.codec import decode, encode
from schemas.packed_numbers import pack_ascending
from schemas.records import (
    AnyRecord,
    BalanceAsked,
    CarrierLearnt,
    Effect,
    Intent,
    Job,
    Kind,
    Operated,
    Outcome,
    Outcomes,
    Owned,
    Run,
    TextDecided,
)
from schemas.topics import CAMPAIGNS, CARRIERS, JOBS, LANES, REPORTS, lane_partition
from tests.store.joined_history import reports_record

BATCH = {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": "x"}
CMPP = {"vendor": "cmpp", "url": "cmpp://127.0.0.1:1", "sp_id": "901234", "secret": "x", "src_id": "1069"}
ACCOUNTS = {
    "spring": {**BATCH, "price": {"default": "0.045", "telecom": "0.050"}},
    "summer": {**BATCH, "price": {"default": "0.03"}},
    "autumn": BATCH,
    "winter": {
        **BATCH,
        "price": [{"default": "0.05"}, {"from": "2100-01-01", "default": "0.04", "telecom": "0.06"}],
    },
    "polar": {**CMPP, "price": {"default": "0.04"}},
}
MOBILE, TELECOM = 13_800_000_000, 13_300_000_000
EVENING_MS = 1_763_999_000_000  # 23:43:20 in Shanghai
YEAR_2100_MS = 4_102_416_000_000  # its beginning in Shanghai
DAY_MS = 86_400_000
LONG = "长" * 140


@pytest.fixture
def config(tmp_path: Path) -> Config:
    places = {"log": {"url": f"sqlite:{tmp_path}/log.db"}, "store": {"url": f"sqlite:{tmp_path}/results.db"}}
    return parse({**places, "account": ACCOUNTS}, str(tmp_path / "dispatcher.toml"))


class Lane:
    """Writes what a lane writes about one account."""

    def __init__(self, log: Log, account: str) -> None:
        self.log = log
        self.account = account
        self.partition = lane_partition(account)

    async def _append(self, topic: str, record: AnyRecord) -> int:
        entry = Entry(self.account.encode(), encode(record))
        return (await self.log.append(topic, self.partition, [entry]))[0]

    async def owned(self) -> None:
        await self._append(LANES.name, Owned(owner=self.account, at_ms=EVENING_MS, where="here"))

    async def jobs(self, campaign: str) -> list[tuple[int, Job]]:
        """The campaign's jobs here, and their offsets."""
        return [
            (stored.offset, record)
            for stored in await self.log.read(JOBS.name, self.partition, 0)
            if isinstance(record := decode(stored.value), Job)
            and (record.campaign, record.account) == (campaign, self.account)
        ]

    async def intent(self, campaign: str, start: int, count: int, at_ms: int = EVENING_MS, number: int = 0) -> int:
        """Announce recipients of one of the campaign's jobs here."""
        offset, job = (await self.jobs(campaign))[number]
        return await self._append(
            LANES.name,
            Intent(
                owner=self.account,
                n=0,
                account=self.account,
                campaign=campaign,
                job=offset,
                batch=job.batch,
                start=job.start + start,
                count=count,
                attempt=0,
                at_ms=at_ms,
            ),
        )

    async def outcome(self, intent: int, effect: Effect, at_ms: int = EVENING_MS, **more: Any) -> None:
        kind = {Effect.ACCEPTED: Kind.ACCEPTED, Effect.FAILED: Kind.REJECTED}.get(effect, Kind.UNKNOWN)
        await self._append(
            LANES.name,
            Outcome(
                account=self.account,
                intent=intent,
                effect=effect,
                kind=kind,
                code="0",
                at_ms=at_ms,
                sent_ms=at_ms,
                **more,
            ),
        )

    async def outcomes(self, intent: int, runs: tuple[Run, ...], ids: list[int], parts: int) -> None:
        packed = array("Q", ids).tobytes()
        at_ms = EVENING_MS
        await self._append(
            LANES.name,
            Outcomes(
                account=self.account, intent=intent, runs=runs, at_ms=at_ms, sent_ms=at_ms, ids=packed, parts=parts
            ),
        )


async def on_campaigns(log: Log, key: str, record: AnyRecord) -> None:
    await log.append(CAMPAIGNS.name, 0, [Entry(key.encode(), encode(record))])


async def report(session: Session, *by: Dimension, **wanted: Any) -> SpendReport:
    times = {"since_ms": EVENING_MS - DAY_MS, "until_ms": EVENING_MS + DAY_MS}
    return await report_spend(session, SpendWanted(by=by or ("account",), **{**times, **wanted}))


def figures(found: SpendReport, *by: Dimension) -> dict[Any, tuple[int, int, int, int]]:
    """By the values of these: recipients, parts, cost, open parts."""
    return {
        tuple(getattr(row, word) for word in by) if len(by) > 1 else getattr(row, by[0]): (
            row.spent.recipients,
            row.spent.parts,
            row.spent.cost_micro_yuan,
            row.spent.open_parts,
        )
        for row in found.rows
    }


async def launched(session: Session, campaign: str, numbers: Any, account: str, text: str = LONG, **more: Any) -> Lane:
    await launch(session, LaunchRequest(numbers=numbers, text=text, route=[account], id=campaign, **more))
    lane = Lane(await session.log(), account)
    await lane.owned()
    return lane


async def test_what_was_accepted_is_charged_whatever_was_reported_and_what_is_unknown_is_apart(config: Config) -> None:
    numbers = [*range(MOBILE, MOBILE + 6), *range(TELECOM, TELECOM + 4)]
    async with open_session(config) as session:
        lane = await launched(session, "may", numbers, "spring")
        taken = await lane.intent("may", 0, 4)
        await lane.outcome(taken, Effect.ACCEPTED, vendor_id="77")
        await lane.outcome(await lane.intent("may", 4, 1), Effect.FAILED)
        await lane.outcome(await lane.intent("may", 5, 2), Effect.UNKNOWN)
        await lane.outcome(await lane.intent("may", 7, 1), Effect.ACCEPTED, at_ms=EVENING_MS + DAY_MS // 2)
        await lane.intent("may", 8, 1)  # under way, and one more is queued
        failed = reports_record("spring", [("77", MOBILE, 2, "UNDELIV", EVENING_MS // 1000)])
        await lane.log.append(REPORTS.name, lane.partition, [Entry(b"spring", encode(failed))])
        shown = (await show_campaign(session, "may")).cost
        found = await report(session, "carrier", "day", until_ms=EVENING_MS + 10 * 365 * DAY_MS)
    assert shown is not None
    assert (shown.planned_micro_yuan, shown.spent_micro_yuan) == (18 * 45_000 + 12 * 50_000, None), "two prices"
    today, tomorrow = day_of(EVENING_MS), day_of(EVENING_MS + DAY_MS // 2)
    rows = figures(found, "carrier", "day")
    assert rows["mobile", today] == (4, 12, 12 * 45_000, 3)
    assert rows["telecom", today] == (0, 0, 0, 3)
    assert rows["telecom", tomorrow] == (1, 3, 150_000, 0)
    assert sum(row.spent.open_parts for row in found.rows) == 9, "two are unknown, one is under way"
    assert found.total == total(row.spent for row in found.rows)


async def test_a_part_costs_what_its_day_of_sending_says_and_ported_numbers_what_their_carrier_costs(
    config: Config,
) -> None:
    async with open_session(config) as session:
        lane = await launched(session, "may", range(MOBILE, MOBILE + 4), "winter", "【店】hi")
        assert (await show_campaign(session, "may")).cost is not None
        for start, at_ms in ((0, YEAR_2100_MS - 1), (1, YEAR_2100_MS), (2, YEAR_2100_MS)):
            await lane.outcome(await lane.intent("may", start, 1, at_ms), Effect.ACCEPTED, at_ms, vendor_id=f"{start}")
        ported = pack_ascending(np.array([MOBILE + 2]))
        learnt = CarrierLearnt(account="winter", code="NP:1", carrier=Carrier.TELECOM, count=1, numbers=ported, at_ms=1)
        await lane.log.append(CARRIERS.name, 0, [Entry(b"winter", encode(learnt))])
        found = await report(session, "carrier", until_ms=YEAR_2100_MS + DAY_MS)
    assert {row.carrier: row.spent.cost_micro_yuan for row in found.rows} == {
        "mobile": 50_000 + 40_000,
        "telecom": 60_000,
    }


async def test_a_plan_has_the_prices_of_the_day_on_which_it_begins(config: Config) -> None:
    request = LaunchRequest(numbers=[MOBILE, TELECOM], text="【店】hi", route=["winter"])
    async with open_session(config) as session:
        for start_ms, cost in ((0, 100_000), (YEAR_2100_MS, 100_000), (YEAR_2100_MS + DAY_MS, 100_000)):
            with closing(await prepare(session, request, ask_balance=False, start_ms=start_ms)) as prepared:
                prices = {each.price_micro_yuan for each in prepared.plan.accounts[0].costs}
                assert prices == ({50_000} if not start_ms else {40_000, 60_000})
                assert prepared.plan.cost_micro_yuan == cost


async def test_the_sums_add_up_by_any_words(config: Config) -> None:
    numbers = [*range(MOBILE, MOBILE + 3), *range(TELECOM, TELECOM + 3)]
    async with open_session(config) as session:
        for campaign, account, person in (
            ("may", "spring", "ann"),
            ("june", "summer", "bob"),
            ("july", "autumn", "ann"),
        ):
            lane = await launched(session, campaign, numbers, account, by=person)
            await lane.outcome(await lane.intent(campaign, 0, 5), Effect.ACCEPTED)
            await lane.outcome(await lane.intent(campaign, 5, 1), Effect.UNKNOWN)
        everything = await report(session, *DIMENSIONS)
        for by in DIMENSIONS:
            found = await report(session, by)
            assert found.total == everything.total == total(row.spent for row in found.rows)
        by_campaign = {row.campaign: row.spent for row in (await report(session, "campaign")).rows}
        assert {name: await campaign_spend(session, name) for name in by_campaign} == by_campaign
        assert figures(await report(session, "person"), "person") == {
            "ann": (10, 30, 3 * 3 * 45_000 + 2 * 3 * 50_000, 6),
            "bob": (5, 15, 15 * 30_000, 3),
        }
    spent = everything.total
    assert (spent.parts, spent.unpriced_parts, spent.open_parts, spent.open_unpriced_parts) == (45, 15, 9, 3)
    assert spent.open_cost_micro_yuan == 3 * 50_000 + 3 * 30_000
    assert {row.spent.cost_micro_yuan for row in everything.rows if row.account == "autumn"} == {0}


async def test_each_personal_text_counts_its_own_parts(config: Config) -> None:
    rows = "mobile,name\n" + "\n".join(f"{MOBILE + at},{'长' * (1 + 70 * at)}" for at in range(4))
    async with open_session(config) as session:
        lane = await launched(session, "may", rows.encode(), "summer", text="{name}!")
        await lane.outcome(await lane.intent("may", 1, 2), Effect.ACCEPTED)
        await lane.outcome(await lane.intent("may", 3, 1), Effect.UNKNOWN)
        found = await report(session)
    assert figures(found, "account") == {"summer": (2, 2 + 3, 5 * 30_000, 4)}


async def test_each_of_several_texts_counts_its_own_parts(config: Config) -> None:
    async with open_session(config) as session:
        terms = {"more_texts": [LONG], "waves": "50 %, rest"}
        lane = await launched(session, "may", list(range(MOBILE, MOBILE + 80)), "summer", text="hi", **terms)
        jobs = [job for _, job in await lane.jobs("may")]
        assert [(job.wave, job.variant, job.count) for job in jobs] == [(1, 0, 20), (1, 1, 20), (2, -1, 40)]
        for number, job in enumerate(jobs[:2]):
            await lane.outcome(await lane.intent("may", 0, job.count, number=number), Effect.ACCEPTED)
        first, cost = await report(session), (await show_campaign(session, "may")).cost
        decided = TextDecided(campaign="may", variant=1, at_ms=EVENING_MS, by="ann")
        await on_campaigns(lane.log, "may!text", decided)
        await lane.outcome(await lane.intent("may", 0, 40, number=2), Effect.ACCEPTED)
        second = await report(session)
    assert (first.total.parts, second.total.parts) == (20 * 1 + 20 * 3, 20 * 1 + 20 * 3 + 40 * 3)
    assert cost is not None
    assert (cost.planned_micro_yuan, cost.spent_micro_yuan) == ((20 + 60 + 120) * 30_000, None)


async def test_of_a_link_the_parts_that_the_gateway_took_are_charged(config: Config) -> None:
    async with open_session(config) as session:
        lane = await launched(session, "may", list(range(MOBILE, MOBILE + 6)), "polar", text="长" * 100)
        runs = (
            Run(0, 1, Effect.ACCEPTED, Kind.ACCEPTED, "0"),
            Run(1, 1, Effect.FAILED, Kind.REJECTED, "9"),  # its second part was refused
            Run(2, 1, Effect.UNKNOWN, Kind.UNKNOWN, "/no-answer"),  # its first part has no answer
            Run(3, 1, Effect.QUEUED, Kind.NOT_SENT, ""),
            Run(4, 1, Effect.FAILED, Kind.REJECTED, "9"),  # all of it
        )
        ids = [1, 2, 3, 0, 0, 5, 0, 0, 0, 0]
        await lane.outcomes(await lane.intent("may", 0, 5), runs, ids, 2)
        found = await report(session)
        late = reports_record("polar", [("3", MOBILE + 1, 1, "DELIVRD", EVENING_MS // 1000)])
        await lane.log.append(REPORTS.name, lane.partition, [Entry(b"polar", encode(late))])
        again = await report(session)
    assert figures(found, "account") == {"polar": (3, 2 + 1 + 1, 4 * 40_000, 1)}
    assert again.total == found.total, "a report of a part of a refused message changes nothing"


async def test_balances_show_what_the_estimate_does_not_explain(config: Config) -> None:
    async with open_session(config) as session:
        lane = await launched(session, "may", list(range(MOBILE, MOBILE + 10)), "summer")
        for day, messages in ((-1, 1_000.0), (1, 1_465.0)):
            at_ms = EVENING_MS + day * DAY_MS // 2
            asked = BalanceAsked(account="summer", at_ms=at_ms, by="the lane", messages=messages, says="")
            await on_campaigns(lane.log, f"balance!summer!{day_of(at_ms)}", asked)
        shows = (("account", "demo"), ("fee", "15"))
        for result in ("asked", "done"):
            at_ms = EVENING_MS
            paid = Operated(
                operation="a1", account="summer", name="recharge", shows=shows, result=result, at_ms=at_ms, by="ann"
            )
            await on_campaigns(lane.log, f"operation!a1!{result}", paid)
        await lane.outcome(await lane.intent("may", 0, 10), Effect.ACCEPTED)
        found = await report(session, top_ups={"summer": 2})
    [balance] = found.balances
    assert (balance.before, balance.topped_up, balance.after) == (1_000.0, 502, 1_465.0), "15 CNY buy 500 at 0.03"
    assert (balance.used, balance.charged, balance.difference) == (37.0, 30, 7.0)
    assert balance.difference_micro_yuan == 7 * 30_000
    assert found.no_balances == ()


async def test_an_account_without_two_balances_is_named(config: Config) -> None:
    async with open_session(config) as session:
        lane = await launched(session, "may", [MOBILE], "summer")
        await lane.outcome(await lane.intent("may", 0, 1), Effect.ACCEPTED)
        cost = (await show_campaign(session, "may")).cost
        found = await report(session)
        nothing = await report(session, since_ms=EVENING_MS + DAY_MS, until_ms=EVENING_MS + 2 * DAY_MS)
    assert (found.balances, found.no_balances) == ((), ("summer",))
    assert (nothing.rows, nothing.total) == ((), Spent())
    assert cost is not None
    assert (cost.spent_micro_yuan, cost.open_micro_yuan) == (found.total.cost_micro_yuan, 0)


async def test_a_time_that_ends_before_it_begins_and_unknown_words_are_refused(config: Config) -> None:
    async with open_session(config) as session:
        await launched(session, "may", [MOBILE], "summer")
        with pytest.raises(UserError, match="must begin before it ends"):
            await report(session, since_ms=5, until_ms=5)
        with pytest.raises(UserError, match="--by takes account, carrier, day, person, campaign"):
            await report(session, "week")  # type: ignore[arg-type]
