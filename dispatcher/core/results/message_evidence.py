"""Evidence by recipient: which recipients of unknown chunks were texted, by reports with ids that no outcome has.

For vendors with an id for each recipient, whose reports carry the number, too. Such a report is of one message. All
recipients with its number in chunks whose ids are not known are candidates; if they are one recipient and attempts for
it, the recipient was texted. In every other case nothing is guessed. Any part of a long message proves it, unless some
of its parts have an answer: then there must be a report under a new id for each part that has none.

Pure. The caller ensures that every intent is known that was on the log before the first report of the id.

Weak spots: another program's message on the same account to the number of an unknown recipient looks like ours; parts
whose reports come more than PARTS_WITHIN_MS after the first one's are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.results.evidence import CLOCKS_APART_MS, Candidate, Numbers, UnexplainedId
from dispatcher.core.results.places import PIECES, chunk_of, intent_of
from schemas.records import Decided, ResolvedAs
from schemas.states import State

PARTS_WITHIN_MS: Final = 60_000
_ID_END: Final = 2**64


class MessageProof(msgspec.Struct, frozen=True, kw_only=True):
    """The recipient at `position` of its batch was texted, under these `ids`, one for each part that was reported or
    answered; `answered` are the latter.

    `chunk` is its unknown chunk or piece. `first_offset` and `first_ms` are those of the last id's first report.
    """

    chunk: Candidate
    position: int
    number: int
    ids: tuple[str, ...]
    segments: int
    first_offset: int
    first_ms: int
    answered: frozenset[str] = frozenset()

    @property
    def place(self) -> int:
        """The id that a piece of this recipient alone has."""
        return self.chunk.id + self.position - self.chunk.start

    def is_complete(self, now_ms: int) -> bool:
        """Whether no report of another part is awaited."""
        return len(self.ids) >= self.segments or now_ms - self.first_ms >= PARTS_WITHIN_MS


class _Holder(msgspec.Struct, frozen=True):
    """A recipient with the number of an id. `is_open`: unknown, and the id of a part of it is not known.

    `answers`: the ids of its parts, "" where one is not known; empty if none is known.
    """

    chunk: Candidate
    position: int
    is_open: bool
    answers: tuple[str, ...] = ()


class MessageSearch:
    """Finds the recipients of many ids at once: `look` at every batch with candidates, in any order."""

    def __init__(self, ids: Sequence[UnexplainedId]) -> None:
        self._ids: dict[int, list[UnexplainedId]] = {}
        for of in ids:
            if len(of.numbers) == 1 and _is_number(of.vendor_id):
                self._ids.setdefault(int(of.numbers[0]), []).append(of)
        self._holders: dict[int, list[_Holder]] = {}
        self._is_lost = False

    def look(
        self,
        numbers: Numbers | None,
        candidates: Sequence[Candidate],
        named: Callable[[Candidate], NDArray[np.bool_]],
        answers: Callable[[Candidate], Mapping[int, tuple[str, ...]]] = lambda chunk: {},
    ) -> None:
        """One batch's numbers, in list order, and the candidates of it; `named`: which recipients of one have an id.

        `answers`: the ids of those that lack some of them, by their place in the candidate, "" where one is not known.
        `numbers` None: they are missing on the log. Then these candidates may hold any number.
        """
        if numbers is None:
            self._is_lost = True
            return
        at = np.flatnonzero(np.isin(numbers, np.fromiter(self._ids, np.int64, len(self._ids))))
        for chunk in candidates:
            low, high = np.searchsorted(at, (chunk.start, chunk.start + chunk.count)).tolist()
            if low == high:
                continue
            is_unknown = chunk.state is State.UNKNOWN
            has_id = named(chunk) if is_unknown else np.ones(chunk.count, np.bool_)
            answered = answers(chunk) if is_unknown else {}
            for position in at[low:high].tolist():
                place = position - chunk.start
                its = answered.get(place, ())
                holder = _Holder(chunk, position, bool(its) or not has_id[place], its)
                self._holders.setdefault(int(numbers[position]), []).append(holder)

    def proofs(self, segments: Callable[[str], int]) -> list[MessageProof]:
        """The recipients that were texted. `segments`: the parts of a campaign's longest text."""
        if self._is_lost:
            return []
        found = []
        for number, holders in self._holders.items():
            unknown = [holder for holder in holders if holder.is_open]
            if len(unknown) != 1 or len({(each.chunk.batch, each.position) for each in holders}) != 1:
                continue
            earliest_ms = min(each.chunk.at_ms for each in holders) - CLOCKS_APART_MS
            ids = sorted(
                (of for of in self._ids[number] if of.first_ms >= earliest_ms),
                key=lambda of: (of.first_offset, of.first_ms, int(of.vendor_id)),
            )
            answers = unknown[0].answers
            if answers:
                ids = [of for of in ids if of.vendor_id not in answers]
                parts, is_proven = len(answers), len(ids) == answers.count("")
            else:
                parts = max(1, segments(unknown[0].chunk.campaign))
                is_proven = len(ids) <= parts * len(holders)  # else more than our attempts can have: one is foreign
            if not ids or not is_proven:
                continue
            kept = ids[:parts]
            missing = iter(kept)
            found.append(
                MessageProof(
                    chunk=unknown[0].chunk,
                    position=unknown[0].position,
                    number=number,
                    ids=tuple(vendor_id or next(missing).vendor_id for vendor_id in answers or ("",) * len(kept)),
                    segments=parts,
                    first_offset=max(of.first_offset for of in kept),
                    first_ms=max(of.first_ms for of in kept),
                    answered=frozenset(answers),
                )
            )
        return sorted(found, key=lambda proof: proof.place)


def decision_about(account: str, proofs: Sequence[MessageProof], at_ms: int, by: str, why: str) -> Decided:
    """The proofs of recipients of one chunk as a decision for the lane's owner."""
    proofs = sorted(proofs, key=lambda proof: proof.place)
    parts = max(len(proof.ids) for proof in proofs)
    ids = [int(vendor_id) for proof in proofs for vendor_id in (*proof.ids, *("0",) * (parts - len(proof.ids)))]
    ranges: list[tuple[int, int]] = []
    for position in (proof.place % PIECES for proof in proofs):
        if ranges and sum(ranges[-1]) == position:
            ranges[-1] = (ranges[-1][0], ranges[-1][1] + 1)
        else:
            ranges.append((position, 1))
    return Decided(
        account=account,
        campaign=proofs[0].chunk.campaign,
        intents=(intent_of(chunk_of(proofs[0].place))[1],),
        verdict=ResolvedAs.SENT,
        at_ms=at_ms,
        by=by,
        why=why,
        ranges=tuple(ranges),
        ids=np.array(ids, np.uint64).astype("<u8").tobytes(),
        parts=parts,
    )


def _is_number(vendor_id: str) -> bool:
    """Whether it is an id as a record's column of numbers can hold it."""
    is_plain = vendor_id.isascii() and vendor_id.isdigit() and len(vendor_id) <= 20
    return is_plain and vendor_id == str(int(vendor_id)) and 0 < int(vendor_id) < _ID_END
