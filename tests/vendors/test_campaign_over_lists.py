"""A campaign through HEZHONG and GUODU together: every recipient ends as the vendors' ledgers say, and none twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from consumers.lanes.role import run_lanes
from dispatcher.config.file import Config, parse
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import Session, open_session
from loadtest.sim.process import SimClient, spawn
from producers.launch.api import launch
from producers.webhooks.server import Webhooks, serve_webhooks
from schemas.states import State
from tests.always import ALWAYS
from tests.vendors.simulated import AT_ONCE
from tests.waiting import patience

FIRST = 13_800_100_000
RECIPIENTS = 4_000
HEZHONG = {"vendor": "hezhong", "userid": "1", "username": "he", "password": "secret", "push_key": "k3y-of-the-url"}
GUODU = {"vendor": "guodu", "oper_id": "guo", "oper_pass": "secret", "push_key": "k3y-of-the-url"}
ENDS = {
    "he": {
        "DELIVRD": State.DELIVERED,
        "0": State.DELIVERED,
        "1": State.ACCEPTED,
        "2": State.FAILED,
        "MK:0001": State.FAILED,
    },
    "guo": {"0": State.DELIVERED, "1": State.FAILED, "99": State.FAILED},
}


def config(folder: Path, urls: dict[str, str], **keys: Any) -> Config:
    accounts = {"he": {"url": urls["he"], **HEZHONG, **keys}, "guo": {"url": urls["guo"], **GUODU, **keys}}
    return parse(
        {
            "log": {"url": f"sqlite:{folder / 'log.db'}"},
            "store": {"url": f"sqlite:{folder / 'results.db'}"},
            "web": {"listen": "127.0.0.1:0"},
            "account": accounts,
        }
        | ALWAYS,
        "dispatcher.toml",
    )


async def ended(config: Config, log: Log, came: Callable[[], bool], done: Any) -> dict[int, tuple[State, str]]:
    """Run the lanes until `came` and then the counts of campaign `may` say so; (state, code) by number.

    No joiner runs beside: each look folds all that the log has.
    """
    stop = asyncio.Event()
    lanes = asyncio.create_task(run_lanes(config, log, stop))
    try:
        async with patience():
            while True:
                await asyncio.sleep(0.1)
                if not came():
                    continue
                async with open_session(config, log=log) as session, session.reader() as reader:
                    view = reader.campaign("may")
                    if view is None or not done(view.counts):
                        continue
                    return {
                        number: (State(state), page.codes[code])
                        for page in reader.pages("may")
                        for number, state, code in zip(
                            page.numbers.tolist(), page.states.tolist(), page.code_index.tolist(), strict=True
                        )
                    }
    finally:
        stop.set()
        await lanes


def push_to(sims: dict[str, SimClient], webhooks: Webhooks) -> None:
    for name, sim in sims.items():
        sim.configure(account={name: {"report_url": f"{webhooks.url}/push/{name}/report?key=k3y-of-the-url"}})


async def test_every_recipient_ends_as_the_ledgers_say(tmp_path):
    mixes = {name: dict.fromkeys(ends, 1.0) for name, ends in ENDS.items()}
    common = {"push_retry": "until_200", **AT_ONCE}
    he = {"vendor": "hezhong", "account": {"he": {}}, "status_mix": mixes["he"], "rpt_fields": 5, **common}
    guo = {
        "vendor": "guodu",
        "account": {"guo": {}},
        "status_mix": mixes["guo"],
        **AT_ONCE,
        "push_retry": "until_acked",
    }
    with spawn({"he": he, "guo": guo}) as sims:
        settings = config(tmp_path, {name: client.url for name, client in sims.named.items()})
        log = await open_log(settings.log.url)
        webhooks = await serve_webhooks(settings, log)
        await asyncio.to_thread(push_to, sims.named, webhooks)
        numbers = np.arange(FIRST, FIRST + RECIPIENTS)
        await launch(
            Session(settings, log), LaunchRequest(numbers=numbers, text="【店】优惠 50%", route=["he", "guo"], id="may")
        )
        late = await ended(
            settings,
            log,
            lambda: webhooks.counts.reports >= RECIPIENTS,
            lambda counts: counts.delivered + counts.failed + counts.accepted == RECIPIENTS,
        )
        await webhooks.close()
        totals = {name: await asyncio.to_thread(client.totals) for name, client in sims.named.items()}
        rows = {name: await asyncio.to_thread(client.rows) for name, client in sims.named.items()}
        await log.close()
    assert len(late) == RECIPIENTS
    assert sum(total["numbers_accepted"] for total in totals.values()) == RECIPIENTS
    assert {name: total["double_texts"] for name, total in totals.items()} == {"he": 0, "guo": 0}
    assert all(total["violations"] == {} for total in totals.values())
    for name, ends in ENDS.items():
        assert rows[name].height > 0
        for number, status in rows[name].select(pl.col("number").cast(pl.Int64), "status").iter_rows():
            state, code = late[number]
            assert state == ends[status]
            assert code.split(" ")[0] == status or state == State.ACCEPTED


@pytest.mark.parametrize(("name", "code"), [("he", "-99"), ("guo", "-1")])
async def test_a_refusal_that_never_ends_and_is_never_explained_leaves_unknowns_not_failures(tmp_path, name, code):
    with spawn(
        {"he": {"vendor": "hezhong", "account": {"he": {}}}, "guo": {"vendor": "guodu", "account": {"guo": {}}}}
    ) as sims:
        urls = {each: client.url for each, client in sims.named.items()}
        settings = config(tmp_path, urls, attempts_max=2, give_up_after_s=0.0)
        log = await open_log(settings.log.url)
        await asyncio.to_thread(lambda: sims.named[name].add_rule(code=code))
        numbers = np.arange(FIRST, FIRST + 200)
        await launch(Session(settings, log), LaunchRequest(numbers=numbers, text="hi", route=[name], id="may"))
        late = await ended(settings, log, lambda: True, lambda counts: counts.unknown == 200)
        requests = (await asyncio.to_thread(sims.named[name].totals))["codes"][code]
        await log.close()
    assert set(late.values()) == {(State.UNKNOWN, code)}
    assert requests == 2
