"""The rows behind a figure of a campaign, some at a time: its recipients in some states, and rows that were set aside.

Numbers are masked unless the caller may see them. Weak spot: while the campaign runs, each call sees its own moment, so
a recipient whose state changes between two calls may be on both pages, or on none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from dispatcher.core.numbers import ADVICE
from dispatcher.core.results.equation import TERMS
from dispatcher.core.wire_number import to_wire
from dispatcher.errors import UserError
from dispatcher.masking import masked_number
from dispatcher.service.campaigns.views import view_of
from dispatcher.service.session import Session
from dispatcher.store.export.recipients import REJECTED, STATES, UNKNOWN_MEANING
from dispatcher.store.meanings import advice, chinese_meaning, meaning
from dispatcher.store.pages import reported_from
from dispatcher.store.port import CampaignView, Page, RejectPage, StoreReader
from dispatcher.store.views import Source
from schemas.states import DUPLICATE, LEFT_OUT, State, rejected_state, shown_reason

ROWS_MAX: Final = 1_000
_KEPT_DIGITS: Final = (3, 4)


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
    """A row of the list that was set aside: its line, what is written there, why, and the line that it repeats."""

    line: int
    value: str
    state: str
    reason: str
    advice: str
    repeats: int | None
    list: str = ""


class CampaignRows(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the wanted rows. `after`: the position at which the next ones begin, "" if there are no more."""

    campaign: str
    recipients: list[RecipientRow]
    set_aside: list[AsideRow]
    after: str


async def campaign_rows(session: Session, campaign: str, wanted: RowsWanted, *, unmasked: bool = False) -> CampaignRows:
    """The next rows. Raises UserError (no such campaign, state or position), LogError, StoreError."""
    wrong = sorted(wanted.states - set(TERMS))
    if wrong:
        raise UserError(f'"{wrong[0]}" is no state. The states are: {", ".join(TERMS)}.')
    if not 1 <= wanted.limit <= ROWS_MAX:
        raise UserError(f"a page has 1 to {ROWS_MAX:,} rows, not {wanted.limit:,}.")
    view = await view_of(session, campaign)
    return await session.read(lambda reader: _rows(reader, view, wanted, _Position.of(wanted.after), unmasked))


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
            raise UserError(f'"{text}" is no position of a row. Begin without one.')
        return cls(kind == "s", int(part), int(at))

    def __str__(self) -> str:
        return f"{'s' if self.aside else 'r'}-{self.part}-{self.at}"


def _rows(
    reader: StoreReader, view: CampaignView, wanted: RowsWanted, begin: _Position, unmasked: bool
) -> CampaignRows:
    recipients: list[RecipientRow] = []
    aside: list[AsideRow] = []
    for position, row in _all(reader, view, wanted, begin, unmasked):
        if len(recipients) + len(aside) == wanted.limit:
            return CampaignRows(campaign=view.id, recipients=recipients, set_aside=aside, after=str(position))
        if isinstance(row, RecipientRow):
            recipients.append(row)
        else:
            aside.append(row)
    return CampaignRows(campaign=view.id, recipients=recipients, set_aside=aside, after="")


def _all(
    reader: StoreReader, view: CampaignView, wanted: RowsWanted, begin: _Position, unmasked: bool
) -> Iterator[tuple[_Position, RecipientRow | AsideRow]]:
    states = [state for word, state in STATES.items() if word in wanted.states or not wanted.states]
    if states and not begin.aside:
        for page in reader.pages(view.id, from_batch=begin.part):
            first = begin.at if page.batch == begin.part else 0
            for at in _places(page, states, wanted, first):
                yield _Position(False, page.batch, at), _recipient(page, at, view, unmasked)
    if not wanted.states & set(REJECTED) or wanted.account or wanted.code is not None:
        return
    for part, rejects in enumerate(reader.rejects(view.id)):
        if begin.aside and part < begin.part:
            continue
        first = begin.at if begin.aside and part == begin.part else 0
        words = [rejected_state(reason) for reason in rejects.reasons]
        chosen = np.array([word in wanted.states for word in words], bool)[rejects.reason_index]
        for at in np.flatnonzero(chosen).tolist():
            if at >= first:
                yield _Position(True, part, at), _aside(rejects, at, words, unmasked)


def _places(page: Page, states: list[State], wanted: RowsWanted, first: int) -> list[int]:
    """Where the wanted recipients of a page are, from the place `first` on."""
    chosen = np.isin(page.states, states)
    chosen[:first] = False
    if wanted.account:
        chosen &= page.account_index == _index(page.accounts, wanted.account)
    if wanted.code is not None:
        chosen &= page.code_index == _index(page.codes, wanted.code)
    if wanted.source is not None:
        chosen &= page.from_report == (wanted.source == "report")
    places: list[int] = np.flatnonzero(chosen)[: wanted.limit + 1].tolist()
    return places


def _index(names: list[str], name: str) -> int:
    """The index of a name, -1 (nobody's) without it."""
    return names.index(name) if name in names else -1


def _recipient(page: Page, at: int, view: CampaignView, unmasked: bool) -> RecipientRow:
    account, code = page.accounts[page.account_index[at]], page.codes[page.code_index[at]]
    vendor = next((leg.vendor for leg in view.legs if leg.account == account), "")
    source: Source = "report" if page.from_report[at] else "submit"
    state = State(int(page.states[at]))
    number = to_wire(int(page.numbers[at])) if page.numbers[at] else ""
    ours = {State.UNKNOWN: UNKNOWN_MEANING, State.SUPPRESSED: LEFT_OUT}.get(state, "")
    return RecipientRow(
        number=number if unmasked else masked_number(number),
        state=state.word,
        code=code,
        meaning=ours or meaning(vendor, source, code),
        chinese="" if ours else chinese_meaning(vendor, source, code),
        advice=advice(vendor, source, code) if state is State.FAILED else "",
        account=account,
        vendor_id=page.vendor_ids[page.vendor_id_index[at]],
        submitted_ms=int(page.submitted_ms[at]) or None,
        reported_ms=int(reported_from(page)[at]) or None,
    )


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
        list=page.lists[page.list_index[at]] if page.lists else "",
    )


def masked_value(text: str) -> str:
    """What a cell of a list holds, with the middle of its digits replaced: it may be a number with a mistake."""
    digits = [at for at, character in enumerate(text) if character.isdigit()]
    first, last = _KEPT_DIGITS
    hidden = set(digits[first:-last] if len(digits) > first + last else digits[1:-1])
    return "".join("*" if at in hidden else character for at, character in enumerate(text))
