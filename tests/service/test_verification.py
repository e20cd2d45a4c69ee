"""Codes over a stream: sent once, yes once, whatever processes ask; and the log never has one."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consumers.lanes.role import run_lanes
from dispatcher.config.file import Config, parse
from dispatcher.core.numbers import decode as numbers_of
from dispatcher.core.streams.hidden_codes import packed, revealed
from dispatcher.core.verification import CodeKeys, code_of
from dispatcher.errors import ConfigError, LogUnavailable, UserError
from dispatcher.log.opening import open_log
from dispatcher.service.campaigns.orders.control import control_campaign
from dispatcher.service.session import Session
from dispatcher.service.streams import StreamRequest, close_stream, open_stream
from dispatcher.service.suppression import change_suppression, suppression_key
from dispatcher.service.verification import check_verification, start_verification
from dispatcher.verification.feed import VerificationFeed
from dispatcher.verification.secret import FILE, code_keys
from loadtest.sim.process import spawn
from schemas.batch import Values
from schemas.codec import decode
from schemas.records import Appended
from schemas.topics import JOBS, lane_partition
from tests.always import ALWAYS
from tests.memory_log import MemoryLog
from tests.waiting import patience

NUMBER = "13800138000"
TEXT = "【Shop】{code} is your code for {minutes} min"


def config(folder: Path, url: str = "http://127.0.0.1:9", **codes: Any) -> Config:
    account = {"vendor": "batch-b", "url": url, "account": "spring", "pswd": "secret"}
    table = {
        "log": {"url": f"sqlite:{folder}/log.db"},
        "store": {"url": f"sqlite:{folder}/results.db"},
        "account": {"spring": account},
        "verification": codes,
    }
    return parse(table | ALWAYS, f"{folder}/dispatcher.toml")


async def opened(session: Session, stream: str = "login", text: str = TEXT, **terms: Any) -> None:
    request = StreamRequest(id=stream, text=text, route=["spring"], **{"campaign_class": "code"} | terms)
    await open_stream(session, request)


async def code(session: Session, stream: str = "login", number: str = NUMBER) -> str:
    """The code that a phone got; only who has the secret can know it."""
    keys = code_keys(session.config)
    subject = keys.subject(suppression_key(number))
    found = (await VerificationFeed(await session.log()).codes(subject)).current(subject, stream)
    assert found is not None
    return code_of(keys, found.made)


async def appended(session: Session) -> list[Appended]:
    records = await (await session.log()).read(JOBS.name, lane_partition("spring"), 0)
    return [record for stored in records if isinstance(record := decode(stored.value), Appended)]


def wrong(right: str, step: int = 1) -> str:
    return f"{(int(right) + step) % 10 ** len(right):0{len(right)}}"


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Session]:
    log = MemoryLog()
    session = Session(config(tmp_path), log)
    await opened(session)
    yield session
    await session.close()


async def test_a_code_is_sent_and_right_once(session: Session) -> None:
    started = await start_verification(session, NUMBER, "login")
    assert (started.result, started.number, started.tries_left) == ("sent", NUMBER, 5)
    right = await code(session)
    assert right not in str(started)
    first = await check_verification(session, NUMBER, wrong(right))
    assert (first.yes, first.result, first.tries_left, first.says) == (
        *(False, "wrong", 4),
        "no: that is not the code; 4 tries left",
    )
    assert (await check_verification(session, " +86 138-0013-8000", right)).yes
    again = await check_verification(session, NUMBER, right)
    assert (again.yes, again.result, again.says) == (False, "used", "no: the code was used")


async def test_the_message_has_the_code_and_the_log_only_a_reference(session: Session) -> None:
    started = await start_verification(session, NUMBER, "login")
    right = await code(session)
    [record] = await appended(session)
    assert record.coded
    assert right.encode() not in b"".join(record.values.texts)
    log = await session.log()
    assert isinstance(log, MemoryLog)
    assert started.id
    everything = b"".join(stored.key + stored.value for records in log.records.values() for stored in records)
    assert not re.search(rb"(?<![0-9a-f])" + right.encode() + rb"(?![0-9a-f])", everything)
    keys = code_keys(session.config)
    values = revealed(record.values, numbers_of(record.numbers), keys)
    assert values.texts == (right.encode(), b"5")
    other = revealed(record.values, numbers_of(b"13800138001"), keys)
    assert other.texts[0] != right.encode()  # a reference is of no use in a message to another number
    with pytest.raises(ValueError, match="made with another secret"):
        revealed(record.values, numbers_of(record.numbers), CodeKeys(b"another secret, longer"))


def test_values_without_a_reference_are_revealed_as_they_are() -> None:
    values = packed(("a", "b"), [["x", "帐", "x"], ["", "⟦code", "⟦code 1 2⟧"]])
    assert revealed(values, np.array([1, 2, 3]), CodeKeys(b"a secret of enough bytes")) == values
    assert isinstance(values, Values)


async def test_the_same_key_means_the_same_code_and_one_message(session: Session) -> None:
    first = await start_verification(session, NUMBER, "login", key="order 7")
    again = await start_verification(session, NUMBER, "login", key="order 7")
    assert (first.result, again.result, again.id) == ("sent", "repeated", first.id)
    assert len(await appended(session)) == 1
    other = await start_verification(session, NUMBER, "login", key="order 8")
    assert other.id != first.id
    over = await start_verification(session, NUMBER, "login", key="order 7")
    assert (over.result, "replaced by a newer one" in over.says) == ("over", True)
    assert len(await appended(session)) == 2


async def test_a_start_that_failed_behind_its_code_sends_that_code_when_it_is_repeated(session: Session) -> None:
    log = await session.log()
    assert isinstance(log, MemoryLog)
    log.failures.extend([(None, True), (LogUnavailable("away"), False)])
    with pytest.raises(LogUnavailable):
        await start_verification(session, NUMBER, "login", key="order 7")
    right = await code(session)
    again = await start_verification(session, NUMBER, "login", key="order 7")
    assert again.result == "repeated"
    assert len(await appended(session)) == 1
    assert (await check_verification(session, NUMBER, right)).yes


async def test_a_number_gets_no_more_codes_than_its_hour_has(session: Session) -> None:
    for _ in range(5):
        assert (await start_verification(session, NUMBER, "login")).result == "sent"
    more = await start_verification(session, NUMBER, "login")
    assert (more.result, more.wait_s > 3_500) == ("too-many", True)
    assert "got 5 codes in an hour. Ask again in " in more.says
    assert (await start_verification(session, "13800138001", "login")).result == "sent"


async def test_too_many_wrong_tries_lock_a_code(session: Session) -> None:
    await start_verification(session, NUMBER, "login")
    right = await code(session)
    results = [(await check_verification(session, NUMBER, wrong(right, step))).result for step in range(1, 8)]
    assert results == ["wrong"] * 5 + ["locked"] * 2
    locked = await check_verification(session, NUMBER, right)
    assert (locked.yes, locked.says) == (False, "no: the code was tried wrongly too often")


async def test_a_number_without_a_code_gets_a_plain_no(session: Session) -> None:
    checked = await check_verification(session, NUMBER, "123456")
    assert (checked.yes, checked.result, checked.says) == (False, "none", f"no: {NUMBER} has no code")


async def test_a_suppressed_number_gets_a_plain_answer_and_no_code(session: Session) -> None:
    numbers = np.array([int(NUMBER)])
    await change_suppression(session, numbers, adds=True, source="person", why="asked")
    started = await start_verification(session, NUMBER, "login")
    assert started.result == "suppressed"
    assert "is on the suppression list, so it gets no code" in started.says
    assert await appended(session) == []
    await change_suppression(session, numbers, adds=False, source="person", why="asked again")
    assert (await start_verification(session, NUMBER, "login")).result == "sent"


async def test_a_code_of_a_paused_stream_waits(session: Session) -> None:
    await opened(session)
    await control_campaign(session, "login", "pause")
    started = await start_verification(session, NUMBER, "login", key="one")
    assert (started.result, started.says[:40]) == ("waits", 'its code waits: the stream "login" is paused'[:40])
    await control_campaign(session, "login", "resume")
    assert (await start_verification(session, NUMBER, "login", key="one")).result == "repeated"


async def test_codes_of_two_streams_are_told_apart_by_name(session: Session) -> None:
    await opened(session, "pay")
    await start_verification(session, NUMBER, "login")
    await start_verification(session, NUMBER, "pay")
    with pytest.raises(UserError, match=r'has codes of "pay" and "login". Name the stream'):
        await check_verification(session, NUMBER, "123456")
    right = await code(session, "login")
    assert not (await check_verification(session, NUMBER, right, stream="pay")).yes
    assert (await check_verification(session, NUMBER, right, stream="login")).yes
    assert (await check_verification(session, NUMBER, await code(session, "pay"))).yes  # the only one left


@pytest.mark.parametrize(
    ("stream", "terms", "says"),
    [
        ("notice", {"campaign_class": "notice"}, 'stream "notice" is of class notice. Codes need one of class code'),
        ("plain", {"text": "【Shop】{name}"}, r'stream "plain" has no text for codes. Open one with a text that has'),
        ("own", {"text": ""}, r"or write \[verification\] text"),
    ],
)
async def test_a_stream_that_cannot_carry_codes_costs_no_code(
    session: Session, stream: str, terms: dict[str, Any], says: str
) -> None:
    await opened(session, stream, **terms)
    with pytest.raises(UserError, match=says):
        await start_verification(session, NUMBER, stream)
    assert (await check_verification(session, NUMBER, "1")).result == "none"


async def test_bad_input_is_answered_plainly(session: Session) -> None:
    with pytest.raises(UserError, match='there is no stream "nothing"'):
        await start_verification(session, NUMBER, "nothing")
    with pytest.raises(UserError, match="not a phone number|no phone number"):
        await start_verification(session, "abc", "login")
    await close_stream(session, "login")
    with pytest.raises(UserError, match='the stream "login" was closed'):
        await start_verification(session, NUMBER, "login")


async def test_a_stream_without_a_text_takes_that_of_the_configuration(tmp_path: Path) -> None:
    settings = config(tmp_path, text="【Shop】{code} ({minutes} min)", valid_for_s=120, streams={"pay": {"length": 8}})
    session = Session(settings, MemoryLog())
    await opened(session, "pay", text="")
    assert (await start_verification(session, NUMBER, "pay")).result == "sent"
    right = await code(session, "pay")
    assert len(right) == 8
    [record] = await appended(session)
    assert record.values.texts[0].decode().startswith("【Shop】⟦code ")
    assert record.values.texts[0].decode().endswith("⟧ (2 min)")


async def test_another_secret_is_named_instead_of_a_no(session: Session, tmp_path: Path) -> None:
    await start_verification(session, NUMBER, "login")
    (tmp_path / FILE).unlink()
    other = Session(session.config, await session.log())
    with pytest.raises(ConfigError, match="made with another secret"):
        await check_verification(other, NUMBER, "123456")
    await start_verification(other, "13800138001", "login")  # from now on this secret is in use
    assert (await check_verification(other, NUMBER, "123456")).result == "none"


async def test_two_processes_send_one_code_and_say_one_yes(tmp_path: Path) -> None:
    with spawn({"vendor": "batch-b", "account": {"spring": {"flow": {"limit": 1_000}}}}) as sim:
        settings = config(tmp_path, sim.url)
        logs = [await open_log(settings.log.url) for _ in range(2)]
        one, other = (Session(settings, log) for log in logs)
        await opened(one)
        stop = asyncio.Event()
        lanes = asyncio.create_task(run_lanes(settings, logs[0], stop))
        started = await asyncio.gather(*(start_verification(each, NUMBER, "login", key="k") for each in (one, other)))
        assert len({each.id for each in started}) == 1
        async with patience():
            while not len(rows := await asyncio.to_thread(sim.rows)):
                await asyncio.sleep(0.05)
        [text] = rows["text"].to_list()
        found = re.fullmatch(r"【Shop】(\d{6}) is your code for 5 min", text)
        assert found is not None
        answers = await asyncio.gather(
            *(check_verification(each, NUMBER, found[1]) for each in (one, other, one, other, one))
        )
        assert Counter(answer.result for answer in answers) == {"yes": 1, "used": 4}
        stop.set()
        await lanes
        assert len(await asyncio.to_thread(sim.rows)) == 1
        for log in logs:
            await log.close()
