"""Logging in: by password or by MD5 with a one-time string; sub-users; the lock after 30 failures (vendors.md 1.2, 1.3,
AMB-COSMS-2 to 5).

The hash is compared as 32 lower-case digits, made of the name in upper case whatever case it was sent in.
"""

from __future__ import annotations

import hmac
import random
import re
from hashlib import md5
from typing import NamedTuple

from loadtest.sim.cosms.account import own
from loadtest.sim.cosms.text import GB, decoded
from loadtest.sim.ledger.ledger import Book
from loadtest.sim.state import ArrivedRequest, State

SESSION = "ASPSESSIONID"
COOKIE = re.compile(rf"(?:^|;)\s*{SESSION}=(\w+)")
LENGTH = 6
SPECIAL = "+&%"
ASCII = "".join(map(chr, range(0x21, 0x7F)))
OUTSTANDING_MAX = 100_000  # the oldest are forgotten

FAILURES = ("201", "203", "208")


class IssuedMd5(NamedTuple):
    """An MD5str that was not used yet: when, and to whom, it was given."""

    at_s: float
    connection: int
    session: str


class Logins:
    """Gives MD5strs and checks logins. `refusal` uses an MD5str up and counts failures."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._issued: dict[str, IssuedMd5] = {}
        self._random = random.Random(state.config.seed)

    def issue(self, arrived: ArrivedRequest) -> tuple[str, str]:
        """A new MD5str, and the header lines that go with it."""
        session, more = _session(arrived), ""
        if not session:
            session = f"{self._random.getrandbits(64):016X}"
            more = f"Set-Cookie: {SESSION}={session}; path=/\r\n"
        made = self._made()
        while made in self._issued:
            made = self._made()
        while len(self._issued) >= OUTSTANDING_MAX:
            del self._issued[next(iter(self._issued))]
        self._issued[made] = IssuedMd5(self._state.clock.at(arrived.at_s), arrived.connection, session)
        return made, more

    def _made(self) -> str:
        if self._state.switches.md5str_alphabet == "digits":
            return f"{self._random.randrange(10**LENGTH):0{LENGTH}}"
        chars = [*SPECIAL, *self._random.choices(ASCII, k=LENGTH - len(SPECIAL))]
        self._random.shuffle(chars)
        return "".join(chars)

    def book(self, fields: dict[str, bytes]) -> Book | None:
        """Whose corpID this is: an enterprise's or a sub-user's."""
        return self._state.ledger.by_account.get(word(fields, "corpid"))

    def refusal(self, arrived: ArrivedRequest, book: Book, fields: dict[str, bytes]) -> str:
        """Why this caller may do nothing, or ""."""
        state, kept = self._state, own(book)
        day = state.clock.local().strftime("%Y%m%d")
        if kept.failures_day != day:
            kept.failures_day, kept.failures = day, 0
        if 0 < state.switches.failures_max <= kept.failures:
            return "205"
        code = self._refusal(arrived, book, fields)
        if code in FAILURES:
            kept.failures += 1
        return code

    def _refusal(self, arrived: ArrivedRequest, book: Book, fields: dict[str, bytes]) -> str:
        account = book.config
        if word(fields, "loginname").upper() != login_name(book).upper():
            return "201"
        if account.ips and arrived.peer not in account.ips:
            return "204"
        if account.expires and self._state.clock.local().isoformat() >= account.expires:
            return "206"
        wanted, password = account.pswd, word(fields, "password")
        if fields.get("md5str"):
            issued = word(fields, "md5str")
            if not self._is_good(arrived, issued):
                return "208"
            wanted = hashed(account.account, login_name(book), account.pswd, issued)
        return "" if password and hmac.compare_digest(password.encode(), wanted.encode()) else "203"

    def _is_good(self, arrived: ArrivedRequest, said: str) -> bool:
        """Was it given to this caller, not long ago, and not used yet? It is used now."""
        issued = self._issued.pop(said, None)
        if issued is None:
            return False
        switches = self._state.switches
        if self._state.clock.at(arrived.at_s) - issued.at_s > switches.md5str_valid_s:
            return False
        if switches.md5_binding == "connection":
            return issued.connection == arrived.connection
        return switches.md5_binding == "none" or issued.session == _session(arrived)


def hashed(corp_id: str, name: str, password: str, md5str: str) -> str:
    """The password of an MD5 login (vendors.md 1.3)."""
    first = md5(f"{corp_id}{name.upper()}{password}".encode("gb18030")).hexdigest()
    return md5((first + md5str).encode("gb18030")).hexdigest()


def login_name(book: Book) -> str:
    """The account's; its corpID if it was given none."""
    return book.config.login_name or book.config.account


def word(fields: dict[str, bytes], name: str) -> str:
    """A parameter in GBK; "" if it is not there or unreadable."""
    return decoded(fields.get(name, b""), GB) or ""


def _session(arrived: ArrivedRequest) -> str:
    found = COOKIE.search(arrived.headers.get("Cookie", ""))
    return found[1] if found else ""
