"""One batch as a Page: chunks fill their ranges, final reports override them. Pure: values in, columns out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.results.columns import CodePair, states_of
from dispatcher.core.results.journal import JoinedChunk
from dispatcher.core.results.recipient_ids import PART_DELIVERED, IdRow
from dispatcher.store.meanings import Meaning
from dispatcher.store.views import Page, RejectPage, Sighting, Source
from schemas.records import Launched, Rejects
from schemas.states import EXPIRED, State, our_meanings

NOT_LOADED: Final = "the batch was not read from the log yet"


class _Names:
    """Texts by number; 0 is ""."""

    def __init__(self) -> None:
        self.texts = [""]
        self._numbers = {"": 0}

    def __call__(self, text: str) -> int:
        number = self._numbers.setdefault(text, len(self.texts))
        if number == len(self.texts):
            self.texts.append(text)
        return number

    def extend(self, texts: list[str]) -> int:
        """Add texts without a look-up; returns the number of the first."""
        first = len(self.texts)
        self.texts.extend(texts)
        return first


class PagedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch to fill: `numbers` in list order (0 if the log lost them), `codes[finals[i] - 1]` a report."""

    id: int
    number: int
    numbers: NDArray[np.int64]
    codes: list[CodePair]
    finals: NDArray[np.unsignedinteger[Any]]
    times: NDArray[np.uint32]
    broken: str


