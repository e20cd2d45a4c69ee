"""What is known of a chunk that a link sends, frame by frame."""

from __future__ import annotations

import itertools

import pytest

from dispatcher.core.lane.answers.verdict import Kind
from dispatcher.drivers.link.progress import Progress, no_answer, not_sent
from tests.drivers.link.link_driver_kit import account

TOO_FAST = 8


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("throttled", [(0,), (1,), (2,), (0, 2)])
def test_a_throttled_part_leaves_again_in_whatever_order_the_answers_come(
    throttled: tuple[int, ...], order: tuple[int, ...]
) -> None:
    progress = Progress(1, 3, account().answer)
    progress.wrote(3)
    again = [
        each
        for frame in order
        for each in progress.answered([frame], [frame + 1], [TOO_FAST if frame in throttled else 0], 1)
    ]
    assert sorted(again) == list(throttled)
    for frame in again:
        progress.wrote_again(frame)
        assert progress.answered([frame], [frame + 1], [0], 1) == []
    [run] = progress.answer(not_sent(""), no_answer("")).runs
    assert (run.count, run.verdict.kind) == (1, Kind.ACCEPTED)
