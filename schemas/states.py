"""The states of a recipient: one byte each in columns, names elsewhere. See docs/ARCHITECTURE.md, "The equation"."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class State(IntEnum):
    """Where a recipient is. `invalid`, `duplicate` and `suppressed` rows never become recipients and have no byte."""

    QUEUED = 0
    IN_FLIGHT = 1
    ACCEPTED = 2
    DELIVERED = 3
    FAILED = 4
    NO_REPORT = 5
    UNKNOWN = 6
    CANCELLED = 7

    @property
    def word(self) -> str:
        """The name used in the CLI, exports and JSON."""
        return self.name.lower()


BY_FILE: Final = "suppressed"
ON_LIST: Final = "on the suppression list"
"""Why a row is suppressed, in the reasons of a Rejects record: by a file of its launch, or by the list."""

BY_FILE_SHOWN: Final = "in a suppression file"
"""The words of the first one for people."""

REPORT_WAITING, REPORT_DELIVERED, REPORT_FAILED = 0, 1, 2
"""The `states` column of a Reports record."""
