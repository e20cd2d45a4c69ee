"""The real address behind reverse proxies."""

from __future__ import annotations

import pytest

from producers.web.addresses import client_address, expected_from, is_loopback

TRUSTED = expected_from(["127.0.0.1", "10.0.0.0/8", "2001:db8::/64"])

CASES = [
    # name, peer, X-Forwarded-For headers, the client
    ("no proxy",                        "203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
    ("one proxy",                       "127.0.0.1", ["203.0.113.7"], "203.0.113.7"),
    ("what the client made up",         "127.0.0.1", ["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
    ("two proxies",                     "127.0.0.1", ["203.0.113.7, 10.1.2.3"], "203.0.113.7"),
    ("two headers",                     "127.0.0.1", ["198.51.100.1", "203.0.113.7, 10.1.2.3"], "203.0.113.7"),
    ("a client that names a proxy",     "127.0.0.1", ["10.9.9.9, 203.0.113.7, 10.1.2.3"], "203.0.113.7"),
    ("with a port",                     "127.0.0.1", ["203.0.113.7:4711"], "203.0.113.7"),
    ("IPv6",                            "2001:db8::1", ["2001:db8:1::7"], "2001:db8:1::7"),
    ("IPv6 with a port",                "127.0.0.1", ["[2001:db8:1::7]:4711"], "2001:db8:1::7"),
    ("no header",                       "127.0.0.1", [], ""),
    ("an empty header",                 "127.0.0.1", [""], ""),
    ("no address",                      "127.0.0.1", ["203.0.113.7, unknown"], ""),
    ("proxies only",                    "127.0.0.1", ["10.1.2.3"], ""),
]  # fmt: skip


@pytest.mark.parametrize(("peer", "forwarded", "client"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_the_first_address_from_the_right_that_is_no_trusted_proxy_is_the_client(peer, forwarded, client):
    assert TRUSTED is not None
    assert client_address(peer, forwarded, TRUSTED) == client


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_only_the_machine_itself_is_loopback(address, here):
    assert is_loopback(address) is here
