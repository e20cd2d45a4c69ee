"""Messages from phones, pushed on demand (vendors.md 3.3, AMB-BATCH-10, AMB-BATCH-12)."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.errors import ConfigError
from tests.loadtest.sim.sim_kit import Receiver, receiver, vendor

VENDORS = ("batch", "batch-b")
pytestmark = pytest.mark.usefixtures("platform")

LONG = "".join(chr(0x4E00 + i) for i in range(150))  # three parts of 67, 67, 16
PARTS = [LONG[:67], LONG[67:134], LONG[134:]]


async def push(r: Receiver, account: dict[str, Any] | None = None, /, **wanted: Any) -> list[dict[str, str]]:
    switches = wanted.pop("switches", {})
    async with vendor({"inbound_url": r.url} | (account or {}), **switches) as v:
        statuses = await v.sim.control.push_inbound({"account": "spring"} | wanted)
        assert statuses == [200] * len(r.pushes)
        book = v.sim.state.ledger.books["spring"]
        assert book.inbound_pushed == book.inbound_acked == len(r.pushes)
        return [p.fields for p in r.pushes]


async def test_a_short_message_comes_whole_without_isems() -> None:
    async with receiver() as r:
        wanted = {"moTime": "2601311200", "destcode": "1069", "mobile": "13800138000", "msg": "退订 a+b&c"}
        [fields] = await push(r, {"receiver": "me", "receiver_pswd": "p"}, **wanted)
        assert fields == {"receiver": "me", "pswd": "p"} | wanted


async def test_a_long_message_comes_in_parts_with_id_total_and_number() -> None:
    async with receiver() as r:
        parts = await push(r, msg=LONG, id=234)
        assert [p["emshead"] for p in parts] == ["234,3,1", "234,3,2", "234,3,3"]
        assert {p["isems"] for p in parts} == {"1"}
        assert [p["msg"] for p in parts] == PARTS


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({"order": "reversed"}, [3, 2, 1]),
        ({"missing": 2}, [1, 3]),
        ({"duplicate": 1}, [1, 1, 2, 3]),
        ({"order": "reversed", "missing": 3, "duplicate": 2}, [2, 2, 1]),
        ({"missing": [1, 3]}, [2]),
        ({"duplicate": [1, 3]}, [1, 1, 2, 3, 3]),
        ({"order": [3, 1, 1]}, [3, 1, 1]),
    ],
)
async def test_parts_out_of_order_missing_or_twice(wanted: dict[str, Any], numbers: list[int]) -> None:
    async with receiver() as r:
        parts = await push(r, msg=LONG, **wanted)
        assert [int(p["emshead"].split(",")[2]) for p in parts] == numbers
        assert [p["msg"] for p in parts] == [PARTS[n - 1] for n in numbers]


async def test_shuffled_parts_are_all_there() -> None:
    async with receiver() as r:
        parts = await push(r, msg=LONG * 4, order="shuffled")
        numbers = [int(p["emshead"].split(",")[2]) for p in parts]
        assert sorted(numbers) == list(range(1, 10))
        assert numbers != sorted(numbers)


@pytest.mark.parametrize(
    "wanted",
    [{"isems": "0", "emshead": "255,5,5"}, {"isems": "1", "emshead": "1,2"}, {"isems": "1", "emshead": "9,2,7"}],
)
async def test_a_wrong_head_goes_out_as_given(wanted: dict[str, str]) -> None:
    async with receiver() as r:
        [fields] = await push(r, msg="hello", **wanted)
        assert {k: fields[k] for k in wanted} == wanted


@pytest.mark.parametrize(("digits", "length"), [(10, 10), (12, 12), (14, 14)])
async def test_mo_time_has_the_digits_set(digits: int, length: int) -> None:
    async with receiver() as r:
        [fields] = await push(r, msg="x", switches={"time_digits": digits})
        assert len(fields["moTime"]) == length


async def test_by_post_too() -> None:
    async with receiver() as r:
        [fields] = await push(r, msg="héllo", switches={"push_method": "POST"})
        assert r.pushes[0].method == "POST"
        assert fields["msg"] == "héllo"


async def test_without_an_address_the_user_is_told() -> None:
    async with vendor() as v:
        with pytest.raises(ConfigError, match="has no inbound_url"):
            await v.sim.control.push_inbound({"account": "spring", "msg": "x"})
        with pytest.raises(ConfigError, match="has no report_url"):
            await v.sim.control.push_report({"account": "spring"})
        with pytest.raises(ConfigError, match="no simulated account 'nobody'"):
            await v.sim.control.push_inbound({"account": "nobody"})


async def test_null_leaves_a_field_out() -> None:
    async with receiver() as r:
        [fields] = await push(r, msg="hi", moTime=None, destcode=None, receiver=None, pswd=None)
        assert fields == {"mobile": "13800138000", "msg": "hi"}


WRONG = [
    ({"order": "backwards"}, "order: 'backwards' is none"),
    ({"order": [4]}, "order: 4 is no part of this message"),
    ({"missing": 0}, "missing: 0 is no part of this message"),
    ({"duplicate": "1"}, "duplicate: '1' is no part of this message"),
    ({"text": "hi"}, "there is no 'text' here"),
]


@pytest.mark.parametrize(("wanted", "words"), WRONG, ids=[row[1] for row in WRONG])
async def test_what_is_not_understood_is_refused_instead_of_being_ignored(wanted: dict[str, Any], words: str) -> None:
    async with receiver() as r:
        with pytest.raises(ConfigError, match=words):
            await push(r, msg=LONG, **wanted)
        assert r.pushes == []
