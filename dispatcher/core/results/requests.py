"""An account's requests around a time, folded from its lane's journal: under which ids they were taken, if known. Pure.

For the search in a vendor's history (dispatcher/core/results/history.py): messages that these do not explain may belong
to an unknown request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from dispatcher.core.lane.gate import TTL_MAX_S
from dispatcher.core.ranges import Ranges, both, without
from dispatcher.core.results.history import Numbers, Other, Span, span
from schemas.records import AnyRecord, Effect, Intent, Outcome, Outcomes, Resolved, ResolvedAs

AFTERWARDS_MS: Final = 600_000
"""How long after the time outcomes are read; later ones count as unknown, and nothing is guessed."""


class _Request(msgspec.Struct):
    """An intent and its results. `open`: the positions of recipients without a definite one. `taken`: the ids of those
    that the vendor took; `nameless`: it took some without an id.
    """

    intent: Intent
    open: Ranges
    taken: set[str] = msgspec.field(default_factory=set)
    nameless: bool = False

    @property
    def gone(self) -> bool:
        """Whether the vendor took nothing of it."""
        return not self.open and not self.taken and not self.nameless

    @property
    def ids(self) -> frozenset[str] | None:
        """The ids of all that it took; None if they are not known."""
        return None if self.open or self.nameless else frozenset(self.taken)

    def result(self, start: int, count: int, vendor_ids: Sequence[str], *, taken: bool) -> None:
        """The vendor took these recipients, with these ids, or it did not; the first such result of each counts."""
        concerned = both(self.open, ((start, count),))
        self.open = without(self.open, concerned)
        for at, size in concerned if taken else ():
            named = vendor_ids[at - start : at - start + size]
            self.taken.update(filter(None, named))
            self.nameless |= not named or not all(named)


class RequestTime(msgspec.Struct, frozen=True):
    """How long after the request to append its intent a request may end: the intent's time to live, then the time-outs.

    `ttl_ms` is for intents without their own.
    """

    ttl_ms: int
    timeout_ms: int

    def of_ms(self, intent: Intent) -> int:
        """The longest from this intent to the end of its request."""
        return (intent.ttl_ms or self.ttl_ms) + self.timeout_ms

    @property
    def most_ms(self) -> int:
        """The longest of any."""
        return max(self.ttl_ms, round(TTL_MAX_S * 1000)) + self.timeout_ms


class Requests:
    """The requests of an account that can have been sent in `whole`."""

    def __init__(self, account: str, whole: Span, takes: RequestTime) -> None:
        self._account = account
        self._whole = whole
        self._takes = takes
        self._requests: dict[int, _Request] = {}

    def is_after(self, record: AnyRecord) -> bool:
        """Whether this record is so late that later ones need not be read."""
        return isinstance(record, Intent) and record.at_ms > self._whole.end_ms + AFTERWARDS_MS

    def apply(self, offset: int, record: AnyRecord) -> None:
        """The journal's record at this offset, in order."""
        match record:
            case Intent() if record.account == self._account:
                if span(record.at_ms, record.at_ms + self._takes.of_ms(record)).overlaps(self._whole):
                    self._requests[offset] = _Request(record, without(((0, record.count),), record.left_out))
            case Outcome() if (request := self._requests.get(record.intent)) is not None:
                if record.effect != Effect.UNKNOWN:
                    taken = record.effect == Effect.ACCEPTED
                    request.result(0, request.intent.count, record.vendor_ids, taken=taken)
            case Outcomes() if (request := self._requests.get(record.intent)) is not None:
                at = 0
                for run in record.runs:
                    if run.effect != Effect.UNKNOWN:
                        ids = record.vendor_ids[at : at + run.count]
                        request.result(run.start, run.count, ids, taken=run.effect == Effect.ACCEPTED)
                    at += run.count
            case Resolved() if (request := self._requests.get(record.intent)) is not None:
                if record.verdict == ResolvedAs.SENT and record.vendor_ids:
                    at = 0
                    for start, count in record.ranges or ((0, request.intent.count),):
                        request.result(start, count, record.vendor_ids[at : at + count], taken=True)
                        at += count

    @property
    def nameless(self) -> dict[int, Intent]:
        """The requests without known ids; without those that the vendor provably did not take."""
        return {at: each.intent for at, each in self._requests.items() if not each.gone and each.ids is None}

    def others(self, numbers: Mapping[int, Numbers]) -> list[Other]:
        """All requests except those that were not taken; `numbers` are the recipients of those without ids."""
        return [
            Other(
                intent=at,
                when=self._when(request.intent),
                ids=request.ids,
                numbers=numbers.get(at),
                job=request.intent.job,
                start=request.intent.start,
                count=request.intent.count,
            )
            for at, request in self._requests.items()
            if not request.gone
        ]

    def _when(self, intent: Intent) -> Span:
        """The vendor's clock may differ from ours, so a request may be anywhere in the queried time."""
        when = span(intent.at_ms, intent.at_ms + self._takes.of_ms(intent))
        return Span(min(when.start_ms, self._whole.start_ms), max(when.end_ms, self._whole.end_ms))
