"""Signatures: the published example of Standard Webhooks, and secrets that are none."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from dispatcher.core.callbacks.signing import SecretBroken, dingtalk_query, feishu_sign, key_of, signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, AT_S, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
PAGE = (Path(__file__).parents[3] / "docs" / "CALLBACKS.md").read_text("utf-8")


def test_the_published_example_has_its_signature() -> None:
    assert signature([key_of(SECRET)], ID, AT_S, BODY) == SIGNED


def test_two_keys_give_two_signatures_of_which_a_receiver_knows_one() -> None:
    other = key_of("whsec_" + base64.b64encode(bytes(32)).decode())
    first, second = signature([other, key_of(SECRET)], ID, AT_S, BODY).split()
    assert (first == SIGNED, second == SIGNED) == (False, True)


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "begins with"),
        ("whsec_***", "base64"),
        ("whsec_c2hvcnQ=", "24 to 64 bytes"),
        ("whsec_" + base64.b64encode(bytes(65)).decode(), "24 to 64 bytes"),
    ],
)
def test_a_wrong_secret_is_refused_without_showing_it(secret: str, says: str) -> None:
    with pytest.raises(SecretBroken, match=says) as caught:
        key_of(secret)
    assert secret not in str(caught.value)


def test_the_receiver_of_the_page_knows_our_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    names: dict[str, object] = {}
    exec(code[1], names)
    monkeypatch.setattr("time.time", lambda: AT_S + 299.0)
    verified = names["verified"]
    headers = {"webhook-id": ID, "webhook-timestamp": str(AT_S), "webhook-signature": f"v1,other {SIGNED}"}
    assert callable(verified)
    assert verified(headers, BODY, SECRET)
    assert not verified(headers, BODY + b" ", SECRET)
    monkeypatch.setattr("time.time", lambda: AT_S + 301.0)
    assert not verified(headers, BODY, SECRET)


def test_bots_sign_by_time_and_secret() -> None:
    # each computed with openssl: printf 'TIME\nSECRET' | openssl dgst -sha256 -hmac …
    assert dingtalk_query("SECx", 1000) == "&timestamp=1000&sign=" + DINGTALK
    assert feishu_sign("abc", 1000) == FEISHU


DINGTALK = "RQ%2F3mAnYUcXAHjmGnPKCONFkjFL8SG%2FYdWxezxqqRkY%3D"
FEISHU = "1VzrFC4BpwRSrYAk3/aJN25KJAw8HvatcBl8VkQzOMg="
