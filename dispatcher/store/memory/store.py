"""The store in memory, writing side: a transaction writes to a copy of everything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from dispatcher.core.results.inbound import DEFAULT_BOUNDS, Bounds
from dispatcher.errors import StoreBusy, StoreError
from dispatcher.store.fold.transactions import FoldingStore
from dispatcher.store.memory.tables import Memory, MemoryTables


class MemoryTransactions:
    """See dispatcher.store.fold.transactions.Transactions."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._open = True

    @property
    def url(self) -> str:
        return f"memory:{self._memory.name}"

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        with self.reading():
            self._memory.kept = self._memory.committed.copy()
            try:
                yield
                self._memory.committed = self._memory.kept
            finally:
                self._memory.kept = self._memory.committed

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        if not self._open:
            raise StoreError("the store {url} is closed", url=self.url)
        yield

    def close(self) -> None:
        if self._open:
            self._open = self._memory.writer = False


def open_memory(memory: Memory, *, emits: bool, bounds: Bounds = DEFAULT_BOUNDS) -> FoldingStore:
    """Open this store for writing. Raises StoreBusy while another has it open."""
    if memory.writer:
        raise StoreBusy("the store memory:{name} is being written already", name=memory.name)
    memory.writer = True
    return FoldingStore(MemoryTables(memory, bounds), MemoryTransactions(memory), emits=emits)
