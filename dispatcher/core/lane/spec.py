"""The part of an account's configuration that the pure core knows, with its sending hours."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

HOUR_MS: Final = 3_600_000
CHINA_MS: Final = 8 * HOUR_MS
DAY_MS: Final = 24 * HOUR_MS


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
        if self.send_hours is None:
            return False
        hour = (now_ms + CHINA_MS) // HOUR_MS % 24
        return not self.send_hours[0] <= hour < self.send_hours[1]

    def morning_ms(self, now_ms: int) -> int:
        """When the night ends, Unix milliseconds."""
        opens = self.send_hours[0] if self.send_hours is not None else 0
        today_ms = (now_ms + CHINA_MS) // DAY_MS * DAY_MS - CHINA_MS + opens * HOUR_MS
        return today_ms if today_ms > now_ms else today_ms + DAY_MS
