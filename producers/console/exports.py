"""Exports of campaigns: written in the background, watched on a page of their own, fetched as often as wanted.

They are this process's: after a restart they are gone, and an export is ordered again. Their files hold numbers, so
they are private, only their author gets them, and they are removed after a day.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

import msgspec

from dispatcher.errors import DispatcherError, UserError
from dispatcher.i18n import _
from dispatcher.service.session import Session
from dispatcher.store.export.recipients import Format
from producers.console.services import SHORT_RECIPIENTS_MAX, call
from producers.console.wording.sentences import said

KEPT_S: Final = 86_400.0
READY_WITHIN_S: Final = 1.5
RUNNING_MAX: Final = 2
KEPT_MAX: Final = 200


class Export(msgspec.Struct, kw_only=True):
    """One export: whose, of what, and how far it is. `failed` says why there is no file."""

    token: str
    by: str
    campaign: str
    kind: Format
    states: list[str]
    asked_ms: int
    recipients: int
    path: Path
    rows: int | None = None
    bytes: int = 0
    notes: list[str] = []
    failed: str = ""
    task: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the file is there."""
        return self.rows is not None

    @property
    def name(self) -> str:
        """What the browser calls the file."""
        return f"{self.campaign}.{self.kind}"


class Exports:
    """The exports of this process, by token."""

    def __init__(self) -> None:
        self._all: dict[str, Export] = {}
        self._turn = asyncio.Semaphore(RUNNING_MAX)

    def of(self, by: str) -> list[Export]:
        """This person's, newest first."""
        self._forget()
        return sorted((each for each in self._all.values() if each.by == by), key=lambda each: -each.asked_ms)

    def get(self, token: str, by: str) -> Export:
        """Raises UserError if there is none of this person."""
        self._forget()
        found = self._all.get(token)
        if found is None or found.by != by:
            raise UserError(_("This export is not there any more. Order it again on the page of its campaign."))
        return found

    async def start(self, session: Session, export: Export, *, texts: bool, values: bool, language: str) -> None:
        """Begin to write it; waits a moment, because a short one is ready then."""
        self._all[export.token] = export

        async def write() -> None:
            try:
                async with self._turn:
                    done = await call(
                        session,
                        "export_results",
                        long=export.recipients > SHORT_RECIPIENTS_MAX,
                        campaign=export.campaign,
                        path=str(export.path),
                        kind=export.kind,
                        states=export.states or None,
                        texts=texts,
                        values=values,
                        language=language,
                    )
            except DispatcherError as error:
                export.failed = said(error)
                return
            except Exception as error:
                export.failed = f"{type(error).__name__}: {error}"
                raise
            export.bytes = export.path.stat().st_size
            export.notes = [f"batch {number}: {why}" for number, why in done["damaged"].items()]
            export.rows = done["rows"]

        export.task = asyncio.create_task(write())
        await asyncio.wait([export.task], timeout=READY_WITHIN_S)

    async def close(self) -> None:
        """End those that are being written."""
        for export in self._all.values():
            if export.task is not None:
                export.task.cancel()

    def _forget(self) -> None:
        """Drop those that are old, and the oldest of too many."""
        over = sorted(self._all.values(), key=lambda each: each.asked_ms)[: max(0, len(self._all) - KEPT_MAX)]
        old = [each for each in self._all.values() if time.time() * 1000 - each.asked_ms > KEPT_S * 1000]
        for export in [*over, *old]:
            self._all.pop(export.token, None)
            export.path.unlink(missing_ok=True)
