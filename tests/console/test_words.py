"""The engine's words on pages: each is there in both languages, whatever language a template was first used in."""

from __future__ import annotations

import pytest

from dispatcher.core.drafts import DRAFT_STATUSES
from dispatcher.core.numbers import ADVICE as OF_NUMBERS
from dispatcher.core.results.equation import PARTS, STATUSES, TERMS
from dispatcher.core.schedule.holds import HOLDS
from dispatcher.errors import UserError
from dispatcher.i18n import language_is
from dispatcher.vendors import registry
from producers.console.advice import ADVICE
from producers.console.bars import bar
from producers.console.filters import duration, percent, rate, word, yuan
from producers.console.pages.new_campaign.terms import days_of, field_of, hours_of, text_terms, when_terms
from producers.console.pages.orders import typed_count, unconfirmed
from producers.console.rendering import Renderer
from producers.console.seal import Seal
from producers.console.static_files import StaticFiles
from producers.console.visit import Fields
from producers.console.words import HOLD_MEANS, STATUS_MEANS, TERM_MEANS, WORDS

VENDORS = ("batch-a", "batch-b", "cosms", "hezhong", "guodu", "cmpp")


def test_every_word_of_the_engine_has_one_for_people() -> None:
    assert {*STATUSES, *DRAFT_STATUSES, *TERMS, *PARTS} <= WORDS.keys()
    assert STATUS_MEANS.keys() == STATUSES.keys()
    assert HOLD_MEANS.keys() == HOLDS.keys()
    assert TERM_MEANS.keys() == set(TERMS)


def test_every_advice_of_the_code_tables_is_in_the_catalogue() -> None:
    told = set(OF_NUMBERS.values())
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
    assert [field_of(each) for each in ("the budget 1 pays no message", "--between: x", "what?")] == [
        "budget",
        "between",
        "",
    ]


def test_a_sealed_number_is_opened_by_its_process_alone() -> None:
    seal = Seal()
    closed = seal.close("13800138000")
    assert "138" not in closed
    assert seal.open(closed) == "13800138000"
    for wrong in ("", "x", Seal().close("13800138000")):
        with pytest.raises(UserError, match="too old"):
            seal.open(wrong)
