"""A campaign's results as rows, one per recipient, written to a file or a stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from typing import IO, Final

import msgspec

from dispatcher.config.places import Places
from dispatcher.errors import StoreError
from dispatcher.service.texts import sent_texts, sent_values
from dispatcher.store.export.recipients import Columns, Format, Language, Wrote, export
from dispatcher.store.opening import open_reader
from dispatcher.store.port import StoreReader
from dispatcher.store.views import CampaignView

READ_WITHIN_S: Final = 30.0
LOOK_AGAIN_S: Final = 0.2


class WrittenResults(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows were written, and which batches have no numbers, and why."""

    rows: int
    damaged: dict[int, str]


ColumnsOf = Callable[[Places, CampaignView, StoreReader], AbstractContextManager[Columns]]
"""Opens more columns for an export."""


def sent_columns(places: Places, view: CampaignView, _: StoreReader) -> AbstractContextManager[Columns]:
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
                    f"{unread} batches of {view.id} were not read from the log yet; is `dispatcher run` (role results) "
                    "keeping up? Try again in a minute."
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
