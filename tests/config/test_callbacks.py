"""`[callbacks.NAME]`: only safe addresses, only usable secrets, and each mistake in one sentence without a secret."""

from __future__ import annotations

import base64

import pytest

from dispatcher.config.file import parse
from dispatcher.errors import ConfigError
from dispatcher.process.logs import secrets_of
from dispatcher.service.settings import HIDDEN, shown_value

SECRET = "whsec_" + base64.b64encode(bytes(24)).decode()
GOOD = {"url": "https://shop.example/hooks", "secret": SECRET}


def read(**changed: object):
    return parse({"callbacks": {"shop": GOOD | changed}}, "dispatcher.toml").callback("shop")


def test_a_callback_has_one_secret_or_two() -> None:
    assert read().secret == (SECRET,)
    assert read(secret=[SECRET, SECRET]).secret == (SECRET, SECRET)
    assert read().events == ("finished", "halted")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/", "http://[::1]/x", "http://localhost/"])
def test_this_machine_may_be_called_without_tls(url: str) -> None:
    assert read(url=url).url == url


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"url": "http://shop.example/"}, "must begin with https://"),
        ({"url": "http://10.0.0.8/"}, "must begin with https://"),
        ({"url": "ftp://shop.example/"}, "must be an address"),
        ({"url": "https://shop.example:port/"}, "must be an address"),
        ({"url": "https://ann:secret@shop.example/"}, "must not hold a user"),
        ({"secret": "short"}, 'begins with "whsec_". Make one: dispatcher callback secret'),
        ({"secret": []}, "one secret, or a list of two"),
        ({"secret": [SECRET] * 3}, "one secret, or a list of two"),
        ({"events": []}, "events is empty"),
        ({"events": ["launched"]}, "there is no event launched (possible: finished, halted,"),
        ({"events": ["halt"]}, "there is no event halt (did you mean halted?)"),
        ({"format": "dingtalk", "events": ["results"]}, "results need format"),
        ({"format": "slack"}, "format must be one of"),
        ({"failing_percent": 0}, "above 0"),
        ({"retries": 3}, "there is no key retries"),
    ],
)
def test_a_mistake_is_one_sentence(changed: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(**changed)
    assert says in str(caught.value)
    assert str(caught.value).startswith("dispatcher.toml: [callbacks.shop]")
    assert SECRET not in str(caught.value)


def test_a_bot_needs_no_secret() -> None:
    config = parse({"callbacks": {"team": {"url": "https://bot.example/?token=x", "format": "feishu"}}}, "x")
    assert config.callback("team").secret == ()


def test_a_missing_secret_stops_only_what_needs_it() -> None:
    table = {"callbacks": {"shop": GOOD | {"secret": "${NO_SUCH_SECRET}"}}}
    with pytest.raises(ConfigError, match="NO_SUCH_SECRET is not set"):
        parse(table, "dispatcher.toml")
    config = parse(table, "dispatcher.toml", secrets="none")
    assert parse(table, "dispatcher.toml", secrets="accounts").unset_callbacks == config.unset_callbacks
    assert config.callback("shop", ready=False).host == "shop.example"
    with pytest.raises(ConfigError, match="NO_SUCH_SECRET is not set"):
        config.callback("shop")


def test_an_unknown_callback_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r'callback "shop" is not in x \(callbacks there: none\)'):
        parse({}, "x").callback("shop")


def test_addresses_and_secrets_are_shown_and_logged_nowhere() -> None:
    config = parse({"callbacks": {"shop": GOOD}}, "x")
    assert {SECRET, GOOD["url"]} <= set(secrets_of(config))
    assert (shown_value(config.callback("shop").url), shown_value(config.callback("shop").secret)) == (HIDDEN, HIDDEN)
    assert SECRET not in repr(config)
