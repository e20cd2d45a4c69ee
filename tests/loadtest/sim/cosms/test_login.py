"""Logging in to the simulated COSMS: by password, by MD5, sub-users, the lock (vendors.md 1.2, 1.3, 8.1)."""

from __future__ import annotations

import hashlib
import re
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.errors import ConfigError
from loadtest.sim.cosms import login as cosms_login
from tests.loadtest.sim.cosms.cosms_kit import LOGIN, SEND, SMS, Cosms, code, cosms, gbk, hashed, rows
from tests.loadtest.sim.sim_kit import each

VECTOR = "fb73224840e396795873c019e852dd50"  # vendors.md 1.3: the document's own example
NEGATIVE = [
    "2fc88a05cbf5f9d238a2141b9d5dfb6e",  # the name in lower case
    "d710c4cd36988275c77403b417520099",  # the inner hash in upper case
    VECTOR.upper(),
    "",
    "123456",
]


def documented(**switches: Any) -> AbstractAsyncContextManager[Cosms]:
    """The account of the test vectors."""
    return cosms({"account": "100", "login_name": "JYT", "pswd": "123456"}, **switches)


async def with_112233(v: Cosms, password: str, name: str = "JYT") -> str:
    """Log in with the MD5str of the vectors, as if it had just been given."""
    v.sim.vendor._logins._issued["112233"] = cosms_login.IssuedMd5(v.sim.state.clock.now(), 0, "")  # type: ignore[attr-defined]
    return code(await v.send(corpID="100", loginName=name, MD5str="112233", password=password))


async def md5_login(v: Cosms, md5str: str, **parameters: Any) -> str:
    password = hashed("spring", "SPRING", "secret", md5str)
    return code(await v.send(**{"MD5str": md5str, "loginName": "SPRING", "password": password} | parameters))


def test_the_documents_hash_is_ours() -> None:
    assert hashlib.md5(b"100JYT123456").hexdigest() == "4efaf62d845f2bf4438cce7a1211910f"
    assert cosms_login.hashed("100", "jyt", "123456", "112233") == VECTOR == hashed("100", "JYT", "123456", "112233")


async def test_the_documents_login_is_taken_and_its_negatives_refused() -> None:
    async with documented(md5_binding="none") as v:
        assert await with_112233(v, VECTOR) == "100"
        assert [await with_112233(v, password) for password in NEGATIVE] == ["203"] * len(NEGATIVE)
        assert await with_112233(v, VECTOR, name="jyt") == "100"  # AMB-COSMS-5: only the hash minds its case


@given(st.text("0123456789abcXYZ", min_size=1, max_size=8), st.text(min_size=0, max_size=4), st.text("019", min_size=1))
def test_the_hash_is_made_of_the_name_in_upper_case(name: str, password: str, md5str: str) -> None:
    made = cosms_login.hashed("1", name, password, md5str)
    assert made == cosms_login.hashed("1", name.upper(), password, md5str)
    assert re.fullmatch(r"[0-9a-f]{32}", made)


async def test_an_md5str_is_good_once() -> None:
    async with cosms() as v:
        md5str = await v.md5str()
        assert await md5_login(v, md5str) == "100"
        assert await md5_login(v, md5str) == "208"
        assert await md5_login(v, "000000") == "208"
        assert await md5_login(v, await v.md5str(), password=hashed("spring", "SPRING", "x", "1")) == "203"


async def test_an_md5str_is_used_up_by_a_wrong_password() -> None:
    async with cosms() as v:
        md5str = await v.md5str()
        assert await md5_login(v, md5str, password="x") == "203"
        assert await md5_login(v, md5str) == "208"


@each("md5str_valid_s", [(1200, "100 208"), (60, "208 208")])
async def test_an_md5str_is_good_for_twenty_minutes(value: int, expected: str) -> None:
    async with cosms(md5str_valid_s=value, clock_start="2026-01-31T12:00:00", clock_scale=0.001) as v:
        first, second = await v.md5str(), await v.md5str()
        v.sim.configure(clock_start="2026-01-31T12:19:59")
        said = [await md5_login(v, first)]
        v.sim.configure(clock_start="2026-01-31T12:20:02")
        assert " ".join([*said, await md5_login(v, second)]) == expected


