"""The suppression list: numbers that must not be texted, as a fold of changes. Whole columns at a time.

The last change of a number counts. Its origin is the first addition since it was last taken off: vendors repeat
messages and people import a list twice, and neither makes it newer. Only an addition by a report gives way to a
person's wish: taking off what reports put there must not affect people who asked for no more texts.

Pure: arrays in, arrays out. Weak spot: a fold makes new arrays, so at its peak the list is in memory twice.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.numbers import Numbers, is_domestic, normalise_one
from dispatcher.core.wire_number import DOMESTIC_DIGITS, DOMESTIC_END, DOMESTIC_MIN, OTHER, from_wire, to_wire

Column = NDArray[np.uint32]
T = TypeVar("T", np.int64, np.uint32)
U = TypeVar("U", np.uint64, np.uint32)

DIGITS_MIN, DIGITS_MAX = 7, 15
SEARCHED_TIMES: Final = 8
"""Numbers are searched one by one among this many times as many, or more."""
MISTYPED_DIGITS: Final = range(10, 13)
"""A number with a leading 1 and this many digits is a mobile with a digit too few or too many."""

_NONE: Final[Column] = np.empty(0, np.uint32)
_COUNTRY: Final = 86 * 10**DOMESTIC_DIGITS
_DROPPED: Final = str.maketrans("", "", " \t\u00a0\u3000-().")


class ListChange(msgspec.Struct, frozen=True):
    """Numbers (ascending, each once) put on the list or, `adds` false, taken off; at `at_s`, by origin `origin`."""

    numbers: Numbers
    adds: bool
    at_s: int = 0
    origin: int = 0


class Listing(msgspec.Struct, frozen=True):
    """The list: ascending numbers, each with its time (Unix seconds) and origin.

    A list that is not `detailed` has no `times` and `origins`: a launch needs the numbers only.
    """

    numbers: Numbers
    times: Column
    origins: Column
    detailed: bool = True

    def __len__(self) -> int:
        return len(self.numbers)


def empty(*, detailed: bool = True) -> Listing:
    """An empty list."""
    return bare(np.empty(0, np.int64)) if not detailed else Listing(np.empty(0, np.int64), _NONE, _NONE)


def bare(ascending: Numbers) -> Listing:
    """A list of these numbers that is not detailed."""
    return Listing(ascending, _NONE, _NONE, detailed=False)


def folded(base: Listing, changes: Sequence[ListChange], weak: Collection[int] = ()) -> Listing:
    """The list after these changes, in their order. Its details are kept if `base` has them.

    `weak` are the origins that give way to any other.
    """
    changes = [change for change in changes if len(change.numbers)]
    if not changes:
        return base
    sizes = [len(change.numbers) for change in changes]
    numbers = np.concatenate([change.numbers for change in changes])
    if not base.detailed and all(change.adds for change in changes):
        return _with(base, numbers)
    source = np.repeat(np.arange(len(changes), dtype=np.uint32), sizes)
    if (np.diff(numbers) <= 0).any():
        order = np.argsort(numbers, kind="stable")  # stable: of equal numbers the later change comes last
        numbers, source = numbers[order], source[order]
    adds = np.array([change.adds for change in changes])[source]

    starts = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
    ends = np.append(starts[1:], len(numbers))
    touched = numbers[starts]
    taken_off = np.maximum.reduceat(np.where(adds, -1, np.arange(len(numbers))), starts)  # where last, or -1
    put_on = np.maximum(starts, taken_off + 1)  # the first addition after it, if there is one
    stays = put_on < ends
    removed = taken_off >= 0

    there = contains(base.numbers, touched)
    kept = ~contains(touched[there & removed], base.numbers)
    new = np.flatnonzero(stays & (~there | removed))
    old = base.numbers if kept.all() else base.numbers[kept]
    at = np.searchsorted(old, touched[new]) + np.arange(len(new))
    whole = _merged(old, touched[new], at)
    if not base.detailed:
        return bare(whole)
    all_times = np.array([change.at_s for change in changes], np.uint32)
    all_origins = np.array([change.origin for change in changes], np.uint32)
    before = base
    if weak:
        yields = np.isin(all_origins, list(weak))[source]
        places = np.arange(len(numbers))
        since = places >= np.repeat(put_on, ends - starts)
        strong = np.minimum.reduceat(np.where(adds & since & ~yields, places, len(numbers)), starts)
        has_strong = strong < ends
        put_on = np.where(has_strong, strong, put_on)
        before = _taken_over(
            base, touched, there & ~removed & has_strong, source[strong % len(numbers)], all_times, all_origins, weak
        )
    chosen = source[put_on[new]]
    times, origins = all_times[chosen], all_origins[chosen]
    return Listing(whole, _merged(before.times[kept], times, at), _merged(before.origins[kept], origins, at))


def _taken_over(
    base: Listing,
    touched: Numbers,
    taking: NDArray[np.bool_],
    changes: Column,
    times: Column,
    origins: Column,
    weak: Collection[int],
) -> Listing:
    """The list after changes that take over numbers from weak origins."""
    at = np.searchsorted(base.numbers, touched[taking])
    yielding = np.isin(base.origins[at], list(weak))
    if not yielding.any():
        return base
    at, by = at[yielding], changes[taking][yielding]
    new_times, new_origins = base.times.copy(), base.origins.copy()
    new_times[at], new_origins[at] = times[by], origins[by]
    return Listing(base.numbers, new_times, new_origins)


def _with(base: Listing, numbers: Numbers) -> Listing:
    """The list with these additional numbers, which are sorted already, as in an import of millions."""
    if (numbers[1:] <= numbers[:-1]).any():
        numbers = ascending_once(numbers)
    if not len(base) or base.numbers[-1] < numbers[0]:
        return bare(np.concatenate([base.numbers, numbers]))
    new = numbers[~contains(base.numbers, numbers)]
    return bare(_merged(base.numbers, new, np.searchsorted(base.numbers, new) + np.arange(len(new))))


def ascending_once(numbers: Numbers) -> Numbers:
    """These numbers in order, each once (np.unique takes a hundred times as long)."""
    ordered = np.sort(numbers)
    if len(ordered):
        ordered = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    return ordered


def contains(ascending: Numbers, values: Numbers) -> NDArray[np.bool_]:
    """Which of the values are among these ascending numbers."""
    if not len(ascending):
        return np.zeros(len(values), np.bool_)
    at = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    found: NDArray[np.bool_] = ascending[at] == values
    return found


def among(known: NDArray[U], ascending: NDArray[U]) -> NDArray[np.bool_]:
    """Which of these numbers, each once, are among the known ones: both ascend, and are below half of what fits.

    Searching few among many is quickest; where both are many they are sorted together, a number before the known one.
    """
    found = np.zeros(len(ascending), np.bool_)
    if len(known) * SEARCHED_TIMES < len(ascending):
        at = np.searchsorted(ascending, known)
        at = at[ascending.take(at, mode="clip") == known] if len(ascending) else at[:0]
        found[at] = True
    elif len(ascending) * SEARCHED_TIMES < len(known):
        found = known.take(np.searchsorted(known, ascending), mode="clip") == ascending
    elif len(ascending):
        together = np.concatenate([ascending, known])
        together <<= 1
        together[len(ascending) :] |= 1
        together.sort()
        places = np.flatnonzero((together & 1) == 0)
        found = together.take(places + 1, mode="clip") == together[places] + 1
    return found


def domestic(ascending: Numbers) -> Numbers:
    """The domestic mobiles among these ascending numbers: a view, not a copy."""
    first, end = np.searchsorted(ascending, [DOMESTIC_MIN, DOMESTIC_END])
    return ascending[first:end]


def keys(numbers: Numbers) -> Numbers:
    """Each number in the form of the list.

    International numbers lose the `00` in front of their country code, domestic mobiles their `86`.
    """
    if is_domestic(numbers).all():
        return numbers
    zeros, digits = numbers // OTHER - 1, numbers % OTHER
    plain = np.where((numbers >= OTHER) & (zeros >= 2), numbers - 2 * OTHER, numbers)
    abroad = (plain >= OTHER) & (plain < 2 * OTHER) & (digits >= _COUNTRY)
    home = abroad & is_domestic(digits - _COUNTRY)
    return np.where(home, digits - _COUNTRY, plain)


def key_of_wire(number: str) -> int:
    """The key of a number as a vendor writes it; 0 if invalid."""
    try:
        return int(keys(np.array([from_wire(number)], np.int64))[0])
    except ValueError:
        return 0


def key_as_written(text: str) -> int:
    """The key of a number as people write it: a mobile, `+` or `00` and a country code, `0` and an area code.

    0 if it is none of these: a mobile with a missing digit must not become a number abroad, and a number abroad that
    reads like a mobile here must not become that mobile.
    """
    mobile = normalise_one(text)
    if mobile:
        return mobile
    plain = text.translate(_DROPPED)
    abroad = plain[1:] if plain.startswith("+") else plain[2:] if plain.startswith("00") else ""
    digits = abroad or (plain if plain.startswith("0") else "")
    if not (digits.isascii() and digits.isdigit() and DIGITS_MIN <= len(digits) <= DIGITS_MAX):
        return 0
    key = 0 if abroad.startswith("0") else key_of_wire(digits)
    return 0 if abroad and DOMESTIC_MIN <= key < DOMESTIC_END else key


def key_as_exported(text: str) -> int:
    """The same, also of a number abroad without its `+`, as exports and vendors have it; 0 if it is none."""
    digits = text.strip()
    mistyped = digits.startswith("1") and len(digits) in MISTYPED_DIGITS
    plain = digits.isascii() and digits.isdigit() and DIGITS_MIN <= len(digits) <= DIGITS_MAX
    return key_as_written(text) or (key_of_wire(digits) if plain and not mistyped else 0)


def shown(key: int) -> str:
    """A key as people write the number, and as `key_as_written` reads it: abroad with a `+`."""
    abroad = OTHER <= key < 2 * OTHER
    return f"+{to_wire(key)}" if abroad else to_wire(key)


def _merged(base: NDArray[T], new: NDArray[T], at: Numbers) -> NDArray[T]:
    """`base` with `new` inserted at the positions `at`."""
    if not len(new):
        return base
    whole = np.empty(len(base) + len(new), base.dtype)
    old = np.ones(len(whole), np.bool_)
    old[at] = False
    whole[at] = new
    whole[old] = base
    return whole
