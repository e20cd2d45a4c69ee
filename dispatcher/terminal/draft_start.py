"""When a draft starts, in words: at the time that a person gave, or when its sending hours open."""

from __future__ import annotations

from dispatcher.clock import now_ms
from dispatcher.i18n import _
from dispatcher.service.campaigns.drafts import DraftView
from dispatcher.wording import clock
from dispatcher.words import word


def start_words(draft: DraftView) -> str:
    """`it starts at …`, with the reason if it is not sent at its time; "" if it has none."""
    if draft.due_ms is None or draft.scheduled_ms is None:
        return ""
    starts = _("it starts at {time}", time=clock(draft.due_ms, named=True))
    earliest_ms = max(draft.scheduled_ms, now_ms())
    if draft.due_ms <= earliest_ms:
        return starts
    hours = _(
        "{hours} Asia/Shanghai, class {campaign_class}", hours=draft.hours, campaign_class=word(draft.campaign_class)
    )
    return _("{time} is outside its hours ({hours}): {starts}", time=clock(earliest_ms), hours=hours, starts=starts)
