"""The request of a launch in one struct, from a command or from Python.

Launching itself is a service of the package `producers` (producers/launch/api.py), above this one: it reads lists.
`dispatcher.launch` and `dispatcher.plan_launch` find it by entry point (group `dispatcher.services`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Literal

import msgspec

from schemas.records import Follows


class LaunchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign to launch; repeated with the same `id` it is launched once.

    `numbers` is a path (CSV, TSV, TXT, XLSX, Parquet; "-" is standard input), the bytes of such a file, a column
    (numpy, polars, pyarrow or any library with the Arrow C interface), a table, or any iterable, also an asynchronous
    one, of str, bytes or int. `column` names the phone column of a file or table, `sheet` the sheet of a workbook,
    `header_row` the line of the header (0: no header); `hidden_rows` says whether to `skip` or `include` rows that the
    workbook does not show: without it a list that has some is refused; `encoding` is that of a text file, found if
    None. `more_lists` are launched together with it, read by the same choices: who is in several gets one text.

    `suppress` holds lists like `numbers`, with `suppress_column` and `suppress_sheet` (numbers on the suppression
    list are left out of every launch anyway). `exclude` holds lists of people who are not meant this time, with
    `exclude_column` and `exclude_sheet`; `exclude_campaigns` holds ids of campaigns whose recipients are not meant,
    each alone or with states, as `may:delivered,accepted`.

    `route` names the accounts that share the campaign. A text with placeholders, as "Dear {name}", is personalised:
    `name` is a column of the file or table, and every recipient gets their own; `{{` and `}}` are braces. `options` are
    vendor options of all accounts (`product`) or of one (`ACCOUNT.product`); `extno` extends the sender's number on all
    of them. `kind` is sms, wap (the text is `title#URL`) or mms (the text is the title, `frames` the folder of its
    files, uploaded right before the commit).

    `waves` ("1 %, 10 %, rest") are sent and judged one after the other; each waits for reports for `wave_wait` ("2 h")
    at most. `more_texts` are compared with `text` on the waves before the last one, which gets the one that is decided.

    `budget` is what it may cost at most, in CNY ("500"): sending stops before the part that would cost more. All
    accounts of its route must have a price.

    `weight` is its share of an account relative to other campaigns, 1 if None; `urgent` puts it before campaigns that
    are not urgent. `unknown` is the policy for messages that the vendor may or may not have taken: `hold` never texts
    a recipient twice, `resend` may.

    `campaign_class` is marketing, notice or code; each class may have sending hours. `between` (as "09:00-20:00") and
    `days` (as "Mon-Fri") limit them further, all in Asia/Shanghai. `at_closing` says what becomes of what is not sent
    when they are over: it waits until a person resumes it (`pause`), or it is sent from the next opening on
    (`continue`).

    `retry` ("temporary: 2 within 6 h"): who fails with a code of that class is texted again by itself, so many times at
    most and only within that time (docs/SEGMENTS.md).

    `defer`: who is over the frequency cap of its class gets a draft that starts by itself on the first day that is free
    (docs/SEGMENTS.md). `deferred_of`: it is such a draft, of this campaign.

    `follows`: it is a follow-up (dispatcher/service/campaigns/follow_ups.py, which makes the request). An automatic
    retry also has the hours of its campaign (`within`, as in `Launched`), the end of its time (`ends_ms`), and the
    follow-ups whose recipients are not in its lists already (`known_follow_ups`).

    Without `id` it is a new campaign each time. `by` is the person who orders it, by
    default the user of this process.
    """

    numbers: Any
    text: str
    route: Sequence[str]
    id: str | None = None
    name: str = ""
    weight: int | None = None
    urgent: bool = False
    unknown: str = "hold"
    column: str | int | None = None
    sheet: str | int | None = None
    header_row: int | None = None
    hidden_rows: Literal["skip", "include"] | None = None
    encoding: str | None = None
    suppress: Sequence[Any] = ()
    suppress_column: str | int | None = None
    suppress_sheet: str | int | None = None
    more_lists: Sequence[Any] = ()
    exclude: Sequence[Any] = ()
    exclude_column: str | int | None = None
    exclude_sheet: str | int | None = None
    exclude_campaigns: Sequence[str] = ()
    options: Mapping[str, str] = {}
    extno: str = ""
    kind: str = "sms"
    frames: str | PathLike[str] | None = None
    by: str = ""
    campaign_class: str = msgspec.field(name="class", default="marketing")
    between: str = ""
    days: str = ""
    at_closing: str = "pause"
    retry: str = ""
    defer: bool = False
    deferred_of: str = ""
    follows: Follows | None = None
    within: tuple[tuple[int, int], ...] = ()
    ends_ms: int = 0
    known_follow_ups: Sequence[str] = ()
    waves: str = ""
    wave_wait: str = ""
    more_texts: Sequence[str] = ()
    budget: str = ""
