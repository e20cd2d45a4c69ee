"""One long connection of an SP to its gateway, sans-I/O (vendors.md 6.2, 6.5 to 6.8).

Bytes and times go in, events come out, and what is to be written waits in `take_output`. No socket and no clock here:
`now_s` is an argument, of any monotonic clock.

    link.connected(timestamp, now_s)         TCP is up: logs in
    link.submit(template, numbers, ...)      as many as `room` allows
    link.received(octets, now_s)             events: answers in batches, deliveries, the end
    link.tick(now_s)                         events of the timers; next due at `due_s`
    link.acknowledge(sequence, ...)          once a delivery is durable
    link.drain(now_s) / link.lost(...)       an end in good order / the connection is gone

Every part of every message gets one final word: its answer, `Unanswered`, or a place in `Ended.unknown`. A part that
was `Unanswered` may still be answered late; that comes as an answer with `late`, and is evidence. A frame is sent again
as it is and on this connection alone; another connection never sees it.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict
from collections.abc import Sequence
from enum import Enum
from typing import Final, Literal, NamedTuple

import msgspec

from dispatcher.cmpp import pdus
from dispatcher.cmpp.frames import Frame, FrameReader, Malformed, read
from dispatcher.cmpp.layout import RESPONSE, Pdu
from dispatcher.cmpp.login import AuthPad, connect, gateway_proof
from dispatcher.cmpp.submits import SubmitTemplate, next_sequence

GIVEN_UP_MAX: Final = 1024
DELIVERIES_MAX: Final = 1024
LENGTH_WRONG: Final = 4
COME_AGAIN: Final = 8
_RESULT: Final = struct.Struct(">QB")


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


class Token(NamedTuple):
    """A part of a message: whatever the caller calls the recipient, and which part."""

    recipient: int
    part: int


class Answer(NamedTuple):
    """What the gateway says of one part. `transmissions` above 1: the frame was sent more than once."""

    token: Token
    msg_id: int
    result: int
    transmissions: int
    late: bool


class LoggedIn(msgspec.Struct, frozen=True):
    """The session is open. `proof` is how the gateway proved itself (dispatcher/cmpp/login.py)."""

    proof: str
    version: int


class Refused(msgspec.Struct, frozen=True):
    """The gateway did not take the login; the link has ended."""

    status: int
    reason: str


class Answers(msgspec.Struct, frozen=True):
    """Answers to SUBMITs, in the order in which they came."""

    answers: list[Answer]


class Unanswered(msgspec.Struct, frozen=True):
    """Parts that had no answer in the end: unknown. Their places in the window are free."""

    tokens: list[Token]


class Delivered(msgspec.Struct, frozen=True):
    """A report or a message from a phone. It is acknowledged once it is durable, by its `sequence`."""

    sequence: int
    deliver: pdus.Deliver


class Asked(msgspec.Struct, frozen=True):
    """The answer to a QUERY or a CANCEL; None if there was none."""

    name: str
    answer: Pdu | None


class Ended(msgspec.Struct, frozen=True):
    """The link is over. `unknown` are the parts that were outstanding, at most a window of them."""

    reason: str
    unknown: list[Token]


Event = LoggedIn | Refused | Answers | Unanswered | Delivered | Asked | Ended

REFUSALS: Final[dict[int, str]] = {
    1: "the gateway says that the structure of the login is wrong",
    2: "the gateway does not know this sp_id, or not from this address",
    3: "the gateway says that the shared secret is wrong",
    4: "the gateway does not speak this version",
}


class _Slot:
    """A request that is not answered."""

    __slots__ = ("expects", "frame", "sent_s", "token", "transmissions", "what")

    def __init__(self, what: str, token: Token | None, frame: bytes, now_s: float, expects: int) -> None:
        self.what = what
        self.expects = expects
        self.token = token
        self.frame = frame
        self.sent_s = now_s
        self.transmissions = 1


class Link:
    """One connection. It is used once: after its end a new one is made."""

    def __init__(self, settings: LinkSettings, sequence: int = 0) -> None:
        self._settings = settings
        self.state = State.NEW
        self.counts: Counter[str] = Counter()
        self._reader = FrameReader()
        self._sequence = sequence
        self._open: OrderedDict[int, _Slot] = OrderedDict()  # by the moment of the last transmission
        self._given_up: OrderedDict[int, Token] = OrderedDict()
        self._deliveries: dict[int, int] = {}
        self._output: list[bytes] = []
        self._source = b""
        self._active: _Slot | None = None
        self._active_sequence = 0
        self._used_s = 0.0
        self._said_s = 0.0
        self._unanswered_in_a_row = 0

    # what the caller asks

    @property
    def room(self) -> int:
        """How many requests may be sent now."""
        return max(self._settings.window - len(self._open), 0) if self.state is State.OPEN else 0

    @property
    def outstanding(self) -> int:
        """Requests that are not answered."""
        return len(self._open)

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
        if self._open:
            moments.append(next(iter(self._open.values())).sent_s + settings.timeout_s)
        if self.state is State.DRAINING:
            moments.append(self._said_s + settings.timeout_s)
        return min(moments)

    def take_output(self) -> bytes:
        """What is to be written now."""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def connected(self, timestamp: str, now_s: float) -> None:
        """TCP is up: log in. `timestamp` is MMDDHHMMSS."""
        settings = self._settings
        login = connect(settings.sp_id, settings.secret, timestamp, settings.auth_pad, settings.version)
        self._source = login.authenticator
        self.state, self._said_s = State.LOGIN, now_s
        self._write(login.pack(self._next_sequence()), now_s)

    def submit(
        self,
        template: SubmitTemplate,
        numbers: Sequence[bytes],
        recipients: Sequence[int],
        now_s: float,
        references: Sequence[int] = (),
    ) -> None:
        """Send these numbers their message, every part of it. ValueError if the window has no room for all."""
        count = template.parts * len(numbers)
        if count > self.room:
            raise ValueError(f"{count} SUBMITs do not fit: the window has room for {self.room}")
        sequences = [self._next_sequence() for _ in range(count)]
        frames = template.frames(numbers, sequences, references)
        place = 0
        for recipient in recipients:
            for part in range(template.parts):
                slot = _Slot("submit", Token(recipient, part), frames[place], now_s, pdus.SUBMIT_RESP)
                self._open[sequences[place]] = slot
                place += 1
        self._write(b"".join(frames), now_s)

    def ask(self, name: str, request: pdus.Query | pdus.Cancel, now_s: float) -> None:
        """Send a QUERY or a CANCEL; its answer comes as `Asked` with this name. ValueError if the window is full."""
        if not self.room:
            raise ValueError("the window is full")
        sequence = self._next_sequence()
        frame = request.pack(sequence)
        self._open[sequence] = _Slot(name, None, frame, now_s, request.command | RESPONSE)
        self._write(frame, now_s)

    def acknowledge(self, sequence: int, result: int, now_s: float) -> None:
        """Answer a delivery: 0 once it is durable, 8 if it is to come again."""
        msg_id = self._deliveries.pop(sequence, None)
        if msg_id is not None and self.state is not State.ENDED:
            self._write(pdus.DeliverResp(msg_id, result).pack(sequence), now_s)
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
        answers: list[Answer] = []
        for frame in self._reader.feed(octets):
            if frame[0] == pdus.SUBMIT_RESP and len(frame[2]) == _RESULT.size and self.state is not State.LOGIN:
                self._submit_resp(frame, answers)
                continue
            if answers:
                events.append(Answers(answers))
                answers = []
            self._take(frame, now_s, events)
            if self._has_ended():
                return events
        if answers:
            events.append(Answers(answers))
        if self._reader.broken is not None:
            self.counts["malformed"] += 1
            return events + self._end(str(self._reader.broken))
        self._terminate_if_drained(now_s)
        return events

    def _has_ended(self) -> bool:
        return self.state is State.ENDED

    def _submit_resp(self, frame: Frame, answers: list[Answer]) -> None:
        _, sequence, body = frame
        msg_id, result = _RESULT.unpack(body)
        slot = self._open.get(sequence)
        if slot is not None and slot.token is not None:
            del self._open[sequence]
            self._unanswered_in_a_row = 0
            answers.append(Answer(slot.token, msg_id, result, slot.transmissions, False))
            return
        token = self._given_up.pop(sequence, None)
        if token is None:
            self.counts["unexpected_answer"] += 1
        else:
            answers.append(Answer(token, msg_id, result, self._settings.transmissions, True))

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
                events += self._end("the gateway ended the session")
            case pdus.ActiveTestResp() | pdus.ActiveTestRespBare() if (
                self._active and sequence == self._active_sequence
            ):
                self._active = None
            case pdus.TerminateResp() if self.state is State.TERMINATING:
                events += self._end("")
            case pdus.QueryResp() | pdus.CancelResp() if self._expects(sequence, command):
                events.append(Asked(self._open.pop(sequence).what, pdu))
            case Malformed():
                self.counts["unknown_command" if "unknown" in pdu.reason else "malformed"] += 1
                if command == pdus.DELIVER:
                    msg_id = int.from_bytes(body[:8].ljust(8, b"\0"), "big")
                    self._write(pdus.DeliverResp(msg_id, LENGTH_WRONG).pack(sequence), now_s)
            case _:
                self.counts["unexpected_answer" if command & 0x80000000 else "unexpected_request"] += 1

    def _expects(self, sequence: int, command: int) -> bool:
        """Is this the answer to what was asked under this Sequence_Id?"""
        slot = self._open.get(sequence)
        return slot is not None and slot.expects == command

    def _logged_in(self, sequence: int, pdu: Pdu | Malformed, now_s: float) -> list[Event]:
        """The first answer: CONNECT is the only request that is under way."""
        settings = self._settings
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
                if now_s - self._said_s < settings.timeout_s:
                    return []
                return self._end("the login was not answered" if self.state is State.LOGIN else "")
        events = self._time_out(now_s)
        if self.state is State.DRAINING and now_s - self._said_s >= settings.timeout_s:
            return events + self._terminate(now_s)
        if self._unanswered_in_a_row >= settings.unanswered_max:
            return events + self._end(f"{self._unanswered_in_a_row} requests in a row had no answer")
        self._terminate_if_drained(now_s)
        return events + self._keep_alive(now_s)

    def _time_out(self, now_s: float) -> list[Event]:
        """Requests whose T is over: again, or given up."""
        settings = self._settings
        most = 1 if settings.resend == "never" else settings.transmissions
        again: list[bytes] = []
        given_up: list[Token] = []
        events: list[Event] = []
        while self._open:
            sequence, slot = next(iter(self._open.items()))
            if now_s - slot.sent_s < settings.timeout_s:
                break
            if slot.transmissions < most:
                slot.transmissions, slot.sent_s = slot.transmissions + 1, now_s
                self._open.move_to_end(sequence)
                again.append(slot.frame)
                continue
            del self._open[sequence]
            self._unanswered_in_a_row += 1
            if slot.token is None:
                events.append(Asked(slot.what, None))
                continue
            given_up.append(slot.token)
            self._give_up(sequence, slot.token)
        if again:
            self._write(b"".join(again), now_s)
        return [*events, Unanswered(given_up)] if given_up else events

    def _give_up(self, sequence: int, token: Token) -> None:
        """Its answer may still come; the oldest are forgotten."""
        self._given_up[sequence] = token
        if len(self._given_up) > GIVEN_UP_MAX:
            self._given_up.popitem(last=False)

    def _keep_alive(self, now_s: float) -> list[Event]:
        settings, active = self._settings, self._active
        if active is None:
            if now_s - self._used_s >= settings.idle_s:
                self._active_sequence = self._next_sequence()
                frame = pdus.ActiveTest().pack(self._active_sequence)
                self._active = _Slot("active", None, frame, now_s, pdus.ACTIVE_TEST_RESP)
                self._write(frame, now_s)
            return []
        if now_s - active.sent_s < settings.timeout_s:
            return []
        if active.transmissions >= settings.transmissions:
            return self._end("the gateway does not answer ACTIVE_TEST")
        active.transmissions, active.sent_s = active.transmissions + 1, now_s
        self._write(active.frame, now_s)
        return []

    # the end

    def _terminate_if_drained(self, now_s: float) -> None:
        if self.state is State.DRAINING and not self._open and not self._deliveries:
            self._terminate(now_s)

    def _terminate(self, now_s: float) -> list[Event]:
        """Say that we end; what is still outstanding is unknown."""
        unknown = self._outstanding_tokens()
        events: list[Event] = [Asked(slot.what, None) for slot in self._open.values() if slot.token is None]
        for sequence, slot in self._open.items():
            if slot.token is not None:
                self._give_up(sequence, slot.token)
        self._open.clear()
        self.state, self._said_s = State.TERMINATING, now_s
        self._write(pdus.Terminate().pack(self._next_sequence()), now_s)
        return [*events, Unanswered(unknown)] if unknown else events

    def _end(self, reason: str) -> list[Event]:
        if self.state is State.ENDED:
            return []
        events: list[Event] = [Asked(slot.what, None) for slot in self._open.values() if slot.token is None]
        unknown = self._outstanding_tokens()
        self._open.clear()
        self._deliveries.clear()
        self.state = State.ENDED
        return [*events, Ended(reason, unknown)]

    def _outstanding_tokens(self) -> list[Token]:
        return sorted(slot.token for slot in self._open.values() if slot.token is not None)

    def _next_sequence(self) -> int:
        """The next Sequence_Id that no request waits under."""
        self._sequence = next_sequence(self._sequence)
        while self._sequence in self._open or self._sequence in self._given_up:
            self._sequence = next_sequence(self._sequence)
        return self._sequence

    def _write(self, octets: bytes, now_s: float) -> None:
        self._used_s = now_s
        self._output.append(octets)
