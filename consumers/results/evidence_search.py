"""Looks for evidence beside the join: reports with ids that appear in no outcome prove which unknown chunks were taken.

A proof (dispatcher/core/results/evidence.py) goes to the lane's owner as a Decided in its inbox; only the owner
resolves. A report may be read before the journal record that explains it, so a conclusion counts only after the journal
is folded up to where it ended when the report was there: every intent is on the log before its request.

A repeated decision is harmless; one without effect (the lane does not run) is repeated at growing intervals.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from typing import Final

import msgspec

from dispatcher.core.backoff import Backoff
from dispatcher.core.results.evidence import Proof, conclude
from dispatcher.core.results.message_evidence import MessageProof, decision_about
from dispatcher.core.results.places import chunk_of, intent_of
from dispatcher.core.wire_number import to_wire
from dispatcher.errors import DispatcherError, LogDamaged, LogNewer
from dispatcher.log.port import Entry, Log
from dispatcher.loggers import get_logger
from dispatcher.masking import masked_number
from dispatcher.store.port import StoreReader
from schemas.codec import encode
from schemas.records import Decided, ResolvedAs
from schemas.topics import JOBS, LANES, REPORTS, lane_partition

LOOK_EVERY_S: Final = 2.0
AGAIN: Final = Backoff(60.0, 6 * 3600.0)
BY: Final = "evidence"

_log = get_logger("evidence")


class _Due(msgspec.Struct, frozen=True):
    """Reports before offset `reports` may be judged after the journal is folded up to `journal`."""

    reports: int
    journal: int


class EvidenceWatch:
    """One joiner's search. It uses `reader` alone.

    `ids_each`: accounts whose vendor gives every recipient an id. There a report proves one message only.
    `is_wanted`: look again as soon as LOOK_EVERY_S is over, although nothing new was read meanwhile.
    """

    def __init__(
        self,
        log: Log,
        reader: StoreReader,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        ids_each: Collection[str] = (),
    ) -> None:
        self._log = log
        self._reader = reader
        self._now_ms = now_ms
        self._ids_each = frozenset(ids_each)
        self._looked_s = float("-inf")
        self.is_wanted = False
        self._due: dict[int, _Due] = {}
        self._after: dict[str, str] = {}
        self._told: dict[int, tuple[float, int]] = {}  # chunk or recipient -> not again before, how often it was sent
        self._said: set[str] = set()

    async def look(self, now_s: float) -> None:
        """A bounded search, if the last one is LOOK_EVERY_S ago (`now_s`: monotonic). Raises LogNewer, LogDamaged."""
        if now_s - self._looked_s < LOOK_EVERY_S:
            self.is_wanted = True
            return
        self._looked_s = now_s
        try:
            accounts = await asyncio.to_thread(self._reader.in_doubt)
            self.is_wanted = bool(accounts)
            if not accounts:
                self._told.clear()
            for account in accounts:
                await self._look_at(account, now_s)
        except (LogNewer, LogDamaged):
            raise
        except DispatcherError as error:
            _log.warning("no evidence now, trying again", error=str(error))

    async def _look_at(self, account: str, now_s: float) -> None:
        partition = lane_partition(account)
        offsets = await asyncio.to_thread(self._reader.offsets)
        due = self._due.get(partition)
        if due is None:
            journal = await self._log.end(LANES.name, partition)
            due = self._due[partition] = _Due(offsets.get((REPORTS.name, partition), 0), journal)
        if offsets.get((LANES.name, partition), 0) < due.journal:
            return
        found = await asyncio.to_thread(
            self._reader.evidence, account, self._after.get(account, ""), each=account in self._ids_each
        )
        self._after[account] = found.more_after
        del self._due[partition]
        if found.crowded and account not in self._said:
            self._said.add(account)
            _log.warning("too many requests without an id to find evidence among; decide by hand", account=account)
        proofs = conclude(found.traces, found.late)
        known = [proof for proof in proofs if proof.of is None or proof.of.first_offset < due.reports]
        at_ms = self._now_ms()
        messages = [proof for proof in found.messages if proof.first_offset < due.reports and proof.is_complete(at_ms)]
        await self._tell(account, [*_by_chunk(known), *_by_message(messages)], now_s, at_ms)

    async def _tell(self, account: str, proven: Iterable[_Conclusion], now_s: float, at_ms: int) -> None:
        untold = [each for each in proven if any(self._is_untold(place, now_s) for place in each.places)]
        if not untold:
            return
        records = [_decision(account, each.of, at_ms) for each in untold]
        await self._log.append(
            JOBS.name, lane_partition(account), [Entry(account.encode(), encode(record)) for record in records]
        )
        for each, record in zip(untold, records, strict=True):
            for place in each.places:
                times = self._told.get(place, (0.0, 0))[1] + 1
                self._told[place] = (now_s + AGAIN.pause_s(times), times)
            _log.info(
                "taken after all",
                account=account,
                campaign=record.campaign,
                intent=record.intents[0],
                recipients=each.of.chunk.recipients if isinstance(each.of, Proof) else len(each.of),
                vendor_id=record.vendor_id,
            )

    def _is_untold(self, place: int, now_s: float) -> bool:
        not_before_s, _ = self._told.get(place, (float("-inf"), 0))
        return now_s >= not_before_s


class _Conclusion(msgspec.Struct, frozen=True):
    """What one decision is about: a chunk, or recipients of one; and their places, by which it is remembered."""

    of: Proof | list[MessageProof]
    places: list[int]


def _by_chunk(proofs: Iterable[Proof]) -> list[_Conclusion]:
    return [_Conclusion(proof, [proof.chunk.id]) for proof in proofs]


def _by_message(proofs: Iterable[MessageProof]) -> list[_Conclusion]:
    together: dict[int, list[MessageProof]] = {}
    for proof in proofs:
        together.setdefault(chunk_of(proof.place), []).append(proof)
    return [_Conclusion(of_chunk, [proof.place for proof in of_chunk]) for of_chunk in together.values()]


def _decision(account: str, of: Proof | list[MessageProof], at_ms: int) -> Decided:
    return decision(account, of, at_ms) if isinstance(of, Proof) else message_decision(account, of, at_ms)


def message_decision(account: str, proofs: list[MessageProof], at_ms: int) -> Decided:
    """Proofs of recipients of one chunk as a decision for the lane's owner."""
    example = masked_number(to_wire(proofs[0].number))
    whose = f"the number {example}" if len(proofs) == 1 else f"{len(proofs):,} numbers, for example {example}"
    why = f"reports came under ids that no answer gave, for {whose}; no other recipient without a known id has it"
    return decision_about(account, proofs, at_ms, BY, why)


def decision(account: str, proof: Proof, at_ms: int) -> Decided:
    """A proof as a decision for the lane's owner."""
    return Decided(
        account=account,
        campaign=proof.chunk.campaign,
        intents=(intent_of(proof.chunk.id)[1],),
        verdict=ResolvedAs.SENT,
        at_ms=at_ms,
        by=BY,
        why=_why(proof),
        vendor_id=proof.vendor_id,
    )


def _why(proof: Proof) -> str:
    if proof.of is None:
        return f"the vendor took an earlier attempt of the same recipients after all, under the id {proof.vendor_id}"
    numbers = proof.of.numbers
    example = masked_number(to_wire(int(numbers[0])))
    held = f"the number {example}"
    if len(numbers) > 1:
        held = f"all {len(numbers):,} numbers reported under it, for example {example}"
    whose = "only this one has" if proof.attempts == 1 else "only attempts of these recipients have"
    return (
        f"reports came under the id {proof.vendor_id}, which no answer gave; of all requests without a "
        f"known id, {whose} {held}"
    )
