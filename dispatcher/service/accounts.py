"""The accounts of the configuration: their keys, the holders of their lanes, logins, balances.

No secret is in any of these values.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec.structs import asdict

from dispatcher.accounts.ask_book import BalanceBook, Query, asked
from dispatcher.accounts.holders import lane_holders
from dispatcher.clock import now_ms
from dispatcher.config.file import Config, Secrets
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.errors import ConfigError, LogError, StoreError
from dispatcher.i18n import ENGLISH, _, current_language
from dispatcher.log.port import Entry, Log
from dispatcher.os_user import os_user
from dispatcher.service.campaigns.hindrances import AccountStop, stop_of
from dispatcher.service.campaigns.moves import moved_since
from dispatcher.service.session import Session
from dispatcher.store.opening import check_url
from dispatcher.store.views import CampaignView, Move
from dispatcher.vendors.seam.link import LinkVendor
from dispatcher.vendors.seam.outcomes import HTTP_PREFIX, Code, Codes, ReportCode, ReportCodes
from dispatcher.vendors.seam.vendor import Balance, HttpVendor, Vendor
from dispatcher.words import UNITS
from schemas.codec import encode
from schemas.records import BalanceAsked, Checked
from schemas.states import REPORT_DELIVERED, REPORT_FAILED, REPORT_WAITING
from schemas.topics import JOBS, lane_partition

ASKED_MAX: Final = 3
REPORT_STATES: Final = {REPORT_DELIVERED: "delivered", REPORT_FAILED: "failed", REPORT_WAITING: "waiting"}
"""The words for what a vendor says of one message."""


class LaneHolder(msgspec.Struct, frozen=True, kw_only=True):
    """The process that holds a lane."""

    pid: int
    host: str
    since_ms: int


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """One account: its vendor and limits, the holder of its lane here, and what keeps it from sending.

    `moved`: the recipients that moved to other accounts since it stopped, of all campaigns.
    """

    account: str
    vendor: str
    url: str
    flow: str | None
    numbers_per_request: int
    lane_partition: int
    held_by: LaneHolder | None
    stopped: AccountStop | None
    moved: tuple[Move, ...] = ()


class AccountList(msgspec.Struct, frozen=True, kw_only=True):
    """The accounts of the configuration at this path, by name."""

    config: str
    accounts: list[AccountView]


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a balance query. `let_in` None: unknown (unreachable, busy, no such query).

    `asked` False: the vendor has no such query; only a send can tell. `recalled`: an earlier answer, with its time and
    author, because the vendor may not be queried again yet.
    """

    account: str
    let_in: bool | None
    messages: float | None
    products: dict[str, float]
    says: str
    asked: bool = True
    recalled: str | None = None


class AccountCheck(Probe, frozen=True, kw_only=True):
    """A probe, and whether the account's lane was told to send again."""

    lane_told: bool


class AccountChecks(msgspec.Struct, frozen=True, kw_only=True):
    """The checked accounts of the configuration at this path; `unset` accounts lack a secret."""

    config: str
    accounts: list[AccountCheck]
    configured: int
    unset: list[str]


class Balances(msgspec.Struct, frozen=True, kw_only=True):
    """The vendors' balances."""

    accounts: list[Probe]


Waits = Callable[[Vendor, float, BalanceAsked], None]
"""Called with (whose query, seconds it waits, the earlier query that causes it)."""


def silent(*of: object) -> None:
    """Does nothing."""


class CheckStart(msgspec.Struct, frozen=True, kw_only=True):
    """What a check knows before it queries a vendor.

    `configured` accounts are in the configuration at this path, of which `unset` lack a secret; `stops` keep those
    that are checked from sending.
    """

    config: str
    configured: int
    unset: list[str]
    stops: list[AccountStop]


