"""The bytes of requests that the whole process may hold at once; they are given back in every path.

Strangers get a part of it, so that they cannot use up what known clients need. Each stranger is sure of SMALL_BYTES, so
that strangers cannot use it up for each other (the number of connections is bounded).
"""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

STRANGERS_PART: Final = 8
"""One part of this many is for strangers."""
SMALL_BYTES: Final = 4_096


class ByteBudget:
    """Counts held bytes: `used` of `bytes_max`, `strangers_used` of them by strangers."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.strangers_max = bytes_max // STRANGERS_PART
        self.used = 0
        self.strangers_used = 0

    def hold(self, *, stranger: bool) -> HeldBytes:
        """An empty share, for a `with` statement or to be released."""
        return HeldBytes(self, stranger=stranger)


class HeldBytes:
    """The bytes that one request or connection holds."""

    __slots__ = ("_budget", "bytes", "stranger")

    def __init__(self, budget: ByteBudget, *, stranger: bool) -> None:
        self._budget = budget
        self.stranger = stranger
        self.bytes = 0

    def grow(self, count: int) -> bool:
        """Hold this many bytes more; False, with no change, if the budget does not allow it."""
        budget = self._budget
        if budget.used + count > budget.bytes_max:
            return False
        is_small = self.bytes + count <= SMALL_BYTES
        if self.stranger and not is_small and budget.strangers_used + count > budget.strangers_max:
            return False
        self._add(count)
        return True

    def shrink(self, count: int) -> None:
        """Give this many bytes back."""
        self._add(-min(count, self.bytes))

    def trust(self) -> None:
        """Count it as known from now on."""
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
