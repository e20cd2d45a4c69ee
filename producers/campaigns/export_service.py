"""Exporting a campaign as a service (`dispatcher.services`): JSON in, JSON out, for a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from dispatcher.errors import UserError
from dispatcher.private_files import written_whole
from dispatcher.service.campaigns.results import sent_columns, write_results
from dispatcher.service.campaigns.views import view_of
from dispatcher.service.session import Session
from dispatcher.store.export.recipients import FORMATS, REJECTED, STATES, Language


class ExportedResults(msgspec.Struct, frozen=True, kw_only=True):
    """An export that was written: its rows, the records that the results are behind the log, and what is missing."""

    rows: int
    records_behind: int
    damaged: dict[int, str]


async def export_results(
    session: Session,
    campaign: str,
    path: str,
    kind: str,
    states: Sequence[str] | None = None,
    texts: bool = False,
    values: bool = False,
    language: Language = "en",
) -> ExportedResults:
    """Write the results of a campaign into a private file, which appears when it is whole.

    `states` None: every recipient. `values`: with the values of a personalised campaign. Raises UserError, LogError,
    StoreError.
    """
    if kind not in FORMATS:
        raise UserError('the format must be {formats}, not "{kind}".', formats=", ".join(FORMATS), kind=kind)
    known = {*STATES, *REJECTED}
    wrong = [word for word in states or () if word not in known]
    if wrong:
        raise UserError('"{wrong}" is no state.', wrong=wrong[0])
    behind = await session.behind(whole=True)
    view = await view_of(session, campaign)
    more: dict[str, Any] = {"columns": sent_columns} if values and view.variables else {}

    def write() -> ExportedResults:
        with written_whole(Path(path)) as out:
            done = write_results(session.places, view, out, kind, states=states, texts=texts, language=language, **more)
        return ExportedResults(rows=done.rows, records_behind=behind, damaged=done.damaged)

    return await asyncio.to_thread(write)
