"""The store in memory, reading side (port.py: StoreReader): every call reads what was committed when it began."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

import msgspec
import numpy as np

from dispatcher import clock
from dispatcher.core.campaigns import campaign_of
from dispatcher.core.results.inbound import DEFAULT_BOUNDS
from dispatcher.core.waves.requests import RequestColumns
from dispatcher.errors import StoreError
from dispatcher.store.campaign_view import CampaignNow, campaign_view
from dispatcher.store.evidence import search
from dispatcher.store.meanings import Meaning
from dispatcher.store.memory import evidence, inbound
from dispatcher.store.memory.rows import Kept, KeptBatch, KeptCampaign
from dispatcher.store.memory.tables import Memory
from dispatcher.store.pages import NOT_LOADED, PagedBatch, paint, reject_page, selected, sightings
from dispatcher.store.sent_requests import RequestRows
from dispatcher.store.unknown_chunks import UnknownPiece, unknown_chunks
from dispatcher.store.views import (
    CampaignView,
    DeadCount,
    DeadLetter,
    Evidence,
    InboundFilter,
    InboundMarks,
    InboundMessage,
    InboundTally,
    Move,
    Oddity,
    Page,
    RejectPage,
    ReportCounts,
    Sighting,
    UnknownChunk,
)
from schemas.records import Launched
from schemas.states import State


class MemoryReader:
    """See dispatcher.store.port.StoreReader."""

    def __init__(
        self,
        memory: Memory,
        no_report_after_s: float,
        meaning: Meaning,
        parts_within_ms: int = DEFAULT_BOUNDS.parts_within_ms,
    ) -> None:
        self._memory = memory
        self._no_report_after_ms = int(no_report_after_s * 1000)
        self._meaning = meaning
        self._parts_within_ms = parts_within_ms
        self._open = True

    @property
    def url(self) -> str:
        return f"memory:{self._memory.name}"

    @property
    def is_there(self) -> bool:
        return True

    def close(self) -> None:
        self._open = False

    @property
    def _kept(self) -> Kept:
        if not self._open:
            raise StoreError("the reader of the store {url} is closed", url=self.url)
        return self._memory.committed

    # --- campaigns ---------------------------------------------------------------------------------------------------

    def campaigns(self, now_ms: int | None = None) -> list[CampaignView]:
        kept, at_ms = self._kept, clock.now_ms() if now_ms is None else now_ms
        newest_first = sorted(kept.campaigns.values(), key=lambda each: -each.launched_offset)
        return [
            self._view(kept, campaign, campaign.launched, at_ms)
            for campaign in newest_first
            if campaign.launched is not None
        ]

    def campaign(self, campaign: str, now_ms: int | None = None) -> CampaignView | None:
        kept = self._kept
        found = kept.campaigns.get(campaign)
        if found is None or found.launched is None:
            return None
        return self._view(kept, found, found.launched, clock.now_ms() if now_ms is None else now_ms)

    def _view(self, kept: Kept, campaign: KeptCampaign, record: Launched, now_ms: int) -> CampaignView:
        overdue_ms = self._overdue_ms(now_ms)
        key = (record.campaign, record.attempt)
        batches = {id_ for id_, each in kept.batches.items() if (each.campaign, each.attempt) == key}
        later = record.reports_from_ms
        late: dict[tuple[str, int], int] = defaultdict(int)
        unknown_ms = []
        for chunk in kept.chunks.values():
            if chunk.batch not in batches:
                continue
            over = max(chunk.sent_ms, later.get(chunk.account, 0)) <= overdue_ms or campaign.closed
            if chunk.state == State.ACCEPTED and not chunk.expired and over:
                late[chunk.account, kept.batches[chunk.batch].day] += chunk.pending
            if chunk.state == State.UNKNOWN and chunk.pending > chunk.proven:
                unknown_ms.append(chunk.since_ms)
        now = CampaignNow(
            now_ms=now_ms,
            campaign=campaign_of(record, campaign.controls.values()),
            tallies={of[2:]: tally for of, tally in sorted(kept.tallies.items()) if of[:2] == key},
            late=late,
            failures=[
                (account, day, "report" if source == "report" else "submit", code, recipients)
                for (*of, account, day, source, code), recipients in kept.failures.items()
                if tuple(of) == key and recipients > 0
            ],
            unknown_since_ms=min(unknown_ms, default=None),
            moves=[
                Move(account=account, to=to, why=why, back=back, **msgspec.structs.asdict(move))
                for (*of, account, to, why, back), move in kept.moves.items()
                if tuple(of) == key
            ],
        )
        return campaign_view(now, self._meaning)

    # --- recipients --------------------------------------------------------------------------------------------------

    def pages(
        self, campaign: str, states: Collection[State] | None = None, now_ms: int | None = None, *, from_batch: int = 0
    ) -> Iterator[Page]:
        kept, overdue_ms = self._kept, self._overdue_ms(now_ms)
        wanted = np.isin(np.arange(max(State) + 1), list(State) if states is None else list(states))
        for batch_id, batch in kept.batches_of(campaign):
            if batch.number < from_batch:
                continue
            found = _page(kept, batch_id, batch, overdue_ms)
            if states is not None:
                found = selected(found, wanted[found.states])
            if len(found.numbers):
                yield found

    def sent_requests(self, campaign: str) -> RequestColumns:
        kept, rows = self._kept, RequestRows()
        for batch_id, batch in kept.batches_of(campaign):
            results = kept.results.get(batch_id)
            finals = np.zeros(batch.recipients, np.uint8) if results is None else results.finals
            rows.add(
                batch.number, [chunk for chunk in kept.chunks.values() if chunk.batch == batch_id], finals, batch.codes
            )
        return rows.columns()

    def unread(self, campaign: str) -> int:
        return sum(not batch.loaded for _, batch in self._kept.batches_of(campaign))

    def damaged(self, campaign: str) -> dict[int, str]:
        return {batch.number: batch.broken for _, batch in self._kept.batches_of(campaign) if batch.broken}

    def rejects(self, campaign: str) -> Iterator[RejectPage]:
        kept = self._kept
        found = kept.campaigns.get(campaign)
        if found is None or found.launched is None:
            return
        for (name, attempt, _), record in sorted(kept.rejects.items()):
            if (name, attempt) == (campaign, found.launched.attempt):
                yield reject_page(record)

    def lookup(self, number: int, now_ms: int | None = None) -> list[Sighting]:
        kept, overdue_ms = self._kept, self._overdue_ms(now_ms)
        found: list[Sighting] = []
        for batch_id, numbers in sorted(kept.numbers.items()):
            batch = kept.batches[batch_id]
            launched = kept.campaigns.get(batch.campaign, KeptCampaign()).launched
            if launched is None or launched.attempt != batch.attempt:
                continue
            if (np.frombuffer(numbers, np.int64) == number).any():
                whole = _page(kept, batch_id, batch, overdue_ms)
                found.extend(sightings(whole, number, launched, self._meaning))
        return sorted(found, key=lambda sighting: sighting.launched_ms, reverse=True)

    # --- messages from phones ----------------------------------------------------------------------------------------

    def inbound(
        self,
        number: str | None = None,
        *,
        wanted: InboundFilter | None = None,
        messages_max: int = 100,
        now_ms: int | None = None,
    ) -> list[InboundMessage]:
        wanted = wanted or InboundFilter(number=number)
        return inbound.newest(self._kept, wanted, messages_max, self._given_up_ms(now_ms))

    def inbound_pages(self, wanted: InboundFilter, now_ms: int | None = None) -> Iterator[list[InboundMessage]]:
        yield from inbound.pages(self._kept, wanted, self._given_up_ms(now_ms))

    def inbound_marks(self, now_ms: int | None = None) -> InboundMarks:
        return inbound.marks(self._kept, self._given_up_ms(now_ms))

    def inbound_news(
        self, since: InboundMarks, wanted: InboundFilter, now_ms: int | None = None
    ) -> tuple[list[InboundMessage], InboundMarks]:
        return inbound.news(self._kept, since, wanted, self._given_up_ms(now_ms))

    def inbound_tallies(self, now_ms: int | None = None) -> list[InboundTally]:
        return inbound.tallies(self._kept, self._given_up_ms(now_ms))

    def dead_letters(self, account: str | None = None, *, letters_max: int = 100) -> list[DeadLetter]:
        letters = [
            (letter.at_ms, place, letter)
            for place, letter in self._kept.dead_letters.items()
            if account is None or letter.account == account
        ]
        newest_first = sorted(letters, key=lambda each: each[:2], reverse=True)
        return [letter for _, _, letter in newest_first[:letters_max]]

    # --- what is open ------------------------------------------------------------------------------------------------

    def unknown(self, campaign: str | None = None) -> list[UnknownChunk]:
        kept = self._kept
        found = [
            chunk for chunk in kept.chunks.values() if chunk.state == State.UNKNOWN and chunk.pending > chunk.proven
        ]
        return unknown_chunks(
            UnknownPiece(
                chunk.id,
                chunk.account,
                kept.batches[chunk.batch].campaign,
                kept.batches[chunk.batch].number,
                chunk.start,
                chunk.count,
                chunk.whole,
                chunk.pending - chunk.proven,
                chunk.attempt,
                chunk.since_ms,
                chunk.code,
                chunk.text,
            )
            for chunk in found
            if campaign is None or kept.batches[chunk.batch].campaign == campaign
        )

    def in_doubt(self) -> list[str]:
        return evidence.in_doubt(self._kept)

    def evidence(self, account: str, after: str = "", *, each: bool = False) -> Evidence:
        return search(evidence.MemoryTraces(self._kept), account, after, each=each)

    def reports(self) -> list[ReportCounts]:
        kept = self._kept
        named = {row[:2] for row in kept.vendor_ids}
        parked: dict[str, int] = defaultdict(int)
        strangers: dict[str, int] = defaultdict(int)
        for (account, vendor_id, _), rows in kept.parked.items():
            counted = strangers if (account, vendor_id) in named else parked
            counted[account] += len(rows.times) // 4
        return [
            ReportCounts(
                account=account,
                rows=tally.rows,
                waiting=tally.waiting,
                applied=tally.applied,
                repeats=tally.repeats,
                parked=parked[account],
                strangers=strangers[account],
            )
            for account, tally in sorted(kept.report_tallies.items())
        ]

    def dead(self) -> list[DeadCount]:
        return [count for _, count in sorted(self._kept.dead.items())]

    def oddities(self) -> list[Oddity]:
        return [
            Oddity(topic=topic, what=what, count=count) for (topic, what), count in sorted(self._kept.oddities.items())
        ]

    def offsets(self) -> dict[tuple[str, int], int]:
        return dict(self._kept.offsets)

    # --- the clock ---------------------------------------------------------------------------------------------------

    def _overdue_ms(self, now_ms: int | None) -> int:
        return (clock.now_ms() if now_ms is None else now_ms) - self._no_report_after_ms

    def _given_up_ms(self, now_ms: int | None) -> int:
        """Up to then the wait for parts of long messages is over."""
        return (clock.now_ms() if now_ms is None else now_ms) - self._parts_within_ms


def _page(kept: Kept, batch_id: int, batch: KeptBatch, overdue_ms: int) -> Page:
    """The batch as of now."""
    found = kept.numbers.get(batch_id)
    numbers = np.zeros(batch.recipients, np.int64) if found is None else np.frombuffer(found, np.int64)
    results = kept.results.get(batch_id)
    reported = results is not None and len(results.finals) == len(numbers)
    paged = PagedBatch(
        id=batch_id,
        number=batch.number,
        numbers=numbers,
        codes=batch.codes,
        finals=results.finals if results is not None and reported else np.zeros(len(numbers), np.uint8),
        times=results.times if results is not None and reported else np.zeros(len(numbers), np.uint32),
        broken=batch.broken or ("" if batch.loaded else NOT_LOADED),
    )
    chunks = [chunk for chunk in kept.chunks.values() if chunk.batch == batch_id]
    returned_first = sorted(chunks, key=lambda chunk: (chunk.state != State.QUEUED, chunk.id))

    of = kept.campaigns.get(batch.campaign, KeptCampaign())
    overdue = None if of.closed else overdue_ms
    later = kept.later_reports(batch)
    return paint(paged, returned_first, kept.ids_of, overdue_ms=overdue, later=later, cancelled=of.cancelled)
