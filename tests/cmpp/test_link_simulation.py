"""Random histories of links against a gateway that loses, repeats, mixes and delays answers, throttles and breaks.

Whatever happens: the window holds at the gateway, a frame is sent again as it was and on its own connection, every part
gets one final word, nobody is told "refused" of what was taken, and what is unknown was outstanding.
"""

from __future__ import annotations

import random

import pytest

from dispatcher.cmpp import pdus
from dispatcher.cmpp.frames import Frame, FrameReader, read
from dispatcher.cmpp.link import Answer, Answers, Delivered, Ended, Event, Link, LoggedIn, State, Token, Unanswered
from dispatcher.cmpp.results import Effect, effect
from tests.cmpp.link_kit import NUMBERS, SETTINGS, TEMPLATE, TIMESTAMP

RECIPIENTS = 60
WINDOW = SETTINGS.window


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
        self.accepted: set[int] = set()
        self.unknown: set[int] = set()
        self.outstanding: set[int] = set()
        self.late = 0
        self.links = 0
        self.connect()

    def connect(self) -> None:
        self.links += 1
        self.link = Link(SETTINGS, self.chance.choice([0, 0xFFFFFFF8]))
        self.gateway = Gateway(self.chance, self.taken)
        self.link.connected(TIMESTAMP, self.now_s)

    def play(self) -> None:
        for _ in range(3_000):
            if self.link.state is State.OPEN and self.to_send:
                count = min(self.link.room, len(self.to_send), self.chance.randrange(1, 20))
                batch, self.to_send = self.to_send[:count], self.to_send[count:]
                self.link.submit(TEMPLATE, [NUMBERS[each] for each in batch], batch, self.now_s)
                self.outstanding |= set(batch)
            self.gateway.gets(self.link.take_output(), self.now_s)
            self.told(self.link.received(self.gateway.says(self.now_s), self.now_s))
            self.now_s += self.chance.choice([0.01, 1.0, 30.0, 61.0])
            self.told(self.link.tick(self.now_s))
            if self.chance.random() < 0.02:
                self.told(self.link.lost("reset"))
            if not self.to_send and not self.outstanding:
                return
            if self.link.state is State.ENDED:
                self.connect()
        raise AssertionError("the history never ends")

    def told(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Answers(answers):
                    for answer in answers:
                        self.answered(answer)
                case Unanswered(tokens) | Ended(_, tokens):
                    assert len(tokens) <= WINDOW
                    for token in tokens:
                        self.final(token)
                        self.unknown.add(token.recipient)
                case Delivered(sequence, _):
                    self.link.acknowledge(sequence, 0, self.now_s)
                case LoggedIn():
                    pass
                case _:
                    raise AssertionError(event)

    def answered(self, answer: Answer) -> None:
        what = effect(answer.result, answer.transmissions)
        if answer.late:
            self.late += 1
            assert answer.token.recipient in self.unknown
            if what is Effect.ACCEPTED:
                self.unknown.discard(answer.token.recipient)
                self.accepted.add(answer.token.recipient)
            return
        self.final(answer.token)
        match what:
            case Effect.ACCEPTED:
                self.accepted.add(answer.token.recipient)
            case Effect.THROTTLED:
                self.to_send.append(answer.token.recipient)
            case Effect.UNKNOWN:
                self.unknown.add(answer.token.recipient)
            case _:
                raise AssertionError(what)

    def final(self, token: Token) -> None:
        """One final word for what is outstanding, and for nothing else."""
        assert token.recipient in self.outstanding
        self.outstanding.remove(token.recipient)


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


def _by_order(link: Link, frame: Frame, answers: list[Answer]) -> None:
    """The mistake: an answer is given to the oldest request."""
    if link._open:
        oldest = next(iter(link._open))
        frame = (frame[0], oldest, frame[2])
    SUBMIT_RESP(link, frame, answers)


def _kept_slot(link: Link, frame: Frame, answers: list[Answer]) -> None:
    """The mistake: an answer frees no place."""
    slot = link._open.get(frame[1])
    SUBMIT_RESP(link, frame, answers)
    if slot is not None:
        link._open[frame[1]] = slot


def _all_first(link: Link, frame: Frame, answers: list[Answer]) -> None:
    """The mistake: a late answer is taken for a first one."""
    SUBMIT_RESP(link, frame, answers)
    answers[:] = [answer._replace(late=False) for answer in answers]


def _not_repeated(link: Link, frame: Frame, answers: list[Answer]) -> None:
    """The mistake: nobody is told that the frame was sent again, so Result 3 counts as a refusal."""
    SUBMIT_RESP(link, frame, answers)
    answers[:] = [answer._replace(transmissions=1) for answer in answers]


def _forgotten(link: Link) -> list[Token]:
    """The mistake: what is outstanding at the end of a link is forgotten."""
    return []


def _one_too_many(link: Link) -> list[Token]:
    """The mistake: at the end of a link somebody is called unknown who was answered."""
    return [*OUTSTANDING(link), Token(0, 0)]


def _wide_room(link: Link) -> int:
    """The mistake: the window is larger than the gateway's."""
    return 2 * WINDOW - len(link._open) if link.state is State.OPEN else 0


def _same_sequence(link: Link) -> int:
    """The mistake: a Sequence_Id that still waits is used again."""
    link._sequence = link._sequence % 3 + 1
    return link._sequence


SUBMIT_RESP = Link._submit_resp
OUTSTANDING = Link._outstanding_tokens
MISTAKES = [
    ("_submit_resp", _by_order),
    ("_submit_resp", _kept_slot),
    ("_submit_resp", _all_first),
    ("_submit_resp", _not_repeated),
    ("_outstanding_tokens", _forgotten),
    ("_outstanding_tokens", _one_too_many),
    ("room", property(_wide_room)),
    ("_next_sequence", _same_sequence),
]


@pytest.mark.parametrize(("name", "mistake"), MISTAKES, ids=[getattr(m, "__name__", n) for n, m in MISTAKES])
def test_a_mistake_is_caught(name: str, mistake: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Link, name, mistake)
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