class CodeMeaning(msgspec.Struct, frozen=True, kw_only=True):
    """A code of a vendor: whether it is said of a request or of a message, its class, what it means and what to do."""

    of: Literal["a request", "a message"]
    code: str
    class_: str = msgspec.field(name="class")
    english: str
    chinese: str
    advice: str


class AccountCodes(msgspec.Struct, frozen=True, kw_only=True):
    """Codes of an account's vendor."""

    account: str
    vendor: str
    codes: list[CodeMeaning]


class HistoryMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a vendor remembers. `sent` is ISO 8601, in the vendor's time (+08:00)."""

    sent: str
    number: str
    state: str
    code: str
    vendor_id: str
    destination: str
    text: str


class AccountHistory(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor remembers of an account's messages in a time. `why`: why it did not say all of it, or ""."""

    account: str
    from_: str = msgspec.field(name="from")
    to: str
    complete: bool
    unreadable: int
    why: str
    messages: list[HistoryMessage]


def account_codes(config: Config, account: str, code: str | None = None) -> AccountCodes:
    """The codes of an account's vendor, or this one. Raises ConfigError."""
    vendor = config.accounts.get(account) or config.account(account)  # needs no secrets
    answers = [row for row in vendor.codes.rows.values() if code is None or row.code == code]
    reports = vendor.report_codes
    found = reports.rows.values() if code is None else filter(None, [reports.find(code)])
    codes = [_meaning("a request", row, row.kind.value) for row in answers]
    codes += [_meaning("a message", row, REPORT_STATES[row.state]) for row in found]
    if not codes and code is not None:
        codes = [_unlisted("a request", vendor.codes, code, vendor.codes.other.value)]
        codes.append(_unlisted("a message", reports, code, REPORT_STATES[reports.state(code)]))
    return AccountCodes(account=account, vendor=vendor.tag, codes=codes)


def _meaning(of: Literal["a request", "a message"], row: Code | ReportCode, class_: str) -> CodeMeaning:
    return CodeMeaning(of=of, code=row.code, class_=class_, english=row.english, chinese=row.chinese, advice=row.advice)


def _unlisted(of: Literal["a request", "a message"], table: Codes | ReportCodes, code: str, class_: str) -> CodeMeaning:
    """What the dispatcher makes of a code that the vendor's document lacks."""
    english, chinese, advice = table.meaning(code), table.chinese(code), table.advice(code)
    return CodeMeaning(of=of, code=code, class_=class_, english=english, chinese=chinese, advice=advice)


async def list_accounts(session: Session) -> AccountList:
    """The accounts of the configuration, by name."""
    config = session.config
    held, stops = lane_holders(config) or {}, await _stops(session)
    views = await _views(session) if any(stop.keeps_all for stop in stops.values()) else []
    accounts = []
    for name, vendor in sorted(config.accounts.items()):
        holder = held.get(lane_partition(name))
        accounts.append(
            AccountView(
                account=name,
                vendor=vendor.tag,
                url=vendor.url,
                flow=flow_words(vendor),
                numbers_per_request=vendor.limits.numbers_max,
                lane_partition=lane_partition(name),
                held_by=LaneHolder(pid=holder.pid, host=holder.host, since_ms=holder.since_ms) if holder else None,
                stopped=stops.get(name),
                moved=tuple(moved_since(views, name, stops[name].since_ms)) if name in stops else (),
            )
        )
    return AccountList(config=config.path, accounts=accounts)


async def check_accounts(
    session: Session,
    account: str | None = None,
    *,
    by: str = "",
    starts: Callable[[CheckStart], None] = silent,
    waits: Waits = silent,
    checked: Callable[[AccountCheck], None] = silent,
) -> AccountChecks:
    """Log in at the vendor of this account, or of all, and tell their lanes to send again.

    Calls `starts` before the first query, and `checked` with each account as soon as its vendor has answered. Raises
    ConfigError (no such account, a missing secret), LogError.
    """
    config = session.config_with(_secrets(account))
    check_url(config.store)
    accounts = _chosen(config, account)
    log, new = await _opened(session)
    stops = {} if new else await _stops(session)
    unset = sorted(config.unset)
    known = [stop for name, stop in sorted(stops.items()) if name in accounts]
    starts(CheckStart(config=config.path, configured=len(config.accounts), unset=unset, stops=known))
    book = BalanceBook(log, accounts, f"{by or os_user()} (account check)")

    async def check(name: str, vendor: Vendor) -> AccountCheck:
        found = await probe(book, vendor, name, partial(waits, vendor))
        told = not new and bool(found.let_in or not found.asked)
        if told:
            await tell_lane(log, name, by=by)
        result = AccountCheck(**asdict(found), lane_told=told)
        checked(result)
        return result

    checks = await asyncio.gather(*(check(name, vendor) for name, vendor in accounts.items()))
    return AccountChecks(config=config.path, accounts=checks, configured=len(config.accounts), unset=unset)


async def account_balances(session: Session, account: str | None = None, *, by: str = "") -> Balances:
    """The balance of this account, or of all. Raises ConfigError (no such account, a missing secret), LogError."""
    accounts = _chosen(session.config_with(_secrets(account)), account)
    log, _ = await _opened(session)
    book = BalanceBook(log, accounts, f"{by or os_user()} (account balance)")
    return Balances(
        accounts=await asyncio.gather(*(balance_of(book, vendor, name) for name, vendor in accounts.items()))
    )


def flow_words(vendor: Vendor) -> str | None:
    """`500 messages per 1 s`; None without a flow limit."""
    flow = vendor.flow
    if flow is None:
        return None
    return _("{limit:,} {unit} per {per_s:g} s", limit=flow.limit, unit=_(UNITS[flow.unit]), per_s=flow.per_s)


def _secrets(account: str | None) -> Secrets:
    return "accounts" if account is None else [account]


def _chosen(config: Config, account: str | None) -> Mapping[str, Vendor]:
    if account is not None:
        return {account: config.account(account)}
    if not config.accounts:
        raise ConfigError(
            "no accounts in {path}. Add one: [account.NAME], see dispatcher.example.toml.", path=config.path
        )
    return dict(sorted(config.accounts.items()))


async def _opened(session: Session) -> tuple[Log, bool]:
    """The log, and whether it is new. A missing log is created, because a query needs the query book."""
    try:
        return await session.log(), False
    except ConfigError:
        return await session.log(create=True), True


async def _views(session: Session) -> list[CampaignView]:
    """The launched campaigns; none without results."""
    try:
        return await session.read(lambda reader: reader.campaigns())
    except (ConfigError, LogError, StoreError):
        return []


async def _stops(session: Session) -> dict[str, AccountStop]:
    """The accounts that are kept from sending; none without a log."""
    try:
        campaigns = await session.campaigns()
    except (ConfigError, LogError):
        return {}
    return {account: stop_of(stop) for account, stop in campaigns.stopped().items()}


def run_by_the_old(config: Config, accounts: Collection[str]) -> list[int]:
    """The processes of this machine that run these accounts with an older configuration."""
    changed_ms = Path(config.path).stat().st_mtime * 1000
    held = lane_holders(config) or {}
    holders = [held[partition] for partition in {lane_partition(account) for account in accounts} & held.keys()]
    return sorted({holder.pid for holder in holders if holder.since_ms < changed_ms})


async def probe(book: BalanceBook, vendor: Vendor, account: str, waits: Callable[[float, BalanceAsked], None]) -> Probe:
    """Query the vendor as soon as allowed, again after "too fast", as others may query, too. Raises LogError."""
    if isinstance(vendor, LinkVendor):
        return await _logged_in(vendor, account)
    query = _query(vendor, account)
    balance = await book.ask(account, query, waits)
    for _again in range(ASKED_MAX - 1):
        if balance is None or balance.verdict is None or balance.verdict.kind is not Kind.THROTTLED:
            break
        balance = await book.ask(account, query, waits)
    return _told(vendor, account, balance)


async def _logged_in(vendor: LinkVendor, account: str) -> Probe:
    """Log in and out."""
    from dispatcher.drivers.link.short_session import ask  # listing accounts needs no links

    found = await ask(vendor)
    if not isinstance(found, Verdict):
        return Probe(account=account, let_in=True, messages=None, products={}, says="let in")
    let_in = False if found.kind is Kind.AUTH else None
    says = found.text if found.kind is Kind.NOT_SENT else _sentence(vendor, found)
    return Probe(account=account, let_in=let_in, messages=None, products={}, says=says)


async def balance_of(book: BalanceBook, vendor: Vendor, account: str) -> Probe:
    """Query the vendor, or return its last answer if it is too early. Raises LogError."""
    found = await book.ask_or_recall(account, _query(vendor, account))
    if not isinstance(found, BalanceAsked):
        return _told(vendor, account, found)
    let_in = True if found.messages is not None else None
    says = found.says or ("" if let_in else _("the vendor has not answered yet"))
    return Probe(account=account, let_in=let_in, messages=found.messages, products={}, says=says, recalled=asked(found))


async def tell_lane(log: Log, account: str, *, by: str = "") -> None:
    """Tell the account's lane that the login works again. Raises LogError."""
    record = Checked(account=account, at_ms=now_ms(), by=by or os_user())
    await log.append(JOBS.name, lane_partition(account), [Entry(account.encode(), encode(record))])


def _query(vendor: Vendor, account: str) -> Query:
    from dispatcher.drivers.http.driver import query_balance  # listing accounts needs no HTTP client

    async def query(may_leave: Callable[[], bool]) -> Balance | None:
        if not isinstance(vendor, HttpVendor):
            return None
        return await query_balance(vendor, account, before_write=may_leave)

    return query


def _told(vendor: Vendor, account: str, balance: Balance | None) -> Probe:
    if balance is None:
        says = _("vendor {tag} has no balance query to check the login with; the first send will tell", tag=vendor.tag)
        if isinstance(vendor, LinkVendor):
            says = _(
                "vendor {tag} has no balance query; to try the login: dispatcher account check {account}",
                tag=vendor.tag,
                account=account,
            )
        return Probe(account=account, let_in=None, messages=None, products={}, says=says, asked=False)
    products = {product.name: product.messages for product in balance.products}
    verdict = balance.verdict
    if verdict is None:
        return Probe(
            account=account, let_in=True, messages=balance.messages, products=products, says=balance.warn or "let in"
        )
    let_in = False if verdict.kind is Kind.AUTH else None
    return Probe(account=account, let_in=let_in, messages=None, products=products, says=_sentence(vendor, verdict))


def _sentence(vendor: Vendor, verdict: Verdict) -> str:
    row = vendor.codes.find(verdict.code)
    if verdict.kind is Kind.AUTH:
        meaning, advice = (_code_means(row), row.advice) if row else (vendor.codes.meaning(verdict.code), "")
        says = _("{meaning} (code {code})", meaning=meaning, code=verdict.code)
        return f"{says}; {_(advice)}" if advice else says
    if verdict.kind is Kind.THROTTLED:
        return _("the vendor answers that it is asked too often: does anybody else use this account?")
    if row is not None:
        return _("the vendor answered: {meaning} (code {code})", meaning=_code_means(row), code=verdict.code)
    status = f"{verdict.code}: " if verdict.code.startswith(HTTP_PREFIX) and verdict.text else ""
    says = f"{status}{verdict.text or verdict.code}"
    return _("{url} gave no usable answer: {says}", url=vendor.url, says=says)


def _code_means(row: Code) -> str:
    return row.english if current_language() == ENGLISH or not row.chinese else row.chinese
