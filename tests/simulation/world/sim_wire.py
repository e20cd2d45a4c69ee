"""The way from a process to the vendor and back: each step takes time, requests and answers may be slow, or lost."""

from __future__ import annotations

from collections.abc import Callable

from dispatcher.core.lane.answers.verdict import NO_ANSWER, NOT_CONNECTED, Kind, Origin, RunsAnswer, Verdict
from dispatcher.core.lane.effects import Send
from dispatcher.core.messages.template import VariableLimits
from tests.simulation.personal import texts_sent
from tests.simulation.world.sim_vendor import SimVendor
from tests.simulation.world.slowness import Slowness
from tests.simulation.world.world import Mortal

Answered = Callable[[Send, Verdict | RunsAnswer, float | None, float | None], None]
"""Told once of every request: the answer, when its first byte was written, when its answer was complete."""


MayWrite = Callable[[Send], bool | None]


class Wire:
    """One process's. What was written arrives, whatever becomes of the process."""

    def __init__(
        self,
        process: Mortal,
        vendor: SimVendor,
        batch_limits: VariableLimits | None,
        slowness: Slowness,
        timeout_s: float,
        answered: Answered,
    ) -> None:
        self._process = process
        self._vendor = vendor
        self._world = vendor.world
        self._batch_limits = batch_limits
        self._slowness = slowness
        self._gates: dict[int, Callable[[], None]] = {}
        self._timeout_s = timeout_s
        self._answered = answered

    def send(self, send: Send, name: str, may_write: MayWrite) -> None:
        """Build, connect, ask `may_write` right before the first byte, send; `name` is the sender's, for the judge."""
        world, slow = self._world, self._slowness
        straggles = world.rng.random() < self._slowness.stragglers
        connect_s = world.rng.expovariate(1 / 0.001) + straggles * world.rng.random() * 2
        stalled_s = self._vendor.stalled_until_s - world.now_s
        delay_s = slow.building_s + max(slow.connecting_s + connect_s, stalled_s)
        world.after(delay_s, lambda: self._write(send, name, may_write), self._process)

    def go(self, intent: int) -> None:
        """The request of this intent, which waits at the gate, asks again."""
        gate = self._gates.pop(intent, None)
        if gate is not None:
            self._world.after(0.0, gate, self._process)

    def ask_balance(self, told: Callable[[int, float], None]) -> None:
        """`told` is given the credit and when the vendor looked at it; never, if the answer is lost."""
        world = self._world

        def asked() -> None:
            credit, seen_s = self._vendor.credit, world.now_s
            if credit is not None and (not self._vendor.faults or world.rng.random() > 0.1):
                back_s = world.rng.expovariate(1 / 0.02)
                world.after(back_s, lambda: told(credit, seen_s), self._process)

        world.after(world.rng.expovariate(1 / 0.02), asked)

    def _write(self, send: Send, name: str, may_write: MayWrite) -> None:
        world, vendor = self._world, self._vendor
        behaviour = vendor.behave()
        if behaviour == "refuse":
            self._answered(send, Verdict(kind=Kind.NOT_SENT, code=NOT_CONNECTED, origin=Origin.LINK), None, None)
            return
        word = may_write(send)
        if word is None:
            self._gates[send.intent] = lambda: self._write(send, name, may_write)
            return
        if not word:
            self._answered(send, Verdict(kind=Kind.NOT_SENT, origin=Origin.OURS), None, None)
            return
        wrote_s, numbers = world.now_s, bytes(send.numbers)
        texts = texts_sent(send, self._batch_limits)
        forward_s = 0.0005 + world.rng.expovariate(1 / 0.001) + (world.rng.random() < 0.01) * world.rng.random() * 0.1
        over = False

        def conclude(verdict: Verdict | RunsAnswer, answered_s: float | None) -> None:
            nonlocal over
            if not over:
                over = True
                self._answered(send, verdict, wrote_s, answered_s)

        def arrive() -> None:
            verdict = vendor.arrive(numbers, texts, behaviour, name, send.intent, send.campaign)
            back_s = 0.0005 + world.rng.expovariate(1 / 0.003) + (6.0 if behaviour == "late" else 0.0)
            if verdict is not None:
                world.after(back_s, lambda: conclude(verdict, world.now_s), self._process)

        world.after(forward_s, arrive)
        silence = Verdict(kind=Kind.UNKNOWN, code=NO_ANSWER, origin=Origin.LINK)
        world.after(self._timeout_s, lambda: conclude(silence, None), self._process)
