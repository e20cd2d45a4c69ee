"""The agent functions of the BATCH platform: Recharge and UserManage (vendors.md 4.2, 4.3, AMB-BATCH-16 to 19).

Pure: values in, operations out; no client, no clock (`now_s` is an argument), no logging. Operations move money and
accounts and have no idempotency key, so consumers/accounts/asking.py asks twice and never repeats one. They need an
agent's credentials, `[account.NAME.agent]`, separate from those the account sends with.

The platform requires DES in CBC with MD5 signatures, which are weak. Use https if the vendor offers it.
Weak spots: a code that is in neither table is unknown, not a refusal; the platform's rules for passwords are not in its
document, so only the platform can check one.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, Literal
from urllib.parse import quote

import msgspec

from dispatcher.core.lane.answers.verdict import UNREADABLE, Kind, Verdict
from dispatcher.errors import InputError
from dispatcher.vendors.batch.agent_wire import DES_BYTES, encrypted, read_answer, signature, timestamp
from dispatcher.vendors.seam.exchange import Operation, OperationFlow, OperationResult, Request
from dispatcher.vendors.seam.outcomes import Codes, codes
from dispatcher.vendors.seam.vendor import Secret

RECHARGE_PATH: Final = "/msg/Recharge"
USER_PATH: Final = "/msg/UserManage"

ACCOUNT_CHARS_MAX: Final = 64
FEE_MAX: Final = 1_000_000_000
SEND_TYPES: Final = {"H": "single send", "B": "bulk", "W": "web", "V": "variable texts", "P": "bulk"}
TIMESTAMP_SHOWN: Final = "the time of the request"

# fmt: off
RECHARGE_CODES: Final = codes("""
    0   | accepted           | done                                | 成功
    201 | rejected-permanent | a parameter is missing              | 缺少参数 | report this: we send them all
    202 | auth               | account, password, IP or time wrong | 验证失败 | check the agent table, our IP, our clock
    203 | rejected-permanent | the account to charge isn't there   | 充值账号不存在 | check the spelling
    204 | balance            | not enough money to deduct          | 扣费余额不足 | deduct less
    205 | rejected-permanent | a parameter has the wrong format    | 参数格式错误 | check des_key and des_iv
    206 | rejected-permanent | the product does not exist          | 产品不存在 | check --product
""", other=Kind.UNKNOWN)

USER_CODES: Final = codes("""
    0   | accepted           | done                                | 成功
    301 | rejected-permanent | a parameter is missing              | 缺少参数 | give the fields that are empty
    302 | auth               | account, password, IP or time wrong | 验证失败 | check the agent table, our IP, our clock
    303 | rejected-permanent | the user exists, or there is none   | 用户已存在或不存在 | check the spelling
    304 | rejected-permanent | another user has this extension     | 扩展号已存在 | choose another extno
    305 | rejected-permanent | a parameter is wrong                | 参数错误 | see the vendor's words
    306 | rejected-permanent | a product does not exist            | 产品不存在 | check the products
