"""The rows behind a figure of a campaign, some at a time: its recipients in some states, and rows that were set aside.

Numbers are masked unless the caller may see them. Weak spot: while the campaign runs, each call sees its own moment, so
a recipient whose state changes between two calls may be on both pages, or on none.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Iterator
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from dispatcher.core.numbers import ADVICE
from dispatcher.core.results.equation import TERMS
from dispatcher.errors import UserError
from dispatcher.service.campaigns.views import view_of
from dispatcher.service.session import Session
from dispatcher.store.export.recipients import REJECTED, STATES, UNKNOWN_MEANING, wire_column
from dispatcher.store.meanings import advice, chinese_meaning, meaning
from dispatcher.store.pages import reported_from, selected
from dispatcher.store.port import CampaignView, Page, RejectPage, StoreReader
from dispatcher.store.views import Source
from schemas.states import DUPLICATE, State, our_meanings, rejected_state, shown_reason

ROWS_MAX: Final = 1_000
_KEPT_DIGITS: Final = (3, 4)
_SOURCES: Final[tuple[Source, Source]] = ("submit", "report")


class RowsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows: in these states (terms of the equation; none: every recipient), of one account, with one code.

    `source`: the code is a report's, or that of the answer to a submit. At most `limit`, after the position `after`.
    """

    states: frozenset[str] = frozenset()
    account: str = ""
    code: str | None = None
    source: Source | None = None
    after: str = ""
    limit: int = 100


