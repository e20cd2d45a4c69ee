"""A chunk in SUBMITs to several numbers each, where no report is wanted (vendors.md 6.7). No I/O.

One answer is about all numbers of its SUBMIT: taken (one Msg_Id for all), too fast, refused. Without an answer all are
unknown. A refusal that may be about one number does not say which: halves leave, then single numbers, until that number
alone is refused. This needs a SUBMIT that was certainly not taken, so it was sent once and answered in time; any other
refusal is that of all its numbers.

A SUBMIT has one place in the window, and each of its numbers counts for the flow limit. It has the token of its first
number's frame; progress has a frame for each number, so marks and runs know recipients alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

from dispatcher.cmpp.link import Answers, Link
from dispatcher.cmpp.submits import SubmitTemplate
from dispatcher.core.lane.answers.verdict import Kind, RunsAnswer
from dispatcher.drivers.link.chunk import HELD_BACK, ChunkSend
from dispatcher.drivers.link.progress import TO_LEAVE, UNSENT, Meaning, no_answer, not_sent
from dispatcher.drivers.port import Gate


class Group(NamedTuple):
    """A part (from 0) of the message to neighbouring recipients of the chunk: one SUBMIT."""

    start: int
    size: int
    part: int

    def cut(self, first: int, count: int) -> Group:
        """The same part to some of its recipients, from the `first` of them on."""
        return Group(self.start + first, count, self.part)


class GroupSend(ChunkSend):
    """One chunk of which each SUBMIT has up to `template.numbers_max` numbers."""

    def __init__(
        self,
        template: SubmitTemplate,
        numbers: Sequence[bytes],
        references: Sequence[int],
        meaning: Meaning,
        gate: Gate,
        done: asyncio.Future[RunsAnswer],
    ) -> None:
        super().__init__(template, numbers, references, meaning, gate, done)
        most = template.numbers_max
        self._new = deque(
            Group(start, min(most, len(numbers) - start), part)
            for start in range(0, len(numbers), most)
            for part in range(template.parts)
        )
        self._first: deque[Group] = deque()
        self._counts: dict[int, int] = {}  # the numbers of the SUBMIT with this token, as it left last
        self._tickets: dict[int, tuple[int, float]] = {}

    @property
    def left(self) -> int:
        """SUBMITs that are still to leave."""
        return len(self._first) + len(self._new)

    def begins(self, link: Link, first_token: int) -> None:
        """This connection sends it."""
        self.first_token = first_token

    def send(self, link: Link, now_s: float, resume: Callable[[], None]) -> bool:
        """Write what gate and window allow. Whether a later chunk may write now, too."""
        while queue := self._first or self._new:
            if not link.room or self._waits:
                return False
            runs = self._runs(queue.popleft())
            queue.extendleft(group for group, _ in reversed(runs))
            group, started = runs[0]
            granted = self._granted(group.size, resume, started=started)
            if granted is None:
                return False
            count, ticket = granted
            if not count:
                self._rest = not_sent(HELD_BACK)
                self._keep(started_too=not started)
                continue
            queue.popleft()
            if count < group.size:
                queue.appendleft(group.cut(count, group.size - count))
            self._write(link, group.cut(0, count), ticket, now_s)
        return True

    def answered(self, answers: Answers, frames: list[int], now_s: float) -> None:
        """Answers to the SUBMITs with these tokens."""
        self._hear(answers)
        told: list[int] = []
        ids: list[int] = []
        results: list[int] = []
        for frame, msg_id, result in zip(frames, answers.msg_ids, answers.results, strict=True):
            if ticket := self._tickets.pop(frame, None):
                self._gate.messages_answered(*ticket, now_s)
            count, of_all = self._counts[frame], self._frames(frame)
            if result and count > 1 and answers.transmissions == 1 and self._meaning(result, 1).divide:
                self.progress.not_taken(of_all)
                self._first += _halves(Group(frame // self.progress.parts, count, frame % self.progress.parts))
                continue
            told += of_all
            ids += [msg_id] * count
            results += [result] * count
        if told:
            self._first += self._together(self.progress.answered(told, ids, results, answers.transmissions))

    def late(self, answers: Answers, frames: list[int]) -> None:
        """Answers to SUBMITs that were given up."""
        progress = self.progress
        for frame, msg_id, result in zip(frames, answers.msg_ids, answers.results, strict=True):
            of_all, count = self._frames(frame), self._counts[frame]
            progress.open += count
            progress.answered(of_all, [msg_id] * count, [result] * count, answers.transmissions)
            if self.done.done():
                at = frame // progress.parts
                for run in progress.answer(not_sent(HELD_BACK), no_answer("no answer"), at, count).runs:
                    if run.verdict.kind is not Kind.UNKNOWN:
                        said = progress.answer(not_sent(HELD_BACK), no_answer("no answer"), at, run.count)
                        self._gate.late(at, said)
                    at += run.count

    def unanswered(self, frames: list[int]) -> None:
        """No answer to these comes in time."""
        self.progress.unanswered([each for frame in frames for each in self._frames(frame)])

    def broken(self, why: str) -> None:
        """Its connection is gone."""
        self._first.clear()
        self._new.clear()
        super().broken(why)

    def _write(self, link: Link, group: Group, ticket: int, now_s: float) -> None:
        start, count, part = group
        frame = start * self.progress.parts + part
        self._counts[frame] = count
        reference = self._references[start] if self._references else 0
        numbers = self._numbers[start : start + count]
        batch = link.prepare_group(self._template, part, numbers, self.first_token + frame, reference)
        self.progress.wrote_group(self._frames(frame))
        link.send(batch, 1, now_s)
        if ticket:
            self._tickets[frame] = ticket, now_s

    def _frames(self, frame: int) -> range:
        """The frames in progress of the SUBMIT with this token."""
        parts = self.progress.parts
        return range(frame, frame + self._counts[frame] * parts, parts)

    def _runs(self, group: Group) -> list[tuple[Group, bool]]:
        """The group, divided where a recipient who has another part already lies beside one who has not."""
        if self.progress.parts == 1:
            return [(group, False)]
        runs, at = [], 0
        for started, same in groupby(map(self._has_begun, range(group.start, group.start + group.size))):
            count = len(list(same))
            runs.append((group.cut(at, count), started))
            at += count
        return runs

    def _has_begun(self, recipient: int) -> bool:
        parts = self.progress.parts
        states = self.progress.states[recipient * parts : (recipient + 1) * parts]
        return any(state not in (UNSENT, TO_LEAVE) for state in states)

    def _keep(self, *, started_too: bool) -> None:
        """The lane refused: what no recipient has a part of never leaves; nor does the rest, unless `started_too`."""
        for queue in (self._first, self._new):
            groups = [group for each in queue for group, started in self._runs(each) if started and started_too]
            queue.clear()
            queue.extend(groups)

    def _together(self, frames: list[int]) -> list[Group]:
        """Frames that are to leave again, in SUBMITs: neighbours of one group and one part. Parts stay in order."""
        parts, most = self.progress.parts, self._template.numbers_max
        found: list[Group] = []
        for recipient, part in sorted((divmod(each, parts) for each in frames), key=lambda it: (it[0] // most, it[1])):
            if found:
                start, count, of_part = found[-1]
                if part == of_part and recipient == start + count and recipient // most == start // most:
                    found[-1] = Group(start, count + 1, part)
                    continue
            found.append(Group(recipient, 1, part))
        return found


def _halves(group: Group) -> tuple[Group, Group]:
    first = (group.size + 1) // 2
    return group.cut(0, first), group.cut(first, group.size - first)
