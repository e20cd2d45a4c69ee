"""What a vendor cannot carry is refused at launch, through whichever account of the route it would have gone."""

from __future__ import annotations

from datetime import datetime

import pytest

from dispatcher.config.file import parse
from dispatcher.content.judge import vendor_findings
from dispatcher.errors import TextError
from dispatcher.service.campaigns.launching import LaunchRequest
from producers.launch.definition import Definition, define
from tests.always import ALWAYS

LOGIN = {"userid": "1001", "username": "demo", "password": "x"}
CONFIG = parse(
    {
        "account": {
            "spring": {"vendor": "batch-a", "url": "http://127.0.0.1:9101", "account": "demo", "pswd": "x"},
            "he": {"vendor": "hezhong", "url": "http://127.0.0.1:9102"} | LOGIN,
            "he-utf8": {"vendor": "hezhong", "url": "http://127.0.0.1:9102", "utf8": True} | LOGIN,
            "guo": {"vendor": "guodu", "url": "http://127.0.0.1:9103", "oper_id": "op", "oper_pass": "pw"},
        }
    }
    | ALWAYS,
    "test.toml",
)


def defined(*route: str, text: str = "hi", **options: str) -> Definition:
    request = LaunchRequest(numbers=(), id="may", text=text, route=route, options=options)
    return define(CONFIG, request, datetime(2025, 5, 1))


EURO = r'account "he" cannot carry "€" \(U\+20AC EURO SIGN\), character 3 of the text \(its charset is GBK\)'
REFUSED = [
    ("a character that GBK lacks", ["he"], "5 €", {}, EURO),
    ("the same in a mixed route", ["spring", "guo", "he"], "5 €", {}, EURO),
    ("1001 characters", ["he"], "好" * 1001, {}, r'1001 characters, account "he" takes 1000. Shorten it by 1'),
    ("501 characters", ["guo"], "好" * 501, {}, r'501 characters, account "guo" takes 500. Shorten it by 1'),
    ("251 emoji", ["guo"], "😀" * 251, {}, r"502 characters"),
    ("a sub of six digits", ["he"], "hi", {"sub": "123456"}, r'account "he": sub must be 1 to 5 digits'),
    ("an extension of five", ["guo"], "hi", {"append_id": "12345"}, r'account "guo": append_id must be 1 to 4 digits'),
    (
        "a time that is none",
        ["guo"],
        "hi",
        {"send_time": "tomorrow"},
        r'account "guo": send_time "tomorrow" is no time',
    ),
    ("an option of another vendor", ["he"], "hi", {"extno": "1"}, r'account "he": hezhong has no option "extno"'),
    ("an option nobody has", ["guo"], "hi", {"colour": "red"}, r'account "guo": guodu has no option "colour"'),
]


@pytest.mark.parametrize(
    ("route", "text", "options", "sentence"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_an_account_cannot_carry_is_refused_at_launch_with_what_to_do(route, text, options, sentence):
    with pytest.raises(TextError, match=sentence):
        defined(*route, text=text, **options)


TAKEN = [
    (["he"], "【店】优惠", {"sub": "12345"}),
    (["he-utf8"], "5 € 😀", {}),
    (["guo"], "5 € 😀", {"append_id": "1234", "send_time": "20300101080000"}),
    (["spring", "he", "guo"], "好" * 500, {}),
]


@pytest.mark.parametrize(("route", "text", "options"), TAKEN)
def test_what_every_account_can_carry_is_taken(route, text, options):
    assert defined(*route, text=text, **options).options == options


def vendor_notes(definition):
    return [(each.accounts, each.says) for each in vendor_findings(definition.accounts, definition.messages())]


def test_the_vendors_notes_are_said_with_their_accounts():
    assert vendor_notes(defined("spring", "he", "guo", text="好" * 500)) == []
    ((accounts, note),) = vendor_notes(defined("he", text="好" * 501))
    assert (accounts, note[:27]) == (("he",), "the text has 501 characters")
    ((accounts, note),) = vendor_notes(defined("guo", send_time="20300101080000"))
    assert accounts == ("guo",)
    assert "2030-01-01 08:00:00" in note
