"""Finished and failing campaigns are noticed once, alerts when they begin and when they are over."""

from __future__ import annotations

from collections.abc import Iterable

from dispatcher.core.callbacks.notices import AlertNow, CampaignFigures, news_of_alerts, news_of_campaigns
from schemas.records import CallbackEvent

LOW = AlertNow(word="credit-low", subject="spring", says="low", figure=1.5)


def known(*events: CallbackEvent) -> dict[str, CallbackEvent]:
    return {event.key: event for event in events}


def news(before: Iterable[CallbackEvent], *campaigns: CampaignFigures, old: bool = False) -> list[CallbackEvent]:
    return news_of_campaigns(known(*before), campaigns, {"shop": 20.0, "strict": 10.0}, 5, old=old)


def test_a_finished_campaign_is_noticed_once() -> None:
    may = CampaignFigures("may", True, {"rows": 2, "delivered": 2})
    [event] = news((), may, CampaignFigures("june", False, {"rows": 2}))
    assert (event.kind, event.campaign, event.figures) == ("finished", "may", {"rows": 2, "delivered": 2})
    assert news([event], may) == []


def test_what_was_finished_before_the_first_callback_is_remembered_as_old() -> None:
    assert [event.old for event in news((), CampaignFigures("may", True, {}), old=True)] == [True]


def test_a_campaign_that_fails_too_much_is_noticed_once_per_callback() -> None:
    few = CampaignFigures("may", False, {"delivered": 49, "failed": 50})
    some = CampaignFigures("may", False, {"delivered": 85, "failed": 15})
    many = CampaignFigures("may", False, {"delivered": 80, "failed": 20})
    assert news((), few) == []
    strict = news((), some)
    assert [event.to for event in strict] == ["strict"]
    assert [(event.to, event.figures) for event in news(strict, many)] == [("shop", {"failed": 20, "settled": 100})]


def test_an_alert_is_noticed_when_it_begins_when_it_is_over_and_when_it_begins_again() -> None:
    [began] = news_of_alerts({}, [LOW], 5)
    assert (began.kind, began.word, began.subject, began.over) == ("alert", "credit-low", "spring", False)
    assert news_of_alerts(known(began), [LOW], 6) == []
    [over] = news_of_alerts(known(began), [], 7)
    assert (over.key, over.over, over.at_ms) == (began.key, True, 7)
    assert news_of_alerts(known(over), [], 8) == []
    assert [event.over for event in news_of_alerts(known(over), [LOW], 9)] == [False]
