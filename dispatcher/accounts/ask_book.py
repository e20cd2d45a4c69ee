"""The query book: who queried which account's balance, when, and the vendor's answer; on the log, for all processes.

A vendor's history is queried by the same rule, in its own book (`what="history"`).

A vendor limits how often an account's balance may be queried (vendors.md 3.4: 10 s), by lane, plan and commands
together. So a BalanceAsked announces a query before it leaves, and another one has its answer. As with lanes the log is
the lock: an announcement counts only if the interval of the previous query was over by the log's own clock. Every
reader applies that rule; the author reads its announcement back before it queries. The last asker lets others go first,
so a person's query gets through beside a running lane.

An interval begins at the latest moment when the vendor can have received the query: when its answer was written, or,
without one, when an announced query may not leave any more. Weak spot: a log's clock that is set forward during an
interval shortens it by as much (on Kafka the broker's clock, with SQLite this machine's).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Generic, Literal, TypeVar

import msgspec
from msgspec.structs import replace

from dispatcher.clock import now_ms
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.errors import LogDamaged, LogError
from dispatcher.i18n import _
from dispatcher.log.port import Entry, Log, StoredRecord
from dispatcher.log.records import record_of
from dispatcher.loggers import get_logger
from dispatcher.vendors.seam.outcomes import NO_VENDORS_CODES
from dispatcher.vendors.seam.vendor import Balance, History, HttpVendor, Vendor
from dispatcher.wording import day_of
from schemas.codec import encode
from schemas.records import BalanceAsked
from schemas.topics import CAMPAIGNS

INTERVAL_MARGIN: Final = 1.02
LEAVE_S_MAX: Final = 5.0
"""A query leaves within this time after its announcement began, or never: its author may crash or freeze."""

COURTESY_S: Final = 0.25
TICK_S: Final = 0.005
ANSWER_S_MAX: Final = 3.0
LOOK_AGAIN_S: Final = 0.1
READ_RECORDS_MAX: Final = 10_000
SAYS_CHARS_MAX: Final = 200

What = Literal["balance", "history"]
Answered = TypeVar("Answered", Balance, History)

Asks = Callable[[Callable[[], bool]], Awaitable[Answered | None]]
"""Queries the vendor once; it must call its argument right before the first byte, and not send if that is False."""

Query = Asks[Balance]

Waits = Callable[[float, BalanceAsked], None]
"""Called with (seconds to wait, whose query causes it)."""

_logger = get_logger("balance")


def pending(record: BalanceAsked) -> bool:
    """Whether this announces a query and has no result."""
    return record.messages is None and not record.says


def wait_s(record: BalanceAsked, interval_s: float, now_ms: int) -> float:
    """Seconds until the vendor may be queried again, or 0.0. `record.at_ms` and `now_ms` are of the same clock."""
    span_s = interval_s * INTERVAL_MARGIN + (LEAVE_S_MAX if pending(record) else 0.0)
    return min(span_s, max(0.0, span_s - (now_ms - record.at_ms) / 1000))


def asked(record: BalanceAsked) -> str:
    """When and by whom: `just now by the lane`, `4 s ago by ann (account check)`."""
    age_s = max(0, (now_ms() - record.at_ms) // 1000)
    if not age_s:
        return _("just now by {by}", by=record.by)
    if age_s < 120:
        age = _("{n} s", n=age_s)
    else:
        age = _("{n} min", n=age_s // 60) if age_s < 7200 else _("{n} h", n=age_s // 3600)
    return _("{age} ago by {by}", age=age, by=record.by)


def why_unknown(vendor: Vendor, balance: Balance) -> str:
    """Why an answer has no figure, in a few words."""
    verdict = balance.verdict
    if verdict is None:
        return balance.warn or "the answer has no balance"
    return f"{verdict.code}: {_why(vendor, verdict)}".rstrip(": ")


def why_no_history(vendor: Vendor, history: History) -> str:
    """Why a history query has no rows, in a few words; "" if it has."""
    verdict = history.verdict
    if verdict is None:
        return ""
    return f"{verdict.code}: {_why(vendor, verdict)}".rstrip(": ") or verdict.kind.value


def _why(vendor: Vendor, verdict: Verdict) -> str:
    """What a code of the vendor means; of the dispatcher's own codes the text says more."""
    said = (verdict.warn or verdict.text) if verdict.code in NO_VENDORS_CODES else ""
    return said or vendor.codes.meaning(verdict.code) or verdict.warn or verdict.text