@each("md5_binding", [("connection", "100 208 208"), ("cookie", "100 100 208"), ("none", "100 100 100")])
async def test_who_may_use_an_md5str(value: str, expected: str) -> None:
    """The connection that asked; another with its cookie; another without."""
    async with cosms(md5_binding=value) as v:
        given = (await v.call("/sms/getMD5str", None)).headers["Set-Cookie"]
        session = {"Cookie": given.partition(";")[0]}
        assert re.fullmatch(r"ASPSESSIONID=\w+", session["Cookie"])
        async with aiohttp.ClientSession(headers=session) as http:
            asking = Cosms(v.sim, http)
            answer = await asking.call("/sms/getMD5str", None)
            assert "Set-Cookie" not in answer.headers  # one session is enough
            said = [await md5_login(asking, answer.text)]
            for headers in (session, {}):
                md5str = await asking.md5str()
                async with aiohttp.ClientSession(headers=headers) as other:
                    said.append(await md5_login(Cosms(v.sim, other), md5str))
        assert " ".join(said) == expected


@each("md5str_alphabet", [("digits", r"\d{6}"), ("ascii", r"(?=.*\+)(?=.*&)(?=.*%)[!-~]{6}")])
async def test_what_an_md5str_is_made_of(value: str, expected: str) -> None:
    async with cosms(md5str_alphabet=value) as v:
        made = [await v.md5str() for _ in range(20)]
        assert all(re.fullmatch(expected, md5str) for md5str in made)
        assert len(set(made)) == 20
        assert await md5_login(v, made[0]) == "100"


@each("md5str_form", [("bare", r"\d{6}"), ("bare_eol", r"\d{6}\n"), ("code_line", r"100\n\d{6}\n")])
@pytest.mark.parametrize("end", ["", "/", "/index.asp"])
async def test_how_an_md5str_is_given(value: str, expected: str, end: str) -> None:
    async with cosms(md5str_form=value) as v:
        for body in (None, b""):
            answer = await v.call(f"/sms/getMD5str{end}", body, "GET" if body is None else "POST")
            assert re.fullmatch(expected, answer.text)
        assert await md5_login(v, answer.text.split()[-1]) == "100"


async def test_rules_reach_the_giving_of_md5strs() -> None:
    async with cosms(rule=[{"fault": "http_503", "on": "login", "count": 1}, {"code": "501", "on": "login"}]) as v:
        assert (await v.call("/sms/getMD5str", None)).status == 503
        assert code(await v.call("/sms/getMD5str", None)) == "501"


@pytest.mark.parametrize("end", ["", "/", "/index.asp"])
async def test_the_helper_page_hashes_what_it_is_told(end: str) -> None:
    async with cosms() as v:
        answer = await v.call(f"/sms/MD5{end}?str=100JYT123456", None)
        assert answer.text == "4efaf62d845f2bf4438cce7a1211910f"
        assert (await v.call(f"/sms/MD5{end}", b"str=100JYT123456")).text == answer.text


async def test_a_plain_login_minds_the_password_and_not_the_names_case() -> None:
    async with cosms({"login_name": "Marketing"}) as v:
        assert code(await v.send(loginName="marketing")) == "100"
        assert code(await v.send(loginName="MARKETING", MD5str="")) == "100"
        assert code(await v.send(loginName="spring")) == "201"
        assert code(await v.send(loginName=None)) == "201"
        assert code(await v.send(loginName="Marketing", password=None)) == "203"
        assert code(await v.send(loginName="Marketing", corpID="SPRING")) == "202"


