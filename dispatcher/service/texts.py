"""Each recipient's text, for a campaign's export: from the log, batch by batch; the results hold no text."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import polars as pl

from dispatcher.config.places import Places
from dispatcher.core import numbers as phone_numbers
from dispatcher.core.messages.template import Template, parse
from dispatcher.errors import LogDamaged, LogError, StoreError
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log, Stored
from dispatcher.store.export.recipients import Texts
from dispatcher.store.port import CampaignView, Page
from schemas.batch import BrokenBatch, Values, unpack_values
from schemas.topics import RECIPIENTS, SPREAD_PARTITIONS


@contextmanager
def sent_texts(places: Places, view: CampaignView) -> Iterator[Texts]:
    """The texts of each page's recipients. Raises LogError, and StoreError if the log does not have them any more."""
    if not view.variables:
        yield lambda page: pl.repeat(view.text, len(page.numbers), dtype=pl.String, eager=True)
        return
    template = parse(view.text)
    with asyncio.Runner() as runner:
        log = runner.run(open_log(places.log.url))
        try:
            yield lambda page: _texts(page, runner.run(_batch(log, page)), template)
        finally:
            runner.run(log.close())


async def _batch(log: Log, page: Page) -> Stored:
    offset, partition = divmod(page.place, SPREAD_PARTITIONS)
    try:
        return await log.fetch(RECIPIENTS.name, partition, offset)
    except LogError as error:
        raise StoreError(f"the texts of batch {page.batch} cannot be read: {error} Export without --texts.") from error


def _texts(page: Page, stored: Stored, template: Template) -> pl.Series:
    try:
        wire, _, values = unpack_values(stored.value, stored.headers)
    except BrokenBatch as error:
        raise LogDamaged(f"the texts of batch {page.batch} cannot be read: {error}. Export without --texts.") from error
    if values is None:
        raise LogDamaged(f"batch {page.batch} has no values. Export without --texts.")
    known = phone_numbers.decode(wire)
    order = np.argsort(known)
    places = order[np.minimum(np.searchsorted(known[order], page.numbers), len(known) - 1)]
    columns = [_column(values, index, places) for index in range(len(values.names))]
    parts: list[pl.Series | pl.Expr] = [pl.lit(template.literals[0])]
    for slot, literal in zip(template.of(values.names).slots, template.literals[1:], strict=True):
        parts += [pl.lit(columns[slot]), pl.lit(literal)]
    texts = pl.select(pl.concat_str(parts)).to_series()
    return texts.set(pl.Series(known[places] != page.numbers), None)


def _column(values: Values, index: int, places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pl.Series:
    """These recipients' values of one variable."""
    starts = [0, *np.frombuffer(values.ends[index], "<u4").tolist()]
    text = values.texts[index]
    entries = [text[start:end].decode() for start, end in pairwise(starts)]
    return pl.Series(entries, dtype=pl.String).gather(np.frombuffer(values.rows[index], "<u2")[places])
