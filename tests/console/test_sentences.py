"""Sentences of the engine on pages: they name fields, not options, and no command of a shell."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dispatcher.errors import UserError
from dispatcher.i18n import language_is
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.orders.hours import asked_hours
from producers.console.pages.new_campaign.terms import field_of
from producers.console.wording.sentences import REWORDED, said
from producers.launch.definition import define
from producers.lists.columns import Choice
from producers.lists.opening import Opened
from producers.lists.reader.blocks import Reading
from tests.service.place import ACCOUNT, configured

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("may.xlsx has no sheets. Leave --sheet out.", "may.xlsx has no sheets. Leave the sheet out."),
        ('--between: "25-26" is no time.', 'The hours: "25-26" is no time.'),
        (
            "it could never be sent. Change --between or --days.",
            "it could never be sent. Change the hours or the days.",
        ),
        ("Say which by its number: --column 2 or --column 3.", "Say which by its number: column 2 or column 3."),
        ('"may" was launched. See: dispatcher campaign show may', '"may" was launched.'),
        ("There are: a, b (dispatcher campaign list).", "There are: a, b."),
        ("give them up first: dispatcher campaign cancel may", "give them up first."),
        ("it needs none. To launch it: dispatcher campaign launch may", "it needs none."),
        (
            '"x" is not such a class: a, b. For others there is dispatcher campaign follow-up.',
            '"x" is not such a class: a, b.',
        ),
        ("Start `dispatcher run` (role campaigns).", "Start `dispatcher run` (role campaigns)."),
        ("A plain sentence -- as it is", "A plain sentence -- as it is"),
    ],
)
def test_a_sentence_names_fields_and_no_command(sentence: str, expected: str) -> None:
    assert said(sentence) == expected


def test_two_columns_of_phone_numbers_are_a_choice_of_the_page(tmp_path: Path) -> None:
    file = tmp_path / "two.csv"
    file.write_text("手机号,手机号码\n13800138000,13900139000\n13800138001,13900139001\n", "utf-8")
    with pytest.raises(UserError, match="--column") as error, Opened(str(file), Reading(choice=Choice())):
        pass
    assert said(error.value).endswith("Choose the column below.")
    with language_is("zh"):
        assert said(error.value).endswith("请在下面选择一列。")


@pytest.mark.parametrize(
    ("answers", "field", "chinese"),
    [
        ({"budget": "abc"}, "budget", "预算"),
        ({"retry": "temporary: 9 within 6 h"}, "retry", "自动重发"),
        ({"defer": True, "budget": "5"}, "defer", "预算"),
        ({"defer": True, "more_texts": ["B"]}, "defer", "延后"),
        ({"retry": "temporary: 1 within 6 h", "more_texts": ["B"]}, "retry", "自动重发"),
    ],
)
def test_a_mistake_of_the_form_is_said_beside_its_field(
    tmp_path: Path, answers: dict[str, Any], field: str, chinese: str
) -> None:
    with pytest.raises(UserError) as error:
        define(configured(tmp_path), LaunchRequest(numbers=[], text="A", route=[ACCOUNT], **answers), NOW)
    assert field_of(str(error.value)) == field
    assert "--" not in said(error.value)
    with language_is("zh"):
        assert chinese in said(error.value)


def test_wrong_hours_are_said_beside_the_hours() -> None:
    with pytest.raises(UserError) as error:
        asked_hours("8 o'clock", "")
    assert field_of(str(error.value)) == "between"
    assert said(error.value).startswith("The hours: ")


@pytest.mark.parametrize(
    ("sentence", "chinese"),
    [
        ('there is no campaign "x" on this log. There are: a, b (dispatcher campaign list).', "没有活动“x”。"),
        ('"june" was drafted by olga: another person must approve it.', "“june”由 olga 起草：必须由另一人审批。"),
        (
            'campaign "may" still has 3 recipients to send. Close it when all are sent, or give them up first: '
            "dispatcher campaign cancel may",
            "活动“may”还有 3 个收件人未发送。请等全部发送后再结束，或先取消它。",
        ),
        ("the weight 2000 must be 1 to 1000.", "权重 2000 必须在 1 到 1000 之间。"),
        ("codes is a stream, and no campaign is made from it. Open another one.", "codes 是消息流，不能由它建立活动。"),
        (
            '"12" is no phone number. Write a mobile like 13800138000, a number abroad like +447700900123.',
            "“12”不是手机号码。请写成 13800138000，境外号码如 +447700900123。",
        ),
    ],
)
def test_what_people_meet_most_is_in_their_language(sentence: str, chinese: str) -> None:
    with language_is("zh"):
        assert said(sentence) == chinese


def test_every_rewording_has_the_values_that_its_pattern_finds() -> None:
    for pattern, words in REWORDED:
        assert set(re.findall(r"\{(\w+)\}", words)) <= re.compile(pattern).groupindex.keys(), words
