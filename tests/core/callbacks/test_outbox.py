"""What is delivered when: in order per campaign, again with back-off for a day, from the positions after a restart."""

from __future__ import annotations

import random
from collections.abc import Iterable

from dispatcher.core.callbacks.answers import Answer
from dispatcher.core.callbacks.events import Event
from dispatcher.core.callbacks.outbox import EVENTS_MAX, GIVE_UP_MS, Message, Outbox
from schemas.records import CallbackFailure, Cancelled, Finished

PLACE = "results-0"
TAKEN, AGAIN, GONE = Answer("taken"), Answer("again", "it answered 500"), Answer("gone")
T0 = 1_700_000_000_000


def event(offset: int, order: str = "may", *, kind: str = "halted", rows: int = 0, part: str = "") -> Event:
    record = Cancelled(campaign=order, at_ms=1, by="ann")
    return Event(f"{PLACE}-{offset}{part}", PLACE, offset, order, kind, 1, record, 0, rows)


def filled(events: Iterable[Event], now_ms: int = T0) -> Outbox:
    outbox = Outbox({PLACE: 0})
    for each in events:
        outbox.read(each.place, each.offset, [each], now_ms)
    return outbox


def taken(outbox: Outbox, now_ms: int = T0) -> Message:
    message = outbox.take(now_ms)
    assert message is not None
    return message


def test_a_campaign_has_one_message_under_way_and_others_do_not_wait_for_it() -> None:
    outbox = filled([event(0), event(1), event(2, "june")])
    first, other = taken(outbox), taken(outbox)
    assert (first.id, other.id, outbox.take(T0)) == ("results-0-0", "results-0-2", None)
    outbox.answered(first, TAKEN, T0, 0.5)
    assert taken(outbox).id == "results-0-1"


def test_the_position_stays_before_what_is_not_delivered() -> None:
    outbox = filled([event(0), event(1, "june"), event(5, "july")])
    messages = [taken(outbox) for _ in range(3)]
    outbox.answered(messages[1], TAKEN, T0, 0.5)
    outbox.answered(messages[2], TAKEN, T0, 0.5)
    assert outbox.positions == {PLACE: 0}
    outbox.answered(messages[0], TAKEN, T0, 0.5)
    assert outbox.positions == {PLACE: 6}
    outbox.read(PLACE, 9, [], T0)
    assert outbox.positions == {PLACE: 10}


def test_a_record_of_several_events_is_passed_when_all_of_them_are_delivered() -> None:
    outbox = Outbox({PLACE: 0})
    parts = [event(3, kind="results", rows=1_000, part=f"-{part}") for part in range(2)]
    outbox.read(PLACE, 3, parts, T0)
    outbox.answered(taken(outbox), TAKEN, T0, 0.5)
    assert outbox.positions == {PLACE: 3}
    outbox.answered(taken(outbox), TAKEN, T0, 0.5)
    assert outbox.positions == {PLACE: 4}


def test_pauses_double_with_jitter_up_to_an_hour_and_keep_back_one_campaign_only() -> None:
    outbox = filled([event(0), event(1)])
    now_ms, pauses = T0, []
    for chance in (1.0, 1.0, 0.0, *[1.0] * 12):
        message = taken(outbox, now_ms)
        assert message.id == "results-0-0"
        outbox.answered(message, AGAIN, now_ms, chance)
        next_ms = outbox.next_ms()
        assert next_ms is not None
        assert outbox.take(next_ms - 1) is None
        pauses.append((next_ms - now_ms) / 1000)
        now_ms = next_ms
    assert pauses[:4] == [5.0, 10.0, 10.0, 40.0]
    assert max(pauses) == 3_600.0
    outbox.read(PLACE, 2, [event(2, "june")], now_ms)
    outbox.answered(taken(outbox, now_ms), AGAIN, now_ms, 1.0)
    assert taken(outbox, now_ms).order == "june"


