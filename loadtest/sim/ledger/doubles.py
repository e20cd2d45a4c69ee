"""Numbers that were texted the same twice, counted from the ledger's columns by sorting; no object per number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from loadtest.sim.ledger.numbers import Column

if TYPE_CHECKING:
    from loadtest.sim.ledger.ledger import Entry

NUMBER_BITS = 36  # a mobile number has 35; texts take the bits above
ODD_MAX = 1 << 35  # odd numbers are below 0, and moved up by so much

Counted = dict[str, tuple[int, int]]


def count(names: Iterable[str], by_text: Mapping[int, Sequence[Entry]], personal: Sequence[Entry]) -> Counted:
    """Per account of `names` and for "" (all of them): (unique numbers, double texts).

    `by_text` has the accepted requests of one text, by that text; `personal` those in which every number has its own.
    """
    names = list(names)
    unique: dict[str, list[Column]] = {name: [] for name in names}
    doubles = dict.fromkeys(["", *names], 0)
    everything: list[Column] = []
    texts = set(np.unique(np.concatenate([e.each_text for e in personal])).tolist()) if personal else set()
    for text, entries in list(by_text.items()):
        if text not in texts:
            _add({}, list(entries), unique, doubles, everything)
    if personal:
        plain = [(entry, text) for text in texts for entry in list(by_text.get(text, ()))]
        pairs = {id(e): _pairs(e.numbers, np.full(e.numbers.size, text, np.int64)) for e, text in plain}
        pairs |= {id(e): _pairs(e.numbers, e.each_text.astype(np.int64)) for e in personal}
        _add(pairs, [*(e for e, _ in plain), *personal], unique, doubles, everything)
    for name in names:
        doubles[""] += doubles[name]
    result = {name: (_distinct(columns)[1].size, doubles[name]) for name, columns in unique.items()}
    result[""] = (_distinct(everything)[1].size, doubles[""])
    return result


def _add(
    keys: Mapping[int, Column],
    entries: Sequence[Entry],
    unique: dict[str, list[Column]],
    doubles: dict[str, int],
    everything: list[Column],
) -> None:
    """Count what is alike among these requests by their `keys`, or without any by their numbers."""
    by_book: dict[str, list[Entry]] = {}
    for entry in entries:
        by_book.setdefault(entry.account.config.name, []).append(entry)
    together: list[Column] = []
    for name, own in by_book.items():
        total, once = _distinct([keys.get(id(entry), entry.numbers) for entry in own])
        doubles[name] += total - once.size
        together.append(once)
        unique[name].append(_distinct([entry.numbers for entry in own])[1] if keys else once)
    total, once = _distinct(together)
    doubles[""] += total - once.size
    everything.extend(unique[name][-1] for name in by_book)


def _pairs(numbers: Column, texts: Column) -> Column:
    """Number and text in one."""
    return (texts << NUMBER_BITS) + numbers + ODD_MAX


def _distinct(columns: list[Column]) -> tuple[int, Column]:
    """How many values there are, and each once, sorted."""
    if not columns:
        return 0, np.empty(0, np.int64)
    values = np.sort(np.concatenate(columns))
    if not values.size:
        return 0, values
    first = np.empty(values.size, bool)
    first[0] = True
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return values.size, values[first]
