"""The plan: what a launch will do and cost."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest

from dispatcher.config.file import parse
from dispatcher.core.carriers import Carrier
from dispatcher.core.flow.forecast import Load
from dispatcher.core.schedule.hours import ALWAYS, Hours, daily
from dispatcher.service.campaigns.progress import AccountQueue
from dispatcher.wording import duration
from producers.launch.planning.plan import (
    ListOrigin,
    Plan,
    PlannedWave,
    PlannedWaves,
    RowCounts,
    beside_the_queues,
    load_of,
    make_plan,
    per_request,
    plan_accounts,
    rate,
    send_hours,
    shares,
)
from producers.launch.planning.plan_text import plan_lines, shortage
from producers.launch.route_split import Slice, split_route
from producers.launch.sending_hours import Terms
from schemas.records import AtClosing
from schemas.states import BY_FILE_SHOWN, ON_LIST
from tests.core.schedule.test_hours import at

LONG = "长" * 140  # three parts: 67 + 67 + 6


def account(**fields):
    table = {"vendor": "batch-a", "url": "http://127.0.0.1:9101", "account": "demo", "pswd": "x", **fields}
    return parse({"account": {"spring": table}}, "test.toml").account("spring")


def flow(limit, unit, per_s=1.0):
    return {"limit": limit, "per_s": per_s, "unit": unit}


@pytest.mark.parametrize(
    ("fields", "segments", "numbers", "per_s"),
    [
        ({}, 1, 50_000, 10_000),
        ({"numbers_per_request": 500}, 3, 500, 10_000),
        ({"flow": flow(500, "messages")}, 1, 50, 500),
        ({"flow": flow(500, "messages")}, 3, 50, 500),
        ({"flow": flow(500, "messages"), "numbers_per_request": 20}, 1, 20, 500),
        ({"flow": flow(600, "parts")}, 3, 20, 200),
        ({"flow": flow(2, "parts")}, 3, 1, Fraction(2, 3)),
        ({"flow": flow(10, "requests"), "numbers_per_request": 500}, 1, 500, 5000),
        ({"flow": flow(3000, "messages", 60.0)}, 1, 300, 50),
        ({"flow": flow(1, "requests", 0.1), "numbers_per_request": 7}, 1, 7, 70),
    ],
)
def test_rate_and_requests_follow_the_flow_limit(fields, segments, numbers, per_s):
    vendor = account(**fields)
    assert per_request(vendor, segments) == numbers
    assert rate(vendor, segments) == per_s


ORIGIN = ListOrigin(
    source="may.csv",
    column='"手机" (column 2)',
    encoding="utf-8",
    header_line=3,
    first_numbers=("139****0001", "138****0002"),
    other_columns=('"电话" (column 4)',),
)


def planned(route, sizes, text="hi", **changes):
    accounts = plan_accounts(route, text, split_route(sizes, shares(route, text)))
    options = {
        "campaign": "may",
        "name": "May sale",
        "origin": ORIGIN,
        "text": text,
        "counts": RowCounts(
            rows=sum(sizes) + 60,
            recipients=sum(sizes),
            duplicate=10,
            suppressed_reasons={BY_FILE_SHOWN: 5, ON_LIST: 15},
            invalid_reasons={"empty": 1, "scientific notation": 29},
        ),
        "batches": len(sizes),
        "carriers": {Carrier.MOBILE: sum(sizes) - 10, Carrier.UNKNOWN: 10},
        "accounts": accounts,
        "now_ms": 1_000_000,
        "notes": ("only sheet 1",),
    }
    return make_plan(**{**options, **changes})


def test_a_plan_adds_up():
    route = {"a": account(flow=flow(100, "messages")), "b": account(flow=flow(300, "messages"))}
    plan = planned(route, [50_000, 10_000], LONG)
    assert plan.rows == plan.recipients + plan.invalid + plan.duplicate + plan.suppressed
    assert (plan.segments, plan.messages) == (3, 180_000)
    assert [(each.recipients, each.jobs) for each in plan.accounts] == [(15_000, 2), (45_000, 2)]
    assert plan.requests == sum(each.requests for each in plan.accounts)
    assert [each.requests for each in plan.accounts] == [12_500 // 10 + 2_500 // 10, 37_500 // 30 + 7_500 // 30]
    assert plan.seconds == 150
    assert plan.finish_at_ms == 1_000_000 + 150_000


def test_accounts_that_rest_at_night_are_mentioned():
    (note,) = send_hours({"a": account(send_hours=[8, 21]), "b": account()})
    assert 'account "a" sends from 8:00 to 21:00 only' in note


def test_requests_are_counted_job_by_job():
    plan = planned({"a": account(numbers_per_request=40_000)}, [50_000, 10_000])
    assert plan.requests == 3


@pytest.mark.parametrize(("fields", "requests"), [({}, 180_000), ({"registered_delivery": 0}, 3 * (506 + 102))])
def test_each_part_of_a_text_is_a_request_on_a_link_to_one_number_or_to_a_group(fields, requests):
    keys = {"vendor": "cmpp", "url": "cmpp://127.0.0.1:1", "sp_id": "901234", "secret": "x", "src_id": "1069"}
    vendor = parse({"account": {"polar": keys | fields}}, "test.toml").account("polar")
    plan = planned({"polar": vendor}, [50_000, 10_000], LONG)
    assert (plan.messages, plan.requests) == (180_000, requests)


def test_the_slowest_account_says_when_it_is_done():
    route = {"a": account(flow=flow(10, "messages"), numbers_min=100), "b": account()}
    plan = planned(route, [50_000])
    assert plan.seconds == max(each.seconds for each in plan.accounts)


def test_the_plan_says_everything_that_is_asked_before_a_launch():
    from msgspec.structs import replace

    plan = planned({"a": account(flow=flow(500, "messages")), "b": account()}, [50_000], LONG)
    accounts = (replace(plan.accounts[0], balance=10.0), replace(plan.accounts[1], balance_note="no answer in 10 s"))
    text = "\n".join(plan_lines(replace(plan, accounts=accounts)))
    for words in (
        "may  May sale",
        'may.csv: "手机" (column 2), utf-8',
        "header on line 3, first numbers 139****0001, 138****0002",
        'not taken, though it looks like phone numbers: "电话" (column 4)',
        "50,060",
        "50,000 recipients in 1 batch",
        "49,990 China Mobile, 10 unknown carrier",
        "1 empty",
        "15 on the suppression list",
        "29 scientific notation (a spreadsheet",
        "140 characters, 3 segments per message",
        "150,000 in total",
        "at the earliest, ",
        "balance 10, needs 7,143: SHORT BY 7,133",
        "balance unknown (no answer in 10 s)",
        "no flow limit (10,000/s assumed)",
        "only sheet 1",
    ):
        assert words in text, words


TEXTS = [
    ("【Shop】Sale\nnow", "            【Shop】Sale␤now"),
    ("a" * 300, "            " + "a" * 300),
    ("a" * 300 + "b", f"            {'a' * 200} … (41 characters more) … {'a' * 59}b"),
]


@pytest.mark.parametrize(("text", "line"), TEXTS)
def test_the_plan_shows_the_text_as_it_will_leave(text, line):
    plan = planned({"a": account()}, [10], text)
    assert plan.text == text
    assert line in list(plan_lines(plan))


def test_accounts_that_cut_the_text_differently_say_each_how():
    route = {"a": account(), "b": account(text_split=[140, 134])}
    lines = "\n".join(plan_lines(planned(route, [100], LONG)))
    assert "140 characters, 1 to 3 segments per message" in lines
    assert re.search(r"a \(batch-a\): \d+ recipients, 3 segments per message", lines)
    assert re.search(r"b \(batch-a\): \d+ recipients, 1 segment per message", lines)


def test_a_balance_that_does_not_cover_the_need_is_said():
    from msgspec.structs import replace

    plan = planned({"a": account()}, [100])
    assert shortage(plan) == ""
    enough = replace(plan, accounts=(replace(plan.accounts[0], balance=100.0),))
    assert (enough.accounts[0].enough, shortage(enough)) == (True, "")
    short = replace(plan, accounts=(replace(plan.accounts[0], balance=40.0),))
    assert (short.accounts[0].enough, '"a" is short by 60 messages' in shortage(short)) == (False, True)
    assert plan.accounts[0].enough is None


APART = [
    # recipients of 100 that another credit pays, the balance, and what the plan says
    (None, 100.0, "balance 100, needs 100: enough", 0),
    (30, 70.0, "balance 70, needs 70: enough; 30 more of another credit, which is not compared", 0),
    (30, 60.0, "balance 60, needs 70: SHORT BY 10; 30 more of another credit", 10),
    (100, 0.0, "balance 0, pays none of it: 100 of another credit, which is not compared", 0),
]


@pytest.mark.parametrize(("apart", "balance", "words", "lacks"), APART)
def test_what_another_credit_pays_is_not_compared_with_the_balance(apart, balance, words, lacks):
    from msgspec.structs import replace

    route = {"a": account()}
    counted = None if apart is None else lambda start, count: min(count, max(0, apart - start))
    accounts = plan_accounts(route, "hi", split_route([60, 40], shares(route, "hi")), counted)
    plan = planned(route, [60, 40], accounts=(replace(accounts[0], balance=balance),))
    assert words in "\n".join(plan_lines(plan))
    assert shortage(plan).startswith(f'The balance is too low: "a" is short by {lacks} messages.' if lacks else "")
    assert bool(shortage(plan)) is bool(lacks)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.3, "less than a second"),
        (1, "1 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds, words):
    assert duration(seconds) == words


DAY = daily(8, 20)


def in_hours(
    recipients: int,
    *,
    at_closing: AtClosing = "pause",
    now: str = "2026-11-30 12:00",
    beside: int = 0,
    hours: Hours = ALWAYS,
    waves: PlannedWaves | None = None,
) -> Any:
    """A plan of a campaign that is sent from 8 to 20 over one account, one recipient per second; `hours`: others'."""
    vendor, now_ms = account(flow=flow(1, "messages")), at(now)
    terms = Terms("marketing", DAY, ALWAYS, at_closing)
    [one] = plan_accounts({"a": vendor}, "hi", [Slice("a", 0, 0, recipients)])
    queue = AccountQueue(loads=(Load("other", beside, hours=hours, recipients=beside),))
    load = load_of("may", one, 1, False, terms, now_ms)
    accounts = beside_the_queues([one], {"a": vendor}, {"a": queue}, [load], now_ms, waves)
    return planned({"a": vendor}, [recipients], accounts=accounts, now_ms=now_ms, terms=terms, waves=waves)


