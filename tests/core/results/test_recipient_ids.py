"""Ids of recipients as keys, and what the reports of a message's parts come to."""

from __future__ import annotations

import struct
from random import Random

import numpy as np
import pytest

from dispatcher.core.results.recipient_ids import (
    PART_DELIVERED,
    PART_FAILED,
    IdRow,
    RecipientIds,
    of_numbers,
    of_stored,
    of_texts,
    settle_parts,
)
from dispatcher.core.results.reports import EXACT_END, id_keys


def packed(*ids: int) -> bytes:
    return struct.pack(f"<{len(ids)}Q", *ids)


@pytest.mark.parametrize(
    "ids", [(1, 2, 3), (2**63 - 1, 2**63, 2**63 + 1), (0, 5, 0), (2**64 - 1, 1, 0), (EXACT_END - 1, EXACT_END, 7)]
)
def test_numbers_come_back_exactly_and_match_the_ids_of_reports(ids: tuple[int, ...]):
    texts = [str(number) if number else "" for number in ids]
    found = of_numbers(packed(*ids), 1)
    assert found.all_texts() == texts
    assert found.keys.tolist() == id_keys(texts).tolist()
    assert found.named.tolist() == [number != 0 for number in ids]
    again = of_stored(found.keys.tobytes(), found.packed_texts, 1)
    assert again.all_texts() == texts


def test_texts_come_back_and_have_keys_like_those_of_reports():
    ids = ("m-1", "", "77")
    found = of_texts(ids)
    assert (found.all_texts(), found.named.tolist()) == (list(ids), [True, False, True])
    assert found.keys.tolist() == id_keys(ids).tolist()


def test_the_bounds_leave_out_recipients_without_an_id():
    found = of_numbers(packed(0, 9, 4, 0), 2)
    low, high = found.bounds
    assert [low, high] == id_keys(["4", "9"]).tolist()
    none = RecipientIds(id_keys(["", ""]))
    assert none.bounds == (none.keys[0], none.keys[0])


def test_ids_of_parts_are_cut_by_recipients():
    row = IdRow(7, of_numbers(packed(1, 2, 3, 4, 5, 6), 2), bytes([0, 0, 1, 0, 2, 0]))
    assert (len(row.ids), row.cut(1, 2).ids.all_texts(), row.cut(1, 3).states) == (3, ["3", "4"], bytes([1, 0, 2, 0]))
    assert row.cut(0, 1).states is None


def slow(given: list[list[bool]], rows: list[tuple[int, bool]]) -> tuple[list[bool], list[bool]]:
    """`settle_parts`, one report after the other."""
    parts = len(given[0])
    states = [[0] * parts for _ in given]
    first: list[bool] = []
    final: list[bool] = []
    for at, failed in rows:
        who, part = divmod(at, parts)
        wanted = sum(given[who])
        decided = PART_FAILED in states[who] or states[who].count(PART_DELIVERED) == wanted
        first.append(states[who][part] == 0)
        if first[-1]:
            states[who][part] = PART_FAILED if failed else PART_DELIVERED
        now = PART_FAILED in states[who] or states[who].count(PART_DELIVERED) == wanted
        final.append(now and not decided)
    return first, final


@pytest.mark.parametrize("seed", range(30))
def test_any_reports_of_parts_in_any_slices_decide_what_they_decide_one_by_one(seed: int):
    random = Random(seed)
    parts = random.randint(2, 4)
    given = [[True, *(random.random() < 0.7 for _ in range(parts - 1))] for _ in range(5)]
    there = [who * parts + part for who, of in enumerate(given) for part, is_there in enumerate(of) if is_there]
    rows = [(random.choice(there), random.random() < 0.2) for _ in range(30)]
    states = np.zeros((5, parts), np.uint8)
    first: list[bool] = []
    final: list[bool] = []
    while len(first) < len(rows):
        piece = rows[len(first) : len(first) + random.randint(1, 12)]
        at = np.array([row[0] for row in piece], np.intp)
        settled = settle_parts(states, np.array(given), at, np.array([row[1] for row in piece]))
        first += settled.first.tolist()
        final += settled.final.tolist()
    assert (first, final) == slow(given, rows)
