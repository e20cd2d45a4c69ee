"""A session opens what a call needs when it needs it, once, and says how far the results are behind the log."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from dispatcher.errors import ConfigError
from dispatcher.service.campaigns.views import list_campaigns
from dispatcher.service.session import Session, open_session
from dispatcher.store.opening import open_store
from tests.service.place import configured, launched


async def test_a_session_that_is_not_used_opens_nothing(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)):
        pass
    assert os.listdir(tmp_path) == []


async def test_a_question_makes_no_log_and_no_results(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        with pytest.raises(ConfigError, match="no log"):
            await list_campaigns(session)
    assert os.listdir(tmp_path) == []


async def test_the_log_is_opened_once(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        log = await session.log(create=True)
        assert await session.log() is log


async def test_a_log_that_was_given_stays_open(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as owner:
        log = await owner.log(create=True)
        async with open_session(configured(tmp_path), log=log) as guest:
            assert await guest.log() is log
        assert await log.end("campaigns", 0) == 0


async def test_the_configuration_of_a_path_is_read_with_the_secrets_a_call_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = 'vendor = "batch-a"\nurl = "http://127.0.0.1:9"\naccount = "demo"\n'
    text = f'[account.spring]\n{account}pswd = "${{SPRING}}"\n[account.summer]\n{account}pswd = "${{SUMMER}}"\n'
    path = tmp_path / "dispatcher.toml"
    path.write_text(text, "utf-8")
    monkeypatch.setenv("SPRING", "secret")
    monkeypatch.delenv("SUMMER", raising=False)
    session = Session(path)
    assert sorted(session.config.accounts) == ["spring", "summer"]
    assert "spring" not in session.config_with(["spring"]).unset
    with pytest.raises(ConfigError, match="SUMMER"):
        session.config_with("all")


async def test_results_without_a_joiner_are_brought_up_to_date(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        assert await session.behind() == 0
        assert [view.id for view in await session.read(lambda reader: reader.campaigns())] == ["may"]


async def test_results_that_were_made_after_the_first_question_are_seen(tmp_path: Path, monkeypatch) -> None:
    config = configured(tmp_path)
    async with open_session(config) as session, open_session(config) as other:
        await launched(session, "may")
        with monkeypatch.context() as patch:  # as where another process is about to make them
            patch.setattr(session, "fold", AsyncMock())
            assert await session.read(lambda reader: reader.campaigns()) == []
            await other.fold()
            assert [view.id for view in await session.read(lambda reader: reader.campaigns())] == ["may"]


async def test_results_that_another_process_keeps_are_waited_for_and_what_is_missing_is_told(tmp_path: Path) -> None:
    config = configured(tmp_path)
    held = open_store(config.store)
    try:
        async with open_session(config) as session:
            await launched(session, "may")
            assert await session.behind(within_s=0.0) > 0
    finally:
        held.close()
    async with open_session(config) as session:
        assert await session.behind(within_s=0.0) == 0


async def test_a_reader_for_a_long_read_sees_what_is_on_the_log(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        async with session.reader() as reader:
            assert reader.unread("may") == 0
            assert [len(page.numbers) for page in reader.pages("may")] == [3]
