"""Launches by a route with rules: each carrier's numbers go to its accounts, in their shares."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from io import StringIO
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dispatcher.carriers.lookup import carrier_of
from dispatcher.config.file import Config, parse
from dispatcher.errors import UserError
from dispatcher.log.port import Log
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.views import show_campaign
from dispatcher.service.session import open_session
from dispatcher.terminal.campaigns import campaign_page
from producers.launch.api import launch, plan_launch
from producers.launch.planning.plan_text import plan_lines
from producers.launch.route_split import AccountRate, split_by_rules
from schemas.records import Job
from tests.memory_log import MemoryLog
from tests.producers.launch import launched as on_log
from tests.producers.launch.test_personal import texts

BATCH = {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": "x"}
COSMS = {"vendor": "cosms", "url": "http://127.0.0.1:9", "corp_id": "1", "login_name": "demo", "password": "x"}
MOBILE, UNICOM, TELECOM = 13_800_000_000, 13_000_000_000, 13_300_000_000
NUMBERS = [number for at in range(40) for number in (MOBILE + at, UNICOM + at)] + [TELECOM]
ROUTE = {"mobile": {"spring": 3, "summer": 1}, "unicom": "summer", "default": "autumn"}
TEXT = "【Shop】五月大促，拒收请回复R"


def configured(tmp_path, **routes) -> Config:
    table = {
        "log": {"url": "sqlite:log.db"},
        "store": {"url": f"sqlite:{tmp_path / 'results.db'}"},
        "account": {
            "spring": BATCH,
            "summer": BATCH,
            "autumn": BATCH,
            "winter": {**COSMS, "international": True, "text_chars_max": 480},
            "bulky": BATCH | {"numbers_min": 100},
        },
        "routes": {"national": ROUTE} | routes,
    }
    return parse(table, str(tmp_path / "d.toml"))


async def sent(config: Config, log: Log, numbers=NUMBERS, text=TEXT, **request) -> dict[str, list[str]]:
    """The numbers of each account's jobs."""
    async with open_session(config, log=log) as session:
        route = request.pop("route", ["national"])
        await launch(session, LaunchRequest(numbers=numbers, text=text, route=route, id="may", **request))
    return await on_log.recipients(log, await on_log.launched(log, "may"))


def carriers(found: dict[str, list[str]]) -> dict[str, Counter[str]]:
    return {account: Counter(carrier_of(int(number)).word for number in mine) for account, mine in found.items()}


async def test_each_carriers_numbers_go_to_its_accounts_by_weight(tmp_path):
    found = await sent(configured(tmp_path), MemoryLog())
    assert carriers(found) == {
        "spring": {"mobile": 30},
        "summer": {"mobile": 10, "unicom": 40},
        "autumn": {"telecom": 1},
    }
    assert sorted(number for mine in found.values() for number in mine) == sorted(map(str, NUMBERS))


async def test_the_campaign_shows_how_many_recipients_each_carrier_has(tmp_path):
    places = {"log": {"url": f"sqlite:{tmp_path / 'log.db'}"}, "store": {"url": f"sqlite:{tmp_path / 'results.db'}"}}
    config = parse(places | {"account": {"spring": BATCH}}, str(tmp_path / "d.toml"))
    async with open_session(config) as session:
        await launch(session, LaunchRequest(numbers=NUMBERS, text=TEXT, route=["spring"], id="may"))
        shown = await show_campaign(session, "may")
    assert shown.carriers == {"mobile": 40, "unicom": 40, "telecom": 1}
    screen = Console(width=120, file=StringIO())
    screen.print(campaign_page(shown))
    assert "40 China Mobile, 40 China Unicom, 1 China Telecom" in screen.file.getvalue()  # type: ignore[attr-defined]


async def test_personal_values_stay_with_their_numbers(tmp_path):
    table = "手机,名\n" + "".join(f"{number},n{number % 1000}\n" for number in NUMBERS)
    log = MemoryLog()
    found = await sent(configured(tmp_path), log, table.encode(), "【Shop】{名}，拒收请回复R")
    assert carriers(found)["summer"] == {"mobile": 10, "unicom": 40}
    assert dict(await texts(log)) == {str(number): f"【Shop】n{number % 1000}，拒收请回复R" for number in NUMBERS}


async def test_waves_and_rules_go_together(tmp_path):
    log = MemoryLog()
    found = await sent(configured(tmp_path), log, waves="50 %, rest")
    assert carriers(found)["autumn"] == {"telecom": 1}
    assert carriers(found)["summer"]["unicom"] == 40
    launched = await on_log.launched(log, "may")
    assert sum(wave.recipients for wave in launched.waves) == len(NUMBERS)


