"""The gate of one chunk: what its driver asks the lane's owner right before bytes are written, and what it tells it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, MutableMapping, Sequence
from typing import Final

from consumers.lanes.left_marks import runs_of
from consumers.lanes.write_marks import WriteMarks
from dispatcher import clock
from dispatcher.core.lane.answers.verdict import RunsAnswer, Verdict
from dispatcher.core.lane.effects import Send
from dispatcher.core.lane.gate import Grant
from dispatcher.core.lane.owner import Owner
from dispatcher.drivers.port import Columns
from schemas.records import Effect, Outcomes

Waiting = MutableMapping[int, Callable[[], None]]
"""Who is called at the Go of an intent."""


class SendGate:
    """`wake`: the owner has something new to decide. `append` appends facts; `marks`: what a kill leaves."""

    def __init__(
        self,
        owner: Owner,
        send: Send,
        waiting: Waiting,
        wake: Callable[[], None],
        append: Callable[[Sequence[Outcomes]], None],
        marks: WriteMarks | None = None,
    ) -> None:
        self.sent_ms = 0
        self._owner: Final = owner
        self._send: Final = send
        self._waiting: Final = waiting
        self._wake: Final = wake
        self._append: Final = append
        self._marks: Final = marks

    def may_write(self) -> bool | asyncio.Future[None]:
        """See drivers/port.py."""
        self.sent_ms = clock.now_ms()
        word = self._owner.may_write(self._send.intent, self._send.account, time.monotonic(), self.sent_ms)
        if word is not None:
            if word and self._marks is not None:
                self._marks.slot(self._send.intent, self._send.account, self._send.count, 0)
            self._decided()
            return word
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def go() -> None:
            if not gate.done():
                gate.set_result(None)

        self._waiting[self._send.intent] = go
        self._decided()
        return gate

    def grant(self, messages: int, resume: Callable[[], None], *, started: bool = False) -> Grant | None:
        """See drivers/port.py."""
        send, now_ms = self._send, clock.now_ms()
        grant = self._owner.grant(send.intent, send.account, messages, time.monotonic(), now_ms, started=started)
        if grant is None:
            self._waiting[send.intent] = resume
        elif grant.messages and not self.sent_ms:
            self.sent_ms = now_ms
        self._decided()
        return grant

    def columns(self, count: int, parts: int) -> Columns | None:
        """See drivers/port.py."""
        return None if self._marks is None else self._marks.slot(self._send.intent, self._send.account, count, parts)

    def messages_answered(self, ticket: int, wrote_s: float, answered_s: float) -> None:
        """See drivers/port.py."""
        self._owner.messages_answered(self._send.account, ticket, wrote_s, answered_s)
        self._decided()

    def heard(self, verdict: Verdict) -> None:
        """See drivers/port.py."""
        send = self._send
        self._owner.heard(send.account, verdict, time.monotonic(), clock.now_ms(), intent=send.intent)
        self._wake()

    def late(self, first: int, answer: RunsAnswer) -> None:
        """See drivers/port.py. Only what is definite is a fact."""
        runs = runs_of(answer, first, places=self._send.places)
        if all(run.effect in (Effect.ACCEPTED, Effect.FAILED) for run in runs):
            fact = Outcomes(
                account=self._send.account,
                intent=self._send.intent,
                runs=runs,
                at_ms=clock.now_ms(),
                sent_ms=self.sent_ms,
                ids=answer.ids,
                parts=answer.parts,
            )
            self._append([fact])

    def _decided(self) -> None:
        """What is next at the gate, and when, is decided again."""
        if self._waiting or self._owner.lanes[self._send.account].pacer is not None:
            self._wake()
