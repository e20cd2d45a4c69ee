"""The requests of a campaign as columns, from its batches' chunks and final reports. Pure: values in, columns out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.results.columns import CodePair, states_of
from dispatcher.core.results.journal import JoinedChunk
from dispatcher.core.results.places import PIECES
from dispatcher.core.waves.requests import RequestColumns
from schemas.states import State

_NOT_SENT: Final = (State.QUEUED, State.IN_FLIGHT)


class RequestRows:
    """Collects the rows of a campaign, batch by batch."""

    def __init__(self) -> None:
        self._accounts: dict[str, int] = {}
        self._rows: list[tuple[int, ...]] = []

    def add(
        self,
        batch: int,
        chunks: Iterable[JoinedChunk],
        finals: NDArray[np.unsignedinteger[Any]],
        codes: Sequence[CodePair],
    ) -> None:
        """The chunks of this batch; `codes[finals[i] - 1]` is recipient i's report."""
        states = states_of(list(codes))[finals]
        delivered, failed = (
            np.concatenate(([0], np.cumsum(states == state))) for state in (State.DELIVERED, State.FAILED)
        )
        for chunk in chunks:
            if chunk.state in _NOT_SENT:
                continue
            start, end = min(chunk.start, len(states)), min(chunk.end, len(states))
            by_report = int(failed[end] - failed[start])
            left_out = chunk.state == State.SUPPRESSED
            self._rows.append(
                (
                    self._accounts.setdefault(chunk.account, len(self._accounts)),
                    chunk.id // PIECES,
                    batch,
                    0 if left_out else chunk.sent_ms or chunk.at_ms,
                    0 if left_out else chunk.count,
                    int(delivered[end] - delivered[start]),
                    by_report + (chunk.pending if chunk.state == State.FAILED else 0),
                    chunk.pending - chunk.proven if chunk.state == State.UNKNOWN else 0,
                    chunk.count if left_out else 0,
                )
            )

    def columns(self) -> RequestColumns:
        """Everything that was added."""
        columns = np.array(self._rows, np.int64).reshape(len(self._rows), 9).T
        return RequestColumns(tuple(self._accounts), *columns)
