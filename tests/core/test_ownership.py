"""The log is the lock: who may act is what the journal says, however it is read."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.ownership import Ownership
from schemas.records import AnyRecord, Checkpoint, Effect, Intent, Kind, Outcome, Owned, Resolved, ResolvedAs

owners = st.sampled_from(["a", "b", "c"])


def intent(owner: str) -> Intent:
    return Intent(owner=owner, n=0, account="x", campaign="c", job=0, batch=0, start=0, count=1, attempt=0, at_ms=0)


def resolved(owner: str) -> Resolved:
    return Resolved(owner=owner, account="x", intent=0, verdict=ResolvedAs.SENT, at_ms=0, by="me")


def checkpoint(owner: str) -> Checkpoint:
    return Checkpoint(owner=owner, upto=0, inbox=0, jobs=(), open=(), taken=(), at_ms=0)


records = st.lists(
    st.one_of(
        owners.map(lambda owner: Owned(owner=owner, at_ms=0, where="")),
        owners.map(intent),
        owners.map(resolved),
        owners.map(checkpoint),
        st.just(Outcome(account="x", intent=0, effect=Effect.ACCEPTED, kind=Kind.ACCEPTED, code="0", at_ms=0)),
    ),
    max_size=30,
)


def naive(journal: list[AnyRecord]) -> list[bool]:
    """For every record, look back for the last Owned before it."""
    found = []
    for index, record in enumerate(journal):
        if isinstance(record, Intent | Resolved | Checkpoint):
            before = [r.owner for r in journal[:index] if isinstance(r, Owned)]
            found.append(bool(before) and before[-1] == record.owner)
        else:
            found.append(True)
    return found


@given(records, st.lists(st.integers(0, 30), max_size=5))
def test_however_the_journal_is_cut_into_reads_the_same_records_count(journal, cuts):
    cuts = sorted({0, len(journal), *(cut for cut in cuts if cut < len(journal))})
    found: list[bool] = []
    owner = None
    for start, end in itertools.pairwise(cuts):
        fold = Ownership(owner)  # as after a restart
        found += [fold.valid(record) for record in journal[start:end]]
        owner = fold.owner
    assert found == naive(journal)


def test_nothing_is_valid_before_the_first_owner():
    fold = Ownership()
    assert not fold.valid(intent("a"))
    assert fold.valid(Owned(owner="a", at_ms=0, where=""))
    assert fold.valid(intent("a"))


def test_a_frozen_owner_that_wakes_up_behind_a_newer_one_is_void_but_its_outcomes_are_facts():
    fold = Ownership()
    for owner in ("a", "b"):
        fold.valid(Owned(owner=owner, at_ms=0, where=""))
    assert not fold.valid(intent("a"))
    assert not fold.valid(resolved("a"))
    assert not fold.valid(checkpoint("a"))
    assert fold.valid(Outcome(account="x", intent=0, effect=Effect.ACCEPTED, kind=Kind.ACCEPTED, code="0", at_ms=0))
    assert fold.owner == "b"
