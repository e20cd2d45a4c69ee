"""One long connection of an SP to its gateway, sans-I/O (vendors.md 6.2, 6.5 to 6.8).

Bytes and times go in, events come out, and what is to be written waits in `take_output`. No socket and no clock here:
`now_s` is an argument, of any monotonic clock.

    link.connected(timestamp, now_s)         TCP is up: logs in
    batch = link.prepare(template, ...)      the frames of many numbers
    link.send(batch, count, now_s)           the next ones of them, as many as `room` allows
    link.received(octets, now_s)             events: answers in columns, deliveries, the end
    link.tick(now_s)                         events of the timers; next due at `due_s`
    link.acknowledge(sequences, ...)         once deliveries are durable
    link.drain(now_s) / link.lost(...)       an end in good order / the connection is gone

Frame i of a batch is called by the token `first_token` + i; the parts of a recipient are neighbours. Every frame that
is sent gets one final word: its answer, `Unanswered`, or a place in `Ended.unknown`. One that was `Unanswered` may
still be answered late; that comes as an answer with `late`, and is evidence. A frame is sent again as it is and on
this connection alone; another connection never sees it.

There is no object per message: what is outstanding is a dictionary from Sequence_Id to token, and one record for each
`send`. Answers and reports that come together are read by one `struct`; answers leave as columns, reports as the octets
of their frames.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Sequence
from enum import Enum
from functools import cache, lru_cache
from itertools import groupby, repeat
from operator import itemgetter
from typing import Any, Final, Literal

import msgspec

from dispatcher.cmpp import pdus
from dispatcher.cmpp.frames import Frame, FrameReader, Malformed, read
from dispatcher.cmpp.layout import HEADER, HEADER_BYTES, RESPONSE, Pdu
from dispatcher.cmpp.login import AuthPad, connect, gateway_proof
from dispatcher.cmpp.results import REPEATED
from dispatcher.cmpp.submits import SEQUENCE_MAX, SubmitTemplate, next_sequence

GIVEN_UP_MAX: Final = 1024
DELIVERIES_MAX: Final = 4096
"""Unacknowledged ones; further ones are told to come again."""

CONTENT_BYTES_MAX: Final = 255
"""Of a DELIVER: its length is one octet."""

LENGTH_WRONG: Final = 4
COME_AGAIN: Final = 8
ANSWER_BYTES: Final = 21
_ANSWER: Final = HEADER.pack(ANSWER_BYTES, pdus.SUBMIT_RESP, 0)[:8]
_ACKNOWLEDGEMENT: Final = HEADER.pack(ANSWER_BYTES, pdus.DELIVER_RESP, 0)[:8]
_RESULT: Final = struct.Struct(">QB")
TOGETHER_MAX: Final = 64
"""Answers, reports or acknowledgements that one `struct` reads or packs."""

_DELIVER: Final = pdus.DELIVER.to_bytes(4, "big")
_DELIVER_BYTES: Final = HEADER_BYTES + pdus.Deliver.layout.body_bytes_min
_KIND_AT: Final = HEADER_BYTES + pdus.Deliver.layout.octets_before("registered_delivery")


class State(Enum):
    """Where the session stands."""

    NEW = "new"
    LOGIN = "logging in"
    OPEN = "open"
    DRAINING = "waits for the last answers"
    TERMINATING = "has said that it ends"
    ENDED = "ended"


class LinkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an account says of its links. C, T and N of the document are `idle_s`, `timeout_s` and `transmissions`."""

    sp_id: bytes
    secret: bytes
    auth_pad: AuthPad = "padded"
    version: int = pdus.VERSION_20
    verify: Literal["off", "warn", "strict"] = "warn"
    window: int = 16
    idle_s: float = 180.0
    timeout_s: float = 60.0
    transmissions: int = 3
    resend: Literal["spec", "never"] = "spec"
    unanswered_max: int = 3


class LoggedIn(msgspec.Struct, frozen=True):
    """The session is open. `proof` is how the gateway proved itself (dispatcher/cmpp/login.py)."""

    proof: str
    version: int


class Refused(msgspec.Struct, frozen=True):
    """The gateway did not take the login; the link has ended."""

    status: int
    reason: str