class RecipientRow(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient. Times are Unix milliseconds, None before the event; `advice` is what to do about the code."""

    number: str
    state: str
    code: str
    meaning: str
    chinese: str
    advice: str
    account: str
    vendor_id: str
    submitted_ms: int | None
    reported_ms: int | None


class AsideRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the list that was set aside: its line, what is written there, why, and the line that it repeats.

    `list`: the name of its list, without the folder, if there were several.
    """

    line: int
    value: str
    state: str
    reason: str
    advice: str
    repeats: int | None
    list: str = ""


class RowLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of `row_lines`: a recipient, a row that was set aside, or the position after the lines before it.

    `after` "" is the last line of all.
    """

    recipient: RecipientRow | None = None
    set_aside: AsideRow | None = None
    after: str | None = None


class CampaignRows(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the wanted rows. `after`: the position at which the next ones begin, "" if there are no more."""

    campaign: str
    recipients: list[RecipientRow]
    set_aside: list[AsideRow]
    after: str


async def campaign_rows(session: Session, campaign: str, wanted: RowsWanted, *, unmasked: bool = False) -> CampaignRows:
    """The next rows. Raises UserError (no such campaign, state or position), LogError, StoreError."""
    view = await _checked(session, campaign, wanted)
    begin = _Position.of(wanted.after)
    return await session.read(
        lambda reader: _rows(_blocks(reader, view, wanted, begin, unmasked), view.id, wanted.limit)
    )


async def row_lines(
    session: Session, campaign: str, wanted: RowsWanted, *, unmasked: bool = False
) -> AsyncGenerator[bytes, None]:
    """All rows from the position on, as NDJSON of `RowLine`, with the position of the next row each `limit` rows.

    Each batch is of its own moment. Raises what `campaign_rows` raises, before the first line where that is known then.
    """
    view = await _checked(session, campaign, wanted)
    blocks = await _next_blocks(session, view, wanted, _Position.of(wanted.after), unmasked=unmasked)
    return _lines(session, view, wanted, blocks, unmasked=unmasked)


async def _checked(session: Session, campaign: str, wanted: RowsWanted) -> CampaignView:
    """The campaign whose rows are wanted. Raises UserError, LogError, StoreError."""
    wrong = sorted(wanted.states - set(TERMS))
    if wrong:
        raise UserError('"{wrong}" is no state. The states are: {states}.', wrong=wrong[0], states=", ".join(TERMS))
    if not 1 <= wanted.limit <= ROWS_MAX:
        raise UserError("a page has 1 to {max:,} rows, not {limit:,}.", max=ROWS_MAX, limit=wanted.limit)
    return await view_of(session, campaign)


async def _lines(
    session: Session, view: CampaignView, wanted: RowsWanted, blocks: list[_Block], *, unmasked: bool
) -> AsyncGenerator[bytes, None]:
    room = wanted.limit
    while blocks:
        for block in blocks:
            at = 0
            while at < len(block.places):
                if not room:
                    yield _after(str(block.position(at)))
                    room = wanted.limit
                taken = block.places[at : at + room]
                yield await asyncio.to_thread(block.lines, taken)
                at, room = at + len(taken), room - len(taken)
        last = blocks[-1].position(0)
        following = _Position(last.aside, last.part + 1, 0)
        blocks = await _next_blocks(session, view, wanted, following, unmasked=unmasked)
    yield _after("")


def _after(position: str) -> bytes:
    return msgspec.json.encode(RowLine(after=position)) + b"\n"


async def _next_blocks(
    session: Session, view: CampaignView, wanted: RowsWanted, begin: _Position, *, unmasked: bool
) -> list[_Block]:
    """A block with a page's rows or more, or some smaller ones; none at the end. Raises LogError, StoreError."""

    def some(reader: StoreReader) -> list[_Block]:
        found: list[_Block] = []
        for block in _blocks(reader, view, wanted, begin, unmasked):
            found.append(block)
            if sum(len(each.places) for each in found) >= ROWS_MAX:
                break
        return found

    return await session.read(some)


class _Position(msgspec.Struct, frozen=True):
    """A place among a campaign's rows: recipients first, then what was set aside."""

    aside: bool = False
    part: int = 0
    at: int = 0

    @classmethod
    def of(cls, text: str) -> _Position:
        """Raises UserError."""
        if not text:
            return cls()
        kind, _, rest = text.partition("-")
        part, _, at = rest.partition("-")
        if kind not in ("r", "s") or not (part.isdecimal() and at.isdecimal()):
            raise UserError('"{text}" is no position of a row. Begin without one.', text=text)
        return cls(kind == "s", int(part), int(at))

    def __str__(self) -> str:
        return f"{'s' if self.aside else 'r'}-{self.part}-{self.at}"


class _Block(msgspec.Struct, frozen=True):
    """The wanted rows of a batch, or of a record of rejected rows: their places in it, at least one."""

    page: Page | RejectPage
    part: int
    places: NDArray[np.int64]
    view: CampaignView
    unmasked: bool

    def position(self, at: int) -> _Position:
        """The position of the row at `places[at]`."""
        return _Position(isinstance(self.page, RejectPage), self.part, int(self.places[at]))

    def recipients(self, places: NDArray[np.int64]) -> list[RecipientRow]:
        """The rows at these places that are recipients."""
        if isinstance(self.page, RejectPage):
            return []
        frame = _recipients(self.page, places, self.view, unmasked=self.unmasked)
        return [RecipientRow(**row) for row in frame.iter_rows(named=True)]

    def set_aside(self, places: NDArray[np.int64]) -> list[AsideRow]:
        """The rows at these places that were set aside."""
        if not isinstance(self.page, RejectPage):
            return []
        words = [rejected_state(reason) for reason in self.page.reasons]
        return [_aside(self.page, at, words, self.unmasked) for at in places.tolist()]

    def lines(self, places: NDArray[np.int64]) -> bytes:
        """The rows at these places as lines of JSON."""
        if isinstance(self.page, RejectPage):
            return msgspec.json.Encoder().encode_lines([RowLine(set_aside=row) for row in self.set_aside(places)])
        frame, out = _recipients(self.page, places, self.view, unmasked=self.unmasked), io.BytesIO()
        frame.select(pl.struct(pl.all()).alias("recipient")).write_ndjson(out)
        return out.getvalue()


def _rows(blocks: Iterator[_Block], campaign: str, limit: int) -> CampaignRows:
    recipients: list[RecipientRow] = []
    aside: list[AsideRow] = []
    room, after = limit, ""
    for block in blocks:
        taken = block.places[:room]
        recipients += block.recipients(taken)
        aside += block.set_aside(taken)
        room -= len(taken)
        if len(taken) < len(block.places):
            after = str(block.position(len(taken)))
            break
    return CampaignRows(campaign=campaign, recipients=recipients, set_aside=aside, after=after)


def _blocks(
    reader: StoreReader, view: CampaignView, wanted: RowsWanted, begin: _Position, unmasked: bool
) -> Iterator[_Block]:
    states = [state for word, state in STATES.items() if word in wanted.states or not wanted.states]
    if states and not begin.aside:
        for page in reader.pages(view.id, from_batch=begin.part):
            places = _places(page, states, wanted, begin.at if page.batch == begin.part else 0)
            if len(places):
                yield _Block(page, page.batch, places, view, unmasked)
    if not wanted.states & set(REJECTED) or wanted.account or wanted.code is not None:
        return
    for part, rejects in enumerate(reader.rejects(view.id)):
        if begin.aside and part < begin.part:
            continue
        first = begin.at if begin.aside and part == begin.part else 0
        words = [rejected_state(reason) for reason in rejects.reasons]
        chosen = np.array([word in wanted.states for word in words], bool)[rejects.reason_index]
        chosen[:first] = False
        if chosen.any():
            yield _Block(rejects, part, np.flatnonzero(chosen), view, unmasked)


def _places(page: Page, states: list[State], wanted: RowsWanted, first: int) -> NDArray[np.int64]:
    """Where the wanted recipients of a page are, from the place `first` on."""
    chosen = np.isin(page.states, states)
    chosen[:first] = False
    if wanted.account:
        chosen &= page.account_index == _index(page.accounts, wanted.account)
    if wanted.code is not None:
        chosen &= page.code_index == _index(page.codes, wanted.code)
    if wanted.source is not None:
        chosen &= page.from_report == (wanted.source == "report")
    return np.flatnonzero(chosen)


def _index(names: list[str], name: str) -> int:
    """The index of a name, -1 (nobody's) without it."""
    return names.index(name) if name in names else -1


_DESCRIBED: Final = ("state", "code", "meaning", "chinese", "advice", "account")


def _recipients(page: Page, places: NDArray[np.int64], view: CampaignView, *, unmasked: bool) -> pl.DataFrame:
    """These recipients of a page, with the columns of RecipientRow."""
    page = selected(page, places)
    numbers = wire_column(page.numbers).fill_null("")
    vendor_ids = [page.vendor_ids[index] for index in page.vendor_id_index.tolist()]
    frame = _descriptions(page, view).with_columns(
        (numbers if unmasked else _masked(numbers)).alias("number"),
        pl.Series("vendor_id", vendor_ids, dtype=pl.String),
        _times("submitted_ms", page.submitted_ms),
        _times("reported_ms", reported_from(page)),
    )
    return frame.select(RecipientRow.__struct_fields__)


def _descriptions(page: Page, view: CampaignView) -> pl.DataFrame:
    """What there is to say of a page's recipients, looked up once for each (account, source, code, state)."""
    columns: list[NDArray[Any]] = [page.account_index, page.from_report, page.code_index, page.states]
    sizes = (len(page.accounts), 2, len(page.codes), len(State))
    key = np.ravel_multi_index([column.astype(np.int64) for column in columns], sizes)
    used, index = np.unique(key, return_inverse=True)
    vendors = {leg.account: leg.vendor for leg in view.legs}
    ours = our_meanings(of_stream=view.stream is not None) | {State.UNKNOWN: UNKNOWN_MEANING}
    rows = []
    for each in zip(*(found.tolist() for found in np.unravel_index(used, sizes)), strict=True):
        account, code, state = page.accounts[each[0]], page.codes[each[2]], State(each[3])
        vendor, source = vendors.get(account, ""), _SOURCES[each[1]]
        means = ours.get(state, "")
        rows.append(
            (
                state.word,
                code,
                means or meaning(vendor, source, code),
                "" if means else chinese_meaning(vendor, source, code),
                advice(vendor, source, code) if state is State.FAILED else "",
                account,
            )
        )
    found = pl.DataFrame(rows, schema=dict.fromkeys(_DESCRIBED, pl.String), orient="row")
    return found.select(pl.all().gather(index.astype(np.uint32)))


def _masked(numbers: pl.Series) -> pl.Series:
    """As dispatcher.masking.masked_number."""
    text = pl.col("number")
    middle = pl.concat_str(text.str.slice(0, 3), pl.lit("****"), text.str.slice(-4))
    masked = pl.when(text.str.len_chars() > 7).then(middle).otherwise(text.str.replace_all(".", "*"))
    return numbers.alias("number").to_frame().select(masked).to_series()


def _times(name: str, at_ms: NDArray[np.int64]) -> pl.Series:
    return pl.Series(name, at_ms).set(pl.Series(at_ms == 0), None)


def _aside(page: RejectPage, at: int, words: list[str], unmasked: bool) -> AsideRow:
    index = int(page.reason_index[at])
    reason = page.reasons[index]
    return AsideRow(
        line=int(page.rows[at]),
        value=page.values[at] if unmasked else masked_value(page.values[at]),
        state=words[index],
        reason="" if reason == DUPLICATE else shown_reason(reason),
        advice=ADVICE.get(reason, ""),
        repeats=int(page.repeats[at]) or None,
        list=page.lists[page.list_index[at]].rpartition("/")[2] if page.lists else "",
    )


def masked_value(text: str) -> str:
    """What a cell of a list holds, with the middle of its digits replaced if it may be a number with a mistake.

    Fewer digits than a telephone has are an amount, a room, a code of one's own, and stay.
    """
    digits = [at for at, character in enumerate(text) if character.isdigit()]
    first, last = _KEPT_DIGITS
    if len(digits) < first + last:
        return text
    hidden = set(digits[first:-last] if len(digits) > first + last else digits[1:-1])
    return "".join("*" if at in hidden else character for at, character in enumerate(text))
