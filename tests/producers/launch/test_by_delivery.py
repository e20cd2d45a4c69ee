"""Routes that prefer delivery: who gets less, how much, and where nothing is known."""

from __future__ import annotations

from typing import Any

from dispatcher.clock import now_ms
from dispatcher.config.file import parse
from dispatcher.core.carriers import Carrier
from dispatcher.core.results.delivery import Delivery, outdone, wilson
from dispatcher.log.port import Entry
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import open_session
from producers.launch.api import launch, plan_launch
from producers.launch.by_delivery import preferred
from schemas.codec import encode
from schemas.records import Effect
from schemas.topics import REPORTS
from tests.service.reports.test_spend import MOBILE, Lane
from tests.store.joined_history import reports_record

ACCOUNT = {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": "x"}
ROUTE = {"default": {"spring": 1, "summer": 1, "autumn": 2}, "prefer": "delivery"}


def route(**keys):
    accounts = {"spring": ACCOUNT, "summer": ACCOUNT, "autumn": ACCOUNT}
    return parse({"account": accounts, "routes": {"national": ROUTE | keys}}, "d.toml").routes["national"]


def row(account, delivered, ended, carrier="mobile"):
    low, high = wilson(delivered, ended) if ended else (None, None)
    return Delivery(
        account=account,
        carrier=carrier,
        delivered=delivered,
        failed=ended - delivered,
        no_report=0,
        waiting=0,
        rate=delivered / ended if ended else None,
        rate_low=low,
        rate_high=high,
        delay_p50_s=None,
        delay_p95_s=None,
    )


def test_only_who_is_certainly_worse_is_outdone():
    assert outdone([row("a", 950, 1_000), row("b", 800, 1_000)]) == {"b"}
    assert outdone([row("a", 10, 10), row("b", 8, 10)]) == set(), "so few prove nothing"
    assert outdone([row("a", 950, 1_000), row("b", 0, 0)]) == set(), "nothing is known of b"
    assert outdone([]) == set()


def test_a_worse_account_keeps_its_share_of_exploration_at_that_carrier_alone():
    now, notes = preferred(route(explore_percent=20), [row("spring", 950, 1_000), row("summer", 700, 1_000)])
    assert now.shares(Carrier.MOBILE) == {"spring": 100, "summer": 20, "autumn": 200}
    assert now.shares(Carrier.UNICOM) == {"spring": 100, "summer": 100, "autumn": 200}
    assert notes == [
        'account "summer" gets 20 % of its share of China Mobile: it delivers 70.0% there, "spring" 95.0% '
        "(dispatcher report delivery)"
    ]


def test_accounts_of_other_routes_do_not_count():
    now, notes = preferred(route(), [row("winter", 1_000, 1_000), row("summer", 700, 1_000)])
    assert (dict(now.shares(Carrier.MOBILE)), notes) == ({"spring": 100, "summer": 100, "autumn": 200}, [])


async def test_a_launch_follows_what_was_reported_and_its_fingerprint_does_not(tmp_path):
    places = {"log": {"url": f"sqlite:{tmp_path / 'log.db'}"}, "store": {"url": f"sqlite:{tmp_path / 'results.db'}"}}
    national = {"default": {"spring": 1, "summer": 1}, "prefer": "delivery"}
    tables: dict[str, Any] = {"account": {"spring": ACCOUNT, "summer": ACCOUNT}, "routes": {"national": national}}
    numbers = [MOBILE + at for at in range(220)]
    later = LaunchRequest(numbers=numbers, text="【Shop】x，拒收请回复R", route=["national"], id="later")
    async with open_session(parse(places | tables, str(tmp_path / "d.toml"))) as session:
        for account, delivered in (("spring", 100), ("summer", 20)):
            request = LaunchRequest(numbers=numbers[:100], text="【Shop】hi", route=[account], id=f"by-{account}")
            await launch(session, request)
            lane = Lane(await session.log(), account)
            await lane.owned()
            at_ms = now_ms() - 60_000
            intent = await lane.intent(f"by-{account}", 0, 100, at_ms)
            await lane.outcome(intent, Effect.ACCEPTED, at_ms, vendor_id="77")
            rows = [
                ("77", number, 1 if at < delivered else 2, "D", at_ms // 1000 + 5)
                for at, number in enumerate(numbers[:100])
            ]
            record = encode(reports_record(account, rows))
            await lane.log.append(REPORTS.name, lane.partition, [Entry(account.encode(), record)])
        before = await launch(session, later)
        plan = await plan_launch(session, later)
        again = await launch(session, later)
    assert {leg.account: leg.recipients for leg in plan.accounts} == {"spring": 200, "summer": 20}
    assert any('account "summer" gets 10 % of its share of China Mobile' in note for note in plan.notes)
    assert (before.already_launched, again.already_launched) == (False, True)