""", other=Kind.UNKNOWN)
# fmt: on

_IP: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}", re.ASCII)
_ACCOUNT: Final = re.compile(r"[^\s\x00-\x1f]+")


class Agent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[account.NAME.agent]`: what the vendor agreed with an agent offline. `des_iv` None: the same as `des_key`."""

    username: str
    secret_key: Secret
    des_key: Secret
    operator: str
    des_iv: Secret | None = None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secrets to mask."""
        return (self.secret_key, self.des_key, *((self.des_iv,) if self.des_iv else ()))

    def check(self) -> str | None:
        """What is wrong with the keys, in one sentence, or None."""
        for name in ("username", "secret_key", "operator"):
            if not getattr(self, name):
                return f"agent: {name} is empty: write what the vendor gave you."
        for name in ("des_key", "des_iv"):
            value = getattr(self, name)
            if value is not None and len(value.encode()) != DES_BYTES:
                return f"agent: {name} must have {DES_BYTES} bytes, it has {len(value.encode())}."
        return None

    def signed(self, now_s: int) -> list[tuple[str, str]]:
        """The parameters that identify the agent: username, password, timestamp, operator."""
        stamp = timestamp(now_s)
        return [
            ("username", self.username),
            ("password", signature(self.username, self.secret_key, stamp)),
            ("timestamp", stamp),
            ("operator", self.operator),
        ]

    def encrypted(self, text: str) -> str:
        """The form of account and ac_password before URL-encoding."""
        return encrypted(text, self.des_key, self.des_iv or self.des_key)


class NewUser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user to add: the fields of vendors.md 4.3 except its password.

    `send_types` are letters of SEND_TYPES; `send_hours` [from, to]; `expires` YYYYMMDD. `web_ips` and `http_ips` (who
    may log in, who may send) are sent empty if there are none.
    """

    company: str
    contact_mobile: str
    products: tuple[str, ...]
    expires: str
    kind: Literal["normal", "agent"] = "normal"
    send_hours: tuple[int, int] = (8, 21)
    audit: bool = False
    send_types: str = "HBV"
    reports: bool = True
    extno: str = ""
    signature: str = ""
    refund: bool = True
    force_signature: bool = True
    anti_phishing: bool = False
    self_subscribe: bool = False
    web_ips: tuple[str, ...] = ()
    http_ips: tuple[str, ...] = ()
    sms_check: bool = False

    def wrong(self) -> str | None:
        """One sentence that names a wrong field, or None."""
        if not self.company.strip():
            return "company is empty."
        if not re.fullmatch(r"1[3-9]\d{9}", self.contact_mobile, re.ASCII):
            return "contact_mobile must be a mobile number of 11 digits."
        if not self.products or not all(re.fullmatch(r"\w+", product, re.ASCII) for product in self.products):
            return "products must be one or more product ids."
        if not _is_day(self.expires):
            return "expires must be a day as YYYYMMDD, for example 20301231."
        opens, closes = self.send_hours
        if not 0 <= opens < closes <= 24:
            return "send_hours must be FROM,TO with 0 <= FROM < TO <= 24, for example 8,21."
        if not self.send_types or not set(self.send_types) <= set(SEND_TYPES):
            known = ", ".join(f"{letter} ({what})" for letter, what in SEND_TYPES.items())
            return f"send_types must be letters of {known}."
        if self.extno and not re.fullmatch(r"\d{1,6}", self.extno, re.ASCII):
            return "extno must be 1 to 6 digits, or empty."
        for name in ("web_ips", "http_ips"):
            if not all(_IP.fullmatch(address) for address in getattr(self, name)):
                return f"{name} must be addresses such as 127.0.0.1."
        return None

    def form(self) -> list[tuple[str, str]]:
        """Parameters 8 to 25 of the document, in its order."""
        return [
            ("type", "2" if self.kind == "agent" else "1"),
            ("true_name", self.company),
            ("contact_mobile", self.contact_mobile),
            ("send_hour", f"{self.send_hours[0]},{self.send_hours[1]}"),
            ("need_audit", _flag(self.audit)),
            ("send_type", self.send_types),
            ("need_reportmo", _flag(self.reports)),
            ("extno", self.extno),
            ("signature", self.signature),
            ("fee_back", _flag(self.refund)),
            ("force_signature", _flag(self.force_signature)),
            ("anti_phshing", _flag(self.anti_phishing)),  # as the document spells it
            ("self_subscribe", _flag(self.self_subscribe)),
            ("product_list", ",".join(self.products)),
            ("web_client_ip", ",".join(self.web_ips)),
            ("http_client_ip", ",".join(self.http_ips)),
            ("sms_check", _flag(self.sms_check)),
            ("expired_date", self.expires),
        ]


# --- the operations --------------------------------------------------------------------------------------------------


def recharge(
    agent: Agent, target: str, fee: int, *, now_s: int, deduct: bool = False, product: str = ""
) -> Operation:  # fmt: skip
    """Add `fee` (the platform's unit, such as yuan) to the account `target`, or deduct it. Raises InputError."""
    _check_account(target)
    if not 1 <= fee <= FEE_MAX:
        raise InputError(
            "the fee must be a whole number from 1 to {max:,}.", max=FEE_MAX, do="To take money away add --deduct."
        )
    if product and not re.fullmatch(r"\w+", product, re.ASCII):
        raise InputError("{about} takes one product id: letters and digits.", about="--product")
    order = [("fee", str(fee)), ("type", "2" if deduct else "1"), *([("productid", product)] if product else [])]
    form = [*agent.signed(now_s), ("account", agent.encrypted(target)), *order]
    done = "deducted from" if deduct else "added to"
    return Operation(
        name="deduct" if deduct else "recharge",
        shows=(
            *_shown(agent),
            ("account", target),
            ("fee", str(fee)),
            ("type", "2: deduct" if deduct else "1: add"),
            *([("productid", product)] if product else []),
        ),
        flow=_flow(RECHARGE_PATH, form, RECHARGE_CODES, f"{fee} {done} {target}", _secrets(agent, form)),
        afterwards="" if deduct else f"The platform turned the fee into messages; see {target}'s balance.",
        if_unknown=f"Look at {target}'s recharge records and balance at the vendor: was {fee} {done} it?",
        secrets=_secrets(agent, form),
    )


