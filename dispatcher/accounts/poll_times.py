"""When each poll of this process got its last answer, for monitoring. Times are Unix milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final


class PollTime:
    """One running poll. `answered_ms`: the last answer that was no refusal; before the first one, the start."""

    __slots__ = ("account", "answered_ms", "poll")

    def __init__(self, account: str, poll: str, now_ms: int) -> None:
        self.account: Final = account
        self.poll: Final = poll
        self.answered_ms = now_ms


class PollTimes:
    """The polls that run now. After a change of owner two polls of one account may run for a moment."""

    def __init__(self) -> None:
        self._running: Final[list[PollTime]] = []

    @contextmanager
    def running(self, account: str, poll: str, now_ms: int) -> Iterator[PollTime]:
        """A poll runs while the context is open."""
        time = PollTime(account, poll, now_ms)
        self._running.append(time)
        try:
            yield time
        finally:
            self._running.remove(time)

    def ages_s(self, now_ms: int) -> dict[tuple[str, str], float]:
        """Seconds since the last answer, by account and poll."""
        found: dict[tuple[str, str], float] = {}
        for each in self._running:
            age_s = max(0.0, (now_ms - each.answered_ms) / 1000)
            key = (each.account, each.poll)
            found[key] = min(age_s, found.get(key, age_s))
        return found


POLL_TIMES: Final = PollTimes()
"""Those of this process."""
