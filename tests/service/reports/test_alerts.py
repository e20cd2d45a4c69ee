"""What needs attention: which alerts a moment has, and in which order."""

from __future__ import annotations

from typing import Any

import msgspec

from dispatcher.config.file import AlertsConfig
from dispatcher.core.flow.forecast import Forecast
from dispatcher.core.results.equation import Counts
from dispatcher.core.schedule.holds import Hold
from dispatcher.service.account_states import AccountState
from dispatcher.service.campaigns.hindrances import AccountStop
from dispatcher.service.reports.alerts import alerts_of, unusual_rates
from dispatcher.store.views import CampaignView, StreamDay, StreamView
from schemas.records import Follows


def account(**changes: Any) -> AccountState:
    fields: dict[str, Any] = {
        "account": "spring", "vendor": "batch-a", "url": "http://127.0.0.1:9", "flow": None, "numbers_per_request": 1,
        "lane_partition": 0, "held_by": None, "stopped": None, "allowed_per_s": 500.0, "sent_per_s": 0.0, "queued": 0,
        "queued_messages": 0, "campaigns": (), "credit": None, "credit_ms": None, "credit_by": "", "lasts_s": None,
    }  # fmt: skip
    return AccountState(**fields | changes)


def campaign(counts: Counts, **changes: Any) -> CampaignView:
    fields: dict[str, Any] = {
        "id": "may", "name": "", "status": "running", "launched_ms": 1, "launched_by": "ann", "text": "hi",
        "segments": 1, "legs": (), "weight": 1, "urgent": False, "unknown": "hold", "options": {}, "paused": False,
        "cancelled": False, "counts": counts, "accounts": {}, "invalid_reasons": {}, "failures": (),
        "first_sent_ms": None, "last_sent_ms": None, "last_report_ms": None, "unknown_since_ms": None,
    }  # fmt: skip
    return CampaignView(**fields | changes)


STOP = AccountStop(
    account="spring", why="balance", says="no credit", since_ms=7, until_ms=None, stops=(), keeps_all=True,
    sentence="account spring has no credit left.",
)  # fmt: skip


def kinds(views: list[CampaignView], accounts: list[AccountState], *, holders_known: bool = True) -> list[str]:
    return [each.kind for each in alerts_of(views, accounts, holders_known=holders_known)]


def test_a_quiet_moment_has_no_alert() -> None:
    assert kinds([campaign(Counts(rows=2, delivered=2))], [account()]) == []


def test_an_account_that_does_not_send_is_named_with_its_reason() -> None:
    (alert,) = alerts_of([], [account(stopped=STOP)], holders_known=True)
    assert (alert.kind, alert.subject, alert.since_ms, alert.urgent) == ("account-stopped", "spring", 7, True)
    assert "no credit" in alert.says


def test_work_without_a_process_is_an_alert_only_where_the_holders_are_known() -> None:
    waiting = account(queued=5)
    assert kinds([], [waiting]) == ["not-run"]
    assert kinds([], [waiting], holders_known=False) == []


def test_credit_is_low_only_if_something_needs_it() -> None:
    low = {"credit": 10.0, "lasts_s": 600.0}
    assert kinds([], [account(**low, queued=5)], holders_known=False) == ["credit-low"]
    assert kinds([], [account(**low)]) == []
    enough = account(credit=10.0, lasts_s=86_400.0, queued=5)
    assert kinds([], [enough], holders_known=False) == []
    (alert,) = alerts_of([], [enough], holders_known=False, settings=AlertsConfig(credit_hours=25.0))
    assert (alert.kind, alert.figure) == ("credit-low", 24.0)


def test_unknown_recipients_a_hold_and_a_broken_equation_are_alerts_the_urgent_one_first() -> None:
    views = [
        campaign(Counts(rows=3, unknown=1, queued=2), status="held", held=Hold("halted"), unknown_since_ms=5),
        campaign(Counts(rows=3, queued=1), id="june"),
        campaign(Counts(rows=3, queued=3), id="july", status="held", held=Hold("hours", 99)),
    ]
    assert kinds(views, []) == ["equation-broken", "held-for-a-person", "unknown"]


def test_a_campaign_whose_hours_end_before_it_is_sent_is_an_alert() -> None:
    late = Forecast(left_s=None, finish_at_ms=None, alone_s=9, beside=0, closes_at_ms=77, left_at_closing=40)
    intime = msgspec.structs.replace(late, closes_at_ms=None, left_at_closing=0)
    views = [campaign(Counts(rows=99, queued=99)), campaign(Counts(rows=9, queued=9), id="june")]
    (alert,) = alerts_of(views, [], holders_known=True, forecasts={"may": late, "june": intime})
    assert (alert.kind, alert.subject, alert.figure, alert.at_ms) == ("left-at-closing", "may", 40, 77)


def sent(id: str, failed: int, *, launched_ms: int, **changes: Any) -> CampaignView:
    counts = Counts(rows=2_000, delivered=1_000 - failed, failed=failed, queued=1_000)
    return campaign(counts, id=id, accounts={"spring": counts}, launched_ms=launched_ms, **changes)


USUAL = [sent(f"old-{at}", 20 + at, launched_ms=at, status="finished") for at in range(5)]


def test_a_campaign_that_fails_more_than_its_account_s_earlier_ones_is_an_alert() -> None:
    views = [*USUAL, sent("may", 60, launched_ms=10), sent("june", 21, launched_ms=11)]
    unusual = unusual_rates(views, at_ms=0)
    (alert,) = alerts_of(views, [], holders_known=True, unusual=unusual)
    assert (alert.kind, alert.subject, alert.figure, alert.urgent) == ("failing", "may", 60, False)
    assert alert.says == "60 of 1,000 sent recipients failed on account spring (6.0%); usually 2.2% fail."


def test_campaigns_that_say_nothing_of_what_is_usual_raise_no_alert() -> None:
    others = [
        sent("over", 60, launched_ms=10, status="finished"),
        sent("test", 60, launched_ms=10, test_of="may"),
        sent("follow-up", 60, launched_ms=10, follows=Follows(campaign="may", attempt="1", states=())),
    ]
    assert unusual_rates([*USUAL, *others], at_ms=0) == {}


def test_a_stream_is_compared_with_its_own_days_without_what_expired() -> None:
    def day(name: str, failed: int, expired: int = 0) -> StreamDay:
        return StreamDay(day=name, counts=Counts(rows=1_000, delivered=1_000 - failed, failed=failed), expired=expired)

    def stream(today: StreamDay) -> CampaignView:
        days = (today, *(day(f"2026-05-0{at}", 20) for at in (4, 3, 2, 1)))
        found = StreamView(
            takes_messages=True, closed_ms=None, closed_by="", expires_after_s=60, keys_kept_s=60, expired=0, days=days
        )
        return campaign(Counts(rows=5_000, delivered=5_000), status="open", stream=found)

    noon_ms = 1_777_953_600_000  # 2026-05-05, 12:00 in Asia/Shanghai
    assert unusual_rates([stream(day("2026-05-05", 80))], noon_ms)["may"].failed == 80
    assert unusual_rates([stream(day("2026-05-05", 80, expired=60))], noon_ms) == {}
    assert unusual_rates([stream(day("2026-05-05", 80))], noon_ms + 86_400_000) == {}
