"""The states of a recipient: one byte each in columns, names elsewhere. See docs/ARCHITECTURE.md, "The equation"."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class State(IntEnum):
    """Where a recipient is. Rows that a launch set aside never become recipients and have no byte.

    `suppressed` is a recipient who came onto the suppression list between the launch and the sending, `duplicate` a
    message of a stream that repeats a key.
    """

    QUEUED = 0
    IN_FLIGHT = 1
    ACCEPTED = 2
    DELIVERED = 3
    FAILED = 4
    NO_REPORT = 5
    UNKNOWN = 6
    CANCELLED = 7
    SUPPRESSED = 8
    DUPLICATE = 9

    @property
    def word(self) -> str:
        """The name used in the CLI, exports and JSON."""
        return self.name.lower()


DUPLICATE: Final = "duplicate"
BY_FILE: Final = "suppressed"
EXCLUDED: Final = "in an excluded list"
IN_CAMPAIGN: Final = "in campaign "
ON_LIST: Final = "on the suppression list"
FREQUENCY_CAP: Final = "frequency cap"
"""Why a row is set aside, in the reasons of a Rejects record: its number is that of an earlier row, in a suppression
file or an excluded list of the launch, in another campaign (its id follows), on the suppression list, or texted as
often as the cap of its class allows. Other reasons are faults of the number or the values."""

BY_FILES: Final = (BY_FILE, EXCLUDED)
"""The reasons that files of the launch decide: the same launch sets the same rows aside for them."""

EXPIRED: Final = "expired"
"""The code of a stream's message that was not sent in its time. It counts as failed."""

REPEATED: Final = "the stream has its key"
"""Why a message of a stream is a duplicate."""

LEFT_OUT: Final = "put on the suppression list after the launch"
"""Why a recipient of a list is suppressed. A message of a stream is judged only when it is sent: ON_LIST."""


def our_meanings(*, of_stream: bool) -> dict[State, str]:
    """Why a recipient is in a state that no vendor's code explains."""
    return {State.SUPPRESSED: ON_LIST if of_stream else LEFT_OUT, State.DUPLICATE: REPEATED}


BY_FILE_SHOWN: Final = "in a suppression file"
"""The words of BY_FILE for people."""


def rejected_state(reason: str) -> str:
    """The term of the equation for a row that was set aside for this reason."""
    if reason == DUPLICATE:
        return "duplicate"
    not_texted = reason in (*BY_FILES, ON_LIST, FREQUENCY_CAP) or reason.startswith(IN_CAMPAIGN)
    return "suppressed" if not_texted else "invalid"


def shown_reason(reason: str) -> str:
    """Why a row was set aside, in words for people."""
    return BY_FILE_SHOWN if reason == BY_FILE else reason


REPORT_WAITING, REPORT_DELIVERED, REPORT_FAILED = 0, 1, 2
"""The `states` column of a Reports record."""