def paint(
    batch: PagedBatch,
    chunks: Iterable[JoinedChunk],
    recipient_ids: Callable[[int], Iterable[IdRow]],
    *,
    overdue_ms: int | None,
    later: Mapping[str, int],
    cancelled: bool,
) -> Page:
    """The batch as of now: accepted before `overdue_ms` without a report is `no_report`, queued is `cancelled`.

    `overdue_ms` None: its campaign is closed, so every accepted recipient without a report is `no_report`.
    `later`: when the wait for reports begins, by account, where that may be later than the submit. Who was left out
    has the time of that in `reported_s`.
    `chunks`: those that were returned to the queue first, then by id. `recipient_ids`: a chunk's, the last named first.
    """
    count = len(batch.numbers)
    states = np.full(count, State.CANCELLED if cancelled else State.QUEUED, np.uint8)
    code_index = np.zeros(count, np.uint32)
    vendor_id_index = np.zeros(count, np.uint32)
    account_index = np.zeros(count, np.uint32)
    submitted_ms = np.zeros(count, np.int64)
    parts, parts_delivered, parts_named = np.zeros((3, count), np.uint8)
    times = batch.times
    codes, vendor_ids, accounts = _Names(), _Names(), _Names()
    for chunk in chunks:
        at = slice(chunk.start, chunk.end)
        if chunk.state == State.QUEUED and not chunk.vendor_id:
            continue
        account_index[at] = accounts(chunk.account)
        vendor_id_index[at] = vendor_ids(chunk.vendor_id)
        submitted_ms[at] = chunk.sent_ms
        if chunk.state != State.QUEUED:
            over = chunk.expired or overdue_ms is None or max(chunk.sent_ms, later.get(chunk.account, 0)) <= overdue_ms
            late = chunk.state == State.ACCEPTED and over
            states[at] = State.NO_REPORT if late else chunk.state
            code_index[at] = codes(chunk.code)
        if chunk.state in (State.SUPPRESSED, State.DUPLICATE) or (chunk.state, chunk.code) == (State.FAILED, EXPIRED):
            times = times.copy() if times is batch.times else times
            times[at] = np.where(batch.finals[at] == 0, chunk.since_ms // 1000, times[at])
        if not chunk.vendor_id:
            for row in recipient_ids(chunk.id):
                _paint_recipient_ids(row, vendor_id_index[at], vendor_ids)
                _paint_parts(row, parts[at], parts_delivered[at], parts_named[at])
        if chunk.state == State.UNKNOWN and chunk.proven:
            for row in recipient_ids(chunk.id):
                named = row.ids.complete[: len(states[at])]  # whoever has an id was taken
                states[at][named] = State.ACCEPTED
                code_index[at][named] = 0

    reported = batch.finals != 0
    final_states = states_of(batch.codes)
    one_part = reported & (parts == 1)
    parts_delivered[one_part] = final_states[batch.finals[one_part]] == State.DELIVERED
    states = np.where(reported, final_states[batch.finals], states)
    numbered = np.array([0, *(codes(code) for _, code in batch.codes)], np.uint32)
    return Page(
        batch=batch.number,
        place=batch.id,
        numbers=batch.numbers,
        states=states,
        codes=codes.texts,
        code_index=np.where(reported, numbered[batch.finals], code_index),
        from_report=reported,
        vendor_ids=vendor_ids.texts,
        vendor_id_index=vendor_id_index,
        accounts=accounts.texts,
        account_index=account_index,
        submitted_ms=submitted_ms,
        reported_s=times,
        parts=parts,
        parts_delivered=parts_delivered,
        parts_named=parts_named,
        positions=np.arange(count, dtype=np.uint16),
        broken=batch.broken,
    )


def _paint_recipient_ids(row: IdRow, index: NDArray[np.uint32], vendor_ids: _Names) -> None:
    """Each recipient's ids; those of the parts of a long message with a space between them."""
    ids = row.ids.cut(0, len(index))
    texts, named = ids.all_texts(), ids.named & (ids.complete | (index == 0))
    if ids.parts > 1:
        texts = [" ".join(filter(None, texts[at : at + ids.parts])) for at in range(0, len(texts), ids.parts)]
    first = vendor_ids.extend(texts)
    at = np.arange(first, first + len(index), dtype=np.uint32)
    index[:] = at if named.all() else np.where(named, at, index)


def _paint_parts(
    row: IdRow, parts: NDArray[np.uint8], delivered: NDArray[np.uint8], with_id: NDArray[np.uint8]
) -> None:
    """How many parts each recipient's message has, how many of them were delivered, and how many have an id."""
    ids = row.ids.cut(0, len(parts))
    given, named = ids.parts_given, ids.named & (ids.complete | (parts == 0))
    parts[named] = given.sum(axis=1)[named]
    with_id[named] = ids.parts_named[named]
    if row.states is not None:
        states = np.frombuffer(row.states, np.uint8)[: given.size].reshape(given.shape)
        delivered[named] = (states == PART_DELIVERED).sum(axis=1)[named]


def selected(whole: Page, wanted: NDArray[np.bool_] | NDArray[np.int64]) -> Page:
    """Only these recipients of a page: a mask, or their places."""
    columns = {
        name: getattr(whole, name)[wanted]
        for name in (
            "numbers",
            "states",
            "code_index",
            "from_report",
            "vendor_id_index",
            "account_index",
            "submitted_ms",
            "reported_s",
            "parts",
            "parts_delivered",
            "parts_named",
            "positions",
        )
    }
    return msgspec.structs.replace(whole, **columns)


def sightings(whole: Page, number: int, record: Launched, meaning: Meaning) -> Iterator[Sighting]:
    """A number's row in the page of a batch of this launch."""
    vendors = {leg.account: leg.vendor for leg in record.legs}
    ours = our_meanings(of_stream=record.stream is not None)
    reported_ms = reported_from(whole)
    for at in np.flatnonzero(whole.numbers == number).tolist():
        account, code = whole.accounts[whole.account_index[at]], whole.codes[whole.code_index[at]]
        source: Source = "report" if whole.from_report[at] else "submit"
        state = State(int(whole.states[at]))
        yield Sighting(
            campaign=record.campaign,
            name=record.name,
            state=state,
            account=account,
            vendor=vendors.get(account, ""),
            source=source,
            code=code,
            meaning=ours.get(state) or meaning(vendors.get(account, ""), source, code),
            vendor_id=whole.vendor_ids[whole.vendor_id_index[at]],
            submitted_ms=int(whole.submitted_ms[at]) or None,
            reported_ms=int(reported_ms[at]) or None,
            launched_ms=record.at_ms,
            parts=int(whole.parts[at]),
            parts_delivered=int(whole.parts_delivered[at]),
        )


def reported_from(page: Page) -> NDArray[np.int64]:
    """When each was reported, for people: never before its submit; 0 where it was not.

    The times of some vendors have no seconds, and their clocks differ from ours.
    """
    reported_ms = page.reported_s.astype(np.int64) * 1000
    return np.where(reported_ms > 0, np.maximum(reported_ms, page.submitted_ms), 0)


def reject_page(record: Rejects) -> RejectPage:
    """The rows of one record of rejects."""
    rows = np.frombuffer(record.rows, "<u8").astype(np.uint64, copy=False)
    repeats = np.frombuffer(record.repeats, "<u8").astype(np.uint64, copy=False)
    lists, none = record.lists, np.zeros(len(rows), np.uint8)
    return RejectPage(
        rows=rows,
        values=record.values.decode("utf-8", "replace").split("\n"),
        reasons=record.reasons,
        reason_index=np.frombuffer(record.reason_index, np.uint8),
        repeats=repeats if len(repeats) == len(rows) else np.zeros_like(rows),
        lists=lists,
        list_index=np.frombuffer(record.list_index, np.uint8) if lists else none,
        repeats_list=np.frombuffer(record.repeats_list, np.uint8) if lists else none,
    )
