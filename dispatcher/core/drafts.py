"""A draft: a campaign that is on the log and not launched. What it waits for, and when it starts. Pure.

Every draft, and every change of when it starts, has a `revision`. A launch names the one it was made of, and counts
only if that is still in force at its place on the log and the campaign was not cancelled before it
(core/campaigns.py). So of two launches one counts, and a draft that is replaced, moved or cancelled while it starts is
either launched as it was or not at all, whatever the processes that try it know.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal

import msgspec

from dispatcher.core.schedule.hours import recorded
from schemas.records import Approved, Drafted, Scheduled, StartFailed

DraftStatus = Literal["draft", "awaits approval", "scheduled", "not started", "cancelled"]

DRAFT_STATUSES: Final[dict[DraftStatus, str]] = {
    "draft": "a person launches or schedules it",
    "awaits approval": "another person than its author must approve it",
    "scheduled": "it starts by itself at its time",
    "not started": "its start failed; a person launches or schedules it again, or changes it",
    "cancelled": "a person cancelled it before it was launched",
}

_NO_TERMS: Final = ("id", "name", "by")


class Draft:
    """A campaign's draft in force, when it starts, and who approved what. `failed` is the last start that failed."""

    __slots__ = ("approved", "approved_draft", "drafted", "failed", "scheduled")

    def __init__(self, drafted: Drafted, before: Draft | None = None) -> None:
        self.drafted = drafted
        self.scheduled: Scheduled | None = None if before is None else before.scheduled
        self.approved: Approved | None = None if before is None else before.approved
        self.approved_draft: Drafted | None = None if before is None else before.approved_draft
        self.failed: StartFailed | None = None if before is None else before.failed

    def approve(self, record: Approved) -> None:
        """A person approved a draft: this one, if the contents are equal."""
        self.approved = record
        self.approved_draft = self.drafted if record.content == content(self.drafted) else None

    @property
    def approved_by(self) -> str:
        """Who approved it as it is, "" if nobody did. Who drafted it (perhaps again) is not another person."""
        if self.approved is None or self.approved.by == self.drafted.by:
            return ""
        return self.approved.by if self.approved.content == content(self.drafted) else ""

    @property
    def start_ms(self) -> int:
        """When it starts by itself; 0: it does not."""
        return self.scheduled.start_ms if self.scheduled else 0

    def lacks_approval(self, above: int | None) -> bool:
        """Whether it must be approved before it is launched; `above` this many recipients (None: never)."""
        return above is not None and self.drafted.recipients > above and not self.approved_by

    def failure(self, revision: str) -> StartFailed | None:
        """Why the start of this revision failed."""
        return self.failed if self.failed and self.failed.revision == revision else None

    def changed_since_approval(self) -> list[str]:
        """What differs from the draft that was approved, in words; [] if nothing was, or nothing does."""
        approved = self.approved_draft
        if approved is None or self.approved_by:
            return []
        before, now = _terms(approved), _terms(self.drafted)
        changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
        lists = ["list"] if approved.list_digest != self.drafted.list_digest else []
        return [*lists, *changed] or (["author"] if approved.by != self.drafted.by else ["content"])


def status(draft: Draft, revision: str, above: int | None, *, cancelled: bool) -> DraftStatus:
    """What a draft waits for; `revision` is the campaign's in force."""
    if cancelled:
        return "cancelled"
    if draft.failure(revision):
        return "not started"
    if draft.lacks_approval(above):
        return "awaits approval"
    return "scheduled" if draft.start_ms else "draft"


def starts_ms(draft: Draft, revision: str, above: int | None, now_ms: int, *, cancelled: bool) -> int | None:
    """When the conductor starts it: at its time or late, within its hours. None: a person must do something first."""
    if status(draft, revision, above, cancelled=cancelled) != "scheduled":
        return None
    return due_ms(draft, revision, now_ms, cancelled=cancelled)


def due_ms(draft: Draft, revision: str, now_ms: int, *, cancelled: bool) -> int | None:
    """When a scheduled draft starts if it needs no approval by then. None: it has no time, is cancelled or failed."""
    if cancelled or not draft.start_ms or draft.failure(revision):
        return None
    return recorded(draft.drafted.hours).opens_ms(max(draft.start_ms, now_ms))


def content(drafted: Drafted) -> str:
    """What an approval is bound to: everything that decides what is sent to whom, by which road and when."""
    terms = _terms(drafted)
    digest = hashlib.sha256(drafted.fingerprint.encode())
    digest.update(msgspec.json.encode(terms, order="deterministic"))
    if "follows" in terms:  # the fingerprint of a follow-up says which part it follows, not who is in it
        digest.update(drafted.list_digest.encode())
    return digest.hexdigest()


def _terms(drafted: Drafted) -> dict[str, object]:
    """The terms of a draft without what people call it."""
    terms = msgspec.json.decode(drafted.terms, type=dict[str, object])
    return {name: value for name, value in terms.items() if name not in _NO_TERMS}
