"""The fold of a lane partition: its transition table, its laws, and what it refuses."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.lane.state import TRANSITIONS, ChunkState, LaneBroken, LaneState
from dispatcher.core.ownership import Ownership
from schemas.records import Intent, Job, Outcome, Owned, Resolved


def job(number: int = 0, count: int = 100, start: int = 0) -> Job:
    return Job(
        campaign="c", attempt="a", account="spring", number=number, batch=number, partition=0, offset=number,
        sha256=b"", start=start, count=count,
    )  # fmt: skip


def owned(owner: str = "me") -> Owned:
    return Owned(owner=owner, at_ms=0, where="here")


def intent(start: int, count: int, *, owner: str = "me", attempt: int = 0, job: int = 0) -> Intent:
    return Intent(
        owner=owner, n=0, account="spring", campaign="c", job=job, batch=0, start=start, count=count, attempt=attempt,
        at_ms=0,
    )  # fmt: skip


def outcome(of: int, effect: Any, **fields: Any) -> Outcome:
    return Outcome(account="spring", intent=of, effect=effect, kind=fields.pop("kind", "x"), code="", at_ms=0, **fields)


def resolved(of: int, verdict: Any, owner: str = "me") -> Resolved:
    return Resolved(owner=owner, account="spring", intent=of, verdict=verdict, at_ms=0, by="t")


def folded(*records: Any, jobs: int = 1) -> LaneState:
    state = LaneState()
    for number in range(jobs):
        state.take_job(number, job(number))
    for offset, record in enumerate(records):
        state.apply(offset, record)
    return state


@pytest.mark.parametrize(("before", "event"), list(TRANSITIONS))
def test_every_transition_of_the_table_happens(before, event):
    opening = [owned(), intent(0, 10)]
    if before is ChunkState.UNKNOWN:
        opening.append(outcome(1, "unknown"))
    match event:
        case "owned":
            opening.append(owned("other"))
        case "sent" | "not-sent" | "resend":
            opening.append(resolved(1, event))
        case _:
            opening.append(outcome(1, event))
    state = folded(*opening)
    becomes = TRANSITIONS[before, event]
    if becomes is ChunkState.UNKNOWN:
        assert state.open[1].state is becomes
    else:
        assert 1 not in state.open
        assert [(piece.start, piece.count) for piece in state.jobs[0].returned] == (
            [(0, 10)] if becomes is ChunkState.QUEUED else []
        )


def test_an_intent_behind_a_newer_owned_is_void_and_so_is_its_resolution():
    state = folded(owned("old"), owned("new"), intent(0, 10, owner="old"), outcome(2, "accepted"))
    assert not state.open
    assert list(state.jobs[0].untaken()) == [(0, 100)]
    state.apply(4, intent(0, 10, owner="new"))
    state.apply(5, outcome(4, "unknown"))
    state.apply(6, resolved(4, "resend", owner="old"))
    assert state.open[4].state is ChunkState.UNKNOWN


def test_an_outcome_of_any_author_counts_and_only_the_first_one():
    state = folded(owned("old"), intent(0, 10, owner="old"), owned("new"), outcome(1, "accepted"), outcome(1, "queued"))
    assert not state.open
    assert not state.jobs[0].returned


def test_a_late_outcome_of_a_chunk_that_was_resent_changes_nothing():
    state = folded(owned(), intent(0, 10), outcome(1, "unknown"), resolved(1, "resend"), intent(0, 10, attempt=1))
    state.apply(5, outcome(1, "queued"))
    assert list(state.open) == [4]
    assert not state.jobs[0].returned


def test_a_refused_slice_comes_back_in_halves_where_the_vendor_cannot_say_which_number_is_bad():
    state = folded(owned(), intent(0, 7), outcome(1, "queued", divide=True))
    assert [(piece.start, piece.count) for piece in state.jobs[0].returned] == [(0, 3), (3, 4)]


def test_strikes_count_only_what_the_vendor_refused_for_now():
    state = folded(owned(), intent(0, 7), outcome(1, "queued", kind="retry-later"), intent(0, 7, attempt=1))
    state.apply(4, outcome(3, "queued", kind="not-sent"))
    assert [(piece.attempt, piece.strikes) for piece in state.jobs[0].returned] == [(2, 0)]


def test_a_job_taken_twice_from_the_inbox_counts_once():
    state = LaneState()
    assert state.take_job(0, job(0)) is not None
    assert state.take_job(1, job(0)) is None
    assert state.take_job(2, job(1)) is not None
    assert state.take_job(2, job(1)) is None


def test_a_finished_job_is_forgotten():
    state = folded(owned(), intent(0, 60), intent(60, 40), outcome(1, "accepted"), outcome(2, "failed"))
    assert not state.jobs
    assert state.taken == {("spring", "c", "a"): 1}


@pytest.mark.parametrize(
    ("records", "what"),
    [
        ([owned(), intent(0, 10), intent(5, 10)], "a first time again"),
        ([owned(), intent(0, 10), intent(0, 10, attempt=1)], "nobody returned"),
        ([owned(), intent(0, 100), outcome(1, "accepted"), intent(0, 10)], "finished"),
        ([owned(), intent(0, 10), outcome(1, "queued"), intent(0, 11, attempt=1)], "nobody returned"),
    ],
)
def test_a_journal_that_would_send_twice_is_refused(records, what):
    with pytest.raises(LaneBroken, match=what):
        folded(*records)


def a_history(seed: int) -> list[Any]:
    """A valid journal: owners, intents, outcomes and resolutions by chance, over two jobs."""
    rng = random.Random(seed)
    state = LaneState()
    for number in range(2):
        state.take_job(number, job(number))
    records: list[Any] = []

    def add(record: Any) -> None:
        state.apply(len(records), record)
        records.append(record)

    owner = "o0"
    add(owned(owner))
    for step in range(60):
        choice = rng.random()
        open_chunks = list(state.open.values())
        if choice < 0.08:
            owner = f"o{step}"
            add(owned(owner))
        elif choice < 0.5 and state.jobs:
            offset, known = rng.choice(list(state.jobs.items()))
            if known.returned and rng.random() < 0.5:
                piece = rng.choice(known.returned)
                add(intent(piece.start, max(1, piece.count // 2), owner=owner, attempt=piece.attempt, job=offset))
            elif ranges := list(known.untaken()):
                start, end = rng.choice(ranges)
                add(intent(start, rng.randint(1, min(30, end - start)), owner=owner, job=offset))
        elif choice < 0.9 and open_chunks:
            chunk = rng.choice(open_chunks)
            effect = rng.choice(["accepted", "failed", "queued", "unknown"])
            if (chunk.state, effect) in TRANSITIONS:
                add(outcome(chunk.intent, effect, divide=rng.random() < 0.3, kind=rng.choice(["retry-later", "x"])))
        elif open_chunks:
            chunk = rng.choice(open_chunks)
            add(resolved(chunk.intent, rng.choice(["sent", "not-sent", "resend"]), owner))
    return records


def plain(state: LaneState) -> object:
    return state.checkpoint("x", 0)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**9), cuts=st.lists(st.integers(0, 60), max_size=4))
def test_the_fold_is_the_same_from_any_checkpoint_on(seed, cuts):
    records = a_history(seed)
    whole = folded(*records, jobs=2)
    state = LaneState()
    for number in range(2):
        state.take_job(number, job(number))
    at = 0
    for cut in sorted(min(cut, len(records)) for cut in cuts):
        for offset in range(at, cut):
            state.apply(offset, records[offset])
        at = cut
        state = LaneState.load(state.checkpoint(state.owner or "nobody", 0))
        if at == 0:
            state.ownership = Ownership()
    for offset in range(at, len(records)):
        state.apply(offset, records[offset])
    assert plain(state) == plain(whole)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_the_fold_is_the_same_whether_the_inbox_is_read_before_or_after_the_journal(seed):
    records = a_history(seed)
    before = folded(*records, jobs=2)
    after = LaneState()
    for offset, record in enumerate(records):
        after.apply(offset, record)
    for number in range(2):
        after.take_job(number, job(number))

    def as_sets(state: LaneState) -> object:
        jobs = {j.offset: (tuple(j.taken), sorted(map(repr, j.returned)), j.open) for j in state.jobs.values()}
        return jobs, sorted(map(repr, state.open.values())), state.taken

    assert as_sets(after) == as_sets(before)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**9), repeats=st.lists(st.integers(0, 59), max_size=5))
def test_reading_records_again_changes_nothing(seed, repeats):
    records = a_history(seed)
    state = folded(*records, jobs=2)
    expected = plain(state)
    for again in repeats:
        if again < len(records):
            state.apply(again, records[again])
    assert plain(state) == expected
