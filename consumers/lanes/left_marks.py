"""What dead owners of a lane partition left in their write marks, as facts for the journal.

An owner that is gone can write nothing any more, so what its file says stays true: what it was answered counts with its
ids, what it certainly never wrote is queued again, and the rest, at most a window for each connection, is unknown and
named. The facts are appended before the new owner claims the partition, so that nothing else becomes unknown by it.
Weak spot: the file of a process that is alive (frozen, or slow to die) is not touched; then the whole of its chunks is
unknown until a later start on this machine reads it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from consumers.lanes.write_marks import SUFFIX, LeftMarks, Slot, boot_id, read
from dispatcher import clock
from dispatcher.config.file import Config
from dispatcher.core.lane.answers.policy import POLICY, TEXT_CHARS_MAX, row_of
from dispatcher.core.lane.answers.verdict import Kind, RunsAnswer
from dispatcher.core.lane.state import Chunk, ChunkState, LaneState
from dispatcher.core.ranges import Ranges, spread
from dispatcher.drivers.link.progress import Progress, no_answer, not_sent
from dispatcher.log.opening import data_folder
from dispatcher.loggers import get_logger
from dispatcher.vendors.seam.link import LinkVendor
from dispatcher.vendors.seam.vendor import Vendor
from schemas.records import Effect, Outcomes, Run

DIED: Final = "the process that sent it ended without its answer"
NEVER_LEFT: Final = "the process that was to send it ended before"

log = get_logger("lanes")


class DeadOwner(msgspec.Struct, frozen=True):
    """A file that nobody writes any more, and what it says (None: nothing that counts)."""

    path: Path
    marks: LeftMarks | None


def dead_owners(folder: Path, partition: int) -> list[DeadOwner]:
    """The files of this partition whose process has ended."""
    found = []
    for path in sorted(folder.glob(f"{partition}-*{SUFFIX}")):
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            found.append(DeadOwner(path, read(path.read_bytes(), boot_id())))
        except OSError:  # it is alive
            continue
        finally:
            os.close(file)
    return found


def facts(
    marks: LeftMarks, state: LaneState, authors: Mapping[int, str], vendors: Mapping[str, Vendor]
) -> list[Outcomes]:
    """What this owner's marks say of the chunks that are open in the journal.

    `state` is the journal up to its end, `authors` says whose intents are in its last part; others are left alone: they
    may be of another log that had the same name.
    """
    found = []
    for chunk in state.open.values():
        if authors.get(chunk.intent) != marks.owner:
            continue
        slot = marks.slots.get(chunk.intent)
        if slot is None:
            in_hand = state.owner == marks.owner and chunk.state is ChunkState.IN_FLIGHT
            fact = _never_left(chunk) if in_hand and marks.complete else None
        else:
            fact = _of_slot(chunk, slot, vendors.get(chunk.account))
        if fact is not None:
            found.append(fact)
    return found


def _never_left(chunk: Chunk) -> Outcomes:
    run = Run(0, chunk.count, Effect.QUEUED, Kind.NOT_SENT, "not sent", NEVER_LEFT)
    return Outcomes(account=chunk.account, intent=chunk.intent, runs=(run,), at_ms=clock.now_ms())


def _of_slot(chunk: Chunk, slot: Slot, vendor: Vendor | None) -> Outcomes | None:
    """None: nothing is known but that it may have left."""
    if slot.columns is None or not isinstance(vendor, LinkVendor):
        return None
    if (slot.account, slot.count) != (chunk.account, chunk.asked):
        return None
    progress = Progress(slot.count, slot.parts, vendor.answer, slot.columns)
    answer = progress.answer(not_sent(NEVER_LEFT), no_answer(DIED))
    return Outcomes(
        account=chunk.account,
        intent=chunk.intent,
        runs=runs_of(answer, places=chunk.in_request),
        at_ms=clock.now_ms(),
        sent_ms=slot.at_ms if any(slot.columns.states) else 0,
        ids=answer.ids,
        parts=answer.parts,
    )


def runs_of(answer: RunsAnswer, first: int = 0, *, places: Ranges = ()) -> tuple[Run, ...]:
    """The runs of a record, from recipient `first` of the request on, each with the effect that its verdict has.

    `places`: the positions of the request's recipients in the chunk; empty: they are all of it.
    """
    runs: list[Run] = []
    at = first
    for each in answer.runs:
        verdict = each.verdict
        said = (POLICY[row_of(verdict)].effect, verdict.kind, verdict.code, verdict.text[:TEXT_CHARS_MAX])
        positions = spread(places, at, each.count) if places else ((at, each.count),)
        runs.extend(Run(start, count, *said) for start, count in positions)
        at += each.count
    return tuple(runs)


def marks_folder(config: Config) -> Path:
    """Where this configuration's owners keep their marks: beside the log's file, else beside the results."""
    return data_folder(config.log.url, config.store.url) / "write-marks"
