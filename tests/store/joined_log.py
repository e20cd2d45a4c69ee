"""A log in memory that holds a history, or is written like any other."""

from __future__ import annotations

from tests.memory_log import MemoryLog
from tests.store.joined_history import History


class HistoryLog(MemoryLog):
    """See `dispatcher.log.port.Log`."""

    def __init__(self, history: History | None = None) -> None:
        super().__init__()
        for place, records in history.records.items() if history is not None else ():
            self.records[place] = list(records)
