"""What the content rules say about texts: by rule, account, carrier and day."""

from __future__ import annotations

from datetime import date

import msgspec
import numpy as np
import pytest

from dispatcher.config.file import parse
from dispatcher.content.judge import Audience, Plain, Terms, judge
from dispatcher.core.carriers import Carrier
from dispatcher.errors import ConfigError

GOOD = "【Shop】五月大促，全场八折，拒收请回复R"
TODAY = date(2026, 11, 30)
MARKETING = Terms(kind="sms", campaign_class="marketing", on=TODAY)
BATCH = {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": "x"}
COSMS = {"vendor": "cosms", "url": "http://127.0.0.1:9", "corp_id": "1", "login_name": "demo", "password": "x"}
GUODU = {"vendor": "guodu", "url": "http://127.0.0.1:9", "oper_id": "demo", "oper_pass": "x"}


def route(**accounts):
    return parse({"account": accounts}, "test.toml").accounts


def found(text, accounts=None, audience=None, **terms):
    asked = msgspec.structs.replace(MARKETING, **terms)
    return judge(Plain(text), accounts or route(spring=BATCH), asked, audience)


def rules(text, accounts=None, **terms):
    return {finding.rule for finding in found(text, accounts, **terms)}


def test_a_text_as_it_should_be_breaks_no_rule():
    assert rules(GOOD) == set()


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("五月大促，拒收请回复R", {"signature"}),
        ("五月大促【Shop】八折，拒收请回复R", {"signature"}),
        ("【】五月大促，拒收请回复R", {"signature"}),
        ("[Shop]五月大促，拒收请回复R", {"signature"}),
        ("\u3000【店铺】五月大促，拒收请回复R", set()),
        ("五月大促，拒收请回复R【Shop】", {"signature-place"}),
        ("【Shop】五月【大促】，拒收请回复R", {"signature-once"}),
        ("【S】五月大促，拒收请回复R", {"signature-length"}),
        (f"【{'店' * 17}】五月大促，拒收请回复R", {"signature-length"}),
        (f"【{'店' * 16}】五月大促，拒收请回复R", set()),
        ("【Shop】五月大促", {"opt-out"}),
        ("【Shop】拒收请回复R，五月大促", {"opt-out"}),
        ("【Shop】五月大促 回T退订", set()),
        ("【Shop】五月大促 回TD退订。", set()),
        ("【Shop】五月大促，退订回复TD", set()),
        ("【Shop】五月大促，退订请回复N", set()),
        ("【Shop】五月大促，见 https://a.example/x?y=1 拒收请回复R", {"link"}),
        ("【Shop】五月大促，见 t.cn/Ab12 拒收请回复R", {"link"}),
        ("【Shop】五月大促，见 shop.example.com，拒收请回复R", {"link"}),
        ("【Shop】五月大促，见 203.0.113.7，拒收请回复R", {"link"}),
        ("【Shop】五月大促3.5折，满1.999减，拒收请回复R", set()),
        ("【Shop】写信 ann@shop.example，拒收请回复R", set()),
        ("【Shop】电13800138000，拒收请回复R", {"phone-number"}),
        ("【Shop】电400-810-1234，拒收请回复R", {"phone-number"}),
        ("【Shop】电010-61234567，拒收请回复R", {"phone-number"}),
        ("【Shop】订单20261130123456789，拒收请回复R", set()),
        ("【Shop】只要¥99，拒收请回复R", {"characters"}),
        ("【Shop】笑^_^，拒收请回复R", {"characters"}),
        (f"【Shop】{'好' * 495}，拒收请回复R", {"length"}),
    ],
)
def test_each_rule_finds_what_it_is_about(text, broken):
    assert rules(text) == broken


def test_only_marketing_texts_need_a_way_to_refuse():
    assert rules("【Shop】验证码 123456", campaign_class="code") == set()
    assert rules("【Shop】您的包裹已到", campaign_class="notice") == set()


