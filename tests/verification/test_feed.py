"""Codes of two processes on one log: what they append at the same time, the log puts in an order, and that decides."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dispatcher.core.verification import READ_BACK_MS, CodeKeys, CodeRules, MadeAs, TriedAs, new_code, partition_of
from dispatcher.errors import LogTimeout
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.verification import feed as feed_module
from dispatcher.verification.feed import VerificationFeed
from schemas.records import CodeMade, CodeTried
from tests.memory_log import MemoryLog

KEYS = CodeKeys(b"a secret of enough bytes")
NUMBER = 13_800_138_000


def made(key: str = "", number: int = NUMBER, **rules: Any) -> CodeMade:
    chance, key = secrets.token_bytes(16), key or secrets.token_hex(4)
    return new_code(KEYS, CodeRules(**rules), number=number, stream="login", key=key, code_id=chance)


async def trying(feed: VerificationFeed, code: CodeMade, *, right: bool) -> object:
    return await feed.append(CodeTried(subject=code.subject, id=code.id, right=right), secrets.token_bytes(8))


class Race:
    """Two processes' logs of one place, checked at the same time. The subclasses say which."""

    @pytest.fixture
    def number(self) -> int:
        return 13_000_000_000 + secrets.randbelow(10**9)

    async def test_one_of_many_right_tries_at_the_same_time_is_a_yes(self, logs: tuple[Log, Log], number: int) -> None:
        feeds = [VerificationFeed(log) for log in logs]
        code = made(number=number)
        assert await feeds[0].append(code, b"") is MadeAs.NEW
        verdicts = await asyncio.gather(*(trying(feeds[turn % 2], code, right=True) for turn in range(10)))
        assert Counter(verdicts) == {TriedAs.YES: 1, TriedAs.USED: 9}

    async def test_two_processes_have_no_more_tries_than_one(self, logs: tuple[Log, Log], number: int) -> None:
        feeds = [VerificationFeed(log) for log in logs]
        code = made(number=number, tries_max=5)
        await feeds[0].append(code, b"")
        verdicts = await asyncio.gather(*(trying(feeds[turn % 2], code, right=False) for turn in range(16)))
        assert Counter(verdicts) == {TriedAs.WRONG: 5, TriedAs.LOCKED: 11}
        assert await trying(feeds[1], code, right=True) is TriedAs.LOCKED

    async def test_one_request_makes_one_code_and_a_number_gets_no_more_than_its_codes(
        self, logs: tuple[Log, Log], number: int
    ) -> None:
        feeds = [VerificationFeed(log) for log in logs]
        same = [made(key="order 7", number=number) for _ in range(4)]
        verdicts = await asyncio.gather(*(feeds[turn % 2].append(each, b"") for turn, each in enumerate(same)))
        assert Counter(verdicts) == {MadeAs.NEW: 1, MadeAs.REPEATED: 3}
        for feed in feeds:  # both know the one that won
            found = (await feed.codes(same[0].subject)).of_request(same[0].subject, same[0].request, 0)
            assert found is not None
            assert found.made == same[verdicts.index(MadeAs.NEW)]
        others = [made(number=number, codes_per_hour_max=5) for _ in range(8)]
        verdicts = await asyncio.gather(*(feeds[turn % 2].append(each, b"") for turn, each in enumerate(others)))
        assert Counter(verdicts) == {MadeAs.NEW: 4, MadeAs.TOO_MANY: 4}


class TestOnSqlite(Race):
    @pytest.fixture
    async def logs(self, tmp_path: Path) -> AsyncIterator[tuple[Log, Log]]:
        one, other = [await open_log(f"sqlite:{tmp_path}/log.db") for _ in range(2)]
        yield one, other
        await one.close()
        await other.close()

    async def test_a_process_that_starts_reads_what_matters_and_nothing_older(
        self, logs: tuple[Log, Log], tmp_path: Path
    ) -> None:
        old, new = made(), made()
        first = VerificationFeed(logs[0])
        await first.append(old, b"")
        place = f'"verifications/{partition_of(old.subject)}"'
        with sqlite3.connect(tmp_path / "log.db") as other:
            other.execute(f"UPDATE {place} SET at_ms = at_ms - ?", (READ_BACK_MS + 60_000,))
        await first.append(new, b"")
        known = (await VerificationFeed(logs[1]).codes(new.subject)).newest(new.subject)
        assert known is not None
        assert known.made == new
        assert (await VerificationFeed(logs[1]).codes(old.subject)).of_request(old.subject, old.request, 0) is None

    async def test_a_process_that_was_silent_for_days_starts_anew_where_the_log_has_deleted(
        self, logs: tuple[Log, Log], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        feed, other = VerificationFeed(logs[0]), VerificationFeed(logs[1])
        await feed.append(made(), b"")
        for _ in range(3):
            await other.append(made(), b"")
        place = f'"verifications/{partition_of(made().subject)}"'
        with sqlite3.connect(tmp_path / "log.db") as file:
            file.execute(f"DELETE FROM {place} WHERE n < 4")
        later_s = time.monotonic() + READ_BACK_MS / 1000 + 1
        monkeypatch.setattr(feed_module, "time", SimpleNamespace(monotonic=lambda: later_s))
        code = made()
        assert await feed.append(code, b"") is MadeAs.NEW
        assert await trying(feed, code, right=True) is TriedAs.YES


class TestOnKafka(Race):
    @pytest.fixture
    async def logs(self, kafka_bootstrap: str, kafka_prefix: str) -> AsyncIterator[tuple[Log, Log]]:
        one, other = [await open_log(f"kafka://{kafka_bootstrap}/{kafka_prefix}.") for _ in range(2)]
        yield one, other
        await one.close()
        await other.close()


async def test_a_try_that_the_log_did_not_confirm_is_no_answer_and_may_count() -> None:
    log = MemoryLog()
    feed = VerificationFeed(log)
    code = made(tries_max=2)
    await feed.append(code, b"")
    log.failures.append((LogTimeout("late"), True))
    with pytest.raises(LogTimeout):
        await trying(feed, code, right=False)
    assert await trying(feed, code, right=False) is TriedAs.WRONG
    assert await trying(feed, code, right=True) is TriedAs.LOCKED
