"""A campaign through COSMS: polled, looked up in the history, locked out; every recipient ends as the ledger says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import polars as pl
import pytest

from consumers.lanes.role import run_lanes
from dispatcher.config.file import Config, parse
from dispatcher.core.results import history_looks
from dispatcher.core.wire_number import to_wire
from dispatcher.errors import DispatcherError
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import Session, open_session
from dispatcher.vendors.cosms.vendor import Cosms
from dispatcher.vendors.seam.vendor import HistoryLimits
from loadtest.sim.process import SimClient, spawn
from producers.launch.api import launch
from schemas.states import State
from schemas.topics import TOPICS
from tests.always import ALWAYS
from tests.vendors.simulated import AT_ONCE
from tests.waiting import patience

FIRST = 13_800_100_000
RECIPIENTS = 2_500
OURS = {
    "vendor": "cosms",
    "corp_id": "spring",
    "login_name": "spring",
    "password": "secret",
    "report_interval_s": 0.2,
    "mo_interval_s": 0.2,
    "timeout_s": 5.0,  # the history is looked at only after the longest that a request can take
    "connect_timeout_s": 5.0,
}
FAST = {"report_interval": 0, "mo_interval": 0, "hist_interval": 0}
DELIVERED = ("0", "DELIVRD")


def config(folder: Path, url: str, **keys: Any) -> Config:
    return parse(
        {
            "log": {"url": f"sqlite:{folder / 'log.db'}"},
            "store": {"url": f"sqlite:{folder / 'results.db'}"},
            "lanes": {"intent_ttl_s": 1.0},
            "account": {"spring": {"url": url, **OURS, **keys}},
        }
        | ALWAYS,
        "dispatcher.toml",
    )


@pytest.fixture
def soon(monkeypatch):
    """Looks into the history follow one another within seconds."""
    monkeypatch.setattr(history_looks, "LOOKS", ((0, 1), (2, 5), (6, 5)))
    monkeypatch.setattr(history_looks, "SETTLES_S", 0)
    limits = HistoryLimits(window_s=1_800, interval_s=0.5, rows_max=500)
    monkeypatch.setattr(Cosms, "history_limits", property(lambda _: limits))


async def ended(config: Config, log: Log, done: Callable[[Any], bool]) -> dict[int, tuple[State, str, str]]:
    """Run the lanes until the counts of campaign `may` say so; (state, code, vendor id) by number."""
    stop = asyncio.Event()
    lanes = asyncio.create_task(run_lanes(config, log, stop))
    try:
        async with patience():
            while True:
                await asyncio.sleep(0.2)
                assert not lanes.done() or lanes.result() is None
                async with open_session(config, log=log) as session, session.reader() as reader:
                    view = reader.campaign("may")
                    if view is None or not done(view.counts):
                        continue
                    return {
                        number: (State(state), page.codes[code], page.vendor_ids[vendor_id])
                        for page in reader.pages("may")
                        for number, state, code, vendor_id in zip(
                            page.numbers.tolist(), page.states.tolist(), page.code_index.tolist(),
                            page.vendor_id_index.tolist(), strict=True,
                        )
                    }  # fmt: skip
    finally:
        stop.set()
        await lanes


async def campaign(
    folder: Path,
    sim: SimClient,
    done: Callable[[Any], bool],
    recipients: int = RECIPIENTS,
    text: str = "【店】优惠 50%",
    kind: str = "sms",
    frames: Path | None = None,
    numbers: Any = None,
    **keys: Any,
) -> tuple[dict[int, tuple[State, str, str]], dict[str, Any], pl.DataFrame]:
    """(how its recipients ended, the simulator's totals, the rows of its ledger)."""
    settings = config(folder, sim.url, **keys)
    log = await open_log(settings.log.url)
    await launch(
        Session(settings, log),
        LaunchRequest(
            numbers=np.arange(FIRST, FIRST + recipients) if numbers is None else numbers,
            text=text,
            route=["spring"],
            id="may",
            kind=kind,
            frames=frames,
        ),
    )
    late = await ended(settings, log, done)
    totals, rows = await asyncio.to_thread(sim.totals), await asyncio.to_thread(sim.rows)
    await log.close()
    return late, totals, rows


def agree(late: dict[int, tuple[State, str, str]], rows: pl.DataFrame) -> None:
    """Each that the vendor took is ours under its id, in its state, and no other was sent."""
    assert rows.filter("accepted").height == sum(vendor_id != "" for _, _, vendor_id in late.values())
    for number, vendor_id, status in rows.filter("accepted").select("number", "msgid", "status").iter_rows():
        state, code, ours = late[int(number)]
        assert (ours, code) == (str(vendor_id), status)
        assert state == (State.DELIVERED if status in DELIVERED else State.FAILED)


@pytest.mark.parametrize("md5", [True, False])
async def test_polled_reports_bring_every_recipient_to_the_ledgers_end(tmp_path, md5):
    mix = dict.fromkeys(("0", "1", "2", "3", "4", "5", "255", "MK:0001"), 1.0)
    with spawn(
        {"vendor": "cosms", "account": {"spring": {"pswd": "secret"}}, "status_mix": mix, **FAST, **AT_ONCE}
    ) as sim:
        late, totals, rows = await campaign(
            tmp_path, sim, lambda counts: counts.delivered + counts.failed == RECIPIENTS, md5=md5
        )
    assert (totals["double_texts"], totals["numbers_accepted"], totals["violations"]) == (0, RECIPIENTS, {})
    agree(late, rows)


async def test_answers_that_never_came_are_found_in_the_history_and_nobody_is_texted_twice(tmp_path, soon):
    with spawn({"vendor": "cosms", "account": {"spring": {"pswd": "secret"}}, **FAST, **AT_ONCE}) as sim:
        sim.add_rule(fault="no_answer", taken=True, hold_s=0.2)
        late, totals, rows = await campaign(
            tmp_path, sim, lambda counts: counts.delivered + counts.failed == 450, 450, numbers_per_request=150
        )
    assert (totals["double_texts"], totals["numbers_accepted"]) == (0, 450)
    assert {State.DELIVERED, State.FAILED} >= {state for state, _, _ in late.values()}
    assert Counter(vendor_id for _, _, vendor_id in late.values()).most_common(1)[0][1] == 1
    assert {int(number): str(each) for number, each in rows.select("number", "msgid").iter_rows()} == {
        number: vendor_id for number, (_, _, vendor_id) in late.items()
    }


async def test_of_a_request_taken_in_part_those_taken_are_known_and_the_others_stay_unknown(tmp_path, soon):
    with spawn(
        {"vendor": "cosms", "account": {"spring": {"pswd": "secret"}}, "partial_code": "200", **FAST, **AT_ONCE}
    ) as sim:
        late, totals, rows = await campaign(
            tmp_path, sim, lambda counts: counts.delivered + counts.failed == 50 and counts.unknown == 50, 100
        )
    assert (totals["double_texts"], totals["numbers_accepted"]) == (0, 50)
    taken = {int(number) for number in rows.filter("accepted")["number"]}
    assert {number for number, (state, _, _) in late.items() if state is State.UNKNOWN} == set(late) - taken


async def test_a_wrong_password_is_tried_once(tmp_path):
    with spawn({"vendor": "cosms", "account": {"spring": {"pswd": "other"}}, **FAST, **AT_ONCE}) as sim:
        settings = config(tmp_path, sim.url, md5=False)
        log = await open_log(settings.log.url)
        numbers = np.arange(FIRST, FIRST + RECIPIENTS)
        await launch(Session(settings, log), LaunchRequest(numbers=numbers, text="hi", route=["spring"], id="may"))
        stop = asyncio.Event()
        lanes = asyncio.create_task(run_lanes(settings, log, stop))
        while not (await asyncio.to_thread(sim.totals))["codes"]:
            await asyncio.sleep(0.1)
        await asyncio.sleep(2.0)  # ten intervals
        stop.set()
        await lanes
        codes = (await asyncio.to_thread(sim.totals))["codes"]
        await log.close()
    assert sum(count for code, count in codes.items() if code.endswith("203")) == 1
    assert sum(codes.values()) == 1


async def test_a_wap_push_goes_out_as_one(tmp_path):
    with spawn({"vendor": "cosms", "account": {"spring": {"pswd": "secret"}}, **FAST, **AT_ONCE}) as sim:
        late, totals, rows = await campaign(
            tmp_path,
            sim,
            lambda counts: counts.delivered + counts.failed == 20,
            20,
            "店#http://127.0.0.1/a",
            kind="wap",
        )
    assert (totals["numbers_accepted"], totals["violations"]) == (20, {})
    assert set(rows["text"]) == {"店#http://127.0.0.1/a"}
    agree(late, rows)


async def test_the_frames_of_a_multimedia_message_are_uploaded_and_their_url_is_sent(tmp_path):
    frames = folder_of_frames(tmp_path)
    with spawn({"vendor": "cosms", "account": {"spring": {"pswd": "secret"}}, **FAST, **AT_ONCE}) as sim:
        late, totals, rows = await campaign(
            tmp_path, sim, lambda counts: counts.delivered + counts.failed == 20, 20, "优惠", kind="mms", frames=frames
        )
        [url] = set(rows["text"])
        assert url.startswith(sim.url)
        ini = await asyncio.to_thread(lambda: urlopen(url).read().decode("gbk"))
    assert (totals["numbers_accepted"], totals["violations"]) == (20, {})
    first, second = ini.split("\r\n\r\n")
    assert [line.partition(":")[0] for line in first.split()] == ["http", "http"]
    assert [line.partition(":")[0] for line in second.split()] == ["http", "[播放时间]=12"]
    agree(late, rows)


async def test_frames_that_cannot_be_uploaded_launch_nothing(tmp_path):
    frames = folder_of_frames(tmp_path)
    with spawn({"vendor": "cosms", "account": {"spring": {"pswd": "secret"}}}) as sim:
        sim.add_rule(code="300", on="upload")
        settings = config(tmp_path, sim.url)
        log = await open_log(settings.log.url)
        with pytest.raises(DispatcherError, match="could not be uploaded"):
            await launch(
                Session(settings, log),
                LaunchRequest(numbers=[FIRST], text="优惠", route=["spring"], kind="mms", frames=frames),
            )
        assert [await log.end(topic.name, number) for topic in TOPICS for number in range(topic.partitions)] == [
            0
        ] * sum(topic.partitions for topic in TOPICS)
        await log.close()


def folder_of_frames(folder: Path) -> Path:
    frames = folder / "frames"
    frames.mkdir()
    (frames / "1.jpg").write_bytes(b"\xff\xd8\xff" + b"x" * 100)
    (frames / "1.txt").write_text("你好", "gbk")
    (frames / "2@12s.jpg").write_bytes(b"\xff\xd8\xff" + b"y" * 100)
    return frames


async def test_numbers_abroad_go_out_beside_domestic_ones_within_both_limits_and_ambiguous_ones_never(tmp_path):
    abroad = [f"+4477009{number:05}" for number in range(900)]
    numbers = [*abroad, *(str(FIRST + number) for number in range(700)), "+1 380 013 8000", "001 312 555 0147"]
    with spawn({"vendor": "cosms", "account": {"spring": {"pswd": "secret"}}, **FAST, **AT_ONCE}) as sim:
        late, totals, rows = await campaign(
            tmp_path,
            sim,
            lambda counts: counts.delivered + counts.failed == 700 and counts.accepted == 900,
            numbers=numbers,
            international=True,
        )
    assert (totals["double_texts"], totals["numbers_accepted"], totals["violations"]) == (0, 1_600, {})
    assert {to_wire(number) for number in late} == set(rows["number"]) == {each.lstrip("+") for each in numbers[:1_600]}


@pytest.mark.parametrize("lost", ["one answer", "both answers"])
async def test_of_two_campaigns_to_the_same_people_the_one_whose_ids_are_known_tells_them_apart(tmp_path, soon, lost):
    """Both send the same text at the same time. Where neither was answered, nothing is guessed."""
    with spawn({"vendor": "cosms", "account": {"spring": {"pswd": "secret"}}, **FAST, **AT_ONCE}) as sim:
        settings = config(tmp_path, sim.url)
        log = await open_log(settings.log.url)
        numbers = np.arange(FIRST, FIRST + 60)
        await asyncio.to_thread(
            lambda: sim.add_rule(
                fault="no_answer", taken=True, hold_s=0.2, **({"count": 1} if lost == "one answer" else {})
            )
        )
        for name in ("may", "june"):
            await launch(Session(settings, log), LaunchRequest(numbers=numbers, text="hi", route=["spring"], id=name))
        stop = asyncio.Event()
        lanes = asyncio.create_task(run_lanes(settings, log, stop))
        expected = {"one answer": (120, 0), "both answers": (0, 120)}[lost]
        async with patience():
            while True:
                await asyncio.sleep(0.3)
                async with open_session(settings, log=log) as session, session.reader() as reader:
                    views = [view.counts for view in reader.campaigns()]
                    notes = {chunk.code for chunk in reader.unknown()}
                final = sum(counts.delivered + counts.failed for counts in views)
                if (final, sum(counts.unknown for counts in views)) == expected and (not notes or notes == {"history"}):
                    break
        stop.set()
        await lanes
        totals = await asyncio.to_thread(sim.totals)
        await log.close()
    assert totals["numbers_accepted"] == 120


@pytest.mark.parametrize(("mode", "recipients"), [("repeat_until_next_poll", 320), ("repeat_always", 80)])
async def test_pages_that_come_again_count_once(tmp_path, mode, recipients):
    with spawn(
        {"vendor": "cosms", "account": {"spring": {"pswd": "secret"}}, "poll_mode": mode, **FAST, **AT_ONCE}
    ) as sim:
        late, totals, rows = await campaign(
            tmp_path, sim, lambda counts: counts.delivered + counts.failed == recipients, recipients
        )
    assert (totals["double_texts"], totals["numbers_accepted"]) == (0, recipients)
    agree(late, rows)
