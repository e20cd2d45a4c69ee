"""A chunk in SUBMITs to several numbers, on a link without a socket, before a gateway that says what a test says."""

from __future__ import annotations

import asyncio
import random
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from consumers.lanes.left_marks import NEVER_LEFT, runs_of
from dispatcher.cmpp.link import Answers, Ended, Unanswered
from dispatcher.cmpp.pdus import Submit
from dispatcher.core.lane.answers.verdict import Kind, RunsAnswer
from dispatcher.core.lane.gate import NOTHING_EVER, Grant
from dispatcher.drivers.link.groups import GroupSend
from dispatcher.drivers.link.progress import TRIES_MAX, Progress, new_columns, no_answer, not_sent
from dispatcher.drivers.port import Columns
from dispatcher.vendors.seam.vendor import Message
from schemas.records import Effect
from tests.cmpp.link_kit import Wire
from tests.drivers.link.link_driver_kit import Lane, account

FIRST, WINDOW, ID = 13_800_138_000, 4, 1 << 63
SHORT, LONG = "hi", "测" * 100
Numbers = tuple[int, ...]
Answer = Callable[[Numbers, int], int | None]


@dataclass
class Marked(Lane):
    """A lane that keeps the columns of the chunk. `deposed`: nothing at all may be written any more."""

    kept: Columns | None = None
    deposed: bool = False

    def grant(self, messages: int, resume: Callable[[], None], *, started: bool = False) -> Grant | None:
        return NOTHING_EVER if self.deposed else super().grant(messages, resume, started=started)

    def columns(self, count: int, parts: int) -> Columns | None:
        self.kept = new_columns(count * parts)
        return self.kept


@dataclass
class Sending:
    """A chunk on a link. Numbers are called by their places in it."""

    send: GroupSend
    wire: Wire
    lane: Marked
    done: asyncio.Future[RunsAnswer]
    sent: list[tuple[Numbers, int]] = field(default_factory=list)
    taken: dict[tuple[int, int], int] = field(default_factory=dict)
    outstanding: dict[int, tuple[Numbers, int]] = field(default_factory=dict)

    def go(self) -> None:
        """Write what may be written."""
        self.send.send(self.wire.link, self.wire.now_s, self.lane.go)
        self.send.ends_if_over()
        for sequence, pdu in self.wire.written():
            assert isinstance(pdu, Submit)
            group = tuple(int(number) - FIRST for number in pdu.dest_terminal_ids), pdu.pk_number
            self.outstanding[sequence] = group
            self.sent.append(group)

    def answer(self, sequence: int, result: int) -> None:
        """The gateway answers."""
        numbers, part = self.outstanding.pop(sequence)
        if not result:
            for number in numbers:
                assert (number, part) not in self.taken, "texted twice"
                self.taken[number, part] = ID + sequence
        self.wire.answers(sequence, result=result)
        self._hand_on()

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.wire.wait(seconds)
        self._hand_on()

    def _hand_on(self) -> None:
        first = self.send.first_token
        for event in self.wire.events:
            match event:
                case Answers():
                    frames = [token - first for token in event.tokens]
                    if event.late:
                        self.send.late(event, frames)
                    else:
                        self.send.answered(event, frames, self.wire.now_s)
                case Unanswered():
                    self.send.unanswered([token - first for token in event.tokens])
                case Ended():
                    self.send.broken(event.reason)
        self.wire.events.clear()

    def run(self, answer: Answer) -> RunsAnswer:
        """Answer everything, in order, until the chunk's end. None: no answer."""
        self.go()
        silent: set[int] = set()
        while not self.done.done():
            for sequence, group in list(self.outstanding.items()):
                result = None if sequence in silent else answer(*group)
                if result is None:
                    silent.add(sequence)
                else:
                    self.answer(sequence, result)
                self.go()
            if silent and silent >= set(self.outstanding):
                self.wait(60.0)
                self.go()
        return self.done.result()


@contextmanager
def sending(count: int, text: str = SHORT, *, group: int = 99, window: int = WINDOW, **lane: Any) -> Iterator[Sending]:
    loop = asyncio.new_event_loop()
    vendor = account(registered_delivery=0, group_numbers_max=group)
    template = vendor.prepare(Message(text=text))
    numbers = [b"%d" % (FIRST + at) for at in range(count)]
    gate, wire, done = Marked(**lane), Wire(window=window, resend="never").open(), loop.create_future()
    send = GroupSend(template, numbers, [7] * count if template.parts > 1 else (), vendor.answer, gate, done)
    send.begins(wire.link, 1_000)
    yield Sending(send, wire, gate, done)
    loop.close()


def kinds(answer: RunsAnswer) -> list[tuple[int, Kind]]:
    return [(run.count, run.verdict.kind) for run in answer.runs]


