"""`[routes.NAME]`: which accounts send to which carrier."""

from __future__ import annotations

import pytest

from dispatcher.config.file import parse
from dispatcher.core.carriers import Carrier
from dispatcher.errors import ConfigError

ACCOUNT = {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": "x"}


def routes(**tables):
    return parse({"account": {"spring": ACCOUNT, "summer": ACCOUNT}, "routes": tables}, "d.toml").routes


def test_a_route_gives_each_carrier_its_accounts_and_the_others_the_default():
    route = routes(national={"mobile": {"spring": 3, "summer": 1}, "unicom": "summer", "default": "spring"})["national"]
    assert route.accounts == ("spring", "summer")
    assert {carrier.word: dict(route.shares(carrier)) for carrier in Carrier} == {
        "unknown": {"spring": 1},
        "mobile": {"spring": 3, "summer": 1},
        "unicom": {"summer": 1},
        "telecom": {"spring": 1},
        "broadnet": {"spring": 1},
        "abroad": {"spring": 1},
    }
    assert len(route.rules) == 3


def test_a_fingerprint_does_not_depend_on_how_a_route_is_written():
    one = routes(a={"mobile": {"spring": 1, "summer": 2}, "default": "spring"})["a"]
    same = routes(b={"default": {"spring": 1}, "mobile": {"summer": 2, "spring": 1}, "unicom": "spring"})["b"]
    other = routes(a={"mobile": {"spring": 2, "summer": 2}, "default": "spring"})["a"]
    assert one.sent_as() == same.sent_as() != other.sent_as()


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"spring": {"default": "spring"}}, "there is an account of this name"),
        ({"a": {"vodafone": "spring", "default": "spring"}}, '"vodafone" is not a carrier'),
        ({"a": {"mobile": "spring"}}, "no account for unknown, unicom, telecom, broadnet, abroad"),
        ({"a": {"default": "autumn"}}, r'there is no account "autumn" \(accounts there: spring, summer\)'),
        ({"a": {"default": {"spring": 0}}}, "the weight of spring must be"),
        ({"a": {"default": {"spring": True}}}, "the weight of spring must be"),
        ({"a": {"default": {}}}, "must be an account, or accounts with weights"),
        ({"a": {"default": 3}}, "must be an account, or accounts with weights"),
        ({"a": "spring"}, "must be a table of keys"),
        ({"a": {"default": "spring", "prefer": "price"}}, 'prefer must be "delivery"'),
        ({"a": {"default": "spring", "explore_percent": 0}}, "explore_percent must be a whole number"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_key(tables, said):
    with pytest.raises(ConfigError, match=said):
        routes(**tables)
