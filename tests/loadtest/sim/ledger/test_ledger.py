"""The ledger's figures against plain counting, and its rows."""

from __future__ import annotations

import io
from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.sim.config import AccountConfig
from loadtest.sim.ledger.ledger import Ledger
from loadtest.sim.ledger.numbers import parse
from tests.loadtest.sim.sim_kit import NOW, each, numbers, receiver, vendor
from tests.waiting import until

tokens = st.sampled_from(["13800138000", "8613800138000", "13800138001", "13900139000", "bad", "", "12345"])
requests = st.lists(
    st.tuples(
        st.sampled_from(["spring", "autumn"]),
        st.sampled_from(["hello", "bye"]),
        st.lists(tokens, min_size=1),
        st.booleans(),
    ),
    max_size=12,
)


def identity(token: str) -> str:
    return token.removeprefix("86")


@given(requests)
def test_doubles_and_unique_numbers_are_as_counted_one_by_one(sent: list[tuple[str, str, list[str], bool]]) -> None:
    ledger = Ledger([AccountConfig("spring"), AccountConfig("autumn")], True, 2.0)
    per_account, everywhere = Counter[tuple[str, str, str]](), Counter[tuple[str, str]]()
    for account, text, mobiles, accepted in sent:
        parsed = parse(",".join(mobiles).encode())
        if not parsed.column.size:
            continue
        ledger.record(ledger.books[account], 0.0, "0", "0", parsed, text, 1, "1", True, accepted)
        if accepted:
            per_account.update((account, text, identity(m)) for m in mobiles)
            everywhere.update((text, identity(m)) for m in mobiles)
    doubles = ledger.doubles()
    assert doubles[""][1] == sum(n - 1 for n in everywhere.values())
    assert doubles[""][0] == len({m for _, m in everywhere})
    for account in ("spring", "autumn"):
        mine = {k: n for k, n in per_account.items() if k[0] == account}
        assert doubles[account] == (len({m for _, _, m in mine}), sum(n - 1 for n in mine.values()))
    assert ledger.doubles() == doubles


async def test_two_texts_to_one_number_are_no_double_and_one_text_twice_is() -> None:
    async with vendor() as v:
        v.sim.configure(account={"autumn": {}})
        await v.send(msg="one")
        await v.send(msg="two")
        assert (await v.sim.totals())["double_texts"] == 0
        await v.send(msg="two", account="autumn")
        totals = await v.sim.totals()
        assert totals["double_texts"] == 1
        assert [a["double_texts"] for a in totals["accounts"].values()] == [0, 0]
        await v.send(msg="one", mobile="13800138001,8613800138000")
        totals = await v.sim.totals()
        assert totals["double_texts"] == 2
        assert totals["accounts"]["spring"]["double_texts"] == 1
        assert (totals["unique_numbers"], totals["numbers_accepted"]) == (2, 5)


async def test_a_number_twice_in_one_request_is_a_double() -> None:
    async with vendor() as v:
        await v.send(mobile="13800138000,13800138000")
        assert (await v.sim.totals())["double_texts"] == 1


async def test_refused_numbers_are_rows_but_neither_accepted_nor_doubles() -> None:
    async with vendor({"flow": {"limit": 2, "per_s": 60}}) as v:
        await v.send(mobile="13800138000,13900139000")
        await v.send(mobile="13800138000,13900139000")
        rows = v.sim.rows()
        assert rows.select("request", "number", "code", "accepted").rows() == [
            (0, "13800138000", "0", True), (0, "13900139000", "0", True),
            (1, "13800138000", "103", False), (1, "13900139000", "103", False),
        ]  # fmt: skip
        totals = await v.sim.totals()
        assert (totals["numbers"], totals["numbers_accepted"], totals["double_texts"]) == (4, 2, 0)


