"""What every control endpoint reads of a request: its JSON, the rows it asks for, how long an outage lasts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from dispatcher.errors import ConfigError

OUTAGE_S_MAX: Final = 3600.0
PARQUET: Final = "application/vnd.apache.parquet"
NDJSON: Final = "application/x-ndjson"


def json_object(body: bytes) -> dict[str, Any]:
    """The body as one JSON object, empty if there is no body. ConfigError."""
    if not body:
        return {}
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"the body is not JSON: {error}.") from None
    if not isinstance(given, dict):
        raise ConfigError("the body must be one JSON object.")
    return given


def rows_asked(asked: Mapping[str, str]) -> tuple[int, int | None]:
    """The first row and how many, None for all. ConfigError."""
    try:
        return int(asked.get("from", 0)), int(asked["limit"]) if "limit" in asked else None
    except ValueError:
        raise ConfigError("from and limit must be whole numbers.") from None


def outage_s(seconds: Any) -> float:
    """How long an outage lasts, in real seconds. ConfigError."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= OUTAGE_S_MAX:
        raise ConfigError(f"seconds must be a number above 0, up to {OUTAGE_S_MAX:g}.")
    return float(seconds)