def test_an_account_with_a_footer_needs_exactly_that():
    accounts = route(spring={**BATCH, "opt_out_footer": "回T退订"}, summer=BATCH)
    (finding,) = found(GOOD, accounts)
    assert (finding.rule, finding.accounts) == ("opt-out", ("spring",))
    assert "回T退订" in finding.says
    assert "回T退订" in finding.chinese
    assert rules("【Shop】五月大促，回T退订", accounts) == set()
    assert rules("五月大促，回T退订【Shop】", accounts) == {"signature-place"}


@pytest.mark.parametrize(
    ("account", "severity", "code"),
    [
        (BATCH, "warning", ""),
        ({**BATCH, "signature": "text"}, "error", "116"),
        ({**GUODU, "signature": "text"}, "warning", ""),
    ],
)
def test_a_missing_signature_is_an_error_only_where_the_accounts_code_table_refuses_it(account, severity, code):
    (finding,) = found("五月大促，拒收请回复R", route(spring=account))
    assert (finding.rule, finding.severity, finding.code) == ("signature", severity, code)


def test_a_vendor_that_adds_the_signature_wants_none_in_the_text():
    accounts = route(spring={**BATCH, "signature": "vendor"})
    assert rules("五月大促，拒收请回复R", accounts) == set()
    assert rules(GOOD, accounts) == {"signature-added"}


def test_errors_come_first_and_accounts_that_are_alike_share_a_finding():
    accounts = route(spring=BATCH, strict={**BATCH, "signature": "text"}, summer=BATCH)
    first, second, *_ = (each for each in found("五月大促", accounts) if each.rule == "signature")
    assert (first.severity, first.accounts) == ("error", ("strict",))
    assert (second.severity, second.accounts) == ("warning", ("spring", "summer"))


LINK = "【Shop】见 t.cn/Ab12 拒收请回复R"


@pytest.mark.parametrize(
    ("on", "carriers"),
    [
        (date(2025, 5, 19), None),
        (date(2025, 5, 20), {"telecom": 1}),
        (date(2025, 5, 28), {"unicom": 2, "telecom": 1}),
        (date(2025, 12, 5), {"mobile": 3, "unicom": 2, "telecom": 1}),
    ],
)
def test_a_rule_costs_the_recipients_of_the_carriers_that_enforce_it_by_then(on, carriers):
    column = np.array([1, 1, 1, 2, 2, 3, 0, 5], np.uint8)
    audience = Audience(column, np.zeros(8, np.uint8))
    costs = [finding.carriers for finding in found(LINK, audience=audience, on=on)]
    assert costs == ([] if carriers is None else [carriers])


def test_a_rule_that_costs_nobody_is_not_said():
    abroad = Audience(np.full(3, Carrier.ABROAD, np.uint8), np.zeros(3, np.uint8))
    assert found(LINK, audience=abroad) == ()


def test_the_cost_is_that_of_the_accounts_that_are_meant():
    accounts = route(spring=BATCH, own={**BATCH, "signature": "vendor"})
    audience = Audience(np.full(10, Carrier.MOBILE, np.uint8), np.array([0] * 3 + [1] * 7, np.uint8))
    (finding,) = found("五月大促，拒收请回复R", accounts, audience)
    assert (finding.accounts, finding.recipients, finding.carriers) == (("spring",), 3, {"mobile": 3})


def test_wap_pushes_cost_every_number_that_is_not_china_mobile_s_at_cosms_alone():
    column = np.array([1, 2, 3, 4, 0, 5], np.uint8)
    audience = Audience(column, np.zeros(6, np.uint8))
    (finding,) = found("a#http://127.0.0.1/", route(cos=COSMS), audience, kind="wap")
    assert (finding.severity, finding.recipients) == ("warning", 4)
    assert "413" in finding.says
    assert found("a#http://127.0.0.1/", route(spring=BATCH), audience, kind="wap") == ()


@pytest.mark.parametrize("footer", [" 回T退订", "回T\n退订"])
def test_a_footer_is_one_line(footer):
    with pytest.raises(ConfigError, match="opt_out_footer must be one line"):
        route(spring={**BATCH, "opt_out_footer": footer})
