"""The fold of a lane partition: its transition table, its laws, and what it refuses."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.lane.state import TRANSITIONS, ChunkState, LaneBroken, LaneState
from dispatcher.core.ownership import Ownership
from dispatcher.core.streams.keys import AGE_MS, KEEP_MS_MAX, KnownKeys
from dispatcher.core.streams.segments import Segment
from schemas.codec import decode, encode
from schemas.records import (
    AnyRecord,
    Checkpoint,
    Handed,
    Intent,
    Job,
    Moved,
    MovedFrom,
    Outcome,
    Outcomes,
    Owned,
    Resolved,
    Run,
    StreamKeys,
    Why,
)


def job(number: int = 0, count: int = 100, start: int = 0) -> Job:
    return Job(
        campaign="c", attempt="a", account="spring", number=number, batch=number, partition=0, offset=number,
        sha256=b"", start=start, count=count,
    )  # fmt: skip


def owned(owner: str = "me") -> Owned:
    return Owned(owner=owner, at_ms=0, where="here")


def intent(start: int, count: int, *, owner: str = "me", attempt: int = 0, job: int = 0, left_out: Any = ()) -> Intent:
    return Intent(
        owner=owner, n=0, account="spring", campaign="c", job=job, batch=0, start=start, count=count, attempt=attempt,
        at_ms=0, left_out=left_out,
    )  # fmt: skip


def outcome(of: int, effect: Any, **fields: Any) -> Outcome:
    return Outcome(account="spring", intent=of, effect=effect, kind=fields.pop("kind", "x"), code="", at_ms=0, **fields)


def outcomes(of: int, *runs: tuple[int, int, Any], kind: Any = "x") -> Outcomes:
    """`runs`: (start, count, effect)."""
    return Outcomes(account="spring", intent=of, runs=tuple(Run(*run, kind) for run in runs), at_ms=0)


def resolved(of: int, verdict: Any, owner: str = "me", ranges: Any = ()) -> Resolved:
    return Resolved(owner=owner, account="spring", intent=of, verdict=verdict, at_ms=0, by="t", ranges=ranges)


def moved(start: int, count: int, *, owner: str = "me", attempt: int = 0, of_job: int = 0, to: str = "winter") -> Moved:
    as_job = msgspec.structs.replace(
        job(0, count, start), account=to, moved=MovedFrom(0, 0, "spring", ("spring",)), then=()
    )
    return Moved(
        owner=owner, account="spring", campaign="c", job=of_job, attempt=attempt, as_job=as_job, why=Why.LOGIN, at_ms=0
    )  # fmt: skip


def states(state: LaneState) -> dict[int, str]:
    return {chunk.intent: chunk.state.value for chunk in state.open.values()}


def returned(state: LaneState, job_offset: int = 0) -> list[tuple[int, int]]:
    return [(piece.start, piece.count) for piece in state.jobs[job_offset].returned]


def folded(*records: Any, jobs: int = 1) -> LaneState:
    state = LaneState()
    for number in range(jobs):
        state.take_job(number, job(number))
    for offset, record in enumerate(records):
        state.apply(offset, record)
    return state


@pytest.mark.parametrize(("before", "event"), list(TRANSITIONS))
def test_every_transition_of_the_table_happens(before, event):
    opening = [owned(), intent(0, 10, left_out=((0, 10),) if event is Intent else ())]
    if before is ChunkState.UNKNOWN:
        opening.append(outcome(1, "unknown"))
    match event:
        case "owned":
            opening.append(owned("other"))
        case _ if event is Intent:
            pass
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


def test_who_is_left_out_is_final_and_results_of_the_whole_chunk_are_about_the_others():
    state = folded(owned(), intent(0, 10, left_out=((2, 3), (9, 1))))
    assert state.open[1].open_ranges == state.open[1].in_request == ((0, 2), (5, 4))
    assert state.open[1].asked == 6
    state.apply(2, outcome(1, "queued"))
    assert returned(state) == [(0, 2), (5, 4)]
    assert list(state.jobs[0].untaken()) == [(10, 100)]


def test_a_void_intent_leaves_nobody_out():
    state = folded(owned("old"), owned("new"), intent(0, 10, owner="old", left_out=((2, 3),)))
    assert list(state.jobs[0].untaken()) == [(0, 100)]


def test_a_job_of_recipients_who_are_all_left_out_is_over():
    state = folded(owned(), intent(0, 100, left_out=((0, 100),)))
    assert not state.open
    assert not state.jobs
    early = folded(owned(), intent(0, 100, left_out=((0, 100),)), jobs=0)
    assert early.jobs[0].job is None
    early.take_job(0, job())
    assert not early.jobs


def test_a_take_over_from_a_checkpoint_forgets_nobody_who_was_left_out():
    state = folded(owned(), intent(0, 10, left_out=((2, 3),)))
    checkpoint = decode(encode(state.checkpoint("me", 0)))
    assert isinstance(checkpoint, Checkpoint)
    again = LaneState.load(checkpoint)
    again.apply(2, owned("other"))
    assert again.open[1].in_request == ((0, 2), (5, 5))
    again.apply(3, resolved(1, "resend", owner="other"))
    assert returned(again) == [(0, 2), (5, 5)]


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


def test_each_run_of_recipients_gets_its_own_result():
    state = folded(
        owned(), intent(20, 50),
        outcomes(1, (0, 10, "accepted"), (10, 3, "failed"), (13, 20, "queued"), (33, 16, "unknown"), (49, 1, "queued")),
    )  # fmt: skip
    assert state.open[1].state is ChunkState.UNKNOWN
    assert state.open[1].open_ranges == ((33, 16),)
    assert returned(state) == [(33, 20), (69, 1)]


def test_only_recipients_that_are_open_are_moved_and_the_first_definite_result_counts():
    state = folded(owned(), intent(0, 10), outcomes(1, (2, 3, "accepted")), outcomes(1, (0, 5, "queued")))
    assert returned(state) == [(0, 2)]
    state.apply(4, outcomes(1, (0, 6, "failed")))
    assert state.open[1].open_ranges == ((6, 4),)
    state.apply(5, outcome(1, "queued"))
    assert returned(state) == [(0, 2), (6, 4)]
    assert not state.open


def test_recipients_that_no_run_names_keep_their_state():
    state = folded(owned(), intent(0, 10), outcomes(1, (0, 4, "accepted")))
    assert states(state) == {1: "in flight"}
    state.apply(3, outcomes(1, (0, 2, "unknown")))
    assert states(state) == {1: "in flight"}, "these two are not open any more"
    state.apply(4, outcomes(1, (5, 1, "unknown")))
    assert states(state) == {1: "unknown"}
    state.apply(5, outcomes(1, (4, 2, "accepted"), (6, 4, "failed")))
    assert not state.open


def test_a_new_owner_finds_only_the_recipients_without_a_result_unknown_and_their_facts_still_count():
    state = folded(owned("old"), intent(0, 10, owner="old"), outcomes(1, (0, 4, "accepted")), owned("new"))
    assert (state.open[1].state, state.open[1].open_ranges) == (ChunkState.UNKNOWN, ((4, 6),))
    state.apply(4, outcomes(1, (4, 2, "queued"), (6, 2, "accepted")))
    assert returned(state) == [(4, 2)]
    assert state.open[1].open_ranges == ((8, 2),)


def test_a_resolution_of_ranges_leaves_the_rest_unknown():
    state = folded(owned(), intent(0, 10), outcome(1, "unknown"), resolved(1, "sent", ranges=((2, 1), (5, 2))))
    assert state.open[1].open_ranges == ((0, 2), (3, 2), (7, 3))
    state.apply(4, resolved(1, "resend"))
    assert returned(state) == [(0, 2), (3, 2), (7, 3)]
    assert not state.open


def test_each_run_counts_its_own_strike():
    state = folded(owned(), intent(0, 4), outcomes(1, (0, 2, "queued"), kind="retry-later"))
    state.apply(3, outcomes(1, (2, 2, "queued"), kind="throttled"))
    assert [(piece.attempt, piece.strikes) for piece in state.jobs[0].returned] == [(1, 1), (1, 0)]


def test_moved_recipients_leave_the_queue_and_are_numbered_by_the_valid_moves_alone():
    state = folded(owned("me"), moved(0, 30), owned("you"), moved(30, 10), moved(30, 10, owner="you"))
    assert list(state.jobs[0].queued()) == [(40, 100)]
    numbers = {offset: (each.as_job.number, each.as_job.moved) for offset, each in state.handovers.waiting.items()}
    assert numbers == {
        1: (0, MovedFrom(0, 1, "spring", ("spring",))),
        4: (1, MovedFrom(0, 4, "spring", ("spring",))),
    }
    state.apply(5, Handed(account="spring", moved=(1,), at_ms=0))
    assert list(state.handovers.waiting) == [4]
    assert state.checkpoint("you", 0).moves is not None


def test_a_moved_job_is_taken_once_and_in_order_beside_the_launch_s_own_jobs():
    first, second = (
        msgspec.structs.replace(job(number, 10, 10 * number), moved=MovedFrom(1, number, "summer", ("summer",)))
        for number in (0, 1)
    )
    state = LaneState()
    taken = [state.take_job(offset, each) for offset, each in enumerate([second, first, job(0), first, second, second])]
    assert [each is not None for each in taken] == [False, True, True, False, True, False]
    again = LaneState.load(state.checkpoint("me", 0))
    assert again.take_job(6, second) is None
    assert again.take_job(7, job(0)) is None


def test_who_was_unknown_once_is_doubted_from_then_on_also_from_a_checkpoint():
    state = folded(owned(), intent(0, 10), outcome(1, "unknown"), resolved(1, "not-sent"), intent(10, 10))
    assert state.jobs[0].doubted == [(0, 10)]
    assert state.checkpoint("me", 0).moves is None
    of_a_route = LaneState()
    of_a_route.take_job(0, msgspec.structs.replace(job(), then=("winter",)))
    records: list[AnyRecord] = [owned(), intent(0, 10), outcome(1, "unknown"), resolved(1, "resend")]
    for offset, record in enumerate(records):
        of_a_route.apply(offset, record)
    assert LaneState.load(of_a_route.checkpoint("me", 0)).jobs[0].doubted == [(0, 10)]


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
        ([owned(), intent(0, 10), moved(5, 10)], "a first time again"),
        ([owned(), moved(0, 10), intent(5, 10)], "a first time again"),
        ([owned(), intent(0, 10), moved(0, 10, attempt=1)], "which nobody returned"),
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
                add(leaves(rng, piece.start, max(1, piece.count // 2), owner, piece.attempt, offset))
            elif ranges := list(known.untaken()):
                start, end = rng.choice(ranges)
                add(leaves(rng, start, rng.randint(1, min(30, end - start)), owner, 0, offset))
            if state.handovers.waiting and rng.random() < 0.2:
                add(Handed(account="spring", moved=(next(iter(state.handovers.waiting)),), at_ms=0))
        elif choice < 0.9 and open_chunks:
            chunk = rng.choice(open_chunks)
            effect = rng.choice(EFFECTS)
            if rng.random() < 0.6:
                add(outcomes(chunk.intent, *some_runs(rng, chunk.count), kind=rng.choice(["retry-later", "x"])))
            elif (chunk.state, effect) in TRANSITIONS:
                add(outcome(chunk.intent, effect, divide=rng.random() < 0.3, kind=rng.choice(["retry-later", "x"])))
        elif open_chunks:
            chunk = rng.choice(open_chunks)
            some = tuple((start, count) for start, count, _ in some_runs(rng, chunk.count))
            verdict = rng.choice(["sent", "not-sent", "resend"])
            add(resolved(chunk.intent, verdict, owner, some if rng.random() < 0.6 else ()))
    return records


def leaves(rng: random.Random, start: int, count: int, owner: str, attempt: int, of_job: int) -> Intent | Moved:
    """Queued recipients are announced, or moved to another account."""
    if rng.random() < 0.2:
        return moved(start, count, owner=owner, attempt=attempt, of_job=of_job)
    return intent(start, count, owner=owner, attempt=attempt, job=of_job)


EFFECTS = ["accepted", "failed", "queued", "unknown"]


def some_runs(rng: random.Random, count: int) -> list[tuple[int, int, str]]:
    """Disjoint, ascending runs of a chunk's recipients, some of them left out."""
    cuts = sorted({0, count, *(rng.randrange(count) for _ in range(rng.randint(0, 4)))})
    runs = [(start, end - start, rng.choice(EFFECTS)) for start, end in pairwise(cuts)]
    return rng.sample(runs, 1) if len(runs) > 1 and rng.random() < 0.2 else runs


