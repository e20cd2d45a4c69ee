"""Which chunk an unexplained id proves: never one that the vendor did not take, always where it is unambiguous."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.results.evidence import (
    CLOCKS_APART_MS,
    Candidate,
    Search,
    Trace,
    UnexplainedId,
    conclude,
    requests_of,
)
from dispatcher.core.results.places import PIECES
from schemas.states import State

BATCHES = {7: [11, 12, 13, 14, 15, 16], 9: [14, 15, 16, 17]}


def chunk(
    number: int,
    batch: int,
    start: int,
    count: int,
    state: State = State.UNKNOWN,
    at_ms: int = 0,
    gaps: tuple[tuple[int, int], ...] = (),
) -> Candidate:
    return Candidate(
        id=number, batch=batch, campaign="may", start=start, count=count, state=state, at_ms=at_ms, gaps=gaps
    )


def reported(vendor_id: str, *numbers: int, first_ms: int = 0, named: tuple[Candidate, ...] = ()) -> UnexplainedId:
    of = np.array(numbers, np.int64)
    return UnexplainedId(
        vendor_id=vendor_id, numbers=of, reports=len(of), first_offset=0, first_ms=first_ms, named=named
    )


def searched(
    ids: Sequence[UnexplainedId], chunks: Sequence[Candidate], batches: dict[int, list[int]] | None = None
) -> list[Trace]:
    """As the store does it: the batches with unknown chunks first, the rest for what is left."""
    held = BATCHES if batches is None else batches
    looking = Search(ids)
    doubtful = {each.batch for each in chunks if each.state is State.UNKNOWN}
    for batch in sorted({each.batch for each in chunks}, key=lambda batch: batch not in doubtful):
        if batch not in doubtful and not looking.narrow():
            break
        numbers = held.get(batch)
        column = None if numbers is None else np.array(numbers, np.int64)
        looking.look(column, [each for each in chunks if each.batch == batch])
    looking.narrow()
    return looking.traces()


def proven(ids: Sequence[UnexplainedId], chunks: Sequence[Candidate]) -> dict[int, str]:
    return {proof.chunk.id: proof.vendor_id for proof in conclude(searched(ids, chunks))}


X = reported("x", 14, 15)
UNKNOWN = chunk(1, 7, 0, 6)
PROVEN = [
    ("the only request that holds the numbers", [X], [UNKNOWN], {1: "x"}),
    ("two requests of one batch, each with its id", [X, reported("y", 11)],
     [chunk(1, 7, 0, 3), chunk(2, 7, 3, 3)], {1: "y", 2: "x"}),
    ("another request holds only some of the numbers", [X], [UNKNOWN, chunk(2, 9, 1, 3)], {1: "x"}),
    ("the report came a little before the intent, by another machine's clock", [reported("x", 14, first_ms=1000)],
     [chunk(1, 7, 0, 6, at_ms=1000 + CLOCKS_APART_MS)], {1: "x"}),
    ("an earlier attempt of the same recipients holds them too", [X],
     [chunk(1, 7, 0, 6, State.QUEUED), chunk(2, 7, 0, 6)], {2: "x"}),
    ("many earlier attempts hold them too", [X],
     [*(chunk(n, 7, 0, 6, State.QUEUED) for n in range(5)), chunk(5, 7, 0, 6)], {5: "x"}),
    ("an earlier attempt of more recipients holds them too", [X],
     [chunk(1, 7, 0, 6, State.QUEUED), chunk(2, 7, 3, 3)], {2: "x"}),
    ("only an earlier attempt holds all of them: all parts of it were texted", [reported("x", 12, 15)],
     [chunk(1, 7, 0, 6, State.QUEUED), chunk(2, 7, 0, 3), chunk(3, 7, 3, 3)], {2: "x", 3: "x"}),
    ("a part of an earlier attempt is still in flight", [X],
     [chunk(1, 7, 0, 6, State.QUEUED), chunk(2, 7, 0, 3, State.IN_FLIGHT), chunk(3, 7, 3, 3)], {3: "x"}),
    ("both attempts were taken, each under its id", [reported("x", 11, 12), reported("y", 12, 13, first_ms=9)],
     [chunk(1, 7, 0, 6, State.QUEUED), chunk(2, 7, 0, 6, at_ms=9)], {2: "y"}),
    ("the report came before the later attempt", [reported("x", 14, first_ms=1000)],
     [chunk(1, 7, 0, 6, State.QUEUED), chunk(2, 7, 0, 6, at_ms=1001 + CLOCKS_APART_MS)], {2: "x"}),
    ("the id was given to another part of the earlier attempt already",
     [reported("x", 15, named=(chunk(2, 7, 0, 3, State.ACCEPTED),))],
     [chunk(1, 7, 0, 6, State.QUEUED), chunk(3, 7, 3, 3)], {3: "x"}),
    ("its recipients lie around one who was left out", [reported("x", 11, 14)],
     [chunk(1, 7, 0, 6, gaps=((2, 1),))], {1: "x"}),
    ("another request leaves out one of the numbers", [X],
     [chunk(1, 7, 0, 6), chunk(2, 9, 0, 4, gaps=((1, 1),))], {1: "x"}),
    ("the number of one who was left out since: an earlier attempt was taken", [reported("x", 13)],
     [chunk(1, 7, 0, 6, State.QUEUED), chunk(2, 7, 0, 6, gaps=((2, 1),))], {2: "x"}),
]  # fmt: skip
NOT_PROVEN = [
    ("two unknown requests hold the numbers", [X], [UNKNOWN, chunk(2, 9, 0, 4)]),
    ("one in flight holds them too", [X], [UNKNOWN, chunk(2, 9, 0, 4, State.IN_FLIGHT)]),
    ("one accepted without an id holds them too", [X], [UNKNOWN, chunk(2, 9, 0, 4, State.ACCEPTED)]),
    ("one of another campaign that was sent again holds them too", [X], [UNKNOWN, chunk(2, 9, 0, 4, State.QUEUED)]),
    ("an earlier attempt of only some recipients holds them too", [X],
     [chunk(2, 7, 3, 3, State.QUEUED), chunk(3, 7, 2, 4)]),
    ("more ids than attempts", [reported("x", 11), reported("y", 12), reported("z", 13)],
     [chunk(1, 7, 0, 6, State.QUEUED), chunk(2, 7, 0, 6)]),
    ("the only one was sent again", [X], [chunk(2, 7, 0, 6, State.QUEUED), chunk(3, 9, 2, 2)]),
    ("the id was given to a request of another batch already",
     [reported("x", 15, named=(chunk(2, 9, 0, 2, State.ACCEPTED),))], [UNKNOWN]),
    ("the id was given to a request that no attempt of these recipients holds",
     [reported("x", 15, named=(chunk(2, 7, 0, 3, State.ACCEPTED),))], [chunk(3, 7, 3, 3)]),
    ("the only request's own numbers are lost", [X], [chunk(1, 8, 0, 4)]),
    ("the only one is in flight", [X], [chunk(2, 7, 0, 6, State.IN_FLIGHT)]),
    ("the only one was accepted without an id", [X], [chunk(2, 7, 0, 6, State.ACCEPTED)]),
    ("a number lies outside every request", [reported("x", 14, 99)], [UNKNOWN]),
    ("the numbers lie in two pieces of one batch", [reported("x", 13, 14)], [chunk(1, 7, 0, 3), chunk(2, 7, 3, 3)]),
    ("two ids for one request", [reported("x", 11), reported("y", 12)], [UNKNOWN]),
    ("the report was there long before the intent", [reported("x", 14, first_ms=1000)],
     [chunk(1, 7, 0, 6, at_ms=1001 + CLOCKS_APART_MS)]),
    ("a request whose numbers are lost may hold anything", [X], [UNKNOWN, chunk(2, 8, 0, 4, State.IN_FLIGHT)]),
    ("the unknown request's own numbers are lost, and another holds them", [X],
     [chunk(1, 8, 0, 4), chunk(2, 7, 0, 6, State.ACCEPTED)]),
    ("a number is of one who was left out", [X], [chunk(1, 7, 0, 6, gaps=((4, 1),))]),
    ("the earlier attempt left out one of these recipients", [reported("x", 11)],
     [chunk(1, 7, 0, 6, State.QUEUED, gaps=((4, 1),)), chunk(2, 7, 0, 6)]),
    ("nothing was reported", [], [UNKNOWN]),
    ("nothing is unknown", [X], []),
]  # fmt: skip


def test_the_pieces_of_a_request_are_one_candidate():
    pieces = [chunk(PIECES + 4, 7, 4, 2), chunk(PIECES, 7, 0, 2), chunk(PIECES + 2, 7, 2, 1), chunk(9, 7, 6, 3)]
    done = chunk(PIECES + 6, 7, 6, 1, State.ACCEPTED)
    assert requests_of([*pieces, pieces[0], done]) == [
        chunk(9, 7, 6, 3),
        chunk(PIECES, 7, 0, 6, gaps=((3, 1),)),
        done,
    ]


@pytest.mark.parametrize(("ids", "chunks", "found"), [row[1:] for row in PROVEN], ids=[row[0] for row in PROVEN])
def test_an_id_proves_the_one_unknown_request_that_holds_all_its_numbers(ids, chunks, found):
    assert proven(ids, chunks) == found


@pytest.mark.parametrize(("ids", "chunks"), [row[1:] for row in NOT_PROVEN], ids=[row[0] for row in NOT_PROVEN])
def test_nothing_is_guessed_when(ids, chunks):
    assert proven(ids, chunks) == {}


def test_what_is_ambiguous_is_told_with_everybody_it_may_be():
    other = chunk(2, 9, 0, 4, State.IN_FLIGHT)
    [trace] = searched([X], [UNKNOWN, other])
    assert (trace.of.vendor_id, trace.holders) == ("x", (UNKNOWN, other))


def test_ids_that_no_unknown_request_holds_are_not_looked_for_any_further():
    looking = Search([X, reported("y", 99)])
    looking.look(np.array(BATCHES[7], np.int64), [UNKNOWN])
    assert looking.narrow() == 1
    looking.look(np.array(BATCHES[9], np.int64), [chunk(2, 9, 0, 4, State.ACCEPTED)])
    [trace] = looking.traces()
    assert [holder.id for holder in trace.holders] == [1, 2]


class Truth(msgspec.Struct):
    """A request as the vendor knows it (`took`: its id) and as we do."""

    chunk: Candidate
    took: str
    told: bool
    numbers: set[int]


def a_world(random: Random) -> tuple[dict[int, list[int]], list[Truth], list[UnexplainedId]]:
    """Batches that share numbers, requests the vendor took or not, what we know of each, what was reported.

    Of the requests of one batch only those that were returned have recipients in common with later ones.
    """
    pool = range(100, 100 + random.randint(2, 14))
    batches = {n: random.sample(pool, random.randint(1, len(pool))) for n in range(random.randint(1, 4))}
    queue = [(batch, 0, len(numbers)) for batch, numbers in batches.items()]
    truths: list[Truth] = []
    while queue and len(truths) < 12:
        batch, start, end = queue.pop(random.randrange(len(queue)))
        count = random.randint(1, end - start)
        if start + count < end:
            queue.append((batch, start + count, end))
        state = random.choice([State.UNKNOWN] * 3 + [State.IN_FLIGHT, State.ACCEPTED] + [State.QUEUED] * 3)
        if state is State.QUEUED:
            queue.append((batch, start, start + count))
        took = f"id{len(truths)}" if random.random() < 0.7 else ""
        told = bool(took) and state is not State.UNKNOWN and random.random() < 0.4
        numbers = set(batches[batch][start : start + count])
        truths.append(Truth(chunk(len(truths), batch, start, count, state), took, told, numbers))
    ids = []
    for truth in truths:
        got = random.sample(sorted(truth.numbers), random.randint(0, len(truth.numbers)))
        if truth.took and not truth.told and got:
            ids.append(reported(truth.took, *sorted(got)))
    random.shuffle(ids)
    return batches, truths, ids


@given(st.integers(0, 2**32))
def test_in_any_world_it_is_right_and_finds_all_that_can_be_found(seed):
    batches, truths, ids = a_world(Random(seed))
    may_be = [truth for truth in truths if not truth.told]
    traces = searched(ids, [truth.chunk for truth in may_be], batches)
    found = {proof.chunk.id: proof.vendor_id for proof in conclude(traces)}
    texted = {truth.took: truth for truth in truths}
    for number, vendor_id in found.items():
        assert truths[number].numbers <= texted[vendor_id].numbers
        assert truths[number].chunk.batch == texted[vendor_id].chunk.batch
    provable = set()
    for each in ids:
        holders = [truth for truth in may_be if set(each.numbers.tolist()) <= truth.numbers]
        one_batch = {truth.chunk.batch for truth in holders}
        common = set.intersection(*(truth.numbers for truth in holders))
        provable |= {
            truth.chunk.id
            for truth in truths
            if truth.chunk.state is State.UNKNOWN and {truth.chunk.batch} == one_batch and truth.numbers <= common
        }
    assert found.keys() == provable


def test_the_worlds_have_chunks_that_became_unknown_again_and_are_proven():
    again = 0
    for seed in range(200):
        batches, truths, ids = a_world(Random(seed))
        traces = searched(ids, [truth.chunk for truth in truths if not truth.told], batches)
        again += sum(proof.attempts > 1 for proof in conclude(traces))
    assert again > 20
