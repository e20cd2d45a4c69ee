"""The in-memory store's part of the evidence (store/evidence.py)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from dispatcher.core.results.evidence import Candidate, LateAnswer, Numbers
from dispatcher.core.results.journal import JoinedChunk
from dispatcher.core.results.recipient_ids import IdRow
from dispatcher.core.results.reports import ParkedReports, id_keys
from dispatcher.store.memory.rows import Kept
from schemas.states import State


class MemoryTraces:
    """See dispatcher.store.evidence.Traces."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def each(self, account: str) -> bool:
        return any(ids.account == account for ids in self._kept.recipient_ids.values())

    def nameless(self, account: str, candidates_max: int) -> list[Candidate]:
        found = [
            self._candidate(chunk) for chunk in _by_id(self._kept) if chunk.account == account and self._lacks(chunk)
        ]
        return sorted(found, key=lambda each: (each.batch, each.id))[:candidates_max]

    def _lacks(self, chunk: JoinedChunk) -> bool:
        """Whether some of its recipients may have an id that is not known."""
        if chunk.state == State.ACCEPTED:
            return not chunk.vendor_id and not self._kept.ids_of(chunk.id)
        return _has_no_id(chunk)

    def ids_of(self, chunk_id: int) -> list[IdRow]:
        return self._kept.ids_of(chunk_id)

    def gave(self, account: str, vendor_id: str) -> bool:
        key = id_keys([vendor_id])
        return any(
            np.isin(key, kept.row.ids.keys).any()
            for kept in self._kept.recipient_ids.values()
            if kept.account == account
        )

    def segments(self, campaign: str) -> int:
        found = self._kept.campaigns.get(campaign)
        return 1 if found is None or found.launched is None else found.launched.segments

    def late(self, account: str, answers_max: int) -> list[LateAnswer]:
        found = [
            LateAnswer(self._candidate(chunk), answered.vendor_id)
            for chunk in _by_id(self._kept)
            if chunk.account == account and _is_doubtful(chunk)
            for answered in _answered(self._kept, chunk)
        ]
        return found[:answers_max]

    def parked(self, account: str, after: str) -> Iterator[tuple[str, int, ParkedReports, int]]:
        told = {
            vendor_id
            for of, vendor_id, _, chunk_id in self._kept.vendor_ids
            if of == account and chunk_id in self._kept.chunks and self._kept.chunks[chunk_id].heard
        }
        for (of, vendor_id, place), parked in sorted(self._kept.parked.items(), key=lambda each: each[0]):
            if of == account and vendor_id > after and vendor_id not in told:
                yield vendor_id, place, parked, len(msgspec.msgpack.encode(parked))

    def named(self, account: str, vendor_id: str) -> list[Candidate]:
        return [
            self._candidate(self._kept.chunks[chunk_id])
            for *name, _, chunk_id in sorted(self._kept.vendor_ids)
            if name == [account, vendor_id] and chunk_id in self._kept.chunks
        ]

    def candidates(self, account: str, candidates_max: int) -> list[Candidate]:
        of_account = [chunk for chunk in _by_id(self._kept) if chunk.account == account]
        returned = [
            chunk for chunk in of_account if not chunk.vendor_id and chunk.state == State.QUEUED and chunk.since_ms
        ]
        found = [
            self._candidate(chunk) for chunk in of_account if _has_no_id(chunk) or _may_have_anothers(chunk, returned)
        ]
        return sorted(found, key=lambda each: (each.batch, each.id))[:candidates_max]

    def numbers(self, batch: int) -> Numbers | None:
        found = self._kept.numbers.get(batch)
        return None if found is None else np.frombuffer(found, np.int64)

    def _candidate(self, chunk: JoinedChunk) -> Candidate:
        return Candidate(
            id=chunk.id,
            batch=chunk.batch,
            campaign=self._kept.batches[chunk.batch].campaign,
            start=chunk.start,
            count=chunk.count,
            state=State(chunk.state),
            at_ms=chunk.at_ms,
        )


def in_doubt(kept: Kept) -> list[str]:
    """The accounts with unknown chunks without an id, and possible evidence."""
    parked = {account for account, _, _ in kept.parked}
    doubtful = [chunk for chunk in kept.chunks.values() if _is_doubtful(chunk)]
    return sorted({chunk.account for chunk in doubtful if chunk.account in parked or _answered(kept, chunk)})


def _by_id(kept: Kept) -> list[JoinedChunk]:
    return [chunk for _, chunk in sorted(kept.chunks.items())]


def _is_doubtful(chunk: JoinedChunk) -> bool:
    return chunk.state == State.UNKNOWN and not chunk.vendor_id


def _answered(kept: Kept, chunk: JoinedChunk) -> list[JoinedChunk]:
    """Attempts for its recipients that were returned to the queue and then accepted by a late answer."""
    return [
        other
        for other in _by_id(kept)
        if (other.batch, other.account, other.state) == (chunk.batch, chunk.account, State.QUEUED)
        and other.heard
        and other.vendor_id
        and other.start <= chunk.start
        and other.end >= chunk.end
    ]


def _has_no_id(chunk: JoinedChunk) -> bool:
    """In flight, accepted, unknown; or queued again after being unknown. All without an id."""
    queued_again = chunk.state == State.QUEUED and chunk.since_ms != 0
    return not chunk.vendor_id and (chunk.state in (State.IN_FLIGHT, State.ACCEPTED, State.UNKNOWN) or queued_again)


def _may_have_anothers(chunk: JoinedChunk, returned: list[JoinedChunk]) -> bool:
    """Resolved as sent with an id that may be another attempt's: then its own id is not known."""
    return (
        chunk.state == State.ACCEPTED
        and not chunk.heard
        and bool(chunk.vendor_id)
        and any(
            other.batch == chunk.batch and chunk.start < other.end and chunk.end > other.start for other in returned
        )
    )
