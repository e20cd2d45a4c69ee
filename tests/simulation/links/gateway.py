"""A CMPP gateway in virtual time, as far as a lane can see it; it keeps the only ledger that counts.

It takes, throttles, refuses, is silent, answers late, and takes a repeated frame for what it is, or, where the account
says `resend = "never"`, for a new message. What no SP may do is judged on arrival: a window over W, another frame under
the same Sequence_Id, parts out of order or on two connections. Where an account wants no reports, a SUBMIT has up to
`group` numbers. A SUBMIT carries what only the judge reads: its intent as Service_Id, its owner as Src_Id.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Literal

from dispatcher.cmpp import pdus
from dispatcher.cmpp.frames import FrameReader, read
from tests.simulation.world.sim_log import SimLog
from tests.simulation.world.sim_vendor import Arrival, report_of
from tests.simulation.world.world import World

WINDOW: Final = 16
TIMEOUT_S: Final = 2.0
TRANSMISSIONS: Final = 2
EXPECTED_S: Final = TIMEOUT_S * TRANSMISSIONS
"""How long an SP waits for an answer, at most."""

ARRIVES_S: Final = 0.2
"""Within this time what was written arrives; an SP's wait begins before."""

IDS_FROM: Final = 2**63 - 200
REFUSED: Final = 6
TOO_FAST: Final = 8
OTHER: Final = 9
"""A refusal that may be about one number of a group."""

REPEATED: Final = 3


def loss_of(seed: int) -> float:
    """How often a message or its answer is lost, and how often an answer is late."""
    return random.Random(f"{seed}, loss").choice([0.0, 0.002, 0.02])


def odd_of(seed: int) -> float:
    """How often a message is not taken: too fast, or refused."""
    return random.Random(f"{seed}, odd").choice([0.0, 0.03, 0.3])


def resend_of(seed: int) -> Literal["spec", "never"]:
    """Whether a frame without an answer is sent again as it is."""
    return random.Random(f"{seed}, resend").choice(["spec", "spec", "spec", "never"])


def group_of(seed: int) -> int:
    """How many numbers a SUBMIT has at most; 1: reports are wanted."""
    return random.Random(f"{seed}, group").choice([1, 1, 1, 4, 25])


