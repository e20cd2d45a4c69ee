"""Accounts as values: what is configured, what the lanes told, what people had vendors do."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from dispatcher.errors import ConfigError
from dispatcher.log.port import Entry
from dispatcher.service.accounts import CheckStart, account_balances, check_accounts, list_accounts
from dispatcher.service.session import open_session
from dispatcher.service.vendor_requests.operations import operations_of, view_of
from schemas.codec import encode
from schemas.records import Operated, Stopped
from tests.service.place import ACCOUNT, configured


async def test_accounts_are_listed_where_there_is_no_log_yet(tmp_path: Path) -> None:
    config = configured(tmp_path)
    async with open_session(config) as session:
        found = await list_accounts(session)
        assert found.config == config.path
        [account] = found.accounts
        assert (account.account, account.vendor, account.held_by, account.stopped) == (ACCOUNT, "batch-a", None, None)
    assert os.listdir(tmp_path) == []


async def test_an_account_that_does_not_send_is_listed_with_its_lane_s_words(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        stop = Stopped(account=ACCOUNT, at_ms=1_700_000_000_000, why="auth", says="the password is wrong")
        await (await session.log(create=True)).append("campaigns", 0, [Entry(b"stopped!spring", encode(stop))])
        [account] = (await list_accounts(session)).accounts
        assert account.stopped is not None
        assert (account.stopped.why, account.stopped.since_ms) == ("auth", stop.at_ms)
        assert "the password is wrong" in account.stopped.sentence


@pytest.mark.parametrize("ask", [check_accounts, account_balances])
async def test_an_account_that_is_not_configured_is_told_with_those_that_are(tmp_path: Path, ask) -> None:
    async with open_session(configured(tmp_path)) as session:
        with pytest.raises(ConfigError, match=r'account "sprnig" is not in .* \(accounts there: spring\)'):
            await ask(session, "sprnig")


async def test_an_account_whose_vendor_cannot_be_reached_is_neither_let_in_nor_refused(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        [check] = (await check_accounts(session, ACCOUNT, by="ann")).accounts
        assert (check.let_in, check.messages, check.lane_told) == (None, None, False)
        [recalled] = (await account_balances(session)).accounts
        assert recalled.recalled is not None
        assert "ann (account check)" in recalled.recalled


async def test_what_is_known_of_an_account_is_told_before_its_vendor_is_asked(tmp_path: Path) -> None:
    told: list[object] = []
    async with open_session(configured(tmp_path)) as session:
        stop = Stopped(account=ACCOUNT, at_ms=1_700_000_000_000, why="auth", says="the password is wrong")
        await (await session.log(create=True)).append("campaigns", 0, [Entry(b"stopped!spring", encode(stop))])
        found = await check_accounts(session, starts=told.append, checked=told.append)
    start, check = told
    assert isinstance(start, CheckStart)
    assert (start.config, start.configured, start.unset) == (found.config, 1, [])
    assert [(each.account, each.since_ms) for each in start.stops] == [(ACCOUNT, stop.at_ms)]
    assert [check] == found.accounts


async def test_an_operation_is_told_with_the_last_word_on_it(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        assert await operations_of(session) == []
        asked = Operated(
            operation="0a", account=ACCOUNT, name="recharge", shows=(("fee", "7"),), result="asked", at_ms=1, by="ann"
        )
        await (await session.log(create=True)).append("campaigns", 0, [Entry(b"operation!0a!asked", encode(asked))])
        [state] = await operations_of(session)
        view = msgspec.to_builtins(view_of(state))
        assert (view["result"], view["sent"], view["result_by"]) == ("unknown", {"fee": "7"}, None)
