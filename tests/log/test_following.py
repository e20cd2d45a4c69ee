"""A follower's place in an in-process log: whatever comes when, it hands on every record once and in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.log.port import Entry, StoredRecord
from dispatcher.log.sqlite import following
from dispatcher.log.sqlite.following import Follower

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ours"), st.integers(1, 5)),
        st.tuples(st.just("theirs"), st.integers(1, 5)),
        st.tuples(st.just("ours while reading"), st.integers(1, 5)),
        st.tuples(st.just("step"), st.integers(1, 3)),
    ),
    max_size=60,
)


@given(start=st.integers(0, 3), steps=STEPS)
def test_every_record_is_handed_on_once_and_in_order(start: int, steps: list[tuple[str, int]]):
    log = [_stored(offset) for offset in range(3)]
    follower = Follower(start)
    follower.reach(len(log))
    got: list[StoredRecord] = []

    def commit(count: int) -> None:
        first = len(log)
        log.extend(_stored(first + i) for i in range(count))
        follower.offer(first, [Entry(b"", b"%d" % (first + i)) for i in range(count)], 0)

    def step(limit: int, during: int = 0) -> None:
        if follower.cursor >= follower.end:
            return
        if records := follower.take():
            got.extend(records)
            return
        read = log[follower.cursor : follower.cursor + limit]
        commit(during) if during else None
        follower.passed(read)
        got.extend(read)

    for name, count in steps:
        match name:
            case "ours":
                commit(count)
            case "theirs":
                log.extend(_stored(len(log)) for _ in range(count))
                follower.reach(len(log))
            case "ours while reading":
                step(2, during=count)
            case "step":
                step(count)
    while follower.cursor < follower.end:
        step(1000)
    assert [record.offset for record in got] == list(range(start, follower.end))
    assert follower.end == max(start, len(log))


def test_one_that_keeps_up_reads_nothing_and_one_far_behind_keeps_nothing():
    follower = Follower(0)
    for offset in range(100):
        follower.offer(offset, [Entry(b"", b"")], 0)
        assert [record.offset for record in follower.take()] == [offset]
    follower.offer(100 + following.NEAR_RECORDS + 1, [Entry(b"", b"")], 0)
    assert follower.take() == []


def test_what_is_kept_in_memory_is_bounded():
    follower, entry = Follower(0), Entry(b"", bytes(1_000_000))
    for offset in range(20):
        follower.offer(offset, [entry], 0)
    taken = 0
    while records := follower.take():
        taken += sum(len(record.value) for record in records)
    assert 0 < taken <= following.KEPT_BYTES_MAX + len(entry.value)
    assert follower.cursor < follower.end == 20  # the rest is to be read


def _stored(offset: int) -> StoredRecord:
    return StoredRecord(offset, b"", b"%d" % offset, (), 0)