class Gateway:
    """`taken` counts the messages that each number got whole; `got` the times of each of their parts."""

    def __init__(self, world: World, log: SimLog, *, faults: bool) -> None:
        self.world = world
        self.log = log
        self.faults = faults
        self.rng = random.Random(f"{world.seed}, gateway")
        self.got: dict[tuple[int, int], int] = {}
        self.taken: dict[bytes, int] = {}
        self.segments: dict[str, int] = {}  # parts of each campaign's text
        self.campaigns: dict[int, str] = {}  # by its first number
        self.homes: dict[tuple[int, int], object] = {}  # the connection of each intent's recipient
        self.watch: Callable[[Arrival, str], None] = lambda arrival, behaviour: None
        self.twice: Callable[[int, int], None] = lambda number, intent: None
        self.requests = self.breaks = self.again = self.late = self.grouped = 0
        self.refuses_until_s = 0.0
        self.ids = IDS_FROM
        self.heard_late: list[tuple[object, int, int]] = []  # process, intent and number of late answers: taken
        self.loss = loss_of(world.seed)
        self.odd = odd_of(world.seed)
        self.group = group_of(world.seed)
        self.resend = resend_of(world.seed)
        self.expected_s = TIMEOUT_S * (TRANSMISSIONS if self.resend == "spec" else 1)

    def campaign_of(self, number: int) -> str:
        return self.campaigns[number // 10_000 * 10_000]

    def takes(self, numbers: Sequence[int], part: int, intent: int) -> int:
        """Take a part to these numbers; its Msg_Id."""
        self.ids += 1
        for number in numbers:
            self._takes(number, part, intent)
            if self.group == 1:
                self.report(number, self.ids)
        return self.ids

    def _takes(self, number: int, part: int, intent: int) -> None:
        self.got[number, part] = self.got.get((number, part), 0) + 1
        if self.got[number, part] > 1:
            self.twice(number, intent)
        parts = self.segments[self.campaign_of(number)]
        times = min(self.got.get((number, each), 0) for each in range(1, parts + 1))
        if times:
            self.taken[b"%d" % number] = times

    def report(self, number: int, msg_id: int) -> None:
        """Reports by chance: before the answer or long after it, twice, never."""
        for _ in range(self.rng.choice([0, 1, 1, 1, 1, 2])):
            state = self.rng.choice([1, 1, 1, 1, 2, 0])
            row = (str(msg_id), number, state, ("ACCEPTD", "DELIVRD", "UNDELIV")[state], int(self.world.now_s))
            delay_s = self.rng.choice([0.0, 0.001, 1.0, 20.0]) * self.rng.random()
            self.world.after(delay_s, partial(self.log.put, "reports", [report_of([row])]))


class Peer:
    """The gateway's side of one connection; `says` is given what it writes."""

    def __init__(self, gateway: Gateway, says: Callable[[bytes], None]) -> None:
        self._gateway = gateway
        self._world = gateway.world
        self._says = says
        self._reader = FrameReader()
        self._seen: dict[int, bytes] = {}
        self._unanswered: dict[int, float] = {}
        self._last: dict[tuple[int, int], int] = {}
        self.late: dict[int, tuple[int, list[int]]] = {}  # intent and numbers of what was taken and is answered late
        self.gone = False

    def gets(self, octets: bytes) -> None:
        """What the SP wrote arrives."""
        for command, sequence, body in self._reader.feed(octets):
            match read((command, sequence, body)):
                case pdus.Connect():
                    refuses = self._gateway.refuses_until_s > self._world.now_s
                    self._say(pdus.ConnectResp(3 if refuses else 0).pack(sequence))
                case pdus.Submit() as submit:
                    self._submit(submit, sequence, body)
                case pdus.ActiveTest():
                    self._say(pdus.ActiveTestResp().pack(sequence))
                case pdus.Terminate():
                    self._say(pdus.TerminateResp().pack(sequence))
                case other:
                    raise self._world.broken(f"the gateway cannot read {other}")

    def _submit(self, submit: pdus.Submit, sequence: int, body: bytes) -> None:
        gateway, rng = self._gateway, self._gateway.rng
        if sequence in self._seen:
            if self._seen[sequence] != body:
                raise self._world.broken("another frame under the Sequence_Id of one that was sent", [_intent(submit)])
            gateway.again += 1
            if gateway.resend == "never":
                self._carry_out(submit, sequence)
                return
            if not gateway.faults or rng.random() < 0.7:
                self._answer(sequence, 0, REPEATED, 0.0)
            return
        self._seen[sequence] = body
        self._judge(submit, sequence)
        self._carry_out(submit, sequence)

    def _judge(self, submit: pdus.Submit, sequence: int) -> None:
        gateway, world, intent = self._gateway, self._world, _intent(submit)
        self._unanswered[sequence] = world.now_s
        self._unanswered = {
            s: at_s for s, at_s in self._unanswered.items() if world.now_s - at_s < gateway.expected_s - ARRIVES_S
        }
        if len(self._unanswered) > WINDOW:
            raise world.broken(f"{len(self._unanswered)} messages are under way, the window is {WINDOW}", [intent])
        if len(submit.dest_terminal_ids) > gateway.group:
            raise world.broken(f"{len(submit.dest_terminal_ids)} numbers in a SUBMIT", [intent])
        for number in map(int, submit.dest_terminal_ids):
            if gateway.homes.setdefault((intent, number), self) is not self:
                raise world.broken(f"messages to {number} on two connections", [intent])
            last = self._last.get((intent, number), 0)
            if submit.pk_number > last + 1:
                raise world.broken(f"part {submit.pk_number} of {number} after part {last}", [intent])
            self._last[intent, number] = max(last, submit.pk_number)

    def _carry_out(self, submit: pdus.Submit, sequence: int) -> None:
        gateway, rng, intent = self._gateway, self._gateway.rng, _intent(submit)
        numbers = [*map(int, submit.dest_terminal_ids)]
        number = numbers[0]
        gateway.requests += 1
        gateway.grouped += len(numbers) > 1
        campaign = gateway.campaign_of(number)
        odd = gateway.faults and rng.random() < gateway.odd
        results = [TOO_FAST, REFUSED, TOO_FAST] if gateway.group == 1 else [TOO_FAST, OTHER]
        result = rng.choice(results) if odd else 0
        lost = gateway.faults and rng.random() < gateway.loss
        if lost and rng.random() < 0.5:
            self._world.say("the gateway loses %d", number, intent=intent)
            gateway.watch(self._arrival(submit, intent, campaign), "silent")
            return
        msg_id = 0 if result else gateway.takes(numbers, submit.pk_number, intent)
        behaviour = "silent" if result else "take"
        self._world.say("the gateway: Result %d for %d, part %d", result, number, submit.pk_number, intent=intent)
        gateway.watch(self._arrival(submit, intent, campaign), behaviour)
        if not lost:
            late = gateway.faults and rng.random() < gateway.loss
            gateway.late += late
            if late and not result:
                self.late[sequence] = (intent, numbers)
            self._answer(sequence, msg_id, result, rng.uniform(0.0, 2 * EXPECTED_S) if late else 0.0)

    def _arrival(self, submit: pdus.Submit, intent: int, campaign: str) -> Arrival:
        numbers = [*submit.dest_terminal_ids]
        return Arrival(self._world.now_s, numbers, len(numbers), submit.src_id.decode(), intent, campaign)

    def _answer(self, sequence: int, msg_id: int, result: int, delay_s: float) -> None:
        def say() -> None:
            self._unanswered.pop(sequence, None)
            self._say(pdus.SubmitResp(msg_id, result).pack(sequence))

        shuffled_s = self._gateway.rng.choice([0.0, 0.0, 0.004]) * self._gateway.rng.random()
        self._world.after(delay_s + shuffled_s, say)

    def _say(self, octets: bytes) -> None:
        if not self.gone:
            self._says(octets)


def _intent(submit: pdus.Submit) -> int:
    return int(submit.service_id)
