"""putMt: numbers, texts, levels, credits, answers (vendors.md 1.5, 8.1)."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.errors import ConfigError
from loadtest.sim.cosms import ids as cosms_ids
from loadtest.sim.cosms import recipients as cosms_recipients
from loadtest.sim.cosms.codes_and_switches import CHINA_MOBILE
from loadtest.sim.cosms.countries import COUNTRIES, country_code
from loadtest.sim.cosms.recipients import DOMESTIC, ILLEGAL, INTERNATIONAL, UNSUPPORTED
from tests.loadtest.sim.cosms.cosms_kit import SEND, SMS, code, cosms, gbk, mt_ids, rows
from tests.loadtest.sim.sim_kit import NOW, each, numbers

ABROAD = "4915112345678"
WAP = {"linkID": "4000", "msg": "title#http://127.0.0.1/"}


async def test_every_number_gets_an_mtid_of_its_own_in_the_order_submitted() -> None:
    mobs = "13900139000,02129900660,13800138000,4915112345678,13900139000"
    async with cosms() as v:
        answer = await v.send(Mobs=mobs)
        assert re.fullmatch(r"100\n(0,\d{17}\n){5}", answer.text)
        assert len(set(mt_ids(answer))) == 5
        told = v.sim.rows()
        by_id = dict(zip(told["msgid"], told["number"], strict=True))
        assert [by_id[mt_id] for mt_id in mt_ids(answer)] == mobs.split(",")
        assert all(int(mt_id) < 2**63 for mt_id in by_id)


@each("mtid_order", [("rising", True), ("scattered", False)])
async def test_the_mtids_of_a_request(value: str, expected: bool) -> None:
    async with cosms(mtid_order=value) as v:
        answers = [await v.send(Mobs=numbers(1000, 13_800_000_000 + 1000 * i)) for i in range(3)]
        for answer in answers:
            ids = list(map(int, mt_ids(answer)))
            assert (ids == list(range(ids[0], ids[0] + 1000))) is expected
            assert len(set(ids)) == 1000
        assert len({mt_id for answer in answers for mt_id in mt_ids(answer)}) == 3000
        told = v.sim.rows()
        assert told["msgid"].to_list() == [mt_id for answer in answers for mt_id in mt_ids(answer)]


def test_mtids_are_the_same_as_texts_and_as_numbers() -> None:
    made = cosms_ids.MtIds()
    requests = [made.next(scattered) for scattered in (False, True)]
    for request in requests:
        places = np.arange(1000)
        first, ending = cosms_ids.texts(np.array([request.encode()] * 1000, "S24"), places.astype(np.int32))
        said = [bytes(a) + bytes(b) for a, b in zip(first, ending, strict=True)]
        assert said == [request.encode() + e for e in cosms_ids.endings(request)]
        assert cosms_ids.numbers(np.full(1000, int(request)), places).tolist() == [int(i) for i in said]


@each("max_numbers", [(1000, 1000), (500, 500)])
async def test_the_most_numbers_of_a_request(value: int, expected: int) -> None:
    async with cosms(max_numbers=value) as v:
        assert len(mt_ids(await v.send(Mobs=numbers(expected)))) == expected
        assert code(await v.send(Mobs=numbers(expected + 1))) == "403"


@each("mobs_chars_max", [(13_000, 928), (14_000, 1000)])
async def test_thousand_international_numbers_are_too_many_characters(value: int, expected: int) -> None:
    """AMB-COSMS-6: both limits hold, 13,000 characters and 1000 numbers."""

    def mobs(count: int) -> str:
        return ",".join(str(4_915_112_000_000 + i) for i in range(count))

    async with cosms(mobs_chars_max=value) as v:
        assert code(await v.send(Mobs=mobs(expected))) == "100"
        assert code(await v.send(Mobs=mobs(expected + 1))) == "403"
        assert code(await v.send(Mobs=numbers(1000))) == "100"


@pytest.mark.parametrize(
    ("text_format", "raw", "text"),
    [
        ("0", "短信".encode("gbk"), "短信"),
        ("1", "短信,+%&".encode("gbk"), "短信,+%&"),
        ("1", b"\xa2\xe3", "€"),
        ("2", "短信😀".encode(), "短信😀"),
        ("3", "短信😀".encode("utf-16-be").hex().encode(), "短信😀"),
        ("3", b"77ED4fe1", "短信"),
        ("1", b"\xe5", None),
        ("2", "短信".encode("gbk"), None),
        ("3", b"77E", None),
        ("3", b"D83D", None),
        ("3", "短信".encode("utf-16-be"), None),
    ],
)
async def test_the_text_is_decoded_by_its_format_or_refused(text_format: str, raw: bytes, text: str | None) -> None:
    async with cosms() as v:
        assert code(await v.send(msgFormat=text_format, msg=raw)) == ("100" if text else "407")
        assert v.sim.rows()["text"].to_list() == [text or ""]


async def test_the_documents_text_is_understood() -> None:
    raw = b"%C6%F3%D0%C5%D7%A8%BC%D2%23http%3A%2F%2Fnews.example"  # vendors.md 1.4
    async with cosms() as v:
        assert code(await v.call(SEND, gbk(SMS).replace(b"msg=hello", b"msg=" + raw))) == "100"
        assert v.sim.rows()["text"].to_list() == ["企信专家#http://news.example"]


@each("max_chars", [(500, 500), (1000, 1000)])
async def test_the_longest_text(value: int, expected: int) -> None:
    async with cosms(max_chars=value) as v:
        assert code(await v.send(msg="字" * expected)) == "100"
        assert code(await v.send(msg="字" * (expected + 1))) == "406"


@each("length_unit", [("utf16", "406"), ("characters", "100")])
async def test_what_an_emoji_counts(value: str, expected: str) -> None:
    async with cosms(length_unit=value) as v:
        assert code(await v.send(msgFormat="2", msg=("😀" * 250).encode())) == "100"
        assert code(await v.send(msgFormat="2", msg=("😀" * 251).encode())) == expected


@each("mtlevel_enforce", [("410", ["410", "410", "410"]), ("silently", ["100", "100", "100"])])
async def test_more_numbers_want_a_higher_level(value: str, expected: list[str]) -> None:
    async with cosms(mtlevel_enforce=value) as v:
        good = [(1, 10), (2, 11), (2, 100), (3, 101), (3, 1), (2, 1)]
        assert [code(await v.send(mtLevel=n, Mobs=numbers(c))) for n, c in good] == ["100"] * 6
        low = [(1, 11), (1, 101), (2, 101)]
        assert [code(await v.send(mtLevel=n, Mobs=numbers(c))) for n, c in low] == expected
        assert [code(await v.send(mtLevel=n)) for n in (None, "", "0", "4", "1x", "11")] == ["410"] * 6
        assert (await v.account())["violations"] == {"level_too_low": 3}


@each("sub_number_max", [(6, "408"), (10, "100")])
async def test_a_sub_number(value: int, expected: str) -> None:
    async with cosms(sub_number_max=value) as v:
        assert code(await v.send(subNumber="123456")) == "100"
        assert code(await v.send(subNumber="1234567")) == expected
        assert code(await v.send(subNumber="12345678901")) == "408"


async def test_the_kind_is_counted_and_is_in_the_texts_format() -> None:
    async with cosms() as v:
        await v.send(kindFlag="春季", Mobs=numbers(3))
        await v.send(kindFlag="春季".encode(), msgFormat="2")
        await v.send(kindFlag="x" * 21)
        assert code(await v.send(kindFlag=b"\xff\xff", msgFormat="2")) == "407"
        account = await v.account()
        assert account["kinds"] == {"春季": 4, "x" * 20: 1}
        assert account["violations"] == {"kind_too_long": 1}


@each("bad_number", [("reject_batch404", ("404", 0)), ("skip_row", ("100", 2))])
@pytest.mark.parametrize("bad", ["12345", "", "1380013800", "abc", "+8613800138000", "008613800138000", "013", " 1"])
async def test_an_illegal_number_among_good_ones(value: str, expected: tuple[str, int], bad: str) -> None:
    async with cosms(bad_number=value) as v:
        answer = await v.send(Mobs=f"13800138000,{bad},13900139000".replace(" ", "%20").replace("+", "%2B"))
        assert (code(answer), len(mt_ids(answer))) == expected
        account = await v.account()
        assert (account["numbers"], account["numbers_accepted"], account["charged"]) == (3, expected[1], expected[1])
        told = v.sim.rows()
        accepted = told.filter(told["accepted"])
        assert accepted["msgid"].to_list() == mt_ids(answer)
        assert accepted["number"].to_list() == ["13800138000", "13900139000"][: expected[1]]
        assert told.height == 3
        assert code(await v.send(Mobs="12345")) == "404"


@each("treat86", [("error404", ("404", [0, 0])), ("domestic", ("100", [1, 0])), ("international", ("100", [0, 1]))])
async def test_a_number_with_its_country_before_it(value: str, expected: tuple[str, list[int]]) -> None:
    async with cosms(treat86=value) as v:
        assert code(await v.send(Mobs="8613512345678")) == expected[0]
        shown = rows(await v.ask("corpCanSend"))
        assert [int(shown[1]), int(shown[4])] == expected[1]
        assert v.sim.rows()["number"].to_list() == ["13512345678"]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("13812345678", DOMESTIC),
        ("19912345678", DOMESTIC),
        ("02129900660", DOMESTIC),
        ("075525227898", DOMESTIC),
        ("13451234567", DOMESTIC),  # 1345 is the Cayman Islands' too: eleven digits from 13 are Chinese
        ("12461234567", INTERNATIONAL),
        ("12025550123", INTERNATIONAL),
        ("4915112345678", INTERNATIONAL),
        ("85212345678", INTERNATIONAL),
        ("21112345678", UNSUPPORTED),
        ("99912345678", UNSUPPORTED),
        ("1380013800", ILLEGAL),
        ("138001380001", ILLEGAL),
        ("11012345678", ILLEGAL),
        ("0123", ILLEGAL),
        ("491", ILLEGAL),
        ("4915112345678901", ILLEGAL),
        ("+13812345678", ILLEGAL),
        ("", ILLEGAL),
    ],
)
def test_the_kind_of_each_number(number: str, kind: int) -> None:
    found = cosms_recipients.read(f"13800138000,{number}".encode(), "error404")
    assert [place for k in range(4) for place in found.places(k) if k == kind][-1] == 1
    assert found.has(kind)


@given(st.lists(st.integers(13_000_000_000, 19_999_999_999), min_size=1, max_size=50))
def test_a_list_of_mobiles_is_all_domestic(mobiles: list[int]) -> None:
    found = cosms_recipients.read(",".join(map(str, mobiles)).encode(), "error404")
    assert (found.kinds, found.size, found.places(DOMESTIC).tolist()) == (None, len(mobiles), list(range(len(mobiles))))
    assert not found.has(ILLEGAL)
    assert found.parsed.column.tolist() == mobiles


def test_annex_c_is_whole_and_the_longest_code_counts() -> None:
    assert len(COUNTRIES) == 165
    assert (country_code(b"12461234567"), country_code(b"12121234567"), country_code(b"2111")) == (b"1246", b"1", b"")
    assert (COUNTRIES[b"86"], COUNTRIES[b"1809"], COUNTRIES[b"998"]) == ("China", "Dominica", "Uzbekistan")


@each("intl_linkid_required", [("off", ["100", "100", "409", "100"]), ("on", ["409", "100", "409", "100"])])
async def test_the_link_of_an_international_message(value: str, expected: list[str]) -> None:
    async with cosms(intl_linkid_required=value) as v:
        asked = [(ABROAD, None), (ABROAD, "5000"), ("13800138000", "5000"), ("13800138000", None)]
        assert [code(await v.send(Mobs=mobs, linkID=link)) for mobs, link in asked] == expected


async def test_international_messages_have_a_credit_of_their_own() -> None:
    async with cosms({"products": {"domestic": 10, "international": 3}}) as v:
        assert code(await v.send(Mobs=f"13800138000,{ABROAD},85212345678")) == "100"
        assert code(await v.send(Mobs=f"{ABROAD},85212345678")) == "505"
        assert rows(await v.ask("corpCanSend")) == ["9", "1", "1", "1", "2", "2", "1000000000"]
        assert (await v.account())["balance"] == {"domestic": 9, "international": 1, "mms": 1_000_000_000}


@each("intl_reports", [(0.0, ["13800138000"]), (1.0, ["13800138000", ABROAD])])
async def test_reports_from_abroad(value: float, expected: list[str]) -> None:
    async with cosms(intl_reports=value, **NOW) as v:
        await v.send(Mobs=f"{ABROAD},13800138000")
        await v.due(len(expected))
        told = v.sim.rows()
        by_id = dict(zip(told["msgid"], told["number"], strict=True))
        assert sorted(by_id[mt_id] for mt_id, _ in await v.reports()) == expected


@each("partial_code", [("off", ("100", 5)), ("200", ("200", 3))])
async def test_a_part_of_the_numbers(value: str, expected: tuple[str, int]) -> None:
    async with cosms(partial_code=value) as v:
        answer = await v.send(Mobs=numbers(5))
        assert (code(answer), len(mt_ids(answer))) == expected
        told = v.sim.rows()
        assert told.filter(told["accepted"])["number"].to_list() == numbers(5).split(",")[: expected[1]]
        account = await v.account()
        assert (account["numbers"], account["numbers_accepted"], account["charged"]) == (5, expected[1], expected[1])
        assert code(await v.send()) == "100"


async def test_a_rule_makes_a_request_partial() -> None:
    async with cosms(rule=[{"code": "200", "taken": True, "count": 1}]) as v:
        answer = await v.send(Mobs=numbers(4))
        assert (code(answer), len(mt_ids(answer))) == ("200", 2)
        assert (await v.account())["numbers_accepted"] == 2


@each("line_end", [("lf", "\n"), ("crlf", "\r\n"), ("cr", "\r")])
async def test_what_ends_a_line(value: str, expected: str) -> None:
    async with cosms(line_end=value, **NOW) as v:
        said = [await v.send(Mobs=f"13800138000,{ABROAD}"), await v.send(Mobs=numbers(2))]
        await v.due(3)
        said += [await v.ask("getReport"), await v.ask("corpCanSend"), await v.send(msg="")]
        for answer in said:
            lines = answer.text.split(expected)
            assert lines[-1] == ""
            assert not any(set("\r\n") & set(line) for line in lines)


@each("code_line", [("plain", r"100"), ("blanks", r" 100   "), ("comment", r"100  ,OK")])
async def test_the_line_of_the_code(value: str, expected: str) -> None:
    async with cosms(code_line=value) as v:
        answer = await v.send()
        assert re.fullmatch(expected + r"\n0,\d{17}\n", answer.text)
        assert code(answer) == "100"


@each("enforce", [("502", "502"), ("off", "100")])
async def test_going_over_the_flow_limit(value: str, expected: str) -> None:
    async with cosms({"flow": {"limit": 500, "per_s": 30}}, enforce=value) as v:
        assert code(await v.send(Mobs=numbers(300))) == "100"
        assert code(await v.send(Mobs=numbers(300))) == expected
        account = await v.account()
        assert account["violations"] == {"too_fast": 1}
        assert (account["windows_over_limit"], account["window_max"]) == (1, 600)


@each("charge_unit", [("parts", 6), ("messages", 2)])
async def test_what_is_charged(value: str, expected: int) -> None:
    async with cosms({"products": {"domestic": 100}}, charge_unit=value) as v:
        await v.send(Mobs=numbers(2), msg="字" * 135)
        assert rows(await v.ask("corpCanSend"))[:3] == [str(100 - expected), str(expected), str(expected)]
        assert (await v.account())["charged"] == expected


@each("sensitive_words", [(("敏感词",), "敏感词"), (["spam"], "spam")])
async def test_illegal_content_is_taken_and_reported(value: list[str], expected: str) -> None:
    async with cosms(sensitive_words=value, status_mix={"0": 1}, **NOW) as v:
        bad, good = await v.send(msg=f"a {expected}"), await v.send(msg="harmless")
        await v.due(2)
        assert dict(await v.reports()) == {mt_ids(bad)[0]: "3", mt_ids(good)[0]: "0"}


@each("china_mobile", [(CHINA_MOBILE, ["100", "413", "413", "413"]), (["130", "1891"], ["413", "100", "413", "413"])])
async def test_which_numbers_a_wap_push_may_go_to(value: list[str], expected: list[str]) -> None:
    async with cosms(china_mobile=value) as v:
        asked = ["13812345678", "13012345678", "02129900660", ABROAD]
        assert [code(await v.send(**WAP, Mobs=mobs)) for mobs in asked] == expected
        assert code(await v.send(**WAP, Mobs=f"{asked[0]},{asked[1]}")) == "413"


@pytest.mark.parametrize("wrong", [["13x"], ["-1"], "138", [138]])
async def test_prefixes_are_digits(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="any list of digits"):
        async with cosms(china_mobile=wrong):
            pass


async def test_get_carries_a_thousand_numbers() -> None:
    async with cosms() as v:
        answer = await v.call(f"{SEND}?{v.form(Mobs=numbers(1000)).decode()}", None)
        assert len(mt_ids(answer)) == 1000


async def test_a_text_to_one_number_twice_is_a_double_by_either_call() -> None:
    async with cosms(treat86="international") as v:
        for mobs in ("13800138000", "8613800138000", "13800138000,13800138000", ABROAD, ABROAD):
            assert code(await v.send(Mobs=mobs)) == "100"
        account = await v.account()
        assert (account["numbers_accepted"], account["unique_numbers"], account["double_texts"]) == (6, 2, 4)


async def test_without_rows_messages_are_still_sent_and_reported() -> None:
    async with cosms(ledger="counts", **NOW) as v:
        ids = mt_ids(await v.send(Mobs=numbers(50)))
        await v.due(50)
        assert sorted(mt_id for mt_id, _ in await v.reports()) == ids
        account: dict[str, Any] = await v.account()
        assert "double_texts" not in account
