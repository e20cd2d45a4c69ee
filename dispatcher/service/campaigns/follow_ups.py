"""The request of a follow-up: recipients of a launched campaign are texted again, as a campaign of its own.

The service is in the package `producers` (producers/segments/follow_up.py), above this one, as launching is:
`dispatcher.follow_up` and `dispatcher.plan_follow_up` find it by entry point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from schemas.states import State

FOLLOWED: Final[Mapping[str, State]] = {
    "failed": State.FAILED,
    "no-report": State.NO_REPORT,
    "unknown": State.UNKNOWN,
    "left": State.CANCELLED,
}
"""Who can be followed up. `left`: a cancelled campaign never sent to them. Who got the text is not among these."""


class FollowUpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Text recipients of `campaign` again; repeated with the same `id` it is launched once.

    `to` are words of FOLLOWED; `classes` (FAILURE_CLASSES of dispatcher/vendors/seam/outcomes.py) limit the failed
    ones to codes of these classes. Whom an earlier follow-up of the campaign has is left out. Recipients keep their own
    values; `text`, `route` and `options` are those of the campaign unless given.

    `to` with `unknown` needs `may_text_twice`: the vendor may have texted them. The other fields are as in
    LaunchRequest: hours and budget are not those of the campaign. Without `id` it is `CAMPAIGN.follow-N`.
    """

    campaign: str
    to: Sequence[str]
    classes: Sequence[str] = ()
    text: str | None = None
    route: Sequence[str] = ()
    options: Mapping[str, str] | None = None
    id: str | None = None
    name: str = ""
    weight: int | None = None
    urgent: bool = False
    unknown: str | None = None
    suppress: Sequence[Any] = ()
    exclude: Sequence[Any] = ()
    exclude_campaigns: Sequence[str] = ()
    between: str = ""
    days: str = ""
    at_closing: str = "pause"
    budget: str = ""
    retry: str = ""
    may_text_twice: bool = False
    by: str = ""
