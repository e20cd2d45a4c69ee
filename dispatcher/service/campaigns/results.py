"""A campaign's results as rows, one per recipient, written to a file or a stream, on demand with what each got."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from itertools import pairwise
from typing import IO, Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from dispatcher.config.places import Places
from dispatcher.core.messages.template import Template, parse
from dispatcher.core.streams.hidden_codes import masked
from dispatcher.errors import LogDamaged, LogError, StoreError, UserError
from dispatcher.log.batch_on_log import BatchOnLog, batch_on_log
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.store.export.recipients import Format, Language, ListColumns, Texts, Wrote, export
from dispatcher.store.opening import open_reader
from dispatcher.store.port import CampaignView, Page, RejectPage, StoreReader
from schemas.batch import BrokenBatch, Values

READ_WITHIN_S: Final = 30.0
LOOK_AGAIN_S: Final = 0.2
CURE: Final = "Export without --texts and --with-columns."


class WrittenResults(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows were written, and which batches have no numbers, and why."""

    rows: int
    damaged: dict[int, str]


ColumnsOf = Callable[[Places, CampaignView, StoreReader], AbstractContextManager[ListColumns]]
"""Opens more columns for an export."""


def sent_columns(places: Places, view: CampaignView, _: StoreReader) -> AbstractContextManager[ListColumns]:
    """The values of a personalised campaign, as the log has them. Raises UserError for another one, LogError."""
    return sent_values(places, view)


def write_results(
    places: Places,
    view: CampaignView,
    out: IO[bytes],
    kind: Format,
    *,
    states: Sequence[str] | None = None,
    texts: bool = False,
    columns: ColumnsOf | None = None,
    number_header: str = "",
    language: Language = "en",
    wrote: Wrote = lambda rows: None,
) -> WrittenResults:
    """Write the results in these states (None: all recipients); `texts`: with a column of what each recipient gets;
    `columns`: with these columns of the list (`sent_columns` are those of a personalised campaign on the log), and the
    numbers under `number_header`, if given.

    `wrote` is called with the rows written so far. Blocks. Raises StoreError, LogError, and OSError from `out`.
    """
    with ExitStack() as stack:
        reader = stack.enter_context(closing(open_reader(places.store)))
        until_s = time.monotonic() + READ_WITHIN_S
        while unread := reader.unread(view.id):
            if time.monotonic() > until_s:
                raise StoreError(
                    "{unread} batches of {campaign} were not read from the log yet; is `dispatcher run` (role results) "
                    "keeping up? Try again in a minute.",
                    unread=unread,
                    campaign=view.id,
                )
            time.sleep(LOOK_AGAIN_S)
        sent = stack.enter_context(sent_texts(places, view)) if texts else None
        more = stack.enter_context(columns(places, view, reader)) if columns is not None else None
        rows = export(
            reader,
            view,
            out,
            kind,
            states=states,
            wrote=wrote,
            texts=sent,
            columns=more,
            number_header=number_header,
            language=language,
        )
        return WrittenResults(rows=rows, damaged=reader.damaged(view.id))


# --- each recipient's text and values, from the log: the results hold neither --------------------------------------


@contextmanager
def sent_texts(places: Places, view: CampaignView) -> Iterator[Texts]:
    """The texts of each page's recipients. Raises LogError, and StoreError if the log does not have them any more."""
    if not view.variables:
        yield lambda page: pl.repeat(view.text, len(page.numbers), dtype=pl.String, eager=True)
        return
    template = parse(view.text)
    with _batches(places) as fetch:
        yield lambda page: _texts(page, fetch(page), template)


class SentValues:
    """The values of a personalised campaign's recipients, a column for each placeholder."""

    def __init__(self, names: tuple[str, ...], fetch: Callable[[Page], BatchOnLog]) -> None:
        self.names = names
        self._fetch = fetch

    def of(self, page: Page) -> pl.DataFrame:
        """The values of a page's recipients. Raises LogError, StoreError."""
        columns, is_known = values_of(page, self._fetch(page))
        nobody = pl.Series(~is_known)
        return pl.DataFrame([columns[name].alias(name).set(nobody, None) for name in self.names])

    def of_rejected(self, page: RejectPage) -> pl.DataFrame:
        """Rejected rows have none on the log."""
        return pl.DataFrame(
            {name: [None] * len(page.rows) for name in self.names}, dict.fromkeys(self.names, pl.String)
        )


@contextmanager
def sent_values(places: Places, view: CampaignView) -> Iterator[SentValues]:
    """The values of each page's recipients. Raises UserError if the campaign has none, LogError."""
    if not view.variables:
        raise UserError(
            "{campaign} is not personalised, so the log has no columns of its list.",
            campaign=view.id,
            about="--with-columns",
            do="Name the list: --with-columns LIST.",
        )
    with _batches(places) as fetch:
        yield SentValues(tuple(view.variables), fetch)


@contextmanager
def _batches(places: Places) -> Iterator[Callable[[Page], BatchOnLog]]:
    """Fetches the batch of a page from the log. Raises LogError."""
    with asyncio.Runner() as runner:
        log = runner.run(open_log(places.log.url))
        try:
            yield lambda page: runner.run(batch_of(log, page))
        finally:
            runner.run(log.close())


async def batch_of(log: Log, page: Page) -> BatchOnLog:
    """The batch of a page's recipients. Raises StoreError, LogDamaged."""
    try:
        return await batch_on_log(log, page.place)
    except LogError as error:
        raise StoreError(
            "the values of batch {batch} cannot be read: {error} {cure}", batch=page.batch, error=error, cure=CURE
        ) from error
    except BrokenBatch as error:
        raise LogDamaged(
            "the values of batch {batch} cannot be read: {error}. {cure}", batch=page.batch, error=error, cure=CURE
        ) from error


def values_of(page: Page, batch: BatchOnLog) -> tuple[dict[str, pl.Series], NDArray[np.bool_]]:
    """(a page's values by name, which of its recipients are in their batch). Raises LogDamaged."""
    values = batch.values
    if values is None:
        raise LogDamaged("batch {batch} has no values. {cure}", batch=page.batch, cure=CURE)
    places = np.minimum(page.positions, len(batch.numbers) - 1).astype(np.int64)
    columns = {name: _column(values, index, places) for index, name in enumerate(values.names)}
    is_known: NDArray[np.bool_] = batch.numbers[places] == page.numbers
    return columns, is_known


def _texts(page: Page, batch: BatchOnLog, template: Template) -> pl.Series:
    columns, is_known = values_of(page, batch)
    names = tuple(columns)
    parts: list[pl.Series | pl.Expr] = [pl.lit(template.literals[0])]
    for slot, literal in zip(template.of(names).slots, template.literals[1:], strict=True):
        parts += [pl.lit(columns[names[slot]]), pl.lit(literal)]
    texts = pl.select(pl.concat_str(parts)).to_series()
    return texts.set(pl.Series(~is_known), None)


def _column(values: Values, index: int, places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pl.Series:
    """These recipients' values of one variable."""
    starts = [0, *np.frombuffer(values.ends[index], "<u4").tolist()]
    text = values.texts[index]
    entries = [masked(text[start:end].decode()) for start, end in pairwise(starts)]
    return pl.Series(entries, dtype=pl.String).gather(np.frombuffer(values.rows[index], "<u2")[places])
