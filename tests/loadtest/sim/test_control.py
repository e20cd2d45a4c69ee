"""The control endpoint: what it lists, what it sets, and what it says to mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.errors import ConfigError
from loadtest.sim import config as configuration
from loadtest.sim.common_switches import COMMON
from loadtest.sim.server import VENDORS
from loadtest.sim.switches import Switches
from tests.loadtest.sim.sim_kit import NOW, Vendor, each, numbers, receiver, vendor


async def call(v: Vendor, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = await v.call(f"/_sim{path}", None if body is None else json.dumps(body).encode(), method)
    return answer.status, json.loads(answer.text)


@pytest.mark.parametrize("name", VENDORS)
async def test_config_lists_every_switch_and_no_password(name: str) -> None:
    async with vendor({"pswd": "very-secret", "receiver_pswd": "hidden-too"}, vendor=name) as v:
        status, config = await call(v, "GET", "/config")
        assert status == 200
        assert {s["name"] for s in config["switches"]} == {s.name for s in (*COMMON, *VENDORS[name].table)}
        assert all(s["source"] and s["meaning"] and (s["values"] or s["also"]) for s in config["switches"])
        assert config["accounts"]["spring"]["flow"] == {"limit": 0, "per_s": 1.0, "unit": "messages"}
        assert "very-secret" not in json.dumps(config)
        assert "hidden-too" not in json.dumps(config)


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_switches_accounts_and_rules_are_set_together(method: str) -> None:
    async with vendor() as v:
        wanted = {
            "max_chars": 585,
            "account": {"autumn": {"pswd": "p"}},
            "rule": [{"code": "104", "account": "autumn"}],
        }
        status, config = await call(v, method, "/config", wanted)
        assert status == 200
        assert {s["name"]: s["value"] for s in config["switches"]}["max_chars"] == 585
        assert config["rules"][0]["code"] == "104"
        assert (await v.send(msg="x" * 585)).code == "0"
        assert (await v.send(account="autumn", pswd="p")).code == "104"


async def test_a_documented_value_may_be_written_as_a_number_a_text_or_true_and_false() -> None:
    async with vendor(vendor="cosms") as v:
        wanted = {"partial_code": 200, "mtlevel_enforce": 410, "max_chars": "1000", "strict_case": True, "push": False}
        status, config = await call(v, "POST", "/config", wanted)
        assert status == 200
        found = {s["name"]: s["value"] for s in config["switches"]}
        said = {"partial_code": "200", "mtlevel_enforce": "410", "max_chars": 1000, "strict_case": "on", "push": "off"}
        assert {name: found[name] for name in said} == said


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"max_char": 585}, "no switch 'max_char'"),
        ({"max_chars": 0}, "max_chars: 0 is not possible. Set it to 536, 585, 700, 500 or any whole number from 1."),
        ({"max_chars": True}, "max_chars: True is not possible"),
        ({"edition": "C"}, "Set it to 'A', 'B'."),
        ({"send_hours": "21-8"}, "send_hours: '21-8' is not possible"),
        ({"clock_start": "noon"}, "clock_start: 'noon' is not possible"),
        ({"report_loss": 1.5}, "any share from 0 to 1"),
        ({"status_mix": {"DELIVRD": 0}}, "weights not all 0"),
        ({"clock_scale": 0}, "any number above 0"),
        ({"sensitive_words": "word"}, "any list of texts"),
        ({"account": {"spring": {"colour": 1}}}, "there is no key colour (possible: "),
        (
            {"account": {"spring": {"flow": {"limit": 5, "unit": "words"}}}},
            "flow.unit must be one of: messages, parts, requests",
        ),
        (
            {"account": {"spring": {"flow": {"limit": 5, "per": 1}}}},
            "there is no key per in flow (did you mean per_s?)",
        ),
        ({"account": {"spring": {"flow": 5}}}, "flow must be a table in { }, not a whole number"),
        (
            {"account": {"spring": {"products": {"1": "many"}}}},
            "products: each must be a whole number, not a text in quotes",
        ),
        ({"account": {"spring": {"may_send": "yes"}}}, "may_send must be true or false, not a text in quotes"),
        ({"account": {"spring": {"report_url": "http://example.com/r"}}}, "is not on this machine"),
        ({"account": {"spring": {"report_url": "ftp://127.0.0.1/r"}}}, "pushes to http://HOST:PORT/PATH only"),
        ({"rule": [{"fault": "x"}]}, "no fault 'x'"),
        ({"rule": "close"}, "rule: must be a list in [ ], not a text in quotes"),
        ({"account": "spring"}, "account: must be a table in { }, not a text in quotes"),
        ({"max_chars": 585, "edition": "C"}, "edition: 'C'"),
    ],
)
async def test_a_mistake_is_explained_and_changes_nothing(wanted: dict[str, Any], sentence: str) -> None:
    async with vendor() as v:
        _, before = await call(v, "GET", "/config")
        status, answer = await call(v, "POST", "/config", wanted)
        assert status == 400
        assert sentence in answer["error"]
        assert (await call(v, "GET", "/config"))[1] == before


async def test_what_is_not_json_or_not_there_is_said_so() -> None:
    async with vendor() as v:
        assert (await v.call("/_sim/config", b"{", "POST")).status == 400
        assert (await v.call("/_sim/config", b"[1]", "POST")).status == 400
        assert (await call(v, "GET", "/nothing"))[0] == 404


async def test_rules_are_added_and_taken_away() -> None:
    async with vendor() as v:
        await call(v, "POST", "/rules", {"code": "104"})
        assert (await v.send()).code == "104"
        await call(v, "DELETE", "/rules")
        assert (await v.send()).code == "0"


async def test_the_ledger_over_http_is_the_ledger() -> None:
    async with vendor({"flow": {"limit": 500}}) as v:
        await v.send(mobile=numbers(10))
        _, totals = await call(v, "GET", "/ledger")
        assert totals == await v.sim.totals()
        wanted = {
            "requests",
            "numbers_accepted",
            "unique_numbers",
            "double_texts",
            "charged",
            "windows_over_limit",
            "codes",
            "faults",
        }
        assert wanted | {"window_max", "limit", "limit_used", "balance"} <= set(totals["accounts"]["spring"])
        assert wanted | {f"reports_{w}" for w in ("due", "pushed", "acked", "lost", "duplicates", "waiting")} <= set(
            totals
        )
        _, quick = await call(v, "GET", "/ledger?doubles=no")
        assert "double_texts" not in quick


async def test_a_balance_is_topped_up_or_set() -> None:
    async with vendor({"products": {"11": 5}}) as v:
        assert await call(v, "POST", "/balance", {"account": "spring", "add": 10}) == (200, {"11": 15})
        assert await call(v, "POST", "/balance", {"account": "spring", "product": "22", "set": 7}) == (
            200,
            {"11": 15, "22": 7},
        )
        assert (await call(v, "POST", "/balance", {}))[0] == 400
        assert (await call(v, "POST", "/balance", {"account": "spring", "colour": 1}))[0] == 400


async def test_pushes_on_demand_over_http() -> None:
    async with receiver() as r, vendor({"report_url": r.url, "inbound_url": r.url}, **NOW) as v:
        assert await call(v, "POST", "/report", {"account": "spring", "msgid": "7"}) == (200, {"status": 200})
        assert await call(v, "POST", "/mo", {"account": "spring", "msg": "TD"}) == (200, {"statuses": [200]})
        assert await call(v, "POST", "/repeat", {"account": "spring"}) == (200, {"reports": 0})
        assert [p.fields.get("msgid", p.fields.get("msg")) for p in r.pushes] == ["7", "TD"]
        assert await call(v, "POST", "/reset", {"all": True}) == (200, {"reset": True})


async def test_settings_of_an_account_are_laid_over_the_old_ones() -> None:
    async with vendor({"flow": {"limit": 5}, "products": {"1": 100}}) as v:
        await v.send(mobile=numbers(3))
        v.sim.configure(account={"spring": {"may_send": False}})
        account = await v.account()
        assert (account["limit"], account["balance"], account["window_max"]) == (5, {"1": 97}, 3)
        v.sim.configure(account={"spring": {"flow": {"limit": 6}, "products": {"1": 9}}})
        account = await v.account()
        assert (account["limit"], account["balance"], account["window_max"]) == (6, {"1": 9}, 0)


@each("clock_start", [("", False), ("2026-01-31T12:34:56", True)])
async def test_the_clock_stands_where_it_is_set(value: str, expected: bool) -> None:
    async with vendor(clock_start=value, clock_scale=0.001) as v:
        assert (await v.send()).text.startswith("20260131123456,") is expected


async def test_a_changed_speed_continues_the_clock_from_its_time() -> None:
    async with vendor(clock_start="2026-01-31T12:00:00", clock_scale=0.001) as v:
        v.sim.configure(clock_scale=3600.0)
        before = v.sim.state.clock.now()
        assert v.sim.state.clock.local(before).isoformat() >= "2026-01-31T12:00:00"
        assert v.sim.state.clock.real_s(7200) == 2


@pytest.mark.parametrize("name", VENDORS)
def test_every_default_and_every_documented_value_is_possible(name: str) -> None:
    switches = Switches((*COMMON, *VENDORS[name].table))
    for switch in switches.table.values():
        for value in (switch.default, *switch.values, *switch.by_edition.values()):
            switch.check(value)
            switches.update({switch.name: value})
            assert getattr(switches, switch.name) == value
        switches.forget()


def test_a_toml_file_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "sim.toml"
    file.write_text(
        """
        [sim]
        listen = "127.0.0.1:0"
        max_chars = 585
        [sim.account.spring]
        account = "demo"
        flow = { limit = 500, per_s = 1, unit = "messages" }
        products = { "11" = 5 }
        [[sim.rule]]
        fault = "close"
        p = 0.5
        """
    )
    config = configuration.read(file)
    spring = config.accounts["spring"]
    assert (config.switches, spring.account, spring.flow.limit, spring.products) == (
        {"max_chars": 585},
        "demo",
        500,
        {"11": 5},
    )
    assert config.rules == [{"fault": "close", "p": 0.5}]
    assert config.address == ("127.0.0.1", 0)
    assert configuration.read(file, "127.0.0.1:5").address == ("127.0.0.1", 5)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[sim", "not valid TOML"),
        ('[sim]\nlisten = "0.0.0.0:9101"', "is not on this machine alone"),
        ('[sim]\nlisten = "here"', "is not HOST:PORT"),
        ('[sim]\nseed = "x"', "seed must be a whole number, not a text in quotes"),
        ("[sim]\naccount = 5", "simulator configuration: account: must be a table in { }"),
        ("[sim]\nrule = 5", "rules must be a list in"),
        ('[sim]\nlisten = "127.0.0.1:99999"', "is not HOST:PORT"),
    ],
)
def test_a_file_that_cannot_be_used_is_explained(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "sim.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        configuration.read(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere.toml: cannot be read .No such file"):
        configuration.read(tmp_path / "nowhere.toml")


def test_remote_addresses_are_possible_only_if_allowed() -> None:
    remote = {"listen": "0.0.0.0:9101", "account": {"a": {"report_url": "http://192.0.2.1:80/r"}}}
    with pytest.raises(ConfigError, match="allow_remote = true"):
        configuration.read(remote)
    assert configuration.read(remote | {"allow_remote": True}).address == ("0.0.0.0", 9101)
