"""Operations on accounts that a person orders (a top-up, a new user, a new password): at most once, and on the log.

No vendor recognises a repeated operation, so no program repeats one. An Operated("asked") is durable before the
request, another one after it has the result; an operation without a result is unknown until a person who asked the
vendor settles it. Of two equal operations at the same moment only the first one on the log is sent.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from msgspec.structs import replace

from dispatcher.clock import now_ms
from dispatcher.core.campaigns import OperationState
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.errors import ConfigError, LogError
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.log.port import Entry, Log
from dispatcher.masking import Masker
from dispatcher.service.session import Session
from dispatcher.vendors.seam.outcomes import HTTP_PREFIX
from dispatcher.vendors.seam.vendor import HttpVendor, Operation, OperationResult
from schemas.codec import encode
from schemas.records import Operated
from schemas.topics import CAMPAIGNS

if TYPE_CHECKING:
    from dispatcher.drivers.http.driver import HttpDriver

Result = Literal["asked", "done", "not-done", "unknown"]

LEAVE_S_MAX: Final = 30.0
"""A request leaves within this time after its announcement began, or never: its process may freeze and wake up."""
UNDER_WAY_S: Final = 60.0
"""An operation asked within this time, without a result, may still be under way."""

TELL_TRIES_MAX: Final = 3
TELL_AGAIN_S: Final = 0.5
SAYS_CHARS_MAX: Final = 300
ID_BYTES: Final = 4

_KEY: Final = "operation!"


class OperationView(msgspec.Struct, frozen=True, kw_only=True):
    """One operation: what was sent, without secrets, and its latest state. Times are Unix milliseconds."""

    operation: str
    account: str
    name: str
    asked_ms: int
    asked_by: str
    sent: dict[str, str]
    result: str
    result_ms: int | None
    result_by: str | None
    code: str
    says: str


class Operations(msgspec.Struct, frozen=True, kw_only=True):
    """All operations, in the order they were asked."""

    operations: list[OperationView]


class OperationOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an operation. `untold`: why the log does not have it, or ""."""

    operation: str
    result: Result
    answer: OperationResult
    untold: str = ""


async def carry_out(
    log: Log, vendor: HttpVendor, account: str, operation: Operation, by: str, *, again: bool = False
) -> OperationOutcome:
    """Announce it, have the vendor carry it out once, and record the result.

    It is refused while an equal, earlier one is unknown or under way, unless `again`. Raises LogError if it could not
    be announced: then the vendor was not asked. If cancelled, it is recorded as unknown.
    """
    leave_until_s = time.monotonic() + LEAVE_S_MAX
    record = Operated(
        operation=secrets.token_hex(ID_BYTES),
        account=account,
        name=operation.name,
        shows=operation.shows,
        result="asked",
        at_ms=now_ms(),
        by=by,
    )
    await _append(log, record, "asked")
    if not again and (first := await _unknown_before(log, record)) is not None:
        return await _stood_back(log, record, first)
    driver = _driver(vendor, account)
    try:
        answer = _masked(
            await driver.operate(operation, before_write=lambda: time.monotonic() < leave_until_s), operation.secrets
        )
    except asyncio.CancelledError:
        await asyncio.shield(_tell(log, replace(record, result="unknown", at_ms=now_ms(), says="interrupted")))
        raise
    finally:
        await driver.close()
    result = result_of(answer.verdict.kind)
    says = said(answer)[:SAYS_CHARS_MAX]
    told = replace(record, result=result, at_ms=now_ms(), code=answer.verdict.code, says=says)
    return OperationOutcome(operation=record.operation, result=result, answer=answer, untold=await _tell(log, told))


def _driver(vendor: HttpVendor, account: str) -> HttpDriver:
    from dispatcher.drivers.http.driver import HttpDriver  # reading operations needs no HTTP client

    return HttpDriver(vendor, account)


async def _unknown_before(log: Log, record: Operated) -> OperationState | None:
    """The first equal operation on the log that was asked before this one and is unknown."""
    for known in await known_operations(log, lambda other: is_same(other, record)):
        if known.asked.operation == record.operation:
            return None
        if known.result == "unknown":
            return known
    return None


