"""Ranges of recipients: (start, count) pairs, ascending and disjoint, as the records have them. Pure."""

from __future__ import annotations

Ranges = tuple[tuple[int, int], ...]


def both(ranges: Ranges, others: Ranges) -> Ranges:
    """The positions that are in both."""
    found = []
    left, right = iter(ranges), iter(others)
    one, other = next(left, None), next(right, None)
    while one is not None and other is not None:
        start, end = max(one[0], other[0]), min(one[0] + one[1], other[0] + other[1])
        if start < end:
            found.append((start, end - start))
        if one[0] + one[1] <= end:
            one = next(left, None)
        else:
            other = next(right, None)
    return tuple(found)


def without(ranges: Ranges, others: Ranges) -> Ranges:
    """The positions of `ranges` that are not in `others`."""
    if not ranges or not others:
        return ranges
    gaps = []
    at = ranges[0][0]
    for start, count in others:
        if start > at:
            gaps.append((at, start - at))
        at = max(at, start + count)
    end = ranges[-1][0] + ranges[-1][1]
    if at < end:
        gaps.append((at, end - at))
    return both(ranges, tuple(gaps))


def spread(ranges: Ranges, start: int, count: int) -> Ranges:
    """The positions of `count` members of these ranges, from their member number `start` on."""
    found = []
    for first, size in ranges:
        begin, end = max(start, 0), min(start + count, size)
        if begin < end:
            found.append((first + begin, end - begin))
        start -= size
        if start + count <= 0:
            break
    return tuple(found)


def total(ranges: Ranges) -> int:
    """How many positions these are."""
    return sum(count for _, count in ranges)