class Answers(msgspec.Struct, frozen=True):
    """Answers to SUBMITs, in columns, in the order in which they came. `transmissions` above 1: these frames were sent
    more than once. `late`: they were `Unanswered` before.
    """

    tokens: list[int]
    msg_ids: Sequence[int]
    results: Sequence[int]
    transmissions: int = 1
    late: bool = False


class Unanswered(msgspec.Struct, frozen=True):
    """Frames that had no answer in the end: unknown. Their places in the window are free."""

    tokens: list[int]


class Delivered(msgspec.Struct, frozen=True):
    """A report or a message from a phone. It is acknowledged once it is durable, by its `sequence`."""

    sequence: int
    deliver: pdus.Deliver


class Reported(msgspec.Struct, frozen=True):
    """Several reports that came together: their `frames`, of `frame_bytes` each, well cut; what they hold is not read.
    They are acknowledged as other deliveries are.
    """

    sequences: Sequence[int]
    frames: bytes
    frame_bytes: int

    def delivers(self) -> Iterator[pdus.Deliver]:
        """Each of them by itself."""
        for at in range(0, len(self.frames), self.frame_bytes):
            deliver = pdus.Deliver.layout.unpack(self.frames[at + HEADER_BYTES : at + self.frame_bytes])
            assert isinstance(deliver, pdus.Deliver)
            yield deliver


class Asked(msgspec.Struct, frozen=True):
    """The answer to a QUERY or a CANCEL; None if there was none."""

    name: str
    answer: Pdu | None


class Ended(msgspec.Struct, frozen=True):
    """The link is over. `unknown` are the frames that were outstanding, at most a window of them."""

    reason: str
    unknown: list[int]


Event = LoggedIn | Refused | Answers | Unanswered | Delivered | Reported | Asked | Ended

REFUSALS: Final[dict[int, str]] = {
    1: "the gateway says that the structure of the login is wrong",
    2: "the gateway does not know this sp_id, or not from this address",
    3: "the gateway says that the shared secret is wrong",
    4: "the gateway does not speak this version",
}


class Batch:
    """The frames for many numbers; `sent` of them have left. They are packed as they leave, for only then they have
    their Sequence_Ids: each request on the wire has the next one.
    """

    __slots__ = ("_numbers", "_references", "_template", "first_token", "frames", "sent")

    def __init__(
        self, template: SubmitTemplate, numbers: Sequence[bytes], references: Sequence[int], first_token: int
    ) -> None:
        self._template = template
        self._numbers = numbers
        self._references = references
        self.frames = template.parts * len(numbers)
        self.first_token = first_token
        self.sent = 0

    @property
    def left(self) -> int:
        """Frames that are not sent."""
        return self.frames - self.sent

    def pack(self, start: int, end: int, sequences: range) -> tuple[bytes, Sequence[int]]:
        """These frames, and where each begins and the last one ends. The first and the last number may have others."""
        template, parts = self._template, self._template.parts
        if parts == 1:
            octets = template.pack(self._numbers[start:end], sequences, self._references[start:end])
            return octets, template.edges(end - start)
        first, last = start // parts, -(-end // parts)
        before, behind = start - first * parts, last * parts - end
        padded = [0] * before + list(sequences) + [0] * behind if before or behind else sequences
        octets = template.pack(self._numbers[first:last], padded, self._references[first:last])
        edges = template.edges(last - first)
        if padded is sequences:
            return octets, edges
        edges = edges[before : before + len(sequences) + 1]
        return octets[edges[0] : edges[-1]], [edge - edges[0] for edge in edges]


class Group(Batch):
    """One frame: a part of a message, addressed to all these numbers."""

    __slots__ = ("_part", "_reference")

    def __init__(self, template: SubmitTemplate, part: int, numbers: Sequence[bytes], token: int, ref: int) -> None:
        super().__init__(template, numbers, (), token)
        self.frames = 1
        self._part = part
        self._reference = ref

    def pack(self, start: int, end: int, sequences: range) -> tuple[bytes, Sequence[int]]:
        octets = self._template.pack_group(self._part, self._numbers, sequences[0], self._reference)
        return octets, (0, len(octets))


class SentFrames:
    """Frames that left together, as they may have to leave once more."""

    __slots__ = ("_edges", "_octets", "first")

    def __init__(self, octets: bytes, edges: Sequence[int], first: int) -> None:
        self._octets = octets
        self._edges = edges
        self.first = first

    def frame(self, sequence: int) -> bytes:
        """The frame with this Sequence_Id."""
        place = sequence - self.first
        return self._octets[self._edges[place] : self._edges[place + 1]]


