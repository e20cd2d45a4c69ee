"""Asia/Shanghai, in which days and sending hours are meant: UTC+8 all year, without summer time. Pure."""

from __future__ import annotations

from typing import Final

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
SHANGHAI_MS: Final = 8 * HOUR_MS
"""Its offset from UTC."""
