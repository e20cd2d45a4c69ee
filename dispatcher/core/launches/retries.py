"""Automatic retries: whom of a campaign the conductor texts again by itself, and when. Pure.

A campaign may be launched with "temporary: 2 within 6 h": who failed with a code of that class is texted again, twice
at most, and only within six hours of the beginning. The beginning is the launch, or the opening of its hours after it.

Retry N is a follow-up of its own with the id `ID.retry-N`; of all launches with that id one counts. It has who failed
in the campaign or in an earlier retry and is in no later one. So nobody is in more than N retries, whatever happens:
there are no more ids. A retry counts only if its author knew all other follow-ups of what it follows (overtaken.py), so
a process that slept while others went on texts nobody twice.

The time is divided evenly: of two retries within six hours one is due after two hours and one after four, so that each
has as long to be sent and reported. A retry that is due outside the campaign's hours waits for their opening. One that
was missed is not made up for. What is not sent at the end of the time is not sent any more (`Launched.ends_ms`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from dispatcher.core.launches.overtaken import followed, retry_id
from dispatcher.core.schedule.hours import recorded
from dispatcher.sentences import WordedError
from schemas.records import Follows, Launched, Retry

if TYPE_CHECKING:  # the fold of campaigns imports this folder
    from dispatcher.core.campaigns import Campaign, Campaigns

CLASSES: Final = ("temporary", "frequency", "channel")
"""The classes of code after which the same text may arrive later."""

TIMES_MAX: Final = 5
WITHIN_MS_MAX: Final = 7 * 86_400_000
WITHIN_MS_MIN: Final = 60_000
_FORM: Final = re.compile(r"\s*([a-z]+(?:\s*,\s*[a-z]+)*)\s*:\s*(\d{1,4})\s+within\s+(\d{1,6})\s*(min|h|d)\s*")
_MS: Final = {"min": 60_000, "h": 3_600_000, "d": 86_400_000}

RetryState = Literal["waits", "due", "launched", "skipped", "missed", "ended"]


class RetryBroken(WordedError, ValueError):
    """The text is not a rule for retries."""


class RetryRound(msgspec.Struct, frozen=True, kw_only=True):
    """One retry of a campaign: `due_ms` is when it is launched, or would have been."""

    number: int
    campaign: str
    due_ms: int
    state: RetryState


class Source(msgspec.Struct, frozen=True):
    """A campaign whose failed recipients are retried, without those of its follow-ups `but`, who are elsewhere."""

    campaign: str
    but: frozenset[str]


class RetryStep(msgspec.Struct, frozen=True):
    """What is to be done now: launch this retry (0: none), end these; `again_ms`: when to look again, 0: never."""

    launch: int
    ends: tuple[str, ...]
    again_ms: int


def retry_of(text: str) -> Retry:
    """The rule that is written so. Raises RetryBroken."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise RetryBroken(
            '"{text}" is not a rule for retries. Write it like this: "temporary: 2 within 6 h"', text=text
        )
    classes = tuple(dict.fromkeys(word.strip() for word in found[1].split(",")))
    if wrong := [word for word in classes if word not in CLASSES]:
        raise RetryBroken(
            '"{wrong}" is not a class of code that a retry can help: {classes}. For others there is '
            "dispatcher campaign follow-up",
            wrong=wrong[0],
            classes=", ".join(CLASSES),
        )
    times, within_ms = int(found[2]), int(found[3]) * _MS[found[4]]
    if not 1 <= times <= TIMES_MAX or not WITHIN_MS_MIN <= within_ms <= WITHIN_MS_MAX:
        raise RetryBroken('"{text}": retries are 1 to {max} within 1 min to 7 d', text=text, max=TIMES_MAX)
    return Retry(classes=classes, times=times, within_ms=within_ms)


def begins_ms(launched: Launched) -> int:
    """When the time for retries begins."""
    return recorded(launched.hours).opens_ms(launched.at_ms)


def ends_ms(launched: Launched) -> int:
    """When it ends; 0 without retries."""
    return begins_ms(launched) + launched.retry.within_ms if launched.retry is not None else 0


def follows_of(launched: Launched, number: int) -> Follows:
    """Whom this retry of a campaign texts."""
    assert launched.retry is not None
    return Follows(
        campaign=launched.campaign,
        attempt=launched.attempt,
        states=("failed",),
        classes=launched.retry.classes,
        retry=number,
    )


