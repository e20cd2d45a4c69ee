"""The engine's words on pages: each is there in both languages, whatever language a template was first used in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dispatcher.core.drafts import DRAFT_STATUSES
from dispatcher.core.flow.forecast import Forecast
from dispatcher.core.numbers import ADVICE as OF_NUMBERS
from dispatcher.core.results.equation import PARTS, STATUSES, TERMS, Counts
from dispatcher.core.schedule.holds import HOLDS
from dispatcher.errors import UserError
from dispatcher.i18n import language_is
from dispatcher.service.campaigns.hindrances import AccountStop
from dispatcher.service.campaigns.orders.possible import possible_orders
from dispatcher.service.campaigns.views import ShownCampaign
from dispatcher.service.campaigns.wave_table import WaveTable
from dispatcher.service.lookup import NumberInCampaign
from dispatcher.service.people.words import ACTION_WORDS
from dispatcher.store.meanings import EXPIRED_ADVICE
from dispatcher.store.views import CampaignView, Failure, StreamDay, StreamView
from dispatcher.vendors import registry
from dispatcher.words import HOLD_MEANS, STATUS_MEANS, STOP_MEANS, TERM_MEANS, WORDS, state_meaning, stop_sentence, word
from producers.api.routes import OPERATIONS
from producers.console.pages.accounts import queued_why
from producers.console.pages.campaign.showing import day_terms
from producers.console.pages.new_campaign.terms import (
    days_of,
    field_of,
    hours_of,
    text_terms,
    when_terms,
)
from producers.console.pages.orders import typed_count, unconfirmed
from producers.console.pages.table import ROUTES
from producers.console.rendering.bars import bar
from producers.console.rendering.filters import duration, lasts, percent, rate, said_by, yuan
from producers.console.rendering.renderer import Renderer
from producers.console.rendering.static_files import StaticFiles
from producers.console.seal import Seal
from producers.console.visit import Fields
from producers.console.wording.advice import ADVICE
from producers.console.wording.deeds import DEEDS, deed
from schemas.records import Why
from tests.service.reports.test_alerts import campaign

VENDORS = ("batch-a", "batch-b", "cosms", "hezhong", "guodu", "cmpp")


def test_every_word_of_the_engine_has_one_for_people() -> None:
    assert {*STATUSES, *DRAFT_STATUSES, *TERMS, *PARTS} <= WORDS.keys()
    assert STATUS_MEANS.keys() == STATUSES.keys()
    assert HOLD_MEANS.keys() == HOLDS.keys()
    assert TERM_MEANS.keys() == set(TERMS)


def test_what_keeps_an_account_from_sending_has_words_in_both_languages() -> None:
    assert STOP_MEANS.keys() == {str(why) for why in Why}
    stop = AccountStop(
        account="spring",
        why="login",
        says="x",
        since_ms=0,
        until_ms=None,
        stops=({"why": Why.LOGIN, "code": "-4"}, {"why": Why.BUSY, "code": ""}),
        keeps_all=True,
        sentence='account "spring" does not send. Fixed? dispatcher account check spring.',
    )
    assert stop_sentence(stop) == stop.sentence
    with language_is("zh"):
        says = "账号 spring 自 1970-01-01 08:00:00 起不发送：供应商拒绝登录（代码 -4）; 供应商繁忙。"
        assert stop_sentence(stop) == says


def test_each_order_of_a_form_has_words_for_the_audit_trail() -> None:
    assert {route.path for route in ROUTES if route.method == "POST" and route.audited} == DEEDS.keys()
    assert deed("/campaigns/may%20sale/pause") == "pause may sale"
    assert deed("/people/tokens/add") == "make a token"
    assert deed("/people/tokens/t1/revoke") == "revoke the token t1"
    assert deed("may") == ""
    assert {each.audited for each in OPERATIONS if each.audited} <= ACTION_WORDS.keys()
    with language_is("zh"):
        assert deed("/people/add") == "添加人员"


def test_every_advice_of_the_code_tables_is_in_the_catalogue() -> None:
    told = {*OF_NUMBERS.values(), EXPIRED_ADVICE}
    for tag in VENDORS:
        vendor = registry.known(tag)
        assert vendor is not None
        told |= {row.advice for table in (vendor.codes, vendor.report_codes) for row in table.rows.values()}
    assert told - {""} == set(ADVICE)
    with language_is("zh"):
        assert word("delivered") == "已送达"


def test_a_word_is_in_the_language_of_each_request() -> None:
    environment = Renderer(StaticFiles(), "")._environment
    template = environment.from_string("{{ 'rows'|word }} {{ 3|duration }}")
    assert template.render() == "rows 3 s"
    with language_is("zh"):
        assert template.render() == "行 3 秒"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (duration(None), "–"),
        (duration(0), "0 s"),
        (duration(3_725), "1 h 2 min"),
        (lasts(None), "–"),
        (lasts(9_000), "2 h 30 min"),
        (lasts(192_444_000_000), "more than a year"),
        (percent(0, 0), "–"),
        (percent(1, 10_000), "< 0.1 %"),
        (percent(9_999, 10_000), "> 99.9 %"),
        (percent(1, 3), "33.3 %"),
        (percent(5, 5), "100 %"),
        (yuan(45_000), "0.0450 CNY"),
        (yuan(12_500_000), "12.50 CNY"),
        (yuan(None), "–"),
        (rate(2.25), "2.2"),
        (rate(1_234.5), "1,234"),
    ],
)
def test_figures_are_written_for_people(shown: str, expected: str) -> None:
    assert shown == expected


def test_a_bar_is_as_wide_as_it_is_and_shows_the_smallest_part() -> None:
    parts = bar([("delivered", 999_999), ("failed", 1), ("waiting", 0), ("not_sent", 0)])
    assert [part.width > 0 for part in parts] == [True, True, False, False]
    assert sum(part.width for part in parts) == pytest.approx(1000, abs=0.1)
    assert parts[1].width >= 3.9
    assert [part.width for part in bar([("delivered", 0)])] == [0.0]


def test_an_order_about_many_is_confirmed_by_their_number() -> None:
    assert typed_count(" 1,200 ") == 1_200
    assert typed_count("many") is None
    assert unconfirmed("", 100, 100) == ""
    assert unconfirmed("1,200", 1_200, 100) == ""
    assert "type the number of recipients: 1,200" in unconfirmed("120", 1_200, 100)


def test_answers_become_terms_and_mistakes_know_their_field() -> None:
    terms = text_terms({"weight": 2}, Fields([("text", "A\r\nB "), ("text", "")]))
    assert terms == {"weight": 2, "text": "A\nB"}
    form = [("route", "spring"), ("from", "09:00"), ("to", ""), ("day", "Mon"), ("day", "Fri"), ("weight", "1")]
    terms, mistakes = when_terms(terms, Fields([*form, ("class", "marketing"), ("budget", " 5 ")]))
    assert mistakes == {}
    assert terms == {"text": "A\nB", "route": ["spring"], "between": "09:00-24:00", "days": "Mon,Fri", "budget": "5"}
    assert (days_of(terms), hours_of(terms)) == (["Mon", "Fri"], ("09:00", "24:00"))
    assert set(when_terms({}, Fields([("weight", "x")]))[1]) == {"route", "weight"}
    assert [field_of(UserError("x", about=each)) for each in ("--wave-wait", "--between", "--kind")] == [
        "waves",
        "between",
        "",
    ]


def test_what_can_be_ordered_of_a_stream_is_to_pause_to_cancel_and_to_close_it() -> None:
    stream = StreamView(
        takes_messages=True, closed_ms=None, closed_by="", expires_after_s=60, keys_kept_s=60, expired=0, days=()
    )
    shown = shown_campaign(Counts(rows=1, delivered=1))
    assert [possible_orders(shown).pause, possible_orders(shown).cancel, possible_orders(shown).close_stream] == [
        False,
        False,
        False,
    ]
    shown = msgspec.structs.replace(shown, stream=stream)
    found = possible_orders(shown)
    assert [found.pause, found.cancel, found.close_stream, found.close, found.follow_up] == [True] * 3 + [False] * 2
    day = StreamDay(day="2026-12-01", counts=Counts(rows=4, suppressed=1, delivered=3), expired=0)
    shown = msgspec.structs.replace(shown, stream=msgspec.structs.replace(stream, days=(day,)))
    assert day_terms(shown) == ["suppressed", "delivered"]


def test_a_wave_is_not_offered_for_release_while_a_text_must_be_decided() -> None:
    counts = Counts(rows=40, queued=36, delivered=4)
    waits = WaveTable(released=1, halted=0, needs_text=True, wait_s=60, waves=(), texts=(), findings=())
    waits = msgspec.structs.replace(waits, waves=(None, None))
    offered = [
        possible_orders(shown_campaign(counts, msgspec.structs.replace(waits, needs_text=needs))).release
        for needs in (True, False)
    ]
    assert offered == [False, True]


def shown_campaign(counts: Counts, table: WaveTable | None = None) -> ShownCampaign:
    fields = {name: getattr(campaign(counts), name) for name in CampaignView.__struct_fields__}
    more: Any = {"settled": True, "equation": "", "adds_up": True, "waits_until_ms": None, "records_behind": 0}
    expected = Forecast(left_s=None, finish_at_ms=None, alone_s=0, beside=0)
    return ShownCampaign(**fields, **more, stopped=(), not_run=(), forecast=expected, wave_table=table)


def test_an_account_says_how_many_of_its_queue_are_paused() -> None:
    views = [
        campaign(Counts(rows=9, queued=9), status=status, accounts={"spring": Counts(rows=9, queued=9)})
        for status in ("running", "paused", "held", "paused")
    ]
    assert queued_why(views) == {"spring": {"paused": 18, "held": 9}}


def test_a_sealed_number_is_opened_by_its_process_alone() -> None:
    seal = Seal()
    closed = seal.close("13800138000")
    assert "138" not in closed
    assert seal.open(closed) == "13800138000"
    for wrong in ("", "x", Seal().close("13800138000")):
        with pytest.raises(UserError, match="too old"):
            seal.open(wrong)


def test_an_expired_message_is_said_by_the_dispatcher_and_not_by_the_vendor() -> None:
    expired = Failure(account="spring", vendor="batch-b", source="submit", code="expired", meaning="", recipients=1)
    assert said_by(expired) == "dispatcher"
    assert said_by(msgspec.structs.replace(expired, code="102")) == "answer to the submit"
    assert said_by(msgspec.structs.replace(expired, source="report")) == "report"


def test_what_became_of_a_number_is_explained_in_the_language_of_the_page() -> None:
    found = NumberInCampaign(
        campaign="may", name="", state="failed", final=True, code="UNDELIV", meaning="not deliverable",
        account="spring", vendor="batch-a", vendor_id="7", submitted_ms=1, reported_ms=2, launched_ms=0, parts=None,
        parts_delivered=None,
    )  # fmt: skip
    assert state_meaning(found) == "not deliverable"
    with language_is("zh"):
        assert not state_meaning(found).isascii()