def test_a_submit_has_as_many_numbers_as_the_document_allows_and_all_get_its_id() -> None:
    with sending(250) as it:
        answer = it.run(lambda numbers, part: 0)
        assert [len(numbers) for numbers, _ in it.sent] == [99, 99, 52]
        assert kinds(answer) == [(250, Kind.ACCEPTED)]
        assert array("Q", answer.ids).tolist() == [it.taken[number, 1] for number in range(250)]
        assert len(set(it.taken.values())) == 3
        assert it.lane.granted == [(99, False), (99, False), (52, False)], "the flow limit counts numbers"
        assert it.lane.tickets == [1, 2, 3]


def test_a_group_has_one_place_in_the_window() -> None:
    with sending(60, group=10) as it:
        it.go()
        assert len(it.sent) == WINDOW
        it.answer(next(iter(it.outstanding)), 0)
        it.go()
        assert len(it.sent) == WINDOW + 1


def test_the_parts_of_a_long_message_leave_group_by_group_in_order_with_one_reference() -> None:
    with sending(25, LONG, group=10) as it:
        answer = it.run(lambda numbers, part: 0)
        assert [(numbers[0], len(numbers), part) for numbers, part in it.sent] == [
            (start, count, part) for start, count in ((0, 10), (10, 10), (20, 5)) for part in (1, 2)
        ]
        assert (kinds(answer), answer.parts) == ([(25, Kind.ACCEPTED)], 2)
        assert array("Q", answer.ids).tolist() == [it.taken[number, part] for number in range(25) for part in (1, 2)]


def test_without_an_answer_all_numbers_of_the_group_are_unknown_and_no_others() -> None:
    with sending(30, group=10) as it:
        answer = it.run(lambda numbers, part: None if 10 in numbers else 0)
        assert kinds(answer) == [(10, Kind.ACCEPTED), (10, Kind.UNKNOWN), (10, Kind.ACCEPTED)]


def test_a_late_answer_is_a_fact_about_all_numbers_of_the_group() -> None:
    with sending(30, group=10) as it:
        it.run(lambda numbers, part: None if 10 in numbers else 0)
        [sequence] = it.outstanding
        it.answer(sequence, 0)
        [(first, fact)] = it.lane.facts
        assert (first, kinds(fact)) == (10, [(10, Kind.ACCEPTED)])
        assert array("Q", fact.ids).tolist() == [ID + sequence] * 10


def test_too_fast_is_about_all_numbers_of_the_group() -> None:
    with sending(30, group=10) as it:
        answer = it.run(lambda numbers, part: 8 if 10 in numbers else 0)
        assert kinds(answer) == [(10, Kind.ACCEPTED), (10, Kind.THROTTLED), (10, Kind.ACCEPTED)]
        assert [verdict.kind for verdict in it.lane.said] == [Kind.THROTTLED] * TRIES_MAX
        assert len(it.sent) == 2 + TRIES_MAX


@pytest.mark.parametrize("result", [1, 4, 9, 255])
@pytest.mark.parametrize(("text", "parts"), [(SHORT, 1), (LONG, 2)])
def test_a_refusal_that_may_be_about_a_number_divides_until_the_number_is_alone(
    text: str, parts: int, result: int
) -> None:
    with sending(99, text) as it:
        answer = it.run(lambda numbers, part: result if 42 in numbers else 0)
        assert kinds(answer) == [(42, Kind.ACCEPTED), (1, Kind.REJECTED), (56, Kind.ACCEPTED)]
        assert ((42,), parts) in it.sent
        assert len(it.sent) <= parts * 15
        for number in range(99):
            mine = [part for numbers, part in it.sent if number in numbers]
            assert mine.index(1) < (mine.index(2) if parts == 2 else len(mine))


@pytest.mark.parametrize("result", [2, 3, 5, 6, 7])
def test_a_refusal_for_what_all_numbers_share_divides_nothing(result: int) -> None:
    with sending(30, group=10) as it:
        answer = it.run(lambda numbers, part: result if 10 in numbers else 0)
        assert [count for count, _ in kinds(answer)] == [10, 10, 10]
        assert len(it.sent) == 3


def test_what_was_sent_twice_and_then_refused_is_not_divided_because_the_first_copy_may_have_been_taken() -> None:
    with sending(10) as it:
        it.go()
        it.send.answered(Answers([1_000], [0], [9], transmissions=2), [0], 0.0)
        it.send.ends_if_over()
        assert kinds(it.done.result()) == [(10, Kind.REJECTED)]
        assert it.send.left == 0


def test_the_halves_of_a_refused_group_leave_before_anything_new() -> None:
    with sending(30, group=10, window=1) as it:
        it.run(lambda numbers, part: 9 if 3 in numbers else 0)
        halves = [tuple(range(first, end)) for first, end in ((0, 10), (0, 5), (5, 10), (0, 3), (3, 5))]
        assert [numbers for numbers, _ in it.sent[:5]] == halves
        assert it.sent.index(((3,), 1)) < it.sent.index((tuple(range(10, 20)), 1))


