"""Whom the launches that count have texted: a set of numbers for each, in files beside the results.

A file is named after the attempt that was launched, so each launch is there once, however often it is made. The
launching process writes that of its own launch; what is missing (a crash came between, another machine launched) is
read from the log. Files may be deleted at any time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from dispatcher.caps.number_set import NumberSet, SetBroken, open_set, set_of
from dispatcher.core import numbers as phone_numbers
from dispatcher.core.caps import DAYS_MAX
from dispatcher.core.numbers import Numbers
from dispatcher.errors import DispatcherError, LogDamaged
from dispatcher.log.port import Log
from dispatcher.log.records import record_of
from dispatcher.private_files import make_folder
from schemas.batch import BrokenBatch, unpack
from schemas.records import Job, Launched
from schemas.topics import JOBS, RECIPIENTS, lane_partition

SUFFIX: Final = ".numbers"
KEPT_S: Final = (DAYS_MAX + 2) * 86_400


class TextedSets(msgspec.Struct, frozen=True):
    """The sets by attempt, and the campaigns whose numbers the log does not have any more, with the reason."""

    sets: dict[str, NumberSet]
    lost: dict[str, str]


class RecentlyTexted:
    """The files in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder

    async def of(self, log: Log, launches: Mapping[str, Launched]) -> TextedSets:
        """The sets of these launches (by attempt); missing files are made. Raises DispatcherError, LogError."""
        sets: dict[str, NumberSet] = {}
        lost: dict[str, str] = {}
        for attempt in launches:
            with suppress(OSError, SetBroken):
                sets[attempt] = await asyncio.to_thread(open_set, self._path(attempt))
        missing = {attempt: launched for attempt, launched in launches.items() if attempt not in sets}
        batches = await _batches(log, missing.values()) if missing else {}
        for attempt, launched in missing.items():
            try:
                numbers = await _numbers(log, launched, batches.get(attempt, {}))
            except LogDamaged as error:
                lost[launched.campaign] = str(error)
                continue
            await asyncio.to_thread(lambda attempt, numbers: self.keep(attempt, set_of(numbers)), attempt, numbers)
            sets[attempt] = await asyncio.to_thread(open_set, self._path(attempt))
        return TextedSets(sets, lost)

    def keep(self, attempt: str, texted: NumberSet) -> None:
        """Write the file of a launch. Blocks. Raises DispatcherError."""
        try:
            make_folder(self._folder)
            texted.write(self._path(attempt))
            self._forget()
        except OSError as error:
            raise DispatcherError(
                "whom the campaign texted cannot be kept in {folder} ({reason}). Make room there, or "
                "check its permissions.",
                folder=self._folder,
                reason=error.strerror,
            ) from error

    def _forget(self) -> None:
        """Delete files that no cap can count any more."""
        for path in self._folder.glob(f"*{SUFFIX}"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > KEPT_S:
                    path.unlink()

    def _path(self, attempt: str) -> Path:
        return self._folder / f"{attempt}{SUFFIX}"


def folder_beside(path: str) -> Path:
    """Where the files are, beside the results at this path."""
    return Path(f"{path}-caps")


async def _batches(log: Log, launches: Iterable[Launched]) -> dict[str, dict[int, Job]]:
    """By attempt and number: a job that names each batch."""
    wanted = {launched.attempt: launched for launched in launches}
    found: dict[str, dict[int, Job]] = {attempt: {} for attempt in wanted}
    partitions = {lane_partition(leg.account) for launched in wanted.values() for leg in launched.legs}
    for partition in sorted(partitions):
        position = 0
        while records := await log.read(JOBS.name, partition, position):
            for stored in records:
                record = record_of(stored, JOBS.name)
                if isinstance(record, Job) and record.attempt in found:
                    found[record.attempt].setdefault(record.batch, record)
            position = records[-1].offset + 1
    return found


async def _numbers(log: Log, launched: Launched, batches: Mapping[int, Job]) -> Numbers:
    """All recipients of a launch. Raises LogDamaged if a batch is missing or broken."""
    if len(batches) != launched.batches:
        raise LogDamaged(
            "the log has {came:,} of its {batches:,} batches",
            came=len(batches),
            batches=launched.batches,
        )
    parts = []
    for number, job in sorted(batches.items()):
        stored = await log.fetch(RECIPIENTS.name, job.partition, job.offset)
        try:
            plain, _ = unpack(stored.value, stored.headers, job.sha256)
            parts.append(await asyncio.to_thread(phone_numbers.decode, plain))
        except (BrokenBatch, ValueError) as error:
            raise LogDamaged("its batch {number} cannot be read ({error})", number=number, error=error) from error
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
