"""`[routes.NAME]`: which accounts send to which carrier."""

from __future__ import annotations

import pytest

from dispatcher.config.file import parse
from dispatcher.core.carriers import Carrier
from dispatcher.errors import ConfigError

ACCOUNT = {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": "x"}


def routes(**tables):
    return parse(
        {"account": {"spring": ACCOUNT, "summer": ACCOUNT, "autumn": ACCOUNT}, "routes": tables}, "d.toml"
    ).routes


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


def test_recipients_move_to_those_that_share_the_step_first_and_then_to_the_next_steps():
    found = routes(
        a={"mobile": [{"spring": 1, "summer": 3}, "autumn"], "default": ["autumn", "spring"], "failover_after_s": 60}
    )["a"]
    mobile, other = found.rule_of[Carrier.MOBILE], found.rule_of[Carrier.TELECOM]
    assert found.then(mobile, "spring") == ("summer", "autumn")
    assert found.then(mobile, "summer") == ("spring", "autumn")
    assert found.then(other, "autumn") == ("spring",)
    assert found.senders(Carrier.MOBILE) == ("spring", "summer", "autumn")
    assert dict(found.shares(Carrier.MOBILE)) == {"spring": 1, "summer": 3}


def test_without_a_time_nobody_moves_and_with_one_it_is_another_launch():
    shared = {"default": {"spring": 1, "summer": 1}}
    off, on, back = (
        routes(a=shared | more)["a"]
        for more in ({}, {"failover_after_s": 60}, {"failover_after_s": 60, "fail_back": True})
    )
    assert off.then(0, "spring") == ()
    assert on.then(0, "spring") == ("summer",)
    assert len({str(each.sent_as()) for each in (off, on, back)}) == 3


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"spring": {"default": "spring"}}, "there is an account of this name"),
        ({"a": {"vodafone": "spring", "default": "spring"}}, '"vodafone" is not a carrier'),
        ({"a": {"mobile": "spring"}}, "no account for unknown, unicom, telecom, broadnet, abroad"),
        ({"a": {"default": "winter"}}, r'there is no account "winter" \(accounts there: autumn, spring, summer\)'),
        ({"a": {"default": {"spring": 0}}}, "the weight of spring must be"),
        ({"a": {"default": {"spring": True}}}, "the weight of spring must be"),
        ({"a": {"default": {}}}, "must be an account, or accounts with weights"),
        ({"a": {"default": 3}}, "must be an account, or accounts with weights"),
        ({"a": "spring"}, "must be a table of keys"),
        ({"a": {"default": "spring", "prefer": "price"}}, 'prefer must be "delivery"'),
        ({"a": {"default": "spring", "explore_percent": 0}}, "explore_percent must be a whole number"),
        ({"a": {"default": ["spring", "summer"]}}, "nothing says when the next one is used"),
        ({"a": {"default": [], "failover_after_s": 60}}, "is an empty list"),
        ({"a": {"default": ["spring", {"summer": 1, "spring": 1}], "failover_after_s": 60}}, 'names "spring" twice'),
        ({"a": {"default": "spring", "failover_after_s": 0.5}}, "failover_after_s must be a whole number"),
        ({"a": {"default": "spring", "failover_after_s": 10**9}}, "failover_after_s must be a whole number"),
        ({"a": {"default": "spring", "fail_back": True}}, "fail_back goes with failover_after_s"),
        ({"a": {"default": "spring", "failover_after_s": 60, "fail_back": 1}}, "fail_back must be true or false"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_key(tables, said):
    with pytest.raises(ConfigError, match=said):
        routes(**tables)
