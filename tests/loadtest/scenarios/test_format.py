"""A scenario's file: what is wrong with it is one plain sentence that names file, key and what is allowed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dispatcher.config.file import parse
from dispatcher.errors import ConfigError, UserError
from dispatcher.vendors.registry import BUILT_IN
from loadtest.scenarios.file import SHIPPED, find, load, shipped
from loadtest.scenarios.lists import number_block, rendered, told_apart, write_lists
from loadtest.scenarios.scale import scaled
from loadtest.scenarios.settings import as_toml, configuration, simulated
from loadtest.sim.cmpp.faults import FAULTS as LINK_FAULTS
from loadtest.sim.requests.faults import FAULTS

GOOD = """\
about = "One vendor."
[vendor.north]
vendor = "batch-a"
max_chars = 585
[account.spring]
flow = { limit = 500, per_s = 1.0, unit = "messages" }
[[campaign]]
id = "may"
route = ["spring"]
recipients = 100
"""
EVENT = "\n[[event]]\nat_s = 1.0\n"

WRONG = [
    ("about = 3", 'about = "One vendor."', "about is missing"),
    ('about = "x', 'about = "One vendor."', "not valid TOML"),
    ("colour = 1", 'about = "One vendor."', "there is no section colour"),
    ("[vendors.north]", "[vendor.north]", "there is no section vendors (did you mean vendor?)"),
    ('vendor = "batch-z"', 'vendor = "batch-a"', 'vendor = "batch-z" is not known; write one of: batch-a'),
    ("", 'vendor = "batch-a"', "[vendor.north]: vendor is missing; write one of: batch-a"),
    ("max_char = 585", "max_chars = 585", "[vendor.north]: the simulator has no switch 'max_char'"),
    ("max_chars = 0", "max_chars = 585", "max_chars: 0 is not possible. Set it to 536"),
    ("every_fault = 2", "max_chars = 585", "every_fault must be a probability from 0 to 1"),
    ('rule = [{ fault = "fire" }]', "max_chars = 585", "no fault 'fire'. Possible: delay"),
    ('account.spring.flow = { limit = 5, unit = "yards" }', "max_chars = 585", "flow.unit must be one of: messages"),
    ("flow = 500", 'flow = { limit = 500, per_s = 1.0, unit = "messages" }',
     "[account.spring]: flow must be a table in { }, not a whole number"),
    ("speed = 3", 'flow = { limit = 500, per_s = 1.0, unit = "messages" }', "[account.spring]: there is no key speed"),
    ('route = ["summer"]', 'route = ["spring"]', 'route: there is no "summer" in this scenario; write one of'),
    ("route = []", 'route = ["spring"]', "[[campaign]] 1: route must be a list of 1 or more"),
    ('id = "may sale"', 'id = "may"', 'id = "may sale" must be letters'),
    ("", 'id = "may"', "[[campaign]] 1: id is missing"),
    ("recipient = 100", "recipients = 100", "there is no key recipient (did you mean recipients?)"),
    ("recipients = 0", "recipients = 100", "recipients must be 1 to 50,000,000"),
    ("", "recipients = 100", "give either recipients = N or file = PATH"),
    ('recipients = 1\nfile = "x"', "recipients = 100", "give either recipients = N or file = PATH"),
    ('file = "nobody.txt"', "recipients = 100", "no such file beside"),
    ('recipients = 1\nunknown = "guess"', "recipients = 100", "unknown must be one of: hold, resend"),
    ("recipients = 1\nafter_taken = 1.5", "recipients = 100", "after_taken must be 1 or less"),
    ("recipients = 1\nweight = 0", "recipients = 100", "weight must be 1 or more"),
    ('[[campaign]]\nid = "may"\nroute = ["spring"]\nrecipients = 1\n[[campaign]]', "[[campaign]]",
     'two have the id "may"'),
    ("recipients = 1\nvariables = { name = 3 }", "recipients = 100", "must name every one of variables as {NAME}"),
    ('recipients = 1\ntext = "Dear {name}"', "recipients = 100", "and no other: see name"),
    ("recipients = 1\nvariables = { name = -3 }", "recipients = 100", "variables: each must be 0 or more"),
    ('recipients = 1\ndirty = true\ntext = "{a}"\nvariables = { a = 1 }', "recipients = 100",
     "neither dirty nor a file"),
    ("[run]\nlanes = 0\n[[campaign]]", "[[campaign]]", "[run]: lanes must be 1 or more"),
    ('[log]\nkind = "mysql"\n[[campaign]]', "[[campaign]]", "[log]: kind must be one of: kafka, sqlite"),
    ("[lanes]\nspeed = 1\n[[campaign]]", "[[campaign]]", "[lanes]: there is no key speed"),
    ("[campaign]", "[[campaign]]", "[campaign] must be written [[campaign]]"),
]  # fmt: skip

WRONG_EVENTS = [
    ('vendor = "north"\ndo = "outage"\nfor_s = 1\nafter_taken = 0.5', "give either at_s = SECONDS or after_taken"),
    ('role = "lanes"', "to a role it can do one of: do = \"kill\", do = \"stop\""),
    ('do = "kill"', "name one of vendor, account, role, campaign"),
    ('role = "lanes"\nvendor = "north"\ndo = "kill"', "name one of vendor, account, role, campaign"),
    ('role = "cook"\ndo = "kill"', "role must be one of: lanes, results, web"),
    ('role = "lanes"\ndo = "dance"', "do must be one of: cancel, freeze"),
    ('role = "lanes"\ndo = "pause"', "to a role it can do one of"),
    ('vendor = "south"\ndo = "outage"\nfor_s = 1', 'vendor: there is no "south" in this scenario; write one of: north'),
    ('vendor = "north"\ndo = "outage"', "outage needs for_s = SECONDS"),
    ('vendor = "north"\nset = { max_chars = 0 }', "max_chars: 0 is not possible"),
    ('vendor = "north"\nset = { max_char = 9 }', "no switch 'max_char'"),
    ('vendor = "north"\nrules = [{ p = 0.1 }]', "give one of fault, code or body"),
    ('vendor = "north"\nevery_fault = 7', "every_fault must be 1 or less"),
    ('vendor = "north"\ntop_up = 7', "to a vendor it can do one of"),
    ('account = "spring"\ntop_up = 7\nflow = { limit = 7 }', "to an account it can do one of"),
    ('account = "spring"\nflow = { limit = -7 }', "flow.limit must be 0 or more"),
    ('account = "spring"\ntop_up = 7\nfor_s = 3', "for_s goes with outage, set"),
    ('campaign = "june"\ndo = "pause"', 'campaign: there is no "june"'),
    ('campaign = "may"\ndo = "pause"\nfor_s = 0', "for_s must be above 0"),
]  # fmt: skip

WRONG_EXPECTATIONS = [
    ("happy = true", "[expect]: there is no key happy"),
    ("delivered = [0.9, 0.1]", "delivered must be [LEAST, MOST]"),
    ("delivered = 0.9", "delivered must be a list in [ ], not a number"),
    ("unknown_max = 3", "unknown_max must be 1 or less"),
    ('over_limit = ["summer"]', 'over_limit: there is no "summer"'),
    ('codes.south = ["103"]', 'codes: there is no "south"'),
    ('faults = ["south"]', 'faults: there is no "south"'),
    ('cancelled = ["june"]', 'cancelled: there is no "june"'),
]


def refused(path: Path, text: str) -> str:
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as raised:
        load(find(str(path)))
    said = str(raised.value)
    assert said.startswith(str(path)), "it names the file"
    assert "\n" not in said
    return said


def test_the_good_one_is_good(tmp_path: Path) -> None:
    path = tmp_path / "good.toml"
    path.write_text(GOOD, "utf-8")
    found = load(find(str(path)))
    assert (found.about, found.planned, list(found.accounts)) == ("One vendor.", 100, ["spring"])


@pytest.mark.parametrize(("new", "old", "sentence"), WRONG, ids=[case[2][:40] for case in WRONG])
def test_a_mistake_is_one_sentence(tmp_path: Path, new: str, old: str, sentence: str) -> None:
    assert old in GOOD
    assert sentence in refused(tmp_path / "wrong.toml", GOOD.replace(old, new, 1))


@pytest.mark.parametrize(("event", "sentence"), WRONG_EVENTS)
def test_a_mistake_in_an_event_is_one_sentence(tmp_path: Path, event: str, sentence: str) -> None:
    said = refused(tmp_path / "wrong.toml", f"{GOOD}{EVENT}{event}\n")
    assert sentence in said


@pytest.mark.parametrize(("expected", "sentence"), WRONG_EXPECTATIONS)
def test_a_mistake_in_what_is_expected_is_one_sentence(tmp_path: Path, expected: str, sentence: str) -> None:
    assert sentence in refused(tmp_path / "wrong.toml", f"{GOOD}\n[expect]\n{expected}\n")


@pytest.mark.parametrize("section", ["[account.spring]", "[vendor.north]", "[[campaign]]"])
def test_a_scenario_without_a_part_it_needs_is_refused(tmp_path: Path, section: str) -> None:
    before, _, rest = GOOD.partition(section)
    after = rest[rest.index("\n[") + 1 :] if "\n[" in rest else ""
    said = refused(tmp_path / "wrong.toml", before + after)
    assert "there is no" in said
    assert "one" in said


def test_an_account_of_several_vendors_says_at_which(tmp_path: Path) -> None:
    two = GOOD.replace("[account.spring]", '[vendor.south]\nvendor = "guodu"\n[account.spring]')
    assert "[account.spring]: at is missing; write one of: north, south" in refused(tmp_path / "wrong.toml", two)
    at = two.replace("[account.spring]", '[account.spring]\nat = "south"')
    assert "[vendor.north] has no account" in refused(tmp_path / "wrong.toml", at)


def test_a_name_that_is_nearly_right_is_guessed_at() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean smoke\? `dispatcher loadtest` lists them"):
        find("smok")


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.toml")))
def test_every_shipped_scenario_can_be_read_and_says_what_it_shows(name: str) -> None:
    scenario = load(find(name))
    assert 20 < len(scenario.about) <= 160
    assert scenario.about == shipped()[name][0]
    assert scenario.expect.delivered is not None, "it expects more than what must always be so"


def test_every_vendor_is_in_the_scenarios_that_are_for_all_and_has_a_test_of_every_code() -> None:
    for name in ("all-vendors", "hostile"):
        assert {vendor.vendor for vendor in load(find(name)).vendors.values()} == set(BUILT_IN), name
    tests = Path(__file__).parents[2] / "e2e"
    assert [tag for tag in BUILT_IN if not (tests / f"test_every_code_{tag.replace('-', '_')}.py").exists()] == []


# --- what is made of it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["run", 'a"b\\c [1m'])
def test_what_is_written_for_the_dispatcher_is_what_was_meant(tmp_path: Path, folder: str) -> None:
    tmp_path /= folder
    tmp_path.mkdir()
    scenario = load(find("all-vendors"))
    addresses = dict.fromkeys(scenario.vendors, "127.0.0.1:9101")
    (tmp_path / "pswd.txt").write_text('se"cret\\\n', "utf-8")
    table = configuration(scenario, addresses=addresses, log="sqlite:x", folder=tmp_path, web="127.0.0.1:8080")
    assert tomllib.loads(as_toml(table)) == table
    config = parse(table, "x.toml")
    assert set(config.accounts) == set(scenario.accounts)
    assert config.web.listen == "127.0.0.1:8080"


def test_the_vendor_enforces_our_limit_unless_the_scenario_gives_it_another(tmp_path: Path) -> None:
    scenario = load(find("throttling"))
    north = simulated(scenario, "north", password="p", web="http://127.0.0.1:1")
    assert north["account"]["spring"]["flow"]["limit"] == 300
    smoke = load(find("smoke"))
    ours = simulated(smoke, "north", password="p", web="http://127.0.0.1:1")
    assert ours["account"]["spring"]["flow"]["limit"] == smoke.accounts["spring"].ours["flow"]["limit"] == 1000
    assert north["account"]["spring"]["report_url"] == "http://127.0.0.1:1/push/spring/report"
    assert north["seed"] != simulated(scenario, "south", password="p", web="http://127.0.0.1:1")["seed"]


@pytest.mark.parametrize(("vendor", "faults", "p"), [("north", FAULTS, 0.01), ("links", LINK_FAULTS, 0.0005)])
def test_a_hostile_vendor_has_every_fault(vendor: str, faults: Mapping[str, Any], p: float) -> None:
    table = simulated(load(find("hostile")), vendor, password="p", web="http://127.0.0.1:1")
    assert {rule["fault"] for rule in table["rule"]} == set(faults)
    assert {rule["p"] for rule in table["rule"]} == {p}


def test_fewer_recipients_are_shared_out_as_before_and_nobody_is_without() -> None:
    small = scaled(load(find("all-vendors")), 1000, 7, None)
    assert [campaign.recipients for campaign in small.campaigns] == [810, 149, 30, 10, 1]
    assert small.seed == 7


def test_faster_means_clocks_and_times_but_no_limit() -> None:
    scenario = load(find("day-of-reports"))
    fast = scaled(scenario, None, None, 10.0)
    assert fast.vendors["north"].simulated["clock_scale"] == 14400.0
    assert [event.at_s for event in fast.events] == [event.at_s / 10 for event in scenario.events if event.at_s]
    assert fast.sections["store"]["no_report_after_s"] == scenario.sections["store"]["no_report_after_s"] / 10
    assert (fast.expect, fast.accounts) == (scenario.expect, scenario.accounts)


def test_a_scenario_of_files_cannot_be_made_smaller(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("13800138000\n")
    (tmp_path / "files.toml").write_text(GOOD.replace("recipients = 100", 'file = "list.txt"'))
    with pytest.raises(UserError, match="--recipients has nothing to change"):
        scaled(load(tmp_path / "files.toml"), 10, None, None)


def test_everybody_s_own_text_is_known_before_it_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "personal.toml"
    text = 'recipients = 7\ntext = "Dear {name}, order {order}"\nvariables = { name = 2, order = 0 }'
    path.write_text(GOOD.replace("recipients = 100", text), "utf-8")
    scenario = load(path)
    lists = write_lists(scenario, tmp_path)
    texts = rendered(scenario.campaigns[0], lists["may"].path)
    assert texts["text"].to_list()[:3] == [
        "Dear name0, order order0",
        "Dear name1, order order1",
        "Dear name0, order order2",
    ]
    ledger = texts.with_columns(text=pl.when(pl.int_range(7) == 3).then(pl.lit("Dear you")).otherwise("text"))
    apart = told_apart(ledger, scenario.campaigns[0], lists["may"].path)["text"].to_list()
    assert [at for at, got in enumerate(apart) if got != "Dear {name}, order {order}"] == [3]
    assert apart[3] == "Dear you"


def test_the_numbers_of_two_blocks_differ() -> None:
    first, second = number_block(0, 5000).tolist(), number_block(5000, 5000).tolist()
    assert len({*first, *second}) == 10_000
    assert all(13_800_000_000 <= number < 13_900_000_000 for number in (*first, *second))
