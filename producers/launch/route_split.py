"""Splits batches between the accounts of a route, in proportion to their flow. Pure and exact: no floats.

Every batch is sliced between the accounts. The next batch makes up for what rounding, or a vendor's least numbers per
request, kept from an account, so the totals match the proportion to within one slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from schemas.batch import RECIPIENTS_MAX


class AccountRate(msgspec.Struct, frozen=True):
    """One account of a route: its recipients per second, and the least one request of its vendor may carry."""

    account: str
    rate: Fraction
    numbers_min: int = 1


class Slice(msgspec.Struct, frozen=True):
    """Recipients [start, start+count) of batch `batch` are for `account`."""

    account: str
    batch: int
    start: int
    count: int


def batch_sizes(recipients: int, numbers_min: int = 1) -> list[int]:
    """The sizes of the batches: full ones and a rest of at least `numbers_min`."""
    full, rest = divmod(recipients, RECIPIENTS_MAX)
    sizes = [RECIPIENTS_MAX] * full + ([rest] if rest else [])
    if full and 0 < rest < numbers_min:
        sizes[-2:] = [RECIPIENTS_MAX + rest - numbers_min, numbers_min]
    return sizes


def split_route(sizes: Sequence[int], shares: Sequence[AccountRate]) -> list[Slice]:
    """The parts of every batch, in order; together they cover each batch exactly once."""
    whole = sum((share.rate for share in shares), Fraction(0))
    given = [0] * len(shares)
    parts: list[Slice] = []
    before = 0
    for batch, size in enumerate(sizes):
        before += size
        due = [share.rate * before / whole - had for share, had in zip(shares, given, strict=True)]
        counts = _merged(_rounded(due, size), shares)
        start = 0
        for index, count in enumerate(counts):
            if count:
                parts.append(Slice(shares[index].account, batch, start, count))
                given[index] += count
                start += count
    return parts


def split_by_rules(
    sizes: Sequence[int], rule_of_batch: Sequence[int], rules: Sequence[Sequence[AccountRate]]
) -> list[Slice]:
    """The same where each batch has a rule of its own: the accounts that share it, and their shares."""
    parts = []
    for rule, shares in enumerate(rules):
        mine = [batch for batch, its_rule in enumerate(rule_of_batch) if its_rule == rule]
        for part in split_route([sizes[batch] for batch in mine], shares):
            parts.append(Slice(part.account, mine[part.batch], part.start, part.count))
    return sorted(parts, key=lambda part: (part.batch, part.start))


def _rounded(due: Sequence[Fraction], size: int) -> list[int]:
    """Whole numbers near `due`, none below 0, that add up to `size` (largest remainders first)."""
    counts = [max(0, int(amount)) for amount in due]
    by_need = sorted(range(len(due)), key=lambda index: (counts[index] - due[index], index))
    for index in by_need:
        counts[index] += min(1, max(0, size - sum(counts)))
    for index in reversed(by_need):  # an account far ahead of its share was raised to 0: the others yield
        counts[index] -= min(counts[index], max(0, sum(counts) - size))
    counts[by_need[0]] += size - sum(counts)
    return counts


def _merged(counts: list[int], shares: Sequence[AccountRate]) -> list[int]:
    """A slice below its account's least goes to the largest one."""
    for index, share in enumerate(shares):
        if 0 < counts[index] < share.numbers_min:
            rest, counts[index] = counts[index], 0
            others = [other for other in range(len(counts)) if other != index]
            largest = max(others, key=lambda other: (counts[other], -other), default=index)
            counts[largest] += rest
    return counts
