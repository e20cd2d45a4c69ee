"""The rule files: complete, dated, and readable by both engines of regular expressions."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from dispatcher.config.file import parse
from dispatcher.content.rules import content_rules, forbidden_in_values
from dispatcher.core.carriers import CARRIER_WORDS

FILES = sorted((Path(__file__).parents[2] / "dispatcher" / "content" / "rules").glob("*.toml"))
RULES = {rule.name: rule for rule in content_rules()}


def test_every_file_is_a_rule_of_its_name():
    assert sorted(file.stem.replace("_", "-") for file in FILES) == list(RULES)


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_a_rule_says_what_and_why_in_both_languages_with_source_and_day(rule):
    assert all((rule.says, rule.chinese, rule.change, rule.change_chinese, rule.source.title))
    assert date(2026, 1, 1) <= rule.source.read
    assert ("{found}" in rule.says) == ("{found}" in rule.chinese)
    assert rule.carriers.keys() <= CARRIER_WORDS.keys()
    assert sum(map(bool, (rule.needs, rule.forbids, rule.chars_max, rule.repeats))) == (rule.kinds == ("sms",))


@pytest.mark.parametrize("rule", [rule for rule in RULES.values() if rule.forbids], ids=lambda rule: rule.name)
def test_both_engines_find_the_same(rule):
    values = [
        "",
        "见 t.cn/Ab12",
        "https://a.example/",
        "13800138000",
        "王先生",
        "¥5",
        "010-61234567",
        "【x】",
        "1.5",
        "a.com.b",
    ]
    assert pl.Series(values).str.contains(rule.forbids).to_list() == [
        bool(rule.pattern.search(each)) for each in values
    ]


@pytest.mark.parametrize(
    "value", ["", "王先生", "1.5折", "订单1234567", "见 t.cn/Ab12", "WWW.A.CN", "13800138000", "¥5", "笑^_^"]
)
def test_one_expression_finds_what_any_rule_forbids_in_values(value):
    found = any(rule.pattern.search(value) for rule in RULES.values() if rule.in_values)
    assert pl.Series([value]).str.contains(forbidden_in_values()).to_list() == [found]


def test_the_settings_that_rules_name_are_keys_of_every_account():
    table = {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": "x"}
    vendor = parse({"account": {"spring": table}}, "test.toml").account("spring")
    for rule in RULES.values():
        for key in (*rule.only_when, *rule.off_when, *rule.strict_when, *filter(None, [rule.needs_setting])):
            assert isinstance(getattr(vendor, key), str)
