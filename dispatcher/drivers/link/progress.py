"""What is known of each frame of a chunk on a link, in columns; what that makes of each recipient. Pure.

A frame is a message on the wire: a recipient's text, or a part of it. The parts of a recipient are neighbours. A SUBMIT
to several numbers (groups.py) has a frame here for each of them, so that everything else is about recipients alone.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final

import msgspec

from dispatcher.core.lane.answers.verdict import NO_ANSWER, NOT_CONNECTED, AnswerRun, Kind, Origin, RunsAnswer, Verdict
from dispatcher.drivers.port import Columns

UNSENT: Final = 0
SENT: Final = 1
ANSWERED: Final = 2
UNANSWERED: Final = 3
AGAIN: Final = 4
"""Answered after it was sent more than once."""

TO_LEAVE: Final = 5
"""Answered: not taken for now; it is to leave again."""

TRIES_MAX: Final = 5
"""How often a message is tried that is to leave again."""

ID_BYTES: Final = 8

_NOT_TAKEN: Final = frozenset({Kind.THROTTLED, Kind.RETRY_LATER, Kind.NOT_SENT, Kind.AUTH, Kind.BALANCE})
"""Classes of answers to a message that was certainly not taken and may be sent again."""

_REFUSED: Final = frozenset({Kind.REJECTED, Kind.CONTENT})

Meaning = Callable[[int, int], Verdict]
"""The verdict on a Result and a number of transmissions."""


class Progress:
    """The columns of a chunk of `count` recipients with `parts` frames each, given (Gate.columns) or its own.

    `sent` frames have left, in order; `open` of them have no final word. A frame that is to leave again is not counted.
    """

    __slots__ = ("_meaning", "_not_all_taken", "_tries", "count", "ids", "open", "parts", "results", "sent", "states")

    def __init__(self, count: int, parts: int, meaning: Meaning, columns: Columns | None = None) -> None:
        columns = columns or new_columns(count * parts)
        self.count = count
        self.parts = parts
        self.states, self.results, self.ids = columns.states, columns.results, columns.ids
        self.sent = 0
        self.open = 0
        self._meaning = meaning
        self._tries: dict[int, int] = {}
        self._not_all_taken = False

    @property
    def frames(self) -> int:
        """How many frames the chunk has."""
        return len(self.states)

    def detach(self) -> None:
        """Go on in columns of its own: those that it was given are read by another process, or used again."""
        columns = new_columns(self.frames)
        columns.states[:], columns.results[:], columns.ids[:] = self.states, self.results, self.ids
        self.states, self.results, self.ids = columns.states, columns.results, columns.ids

    def wrote(self, count: int) -> None:
        """The next `count` frames leave."""
        self.states[self.sent : self.sent + count] = bytes((SENT,)) * count
        self.sent += count
        self.open += count

    def wrote_again(self, frame: int) -> None:
        """A part that was not taken leaves once more."""
        self.states[frame] = SENT
        self.open += 1

    def wrote_group(self, frames: Sequence[int]) -> None:
        """These leave in one frame on the wire that is addressed to several recipients."""
        for frame in frames:
            self.states[frame] = SENT
        self.open += len(frames)

    def not_taken(self, frames: Sequence[int]) -> None:
        """A group was refused as a whole, so none of these was taken: they are as if they had not left."""
        for frame in frames:
            self.states[frame] = UNSENT
        self.open -= len(frames)

    def answered(
        self, frames: Sequence[int], ids: Sequence[int], results: Sequence[int], transmissions: int
    ) -> list[int]:
        """Answers, in columns. Returns the frames that are to leave again. What was not taken has no id."""
        self.open -= len(frames)
        if any(results):
            self._not_all_taken = True
            ids = [0 if result else vendor_id for vendor_id, result in zip(ids, results, strict=True)]
        state = ANSWERED if transmissions == 1 else AGAIN
        first, end = frames[0], frames[0] + len(frames)
        if frames[-1] == end - 1 and list(frames) == list(range(first, end)):
            self.results[first:end] = bytes(results)
            self.ids[first:end] = array("Q", ids)
            self.states[first:end] = bytes((state,)) * len(frames)  # last: whoever reads them knows the others
        else:
            for frame, vendor_id, result in zip(frames, ids, results, strict=True):
                self.results[frame], self.ids[frame] = result, vendor_id
                self.states[frame] = state
        return self._to_leave_again(frames) if self._not_all_taken else []

    def has_begun(self, recipient: int) -> bool:
        """Whether a part of its text may have been taken."""
        start, end = recipient * self.parts, (recipient + 1) * self.parts
        taken = (self.states[frame] in (ANSWERED, AGAIN) and not self.results[frame] for frame in range(start, end))
        return any(taken) or any(self.states[frame] in (SENT, UNANSWERED) for frame in range(start, end))

    def unanswered(self, frames: Sequence[int]) -> None:
        """No answer comes any more: unknown."""
        self.open -= len(frames)
        for frame in frames:
            self.states[frame] = UNANSWERED

    def _to_leave_again(self, frames: Sequence[int]) -> list[int]:
        """What came too fast, and parts not taken for now whose recipient has another part.

        So a few messages that came too fast are not a chunk of their own each.
        """
        again: list[int] = []
        for recipient in sorted({frame // self.parts for frame in frames}):
            start, end = recipient * self.parts, (recipient + 1) * self.parts
            kinds = [self._frame(frame, _UNSENT, _UNKNOWN).kind for frame in range(start, end)]
            whole = not {UNSENT, SENT, TO_LEAVE} & set(self.states[start:end])
            all_too_fast = kinds.count(Kind.THROTTLED) == self.parts
            if not whole or not (all_too_fast or Kind.ACCEPTED in kinds) or _REFUSED & set(kinds):
                continue
            for frame, kind in zip(range(start, end), kinds, strict=True):
                if kind in _NOT_TAKEN and self._tries.get(frame, 1) < TRIES_MAX:
                    self._tries[frame] = self._tries.get(frame, 1) + 1
                    self.states[frame] = TO_LEAVE
                    again.append(frame)
        return again

    def answer(self, unsent: Verdict, unanswered: Verdict, first: int = 0, count: int | None = None) -> RunsAnswer:
        """What became of these recipients (all of them). `unsent`, `unanswered`: the verdicts on such frames."""
        count = self.count - first if count is None else count
        parts, start, end = self.parts, first * self.parts, (first + count) * self.parts
        states, results = bytes(self.states[start:end]), bytes(self.results[start:end])
        ids = self.ids[start:end].tobytes()
        if not any(ids):
            ids = b""
        if states.count(ANSWERED) == len(states) and not any(results):
            return RunsAnswer((AnswerRun(count, self._meaning(0, 1)),), ids, parts)
        known: dict[tuple[bytes, bytes], Verdict] = {}
        verdicts = []
        for at in range(0, len(states), parts):
            key = states[at : at + parts], results[at : at + parts]
            verdict = known.get(key)
            if verdict is None:
                frames = range(start + at, start + at + parts)
                verdict = known[key] = combined([self._frame(frame, unsent, unanswered) for frame in frames])
            verdicts.append(verdict)
        runs = tuple(AnswerRun(len(list(same)), verdict) for verdict, same in groupby(verdicts))
        return RunsAnswer(runs, ids, parts)

    def _frame(self, frame: int, unsent: Verdict, unanswered: Verdict) -> Verdict:
        match self.states[frame]:
            case 0:
                return unsent
            case 2 | 5:
                return self._meaning(self.results[frame], 1)
            case 4:
                return self._meaning(self.results[frame], 2)
        return unanswered


def new_columns(frames: int) -> Columns:
    """Columns in memory, of frames that are not sent."""
    ids = memoryview(array("Q", bytes(ID_BYTES * frames)))
    return Columns(memoryview(bytearray(frames)), memoryview(bytearray(frames)), ids)


def combined(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on a recipient, from those on the parts.

    All parts taken: accepted. One refused: so is the whole, whatever the others. If some parts may be on the way and
    others will not be, it is unknown: sending it again would send those twice. Otherwise nothing was taken.
    """
    first = verdicts[0]
    if len(verdicts) == 1 or all(verdict.kind is first.kind for verdict in verdicts):
        return first
    refused = next((verdict for verdict in verdicts if verdict.kind in _REFUSED), None)
    if refused is not None:
        return refused
    if all(verdict.kind in _NOT_TAKEN for verdict in verdicts):
        return next(verdict for verdict in verdicts if verdict.kind is not Kind.NOT_SENT)
    taken = sum(verdict.kind is Kind.ACCEPTED for verdict in verdicts)
    odd = next(verdict for verdict in verdicts if verdict.kind is not Kind.ACCEPTED)
    text = f"{taken} of its {len(verdicts)} parts were taken. {odd.text}".strip()
    return msgspec.structs.replace(odd, kind=Kind.UNKNOWN, text=text)


def not_sent(why: str) -> Verdict:
    """The verdict on what never left."""
    return Verdict(kind=Kind.NOT_SENT, code=NOT_CONNECTED, text=why, origin=Origin.LINK)


def no_answer(why: str) -> Verdict:
    """The verdict on what left and was not answered."""
    return Verdict(kind=Kind.UNKNOWN, code=NO_ANSWER, text=why, origin=Origin.LINK)


def socket_words(error: OSError) -> str:
    """Why there is no connection, in a few words."""
    return os.strerror(error.errno).lower() if error.errno else "the host in `url` cannot be reached"


_UNSENT: Final = not_sent("")
_UNKNOWN: Final = no_answer("")
