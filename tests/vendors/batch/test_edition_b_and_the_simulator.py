"""Two readings of HttpVarSM must agree: the adapter's, and the simulated BATCH-B's, written without seeing it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
import pytest

from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.core.messages.template import parse
from dispatcher.drivers.http.driver import HttpDriver, query_balance
from dispatcher.vendors.batch.edition_b import BatchB
from dispatcher.vendors.seam.vendor import Message, Secret
from loadtest.sim.process import SimClient, spawn

FIRST = 13_800_138_000
TEXT = "【Test】{name}，您好！{order} & {{x}}=100%+ {name}"
NASTY = [("李雷", "1"), ("a&b=c", "+%2B"), ("x y", "#?/\\"), ("😀", "\"'<>"), ("%3B%2C", "{name}"), ("{$vary}", "$")]


@pytest.fixture(scope="module")
def vendor() -> Iterator[SimClient]:
    with spawn({"vendor": "batch-b", "account": {"winter": {"pswd": "p&ss=w 0rd%"}}}) as sim:
        yield sim


def account(sim: SimClient, **keys: Any) -> BatchB:
    made = BatchB(url=sim.url, account="winter", pswd=Secret("p&ss=w 0rd%"))
    return msgspec.structs.replace(made, **keys)


async def sent(sim: SimClient, values: Sequence[tuple[str, ...]], text: str = TEXT, **keys: Any) -> Verdict:
    """These values, sent in one request."""
    ours, template = account(sim, **keys), parse(text)
    chunk = ",".join(str(FIRST + index) for index in range(len(values))).encode()
    rows = [[row[slot] for slot in template.slots] for row in values]
    driver = HttpDriver(ours, "winter")
    prepared = ours.prepare_variable(Message(text=text), template)
    got = await driver.submit(prepared, memoryview(chunk), len(values), values=rows)
    await driver.close()
    return got.verdict


@pytest.mark.parametrize("place", ["{$var}", "{var}"])
async def test_everybody_gets_their_own_text_letter_by_letter_under_one_message_id(vendor, place):
    await asyncio.to_thread(partial(vendor.configure, var_place=place))
    verdict = await sent(vendor, NASTY, variable_placeholder=place)
    assert (verdict.kind, verdict.warn) == (Kind.ACCEPTED, "")
    rows = [row for row in vendor.rows().iter_rows(named=True) if row["msgid"] == verdict.vendor_id]
    template = parse(TEXT)
    assert {row["number"]: row["text"] for row in rows} == {
        str(FIRST + index): template.fill(list(values)) for index, values in enumerate(NASTY)
    }
    await asyncio.to_thread(partial(vendor.configure, var_place="both"))


ANSWERS: list[tuple[dict[str, Any], dict[str, Any], Kind, str, bool]] = [
    # switches, keys of the account, kind, code, divides
    ({"answer_form": "crlf"}, {}, Kind.ACCEPTED, "0", False),
    ({"answer_form": "html"}, {}, Kind.UNKNOWN, "unreadable", False),
    ({"var_place": "{var}"}, {}, Kind.REJECTED, "107", True),
    ({"var_groups_max": 3}, {}, Kind.REJECTED, "108", True),
    ({"max_chars": 20}, {}, Kind.CONTENT, "106", True),
    ({}, {"pswd": Secret("wrong")}, Kind.AUTH, "102", False),
    ({"extno_max": 3}, {"extno": "1234", "extno_digits_max": 6}, Kind.REJECTED, "113", False),
]


async def test_every_answer_the_simulator_can_give_is_read_as_it_was_meant(vendor):
    defaults = {row["name"]: row["default"] for row in (await asyncio.to_thread(vendor.describe))["switches"]}
    for switches, keys, kind, code, divides in ANSWERS:
        await asyncio.to_thread(partial(vendor.configure, **switches))
        verdict = await sent(vendor, NASTY, **keys)
        assert (verdict.kind, verdict.code, verdict.divide) == (kind, code, divides), (switches, keys, verdict)
        await asyncio.to_thread(partial(vendor.configure, **{name: defaults[name] for name in switches}))


async def test_the_balance_may_be_asked_every_thirty_seconds_and_no_sooner(vendor):
    first = await query_balance(account(vendor), "winter")
    assert first is not None
    assert first.messages is not None
    second = await query_balance(account(vendor), "winter")
    assert second is not None
    assert second.verdict is not None
    assert second.verdict.kind is Kind.THROTTLED
