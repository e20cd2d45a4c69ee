"""Looks at lists before anything is drafted: sheets, header, columns with masked samples, counts by reason.

`inspect_list` is a service (`dispatcher.services`): JSON in, JSON out, so that a page may call it in a process of its
own. What it counts is what a launch would, apart from rules of the route: numbers abroad and fixed lines count as good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from dispatcher.core.numbers import ADVICE
from dispatcher.errors import ConfigError, InputError
from dispatcher.private_files import written_whole
from dispatcher.sentences import Sentence, WordedError
from dispatcher.service.campaigns.rows import masked_value
from dispatcher.service.session import Session
from dispatcher.service.suppression import read_suppression
from dispatcher.store.export import chinese
from dispatcher.store.export.table_files import write_table
from dispatcher.store.pages import reject_page
from producers.lists.columns import Choice
from producers.lists.opening import Opened
from producers.lists.reader.blocks import Reading
from producers.lists.reading import Intake, NotTexted, read_lists, silent
from schemas.states import DUPLICATE, ON_LIST, rejected_state, shown_reason

SAMPLES: Final = 4
COLUMNS_MAX: Final = 50
CELL_CHARS_MAX: Final = 40


class ColumnSample(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a list: its number from 1, its header ("" without one), and its first values, digits masked."""

    number: int
    name: str
    samples: tuple[str, ...]


class ReasonCount(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that are set aside for one reason, and what to do about it."""

    state: str
    reason: str
    chinese: str
    advice: str
    rows: int


class ListInspection(msgspec.Struct, frozen=True, kw_only=True):
    """What is in lists. `mistake`: why they cannot be used as they are, "" if they can; then there are no counts.

    `sentence` is the mistake as JSON, with its values.

    `column` is the number of the phone column, `header_line` the line of the header (0: none), of the first list.
    `rows = recipients + the rows of reasons`.
    """

    sheets: tuple[str, ...] = ()
    columns: tuple[ColumnSample, ...] = ()
    column: int | None = None
    column_name: str = ""
    header_line: int = 0
    encoding: str = ""
    hidden_rows: int = 0
    notes: tuple[str, ...] = ()
    rows: int = 0
    recipients: int = 0
    reasons: tuple[ReasonCount, ...] = ()
    mistake: str = ""
    sentence: dict[str, Any] = {}

    @property
    def set_aside(self) -> int:
        """The rows that are not texted."""
        return self.rows - self.recipients


def not_usable(mistake: WordedError | Sentence, found: ListInspection | None = None) -> ListInspection:
    """What was found, and why the list cannot be used."""
    sentence = mistake if isinstance(mistake, Sentence) else mistake.sentence
    return msgspec.structs.replace(found or ListInspection(), mistake=str(sentence), sentence=sentence.as_json())


async def inspect_list(
    session: Session, paths: Sequence[str], choice: dict[str, str | int | None], set_aside: str = ""
) -> ListInspection:
    """What is in these files by this `Choice`; `set_aside`: a CSV file to write the rows into that are not texted.

    A list that cannot be used is no error: `mistake` says why. Raises ConfigError, LogError.
    """
    chosen = msgspec.convert(choice, Choice)
    found = ListInspection()
    try:
        found = await asyncio.to_thread(_look, paths[0], chosen)
    except InputError as error:
        found = await asyncio.to_thread(_look_anywhere, paths[0], chosen, error)
    if found.mistake:
        return found
    try:
        listed = (await read_suppression(session, detailed=False)).listing.numbers
        known = {ON_LIST: listed}
    except ConfigError:
        known = {}  # there is no log yet
    try:
        intake = await read_lists(paths, chosen, NotTexted(known=known), silent, international=True, phs=True)
    except InputError as error:
        return not_usable(error, found)
    try:
        if set_aside:
            await asyncio.to_thread(_write_aside, intake, Path(set_aside))
        return _counted(found, intake)
    finally:
        intake.spool.close()


def _look(path: str, choice: Choice) -> ListInspection:
    """The columns of a list. Raises InputError."""
    with Opened(path, Reading(choice=choice, every_column=True, international=True, phs=True)) as opened:
        listed = opened.list
        parts = listed.parts()
        part = next(parts, None) if isinstance(parts, Iterator) else None
        columns: tuple[ColumnSample, ...] = ()
        if part is not None and part.values is not None:
            columns = _samples(part.values, listed.headers)
        return ListInspection(
            sheets=getattr(listed, "sheets", ()),
            columns=columns,
            column=None if listed.column is None else listed.column.index + 1,
            column_name="" if listed.column is None else listed.column.name,
            header_line=listed.header_line or 0,
        )


def _look_anywhere(path: str, choice: Choice, mistake: InputError) -> ListInspection:
    """What can be seen of a list whose phone column is not known, to choose from."""
    anywhere = msgspec.structs.replace(choice, column=1)
    if len(mistake.sheets) > 1 and choice.sheet is None:
        return not_usable(mistake, ListInspection(sheets=mistake.sheets))
    try:
        seen = _look(path, anywhere)
    except InputError:
        return not_usable(mistake, ListInspection(sheets=mistake.sheets))
    return not_usable(mistake, msgspec.structs.replace(seen, column=None, column_name=""))


def _samples(values: pl.DataFrame, headers: Sequence[str]) -> tuple[ColumnSample, ...]:
    """The first values of every column, behind the phone column."""
    return tuple(
        ColumnSample(
            number=number,
            name=header,
            samples=tuple(masked_value(cell or "")[:CELL_CHARS_MAX] for cell in column.head(SAMPLES).to_list()),
        )
        for number, (header, column) in enumerate(zip(headers, values.get_columns()[1:], strict=False), 1)
        if number <= COLUMNS_MAX
    )


def _counted(found: ListInspection, intake: Intake) -> ListInspection:
    counts = intake.counts
    reasons = {**counts.invalid_reasons, **counts.suppressed_reasons}
    if counts.duplicate:
        reasons[DUPLICATE] = counts.duplicate
    return msgspec.structs.replace(
        found,
        encoding=intake.origin.encoding,
        hidden_rows=intake.origin.hidden_rows,
        notes=tuple(intake.notes),
        rows=counts.rows,
        recipients=counts.recipients,
        reasons=tuple(
            ReasonCount(
                state=rejected_state(reason) if reason not in counts.suppressed_reasons else "suppressed",
                reason=reason,
                chinese=chinese.STATES["duplicate"] if reason == DUPLICATE else chinese.reason(reason),
                advice=ADVICE.get(reason, ""),
                rows=rows,
            )
            for reason, rows in sorted(reasons.items(), key=lambda each: -each[1])
        ),
    )


def _write_aside(intake: Intake, path: Path) -> None:
    """The rows that are not texted, as a CSV file."""
    schema = {"row": pl.UInt64, "value": pl.String, "why": pl.String, "repeats": pl.UInt64}

    def frames() -> Iterator[pl.DataFrame]:
        for record in intake.spool.rejects("", "", intake.separated):
            page = reject_page(record)
            why = pl.Series([shown_reason(reason) for reason in page.reasons], dtype=pl.String)
            repeats = pl.Series(page.repeats)
            yield pl.DataFrame(
                {
                    "row": page.rows,
                    "value": pl.Series(page.values, dtype=pl.String),
                    "why": why.gather(page.reason_index),
                    "repeats": repeats.set(repeats == 0, None),
                }
            )

    with written_whole(path) as out:
        write_table(frames(), schema, out, "csv")