@each("failures_max", [(30, ["203"] * 30 + ["205"] * 2), (0, ["203"] * 31 + ["100"])])
async def test_too_many_failures_lock_an_account_for_the_day(value: int, expected: list[str]) -> None:
    async with cosms(failures_max=value, clock_start="2026-01-30T23:00:00", clock_scale=0.001) as v:
        said = [code(await v.ask("corpCanSend", password="guess")) for _ in range(31)]
        assert [*said, code(await v.send())] == expected
        v.sim.configure(clock_start="2026-01-31T00:00:01")
        assert code(await v.send()) == "100"


@pytest.mark.parametrize("parameters", [{"loginName": "x"}, {"password": "x"}, {"MD5str": "1"}])
async def test_every_failed_login_counts(parameters: dict[str, str]) -> None:
    async with cosms(failures_max=2) as v:
        for _ in range(2):
            assert code(await v.ask("getReport", **parameters)) in ("201", "203", "208")
        assert code(await v.send()) == "205"
        v.sim.control.reset()
        assert code(await v.send()) == "100"


async def test_a_sub_user_is_named_by_corpid_and_draws_on_both_credits() -> None:
    sub = {"account": "80888", "login_name": "branch", "sub_of": "spring", "products": {"domestic": 5}}
    async with cosms({"products": {"domestic": 8}}) as v:
        v.sim.configure(account={"autumn": sub})
        as_sub = {"corpID": "80888", "loginName": "branch"}
        assert code(await v.send(**as_sub, Mobs="13800138000,13800138001")) == "100"
        assert rows(await v.ask("corpCanSend", **as_sub))[:2] == ["3", "2"]
        assert rows(await v.ask("corpCanSend"))[:2] == ["6", "2"]
        assert code(await v.send(Mobs="13800138000,13800138001,13800138002,13800138003")) == "100"
        assert code(await v.send(**as_sub, Mobs="13800138000,13800138001,13800138002")) == "503"
        assert code(await v.send(**as_sub, Mobs="13800138000,13800138001")) == "100"
        totals = await v.sim.totals()
        assert {name: a["numbers_accepted"] for name, a in totals["accounts"].items()} == {"spring": 4, "autumn": 4}
        assert totals["accounts"]["autumn"]["balance"]["domestic"] == 1


async def test_a_sub_user_without_an_enterprise_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match="sub_of = 'winter' is no account. Possible: spring"):
        async with cosms({"sub_of": "winter"}):
            pass


@each("strict_case", [("off", ["100", "100", "100", "100"]), ("on", ["100", "100", "202", "100"])])
async def test_how_parameters_may_be_spelled(value: str, expected: list[str]) -> None:
    async with cosms(strict_case=value) as v:
        said = [await v.call(SEND, gbk(SMS)), await v.call(SEND, gbk({f" {k} ": x for k, x in SMS.items()}))]
        said += [await v.call(SEND, gbk({k.lower(): x for k, x in SMS.items()})), await v.ask("corpCanSend")]
        assert [code(answer) for answer in said] == expected


@pytest.mark.parametrize(
    "endpoint", ["putMt", "getMo", "getReport", "corpCanSend", "getHistSms", "changeLogin", "FileUpLoad", "upLoad"]
)
@pytest.mark.parametrize("end", ["", "/", "/index.asp"])
async def test_every_endpoint_answers_to_get_and_post_with_and_without_a_slash(endpoint: str, end: str) -> None:
    async with cosms(report_interval=0, mo_interval=0, hist_interval=0) as v:
        query = gbk(LOGIN | {"msgFormat": "1"})
        answers = [await v.call(f"/sms/{endpoint}{end}?{query.decode()}", None)]
        answers.append(await v.call(f"/sms/{endpoint}{end}", query))
        assert len({(answer.status, answer.text) for answer in answers}) == 1
        assert code(answers[0]) in ("100", "300", "405", "414", "417")
        bad = await v.call(f"/sms/{endpoint}{end}", gbk(LOGIN | {"password": "x"}))
        assert code(bad) == "203"