async def test_rows_by_parquet_and_by_pages_are_the_same() -> None:
    async with receiver() as r, vendor({"report_url": r.url}, **NOW) as v:
        for first in (13_800_000_000, 13_900_000_000):
            await v.send(mobile=numbers(700, first) + ",bad,86" + str(first))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_acked == 1404)
        async with v.http.get(v.sim.url + "/_sim/ledger/rows") as answer:
            whole = pl.read_parquet(io.BytesIO(await answer.read()))
        assert whole.equals(v.sim.rows())
        assert whole["number"].to_list()[700:702] == ["bad", "13800000000"]
        pages = []
        for start in range(0, 1500, 300):
            page = await v.call(f"/_sim/ledger/rows?format=ndjson&from={start}&limit=300&account=spring", None)
            if page.text:
                pages.append(pl.read_ndjson(io.StringIO(page.text), schema=whole.schema))
        assert pl.concat(pages).equals(whole)
        assert (await v.call("/_sim/ledger/rows?format=ndjson&account=nobody", None)).text == ""
        assert (await v.call("/_sim/ledger/rows?from=x", None)).status == 400


@each("ledger", [("full", (3, 1)), ("counts", (0, None))])
async def test_what_is_kept_of_every_number(value: str, expected: tuple[int, int | None]) -> None:
    async with vendor(ledger=value) as v:
        await v.send(mobile="13800138000,13900139000,13800138000", needstatus="false")
        totals = await v.sim.totals()
        assert (v.sim.rows().height, totals.get("double_texts")) == expected
        assert totals["numbers_accepted"] == 3


async def test_reports_come_also_when_only_counting() -> None:
    async with receiver() as r, vendor({"report_url": r.url}, ledger="counts", **NOW) as v:
        await v.send(mobile=numbers(10), needstatus="false")
        await v.send(mobile=numbers(10))
        await r.have(10)
        await until(lambda: v.sim.state.ledger.books["spring"].reports_acked == 10)


async def test_totals_add_up_over_accounts() -> None:
    async with vendor() as v:
        v.sim.configure(account={"autumn": {"pswd": "other"}})
        await v.send(mobile=numbers(3))
        await v.send(account="autumn", pswd="other", mobile=numbers(4), msg="x" * 71)
        await v.send(account="winter")
        totals = await v.sim.totals()
        assert totals["requests"] == 3
        assert totals["codes"] == {"0": 2, "101": 1}
        assert (totals["numbers_accepted"], totals["charged"]) == (7, 11)
        assert totals["accounts"]["autumn"]["charged"] == 8


async def test_reset_forgets_what_happened_and_keeps_what_is_set() -> None:
    async with receiver() as r, vendor({"report_url": r.url}, push="off", **NOW) as v:
        v.sim.configure(max_chars=585)
        await v.send(mobile=numbers(5))
        balance = (await v.account())["balance"]
        v.sim.control.reset()
        account = await v.account()
        assert (account["requests"], account["codes"], account["balance"]) == (0, {}, balance)
        assert v.sim.rows().height == 0
        assert v.sim.state.reports.waiting == 0
        assert v.sim.state.switches.max_chars == 585
        v.sim.control.reset(everything=True)
        assert v.sim.state.switches.max_chars == 536
        assert v.sim.state.switches.push == "off"
        assert (await v.account())["balance"] == {"1234567": 1_000_000_000}


def test_a_number_costs_ten_bytes() -> None:
    ledger = Ledger([AccountConfig("spring")], True, 2.0)
    entry = ledger.record(ledger.books["spring"], 0.0, "0", "0", parse(numbers(1000).encode()), "x", 1, "1", True, True)
    assert entry.numbers.nbytes + entry.status.nbytes + len(entry.flags) == 10_000


def test_more_statuses_than_a_byte_holds_are_refused() -> None:
    ledger = Ledger([], True, 2.0)
    for i in range(255):
        ledger.status_id(f"S{i}")
    with pytest.raises(ValueError, match="255"):
        ledger.status_id("one more")
