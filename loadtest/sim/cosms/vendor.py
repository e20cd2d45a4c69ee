"""COSMS 3.1: its endpoints, and who serves each (vendors.md 1.2, 8.1).

Sending: send.py; queries: queries.py; pushes: pushes.py; logging in: login.py. Every code of 1.13 has a natural cause
in one of them, and any code can be forced by a rule (faults.py).
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import md5
from typing import ClassVar

from dispatcher.errors import ConfigError
from loadtest.sim.config import AccountConfig
from loadtest.sim.cosms import ids as cosms_ids
from loadtest.sim.cosms.answer import CONTENT_TYPE, NOT_TAKEN, answer, line_end, lines
from loadtest.sim.cosms.codes_and_switches import SWITCHES
from loadtest.sim.cosms.files import Files, parts
from loadtest.sim.cosms.login import Logins
from loadtest.sim.cosms.pushes import CosmsPushes
from loadtest.sim.cosms.queries import Queries
from loadtest.sim.cosms.send import Sending
from loadtest.sim.http.wire import Reply
from loadtest.sim.ledger.ledger import Book
from loadtest.sim.requests import form
from loadtest.sim.state import ArrivedRequest, BundlePushing, State
from loadtest.sim.switches import Switch

SPELLED = ("corpID", "loginName", "password", "MD5str", "msgFormat", "Mobs", "msg", "mtLevel", "subNumber", "linkID",
           "kindFlag", "mmsTitle", "sTime", "eTime", "newLoginName", "newPassWord", "F", "str", "f")  # fmt: skip
ENDPOINTS = ("putMt", "getMo", "getReport", "corpCanSend", "getHistSms", "changeLogin", "FileUpLoad", "upLoad",
             "getMD5str", "MD5", "files")  # fmt: skip
PATHS = {f"/sms/{name}{end}": name for name in ENDPOINTS for end in ("/", "", "/index.asp")}
SEND = "/sms/putMt/"


class Cosms:
    """One simulator's vendor."""

    name: ClassVar[str] = "cosms"
    table: ClassVar[tuple[Switch, ...]] = SWITCHES
    paths: ClassVar[tuple[str, ...]] = tuple(PATHS)

    def __init__(self, state: State) -> None:
        self._state = state
        for account in state.config.accounts.values():
            if account.sub_of and account.sub_of not in state.config.accounts:
                raise ConfigError(
                    f"simulated account {account.name!r}: sub_of = {account.sub_of!r} is no account. "
                    f"Possible: {', '.join(state.config.accounts)}."
                )
        self.pushes: BundlePushing = CosmsPushes(state)
        state.ledger.id_of = cosms_ids.numbers
        self._logins = Logins(state)
        self._files = Files()
        self._queries = Queries(state, self._logins)
        self._served: dict[str, Callable[[ArrivedRequest, dict[str, bytes]], Reply]] = {
            "putMt": Sending(state, self._logins, self._files).send,
            "getReport": self._queries.reports,
            "getMo": self._queries.messages,
            "corpCanSend": self._queries.balance,
            "getHistSms": self._queries.history,
            "changeLogin": self._queries.change_login,
            "FileUpLoad": self._upload,
            "upLoad": self._upload,
            "getMD5str": self._md5str,
            "MD5": self._md5,
            "files": self._file,
        }

    @staticmethod
    def example(url: str, account: AccountConfig) -> list[str]:
        """A submit request to try."""
        return [
            f"curl '{url}{SEND}' \\",
            f"     -d 'corpID={account.account}&loginName={account.login_name or account.account}"
            f"&password={account.shown_pswd}&msgFormat=1&mtLevel=1&Mobs=13800138000&msg=hello'",
        ]

    def receive(self, arrived: ArrivedRequest) -> Reply:
        """One request to any of `paths`."""
        given = form.parameters(arrived.query)
        if arrived.body and b"multipart" not in arrived.headers.get("Content-Type", "").lower().encode():
            given |= form.parameters(arrived.body)
        return self._served[PATHS[arrived.path]](arrived, self._fields(given))

    def _fields(self, given: dict[str, bytes]) -> dict[str, bytes]:
        """By their name in lower case, without blanks around it (AMB-COSMS-11, 26)."""
        named = {form.value(name.encode("latin-1")).decode("latin-1").strip(): raw for name, raw in given.items()}
        if self._state.switches.strict_case == "on":
            named = {name: raw for name, raw in named.items() if name in SPELLED}
        fields: dict[str, bytes] = {}
        for name, raw in named.items():
            fields.setdefault(name.lower(), form.value(raw))
        return fields

    def _md5str(self, arrived: ArrivedRequest, fields: dict[str, bytes]) -> Reply:
        """The only answer that is not a code and lines, by default (AMB-COSMS-3)."""
        state = self._state
        switches = state.switches
        rule = state.rules.pick("login", "")
        if rule is not None and (rule.code or rule.body is not None or not rule.is_taken):
            return answer(switches, rule.code or NOT_TAKEN, rule=rule)
        made, more = self._logins.issue(arrived)
        if switches.md5str_form == "code_line":
            return answer(switches, "100", lines(switches, [made.encode()]), rule, more)
        body = made.encode() + (line_end(switches) if switches.md5str_form == "bare_eol" else b"")
        return Reply(body, 200, CONTENT_TYPE, rule, more=more)

    def _md5(self, arrived: ArrivedRequest, fields: dict[str, bytes]) -> Reply:
        """The helper page; whoever uses it tells us his password."""
        return Reply(md5(fields.get("str", b"")).hexdigest().encode(), 200, CONTENT_TYPE)

    def _upload(self, arrived: ArrivedRequest, fields: dict[str, bytes]) -> Reply:
        found = parts(arrived.body, arrived.headers.get("Content-Type", "")) or {}
        fields = {name: part.content for name, part in found.items() if part.file_name is None} | fields
        file = found.get("f")

        def keep(book: Book, whole: bool) -> tuple[str, bytes]:
            if file is None or not file.file_name or not file.content:
                return "300", b""
            host = arrived.headers.get("Host", "")
            url = self._files.put(file.file_name, file.content, host)
            return "100", lines(self._state.switches, [url.encode()])

        return self._queries.ask("upload", arrived, fields, keep)

    def _file(self, arrived: ArrivedRequest, fields: dict[str, bytes]) -> Reply:
        content = self._files.get(arrived.query.decode("latin-1"))
        if content is None:
            return Reply(b"not found", 404)
        return Reply(content, 200, "application/octet-stream")
