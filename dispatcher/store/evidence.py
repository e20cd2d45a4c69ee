"""A store's part of the evidence (core/results/evidence.py and message_evidence.py): parked reports with ids that
appear in no outcome, the chunks they may belong to, and returned attempts with a late answer.

Reads only, inside the caller's snapshot, and a bounded amount: PARKED_MAX parked entries a call, and the next call
continues behind them; an account with too many candidates is `crowded`, and nothing is concluded there.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.results.evidence import Candidate, LateAnswer, Numbers, Search, UnexplainedId, requests_of
from dispatcher.core.results.message_evidence import MessageSearch
from dispatcher.core.results.recipient_ids import IdRow
from dispatcher.core.results.reports import ParkedReports
from dispatcher.store.views import Evidence
from schemas.states import State
from schemas.topics import LANE_PARTITIONS

PARKED_MAX: Final = 5_000
PARKED_BYTES_MAX: Final = 8_000_000
"""Parked entries (a record's rows of one id) read in one call, and their bytes; the last id may be read in part."""

CANDIDATES_MAX: Final = 20_000
BATCHES_MAX: Final = 200


class Traces(Protocol):
    """The queries to a store, for one account."""

    def each(self, account: str) -> bool:
        """Whether the vendor gave any recipient an id of its own."""
        ...

    def nameless(self, account: str, candidates_max: int) -> list[Candidate]:
        """The chunks in which recipients may have an id that is not known, by batch and id. For `each`."""
        ...

    def ids_of(self, chunk_id: int) -> list[IdRow]:
        """The known ids of a chunk's recipients."""
        ...

    def gave(self, account: str, vendor_id: str) -> bool:
        """Whether a recipient of the account was given this id."""
        ...

    def segments(self, campaign: str) -> int:
        """The parts of the campaign's longest text; 1 if it is not known."""
        ...

    def late(self, account: str, answers_max: int) -> list[LateAnswer]:
        """Unknown chunks without an id whose recipients had a returned attempt that was accepted later."""
        ...

    def parked(self, account: str, after: str) -> Iterator[tuple[str, int, ParkedReports, int]]:
        """(vendor id, place, rows, bytes) behind the id `after`, by id and place; only ids that are in no outcome."""
        ...

    def named(self, account: str, vendor_id: str) -> list[Candidate]:
        """The chunks that have this id."""
        ...

    def candidates(self, account: str, candidates_max: int) -> list[Candidate]:
        """The chunks without a known id, by batch and id."""
        ...

    def numbers(self, batch: int) -> Numbers | None:
        """A batch's numbers in list order; None if they are missing."""
        ...


def search(store: Traces, account: str, after: str, *, each: bool) -> Evidence:
    """The traces of the account's unexplained ids behind `after`. `each`: its vendor gives an id to each recipient."""
    if each or store.each(account):
        return _search_messages(store, account, after)
    late = tuple(store.late(account, CANDIDATES_MAX))
    ids, more_after = _unexplained(store, account, after)
    if not ids:
        return Evidence(account=account, late=late, more_after=more_after)
    pieces = store.candidates(account, CANDIDATES_MAX + 1)
    found = requests_of(pieces)
    by_batch: dict[int, list[Candidate]] = {}
    for candidate in found:
        by_batch.setdefault(candidate.batch, []).append(candidate)
    if len(pieces) > CANDIDATES_MAX or len(by_batch) > BATCHES_MAX:
        return Evidence(account=account, late=late, more_after=more_after, crowded=True)
    looking = Search(ids)
    doubtful = {candidate.batch for candidate in found if candidate.state is State.UNKNOWN}
    for batch in doubtful:
        looking.look(store.numbers(batch), by_batch[batch])
    if looking.narrow():
        for batch in by_batch.keys() - doubtful:
            looking.look(store.numbers(batch), by_batch[batch])
    return Evidence(account=account, traces=tuple(looking.traces()), late=late, more_after=more_after)


def _search_messages(store: Traces, account: str, after: str) -> Evidence:
    ids, more_after = _unexplained(store, account, after)
    found = store.nameless(account, CANDIDATES_MAX + 1) if ids else []
    by_batch: dict[int, list[Candidate]] = {}
    for candidate in found:
        by_batch.setdefault(candidate.batch, []).append(candidate)
    if len(found) > CANDIDATES_MAX or len(by_batch) > BATCHES_MAX:
        return Evidence(account=account, more_after=more_after, crowded=True)
    looking = MessageSearch(ids)
    if any(candidate.state is State.UNKNOWN for candidate in found):
        for batch, candidates in by_batch.items():
            looking.look(
                store.numbers(batch),
                candidates,
                lambda chunk: _named(store, chunk),
                lambda chunk: _answers(store, chunk),
            )
    proofs = [
        proof
        for proof in looking.proofs(store.segments)
        if not any(store.gave(account, vendor_id) for vendor_id in proof.ids if vendor_id not in proof.answered)
    ]
    return Evidence(account=account, messages=tuple(proofs), more_after=more_after)


def _named(store: Traces, chunk: Candidate) -> NDArray[np.bool_]:
    """Which of its recipients have a known id."""
    named = np.zeros(chunk.count, np.bool_)
    for row in store.ids_of(chunk.id):
        named |= row.ids.named[: chunk.count]
    return named


def _answers(store: Traces, chunk: Candidate) -> dict[int, tuple[str, ...]]:
    """The ids of its recipients of which some parts have no answer, "" for these, by the place in the chunk."""
    rows = store.ids_of(chunk.id)
    complete = np.zeros(chunk.count, np.bool_)
    for row in rows:
        complete |= row.ids.complete[: chunk.count]
    answers: dict[int, tuple[str, ...]] = {}
    for row in rows:
        lacking = row.ids.named[: chunk.count] & ~complete
        if lacking.any():
            texts, parts = row.ids.all_texts(), row.ids.parts
            for place in np.flatnonzero(lacking).tolist():
                answers.setdefault(place, tuple(texts[place * parts : (place + 1) * parts]))
    return answers


def _unexplained(store: Traces, account: str, after: str) -> tuple[list[UnexplainedId], str]:
    """The next ids, and where the next call continues ("": at the beginning)."""
    entries: list[tuple[str, int, ParkedReports]] = []
    more_after, size = "", 0
    for vendor_id, place, parked, parked_bytes in store.parked(account, after):
        if len(entries) >= PARKED_MAX or size >= PARKED_BYTES_MAX:
            more_after = entries[-1][0]
            break
        entries.append((vendor_id, place, parked))
        size += parked_bytes
    found = []
    for vendor_id, group in groupby(entries, key=lambda entry: entry[0]):
        of_id = list(group)
        numbers = np.concatenate([np.frombuffer(parked.numbers, "<i8") for _, _, parked in of_id])
        named = np.unique(numbers[numbers != 0]).astype(np.int64, copy=False)
        if len(named):
            found.append(
                UnexplainedId(
                    vendor_id=vendor_id,
                    numbers=named,
                    reports=len(numbers),
                    first_offset=min(place for _, place, _ in of_id) // LANE_PARTITIONS,
                    first_ms=min(parked.at_ms for _, _, parked in of_id),
                    named=tuple(requests_of(store.named(account, vendor_id))),
                )
            )
    return found, more_after
