"""One dispatcher process whose account is on links: what the link driver's shell is on a real machine.

What decides is the code that ships: Link (dispatcher/cmpp/link.py), ChunkSend (dispatcher/drivers/link/chunk.py), the
owner, and what write marks say (consumers/lanes/left_marks.py). Their columns outlive the process on its machine, as
the page cache does.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from consumers.lanes.left_marks import facts as left_facts
from consumers.lanes.left_marks import runs_of
from consumers.lanes.write_marks import LeftMarks, Slot
from dispatcher.cmpp import pdus
from dispatcher.cmpp.link import Answers, Ended, Event, Link, LinkSettings, LoggedIn, Refused, State, Unanswered
from dispatcher.cmpp.long_texts import References
from dispatcher.cmpp.submits import SubmitTemplate
from dispatcher.core.lane.answers.verdict import AnswerRun, RunsAnswer, Verdict
from dispatcher.core.lane.effects import Append, Send
from dispatcher.core.lane.gate import Grant
from dispatcher.core.lane.state import LaneState
from dispatcher.drivers.link.chunk import ChunkSend
from dispatcher.drivers.link.groups import GroupSend
from dispatcher.drivers.link.progress import SENT, new_columns, not_sent
from dispatcher.drivers.port import Columns
from dispatcher.vendors.cmpp.vendor import Cmpp
from dispatcher.vendors.seam.vendor import Secret
from schemas.records import Intent, Outcome, Outcomes
from tests.simulation.links.gateway import TIMEOUT_S, TRANSMISSIONS, WINDOW, Gateway, Peer
from tests.simulation.world.process import Process
from tests.simulation.world.world import ACCOUNT, World

SETTINGS: Final = LinkSettings(
    sp_id=b"901234", secret=b"s", verify="off", window=WINDOW, timeout_s=TIMEOUT_S, transmissions=TRANSMISSIONS
)
VENDOR: Final = Cmpp(url="cmpp://127.0.0.1", sp_id="901234", secret=Secret("s"))
GROUPS: Final = msgspec.structs.replace(VENDOR, registered_delivery=0)
CONNECT_S: Final = 4.0
AGAIN_S: Final = 1.0


class Done:
    """What ChunkSend asks of a future."""

    def __init__(self, told: Callable[[RunsAnswer], None]) -> None:
        self._told = told
        self._done = False

    def done(self) -> bool:
        return self._done

    def set_result(self, answer: RunsAnswer) -> None:
        self._done = True
        self._told(answer)


class Marks:
    """The write marks on one machine: the slots of each owner that ran there (consumers/lanes/write_marks.py)."""

    def __init__(self) -> None:
        self.owners: dict[str, tuple[LinkProcess, dict[int, Slot]]] = {}

    def make(self, process: LinkProcess, slot: Slot) -> None:
        self.owners.setdefault(process.name, (process, {}))[1][slot.intent] = slot

    def release(self, intent: int) -> None:
        """The log knows what became of it."""
        for _, slots in self.owners.values():
            slots.pop(intent, None)

    def take_of_the_dead(self) -> list[LeftMarks]:
        """What owners left whose process is dead; it is forgotten."""
        dead = [name for name, (process, _) in self.owners.items() if process.dead]
        return [LeftMarks(name, 0, self.owners.pop(name)[1], True) for name in dead]


class ChunkGate:
    """The lane as a ChunkSend asks it."""

    def __init__(self, process: LinkProcess, send: Send) -> None:
        self._process = process
        self._send = send

    def may_write(self) -> bool:
        raise AssertionError("a link asks for grants")

    def grant(self, messages: int, resume: Callable[[], None], *, started: bool = False) -> Grant | None:
        process, send = self._process, self._send
        assert process.owner is not None
        world = process.world
        grant = process.owner.grant(send.intent, ACCOUNT, messages, world.now_s, process.now_ms, started=started)
        if grant is None:
            process.waiting[send.intent] = resume
        process.world.after(0.0, process.poll, process)
        return grant

    def columns(self, count: int, parts: int) -> Columns:
        """Columns that outlive the process."""
        columns = new_columns(count * parts)
        self._process.machine.make(self._process, Slot(self._send.intent, ACCOUNT, count, parts, 1, columns))
        return columns

    def messages_answered(self, ticket: int, wrote_s: float, answered_s: float) -> None:
        assert self._process.owner is not None
        self._process.owner.messages_answered(ACCOUNT, ticket, wrote_s, answered_s)

    def heard(self, verdict: Verdict) -> None:
        process = self._process
        assert process.owner is not None
        process.owner.heard(ACCOUNT, verdict, process.world.now_s, process.now_ms, intent=self._send.intent)

    def late(self, first: int, answer: RunsAnswer) -> None:
        runs = runs_of(answer, first, places=self._send.places)
        fact = Outcomes(account=ACCOUNT, intent=self._send.intent, runs=runs, at_ms=0, sent_ms=1)
        self._process.tell([msgspec.structs.replace(fact, ids=answer.ids, parts=answer.parts)])


class Line:
    """One connection and its successors: octets take time both ways, in order; what breaks, breaks in the middle."""

    def __init__(self, process: LinkProcess) -> None:
        self.process = process
        self.world: World = process.world
        self.gateway: Gateway = process.gateway
        self._settings = msgspec.structs.replace(SETTINGS, resend=self.gateway.resend)
        self.link = Link(self._settings)
        self.peer: Peer | None = None
        self.chunks: list[ChunkSend] = []
        self.ended: list[ChunkSend] = []
        self.token = 0
        self.closing = False
        self._there_s = self._back_s = 0.0
        self._tick_s = float("inf")

    @property
    def is_open(self) -> bool:
        return self.link.state is State.OPEN and not self.closing

    @property
    def load(self) -> int:
        return sum(chunk.left for chunk in self.chunks) + self.link.outstanding

    def connect(self) -> None:
        """TCP comes up after a while."""
        self.world.after(self.gateway.rng.expovariate(1 / 0.05), self._connected, self.process)

    def _connected(self) -> None:
        if self.closing or self.process.stopped:
            return
        self.link = Link(self._settings, self.gateway.rng.choice([0, 0xFFFFFFF0]))
        peer = Peer(self.gateway, lambda octets: self._back(octets, peer))
        self.peer = peer
        self.link.connected("0131235959", self.world.now_s)
        self.flush()

    def take(self, chunk: ChunkSend) -> None:
        chunk.begins(self.link, self.token)
        self.token = chunk.end_token
        self.chunks.append(chunk)
        self.go()

    def go(self) -> None:
        """Send what may be sent, end what is over, write it all: the connection's shell in one step."""
        for chunk in self.chunks:
            if not chunk.send(self.link, self.world.now_s, self.go):
                break
        over = [chunk for chunk in self.chunks if chunk.ends_if_over()]
        self.chunks = [chunk for chunk in self.chunks if chunk not in over]
        self.ended = [*self.ended, *over][-16:]
        self.flush()

    def flush(self) -> None:
        """The marks are set already; now the octets leave, and arrive whatever becomes of the process."""
        octets, peer = self.link.take_output(), self.peer
        if octets and peer is not None:
            rng = self.gateway.rng
            forward_s = 0.0005 + rng.expovariate(1 / 0.001) + (rng.random() < 0.01) * rng.random() * 0.1
            self._there_s = max(self._there_s, self.world.now_s + forward_s)
            self.world.at(self._there_s, lambda: None if peer.gone else peer.gets(octets))
        due_s = self.link.due_s
        if due_s is not None and due_s < self._tick_s:
            self._tick_s = due_s
            self.world.at(due_s, self._tick, self.process)

    def _tick(self) -> None:
        self._tick_s = float("inf")
        self.happened(self.link.tick(self.world.now_s))
        self.go()

    def _back(self, octets: bytes, peer: Peer) -> None:
        self._back_s = max(self._back_s, self.world.now_s + 0.0005 + self.gateway.rng.expovariate(1 / 0.002))
        self.world.at(self._back_s, lambda: self._received(octets, peer), self.process)

    def _received(self, octets: bytes, peer: Peer) -> None:
        if peer is self.peer and not peer.gone:
            late = peer.late.get(int.from_bytes(octets[8:12], "big"))
            if late and octets[-1] == 0 and self._knows(late[0]):
                self.gateway.heard_late += [(self.process, late[0], number) for number in late[1]]
            self.happened(self.link.received(octets, self.world.now_s))
            self.go()

    def _knows(self, intent: int) -> bool:
        """Whether the chunk of this intent is in hand, or ended lately."""
        return any(self.process.intents[chunk] == intent for chunk in (*self.chunks, *self.ended))

    def breaks(self) -> None:
        """The connection is gone; what is on its way may or may not arrive."""
        if self.peer is None:
            return
        self.gateway.breaks += 1
        peer, rng = self.peer, self.gateway.rng
        self.world.after(rng.choice([0.0, 0.001, 0.2]) * rng.random(), partial(setattr, peer, "gone", True))
        self.peer = None
        if not self.process.dead:
            self.world.say("a connection of %s breaks", self.process.name)
            self.happened(self.link.lost("reset by peer"))

    def close(self) -> None:
        """End in good order."""
        self.closing = True
        self.happened(self.link.drain(self.world.now_s))
        self.flush()

    def happened(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Answers():
                    self._answered(event)
                case Unanswered(tokens):
                    for chunk, frames, _ in self._of_chunks(tokens):
                        chunk.unanswered(frames)
                case LoggedIn():
                    self.process.login(None)
                case Refused(status):
                    self.process.login(VENDOR.login_refused(status))
                    self._again()
                case Ended(reason, unknown):
                    if len(unknown) > WINDOW:
                        raise self.world.broken(f"{len(unknown)} are unknown at the end of a connection")
                    chunks, self.chunks = self.chunks, []
                    for chunk in chunks:
                        chunk.broken(reason)
                    self.ended.clear()
                    self._again()

    def _again(self) -> None:
        self.peer = None
        if not self.closing:
            self.world.after(AGAIN_S * (0.5 + self.gateway.rng.random()), self._connected, self.process)

    def _answered(self, answers: Answers) -> None:
        for chunk, frames, places in self._of_chunks(answers.tokens):
            ids, results = ([column[at] for at in places] for column in (answers.msg_ids, answers.results))
            part = Answers([answers.tokens[at] for at in places], ids, results, answers.transmissions, answers.late)
            if answers.late:
                chunk.late(part, frames)
            else:
                chunk.answered(part, frames, self.world.now_s)

    def _of_chunks(self, tokens: list[int]) -> list[tuple[ChunkSend, list[int], list[int]]]:
        found = []
        for chunk in (*self.chunks, *self.ended):
            places = [at for at, token in enumerate(tokens) if chunk.first_token <= token < chunk.end_token]
            if places:
                found.append((chunk, [tokens[at] - chunk.first_token for at in places], places))
        return found


class Resumes:
    """In the place of the wire of requests: what waits at the gate asks again."""

    def __init__(self, process: LinkProcess) -> None:
        self._process = process

    def go(self, intent: int) -> None:
        resume = self._process.waiting.pop(intent, None)
        if resume is not None:
            self._process.world.after(0.0, resume, self._process)

    def ask_balance(self, told: Any) -> None:
        """A gateway has no balance."""


class LinkProcess(Process):
    """`machine` has the write marks of the processes that ran on it."""

    def __init__(self, place: Any, gateway: Gateway, machines: list[Marks], connections: int) -> None:
        self.gateway = gateway
        self.sp = VENDOR if gateway.group == 1 else GROUPS
        self.machines = machines
        self.machine = random.Random(f"{place.world.seed}, machine {next(place.world.names)}").choice(machines)
        self.found_marks = 0
        self.connections = connections
        self.lines: list[Line] = []
        self.waiting: dict[int, Callable[[], None]] = {}
        self.references = References()
        self.intents: dict[ChunkSend, int] = {}
        super().__init__(place)
        self._wire: Any = Resumes(self)

    def start(self) -> None:
        """As every process; first what dead processes of this machine left is told, and links are opened."""
        facts = [fact for marks in self.machine.take_of_the_dead() for fact in self._facts(marks)]
        if facts:
            self.found_marks += len(facts)
            self.world.say("write marks of %d chunks are found", len(facts))
            self.log.append(self, "lanes", facts, lambda fate: None if fate == "written" else self.tell(facts))
        super().start()
        self.lines = [Line(self) for _ in range(self.connections)]
        for line in self.lines:
            line.connect()

    def _facts(self, marks: LeftMarks) -> list[Outcomes]:
        """What a dead owner's marks say; at most a window for each connection is unknown."""
        under_way = sum(bytes(slot.columns.states).count(SENT) for slot in marks.slots.values() if slot.columns)
        if under_way > WINDOW * self.connections * self.gateway.group:
            raise self.world.broken(f"{under_way} messages of a dead process are unknown", list(marks.slots))
        state, authors = LaneState(), dict[int, str]()
        for offset, record in enumerate(self.log.topics["lanes"]):
            state.apply(offset, record)
            if isinstance(record, Intent):
                authors[offset] = record.owner
        return left_facts(marks, state, authors, {ACCOUNT: self.sp})

    def poll(self) -> None:
        self._poll()

    def tell(self, facts: list[Any]) -> None:
        """Facts, until they are in the log."""
        self._append(facts)

    def kill(self) -> None:
        super().kill()
        for line in self.lines:
            line.breaks()

    def _leave(self, why: str) -> None:
        left = self.stopped
        super()._leave(why)
        if not left:
            for line in self.lines:
                line.close()

    def login(self, refused: Verdict | None) -> None:
        """What a login says of the account."""
        if self.owner is None or (refused is not None and any(line.is_open for line in self.lines)):
            return
        self.owner.query_answered(ACCOUNT, refused, self.world.now_s, self.now_ms)
        self._poll()

    # --- sending ---

    def _send(self, send: Send) -> None:
        self.world.after(self.place.slowness.building_s, partial(self._give, send, self.world.now_s), self)

    def _give(self, send: Send, since_s: float) -> None:
        """To the open line with the least to do, as soon as there is one."""
        ready = [line for line in self.lines if line.is_open]
        if not ready and self.world.now_s - since_s < CONNECT_S and not self.stopped:
            self.world.after(0.1, partial(self._give, send, since_s), self)
            return
        if not ready:
            self._ended(send, RunsAnswer((AnswerRun(send.count, not_sent("no session")),)))
            return
        numbers = bytes(send.numbers).split(b",")
        template = self._template(send)
        references = self._references_of(numbers) if template.parts > 1 else ()
        done: Any = Done(partial(self._ended, send))
        kind = GroupSend if template.numbers_max > 1 else ChunkSend
        chunk = kind(template, numbers, references, self.sp.answer, ChunkGate(self, send), done)
        self.intents[chunk] = send.intent
        min(ready, key=lambda line: line.load).take(chunk)

    def _references_of(self, numbers: list[bytes]) -> list[int]:
        size = self.gateway.group
        groups = [numbers[at : at + size] for at in range(0, len(numbers), size)]
        return [reference for each in groups for reference in [self.references.next_of_all(each)] * len(each)]

    def _template(self, send: Send) -> SubmitTemplate:
        parts = self.gateway.segments[send.campaign]
        first = pdus.Submit(
            service_id=b"%d" % send.intent, src_id=self.name.encode(), pk_total=parts, tp_udhi=int(parts > 1)
        )
        return SubmitTemplate([_part(first, number, parts) for number in range(1, parts + 1)], self.gateway.group)

    def _ended(self, send: Send, answer: RunsAnswer) -> None:
        """Told amid a step of a line: the owner hears it in the next one."""
        self.world.after(0.0, partial(self._runs_answered, send, answer), self)

    def _runs_answered(self, send: Send, answer: RunsAnswer) -> None:
        owner = self.owner
        assert owner is not None
        self.waiting.pop(send.intent, None)
        if send.intent not in owner.lanes[ACCOUNT].sending:
            return
        owner.runs_answered(send.intent, ACCOUNT, answer, self.world.now_s, self.now_ms)
        if self.stopped:  # a former owner's chunk came to its end: its outcome is a fact
            facts = [effect.record for effect in owner._out if isinstance(effect, Append)]
            owner._out.clear()
            self._append([record for record in facts if isinstance(record, Outcome | Outcomes)])
        else:
            self._poll()


def _part(first: pdus.Submit, number: int, parts: int) -> pdus.Submit:
    content = b"hello" if parts == 1 else bytes((5, 0, 3, 0, parts, number)) + b"hello"
    return pdus.Submit(
        service_id=first.service_id,
        src_id=first.src_id,
        pk_total=parts,
        pk_number=number,
        tp_udhi=first.tp_udhi,
        msg_content=content,
    )