def test_after_a_day_an_event_is_kept_aside_and_the_next_one_is_tried() -> None:
    outbox, now_ms, tries = filled([event(0)]), T0, 0
    outbox.read(PLACE, 1, [event(1)], T0 + GIVE_UP_MS // 2)
    while not outbox.aside:
        next_ms = outbox.next_ms()
        assert next_ms is not None
        now_ms = max(now_ms, next_ms)
        outbox.answered(taken(outbox, now_ms), AGAIN, now_ms, 1.0)
        tries += 1
    assert GIVE_UP_MS <= now_ms - T0 <= GIVE_UP_MS + 3_600_000
    assert tries > 24
    assert list(outbox.aside_ids) == ["results-0-0"]
    assert outbox.positions == {PLACE: 1}
    outbox.answered(taken(outbox, now_ms), AGAIN, now_ms, 1.0)
    assert outbox.aside == 1  # the second one has waited for half a day


def test_a_receiver_that_asks_to_wait_gets_nothing_meanwhile() -> None:
    outbox = filled([event(0), event(1, "june")])
    outbox.answered(taken(outbox), Answer("again", "it answered 429", 60.0), T0, 0.0)
    assert outbox.take(T0 + 59_999) is None
    assert outbox.next_ms() == T0 + 60_000
    assert taken(outbox, T0 + 60_000).order in ("may", "june")


def test_a_receiver_that_wants_no_more_gets_no_more_and_nothing_is_lost() -> None:
    outbox = filled([event(0), event(1, "june")])
    outbox.answered(taken(outbox), GONE, T0, 0.0)
    assert (outbox.is_gone, outbox.take(T0), outbox.next_ms(), outbox.positions) == (True, None, None, {PLACE: 0})


def test_chunks_of_results_of_one_campaign_share_a_message_up_to_its_size() -> None:
    outbox = filled([event(n, kind="results", rows=400) for n in range(3)])
    first = taken(outbox)
    assert (first.id, len(first.events)) == ("results-0-0+results-0-1", 2)
    outbox.answered(first, AGAIN, T0, 0.0)
    outbox.read(PLACE, 3, [event(3, kind="results", rows=1)], T0)
    again = taken(outbox, T0 + 5_000)
    assert again == first  # the same id has the same body
    outbox.answered(again, TAKEN, T0, 0.0)
    assert taken(outbox).id == "results-0-2+results-0-3"
    assert outbox.delivered == 2


def test_what_is_read_ahead_is_bounded_by_events_and_by_bytes() -> None:
    outbox = Outbox({PLACE: 0})
    offset = 0
    while outbox.has_room:
        outbox.read(PLACE, offset, [event(offset, f"c{offset}")], T0)
        offset += 1
    assert outbox.waiting == EVENTS_MAX
    big = Finished(campaign="may", account="a", batch=0, start=0, vendor_id="", numbers=bytes(8_000_000), states=b"",
                   codes=[], code_index=b"", at_ms=0)  # fmt: skip
    outbox = Outbox({PLACE: 0})
    outbox.read(PLACE, 0, [Event("a", PLACE, 0, "may", "results", 1, big, 0, 1)], T0)
    assert not outbox.has_room
    outbox.answered(taken(outbox), TAKEN, T0, 0.0)
    assert outbox.has_room


def test_a_later_process_knows_since_when_an_event_fails() -> None:
    before = filled([event(0)])
    before.answered(taken(before), AGAIN, T0, 0.0)
    assert before.failing == (CallbackFailure("results-0-0", T0, 1),)
    now_ms = T0 + GIVE_UP_MS
    after = Outbox(before.positions, before.failing)
    after.read(PLACE, 0, [event(0)], now_ms)
    after.answered(taken(after, now_ms), AGAIN, now_ms, 0.0)
    assert after.aside == 1


def test_whatever_fails_and_whenever_it_restarts_each_campaign_has_all_its_events_in_order() -> None:
    for seed in range(20):
        chance = random.Random(seed)
        log = [event(n, chance.choice("abc"), kind=chance.choice(["results", "halted"]), rows=300) for n in range(40)]
        outbox, now_ms = filled(log), T0
        got: list[Event] = []
        under_way: list[Message] = []
        while outbox.waiting:
            if chance.random() < 0.02:  # another process continues
                positions, failing, under_way = outbox.positions, outbox.failing, []
                outbox = Outbox(positions, failing)
                for each in log[positions[PLACE] :]:
                    outbox.read(PLACE, each.offset, [each], now_ms)
            elif (message := outbox.take(now_ms)) is not None:
                under_way.append(message)
            elif under_way:
                message = under_way.pop(chance.randrange(len(under_way)))
                answer = chance.choice([TAKEN, TAKEN, AGAIN])
                got += message.events if answer is TAKEN else ()
                outbox.answered(message, answer, now_ms, chance.random())
            else:
                next_ms = outbox.next_ms()
                assert next_ms is not None
                now_ms = next_ms
        for order in "abc":
            first_times = list(dict.fromkeys(each.offset for each in got if each.order == order))
            assert first_times == [each.offset for each in log if each.order == order], seed
