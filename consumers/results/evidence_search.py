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
from dispatcher.core.results.places import intent_of
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

    `ids_each`: accounts whose vendor gives every recipient an id. There a report proves one message only, and the lane
    queries the vendor's history instead (consumers/lanes/history_watch.py).
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
        self._due: dict[int, _Due] = {}
        self._after: dict[str, str] = {}
        self._told: dict[int, tuple[float, int]] = {}  # chunk -> not again before, and how often it was sent
        self._said: set[str] = set()

    async def look(self, now_s: float) -> None:
        """A bounded search, if the last one is LOOK_EVERY_S ago (`now_s`: monotonic). Raises LogNewer, LogDamaged."""
        if now_s - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = now_s
        try:
            accounts = await asyncio.to_thread(self._reader.in_doubt)
            if not accounts:
                self._told.clear()
            for account in accounts:
                if account not in self._ids_each:
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
        found = await asyncio.to_thread(self._reader.evidence, account, self._after.get(account, ""))
        self._after[account] = found.more_after
        del self._due[partition]
        if found.crowded and account not in self._said:
            self._said.add(account)
            _log.warning("too many requests without an id to find evidence among; decide by hand", account=account)
        proofs = conclude(found.traces, found.late)
        known = [proof for proof in proofs if proof.of is None or proof.of.first_offset < due.reports]
        await self._tell(account, [proof for proof in known if self._untold(proof, now_s)], now_s)

    def _untold(self, proof: Proof, now_s: float) -> bool:
        not_before_s, _ = self._told.get(proof.chunk.id, (float("-inf"), 0))
        return now_s >= not_before_s

    async def _tell(self, account: str, proofs: Iterable[Proof], now_s: float) -> None:
        at_ms = self._now_ms()
        records = [(proof.chunk, decision(account, proof, at_ms)) for proof in proofs]
        if not records:
            return
        entries = [Entry(account.encode(), encode(record)) for _, record in records]
        await self._log.append(JOBS.name, lane_partition(account), entries)
        for chunk, record in records:
            times = self._told.get(chunk.id, (0.0, 0))[1] + 1
            self._told[chunk.id] = (now_s + AGAIN.pause_s(times), times)
            _log.info(
                "taken after all",
                account=account,
                campaign=record.campaign,
                intent=record.intents[0],
                recipients=chunk.count,
                vendor_id=record.vendor_id,
            )


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
