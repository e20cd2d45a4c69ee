"""`dispatcher account check` and `account query` of an account on links, against a simulated gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.file import Config, parse
from dispatcher.errors import DispatcherError, UserError
from dispatcher.service.accounts import account_balances, check_accounts
from dispatcher.service.campaigns.orders.control import TakenBack, cancel_campaign
from dispatcher.service.campaigns.views import view_of
from dispatcher.service.session import Session
from dispatcher.service.vendor_requests.gateway_totals import gateway_totals
from dispatcher.service.vendor_requests.take_back import take_back
from tests.consumers.lanes.test_a_campaign_over_links import world
from tests.loadtest.sim.cmpp.cmpp_kit import NOW, Ismg, ismg
from tests.waiting import until


def config(folder: Path, gateway: Ismg, **keys: Any) -> Config:
    account = {"vendor": "cmpp", "url": f"cmpp://{gateway.sim.wire_address}", "sp_id": "901234"}
    return parse(
        {
            "log": {"url": f"sqlite:{folder / 'log.db'}"},
            "store": {"url": f"sqlite:{folder / 'results.db'}"},
            "account": {
                "polar": account | {"secret": "sim-secret"} | keys,
                "spring": {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "a", "pswd": "secret"},
            },
        },
        str(folder / "dispatcher.toml"),
    )


CHECKS = [
    ("let in", {}, {}, True, "let in"),
    ("a wrong secret", {}, {"secret": "wrong"}, False, "shared secret is wrong"),
    ("one too many", {"rule": [{"code": 5, "on": "connect"}]}, {}, None, "too many connections"),
    ("silent", {"rule": [{"fault": "no_answer", "on": "connect"}]}, {"timeout_s": 0.05}, None, "not answered"),
]


@pytest.mark.parametrize(("switches", "keys", "let_in", "says"), [row[1:] for row in CHECKS], ids=lambda each: "")
async def test_a_check_logs_in_and_out(tmp_path, switches, keys, let_in, says):
    async with ismg(**switches) as gateway:
        session = Session(config(tmp_path, gateway, **keys), None)
        (tmp_path / "dispatcher.toml").write_text("")
        [found] = (await check_accounts(session, "polar")).accounts
        assert (found.let_in, found.messages) == (let_in, None)
        assert says in found.says
        await until(lambda: not any(each.account for each in gateway.sim.gateway.sessions), "it is logged out")


async def test_a_check_without_a_gateway_says_where_there_is_none(tmp_path):
    async with ismg() as gateway:
        session = Session(config(tmp_path, gateway, url="cmpp://127.0.0.1:1"), None)
        [found] = (await check_accounts(session, "polar")).accounts
        assert (found.let_in, found.says) == (None, "no connection to 127.0.0.1:1: connection refused")


async def test_a_balance_that_no_gateway_tells_names_the_check_of_the_login(tmp_path):
    async with ismg() as gateway:
        session = Session(config(tmp_path, gateway), None)
        (tmp_path / "dispatcher.toml").write_text("")
        [found] = (await account_balances(session, "polar")).accounts
        assert (found.let_in, found.messages) == (None, None)
        assert found.says == "vendor cmpp has no balance query; to try the login: dispatcher account check polar"


async def test_the_gateways_totals_of_a_day_agree_with_ours(tmp_path):
    rules = [{"code": 6, "count": 2}]
    async with world(tmp_path, NOW | {"status_mix": {"DELIVRD": 1.0}, "rule": rules}) as it:
        await it.launch(20, "测" * 80)
        await it.until_settled()
        found = await gateway_totals(it.session, "polar")
        assert (found.ours.taken, found.ours.refused, found.ours.unknown) == (38, 2, 0)
        assert (found.gateway.messages, found.agree) == (38, True)
        assert found.gateway.from_phones == found.ours.from_phones == 0
        other = await gateway_totals(it.session, "polar", "2020-01-01", "SVC")
        assert (other.gateway.messages, other.ours.taken, other.agree) == (0, 0, True)


async def test_a_question_that_cannot_be_asked_is_a_sentence(tmp_path):
    async with ismg() as gateway:
        session = Session(config(tmp_path, gateway, secret="wrong"), None)
        for arguments, says in (
            (("spring",), "vendor batch-a has no daily totals"),
            (("polar", "31.1.2026"), "is no day"),
            (("polar", None, "x" * 11), "longer than the 10 characters"),
        ):
            with pytest.raises(UserError, match=says):
                await gateway_totals(session, *arguments)
        with pytest.raises(DispatcherError, match="shared secret is wrong"):
            await gateway_totals(session, "polar")


async def test_what_is_scheduled_is_taken_back_and_what_is_sent_at_once_is_not(tmp_path):
    async with world(tmp_path, NOW) as it:
        await it.launch(30, "测" * 80, options={"at_time": "20370101080000"})
        await it.until(lambda each: each.accepted == 30)
        done = await cancel_campaign(it.session, "may")
        assert done.taken_back == (TakenBack(account="polar", taken_back=60),)
        assert it.gateway.sim.rows()["cancelled"].to_list() == [True] * 60
        assert (await it.until_settled()).failed == 30
        [failure] = (await view_of(it.session, "may")).failures
        assert (failure.source, failure.code, failure.meaning) == ("report", "DELETED", "deleted before delivery")
        again = await take_back(it.session, "may")
        assert again == [TakenBack(account="polar", not_taken_back=60)]
    async with world(tmp_path / "other", NOW) as it:
        await it.launch(3)
        await it.until_settled()
        assert await take_back(it.session, "may") == []