async def _stood_back(log: Log, record: Operated, first: OperationState) -> OperationOutcome:
    """Record it as not done: the vendor was not asked."""
    says = f"the same was just asked by {first.asked.by} (operation {first.asked.operation}): wait for what comes of it"
    told = replace(record, result="not-done", at_ms=now_ms(), code=Kind.NOT_SENT.value, says=says)
    verdict = Verdict(kind=Kind.NOT_SENT, code=Kind.NOT_SENT.value)
    answer = OperationResult(verdict=verdict, says=says)
    return OperationOutcome(operation=record.operation, result="not-done", answer=answer, untold=await _tell(log, told))


def is_same(one: Operated, other: Operated) -> bool:
    """Whether both ask the same of the same account."""
    return (one.account, one.name, one.shows) == (other.account, other.name, other.shows)


def said(answer: OperationResult) -> str:
    """The result in words; an HTTP status (`http 404`) precedes its text."""
    code, text = answer.verdict.code, answer.verdict.text
    if answer.says:
        return answer.says
    return ": ".join(filter(None, (code, text))) if code.startswith(HTTP_PREFIX) else text or code


def result_of(kind: Kind) -> Result:
    """What a verdict means for an operation."""
    if kind is Kind.ACCEPTED:
        return "done"
    return "unknown" if kind in (Kind.UNKNOWN, Kind.PARTIAL) else "not-done"


async def settle(log: Log, operation: Operated, *, done: bool, by: str, why: str) -> Operated:
    """A person's statement, from the vendor, on an unknown operation. Raises LogError."""
    told = replace(operation, result="done" if done else "not-done", at_ms=now_ms(), by=by, code="", says=why)
    await _append(log, told, "settled")
    return told


def under_way_s(operation: OperationState) -> float:
    """Seconds for which a process may still be asking the vendor, or 0.0."""
    if operation.last.result != "asked":
        return 0.0
    return min(UNDER_WAY_S, max(0.0, UNDER_WAY_S - (now_ms() - operation.asked.at_ms) / 1000))


async def operations_of(
    session: Session, match: Callable[[Operated], bool] = lambda _asked: True
) -> list[OperationState]:
    """As `known_operations`; none without a log. Raises LogError."""
    try:
        log = await session.log()
    except ConfigError:
        return []
    return await known_operations(log, match)


def view_of(state: OperationState) -> OperationView:
    """Its state on the log."""
    asked, last = state.asked, state.last
    answered = last is not asked
    return OperationView(
        operation=asked.operation,
        account=asked.account,
        name=asked.name,
        asked_ms=asked.at_ms,
        asked_by=asked.by,
        sent=dict(asked.shows),
        result=state.result,
        result_ms=last.at_ms if answered else None,
        result_by=last.by if answered else None,
        code=last.code,
        says=last.says,
    )


async def known_operations(log: Log, match: Callable[[Operated], bool] = lambda _asked: True) -> list[OperationState]:
    """The operations on the log whose announcement matches, in the order they were asked. Raises LogError."""
    return [each for each in (await read_campaigns(log)).operations.values() if match(each.asked)]


async def _tell(log: Log, record: Operated) -> str:
    """Append the result; tried a few times, because the vendor's answer comes only once."""
    for last in range(1, TELL_TRIES_MAX + 1):
        try:
            await _append(log, record, "result")
        except LogError as error:
            if not error.retryable or last == TELL_TRIES_MAX:
                return str(error)
            await asyncio.sleep(TELL_AGAIN_S)
        else:
            break
    return ""


async def _append(log: Log, record: Operated, word: str) -> None:
    key = f"{_KEY}{record.operation}!{word}"
    await log.append(CAMPAIGNS.name, 0, [Entry(key.encode(), encode(record))])


def _masked(answer: OperationResult, hidden: tuple[str, ...]) -> OperationResult:
    masker = Masker(hidden)
    return OperationResult(
        verdict=replace(answer.verdict, text=masker.text(answer.verdict.text)), says=masker.text(answer.says)
    )
