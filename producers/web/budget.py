"""The bytes of requests that the whole process may hold at once; what is taken is given back in every path.

Strangers get a part of it, so that they cannot use up what known clients need; of that each of them has SMALL_BYTES for
sure, so that they cannot use it up for each other either (there are not so many connections).
"""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

STRANGERS_PART: Final = 8
"""One part in so many is for strangers."""
SMALL_BYTES: Final = 4_096


class ByteBudget:
    """Counts what is held; `used` of `bytes_max`, of that `strangers_used` by strangers."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.strangers_max = bytes_max // STRANGERS_PART
        self.used = 0
        self.strangers_used = 0

    def hold(self, *, stranger: bool) -> Held:
        """Nothing yet: to be used in a `with` statement, or released."""
        return Held(self, stranger=stranger)


class Held:
    """What one request, or one connection, holds of the budget."""

    __slots__ = ("_budget", "bytes", "stranger")

    def __init__(self, budget: ByteBudget, *, stranger: bool) -> None:
        self._budget = budget
        self.stranger = stranger
        self.bytes = 0

    def grow(self, count: int) -> bool:
        """Hold so many bytes more; False if that is more than the budget allows: then nothing changes."""
        budget = self._budget
        if budget.used + count > budget.bytes_max:
            return False
        is_small = self.bytes + count <= SMALL_BYTES
        if self.stranger and not is_small and budget.strangers_used + count > budget.strangers_max:
            return False
        self._add(count)
        return True

    def shrink(self, count: int) -> None:
        """Give so many bytes back."""
        self._add(-min(count, self.bytes))

    def trust(self) -> None:
        """The stranger is known now."""
        if self.stranger:
            self._budget.strangers_used -= self.bytes
            self.stranger = False

    def release(self) -> None:
        """Give everything back."""
        self._add(-self.bytes)

    def _add(self, count: int) -> None:
        self.bytes += count
        self._budget.used += count
        if self.stranger:
            self._budget.strangers_used += count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