@pytest.mark.parametrize(
    ("plan", "finish", "left"),
    [
        (in_hours(3600), "2026-11-30 13:00", 0),
        (in_hours(8 * 3600), "2026-11-30 20:00", 0),
        (in_hours(9 * 3600), None, 3600),
        (in_hours(6 * 3600, beside=6 * 3600), None, 2 * 3600),
        (in_hours(9 * 3600, at_closing="continue"), "2026-12-01 09:00", 3600),
        (in_hours(3600, now="2026-11-30 21:00"), "2026-12-01 09:00", 0),
        (in_hours(13 * 3600, now="2026-11-30 21:00"), None, 3600),
    ],
    ids=[
        "in time",
        "to the minute",
        "too much",
        "too much beside",
        "goes on",
        "next morning",
        "more than a day",
    ],
)
def test_the_plan_proves_whether_the_campaign_is_sent_in_its_hours(plan: Plan, finish: str | None, left: int):
    assert (plan.finish_at_ms, plan.left_at_closing) == (None if finish is None else at(finish), left)


THREE_WAVES = PlannedWaves(
    waves=tuple(PlannedWave(wave=at, recipients=count) for at, count in enumerate((360, 1440, 1800), 1)), wait_s=7200
)


def test_the_plan_counts_the_waits_between_waves_and_says_when_it_is_sent_without_them():
    plan = in_hours(3600, waves=THREE_WAVES)
    assert (plan.finish_at_ms, plan.prompt_finish_at_ms) == (at("2026-11-30 17:00"), at("2026-11-30 13:00"))
    assert plan.alone_finish_at_ms == plan.finish_at_ms
    words = "2026-11-30 17:00:00 Asia/Shanghai if each wave waits as long as it may, 2026-11-30 13:00:00 Asia/Shanghai"
    assert f"{words} if reports come at once, 1 h of sending" in "\n".join(plan_lines(plan))