def each_recipient(records: list[Any]) -> dict[int, list[str]]:
    """The state of every recipient of every valid intent, one at a time: what the fold must agree with."""
    owner = ""
    chunks: dict[int, list[str]] = {}
    for offset, record in enumerate(records):
        match record:
            case Owned():
                owner = record.owner
                for chunk in chunks.values():
                    chunk[:] = ["unknown" if state == "in flight" else state for state in chunk]
            case Intent() if record.owner == owner:
                chunks[offset] = ["in flight"] * record.count
            case Outcome() | Outcomes() if record.intent in chunks:
                chunk = chunks[record.intent]
                runs = record.runs if isinstance(record, Outcomes) else [Run(0, len(chunk), record.effect, record.kind)]
                for run in runs:
                    concerned = [at for at in range(run.start, run.end) if chunk[at] in ("in flight", "unknown")]
                    for at in concerned:
                        chunk[at] = str(run.effect)
                    if run.effect == "unknown" and concerned:
                        chunk[:] = ["unknown" if state == "in flight" else state for state in chunk]
            case Resolved() if record.owner == owner and record.intent in chunks:
                chunk = chunks[record.intent]
                for start, count in record.ranges or ((0, len(chunk)),):
                    for at in range(start, start + count):
                        if chunk[at] == "unknown":
                            chunk[at] = "accepted" if record.verdict == "sent" else "queued"
    return chunks


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_every_recipient_has_the_state_that_it_has_when_each_is_followed_by_itself(seed):
    records = a_history(seed)
    state = folded(*records, jobs=2)
    expected = each_recipient(records)
    open_now = {
        offset: {at: word for at, word in enumerate(chunk) if word in ("in flight", "unknown")}
        for offset, chunk in expected.items()
    }
    assert {
        chunk.intent: {
            at: chunk.state.value for start, count in chunk.open_ranges for at in range(start, start + count)
        }
        for chunk in state.open.values()
    } == {offset: chunk for offset, chunk in open_now.items() if chunk}
    last: dict[tuple[int, int], str] = {}
    for offset, of in enumerate(records):
        if isinstance(of, Moved) and offset not in expected:
            last.update({(of.job, of.as_job.start + at): "moved" for at in range(of.as_job.count)})
        elif offset in expected:
            last.update({(of.job, of.start + at): word for at, word in enumerate(expected[offset])})
    queued = sorted(
        (job.offset, recipient)
        for job in state.jobs.values()
        for piece in job.returned
        for recipient in range(piece.start, piece.start + piece.count)
    )
    assert queued == sorted(key for key, word in last.items() if word == "queued")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_an_outcome_of_a_whole_chunk_is_one_run(seed):
    records = a_history(seed)
    in_runs = [
        outcomes(record.intent, (0, records[record.intent].count, record.effect), kind=record.kind)
        if isinstance(record, Outcome) and not record.divide
        else record
        for record in records
    ]
    assert plain(folded(*in_runs, jobs=2)) == plain(folded(*records, jobs=2))


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


def test_a_checkpoint_names_no_page_of_keys_that_the_log_may_have_deleted():
    state, stream, newest_ms = LaneState(), ("spring", "codes", "a"), 10 * AGE_MS
    page = StreamKeys(
        account="spring", campaign="codes", attempt="a", first=0, keys=(7).to_bytes(8, "little"), newest_ms=newest_ms
    )
    state.segments[stream] = Segment(0, 1, 0)
    state.keys[stream] = KnownKeys.load(1, 1, newest_ms, b"", [(5, page)])
    assert state.checkpoint("me", newest_ms + KEEP_MS_MAX).streams[0].pages == ((5, newest_ms),)
    assert state.checkpoint("me", newest_ms + KEEP_MS_MAX + AGE_MS).streams[0].pages == ()
