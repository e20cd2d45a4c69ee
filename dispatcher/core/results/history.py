"""History: which recipients of an unknown chunk the vendor sent to, and under which ids (vendors.md 1.9).

For vendors with an id per recipient and a history. A recipient was taken if exactly one message to its number, within
the time in which the chunk can have been sent, is not explained by another request of ours; or at most one per attempt,
if the chunk was sent again. If a request to other recipients, with unknown ids, may have texted the number then, too,
nothing is guessed. A recipient missing from the history proves nothing: it may lag, and a wrong guess texts twice.

Pure. Weak spot: another program's message with the same text, on the same account, to a number of an unknown chunk, at
that time, looks like that chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.shanghai import DAY_MS, SHANGHAI_MS

SECOND_MS: Final = 1_000

Numbers = NDArray[np.int64]


class Span(msgspec.Struct, frozen=True, order=True):
    """Unix milliseconds [start, end), whole seconds of the vendor's."""

    start_ms: int
    end_ms: int

    def overlaps(self, other: Span) -> bool:
        """Whether they have a moment in common."""
        return self.start_ms < other.end_ms and other.start_ms < self.end_ms


def span(start_ms: int, end_ms: int) -> Span:
    """The whole seconds that hold these milliseconds."""
    return Span(start_ms // SECOND_MS * SECOND_MS, -(-end_ms // SECOND_MS) * SECOND_MS)


def windows(whole: Span, window_ms: int) -> Iterator[Span]:
    """The span in windows a vendor takes: at most `window_ms` each, none across a midnight of Shanghai."""
    at = whole.start_ms
    while at < whole.end_ms:
        midnight = (at + SHANGHAI_MS) // DAY_MS * DAY_MS + DAY_MS - SHANGHAI_MS
        end = min(at + window_ms, midnight, whole.end_ms)
        yield Span(at, end)
        at = end


def halves(window: Span) -> tuple[Span, ...]:
    """The window's halves, if a vendor cannot return all of it at once; none if it is a second."""
    middle = (window.start_ms + window.end_ms) // 2 // SECOND_MS * SECOND_MS
    if not window.start_ms < middle < window.end_ms:
        return ()
    return Span(window.start_ms, middle), Span(middle, window.end_ms)


class SentMessage(msgspec.Struct, frozen=True, gc=False):
    """A message that the vendor sent. `text` is "" if not given."""

    vendor_id: str
    number: int
    sent_ms: int
    text: str = ""


class HistoryTarget(msgspec.Struct, frozen=True, kw_only=True):
    """An unknown chunk: its recipients in order, 0 for those it leaves out; when it can have been sent, its text ("":
    each has its own).

    They are the recipients of job `job` from `start` on.
    """

    intent: int
    numbers: Numbers
    when: Span
    text: str = ""
    job: int = -1
    start: int = 0

    def is_again(self, other: Other) -> bool:
        """Whether the other request was an earlier attempt for some or all of the same recipients."""
        end = self.start + len(self.numbers)
        return self.job == other.job and other.start < end and self.start < other.start + other.count


class Other(msgspec.Struct, frozen=True, kw_only=True):
    """Another request of ours: the ids in its answer or, if unknown, its numbers.

    `numbers` None: unknown, too; then it may have texted any number. It was sent to `count` recipients of job `job`
    from `start` on.
    """

    intent: int
    when: Span
    ids: frozenset[str] | None = None
    numbers: Numbers | None = None
    job: int = -2
    start: int = 0
    count: int = 0


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The history's result for a chunk: an id for each recipient in order, "" if it has none or more than one.

    `sought`: how many recipients its request had.
    """

    vendor_ids: tuple[str, ...]
    sought: int

    @property
    def found(self) -> int:
        """Recipients that were taken."""
        return sum(map(bool, self.vendor_ids))

    @property
    def whole(self) -> bool:
        """Whether all of them were taken."""
        return self.found == self.sought


def find(asked: HistoryTarget, told: Sequence[SentMessage], others: Sequence[Other]) -> Finding:
    """The recipients of this chunk that the vendor texted. `others`: all requests of the account around that time.

    Earlier attempts for the same recipients are not rivals: any of them texted the recipient.
    """
    sought = int(np.count_nonzero(asked.numbers))
    around = [other for other in others if other.intent != asked.intent and other.when.overlaps(asked.when)]
    rivals = [other for other in around if not asked.is_again(other)]
    if any(other.ids is None and other.numbers is None for other in rivals):
        return Finding(vendor_ids=("",) * len(asked.numbers), sought=sought)
    explained = {vendor_id for other in rivals if other.ids is not None for vendor_id in other.ids}
    contested = {
        int(number)
        for other in rivals
        if other.ids is None and other.numbers is not None
        for number in np.intersect1d(other.numbers, asked.numbers)
    }
    attempts = np.ones(len(asked.numbers), np.int64)
    for other in around:
        if asked.is_again(other):
            attempts[max(0, other.start - asked.start) : max(0, other.start + other.count - asked.start)] += 1
    ids: dict[int, dict[str, int]] = {
        int(number): {} for number in asked.numbers if number and int(number) not in contested
    }
    holders: dict[str, set[int]] = {}
    for row in told:
        if not asked.when.start_ms <= row.sent_ms < asked.when.end_ms or row.vendor_id in explained:
            continue
        holders.setdefault(row.vendor_id, set()).add(row.number)
        if row.number in ids and _same(asked.text, row.text):
            ids[row.number][row.vendor_id] = row.sent_ms
    found = []
    for number, most in zip(asked.numbers.tolist(), attempts.tolist(), strict=True):
        its = ids.get(number, {})
        sure = 0 < len(its) <= most and all(len(holders[each]) == 1 for each in its)
        found.append(max(its, key=lambda each: (its[each], each)) if sure else "")
    return Finding(vendor_ids=tuple(found), sought=sought)


def _same(ours: str, theirs: str) -> bool:
    """Whether a text can be ours: a vendor may add a signature, or cut it off."""
    mine, said = "".join(ours.split()), "".join(theirs.split())
    return not mine or not said or mine in said or said in mine
