"""Sentences of the engine on pages: they name fields, not options, and no command of a shell."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dispatcher.errors import UserError
from dispatcher.sentences import Sentence
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.orders.hours import asked_hours
from producers.console.pages.new_campaign.terms import FIELDS, field_of
from producers.console.wording.sentences import said
from producers.launch.definition import define
from producers.lists.columns import Choice
from producers.lists.opening import Opened
from producers.lists.reader.blocks import Reading
from tests.service.place import ACCOUNT, configured

NOW = datetime(2026, 5, 1, tzinfo=UTC)
WHEN_PAGE = Path(__file__).parents[2] / "producers/console/templates/new_campaign/when.html"


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (Sentence("{file} is bad.", file="may.xlsx", about="--sheet", do="Leave {about} out."), "may.xlsx is bad."),
        (Sentence("the list is empty.", do="Give --list one."), "The list is empty."),
        (UserError('{about}: "{time}" is no time.', time="25", about="--between"), 'The hours: "25" is no time.'),
        (UserError('{about} "{day}" is no day.', day="x", about="--other-day"), 'Other day "x" is no day.'),
        (Sentence("{a}.", a="{about}", about="--budget").as_json(), "{about}."),
        ("A plain sentence as it is --budget", "A plain sentence as it is --budget"),
        (None, ""),
    ],
)
def test_a_sentence_names_fields_and_no_command(sentence: Any, expected: str) -> None:
    assert said(sentence) == expected


def test_two_columns_of_phone_numbers_are_a_choice_of_the_page(tmp_path: Path) -> None:
    file = tmp_path / "two.csv"
    file.write_text("手机号,手机号码\n13800138000,13900139000\n13800138001,13900139001\n", "utf-8")
    with pytest.raises(UserError, match="--column") as error, Opened(str(file), Reading(choice=Choice())):
        pass
    assert error.value.about == "--column"
    assert said(error.value).endswith("equally well.")


@pytest.mark.parametrize(
    ("answers", "field"),
    [
        ({"budget": "abc"}, "budget"),
        ({"retry": "temporary: 9 within 6 h"}, "retry"),
        ({"defer": True, "budget": "5"}, "defer"),
        ({"defer": True, "more_texts": ["B"]}, "defer"),
        ({"retry": "temporary: 1 within 6 h", "more_texts": ["B"]}, "retry"),
        ({"wave_wait": "2 h"}, "waves"),
        ({"waves": "1 %"}, "waves"),
        ({"weight": 0}, "weight"),
        ({"more_texts": ["A"]}, "text"),
        ({"between": "8 o'clock"}, "between"),
        ({"days": "Foo"}, "days"),
        ({"id": "a b"}, "id"),
    ],
)
def test_a_mistake_of_the_form_is_said_beside_its_field(tmp_path: Path, answers: dict[str, Any], field: str) -> None:
    with pytest.raises(UserError) as error:
        define(configured(tmp_path), LaunchRequest(numbers=[], **{"text": "A", "route": [ACCOUNT]} | answers), NOW)
    assert field_of(error.value) == field
    assert "--" not in said(error.value)


def test_every_field_has_a_place_for_its_mistakes_on_the_page() -> None:
    page = WHEN_PAGE.read_text("utf-8")
    assert [field for field in FIELDS.values() if f"wrong('{field}')" not in page] == []


def test_wrong_hours_are_said_beside_the_hours() -> None:
    with pytest.raises(UserError) as error:
        asked_hours("8 o'clock", "")
    assert field_of(error.value) == "between"
    assert said(error.value).startswith("The hours: ")