def test_a_throttled_part_of_a_group_leaves_again_for_those_who_have_the_other_part() -> None:
    tries: Counter[int] = Counter()

    def throttles_once(numbers: Numbers, part: int) -> int:
        tries[part] += 1
        return 8 if part == 2 and tries[part] == 1 else 0

    with sending(10, LONG) as it:
        answer = it.run(throttles_once)
        assert kinds(answer) == [(10, Kind.ACCEPTED)]
        assert [(len(numbers), part) for numbers, part in it.sent] == [(10, 1), (10, 2), (10, 2)]
        assert it.lane.granted == [(10, False), (10, True), (10, True)]


def test_throttled_parts_leave_again_in_groups_and_in_order() -> None:
    tries: Counter[int] = Counter()

    def throttles_once(numbers: Numbers, part: int) -> int:
        tries[part] += 1
        return 8 if part > 1 and tries[part] == 1 else 0

    with sending(10, LONG + LONG) as it:
        assert kinds(it.run(throttles_once)) == [(10, Kind.ACCEPTED)]
        assert [(len(numbers), part) for numbers, part in it.sent] == [(10, part) for part in (1, 2, 3, 2, 3)]


def test_a_grant_of_less_than_the_group_makes_a_smaller_group() -> None:
    with sending(25, LONG, group=10, most=4) as it:
        assert kinds(it.run(lambda numbers, part: 0)) == [(25, Kind.ACCEPTED)]
        assert max(len(numbers) for numbers, _ in it.sent) == 4
        assert len(it.taken) == 50


def test_after_a_refusal_of_the_lane_begun_messages_are_ended_and_no_others_begun() -> None:
    with sending(30, LONG, group=10, window=1) as it:
        it.go()
        it.lane.refuses = True
        answer = it.run(lambda numbers, part: 0)
        assert kinds(answer) == [(10, Kind.ACCEPTED), (20, Kind.NOT_SENT)]


def test_nothing_leaves_for_an_owner_that_is_deposed_and_what_is_begun_is_unknown_with_its_ids() -> None:
    with sending(30, LONG, group=10, window=1) as it:
        it.go()
        it.lane.deposed = True
        answer = it.run(lambda numbers, part: 0)
        assert kinds(answer) == [(10, Kind.UNKNOWN), (20, Kind.NOT_SENT)]
        assert array("Q", answer.ids).tolist() == [ID + 2, 0] * 10 + [0] * 40
        assert len(it.sent) == 1


def test_a_broken_link_leaves_the_numbers_of_a_window_of_groups_unknown() -> None:
    with sending(60, group=10) as it:
        it.go()
        it.answer(next(iter(it.outstanding)), 0)
        it.wire.events += it.wire.link.lost("it broke")
        it._hand_on()
        assert kinds(it.done.result()) == [(10, Kind.ACCEPTED), (30, Kind.UNKNOWN), (20, Kind.NOT_SENT)]


def test_the_marks_of_a_dead_process_say_it_of_each_number() -> None:
    with sending(70, group=10) as it:
        it.go()
        first, second, *_ = it.outstanding
        it.answer(first, 0)
        it.answer(second, 9)  # to be divided: certainly not taken
        kept = it.lane.kept
        assert kept is not None
        left = Progress(70, 1, account(registered_delivery=0).answer, kept)
        runs = runs_of(left.answer(not_sent(NEVER_LEFT), no_answer("died")))
        assert [(run.start, run.count, run.effect) for run in runs] == [
            (0, 10, Effect.ACCEPTED),
            (10, 10, Effect.QUEUED),
            (20, 20, Effect.UNKNOWN),
            (40, 30, Effect.QUEUED),
        ]


@pytest.mark.parametrize("seed", range(40))
def test_nobody_is_texted_twice_and_every_number_ends_as_the_gateway_took_it(seed: int) -> None:
    dice = random.Random(seed)
    count, text = dice.randrange(1, 60), dice.choice([SHORT, LONG, LONG * 2])
    bad = set(dice.sample(range(count), min(count, dice.randrange(4))))
    too_fast, silent = dice.choice([0.0, 0.2]), dice.choice([0.0, 0.1])

    def answers(numbers: Numbers, part: int) -> int | None:
        if dice.random() < silent:
            return None
        return 8 if dice.random() < too_fast else 9 if bad & set(numbers) else 0

    with sending(count, text, group=dice.choice([2, 7, 99]), most=dice.choice([1, 5, 1_000])) as it:
        answer = it.run(answers)
        parts, ids, at = answer.parts, array("Q", answer.ids).tolist() or [0] * count * answer.parts, 0
        for run in answer.runs:
            for number in range(at, at + run.count):
                mine = [it.taken.get((number, part), 0) for part in range(1, parts + 1)]
                assert ids[number * parts : (number + 1) * parts] == mine
                kind = run.verdict.kind
                assert all(mine) == (kind is Kind.ACCEPTED)
                assert not (any(mine) and kind in (Kind.THROTTLED, Kind.NOT_SENT)), "it would be sent again"
                assert kind is not Kind.REJECTED or number in bad
                if not too_fast and not silent:
                    assert kind is (Kind.REJECTED if number in bad else Kind.ACCEPTED)
            at += run.count
        assert at == count
        assert sorted(it.lane.tickets) == sorted(set(it.lane.tickets))
