"""Every kind of alert is shown on the overview in both languages, and sent by callbacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from consumers.callbacks.notice_duty import alert_now
from dispatcher.callbacks.bodies import bot_body, standard_body
from dispatcher.core.callbacks.events import Wanted, events_of
from dispatcher.core.callbacks.notices import news_of_alerts
from dispatcher.core.waves.unusual import UnusualRate
from dispatcher.i18n import language_is
from dispatcher.service.campaigns.hindrances import AccountStop
from dispatcher.service.reports.alerts import Alert, AlertKind
from producers.console.pages import overview
from tests.producers.attacks.whole_server import Whole, served

NAME = "'\"><b>may</b>"
STOP = AccountStop(account=NAME, why="balance", says=NAME, since_ms=7, until_ms=None, stops=(), keeps_all=True,
                   sentence=f"account {NAME} has no credit left.")  # fmt: skip
DETAILS: dict[AlertKind, dict[str, Any]] = {
    "equation-broken": {"says": "3 rows ≠ 2 delivered"},
    "account-stopped": {"says": STOP.sentence, "stop": STOP},
    "credit-low": {"figure": 1.5},
    "unknown": {"figure": 5, "since_ms": 7},
    "held-for-a-person": {"says": "it waits for a text.", "why": "text", "figure": 9},
    "not-run": {"figure": 5},
    "left-at-closing": {"figure": 40, "at_ms": 77},
    "failing": {"says": "60 of 1,000 failed.", "rate": UnusualRate(account=NAME, sent=1_000, failed=60, usual=0.02)},
}
"""What an alert of each kind needs."""
TITLES = {
    "equation-broken": ("do not add up", "的数据不平衡"),
    "account-stopped": ("does not send", "不发送"),
    "credit-low": ("1.5 h", "1.5 小时"),
    "unknown": ("has unknown recipients", "有结果未知的收件人"),
    "held-for-a-person": ("waits for a person", "等待人工处理"),
    "not-run": ("No process sends for account", "没有进程"),
    "left-at-closing": ("before its hours end", "发不完"),
    "failing": ("fails more than usual", "高于平常"),
}


def test_every_kind_of_alert_is_here() -> None:
    assert set(DETAILS) == set(TITLES) == set(get_args(AlertKind))


async def test_every_kind_of_alert_is_shown_in_both_languages(tmp_path: Path) -> None:
    async with served(tmp_path) as whole:
        for at, language in enumerate(("en", "zh")):
            page = await _overview(whole, language)
            assert [kind for kind in DETAILS if TITLES[kind][at] not in page] == []
            assert "<b>may" not in page
            assert page.count("&lt;b&gt;may") >= len(DETAILS)


async def _overview(whole: Whole, language: str) -> str:
    """The changing part of the overview, as it is when there is an alert of each kind."""
    caller = whole.console._people.caller_of_name("ann")
    assert caller is not None
    with language_is(language):
        values = await overview._now(whole.console._state, caller)
        values["alerts"] = [Alert(kind=kind, subject=NAME, **more) for kind, more in DETAILS.items()]
        values |= {"caller": caller, "here": "/", "csrf_field": lambda: ""}
        return whole.console._renderer.render("overview/now.html", values)


def test_every_kind_of_alert_is_sent_when_it_begins_and_when_it_is_over() -> None:
    alerts = [Alert(kind=kind, subject="may", **more) for kind, more in DETAILS.items()]
    began = news_of_alerts({}, [alert_now(alert) for alert in alerts], 1_000)
    over = news_of_alerts({event.key: event for event in began}, [], 2_000)
    wanted = Wanted("team", frozenset({"alert"}))
    for records, is_over in ((began, False), (over, True)):
        events = [
            event for at, record in enumerate(records) for event in events_of("callbacks-0", at, record, 1, wanted)
        ]
        posted = [json.loads(standard_body([event])) for event in events]
        assert [(each["type"], each["data"]["alert"], each["data"]["over"]) for each in posted] == [
            ("alert", kind, is_over) for kind in DETAILS
        ]
        for event, kind in zip(events, DETAILS, strict=True):
            for format in ("dingtalk", "wecom", "feishu"):
                assert kind in bot_body(format, event, "", 1).decode()