def _interval_s(vendor: Vendor, what: What) -> float | None:
    if not isinstance(vendor, HttpVendor):
        return None
    if what == "balance":
        return vendor.balance_interval_s
    limits = vendor.history_limits
    return None if limits is None else limits.interval_s


class _Page(msgspec.Struct):
    """One account's queries, with the log's times: the one under way, the last answered one, the last figure."""

    asking: BalanceAsked | None = None
    said: BalanceAsked | None = None
    figure: BalanceAsked | None = None
    asking_id: tuple[str, int] = ("", 0)

    @property
    def newest(self) -> BalanceAsked | None:
        """The query under way, or the last one."""
        return self.asking or self.said

    def wait_s(self, interval_s: float, now_ms: int) -> float:
        """See `wait_s`, over all of them."""
        return max((wait_s(each, interval_s, now_ms) for each in (self.asking, self.said) if each), default=0.0)

    def write(self, record: BalanceAsked, written_ms: int, interval_s: float) -> float:
        """Take this record in, unless it announces a query too soon; returns by how many seconds."""
        timed = replace(record, at_ms=written_ms)
        if pending(record):
            too_soon_s = self.wait_s(interval_s, written_ms)
            if not too_soon_s:
                self.asking, self.asking_id = timed, (record.by, record.at_ms)
            return too_soon_s
        if self.asking_id == (record.by, record.at_ms):
            self.asking = None  # not by a late answer to an earlier query, which would hide the one under way
        self.said = timed
        if record.messages is not None:
            self.figure = timed
        return 0.0