def rounds(campaigns: Campaigns, campaign: Campaign, now_ms: int) -> tuple[RetryRound, ...]:
    """All retries of a campaign, as they are at this time."""
    launched = campaign.launched
    if launched is None or launched.retry is None:
        return ()
    times, end_ms = launched.retry.times, ends_ms(launched)
    due = [_due_ms(campaign, launched, number) for number in range(1, times + 1)]
    found = []
    for number, (due_ms, next_ms) in enumerate(zip(due, [*due[1:], end_ms], strict=True), 1):
        found.append(
            RetryRound(
                number=number,
                campaign=retry_id(campaign.id, number),
                due_ms=due_ms,
                state=_state(campaigns, campaign, number, (due_ms, min(next_ms, end_ms)), now_ms),
            )
        )
    return tuple(found)


def step(campaigns: Campaigns, campaign: Campaign, now_ms: int) -> RetryStep:
    """What is to be done for the retries of a campaign at this time."""
    launched = campaign.launched
    if launched is None or launched.retry is None:
        return RetryStep(0, (), 0)
    found = rounds(campaigns, campaign, now_ms)
    end_ms, over = ends_ms(launched), _is_over(campaign, launched, now_ms)
    open_ones = [each.campaign for each in found if each.state == "launched" and _is_open(campaigns, each.campaign)]
    if over:
        return RetryStep(0, tuple(open_ones), 0)
    later = [each.due_ms for each in found if each.due_ms > now_ms]
    due = [] if _is_kept_back(campaign) else [each.number for each in found if each.state == "due"]
    return RetryStep(due[0] if due else 0, (), min([*later, end_ms]))


def sources(campaigns: Campaigns, launched: Launched, number: int) -> tuple[Source, ...]:
    """Whose failed recipients this retry has: the campaign's and its earlier retries', each by where they are last."""
    name = retry_id(launched.campaign, number)
    found = []
    for campaign in followed(follows_of(launched, number)):
        if campaigns.launched(campaign) is not None:
            but = frozenset(campaigns.follow_ups_of(campaign)) - {name}
            found.append(Source(campaign, but))
    return tuple(found)


def budget_left(campaigns: Campaigns, campaign: Campaign, number: int) -> int | None:
    """What of a campaign's budget is left for this retry: without what all before it were planned to cost.

    None: the campaign has no budget.
    """
    if campaign.budget is None or campaign.launched is None:
        return None
    before = [campaigns.launched(each) for each in followed(follows_of(campaign.launched, number))]
    planned = sum(leg.cost for launched in before if launched is not None for leg in launched.legs)
    return max(0, campaign.budget.amount - planned)


def continues(campaign: Campaign, now_ms: int) -> bool:
    """Whether somebody may still be retried."""
    launched = campaign.launched
    return launched is not None and launched.retry is not None and not _is_over(campaign, launched, now_ms)


def texts_again(campaigns: Campaigns, campaign: Campaign, now_ms: int) -> bool:
    """Whether a retry of it is yet to be launched."""
    return any(each.state in ("waits", "due") for each in rounds(campaigns, campaign, now_ms))


def _due_ms(campaign: Campaign, launched: Launched, number: int) -> int:
    assert launched.retry is not None
    gap_ms = launched.retry.within_ms // (launched.retry.times + 1)
    return campaign.schedule.hours.opens_ms(begins_ms(launched) + number * gap_ms)


def _state(campaigns: Campaigns, campaign: Campaign, number: int, window: tuple[int, int], now_ms: int) -> RetryState:
    """The state of one retry, which may be launched in this window (from, to)."""
    launched = campaign.launched
    assert launched is not None
    retried = campaigns.launched(retry_id(campaign.id, number))
    if retried is not None and retried.follows == follows_of(launched, number):
        return "launched"
    if number in campaign.retries_skipped:
        return "skipped"
    if _is_over(campaign, launched, now_ms):
        return "ended"
    if now_ms < window[0] < window[1]:
        return "waits"
    return "due" if window[0] <= now_ms < window[1] else "missed"


def _is_over(campaign: Campaign, launched: Launched, now_ms: int) -> bool:
    """Whether nothing of it is retried any more."""
    return campaign.cancelled or campaign.closed is not None or now_ms >= ends_ms(launched)


def _is_kept_back(campaign: Campaign) -> bool:
    """Whether a person paused it, or it is halted in a wave: then nobody is retried until that ends."""
    return campaign.paused or campaign.waves.halted is not None


def _is_open(campaigns: Campaigns, name: str) -> bool:
    known = campaigns.get(name)
    return known is not None and not known.cancelled
