"""What a receiver's answer means for the message, and when the next try may be. Pure."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from dispatcher.core.callbacks.events import Format

GONE: Final = 410
ASKS_TO_WAIT: Final = (429, 503)
WAIT_S_MAX: Final = 3_600.0
_CODES: Final = {"dingtalk": "errcode", "wecom": "errcode", "feishu": "code"}


class Answer(msgspec.Struct, frozen=True):
    """`taken`; `again` later, at the earliest after `wait_s`; or the receiver wants no more: `gone`."""

    result: Literal["taken", "again", "gone"]
    says: str = ""
    wait_s: float = 0.0


def answer_of(format: Format, status: int, retry_after_s: float, body: bytes) -> Answer:
    """What this HTTP answer means. A bot says in its body whether it took the text."""
    if status == GONE:
        return Answer("gone", "it answered 410: it wants no more")
    if not 200 <= status < 300:
        wait_s = min(max(0.0, retry_after_s), WAIT_S_MAX) if status in ASKS_TO_WAIT else 0.0
        return Answer("again", f"it answered {status}", wait_s)
    if format == "standard":
        return Answer("taken")
    try:
        code = msgspec.json.decode(body, type=dict[str, object]).get(_CODES[format], 0)
    except msgspec.MsgspecError:
        return Answer("again", "its answer is not that of a bot")
    return Answer("taken") if code == 0 else Answer("again", f"the bot answered code {str(code)[:20]}")
