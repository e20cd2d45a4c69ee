"""The balance as a lane knows it between two polls: never more than there is, whatever was under way when it asked."""

from __future__ import annotations

import pytest

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.account import AccountLane, LaneSpec
from dispatcher.core.lane.requests import Proposal
from dispatcher.core.lane.work import Piece
from schemas.records import Job

JOB = Job(
    campaign="c", attempt="a", account="spring", number=0, batch=0, partition=0, offset=0, sha256=b"", start=0, count=99
)


class Books:
    """A lane and its vendor's account side by side. `left` is what the lane believes that it may still spend."""

    def __init__(self, credit: int) -> None:
        self.lane = AccountLane(LaneSpec(account="spring", numbers_max=1000), Campaigns(), 0.0)
        self.credit = credit
        self._n = 0

    def cut(self, count: int) -> int:
        self._n += 1
        piece = Piece(0, JOB, 0, count)
        self.lane.proposed[self._n] = Proposal(self._n, piece, count, count, memoryview(b""), None, 0.0, 5.0)
        self.lane.spent_since_poll += count
        return self._n

    def taken(self, n: int) -> None:
        self.credit -= self.lane.proposed.pop(n).count

    def returned(self, n: int) -> None:
        self.lane.spent_since_poll -= self.lane.proposed.pop(n).count

    @property
    def left(self) -> float:
        assert self.lane.balance is not None
        return self.lane.balance - self.lane.spent_since_poll


@pytest.mark.parametrize("cut_before", [True, False], ids=["cut before it was asked", "cut after it was asked"])
@pytest.mark.parametrize("computed_before", [True, False], ids=["computed before it came", "computed after it came"])
@pytest.mark.parametrize("fate", ["taken", "returned", "under way"])
def test_the_lane_never_believes_that_there_is_more_than_there_is(cut_before: bool, computed_before: bool, fate: str):
    books = Books(credit=1_000)
    n = books.cut(100) if cut_before else 0
    mark = books.lane.balance_asked()
    n = n or books.cut(100)
    answer = books.credit
    if fate == "taken":
        books.taken(n)
        answer = answer if computed_before else books.credit
    elif fate == "returned":
        books.returned(n)
    books.lane.balance_is(answer, mark, 0.0, 0)
    under_way = sum(proposal.count for proposal in books.lane.proposed.values())
    assert books.credit - under_way - 100 <= books.left <= books.credit - under_way