def add_user(agent: Agent, target: str, password: Secret, user: NewUser, *, now_s: int) -> Operation:
    """Add the user `target` with this password. Raises InputError."""
    _check_account(target)
    if not password:
        raise InputError("the new user's password is empty.")
    if wrong := user.wrong():
        raise InputError(wrong)
    if user.expires < timestamp(now_s)[:8]:
        raise InputError("expires is over already: write a day to come, as YYYYMMDD.")
    names = [("account", agent.encrypted(target)), ("ac_password", agent.encrypted(password))]
    form = [*agent.signed(now_s), ("action", "0"), *names, *user.form()]
    return Operation(
        name="add user",
        shows=(*_shown(agent), ("action", "0: add"), ("account", target), ("ac_password", "***"), *user.form()),
        flow=_flow(USER_PATH, form, USER_CODES, f"user {target} added", (*_secrets(agent, form), password)),
        afterwards=f"To send with it, add it to the configuration as [account.{target}] with its password in a "
        "${NAME} or ${file:PATH}, and recharge it first.",
        if_unknown=f"Look into the vendor's list of users: is {target} there?",
        secrets=(*_secrets(agent, form), password),
    )


def delete_user(agent: Agent, target: str, *, now_s: int) -> Operation:
    """Delete the user `target`; only its account is sent (vendors.md 4.3). Raises InputError."""
    _check_account(target)
    form = [*agent.signed(now_s), ("action", "1"), ("account", agent.encrypted(target))]
    return Operation(
        name="delete user",
        shows=(*_shown(agent), ("action", "1: delete"), ("account", target)),
        flow=_flow(USER_PATH, form, USER_CODES, f"user {target} deleted", _secrets(agent, form)),
        afterwards=f"If {target} is in the configuration, take its [account.…] out.",
        if_unknown=f"Look into the vendor's list of users: is {target} still there?",
        secrets=_secrets(agent, form),
    )


def _flow(path: str, form: list[tuple[str, str]], table: Codes, done: str, hidden: tuple[str, ...]) -> OperationFlow:
    body = "&".join(f"{name}={quote(value, safe='')}" for name, value in form).encode("ascii")
    answer = yield Request(path=path, prefix=body, submits=True)
    code, words, text = read_answer(answer, hidden)
    if code is None:
        verdict = Verdict(kind=Kind.UNKNOWN, code=UNREADABLE, text=text)
        return OperationResult(verdict=verdict, says=f"the answer is not of the document: {text}")
    verdict, row = table.verdict(code, text=text), table.find(code)
    if row is None:
        return OperationResult(verdict=verdict, says=f"code {code} is not in the document{_added(words)}")
    if code == "0":
        return OperationResult(verdict=verdict, says=done)
    more = _added(words) if words != row.chinese else ""
    return OperationResult(verdict=verdict, says=f"{row.english} (code {code}, {row.chinese}{more}); {row.advice}")


def _shown(agent: Agent) -> tuple[tuple[str, str], ...]:
    return (
        ("username", agent.username),
        ("password", "***"),
        ("timestamp", TIMESTAMP_SHOWN),
        ("operator", agent.operator),
    )


def _secrets(agent: Agent, form: list[tuple[str, str]]) -> tuple[str, ...]:
    """The agent's secrets, and the parts of the request that a reader could replay."""
    fields = dict(form)
    sent = [fields["password"], *([fields["ac_password"]] if "ac_password" in fields else [])]
    return (*map(str, agent.secrets), *sent)


def _check_account(target: str) -> None:
    if not _ACCOUNT.fullmatch(target) or len(target) > ACCOUNT_CHARS_MAX:
        raise InputError(
            "an account's name has 1 to {max} characters and no blanks; {target!r} does not fit.",
            max=ACCOUNT_CHARS_MAX,
            target=target,
        )


def _is_day(text: str) -> bool:
    if not re.fullmatch(r"\d{8}", text, re.ASCII):
        return False
    try:
        datetime.strptime(text, "%Y%m%d")
    except ValueError:
        return False
    return True


def _flag(value: bool) -> str:
    return "1" if value else "0"


def _added(words: str) -> str:
    return f": {words}" if words else ""
