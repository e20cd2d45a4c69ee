"""From where pushes are taken: `push_from` of an account."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import msgspec
import pytest

from dispatcher.config.file import parse
from dispatcher.log.opening import open_log
from dispatcher.vendors.batch.edition_a import BatchA
from dispatcher.vendors.seam.vendor import Secret
from producers.web.addresses import expected_from
from producers.webhooks.server import serve_webhooks

ACCOUNT = BatchA(url="http://127.0.0.1:9101", account="demo", pswd=Secret("s3cret"))


def test_without_sources_the_address_is_not_checked():
    assert expected_from(()) is None


ADDRESSES = [
    ("203.0.113.7", True),
    ("203.0.113.8", False),
    ("198.51.100.0", True),
    ("198.51.100.255", True),
    ("198.51.101.0", False),
    ("::ffff:203.0.113.7", True),
    ("2001:db8::1", True),
    ("2001:db9::1", False),
    ("fe80::1%eth0", False),
    ("nonsense", False),
    ("", False),
    (None, False),
]


@pytest.mark.parametrize(("remote", "expected"), ADDRESSES)
def test_an_address_is_expected_if_it_is_listed_or_in_a_listed_network(remote, expected):
    expects = expected_from(["203.0.113.7", "198.51.100.7/24", "2001:db8::/32"])
    assert expects is not None
    assert expects(remote) is expected


def test_what_is_no_address_is_named_when_the_configuration_is_read():
    assert msgspec.structs.replace(ACCOUNT, push_from=("203.0.113.0/24", "::1")).check() is None
    wrong = msgspec.structs.replace(ACCOUNT, push_from=("vendor.example",)).check()
    assert wrong == 'push_from: "vendor.example" is no address and no network (203.0.113.7, 203.0.113.0/24).'


COSMS = {"vendor": "cosms", "url": "http://127.0.0.1:1", "corp_id": "100", "login_name": "DEMO", "password": "demo"}


async def test_only_the_vendors_address_can_push_and_its_push_is_answered_as_it_wants(tmp_path: Path):
    accounts = {"here": COSMS | {"push_from": ["127.0.0.0/8"]}, "elsewhere": COSMS | {"push_from": ["203.0.113.7"]}}
    config = parse({"web": {"listen": "127.0.0.1:0"}, "account": accounts}, "dispatcher.toml")
    log = await open_log(f"sqlite:{tmp_path / 'log.db'}")
    webhooks = await serve_webhooks(config, log)
    async with aiohttp.ClientSession(webhooks.url) as session:
        async with session.get("/push/here/report?mtID=1,2&mtReport=0") as response:
            assert (response.status, response.content_type, await response.read()) == (200, "text/plain", b"100")
        async with session.get("/push/elsewhere/report?mtID=1,2&mtReport=0") as response:
            assert (response.status, await response.read()) == (403, b"")
    assert (webhooks.counts.reports, webhooks.counts.strangers) == (2, 1)
    await webhooks.close()
    await log.close()
