"""The automatic retries of a campaign, as people see them: which there were, and when the next one is due."""

from __future__ import annotations

import msgspec

from dispatcher.clock import now_ms
from dispatcher.core.campaigns import Campaigns
from dispatcher.core.launches.retries import RetryState, ends_ms, rounds


class RetryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One retry: its campaign's id and when it is due. `recipients` and `launched_ms` of a launched one.

    `why`: it was skipped because it had nobody, or failed, and then what the mistake `says`.
    """

    number: int
    campaign: str
    state: RetryState
    due_ms: int
    launched_ms: int | None = None
    recipients: int = 0
    why: str = ""
    says: str = ""


class RetryTable(msgspec.Struct, frozen=True, kw_only=True):
    """The rule and its retries. `next_ms`: when the next one is due; None: there is none any more."""

    classes: tuple[str, ...]
    times: int
    ends_ms: int
    next_ms: int | None
    retries: tuple[RetryRow, ...]


def retry_table(campaigns: Campaigns, campaign: str) -> RetryTable | None:
    """The retries of a campaign now; None if it was launched without."""
    known, at_ms = campaigns.get(campaign), now_ms()
    if known is None or known.launched is None or known.launched.retry is None:
        return None
    found = rounds(campaigns, known, at_ms)
    rule, rows = known.launched.retry, []
    for each in found:
        launched, skipped = campaigns.launched(each.campaign), known.retries_skipped.get(each.number)
        is_launched, is_skipped = each.state == "launched", each.state == "skipped" and skipped is not None
        rows.append(
            RetryRow(
                number=each.number,
                campaign=each.campaign,
                state=each.state,
                due_ms=each.due_ms,
                launched_ms=launched.at_ms if is_launched and launched is not None else None,
                recipients=launched.recipients if is_launched and launched is not None else 0,
                why=skipped.why if is_skipped and skipped is not None else "",
                says=skipped.says if is_skipped and skipped is not None else "",
            )
        )
    waiting = [each.due_ms for each in found if each.state in ("waits", "due")]
    return RetryTable(
        classes=rule.classes,
        times=rule.times,
        ends_ms=ends_ms(known.launched),
        next_ms=min(waiting, default=None),
        retries=tuple(rows),
    )