async def test_the_plan_says_who_sends_to_which_carrier(tmp_path):
    async with open_session(configured(tmp_path), log=MemoryLog()) as session:
        plan = await plan_launch(session, LaunchRequest(numbers=NUMBERS, text=TEXT, route=["national"]))
    assert plan.by_carrier == {
        "mobile": {"spring": 30, "summer": 10},
        "unicom": {"summer": 40},
        "telecom": {"autumn": 1},
    }
    assert "China Mobile: 30 by spring, 10 by summer" in "\n".join(plan_lines(plan))
    assert [(each.account, each.recipients) for each in plan.accounts] == [
        ("spring", 30),
        ("summer", 50),
        ("autumn", 1),
    ]


async def test_another_weight_is_another_campaign_and_the_same_route_is_the_same(tmp_path):
    log = MemoryLog()
    await sent(configured(tmp_path), log)
    await sent(configured(tmp_path, other=ROUTE), log, route=["other"])
    with pytest.raises(UserError, match="may"):
        await sent(configured(tmp_path, other=ROUTE | {"mobile": {"spring": 1, "summer": 1}}), log, route=["other"])


async def test_numbers_abroad_go_only_to_an_account_that_sends_there(tmp_path):
    config = configured(tmp_path, far={"abroad": "winter", "default": "spring"})
    found = await sent(config, MemoryLog(), ["+85291234567", str(MOBILE)], route=["far"])
    assert found == {"spring": [str(MOBILE)], "winter": ["85291234567"]}


CAREFUL = {"mobile": [{"spring": 3, "summer": 1}, "winter"], "default": ["autumn"], "failover_after_s": 60}


async def test_jobs_say_where_their_recipients_may_move_and_every_account_has_its_leg(tmp_path):
    log = MemoryLog()
    await sent(configured(tmp_path, careful=CAREFUL), log, route=["careful"])
    launched = await on_log.launched(log, "may")
    assert (launched.failover_after_ms, launched.fail_back) == (60_000, False)
    recipients = {leg.account: leg.recipients for leg in launched.legs}
    assert recipients == {"spring": 30, "summer": 10, "winter": 0, "autumn": 41}
    jobs = [job for _, job in await on_log.records(log, "jobs") if isinstance(job, Job)]
    then = {job.account: job.then for job in jobs}
    assert then == {"spring": ("summer", "winter"), "summer": ("spring", "winter"), "autumn": ()}


async def test_a_launch_is_judged_for_every_account_that_recipients_may_come_to(tmp_path):
    config = configured(tmp_path, careful=CAREFUL | {"default": ["spring", "winter"]})
    with pytest.raises(UserError, match='account "winter" takes 480'):
        await sent(config, MemoryLog(), text=TEXT + "x" * 470, route=["careful"])
    bulky = configured(tmp_path, careful={"default": ["spring", "bulky"], "failover_after_s": 60})
    with pytest.raises(UserError, match="takes at least 100 numbers a request"):
        await sent(bulky, MemoryLog(), route=["careful"])
    far = configured(tmp_path, far={"abroad": ["winter", "spring"], "default": "spring", "failover_after_s": 60})
    with pytest.raises(UserError):
        await sent(far, MemoryLog(), ["+85291234567"], route=["far"])


async def test_the_plan_tells_the_order_and_when_recipients_move(tmp_path):
    async with open_session(configured(tmp_path, careful=CAREFUL | {"fail_back": True}), log=MemoryLog()) as session:
        plan = await plan_launch(session, LaunchRequest(numbers=NUMBERS, text=TEXT, route=["careful"]))
    [note] = [note for note in plan.notes if note.startswith("failover")]
    assert note.startswith("failover of China Mobile: spring and summer, then winter. ")
    assert note.endswith("for 60 s moves to the next one that does; they return when it sends again")


async def test_a_route_is_given_alone(tmp_path):
    with pytest.raises(UserError, match='"national" is a route of the configuration'):
        await sent(configured(tmp_path), MemoryLog(), route=["national", "spring"])


@given(
    st.lists(st.tuples(st.integers(1, 5_000), st.integers(0, 2)), min_size=1, max_size=12),
    st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=3), min_size=3, max_size=3),
)
def test_every_batch_is_covered_once_by_the_accounts_of_its_rule(batches, weights):
    rules = [
        [AccountRate(f"r{rule}a{at}", Fraction(weight)) for at, weight in enumerate(mine)]
        for rule, mine in enumerate(weights)
    ]
    sizes, rule_of_batch = [size for size, _ in batches], [rule for _, rule in batches]
    parts = split_by_rules(sizes, rule_of_batch, rules)
    assert all((a.batch, a.start + a.count) == (b.batch, b.start) or b.start == 0 for a, b in pairwise(parts))
    for batch, (size, rule) in enumerate(batches):
        mine = [part for part in parts if part.batch == batch]
        assert sum(part.count for part in mine) == size
        assert {part.account[:2] for part in mine} == {f"r{rule}"}
