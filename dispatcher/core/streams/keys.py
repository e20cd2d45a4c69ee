"""Which keys a stream has on an account: 64-bit digests in sorted columns, 8 bytes each, kept for a bounded time.

Pure. *Weak spot:* with 2 million keys known and a million new ones a day, some message of a day is taken for a repeat
by chance with a probability of 2e6 * 1e6 / 2^64 = 1e-7.
The keys are numbered in the order of the inbox. A page of PAGE keys is written to the journal (`StreamKeys`), so that a
checkpoint has only the keys behind the last page, and a next owner reads the pages instead of the inbox.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.records import StreamKeys

PAGE: Final = 4_096
"""Keys of a page: 32 KB."""

AGE_MS: Final = 6 * 3_600_000
"""Columns are merged only within such a time, so that old ones can be dropped: a key is known for up to this longer."""

KEEP_MS_MAX: Final = 30 * 86_400_000
"""No stream keeps its keys longer."""

Digests = NDArray[np.uint64]


def digest(key: str) -> int:
    """The digest of an idempotency key."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little")


class _Run:
    """Ascending digests; the messages of all of them were appended at `newest_ms` or before."""

    __slots__ = ("digests", "newest_ms")

    def __init__(self, digests: Digests, newest_ms: int) -> None:
        self.digests = digests
        self.newest_ms = newest_ms

    def has(self, asked: Digests) -> NDArray[np.bool_]:
        at = np.searchsorted(self.digests, asked)
        return np.asarray(self.digests.take(at, mode="clip") == asked)


class KnownKeys:
    """The keys of one stream on one account. `next`: the inbox offset after the last `Appended` that was added.

    Every PAGE keys are a page. `pages` are those in the journal: (offset in `lanes`, newest_ms).
    """

    __slots__ = ("_at_first", "_runs", "_tail", "_tail_set", "_unwritten", "_written", "newest_ms", "next", "pages")

    def __init__(self) -> None:
        self.next = 0
        self.newest_ms = 0
        self.pages: list[tuple[int, int]] = []
        self._at_first = 0  # the number of the first key of the tail
        self._tail: list[int] = []
        self._tail_set: set[int] = set()
        self._runs: list[_Run] = []
        self._unwritten: dict[int, tuple[bytes, int]] = {}  # pages not read back yet: keys, newest_ms, by first key
        self._written: dict[int, int] = {}  # offsets of pages that were read back before they were needed

    # --- checkpoints ---

    @classmethod
    def load(
        cls, following: int, first: int, newest_ms: int, tail: bytes, pages: Sequence[tuple[int, StreamKeys]]
    ) -> KnownKeys:
        """As a checkpoint has them; `pages` are (offset, record), in order."""
        known = cls()
        for offset, page in pages:
            known.pages.append((offset, page.newest_ms))
            known._merge(np.frombuffer(page.keys, "<u8").astype(np.uint64), page.newest_ms)
        known.next, known._at_first, known.newest_ms = following, first, newest_ms
        known._tail = np.frombuffer(tail, "<u8").tolist()
        known._tail_set = set(known._tail)
        known._make_pages()
        return known

    @property
    def first(self) -> int:
        """The number of the first key that is in no page of the journal."""
        return min(self._unwritten, default=self._at_first)

    @property
    def tail(self) -> bytes:
        """The keys from `first` on."""
        return b"".join((*(keys for keys, _ in self._unwritten.values()), np.array(self._tail, "<u8").tobytes()))

    # --- the inbox ---

    def add(self, offset: int, keys: bytes, at_ms: int, keep_ms: int) -> list[int]:
        """The messages of an `Appended` at this offset; returns the positions of those whose key is known."""
        self.next = offset + 1
        self.forget(at_ms - keep_ms)
        asked = np.frombuffer(keys, "<u8").astype(np.uint64)
        repeated = []
        for position, (key, is_known) in enumerate(zip(asked.tolist(), self.knows(asked).tolist(), strict=True)):
            if is_known or key in self._tail_set:
                repeated.append(position)
            else:
                self._tail.append(key)
                self._tail_set.add(key)
        self.newest_ms = max(self.newest_ms, at_ms)
        self._make_pages()
        return repeated

    def knows(self, asked: Digests) -> NDArray[np.bool_]:
        """Which of these keys are known."""
        known = np.zeros(len(asked), np.bool_)
        for run in self._runs:
            known |= run.has(asked)
        if self._tail_set:
            known |= np.fromiter((key in self._tail_set for key in asked.tolist()), np.bool_, len(asked))
        return known

    # --- pages ---

    def keeps_no_pages(self) -> None:
        """Whoever folds these keys writes no pages: forget those that would be written."""
        self._unwritten.clear()

    def unwritten(self) -> Iterator[tuple[int, bytes, int]]:
        """(number of the first key, keys, newest_ms) of the pages that were not read back from the journal."""
        for first, page in self._unwritten.items():
            yield first, *page

    def page_read(self, offset: int, page: StreamKeys) -> None:
        """A page in the journal; it counts once the inbox was read as far."""
        if page.first >= self.first:
            self._written.setdefault(page.first, offset)
            self._keep_written()

    def _make_pages(self) -> None:
        while len(self._tail) >= PAGE:
            page = np.array(self._tail[:PAGE], "<u8")
            self._tail_set.difference_update(self._tail[:PAGE])
            del self._tail[:PAGE]
            self._unwritten[self._at_first] = page.tobytes(), self.newest_ms
            self._at_first += PAGE
            self._merge(page.astype(np.uint64), self.newest_ms)
        self._keep_written()

    def _keep_written(self) -> None:
        while self._unwritten and (offset := self._written.pop(self.first, -1)) >= 0:
            _, newest_ms = self._unwritten.pop(self.first)
            self.pages.append((offset, newest_ms))

    def _merge(self, digests: Digests, newest_ms: int) -> None:
        """Add a column. Columns of one age become one when they are of like size, or when the next age has begun."""
        age = newest_ms // AGE_MS
        self._join(lambda before, last: before.newest_ms // AGE_MS == last.newest_ms // AGE_MS != age)
        self._runs.append(_Run(np.sort(digests), newest_ms))
        self._join(
            lambda before, last: before.newest_ms // AGE_MS == age and len(before.digests) <= 2 * len(last.digests)
        )

    def _join(self, joins: Callable[[_Run, _Run], bool]) -> None:
        while len(self._runs) > 1 and joins(*self._runs[-2:]):
            before, last = self._runs[-2:]
            self._runs[-2:] = [_Run(np.sort(np.concatenate((before.digests, last.digests))), last.newest_ms)]

    def forget(self, before_ms: int) -> None:
        """Drop the columns and pages of ages that were over before this."""
        age = before_ms // AGE_MS
        while self._runs and self._runs[0].newest_ms // AGE_MS < age:
            del self._runs[0]
        while self.pages and self.pages[0][1] // AGE_MS < age:
            del self.pages[0]