def test_what_a_later_wave_cannot_send_in_its_hours_is_left():
    plan = in_hours(3600, waves=THREE_WAVES, now="2026-11-30 16:00")
    assert (plan.finish_at_ms, plan.left_at_closing) == (None, 1800)
    assert plan.prompt_finish_at_ms == at("2026-11-30 17:00")
    goes_on = in_hours(3600, waves=THREE_WAVES, now="2026-11-30 16:00", at_closing="continue")
    assert (goes_on.finish_at_ms, goes_on.left_at_closing) == (at("2026-12-01 08:30"), 1800)


def test_the_plan_lets_recipients_of_a_stopped_account_move_to_the_next_one():
    now_ms, terms = at("2026-11-30 12:00"), Terms("marketing", DAY, ALWAYS, "pause")
    route = {"a": account(flow=flow(2, "messages")), "b": account(flow=flow(1, "messages"))}
    plans = plan_accounts(route, "hi", [Slice("a", 0, 0, 3600), Slice("b", 0, 0, 1800)])
    loads = [load_of("may", plan, 1, False, terms, now_ms) for plan in plans]

    def ends(**moves: Any) -> list[float | None]:
        return [plan.finish_s for plan in beside_the_queues(plans, route, {}, loads, now_ms, None, moves)]

    assert ends() == [1800, 1800]
    assert ends(a=("b", now_ms)) == [5400, 3600]  # both share account b until its own recipients are sent
    assert ends(a=("b", now_ms + 7_200_000)) == [7200 + 3600, 1800]


def test_the_plan_counts_others_only_if_they_may_be_sent_beside_it():
    assert in_hours(3600, beside=5).beside == 5
    assert in_hours(3600, beside=5, hours=daily(12, 18)).beside == 5
    assert in_hours(3600, beside=5, hours=daily(14, 18)).beside == 0


def test_the_plan_says_what_is_left_at_closing_time_and_what_then():
    waits = "\n".join(plan_lines(in_hours(9 * 3600)))
    assert "hours       08:00-20:00 Asia/Shanghai (class marketing)" in waits
    assert "NOT IN ITS HOURS: 9 h of sending at the flow limit" in waits
    assert (
        "28,800 of 32,400 by 2026-11-30 20:00:00, when its hours end; the other 3,600 wait until you resume it: "
        "dispatcher campaign resume may" in waits
    )
    goes_on = "\n".join(plan_lines(in_hours(9 * 3600, at_closing="continue")))
    assert "2026-12-01 09:00:00 Asia/Shanghai at the earliest" in goes_on
    assert "the other 3,600 are sent from the next opening on" in goes_on
    assert "start       2026-12-01 08:00:00" in "\n".join(plan_lines(in_hours(3600, now="2026-11-30 21:00")))
