"""What launched campaigns still have to send over each account, and when they are done."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.config.file import parse
from dispatcher.core.results.equation import Counts
from dispatcher.core.schedule.holds import WAITS_FOR_REPORTS
from dispatcher.core.waves.state import WaveStanding
from dispatcher.service.campaigns.progress import forecast, queues
from dispatcher.service.campaigns.views import waits_until_ms
from dispatcher.service.session import Session
from dispatcher.store.views import CampaignView
from schemas.records import Leg, Wave

NOW_MS = 1_800_000_000_000  # 16:00 in Shanghai
SPRING: dict[str, Any] = {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": "secret"}
FLOW: dict[str, Any] = {"flow": {"limit": 100}}
ACCOUNTS = parse(
    {"account": {"spring": SPRING | FLOW, "day": SPRING | FLOW | {"send_hours": [8, 17]}, "free": SPRING}},
    "dispatcher.toml",
).accounts


def view(
    id: str = "may", *, account: str = "spring", queued: int = 1000, in_flight: int = 0, **fields: Any
) -> CampaignView:
    counts = Counts(rows=queued + in_flight, queued=queued, in_flight=in_flight)
    whole: dict[str, Any] = {
        "id": id,
        "name": id,
        "status": "running",
        "launched_ms": 0,
        "launched_by": "demo",
        "text": "hi",
        "segments": 1,
        "legs": (),
        "weight": 1,
        "urgent": False,
        "unknown": "hold",
        "options": {},
        "kind": "sms",
        "variables": (),
        "paused": False,
        "cancelled": False,
        "counts": counts,
        "accounts": {account: counts},
        "invalid_reasons": {},
        "failures": (),
        "first_sent_ms": None,
        "last_sent_ms": None,
        "last_report_ms": None,
        "unknown_since_ms": None,
    }
    return CampaignView(**whole | fields)


def test_the_wait_for_reports_ends_after_the_time_of_scheduled_messages() -> None:
    session = Session(parse({"store": {"no_report_after_s": 100}}, "dispatcher.toml"), None)
    counts = Counts(rows=9, accepted=9)
    later = Leg(account="spring", vendor="cmpp", jobs=1, recipients=9, reports_from_ms=NOW_MS)
    other = Leg(account="day", vendor="cmpp", jobs=1, recipients=9, reports_from_ms=NOW_MS * 2)
    fields: dict[str, Any] = {"counts": counts, "accounts": {"spring": counts, "day": Counts()}, "last_sent_ms": 5000}
    assert waits_until_ms(view(**fields), session) == 105_000
    assert waits_until_ms(view(legs=(later, other), **fields), session) == NOW_MS + 100_000


CREDIT = [
    pytest.param([view()], 1000, id="one message each"),
    pytest.param([view(in_flight=5)], 1005, id="what is under way may not be paid yet"),
    pytest.param([view(), view("june", queued=500)], 1500, id="all campaigns"),
    pytest.param([view(text="你" * 71)], 2000, id="parts of a long text"),
    pytest.param([view(variables=("name",), segments=3)], 3000, id="the longest of a personalised campaign"),
    pytest.param([view(kind="mms", segments=4)], 0, id="another credit pays multimedia messages"),
    pytest.param([view(paused=True)], 1000, id="a paused campaign keeps its claim"),
    pytest.param([view(cancelled=True)], None, id="a cancelled one has none"),
    pytest.param([view(queued=0)], None, id="nothing is left"),
]


@pytest.mark.parametrize(("views", "expected"), CREDIT)
def test_what_is_launched_and_not_sent_is_reserved(views, expected):
    found = queues(views, ACCOUNTS).get("spring")
    assert (None if found is None else found.messages) == expected


FORECASTS = [
    pytest.param(view(), [], (), (10, 0), id="alone"),
    pytest.param(view(), [view("june")], (), (20, 1000), id="half of the flow"),
    pytest.param(view(weight=3), [view("june")], (), (10 / 0.75, 1000), id="its weight's share"),
    pytest.param(view(), [view("june", queued=100, urgent=True)], (), (11, 100), id="behind an urgent one"),
    pytest.param(view(urgent=True), [view("june")], (), (10, 1000), id="an urgent one first"),
    pytest.param(view(), [view("june", account="free")], (), (10, 0), id="not beside another account's"),
    pytest.param(view(), [view("june", paused=True)], (), (10, 0), id="a paused one takes no time"),
    pytest.param(view(), [view("june", hours="08:00-16:30")], (), (20, 1000), id="beside one whose hours are open"),
    pytest.param(view(), [view("june", hours="16:05-20:00")], (), (10, 0), id="not beside one that is held longer"),
    pytest.param(view(), [], ("spring",), (None, 0), id="its account does not send"),
    pytest.param(view(), [], ("free",), (10, 0), id="another account does not send"),
    pytest.param(view(paused=True, status="paused"), [], (), (None, 0), id="it is paused"),
    pytest.param(
        view(account="day", queued=500_000),
        [],
        (),
        (3600 + 15 * 3600 + 1400, 0),
        id="the rest in the next morning's hours",
    ),
]


def waves(released: int, wait_s: int = 3600) -> WaveStanding:
    """Three waves, of 100, 400 and 500 recipients."""
    return WaveStanding(
        waves=tuple(Wave(count, (1,)) for count in (100, 400, 500)),
        wait_ms=wait_s * 1000,
        released=released,
        halted=0,
        judged_by_person=0,
        texts=(),
        text=None,
        needs_text=False,
        decisions=(),
    )


IN_WAVES = [
    # the campaign, when it is sent if waves wait and if they do not
    pytest.param(view(waves=waves(1)), 2 * 3600 + 10, 10, id="both waits are to come"),
    pytest.param(view(queued=600, waves=waves(2)), 3600 + 6, 6, id="one wait is to come"),
    pytest.param(view(queued=300, waves=waves(3)), 3, None, id="the last wave is sent"),
    pytest.param(
        view(queued=900, waves=waves(1), status="held", held=WAITS_FOR_REPORTS, last_sent_ms=NOW_MS - 600_000),
        2 * 3600 - 600 + 9,
        9,
        id="it waits since ten minutes",
    ),
]


@pytest.mark.parametrize(("mine", "end_s", "prompt_s"), IN_WAVES)
def test_the_end_of_sending_counts_the_waits_between_waves(mine, end_s, prompt_s):
    found = forecast(mine, queues([mine], ACCOUNTS), ACCOUNTS, (), NOW_MS)
    assert found.left_s == pytest.approx(end_s, abs=0.01)
    prompt = None if found.prompt_finish_at_ms is None else (found.prompt_finish_at_ms - NOW_MS) / 1000
    assert prompt == (None if prompt_s is None else pytest.approx(prompt_s, abs=0.01))


def test_what_waits_at_a_stopped_account_is_sent_by_the_next_one_of_its_route():
    leg = Leg(account="spring", vendor="batch-a", jobs=1, recipients=1000, then=("free", "day"))
    mine, other = view(legs=(leg,), failover_after_s=60), view("june", account="day", queued=500)
    stops = {"spring": NOW_MS - 20_000, "free": NOW_MS}
    waiting = queues([mine, other], ACCOUNTS, stops)
    assert (waiting["spring"].loads, waiting["spring"].messages) == ((), 1000)
    found = forecast(mine, waiting, ACCOUNTS, stops, NOW_MS)
    assert found.left_s == pytest.approx(40 + 10)
    assert found.beside == 500
    nowhere = queues([mine], ACCOUNTS, stops | {"day": NOW_MS})
    assert forecast(mine, nowhere, ACCOUNTS, {*stops, "day"}, NOW_MS).left_s is None


@pytest.mark.parametrize(("mine", "others", "held", "expected"), FORECASTS)
def test_the_end_of_sending_counts_what_is_beside_it(mine, others, held, expected):
    found = forecast(mine, queues([mine, *others], ACCOUNTS), ACCOUNTS, held, NOW_MS)
    left_s, beside = expected
    assert found.left_s == (None if left_s is None else pytest.approx(left_s, abs=0.01))
    assert (found.finish_at_ms is None) == (left_s is None)
    assert found.beside == beside
