"""A campaign's budget, shared by the accounts of its route; the fold of its records on `campaigns`. Pure; micro-yuan.

The launch allots a share to each account. What an account has been allotted never shrinks, so a lane that reads a
record late is on the safe side. An account takes money away from itself alone, by a record in its own journal
(`Ceded`), which is void if its author does not own the lane any more; only then the amount comes here, as a
`BudgetShare`, into the reserve. The reserve is handed out in the order of the log to accounts that lack money, so every
reader of the log comes to the same result, and nobody needs to decide.
Always: reserve + the sum of (allotted - ceded) = the budget.

A person may lower the budget: then the reserve is below 0, nothing is announced, and every account cedes what it has
left until it is covered.
"""

from __future__ import annotations

from collections.abc import Sequence

from dispatcher.core.ranges import Ranges, total
from schemas.records import Budgeted, BudgetShare, Cost, Launched


def shares(budget: int, planned: Sequence[int]) -> list[int]:
    """The accounts' shares of the budget, in proportion to what they were planned to cost; they add up to it."""
    whole = sum(planned) or len(planned)
    weights = planned if sum(planned) else [1] * len(planned)
    found, given, weighed = [], 0, 0
    for weight in weights:
        weighed += weight
        found.append(budget * weighed // whole - given)
        given += found[-1]
    return found


class Budget:
    """The budget of one launched campaign. Apply its records in log order."""

    __slots__ = ("_ceded", "_lacking", "allotted", "amount", "reserve")

    def __init__(self, launched: Launched) -> None:
        self.amount = launched.budget
        self.allotted = {leg.account: leg.share for leg in launched.legs}
        self.reserve = self.amount - sum(self.allotted.values())
        self._ceded = dict.fromkeys(self.allotted, 0)
        self._lacking: dict[str, tuple[int, int]] = {}  # by account: the least it must be allotted, and what it wants

    def apply(self, record: Budgeted | BudgetShare) -> None:
        """Fold one record."""
        if isinstance(record, Budgeted):
            self.reserve += record.budget - self.amount
            self.amount = record.budget
        elif record.account in self.allotted:
            ceded = max(record.ceded, self._ceded[record.account])
            self.reserve += ceded - self._ceded[record.account]
            self._ceded[record.account] = ceded
            if record.least > self.allotted[record.account]:
                self._lacking[record.account] = (record.least, max(record.least, record.wanted))
            else:
                self._lacking.pop(record.account, None)
        self._hand_out()

    def _hand_out(self) -> None:
        for account, (least, wanted) in list(self._lacking.items()):
            has = self.allotted[account]
            if least - has <= self.reserve:
                given = min(self.reserve, wanted - has)
                self.allotted[account] += given
                self.reserve -= given
                del self._lacking[account]

    def ceded(self, account: str) -> int:
        """What the account is known to have ceded."""
        return self._ceded.get(account, 0)

    def lacks(self, account: str) -> int:
        """The least that this account must be allotted before it can send on; 0: it said nothing of that kind."""
        return self._lacking.get(account, (0, 0))[0]

    @property
    def is_wanted(self) -> bool:
        """Whether somebody lacks money, or more is allotted than there is."""
        return self.reserve < 0 or bool(self._lacking)

    def others_want(self, account: str) -> bool:
        """Whether what this account has left is wanted elsewhere."""
        return self.reserve < 0 or any(other != account for other in self._lacking)


def cost_of(cost: Cost, count: int, ranges: Ranges) -> int:
    """What the recipients in these ranges of a chunk of `count` cost."""
    if not cost.kinds:
        return cost.whole // count * total(ranges)
    return sum(cost.kinds[each] for start, length in ranges for each in cost.index[start : start + length])
