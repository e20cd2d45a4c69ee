"""When a draft starts, in words: at the time that a person gave, or when its sending hours open."""

from __future__ import annotations

from dispatcher.clock import now_ms
from dispatcher.service.campaigns.drafts import DraftView
from dispatcher.wording import clock


def start_words(draft: DraftView) -> str:
    """`it starts at …`, with the reason if it is not sent at its time; "" if it has none."""
    if draft.due_ms is None or draft.scheduled_ms is None:
        return ""
    starts = f"it starts at {clock(draft.due_ms, named=True)}"
    earliest_ms = max(draft.scheduled_ms, now_ms())
    if draft.due_ms <= earliest_ms:
        return starts
    hours = f"{draft.hours} Asia/Shanghai, class {draft.campaign_class}"
    return f"{clock(earliest_ms)} is outside its hours ({hours}): {starts}"
