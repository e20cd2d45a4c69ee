"""A new user of the BATCH platform: its fields (vendors.md 4.3), what is wrong with them, and the account they make."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from loadtest.sim.clock import SHANGHAI
from loadtest.sim.config import AccountConfig
from loadtest.sim.ledger import numbers

USER_FIELDS = (
    "ac_password", "type", "true_name", "contact_mobile", "send_hour", "need_audit", "send_type", "need_reportmo",
    "extno", "signature", "fee_back", "force_signature", "anti_phshing", "self_subscribe", "product_list",
    "web_client_ip", "http_client_ip", "sms_check", "expired_date",
)  # fmt: skip
FLAGS = ("need_audit", "need_reportmo", "fee_back", "force_signature", "anti_phshing", "self_subscribe", "sms_check")
ABOUT = (
    "type",
    "true_name",
    "contact_mobile",
    "fee_back",
    "anti_phshing",
    "self_subscribe",
    "web_client_ip",
    "sms_check",
)

ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}")
PASSWORD_CHARS_MIN = 6


def is_strong(password: str, rule: str) -> bool:
    """Does a password keep the rule of the switch password_rule?"""
    if rule == "any":
        return bool(password)
    kinds = {"digit" if char.isdigit() else "letter" for char in password if char.isalnum()}
    return len(password) >= PASSWORD_CHARS_MIN and len(kinds) == 2


def what_is_wrong(fields: Mapping[str, str]) -> str:
    """The first field that is not well-formed, as the platform says it; "" if all are."""
    start, _, end = fields["send_hour"].partition(",")
    hours = start.isdigit() and end.isdigit() and 0 <= int(start) < int(end) <= 24
    wrong = {
        "用户类型错误": fields["type"] not in ("1", "2"),
        "手机号码格式错误": numbers.mobile(fields["contact_mobile"].encode()) is None,
        "发送时间格式错误": not hours,
        "发送类型错误": not set(fields["send_type"]) <= set("HBWVP"),
        "开关参数错误": any(fields[name] not in ("0", "1") for name in FLAGS),
        "扩展号格式错误": not re.fullmatch(r"\d*", fields.get("extno", ""), re.ASCII),
        "IP格式错误": not all(
            map(ADDRESS.fullmatch, [*_listed(fields, "web_client_ip"), *_listed(fields, "http_client_ip")])
        ),
        "产品格式错误": not re.fullmatch(r"\w+(,\w+)*", fields["product_list"]),
        "日期格式错误": moment(fields["expired_date"] + "000000") is None,
    }
    return next((description for description, is_wrong in wrong.items() if is_wrong), "")


def account_of(fields: Mapping[str, str], name: str, account: str, password: str) -> AccountConfig:
    """The account, without credit: that comes by Recharge."""
    expires = datetime.strptime(fields["expired_date"], "%Y%m%d")
    return AccountConfig(
        name,
        account=account,
        pswd=password,
        products=dict.fromkeys(fields["product_list"].split(","), 0),
        ips=_listed(fields, "http_client_ip"),
        expires=f"{expires:%Y-%m-%d}T23:59:59",
        signature=fields.get("signature", ""),
        force_signature=fields["force_signature"] == "1",
        extno=fields.get("extno", ""),
        send_type=fields["send_type"],
        send_hours=fields["send_hour"].replace(",", "-"),
        need_audit=fields["need_audit"] == "1",
        need_reportmo=fields["need_reportmo"] == "1",
        about={name: fields.get(name, "") for name in ABOUT},
    )


def _listed(fields: Mapping[str, str], name: str) -> list[str]:
    return list(filter(None, fields.get(name, "").split(",")))


def moment(stamp: str) -> float | None:
    """Unix seconds of yyyyMMddHHmmss on the platform's wall; None if it is not a time."""
    if not re.fullmatch(r"\d{14}", stamp, re.ASCII):
        return None
    try:
        return datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=SHANGHAI).timestamp()
    except ValueError:
        return None
