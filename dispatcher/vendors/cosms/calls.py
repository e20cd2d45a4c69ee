"""The calls of COSMS: login, answers to submits, balance, pages, history, uploads, a new password.

Pure; vendors.md 1. `Login.call` makes every call: it fetches the one-time string, and another one after a 208.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import msgspec

from dispatcher.core.lane.answers.verdict import NOT_CONNECTED, UNREADABLE
from dispatcher.vendors.cosms import media, pages
from dispatcher.vendors.cosms.codes import CODES
from dispatcher.vendors.cosms.wire import (
    FORMAT_ESCAPED,
    NONE,
    OK,
    SOME,
    WRONG_MD5STR,
    CodedAnswer,
    escaped,
    message_ids,
    one_time_password,
    read_answer,
    read_md5str,
    rows,
)
from dispatcher.vendors.reading.forms import SHANGHAI
from dispatcher.vendors.seam.vendor import (
    Answer,
    Balance,
    BalanceFlow,
    History,
    HistoryFlow,
    Kind,
    Operation,
    OperationFlow,
    OperationResult,
    PolledPage,
    PollFlow,
    Product,
    PublishedMessage,
    PublishFlow,
    Request,
    Verdict,
)

MD5STR_PATH: Final = "/sms/getMD5str"
REPORT_PATH: Final = "/sms/getReport/"
MO_PATH: Final = "/sms/getMo/"
BALANCE_PATH: Final = "/sms/corpCanSend/"
HISTORY_PATH: Final = "/sms/getHistSms/"
LOGIN_PATH: Final = "/sms/changeLogin/"

PAGE_BYTES_MAX: Final = 1_048_576
HISTORY_BYTES_MAX: Final = 8_388_608

_AMOUNT: Final = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_BALANCES: Final = (("domestic", 0), ("international", 3), ("MMS", 6))

Fields = Mapping[str, str]
CallFlow = Generator[Request, Answer, CodedAnswer | Verdict]

# --- logging in ------------------------------------------------------------------------------------------------------


class Login(msgspec.Struct, frozen=True):
    """The caller's login; with the one-time string (`md5`) the password never goes on the wire."""

    corp_id: str
    login_name: str
    password: str
    md5: bool

    @property
    def names(self) -> dict[str, str]:
        """The first parameters of every call; with `md5` the name is in upper case (AMB-COSMS-5)."""
        return {"corpID": self.corp_id, "loginName": self.login_name.upper() if self.md5 else self.login_name}

    def call(self, ask: Callable[[Fields], Request]) -> CallFlow:
        """The answer to the request that `ask` makes with `password` (and `MD5str`); a Verdict if it was not sent.

        30 wrong logins lock the account for the day, so a refused string is replaced once and nothing else is repeated.
        """
        said = yield from self._once(ask)
        if self.md5 and isinstance(said, CodedAnswer) and said.code == WRONG_MD5STR:
            said = yield from self._once(ask)
        return said

    def _once(self, ask: Callable[[Fields], Request]) -> CallFlow:
        if not self.md5:
            answer = yield ask({"password": self.password})
            return read_answer(answer)
        answer = yield Request(path=MD5STR_PATH, or_path=MD5STR_PATH + "/", method="GET")
        md5str, code = read_md5str(answer, CODES.rows)
        if not md5str:
            text = read_answer(answer).text
            if code:
                return CODES.verdict(code, text=text)
            odd = "the answer to getMD5str is no login string"
            return Verdict(kind=Kind.NOT_SENT, code=NOT_CONNECTED, text=text, warn=odd)
        password = one_time_password(self.corp_id, self.login_name, self.password, md5str)
        request = ask({"password": password, "MD5str": md5str})
        answer = yield msgspec.structs.replace(request, same_connection=True)
        return read_answer(answer)

    def post(self, path: str, fields: Fields, *, submits: bool = False) -> CallFlow:
        """A call whose parameters are a form."""
        return self.call(
            lambda password: Request(path=path, prefix=form({**self.names, **fields, **password}), submits=submits)
        )

    def page(self, path: str, fields: Fields, bytes_max: int) -> CallFlow:
        """The same for many rows, which are read even if they break off."""

        def ask(password: Fields) -> Request:
            body = form({**self.names, **fields, **password})
            return Request(path=path, prefix=body, answer_bytes_max=bytes_max, rows=True)

        return self.call(ask)


def form(fields: Fields) -> bytes:
    """The fields as a form, in their order."""
    return "&".join(f"{name}={escaped(value, 'gbk')}" for name, value in fields.items()).encode("ascii")


def refusal(said: CodedAnswer) -> Verdict:
    """Why a query has no result."""
    if said.code and said.code != OK:
        return CODES.verdict(said.code, text=said.text)
    odd = "the answer is not of the document"
    return Verdict(kind=Kind.RETRY_LATER, code=UNREADABLE, text=said.text, warn=odd)


def submitted(said: CodedAnswer, count: int) -> Verdict:
    """What the answer to a submit means. Rows that do not match the numbers one by one are never guessed.

    The same holds for a 300 with rows, which the change log allows (AMB-COSMS-1): recipients with an id may be taken.
    """
    if not said.code:
        odd = "the answer is not of the document"
        return Verdict(kind=Kind.UNKNOWN, code=UNREADABLE, text=said.text, warn=odd)
    if said.code not in (OK, SOME) and not (said.code == NONE and said.rest):
        return CODES.verdict(said.code, text=said.text)
    ids = message_ids(said.rest)
    if ids is not None and len(ids) == count == len(set(ids)) and not said.cut and said.code != NONE:
        warn = "" if said.code == OK else f"code {said.code}, but with an id for every number"
        return Verdict(kind=Kind.ACCEPTED, code=said.code, text=said.text, vendor_ids=ids, warn=warn)
    got = "rows that cannot be read" if ids is None else f"{len(set(ids))} message ids"
    warn = f"the vendor answered {said.code} with {got} for {count} numbers: who gets the message is in its history"
    return Verdict(kind=Kind.PARTIAL, code=said.code, text=said.text, warn=warn)