class AskBook(Generic[Answered]):
    """The book of these accounts, as one process reads and writes it. `by` names the asker."""

    def __init__(self, log: Log, vendors: Mapping[str, Vendor], by: str, what: What = "balance") -> None:
        self._log = log
        self._vendors = vendors
        self._by = by
        self._what = what
        self._key = f"{what}!".encode()
        self._interval_s = {account: _interval_s(vendor, what) for account, vendor in vendors.items()}
        self._position = 0
        self._pages = {account: _Page() for account in vendors}
        self._lock = asyncio.Lock()

    async def ask(
        self, account: str, query: Asks[Answered], waits: Waits = lambda _wait_s, _because: None
    ) -> Answered | None:
        """Wait until this account's vendor may be queried, query, and write the answer. None: it has no such query.

        Raises LogError: then nothing was queried. An error of `query` is written to the log and raised.
        """
        waited_for: BalanceAsked | None = None
        while not (claim := await self._announce(account, waited_for)).granted:
            waited_for = claim.because
            if waited_for is not None:
                waits(claim.wait_s, waited_for)
            await asyncio.sleep(claim.wait_s + TICK_S)
        return await self._ask(account, query, claim)

    async def ask_or_recall(self, account: str, query: Asks[Answered]) -> Answered | BalanceAsked | None:
        """Query if it is time; else the last answer on the log, after a short wait for one under way.

        Raises what `ask` raises. The answer may be of any age, if later queries got none. A vendor that locks accounts
        (`locks_out`) and refused our login is not queried: only `ask` does that.
        """
        if self._vendors[account].locks_out:
            async with self._lock:
                await self._read()
            refused = self._refused(account)
            if refused is not None:
                return replace(refused, says=f"{refused.says}; mended? dispatcher account check {account}")
        claim = await self._announce(account)
        if claim.granted:
            return await self._ask(account, query, claim)
        page, until_s = self._pages[account], time.monotonic() + ANSWER_S_MAX
        while page.asking is not None and time.monotonic() < until_s:
            await asyncio.sleep(LOOK_AGAIN_S)
            async with self._lock:
                await self._read()
        return page.said if page.asking is None else page.figure or page.newest

    def _refused(self, account: str) -> BalanceAsked | None:
        """The last answer, if the vendor refused our login."""
        said = self._pages[account].said
        if said is None or said.messages is not None:
            return None
        return said if said.kind == Kind.AUTH else None

    # --- asking ------------------------------------------------------------------------------------------------------

    async def _announce(self, account: str, waited_for: BalanceAsked | None = None) -> _Claim:
        """Announce our query, if it is time by our clock, or after the interval of `waited_for`.

        Our clock only decides when to try; the log's clock decides.
        """
        page, interval_s = self._pages[account], self._interval_s[account]
        if interval_s is None:
            return _Claim()  # there is no such query, so no interval
        async with self._lock:
            await self._read()
            too_soon_s = page.wait_s(interval_s, now_ms())
            if too_soon_s and page.newest is not waited_for:
                mine = page.newest is not None and page.newest.by == self._by
                return _Claim(wait_s=too_soon_s + (COURTESY_S if mine else 0.0), because=page.newest)
            at_ms, leave_until_s = now_ms(), time.monotonic() + LEAVE_S_MAX
            offset = await self._append(account, at_ms, None, "", None)
            too_soon_s = await self._read(offset)
            return _Claim(at_ms=at_ms, leave_until_s=leave_until_s, wait_s=too_soon_s, because=page.newest)

    async def _ask(self, account: str, query: Asks[Answered], claim: _Claim) -> Answered | None:
        try:
            answer = await query(lambda: time.monotonic() < claim.leave_until_s)
        except Exception as error:
            await self._tell(account, claim, None, f"{type(error).__name__}: {error}".rstrip(": "), None)
            raise
        if isinstance(answer, Balance):
            await self._tell(account, claim, answer.messages, self._said(account, answer), answer.verdict)
        elif answer is not None:
            rows = float(len(answer.rows)) if answer.verdict is None else None
            await self._tell(account, claim, rows, why_no_history(self._vendors[account], answer), answer.verdict)
        return answer

    def _said(self, account: str, balance: Balance) -> str:
        if balance.messages is None:
            return why_unknown(self._vendors[account], balance)
        if len(balance.products) > 1:
            return ", ".join(f"{product.name} {product.messages:,.0f}" for product in balance.products)
        return balance.warn

    async def _tell(
        self, account: str, claim: _Claim, messages: float | None, says: str, verdict: Verdict | None
    ) -> None:
        """If the log fails, the announcement stands: everybody waits a little longer than necessary."""
        try:
            await self._append(account, claim.at_ms, messages, says, verdict)
        except LogError as error:
            _logger.warning("what the vendor said of the balance is not on the log", account=account, error=str(error))

    async def _append(
        self, account: str, at_ms: int, messages: float | None, says: str, verdict: Verdict | None
    ) -> int:
        record = BalanceAsked(
            account=account,
            at_ms=at_ms,
            by=self._by,
            messages=messages,
            says=says[:SAYS_CHARS_MAX],
            what=self._what,
            kind=None if verdict is None else verdict.kind,
            code="" if verdict is None else verdict.code,
        )
        key = self._key + account.encode()
        if messages is not None and self._what == "balance":  # the last figure of each day stays: what was spent
            key += f"!{day_of(at_ms)}".encode()
        [offset] = await self._log.append(CAMPAIGNS.name, 0, [Entry(key, encode(record))])
        return offset

    # --- reading -----------------------------------------------------------------------------------------------------

    async def _read(self, mine: int | None = None) -> float:
        """Read to the end; returns by how many seconds the announcement at offset `mine` was too early."""
        found = None
        while records := await self._log.read(CAMPAIGNS.name, 0, self._position, records_max=READ_RECORDS_MAX):
            for stored in records:
                too_soon_s = self._write(stored) if stored.key.startswith(self._key) else 0.0
                found = too_soon_s if stored.offset == mine else found
            self._position = records[-1].offset + 1
        if found is None and mine is not None:
            raise LogDamaged(
                "campaigns: the log at {url} lost record {mine} that it had confirmed.", url=self._log.url, mine=mine
            )
        return found or 0.0

    def _write(self, stored: StoredRecord) -> float:
        record = record_of(stored, CAMPAIGNS.name)
        if not isinstance(record, BalanceAsked) or record.account not in self._pages:
            return 0.0
        interval_s = self._interval_s[record.account]
        return self._pages[record.account].write(record, stored.at_ms, interval_s) if interval_s else 0.0


BalanceBook = AskBook[Balance]
HistoryBook = AskBook[History]
"""Make it with `what="history"`."""


class _Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an announcement: granted (it may leave until then), or the wait."""

    at_ms: int = 0
    leave_until_s: float = float("inf")
    wait_s: float = 0.0
    because: BalanceAsked | None = None

    @property
    def granted(self) -> bool:
        return self.wait_s == 0
