"""Carriers of numbers: what reports taught about ported ones, and one number's carrier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from dispatcher.core.wire_number import to_wire
from dispatcher.errors import ConfigError
from dispatcher.service.session import Session

if TYPE_CHECKING:  # light commands import this module
    from dispatcher.carriers.learnt import LearntCarriers
    from dispatcher.carriers.lookup import Overrides

LISTED_MAX: Final = 100


class NumberCarrier(msgspec.Struct, frozen=True, kw_only=True):
    """A number's carrier, by its word, and the one `by_prefix`; of a ported one the report that said so."""

    carrier: str
    by_prefix: str
    account: str = ""
    code: str = ""
    learnt_ms: int | None = None


class PortedNumber(NumberCarrier, frozen=True, kw_only=True):
    """A number with another carrier than its prefix says."""

    number: str


class PortedNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """How many ported numbers are known, and the newest of them."""

    known: int
    entries: list[PortedNumber]


async def read_ported(session: Session) -> LearntCarriers:
    """What reports taught, as the log has it now. Raises ConfigError if there is no log, LogError."""
    from dispatcher.carriers.learnt import LearntCarriers

    found = LearntCarriers()
    await found.read_on(await session.log())
    return found


async def ported_numbers(session: Session) -> Overrides:
    """What look-ups of carriers need of it; none without a log. Raises LogError."""
    from dispatcher.carriers.lookup import NO_OVERRIDES

    try:
        return (await read_ported(session)).overrides
    except ConfigError:
        return NO_OVERRIDES


async def carrier_of_number(session: Session, number: int) -> NumberCarrier:
    """One number's carrier. Raises what `read_ported` raises."""
    found = await read_ported(session)
    at = int(found.numbers.searchsorted(number))
    if at < len(found) and int(found.numbers[at]) == number:
        return _ported(found, at)
    return NumberCarrier(carrier=_by_prefix(number), by_prefix=_by_prefix(number))


async def list_ported(session: Session, limit: int = LISTED_MAX) -> PortedNumbers:
    """The newest ported numbers. Raises what `read_ported` raises."""
    found = await read_ported(session)
    places = found.times.argsort(kind="stable")[::-1][:limit].tolist()
    return PortedNumbers(known=len(found), entries=[_ported(found, at) for at in places])


def _ported(found: LearntCarriers, at: int) -> PortedNumber:
    from dispatcher.core.carriers import Carrier

    number, lesson = int(found.numbers[at]), found.lessons[int(found.lesson_index[at])]
    return PortedNumber(
        number=to_wire(number),
        carrier=Carrier(int(found.carriers[at])).word,
        by_prefix=_by_prefix(number),
        account=lesson.account,
        code=lesson.code,
        learnt_ms=int(found.times[at]) * 1000,
    )


def _by_prefix(number: int) -> str:
    from dispatcher.carriers.lookup import carrier_of

    return carrier_of(number).word
