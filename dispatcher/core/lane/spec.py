"""The part of an account's configuration that the pure core knows, with its sending hours."""

from __future__ import annotations

from typing import Literal

import msgspec

from dispatcher.core.schedule.hours import daily


class LaneSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An account's values for the core. `limit` None: unpaced. `timeout_s`: the longest time of a request,
    or of a link's message with its repetitions.

    `locks_out`: wrong logins lock the account, so there is one request at a time until a login succeeds.
    `evidence_s`: how long an unknown chunk waits for the vendor's history before a policy may send it again.
    `send_hours`: the hours [from, to) in Asia/Shanghai in which it may send (vendors.md AMB-BATCH-21).
    """

    account: str
    numbers_max: int
    numbers_min: int = 1
    chars_max: int | None = None
    limit: int | None = None
    per_s: float = 1.0
    unit: Literal["messages", "requests", "parts"] = "messages"
    inflight_max: int = 16
    attempts_max: int = 8
    give_up_after_s: float = 3_600.0
    timeout_s: float = 35.0
    polls_balance: bool = True
    locks_out: bool = False
    evidence_s: float = 0.0
    send_hours: tuple[int, int] | None = None

    def is_night(self, now_ms: int) -> bool:
        """Whether the account may not send at this moment of the wall clock."""
        return self.send_hours is not None and not daily(*self.send_hours).is_open(now_ms)

    def morning_ms(self, now_ms: int) -> int:
        """When the night ends, Unix milliseconds."""
        return now_ms if self.send_hours is None else daily(*self.send_hours).opens_ms(now_ms)
