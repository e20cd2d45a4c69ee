"""The suppression list: reading it, changing it, and how many numbers a change affected."""

from __future__ import annotations

import contextlib
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.clock import now_ms
from dispatcher.core.numbers import Numbers
from dispatcher.core.suppression import ascending_once, contains, key_as_written, keys, shown
from dispatcher.errors import LogError, UserError
from dispatcher.os_user import os_user
from dispatcher.service.session import Session
from dispatcher.suppression.list import SuppressionList, put, snapshot_if_due
from schemas.records import SuppressionSource

LISTED_MAX: Final = 100


class NumbersAdded(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers that were put on the list, those that were `already` there, and how many are `listed` now."""

    added: int
    already: int
    listed: int


class NumbersImported(NumbersAdded, frozen=True, kw_only=True):
    """The same for a file: its rows, those that repeat a number, and the invalid ones by reason."""

    rows: int
    repeated: int
    invalid: int
    invalid_reasons: dict[str, int]


class NumbersRemoved(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers that were taken off the list, and those that were not on it."""

    removed: int
    were_not_there: int


class SuppressionChange(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a change: it named `numbers` different ones and affected `changed` of them."""

    numbers: int
    changed: int
    listed: int


class SuppressedNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A number on the list: since when, from which source, by whom and why."""

    number: str
    since_ms: int
    source: SuppressionSource
    by: str
    why: str


class SuppressedNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """How many numbers are on the list, and the requested ones."""

    listed: int
    entries: list[SuppressedNumber]


async def read_suppression(session: Session, *, detailed: bool) -> SuppressionList:
    """The whole list as the log has it now. Raises ConfigError if there is no log, LogError."""
    found = SuppressionList(detailed=detailed)
    await found.read_on(await session.log())
    return found


async def list_suppressed(session: Session, number: int | None = None, limit: int = LISTED_MAX) -> SuppressedNumbers:
    """The newest numbers of the list, or this one if it is there. Raises what `read_suppression` raises."""
    found = await read_suppression(session, detailed=True)
    listing = found.listing
    if number is not None:
        places = np.flatnonzero(listing.numbers == number)
    else:
        places = np.argsort(listing.times, kind="stable")[::-1][:limit]
    entries = []
    for place in places.tolist():
        origin = found.origin(place)
        entries.append(
            SuppressedNumber(
                number=shown(int(listing.numbers[place])),
                since_ms=int(listing.times[place]) * 1000,
                source=origin.source,
                by=origin.by,
                why=origin.why,
            )
        )
    return SuppressedNumbers(listed=len(listing), entries=entries)


async def suppressed_because(session: Session, why: str, source: SuppressionSource | None = None) -> Numbers:
    """The numbers that are on the list for this reason, by this way. Raises what `read_suppression` raises."""
    found = await read_suppression(session, detailed=True)
    meant = [
        at
        for at, origin in enumerate(found.origins)
        if origin.why.casefold() == why.casefold() and source in (None, origin.source)
    ]
    return found.listing.numbers[np.isin(found.listing.origins, meant)]


async def are_suppressed(session: Session, numbers: Numbers) -> list[bool]:
    """Which of these numbers are on the list. Raises what `read_suppression` raises."""
    found = await read_suppression(session, detailed=False)
    return [bool(there) for there in contains(found.listing.numbers, numbers)]


async def change_suppression(
    session: Session, numbers: Numbers, *, adds: bool, source: SuppressionSource, why: str, by: str = ""
) -> SuppressionChange:
    """Put numbers on the list or take them off; `by` is who orders it, by default the user of this process.

    Only numbers that the change affects go on the log, so a list imported every day costs nothing. An addition also
    affects a number that only a report put there: it is then there by a person's wish. The list is read once more
    afterwards: somebody else may have changed it between reading and writing. Raises LogError.
    """
    log = await session.log(create=adds)
    found = SuppressionList(detailed=adds)
    await found.read_on(log)
    wanted = ascending_once(keys(numbers))
    changed = -1
    while len(rest := wanted[_differs(found, wanted, adds=adds)]):
        changed = len(rest) if changed < 0 else changed
        await put(log, rest, adds=adds, source=source, by=by or os_user(), why=why, at_ms=now_ms())
        await found.read_on(log)
    if found.snapshot_due:
        with contextlib.suppress(LogError):  # it only shortens reading; the next change repeats it
            await snapshot_if_due(log)
    return SuppressionChange(numbers=len(wanted), changed=max(changed, 0), listed=len(found.listing))


def _differs(found: SuppressionList, wanted: Numbers, *, adds: bool) -> NDArray[np.bool_]:
    """The numbers that the change affects."""
    there = contains(found.listing.numbers, wanted)
    if adds:
        there &= ~contains(found.only_reported(), wanted)
    differs: NDArray[np.bool_] = there != adds
    return differs


def suppression_key(text: str) -> int:
    """A number in the list's form. Raises UserError if the text is not a phone number."""
    key = key_as_written(text)
    if not key:
        raise not_a_number(text)
    return key


def not_a_number(text: str) -> UserError:
    """The error for what a person wrote instead of a phone number."""
    return UserError(
        '"{text}" is no phone number. Write a mobile like 13800138000, a number abroad like +447700900123.', text=text
    )
