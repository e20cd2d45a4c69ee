"""A campaign's definition is checked before anything else happens; each mistake is one sentence."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from dispatcher.config.file import Config, parse
from dispatcher.core.messages.text import Split
from dispatcher.errors import ConfigError, TextError, UserError
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.vendors.seam.vendor import HttpVendor, Limits, Message
from dispatcher.vendors.text_check import check_text
from producers.launch.definition import ID_CHARS_MAX, define, new_id
from tests.always import ALWAYS

NOW = datetime(2025, 5, 1, 8, 9, 10)
TABLE = {"vendor": "batch-a", "url": "http://127.0.0.1:9101", "account": "demo", "pswd": "x"}
CONFIG = parse({"account": {"spring": TABLE, "summer": TABLE}} | ALWAYS, "test.toml")


class Gbk(HttpVendor, frozen=True, kw_only=True, tag="gbk"):
    """A vendor that carries 10 characters of GBK and refuses the word "lottery"."""

    @property
    def limits(self) -> Limits:
        return Limits(numbers_max=10, text_chars_max=10, charset="gbk")

    @property
    def split(self) -> Split:
        return Split()

    def prepare(self, message: Message) -> bytes:
        if "lottery" in message.text:
            raise TextError("this word is not allowed.")
        return b""


def defined(config: Config = CONFIG, **changes: Any):
    wanted: dict[str, Any] = {"campaign": "may", "text": "hi", "route": ["spring"], "now": NOW, **changes}
    campaign, now = wanted.pop("campaign"), wanted.pop("now")
    return define(config, LaunchRequest(numbers=(), id=campaign, **wanted), now)


def test_a_definition_keeps_what_was_asked():
    definition = defined(route=["summer", "spring"], name="May", weight=3, urgent=True, unknown="resend")
    assert list(definition.accounts) == ["summer", "spring"]
    assert (definition.campaign, definition.name, definition.weight) == ("may", "May", 3)


@pytest.mark.parametrize("campaign", ["a", "May-sale_2.0", "x" * ID_CHARS_MAX])
def test_an_id_of_plain_characters_is_taken(campaign):
    assert defined(campaign=campaign).campaign == campaign


def test_a_route_that_is_not_there_names_those_that_are():
    config = parse({"account": {"spring": TABLE}, "routes": {"national": {"default": "spring"}}} | ALWAYS, "test.toml")
    with pytest.raises(ConfigError, match=r"\(accounts there: spring; routes: national\)"):
        defined(config, route=["nowhere"])


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"campaign": ""}, UserError, "must be 1 to 64"),
        ({"campaign": "x" * (ID_CHARS_MAX + 1)}, UserError, "must be 1 to 64"),
        ({"campaign": "a b"}, UserError, "must be 1 to 64"),
        ({"campaign": "a#b"}, UserError, "must be 1 to 64"),
        ({"campaign": "五月"}, UserError, "must be 1 to 64"),
        ({"campaign": "a\n"}, UserError, "must be 1 to 64"),
        ({"name": "x" * 201}, UserError, "201 characters"),
        ({"weight": 0}, UserError, "weight 0"),
        ({"weight": 1001}, UserError, "weight 1001"),
        ({"unknown": "maybe"}, UserError, '"hold" or "resend"'),
        ({"route": []}, UserError, "route is empty"),
        ({"route": ["spring", "spring"]}, UserError, "in the route twice"),
        ({"route": ["autumn"]}, ConfigError, r'account "autumn" is not in test.toml .*spring, summer'),
        ({"text": ""}, TextError, "text is empty"),
        ({"text": " \n"}, TextError, "text is empty"),
        ({"text": "x" * 501}, TextError, 'has 501 characters, account "spring" takes 500. Shorten it by 1'),
        ({"text": "\U0001f600" * 251}, TextError, "has 502 characters"),
        ({"text": "a\ud800"}, TextError, r"cannot carry U\+D800, character 2"),
        ({"options": {"colour": "red"}}, TextError, 'account "spring": batch-a has no option "colour"'),
    ],
)
def test_a_mistake_is_one_sentence(changes, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        defined(**changes)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("12345678901", r'11 characters, account "old" takes 10'),
        ("好 😀", r'cannot carry "😀" \(U\+1F600 GRINNING FACE\), character 3 of the text \(its charset is GBK\)'),
        ("a\u200bb", r"cannot carry U\+200B ZERO WIDTH SPACE, character 2"),
        ("lottery", r'account "old": this word is not allowed'),
    ],
)
def test_a_text_the_vendor_cannot_carry_is_refused(text, sentence):
    with pytest.raises(TextError, match=sentence):
        check_text("old", Gbk(url="http://127.0.0.1:9101"), Message(text=text))


def test_every_account_of_the_route_must_carry_the_text():
    table = {**TABLE, "text_chars_max": 5}
    config = parse({"account": {"spring": TABLE, "short": table}} | ALWAYS, "test.toml")
    with pytest.raises(TextError, match='account "short"'):
        defined(config, route=["spring", "short"], text="123456")


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("May Sale!", "20250501-may-sale-"),
        ("", "20250501-080910-"),
        ("五月", "20250501-080910-"),
        ("Été à Paris", "20250501-ete-a-paris-"),
    ],
)
def test_an_id_of_its_own_is_readable_and_unique(name, beginning):
    ids = {new_id(name, NOW) for _ in range(100)}
    assert len(ids) == 100
    assert all(each.startswith(beginning) and defined(campaign=each) for each in ids)
    assert len(new_id("x" * 200, NOW)) <= ID_CHARS_MAX


def test_what_is_sent_decides_the_fingerprint_and_nothing_else():
    base = defined(route=["spring", "summer"]).sent_as()
    same: list[dict[str, Any]] = [
        {"route": ["summer", "spring"]},
        {"name": "x"},
        {"weight": 5},
        {"urgent": True},
        {"campaign": "june"},
    ]
    other: list[dict[str, Any]] = [
        {"route": ["spring"]},
        {"text": "ho"},
        {"unknown": "resend"},
        {"options": {"extno": "1"}},
    ]
    assert [defined(**{"route": ["spring", "summer"], **change}).sent_as() == base for change in same] == [True] * 5
    assert [defined(**{"route": ["spring", "summer"], **change}).sent_as() == base for change in other] == [False] * 4