class _Sent:
    """SUBMITs that were sent at one moment."""

    __slots__ = ("frames", "sent_s", "sequences", "transmissions")

    def __init__(self, frames: SentFrames, sequences: Sequence[int], now_s: float, transmissions: int = 1) -> None:
        self.frames = frames
        self.sequences = sequences
        self.sent_s = now_s
        self.transmissions = transmissions


class _Request:
    """A request of another kind that is not answered."""

    __slots__ = ("expects", "frame", "name", "sent_s", "sequence", "transmissions")

    def __init__(self, name: str, sequence: int, request: Pdu, now_s: float) -> None:
        self.name = name
        self.sequence = sequence
        self.frame = request.pack(sequence)
        self.expects = request.command | RESPONSE
        self.sent_s = now_s
        self.transmissions = 1


class Link:
    """One connection. It is used once: after its end a new one is made."""

    def __init__(self, settings: LinkSettings, sequence: int = 0) -> None:
        self._settings = settings
        self._window = settings.window
        self.state = State.NEW
        self.counts: Counter[str] = Counter()
        self._reader = FrameReader()
        self._sequence = sequence
        self._open: dict[int, int] = {}  # the token of each Sequence_Id that waits
        self._sent: deque[_Sent] = deque()  # by the moment of the last transmission
        self._again: dict[int, int] = {}  # transmissions of what waits and was sent more than once
        self._asked: OrderedDict[int, _Request] = OrderedDict()  # by the moment of the last transmission
        self._given_up: OrderedDict[int, tuple[int, int]] = OrderedDict()  # token and transmissions
        self._deliveries: dict[int, int] = {}
        self._output: list[bytes] = []
        self._source = b""
        self._active: _Request | None = None
        self._used_s = 0.0
        self._said_s = 0.0
        self._unanswered_in_a_row = 0
        self._gateway_ends = False

    # what the caller asks

    @property
    def room(self) -> int:
        """How many requests may be sent now."""
        if self.state is not State.OPEN:
            return 0
        room = self._window - len(self._open) - len(self._asked)
        return room if room > 0 else 0

    @property
    def outstanding(self) -> int:
        """Requests that are not answered."""
        return len(self._open) + len(self._asked)

    @property
    def unacknowledged(self) -> int:
        """Deliveries that are not acknowledged."""
        return len(self._deliveries)

    @property
    def due_s(self) -> float | None:
        """When `tick` has something to do at the latest; None: never."""
        settings = self._settings
        match self.state:
            case State.NEW | State.ENDED:
                return None
            case State.LOGIN | State.TERMINATING:
                return self._said_s + settings.timeout_s
        moments = [self._used_s + settings.idle_s]
        if self._active is not None:
            moments = [self._active.sent_s + settings.timeout_s]
        if self._sent:
            moments.append(self._sent[0].sent_s + settings.timeout_s)
        if self._asked:
            moments.append(next(iter(self._asked.values())).sent_s + settings.timeout_s)
        if self.state is State.DRAINING:
            moments.append(self._said_s + settings.timeout_s)
        return min(moments)

    def take_output(self) -> bytes:
        """What is to be written now."""
        written, self._output = self._output, []
        return written[0] if len(written) == 1 else b"".join(written)

    def connected(self, timestamp: str, now_s: float) -> None:
        """TCP is up: log in. `timestamp` is MMDDHHMMSS."""
        settings = self._settings
        login = connect(settings.sp_id, settings.secret, timestamp, settings.auth_pad, settings.version)
        self._source = login.authenticator
        self.state, self._said_s = State.LOGIN, now_s
        self._write(login.pack(self._next_sequence()), now_s)

    def prepare(
        self, template: SubmitTemplate, numbers: Sequence[bytes], first_token: int, references: Sequence[int] = ()
    ) -> Batch:
        """The frames for these numbers, every part of each; `send` packs and sends them."""
        return Batch(template, numbers, references, first_token)

    def prepare_group(
        self, template: SubmitTemplate, part: int, numbers: Sequence[bytes], token: int, reference: int = 0
    ) -> Batch:
        """One frame: this part, addressed to all these numbers."""
        return Group(template, part, numbers, token, reference)

    def send(self, batch: Batch, count: int, now_s: float) -> None:
        """Send the next frames of a batch. ValueError if the window has no room for all."""
        if count > (room := self.room):
            raise ValueError(f"{count} SUBMITs do not fit: the window has room for {room}")
        start, end = batch.sent, batch.sent + count
        batch.sent = end
        sequences = self._reserve(count)
        octets, edges = batch.pack(start, end, sequences)
        self._open.update(zip(sequences, range(batch.first_token + start, batch.first_token + end), strict=True))
        self._sent.append(_Sent(SentFrames(octets, edges, sequences.start), sequences, now_s))
        self._write(octets, now_s)

    def ask(self, name: str, request: pdus.Query | pdus.Cancel, now_s: float) -> None:
        """Send a QUERY or a CANCEL; its answer comes as `Asked` with this name. ValueError if the window is full."""
        if not self.room:
            raise ValueError("the window is full")
        asked = _Request(name, self._next_sequence(), request, now_s)
        self._asked[asked.sequence] = asked
        self._write(asked.frame, now_s)

    def acknowledge(self, sequences: Sequence[int], result: int, now_s: float) -> None:
        """Answer these deliveries: 0 once they are durable, 8 if they are to come again."""
        msg_ids = list(map(self._deliveries.pop, sequences, repeat(None)))
        if None in msg_ids:
            known = [(each, msg_id) for each, msg_id in zip(sequences, msg_ids, strict=True) if msg_id is not None]
            sequences, msg_ids = [each for each, _ in known], [msg_id for _, msg_id in known]
        if sequences and self.state is not State.ENDED:
            for at in range(0, len(sequences), TOGETHER_MAX):
                some = sequences[at : at + TOGETHER_MAX]
                values: list[Any] = [_ACKNOWLEDGEMENT, 0, 0, result] * len(some)
                values[1::4], values[2::4] = some, msg_ids[at : at + TOGETHER_MAX]
                self._write(_answers(len(some)).pack(*values), now_s)
            self._terminate_if_drained(now_s)

    def drain(self, now_s: float) -> list[Event]:
        """Send no more; end the session when the last answer is here, or after T."""
        if self.state is State.LOGIN:
            return self._end("it was not needed any more")
        if self.state is State.OPEN:
            self.state, self._said_s = State.DRAINING, now_s
            self._terminate_if_drained(now_s)
        return []

    def lost(self, reason: str) -> list[Event]:
        """The connection is gone."""
        return self._end(reason)

    # what the gateway sends

    def received(self, octets: bytes, now_s: float) -> list[Event]:
        """Everything that is complete now."""
        if self.state is State.ENDED:
            return []
        self._used_s = now_s
        events: list[Event] = []
        if self._is_in_session():
            octets = self._sweep(self._reader.take_pending() + octets, events)
            if not octets:
                self._terminate_if_drained(now_s)
                return events
        for command, frames in groupby(self._reader.feed(octets), itemgetter(0)):
            if command == pdus.SUBMIT_RESP and self._is_in_session():
                self._take_answers(list(frames), events)
                continue
            for frame in frames:
                self._take(frame, now_s, events)
                if self._has_ended():
                    return events
        if self._gateway_ends:
            return events + self._end("the gateway ended the session")
        if self._reader.broken is not None:
            self.counts["malformed"] += 1
            return events + self._end(str(self._reader.broken))
        self._terminate_if_drained(now_s)
        return events

    def _is_in_session(self) -> bool:
        return self.state is not State.LOGIN

    def _has_ended(self) -> bool:
        return self.state is State.ENDED

    def _sweep(self, octets: bytes, events: list[Event]) -> bytes:
        """Take the answers to SUBMITs and the reports at the beginning; what is behind them."""
        at, end = 0, len(octets)
        while at < end and (
            taken := self._sweep_answers(octets, at, events) or self._sweep_reports(octets, at, events)
        ):
            at += taken
        return octets[at:] if at else octets

    def _sweep_answers(self, octets: bytes, at: int, events: list[Event]) -> int:
        """How many octets of answers were taken."""
        count = min((len(octets) - at) // ANSWER_BYTES, TOGETHER_MAX)
        if count < 1 or octets[at : at + 8] != _ANSWER:
            return 0
        values = _answers(count).unpack_from(octets, at)
        count = _leading(values[0::4])
        end = 4 * count
        self._answered(values[1:end:4], values[2:end:4], values[3:end:4], events)
        return count * ANSWER_BYTES

    def _sweep_reports(self, octets: bytes, at: int, events: list[Event]) -> int:
        """How many octets of reports of one length were taken, if there are several and room for all."""
        size = int.from_bytes(octets[at : at + 4], "big")
        length = size - _DELIVER_BYTES
        if octets[at + 4 : at + 8] != _DELIVER or not 0 <= length <= CONTENT_BYTES_MAX:
            return 0
        count = min((len(octets) - at) // size, TOGETHER_MAX, DELIVERIES_MAX - len(self._deliveries))
        kind = octets[at + _KIND_AT : at + _KIND_AT + 2]
        if count < 2 or kind != bytes((1, length)):
            return 0
        values = _reports(size, count).unpack_from(octets, at)
        count = min(_leading(values[0::4]), _leading(values[3::4]))
        sequences = values[1 : 4 * count : 4]
        self._deliveries.update(zip(sequences, values[2 : 4 * count : 4], strict=True))
        events.append(Reported(sequences, octets[at : at + count * size], size))
        return count * size

    def _take_answers(self, frames: list[Frame], events: list[Event]) -> None:
        """Answers to SUBMITs that came among other frames."""
        right = [(sequence, *_RESULT.unpack(body)) for _, sequence, body in frames if len(body) == _RESULT.size]
        self.counts["malformed"] += len(frames) - len(right)
        if right:
            sequences, msg_ids, results = zip(*right, strict=True)
            self._answered(sequences, msg_ids, results, events)

    def _answered(
        self, sequences: Sequence[int], msg_ids: Sequence[int], results: Sequence[int], events: list[Event]
    ) -> None:
        waiting = self._open
        tokens: list[Any] = list(map(waiting.pop, sequences, repeat(None)))
        if None in tokens or self._again:
            self._answered_oddly(sequences, tokens, msg_ids, results, events)
        else:
            self._unanswered_in_a_row = 0
            events.append(Answers(tokens, msg_ids, results))
        self._forget_answered()

    def _answered_oddly(
        self,
        sequences: Sequence[int],
        tokens: list[int | None],
        msg_ids: Sequence[int],
        results: Sequence[int],
        events: list[Event],
    ) -> None:
        """Of these answers some are to frames that were sent again or given up, or to nothing."""
        rows = []
        for sequence, token, msg_id, result in zip(sequences, tokens, msg_ids, results, strict=True):
            if token is not None:
                self._unanswered_in_a_row = 0
                transmissions = self._again.pop(sequence, 1)
                rows.append((token, msg_id, result, transmissions, False))
                if result == REPEATED and transmissions > 1:  # the first copy's own answer may still come
                    self._remember(sequence, token, transmissions)
            elif sequence in self._given_up:
                rows.append((self._given_up[sequence][0], msg_id, result, self._given_up.pop(sequence)[1], True))
            else:
                self.counts["unexpected_answer"] += 1
        for (transmissions, late), same in groupby(rows, itemgetter(3, 4)):
            same_tokens, same_ids, same_results, *_ = zip(*same, strict=True)
            events.append(Answers(list(same_tokens), same_ids, same_results, transmissions, late))

    def _forget_answered(self) -> None:
        """Drop the records of the oldest sendings that nothing waits for."""
        sent, waiting = self._sent, self._open
        if not waiting:
            sent.clear()
        while sent and waiting.keys().isdisjoint(sent[0].sequences):
            sent.popleft()

    def _take(self, frame: Frame, now_s: float, events: list[Event]) -> None:
        command, sequence, body = frame
        pdu = read(frame)
        if self.state is State.LOGIN:
            events += self._logged_in(sequence, pdu, now_s)
            return
        match pdu:
            case pdus.Deliver():
                if len(self._deliveries) >= DELIVERIES_MAX:
                    self.counts["deliveries_refused"] += 1
                    self._write(pdus.DeliverResp(pdu.msg_id, COME_AGAIN).pack(sequence), now_s)
                else:
                    self._deliveries[sequence] = pdu.msg_id
                    events.append(Delivered(sequence, pdu))
            case pdus.ActiveTest():
                self._write(pdus.ActiveTestResp().pack(sequence), now_s)
            case pdus.Terminate():
                self._write(pdus.TerminateResp().pack(sequence), now_s)
                self._gateway_ends = True  # what came with it, as answers to what is outstanding, still counts
            case pdus.ActiveTestResp() | pdus.ActiveTestRespBare() if (
                self._active and sequence == self._active.sequence
            ):
                self._active = None
            case pdus.TerminateResp() if self.state is State.TERMINATING:
                events += self._end("")
            case pdus.QueryResp() | pdus.CancelResp() if self._expects(sequence, command):
                events.append(Asked(self._asked.pop(sequence).name, pdu))
            case Malformed():
                self.counts["unknown_command" if "unknown" in pdu.reason else "malformed"] += 1
                if command == pdus.DELIVER:
                    msg_id = int.from_bytes(body[:8].ljust(8, b"\0"), "big")
                    self._write(pdus.DeliverResp(msg_id, LENGTH_WRONG).pack(sequence), now_s)
            case _:
                self.counts["unexpected_answer" if command & 0x80000000 else "unexpected_request"] += 1

    def _expects(self, sequence: int, command: int) -> bool:
        """Is this the answer to what was asked under this Sequence_Id?"""
        asked = self._asked.get(sequence)
        return asked is not None and asked.expects == command

    def _logged_in(self, sequence: int, pdu: Pdu | Malformed, now_s: float) -> list[Event]:
        """The first answer: CONNECT alone is under way. What a gateway asks before it, it asks again."""
        settings = self._settings
        if isinstance(pdu, pdus.Deliver | pdus.ActiveTest):
            self.counts["before_login"] += 1
            return []
        if not isinstance(pdu, pdus.ConnectResp | pdus.ConnectRespWide):
            return self._end(f"the login was answered by {pdu if isinstance(pdu, Malformed) else type(pdu).__name__}")
        self.counts["login_sequence_wrong"] += sequence != self._sequence
        self.counts["login_wide"] += isinstance(pdu, pdus.ConnectRespWide)
        if pdu.status:
            reason = REFUSALS.get(pdu.status, f"the gateway refused the login (status {pdu.status})")
            self.state = State.ENDED
            return [Refused(pdu.status, reason)]
        proof = gateway_proof(pdu.authenticator, self._source, settings.secret)
        if settings.verify == "strict" and proof != "spec":
            return self._end(f"the gateway did not prove that it knows the shared secret ({proof})")
        self.state = State.OPEN
        return [LoggedIn(proof if settings.verify != "off" else "not looked at", pdu.version)]

    # time

    def tick(self, now_s: float) -> list[Event]:
        """Time has passed: send again, give up, ask whether the gateway is there."""
        settings = self._settings
        match self.state:
            case State.NEW | State.ENDED:
                return []
            case State.LOGIN | State.TERMINATING:
                if now_s < self._said_s + settings.timeout_s:
                    return []
                return self._end("the login was not answered" if self.state is State.LOGIN else "")
        events = self._time_out(now_s)
        if self.state is State.DRAINING and now_s >= self._said_s + settings.timeout_s:
            return events + self._terminate(now_s)
        if self._unanswered_in_a_row >= settings.unanswered_max:
            return events + self._end(f"{self._unanswered_in_a_row} requests in a row had no answer")
        self._terminate_if_drained(now_s)
        return events + self._keep_alive(now_s)

    def _time_out(self, now_s: float) -> list[Event]:
        """Requests whose T is over: again, or given up."""
        timeout_s = self._settings.timeout_s
        events: list[Event] = []
        again: list[bytes] = []
        while self._asked and now_s >= (asked := next(iter(self._asked.values()))).sent_s + timeout_s:
            if asked.transmissions < self._transmissions_max:
                asked.transmissions, asked.sent_s = asked.transmissions + 1, now_s
                self._asked.move_to_end(asked.sequence)
                again.append(asked.frame)
            else:
                self._unanswered_in_a_row += 1
                events.append(Asked(self._asked.pop(asked.sequence).name, None))
        given_up: list[int] = []
        while self._sent and now_s >= self._sent[0].sent_s + timeout_s:
            sent = self._sent.popleft()
            waiting = [sequence for sequence in sent.sequences if sequence in self._open]
            if sent.transmissions < self._transmissions_max and waiting:
                self._again.update(dict.fromkeys(waiting, sent.transmissions + 1))
                self._sent.append(_Sent(sent.frames, waiting, now_s, sent.transmissions + 1))
                again += map(sent.frames.frame, waiting)
            else:
                self._unanswered_in_a_row += len(waiting)
                given_up += map(self._give_up, waiting)
        if again:
            self._write(b"".join(again), now_s)
        return [*events, Unanswered(given_up)] if given_up else events

    @property
    def _transmissions_max(self) -> int:
        return 1 if self._settings.resend == "never" else self._settings.transmissions

    def _give_up(self, sequence: int) -> int:
        """Its token. Its answer may still come; the oldest of these are forgotten."""
        token = self._open.pop(sequence)
        self._remember(sequence, token, self._again.pop(sequence, 1))
        return token

    def _remember(self, sequence: int, token: int, transmissions: int) -> None:
        self._given_up[sequence] = token, transmissions
        if len(self._given_up) > GIVEN_UP_MAX:
            self._given_up.popitem(last=False)

    def _keep_alive(self, now_s: float) -> list[Event]:
        settings, active = self._settings, self._active
        if active is None:
            if now_s >= self._used_s + settings.idle_s:
                self._active = _Request("active", self._next_sequence(), pdus.ActiveTest(), now_s)
                self._write(self._active.frame, now_s)
            return []
        if now_s < active.sent_s + settings.timeout_s:
            return []
        if active.transmissions >= settings.transmissions:
            return self._end("the gateway does not answer ACTIVE_TEST")
        active.transmissions, active.sent_s = active.transmissions + 1, now_s
        self._write(active.frame, now_s)
        return []

    # the end

    def _terminate_if_drained(self, now_s: float) -> None:
        if self.state is State.DRAINING and not self.outstanding and not self._deliveries:
            self._terminate(now_s)

    def _terminate(self, now_s: float) -> list[Event]:
        """Say that we end; what is still outstanding is unknown."""
        events: list[Event] = [Asked(asked.name, None) for asked in self._asked.values()]
        unknown = sorted(map(self._give_up, list(self._open)))
        self._asked.clear()
        self._sent.clear()
        self.state, self._said_s = State.TERMINATING, now_s
        self._write(pdus.Terminate().pack(self._next_sequence()), now_s)
        return [*events, Unanswered(unknown)] if unknown else events

    def _end(self, reason: str) -> list[Event]:
        if self.state is State.ENDED:
            return []
        events: list[Event] = [Asked(asked.name, None) for asked in self._asked.values()]
        unknown = sorted(self._open.values())
        self._open.clear()
        self._asked.clear()
        self._sent.clear()
        self._deliveries.clear()
        self.state = State.ENDED
        return [*events, Ended(reason, unknown)]

    def _next_sequence(self) -> int:
        return self._reserve(1)[0]

    def _reserve(self, count: int) -> range:
        """The next Sequence_Ids under which nothing waits or was given up, one behind the other."""
        while True:
            first = next_sequence(self._sequence)
            if first + count - 1 > SEQUENCE_MAX:
                first = 1
            found = range(first, first + count)
            self._sequence = found[-1] if count else self._sequence
            for known in (self._open, self._asked, self._given_up):
                if known and not known.keys().isdisjoint(found):
                    break
            else:
                return found

    def _write(self, octets: bytes, now_s: float) -> None:
        self._used_s = now_s
        self._output.append(octets)


def _leading(values: Sequence[object]) -> int:
    """How many at the beginning are equal."""
    first, count = values[0], len(values)
    if values.count(first) == count:
        return count
    return next(place for place, value in enumerate(values) if value != first)


@cache
def _answers(count: int) -> struct.Struct:
    """This many SUBMIT_RESPs or DELIVER_RESPs: length and command, Sequence_Id, Msg_Id, Result."""
    return struct.Struct(">" + "8sIQB" * count)


@lru_cache(maxsize=4 * TOGETHER_MAX)
def _reports(size: int, count: int) -> struct.Struct:
    """This many DELIVERs of `size` octets: length and command, Sequence_Id, Msg_Id, what kind and how long."""
    return struct.Struct(">" + f"8sIQ{_KIND_AT - 20}x2s{size - _KIND_AT - 2}x" * count)
