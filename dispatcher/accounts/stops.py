"""What keeps accounts from sending, as their lanes last told the log: for people who ask why nothing moves.

Nothing is decided by it. A lane that died told nothing more: who runs it is another question (`account list`).
"""

from __future__ import annotations

from typing import Any, Final

from dispatcher.words import clock
from schemas.records import Stopped

_THEN: Final = {
    "auth": "A password that is changed in the configuration is read when `dispatcher run` starts again",
    "balance": "It goes on by itself once there is credit",
    "unreachable": "It is tried again and again",
    "hours": "It goes on by itself",
}


def sentence(stop: Stopped) -> str:
    """Why the account does not send, since when, and what makes it go on."""
    then = _THEN.get(stop.why, "")
    said = f'account "{stop.account}" does not send since {clock(stop.at_ms)}: {stop.says}.'
    return f"{said} {then}." if then else said


def as_object(stop: Stopped) -> dict[str, Any]:
    """It for `--json`."""
    return {"account": stop.account, "why": stop.why, "says": stop.says, "since_ms": stop.at_ms}
