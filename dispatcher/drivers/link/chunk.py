"""A chunk in the hands of one connection: asks its gate, sends as much as the window takes, and knows its end. No I/O.

Its frames leave in order. What came too fast, and a part that the gateway did not take of a recipient who has another
part already, leave again before anything new does. Each grant of the gate is answered when its last frame is.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from dispatcher.cmpp.link import Answers, Batch, Link
from dispatcher.cmpp.submits import SubmitTemplate
from dispatcher.core.lane.answers.verdict import Kind, RunsAnswer, Verdict
from dispatcher.drivers.link.progress import Meaning, Progress, no_answer, not_sent
from dispatcher.drivers.port import Gate

_HEARD: Final = frozenset({Kind.THROTTLED, Kind.RETRY_LATER, Kind.BALANCE, Kind.AUTH})
HELD_BACK: Final = "the lane held the rest back"


class _Grant:
    """Frames from `first` on that left together under a ticket; `open` of them have no final word."""

    __slots__ = ("first", "open", "ticket", "wrote_s")

    def __init__(self, first: int, count: int, ticket: int, wrote_s: float) -> None:
        self.first = first
        self.open = count
        self.ticket = ticket
        self.wrote_s = wrote_s


class ChunkSend:
    """One chunk. `done` has the answer once nothing of it is under way."""

    def __init__(
        self,
        template: SubmitTemplate,
        numbers: Sequence[bytes],
        references: Sequence[int],
        meaning: Meaning,
        gate: Gate,
        done: asyncio.Future[RunsAnswer],
    ) -> None:
        columns = gate.columns(len(numbers), template.parts)
        self.progress = Progress(len(numbers), template.parts, meaning, columns)
        self.done = done
        self.first_token = 0
        self._template = template
        self._numbers = numbers
        self._references = references
        self._meaning = meaning
        self._gate = gate
        self._batch: Batch | None = None
        self._grants: list[_Grant] = []
        self._again: deque[int] = deque()
        self._again_grants: dict[int, _Grant] = {}
        self._waits = False
        self._rest: Verdict | None = None

    @property
    def left(self) -> int:
        """Frames that are still to leave."""
        more = 0 if self._rest is not None else self.progress.frames - self.progress.sent
        return more + len(self._again)

    @property
    def end_token(self) -> int:
        """The token behind its last frame."""
        return self.first_token + self.progress.frames

    def begins(self, link: Link, first_token: int) -> None:
        """This connection sends it."""
        self.first_token = first_token
        self._batch = link.prepare(self._template, self._numbers, first_token, self._references)

    def send(self, link: Link, now_s: float, resume: Callable[[], None]) -> bool:
        """Write what gate and window allow. Whether a later chunk may write now, too."""
        while self.left:
            room = link.room
            if not room or self._waits:
                return False
            if self._again:
                begun = self.progress.has_begun(self._again[0] // self.progress.parts)
                again = self._granted(1, resume, started=begun)
                if again is None:
                    return False
                frame = self._again.popleft()
                if again[0]:
                    self._send_again(link, frame, again[1], now_s)
                elif not begun:
                    self._rest = not_sent(HELD_BACK)
                continue
            progress, batch = self.progress, self._batch
            assert batch is not None
            out = progress.sent % progress.parts  # parts of this recipient that are out
            most = min(room, progress.parts - out if out else self.left)
            granted = self._granted(most, resume, started=bool(out))
            if granted is None:
                return False
            count, ticket = granted
            if not count:
                self._rest = not_sent(HELD_BACK)
                break
            link.send(batch, count, now_s)
            if ticket:
                self._grants.append(_Grant(progress.sent, count, ticket, now_s))
            progress.wrote(count)
        return True

    def _granted(self, messages: int, resume: Callable[[], None], *, started: bool) -> tuple[int, int] | None:
        def go() -> None:
            self._waits = False
            resume()

        grant = self._gate.grant(messages, go, started=started)
        if grant is None:
            self._waits = True
            return None
        return grant.messages, grant.ticket

    def _send_again(self, link: Link, frame: int, ticket: int, now_s: float) -> None:
        recipient, part = divmod(frame, self.progress.parts)
        template = self._template.only(part)
        references = self._references[recipient : recipient + 1]
        batch = link.prepare(template, [self._numbers[recipient]], self.first_token + frame, references)
        link.send(batch, 1, now_s)
        if ticket:
            self._again_grants[frame] = _Grant(frame, 1, ticket, now_s)
        self.progress.wrote_again(frame)

    def answered(self, answers: Answers, frames: list[int], now_s: float) -> None:
        """Answers to these frames of it, or to some of them late."""
        self._hear(answers)
        self._again += self.progress.answered(frames, answers.msg_ids, answers.results, answers.transmissions)
        if self._grants or self._again_grants:
            self._count(frames, now_s)

    def _hear(self, answers: Answers) -> None:
        """Tell the account at once what concerns it."""
        if any(answers.results):
            for result in set(answers.results):
                verdict = self._meaning(result, answers.transmissions)
                if verdict.kind in _HEARD:
                    self._gate.heard(verdict)

    def late(self, answers: Answers, frames: list[int]) -> None:
        """Answers to frames that were given up: if the chunk's end is told already, they are facts of their own."""
        progress = self.progress
        progress.open += len(frames)
        progress.answered(frames, answers.msg_ids, answers.results, answers.transmissions)
        if self.done.done():
            for recipient in sorted({frame // progress.parts for frame in frames}):
                said = progress.answer(not_sent(HELD_BACK), no_answer("no answer"), recipient, 1)
                if said.runs[0].verdict.kind is not Kind.UNKNOWN:
                    self._gate.late(recipient, said)

    def unanswered(self, frames: list[int]) -> None:
        """No answer to these comes in time."""
        self.progress.unanswered(frames)

    def ends_if_over(self, why: str = "no answer in time") -> bool:
        """Whether nothing is to leave and nothing is under way; then its end is told."""
        if self.left or self.progress.open:
            return False
        self._tell(self._rest or not_sent(HELD_BACK), why)
        return True

    def broken(self, why: str) -> None:
        """Its connection is gone: what was not answered is unknown, what never left is not sent."""
        open_frames = [frame for frame, state in enumerate(self.progress.states) if state == 1]
        self.progress.unanswered(open_frames)
        self._again.clear()
        self._tell(self._rest or not_sent(why), why)

    def _tell(self, unsent: Verdict, why: str) -> None:
        if not self.done.done():
            self.done.set_result(self.progress.answer(unsent, no_answer(why)))
            self.progress.detach()

    def _count(self, frames: list[int], now_s: float) -> None:
        """Grants whose last frame is answered."""
        for frame in frames:
            grant = self._again_grants.pop(frame, None)
            if grant is None and self._grants:
                at = bisect_right(self._grants, frame, key=lambda each: each.first) - 1
                grant = self._grants[at] if at >= 0 else None
            if grant is None:
                continue
            grant.open -= 1
            if not grant.open:
                self._gate.messages_answered(grant.ticket, grant.wrote_s, now_s)
