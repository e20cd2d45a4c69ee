"""Random histories of links against a gateway that loses, repeats, mixes and delays answers, throttles and breaks.

Whatever happens: the window holds at the gateway, a frame is sent again as it was and on its own connection, every part
gets one final word, nobody is told "refused" of what was taken, and what is unknown was outstanding.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from dispatcher.cmpp import pdus
from dispatcher.cmpp.frames import FrameReader, read
from dispatcher.cmpp.link import (
    Answers,
    Batch,
    Delivered,
    Ended,
    Event,
    Link,
    LoggedIn,
    Reported,
    SentFrames,
    State,
    Unanswered,
)
from dispatcher.cmpp.results import Effect, effect
from tests.cmpp.link_kit import NUMBERS, SETTINGS, TEMPLATE, TIMESTAMP

RECIPIENTS = 60
WINDOW = SETTINGS.window
LATE_ROUNDS = 10  # late answers may still come when everything has its final word


class Gateway:
    """The other side of one connection. `taken` is shared by all connections: the numbers it took, and how often."""

    def __init__(self, chance: random.Random, taken: list[bytes]) -> None:
        self._chance = chance
        self.taken = taken
        self._reader = FrameReader()
        self._first: dict[int, bytes] = {}
        self._answers: list[tuple[float, bytes]] = []
        self._unanswered: dict[int, float] = {}

    def gets(self, octets: bytes, now_s: float) -> None:
        """What the link wrote."""
        for frame in self._reader.feed(octets):
            pdu, sequence = read(frame), frame[1]
            match pdu:
                case pdus.Connect():
                    self._say(now_s, pdus.ConnectResp().pack(sequence))
                case pdus.Submit():
                    self._submit(pdu, sequence, frame[2], now_s)
                case pdus.ActiveTest():
                    self._say(now_s, pdus.ActiveTestResp().pack(sequence))
                case pdus.Terminate():
                    self._say(now_s, pdus.TerminateResp().pack(sequence))
                case pdus.DeliverResp():
                    pass
                case _:
                    raise AssertionError(pdu)

    def _submit(self, pdu: pdus.Submit, sequence: int, body: bytes, now_s: float) -> None:
        if sequence in self._first:
            assert self._first[sequence] == body, "a frame that is sent again is the same frame"
            if self._chance.random() < 0.4:
                self._say(now_s, pdus.SubmitResp(0, 3).pack(sequence))
            return
        self._first[sequence] = body
        self._unanswered[sequence] = now_s
        waited_s = SETTINGS.timeout_s * SETTINGS.transmissions  # then it no longer expects anybody to wait
        self._unanswered = {s: at_s for s, at_s in self._unanswered.items() if now_s - at_s < waited_s}
        assert len(self._unanswered) <= WINDOW, "the window is over"
        result = 8 if self._chance.random() < 0.1 else 0
        if result == 0:
            self.taken.append(pdu.dest_terminal_ids[0])
        answer = pdus.SubmitResp(self._chance.getrandbits(64), result).pack(sequence)
        fate = self._chance.random()
        if fate < 0.08:  # lost: the link frees the place after N times T
            self._unanswered.pop(sequence, None)
            return
        self._say(now_s + (self._chance.random() * 600 if fate < 0.2 else 0), answer)
        if fate > 0.95:
            self._say(now_s, answer)

    def _say(self, at_s: float, octets: bytes) -> None:
        self._answers.append((at_s, octets))

    def says(self, now_s: float) -> bytes:
        """What is due, mixed."""
        due = [each for each in self._answers if each[0] <= now_s]
        self._answers = [each for each in self._answers if each[0] > now_s]
        self._chance.shuffle(due)
        for _, octets in due:
            self._unanswered.pop(int.from_bytes(octets[8:12], "big"), None)
        octets = b"".join(octets for _, octets in due)
        return octets + (
            pdus.Deliver(msg_id=1).pack(self._chance.getrandbits(16)) if self._chance.random() < 0.1 else b""
        )


class History:
    """What a caller of links does: resends only what certainly was not taken, and a new link after an end."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.taken: list[bytes] = []
        self.now_s = 0.0
        self.to_send = list(range(RECIPIENTS))
        self.batches: list[tuple[Batch, list[int]]] = []  # with the recipients of each frame
        self.recipients: dict[int, int] = {}  # of each token
        self.accepted: set[int] = set()
        self.unknown: set[int] = set()
        self.outstanding: set[int] = set()
        self.late = 0
        self.links = 0
        self.connect()

    def connect(self) -> None:
        self.links += 1
        for batch, recipients in self.batches:
            self.to_send += recipients[batch.sent :]
        self.batches.clear()
        self.link = Link(SETTINGS, self.chance.choice([0, 0xFFFFFFF8]))
        self.gateway = Gateway(self.chance, self.taken)
        self.link.connected(TIMESTAMP, self.now_s)

    def play(self) -> None:
        idle = 0
        for _ in range(3_000):
            if self.link.state is State.OPEN:
                self.send()
            self.gateway.gets(self.link.take_output(), self.now_s)
            self.told(self.link.received(self.gateway.says(self.now_s), self.now_s))
            self.now_s += self.chance.choice([0.01, 1.0, 30.0, 61.0])
            self.told(self.link.tick(self.now_s))
            if self.chance.random() < 0.02:
                self.told(self.link.lost("reset"))
            idle = 0 if self.to_send or self.batches or self.outstanding else idle + 1
            if idle > LATE_ROUNDS:
                return
            if self.link.state is State.ENDED:
                self.connect()
        raise AssertionError("the history never ends")

    def send(self) -> None:
        """A part of the first batch or two, as the window has room."""
        if self.to_send and len(self.batches) < 2:
            count = self.chance.randrange(1, 40)
            recipients, self.to_send = self.to_send[:count], self.to_send[count:]
            first = len(self.recipients)
            self.recipients.update(enumerate(recipients, first))
            batch = self.link.prepare(TEMPLATE, [NUMBERS[each] for each in recipients], first)
            self.batches.append((batch, recipients))
        for batch, recipients in list(self.batches):
            count = min(self.link.room, batch.left, self.chance.randrange(1, 20))
            self.outstanding |= set(recipients[batch.sent : batch.sent + count])
            self.link.send(batch, count, self.now_s)
            if not batch.left:
                self.batches.remove((batch, recipients))

    def told(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Answers():
                    for token, result in zip(event.tokens, event.results, strict=True):
                        self.answered(self.recipients[token], effect(result, event.transmissions), event.late)
                case Unanswered(tokens) | Ended(_, tokens):
                    assert len(tokens) <= WINDOW
                    for token in tokens:
                        self.final(self.recipients[token])
                        self.unknown.add(self.recipients[token])
                case Delivered(sequence, _):
                    self.link.acknowledge([sequence], 0, self.now_s)
                case Reported(sequences):
                    self.link.acknowledge(sequences, 0, self.now_s)
                case LoggedIn():
                    pass
                case _:
                    raise AssertionError(event)

    def answered(self, recipient: int, what: Effect, late: bool) -> None:
        if late:
            self.late += 1
            assert recipient in self.unknown
            if what is Effect.ACCEPTED:
                self.unknown.discard(recipient)
                self.accepted.add(recipient)
            return
        self.final(recipient)
        match what:
            case Effect.ACCEPTED:
                self.accepted.add(recipient)
            case Effect.THROTTLED:
                self.to_send.append(recipient)
            case Effect.UNKNOWN:
                self.unknown.add(recipient)
            case _:
                raise AssertionError(what)

    def final(self, recipient: int) -> None:
        """One final word for what is outstanding, and for nothing else."""
        assert recipient in self.outstanding
        self.outstanding.remove(recipient)


def judged(seed: int) -> None:
    history = History(seed)
    history.play()
    taken = {NUMBERS.index(number) for number in history.taken}
    assert len(history.taken) == len(taken), "somebody got two messages"
    assert history.accepted | history.unknown == set(range(RECIPIENTS))
    assert history.accepted <= taken
    assert not history.accepted & history.unknown


@pytest.mark.parametrize("seed", range(60))
def test_a_random_history(seed: int) -> None:
    judged(seed)


def _by_order(link: Link, sequences: Any, *rest: Any) -> None:
    """The mistake: answers are given to the oldest requests."""
    ANSWERED(link, [*link._open][: len(sequences)] + [*sequences][len(link._open) :], *rest)


def _kept_slot(link: Link, sequences: Any, *rest: Any) -> None:
    """The mistake: an answer frees no place."""
    kept = {sequence: link._open[sequence] for sequence in sequences if sequence in link._open}
    ANSWERED(link, sequences, *rest)
    link._open.update(kept)


def _changed(link: Link, change: dict[str, Any], *rest: Any) -> None:
    events = rest[-1]
    before = len(events)
    ANSWERED(link, *rest)
    events[before:] = [msgspec.structs.replace(event, **change) for event in events[before:]]


def _all_first(link: Link, *rest: Any) -> None:
    """The mistake: a late answer is taken for a first one."""
    _changed(link, {"late": False}, *rest)


def _not_repeated(link: Link, *rest: Any) -> None:
    """The mistake: nobody is told that the frame was sent again, so Result 3 counts as a refusal."""
    _changed(link, {"transmissions": 1}, *rest)


def _forgotten(link: Link, reason: str) -> list[Event]:
    """The mistake: what is outstanding at the end of a link is forgotten."""
    return [Ended(event.reason, []) if isinstance(event, Ended) else event for event in END(link, reason)]


def _one_too_many(link: Link, reason: str) -> list[Event]:
    """The mistake: at the end of a link somebody is called unknown who was answered."""
    return [
        Ended(event.reason, [*event.unknown, 0]) if isinstance(event, Ended) else event for event in END(link, reason)
    ]


def _other_frame(sent: SentFrames, sequence: int) -> bytes:
    """The mistake: what is sent again is the frame of another number."""
    frame = FRAME(sent, sequence)
    return frame[:12] + FRAME(sent, sent.first)[12:]


def _wide_room(link: Link) -> int:
    """The mistake: the window is larger than the gateway's."""
    return 2 * WINDOW - link.outstanding if link.state is State.OPEN else 0


def _same_sequences(link: Link, count: int) -> range:
    """The mistake: a Sequence_Id that still waits is used again."""
    return range(3, 3 + count)


ANSWERED, END, FRAME = Link._answered, Link._end, SentFrames.frame
MISTAKES: list[tuple[type, str, Any]] = [
    (Link, "_answered", _by_order),
    (Link, "_answered", _kept_slot),
    (Link, "_answered", _all_first),
    (Link, "_answered", _not_repeated),
    (Link, "_end", _forgotten),
    (Link, "_end", _one_too_many),
    (Link, "room", property(_wide_room)),
    (Link, "_reserve", _same_sequences),
    (SentFrames, "frame", _other_frame),
]


@pytest.mark.parametrize(
    ("of", "name", "mistake"), MISTAKES, ids=[getattr(mistake, "__name__", name) for _, name, mistake in MISTAKES]
)
def test_a_mistake_is_caught(of: type, name: str, mistake: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of, name, mistake)
    with pytest.raises((AssertionError, ValueError, KeyError)):
        for seed in range(60):
            judged(seed)


def test_the_histories_have_what_they_are_about() -> None:
    histories = [History(seed) for seed in range(20)]
    for history in histories:
        history.play()
    assert max(history.links for history in histories) > 1
    assert sum(history.late for history in histories) > 5
    assert sum(len(history.unknown) for history in histories) > 20
    assert sum(len(history.accepted) for history in histories) > 600