# --- queries ---------------------------------------------------------------------------------------------------------


def balance(login: Login) -> BalanceFlow:
    """`corpCanSend`: up to eight lines, fewer in older versions (AMB-COSMS-27); the domestic balance counts."""
    said = yield from login.post(BALANCE_PATH, {})
    if isinstance(said, Verdict):
        return Balance(messages=None, verdict=said)
    if said.code != OK:
        return Balance(messages=None, verdict=refusal(said))
    lines = [line.decode("utf-8", "replace").strip(" \t,") for line in rows(said.rest)]
    products = tuple(
        Product(name, float(lines[at])) for name, at in _BALANCES if at < len(lines) and _AMOUNT.fullmatch(lines[at])
    )
    domestic = next((product.messages for product in products if product.name == "domestic"), None)
    warn = "" if domestic is not None else "the answer has no domestic balance"
    return Balance(messages=domestic, products=products, warn=warn)


def reports(login: Login) -> PollFlow:
    """`getReport`: one page."""
    return _page(login, REPORT_PATH, {}, pages.polled_reports)


def messages(login: Login, received_ms: int) -> PollFlow:
    """`getMo`: one page. The messages have no account; the poller adds it."""
    read = partial(pages.polled_messages, account="", received_ms=received_ms)
    return _page(login, MO_PATH, {"msgFormat": FORMAT_ESCAPED}, read)


def _page(login: Login, path: str, fields: Fields, read: Callable[[CodedAnswer], PolledPage]) -> PollFlow:
    said = yield from login.page(path, fields, PAGE_BYTES_MAX)
    if isinstance(said, Verdict):
        return PolledPage(verdict=said)
    if said.code in (OK, SOME, NONE):
        return read(said)
    return PolledPage(verdict=refusal(said))


def history(login: Login, start_ms: int, end_ms: int) -> HistoryFlow:
    """`getHistSms` of [start, end). The vendor's end is inclusive, so midnight must not belong to the next day."""
    fields = {
        "msgFormat": FORMAT_ESCAPED,
        "sTime": _time(start_ms),
        "eTime": _time(max(start_ms, end_ms - 1)),
    }
    said = yield from login.page(HISTORY_PATH, fields, HISTORY_BYTES_MAX)
    if isinstance(said, Verdict):
        return History(complete=False, verdict=said)
    if said.code in (OK, SOME, NONE):
        return pages.history(said)
    return History(complete=False, verdict=refusal(said))


def _time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms // 1000, SHANGHAI):%Y%m%d%H%M%S}"


# --- what changes something ------------------------------------------------------------------------------------------


def publish(login: Login, files: Mapping[str, bytes], shown: Sequence[media.Frame]) -> PublishFlow:
    """`FileUpLoad` of every file, then of the frames that name them."""
    urls: dict[str, str] = {}
    size = sum(map(len, files.values()))
    warn = ""
    if size > media.RESOURCES_BYTES_ADVISED:
        warn = f"the files have {size} bytes; phones may refuse more than {media.RESOURCES_BYTES_ADVISED}"
    for name in [*files, media.INI_NAME]:
        content = files[name] if name in files else media.ini(shown, urls)
        said = yield from login.call(
            lambda password, name=name, content=content: media.upload({**login.names, **password}, name, content)  # type: ignore[misc]
        )
        url = media.uploaded(rows(said.rest)) if isinstance(said, CodedAnswer) and said.code == OK else ""
        if not url:
            verdict = said if isinstance(said, Verdict) else refusal(said)
            return PublishedMessage(files=tuple(urls.items()), warn=warn, verdict=verdict)
        urls[name] = url
    return PublishedMessage(url=urls.pop(media.INI_NAME), files=tuple(urls.items()), warn=warn)


def change_login(login: Login, new_name: str, new_password: str) -> Operation:
    """`changeLogin`: a new password, and with `new_name` a new name. Success is undocumented; 100 is read as such."""
    new = {**({"newLoginName": new_name} if new_name else {}), "newPassWord": new_password}
    shown = {**login.names, "password": "***", **new, "newPassWord": "***"}
    name = f'login_name = "{new_name}" and ' if new_name else ""
    return Operation(
        name="change-login",
        shows=tuple(shown.items()),
        flow=_change_login(login, new),
        afterwards=f"write {name}the new password into the account's section of the configuration, and start the "
        "dispatcher anew: 30 logins with the old one lock the account for the day",
        if_unknown="log in at the vendor's own pages with the new password, and only if that fails with the old one: "
        "30 failures a day lock the account",
    )


def _change_login(login: Login, new: Fields) -> OperationFlow:
    said = yield from login.post(LOGIN_PATH, new, submits=True)
    if isinstance(said, Verdict):
        return OperationResult(verdict=said)
    text = said.text.replace(new["newPassWord"], "***")
    if not said.code:
        odd = "the answer is not of the document"
        return OperationResult(verdict=Verdict(kind=Kind.UNKNOWN, code=UNREADABLE, text=text, warn=odd))
    return OperationResult(verdict=CODES.verdict(said.code, text=text), says=CODES.meaning(said.code))
