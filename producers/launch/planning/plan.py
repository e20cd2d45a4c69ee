"""What a launch will do and cost. Pure: counts, limits and balances in, a plan out.

The estimates: messages = recipients x parts of the text; requests as the lane will cut them (a share of a window if the
flow counts messages); the finish time at the full flow limit, or UNPACED_PER_S without one. In a personalised campaign
each text's own parts count (personal_texts.py); the longest decides the segments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import accumulate
from math import ceil
from typing import Any, Final, Protocol

import msgspec

from dispatcher.content.judge import ContentFinding
from dispatcher.core.carriers import Carrier
from dispatcher.core.flow.forecast import AT_ONCE, Account, Load, Waves, recipients_beside, when_waves_sent
from dispatcher.core.flow.pacing import SHARE_OF_WINDOW
from dispatcher.core.messages.text import Split, parts, units
from dispatcher.core.money.prices import CarrierCost, Column
from dispatcher.core.schedule.holds import Schedule
from dispatcher.core.schedule.hours import ALWAYS, END_OF_TIME_MS
from dispatcher.i18n import _
from dispatcher.service.campaigns.progress import AccountQueue, account_hours, recipients_left
from dispatcher.vendors.seam.vendor import Vendor
from producers.launch.route_split import AccountRate, Slice
from producers.launch.sending_hours import ANY_TIME, Terms
from schemas.records import AtClosing, CampaignClass

UNPACED_PER_S: Final = 10_000
"""Recipients per second assumed for an account without a flow limit: for splitting, and for the finish time."""

_MOBILE_CHARS: Final = 12


class AccountPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One account's part. `per_s` in recipients; `balance` in messages, None if unknown: `balance_note` says why.
    `login_refused`: the vendor refused the login when it was asked, so nothing is sent there until that is mended.

    `apart` of the messages are paid from another credit than `balance` (numbers abroad, multimedia messages), which is
    not queried. The balance also pays for `queued` messages of launched campaigns with `beside` recipients. `finish_s`
    is when this campaign is sent beside them, all hours included, None if it is not; `seconds` is the sending alone.
    Both count the waits between waves in full; `prompt_finish_s` is `finish_s` if reports come at once, None without
    waves. `left_at_closing` recipients are not sent when the session closes in which the campaign begins.

    `cost_micro_yuan` is the sum of `costs`, in millionths of a yuan; None if the account has no prices.
    """

    account: str
    vendor: str
    recipients: int
    jobs: int
    requests: int
    segments: int
    messages: int
    per_s: float
    paced: bool
    seconds: float
    apart: int = 0
    balance: float | None = None
    balance_note: str = ""
    login_refused: bool = False
    queued: int = 0
    beside: int = 0
    finish_s: float | None = None
    prompt_finish_s: float | None = None
    left_at_closing: int = 0
    short_by: int = 0
    costs: tuple[CarrierCost, ...] = ()
    cost_micro_yuan: int | None = None

    @property
    def needs(self) -> int:
        """The messages that the balance pays."""
        return self.messages - self.apart

    @property
    def enough(self) -> bool | None:
        """Whether the balance covers the need. None: unknown, or nothing is paid from this balance."""
        if self.balance is None or (self.apart and not self.needs):
            return None
        return not self.lacking

    @property
    def lacking(self) -> int:
        """The messages by which the balance is too low for this campaign and the queued ones."""
        return 0 if self.balance is None else max(0, ceil(self.needs + self.queued - self.balance))


class Texts(Protocol):
    """What a plan needs to know of the texts. Ranges are of recipients in the campaign's order."""

    @property
    def samples(self) -> tuple[str, ...]:
        """A few texts as they will arrive; empty if there is only one."""
        ...

    @property
    def longest(self) -> str:
        """The longest text."""
        ...

    def segments(self, split: Split) -> int:
        """The parts of the longest text."""
        ...

    def mean(self, split: Split) -> Fraction:
        """The parts of a text, on average."""
        ...

    def messages(self, split: Split, start: int, count: int) -> int:
        """The parts of these recipients' texts together."""
        ...

    def parts_each(self, split: Split, start: int, count: int) -> Column | int:
        """The parts of each of these recipients' texts; a number if all have as many."""
        ...

    def requests(self, vendor: Vendor, most: int, start: int, count: int) -> int:
        """The requests they take, with at most `most` recipients each."""
        ...

    def per_request(self, vendor: Vendor, most: int) -> Fraction:
        """The recipients of a request, on average."""
        ...


class OneText:
    """The same text for every recipient."""

    samples: Final[tuple[str, ...]] = ()

    def __init__(self, text: str) -> None:
        self.longest: Final = text

    def segments(self, split: Split) -> int:
        return parts(self.longest, split)

    def mean(self, split: Split) -> Fraction:
        return Fraction(self.segments(split))

    def messages(self, split: Split, start: int, count: int) -> int:
        return count * self.segments(split)

    def parts_each(self, split: Split, start: int, count: int) -> Column | int:
        return self.segments(split)

    def requests(self, vendor: Vendor, most: int, start: int, count: int) -> int:
        return -(-count // most)

    def per_request(self, vendor: Vendor, most: int) -> Fraction:
        return Fraction(most)


class ListOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a list's numbers come from: the list's name, its phone column and its encoding, if it has them.

    `header_line` is the header's line, `first_numbers` a few numbers (masked) below it, `other_columns` the other
    possible columns, `hidden_rows` how many rows the sheet does not show. Those are in the list unless
    `hidden_rows_skipped`.
    """

    source: str
    column: str = ""
    encoding: str = ""
    header_line: int | None = None
    first_numbers: tuple[str, ...] = ()
    other_columns: tuple[str, ...] = ()
    hidden_rows: int = 0
    hidden_rows_skipped: bool = False


class OneList(ListOrigin, frozen=True, kw_only=True):
    """One of several lists that are launched together."""

    rows: int


class LaunchCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a list's rows: `rows = recipients + invalid + duplicate + suppressed`."""

    campaign: str
    rows: int
    recipients: int
    invalid: int
    duplicate: int
    suppressed: int
    suppressed_reasons: dict[str, int]
    invalid_reasons: dict[str, int]
    batches: int

    def fields(self) -> dict[str, Any]:
        """These alone by name, for a struct that has them, too."""
        return {name: getattr(self, name) for name in LaunchCounts.__struct_fields__}


class PlannedWave(msgspec.Struct, frozen=True, kw_only=True):
    """One wave: `texts` has how many recipients get each text; empty for the last one if its text is decided later."""

    wave: int
    recipients: int
    texts: tuple[int, ...] = ()


class PlannedWaves(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign's waves; each waits `wait_s` for its reports at most. `texts`: those that are compared."""

    waves: tuple[PlannedWave, ...]
    wait_s: int
    texts: tuple[str, ...] = ()


class Plan(LaunchCounts, frozen=True, kw_only=True):
    """A launch, before it happens.

    `finish_at_ms` is the earliest end of sending beside the launched campaigns (`beside` recipients), all hours
    included; `alone_finish_at_ms` without them. `waves`: None if it is sent in one go. The finish times count the waits
    between waves in full; `prompt_finish_at_ms` is the first one if the reports of each wave come at once, None without
    waves. `carriers`: recipients by the word of their carrier. `text` is the text as it will leave; for a personalised
    campaign it is "", `samples` are a few texts, `longest` is the longest and `text_chars` its length.
    `lists`: each of several lists; `source` then names all of them.

    It may be sent within `hours`, from `starts_at_ms` on, and its first session ends at `closes_at_ms` (None: never).
    Then `left_at_closing` recipients are not sent yet: by `at_closing` they wait for a person, and `finish_at_ms` is
    None, or for the next opening.

    `deferred`: of those who are over the frequency cap, how many get it on which day.

    `cost_micro_yuan` is what the accounts with prices cost together, None if none has some; `unpriced` are the accounts
    without.
    """

    name: str
    source: str
    column: str
    encoding: str
    text: str
    text_chars: int
    segments: int
    messages: int
    requests: int
    seconds: float
    finish_at_ms: int | None
    alone_finish_at_ms: int
    beside: int
    accounts: tuple[AccountPlan, ...]
    campaign_class: CampaignClass = msgspec.field(name="class", default="marketing")
    hours: str = str(ALWAYS)
    at_closing: AtClosing = "pause"
    prompt_finish_at_ms: int | None = None
    starts_at_ms: int = 0
    closes_at_ms: int | None = None
    left_at_closing: int = 0
    carriers: dict[str, int] = {}
    content: tuple[ContentFinding, ...] = ()
    by_carrier: dict[str, dict[str, int]] = {}
    waves: PlannedWaves | None = None
    notes: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    longest: str = ""
    header_line: int | None = None
    first_numbers: tuple[str, ...] = ()
    other_columns: tuple[str, ...] = ()
    hidden_rows: int = 0
    hidden_rows_skipped: bool = False
    lists: tuple[OneList, ...] = ()
    cost_micro_yuan: int | None = None
    unpriced: tuple[str, ...] = ()
    budget_micro_yuan: int = 0
    deferred: dict[str, int] = {}


class RowCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a list's rows."""

    rows: int
    recipients: int
    duplicate: int
    suppressed_reasons: dict[str, int]
    invalid_reasons: dict[str, int]

    def __add__(self, other: RowCounts) -> RowCounts:
        return RowCounts(
            rows=self.rows + other.rows,
            recipients=self.recipients + other.recipients,
            duplicate=self.duplicate + other.duplicate,
            suppressed_reasons=_sums(self.suppressed_reasons, other.suppressed_reasons),
            invalid_reasons=_sums(self.invalid_reasons, other.invalid_reasons),
        )

    @property
    def suppressed(self) -> int:
        """Rows of numbers that must not be texted."""
        return sum(self.suppressed_reasons.values())

    @property
    def invalid(self) -> int:
        """Rows without a number that can be texted."""
        return sum(self.invalid_reasons.values())


NO_ROWS: Final = RowCounts(rows=0, recipients=0, duplicate=0, suppressed_reasons={}, invalid_reasons={})


def _sums(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """Both, by reason."""
    return {reason: one.get(reason, 0) + other.get(reason, 0) for reason in dict.fromkeys((*one, *other))}


def per_request(vendor: Vendor, segments: int) -> int:
    """The most recipients that one request to this account will carry."""
    limits, flow = vendor.limits, vendor.flow
    most = vendor.request_numbers_max
    if limits.mobiles_chars_max is not None:
        most = min(most, (limits.mobiles_chars_max + 1) // _MOBILE_CHARS)
    if flow is not None and flow.unit != "requests":
        window = flow.limit // SHARE_OF_WINDOW
        most = min(most, window if flow.unit == "messages" else window // segments)
    return max(most, 1)


def rate(vendor: Vendor, text: int | Texts) -> Fraction:
    """Recipients per second an account's flow limit allows for these texts, or for one text of these parts."""
    flow = vendor.flow
    texts = _Parts(text) if isinstance(text, int) else text
    most = per_request(vendor, texts.segments(vendor.split))
    if flow is None:
        return Fraction(UNPACED_PER_S)
    per_unit = {
        "messages": Fraction(1),
        "requests": texts.per_request(vendor, most),
        "parts": 1 / texts.mean(vendor.split),
    }[flow.unit]
    return flow.limit * per_unit / Fraction(flow.per_s).limit_denominator(1_000_000)


def shares(route: Mapping[str, Vendor], text: str | Texts) -> list[AccountRate]:
    """How a route's accounts share a campaign of this text, or these."""
    texts = _texts(text)
    return [AccountRate(name, rate(vendor, texts), vendor.limits.numbers_min) for name, vendor in route.items()]


def weighted(route: Mapping[str, Vendor], rules: Sequence[Mapping[str, int]]) -> list[list[AccountRate]]:
    """How the accounts of each rule share its recipients: by their weights."""
    return [
        [AccountRate(name, Fraction(weight), route[name].limits.numbers_min) for name, weight in rule.items()]
        for rule in rules
    ]


def send_hours(route: Mapping[str, Vendor]) -> list[str]:
    """Notes about accounts that do not send around the clock."""
    return [
        _(
            'account "{name}" sends from {opens}:00 to {closes}:00 only (Asia/Shanghai)',
            name=name,
            opens=vendor.send_hours[0],
            closes=vendor.send_hours[1],
        )
        for name, vendor in route.items()
        if vendor.send_hours is not None
    ]


def plan_accounts(
    route: Mapping[str, Vendor],
    text: str | Texts,
    pieces: Sequence[Slice],
    apart: Callable[[int, int], int] | None = None,
) -> tuple[AccountPlan, ...]:
    """What each account of the route will do. `pieces` are all parts, in the campaign's order.

    `apart` returns how many recipients of a (start, count) range another credit pays; without it none.
    """
    texts, starts = _texts(text), accumulate((part.count for part in pieces), initial=0)
    placed = list(zip(starts, pieces, strict=False))
    return tuple(
        _account(name, vendor, texts, [(start, part.count) for start, part in placed if part.account == name], apart)
        for name, vendor in route.items()
    )


def load_of(campaign: str, plan: AccountPlan, weight: int, urgent: bool, terms: Terms, start_ms: int) -> Load:
    """What a campaign that is launched at `start_ms` puts on this account."""
    ends_ms = Schedule(terms.hours, terms.at_closing, start_ms).ends_ms
    return Load(campaign, plan.seconds, weight, urgent, terms.hours, start_ms, ends_ms)


def beside_the_queues(
    plans: Sequence[AccountPlan],
    vendors: Mapping[str, Vendor],
    waiting: Mapping[str, AccountQueue],
    loads: Sequence[Load],
    now_ms: int,
    waves: PlannedWaves | None = None,
    moves: Mapping[str, tuple[str, int]] | None = None,
) -> tuple[AccountPlan, ...]:
    """The plans of accounts whose balance and time other campaigns use, too. `loads`: of this launch, one a plan.

    `moves`: which accounts of the route send nothing now, and the account to which, and from when on, what waits there
    moves.
    """
    by_name = {plan.account: plan for plan in plans}
    others = {
        name: Account(waiting.get(name, AccountQueue()).loads, account_hours(vendor))
        for name, vendor in vendors.items()
    }
    parts = [
        _moved(plan, load, by_name, moves or {}) if plan.recipients else (plan.account, load)
        for plan, load in zip(plans, loads, strict=True)
    ]
    in_waves = _shares_of_waves(waves)
    closing = [
        (name, msgspec.structs.replace(load, ends_ms=load.hours.closes_ms(load.from_ms))) for name, load in parts
    ]
    in_time = when_waves_sent(closing, others, in_waves, now_ms)
    sent = in_time if closing == parts else when_waves_sent(parts, others, in_waves, now_ms)
    prompt = sent if in_waves is AT_ONCE else when_waves_sent(parts, others, AT_ONCE, now_ms)
    found = []
    for at, plan in enumerate(plans):
        sender, load = closing[at]
        queue, ends_ms, prompt_ms = waiting.get(plan.account, AccountQueue()), sent[at].at_ms, prompt[at].at_ms
        until_ms = load.ends_ms if ends_ms is None else ends_ms
        beside = recipients_beside(others[sender].loads, load.campaign, now_ms, until_ms)
        planned = msgspec.structs.replace(
            plan,
            queued=queue.messages,
            beside=beside,
            finish_s=None if ends_ms is None else (ends_ms - now_ms) / 1000,
            prompt_finish_s=None if prompt_ms is None or in_waves is AT_ONCE else (prompt_ms - now_ms) / 1000,
            left_at_closing=recipients_left(in_time[at], load.alone_s, plan.recipients),
        )
        found.append(
            planned if planned.enough is not False else msgspec.structs.replace(planned, short_by=planned.lacking)
        )
    return tuple(found)


def _moved(
    plan: AccountPlan, load: Load, plans: Mapping[str, AccountPlan], moves: Mapping[str, tuple[str, int]]
) -> tuple[str, Load]:
    """The account that will send this load, and the load there."""
    to, from_ms = moves.get(plan.account, (plan.account, 0))
    if to == plan.account:
        return to, load
    alone_s = plan.recipients / plans[to].per_s
    return to, msgspec.structs.replace(load, alone_s=alone_s, from_ms=max(load.from_ms, from_ms))


def _shares_of_waves(planned: PlannedWaves | None) -> Waves:
    """Each wave's share of the campaign."""
    if planned is None:
        return AT_ONCE
    whole = sum(wave.recipients for wave in planned.waves)
    return Waves(tuple(wave.recipients / whole for wave in planned.waves), planned.wait_s * 1000)


def make_plan(
    *,
    campaign: str,
    name: str,
    origin: ListOrigin,
    text: str | Texts,
    counts: RowCounts,
    batches: int,
    carriers: Mapping[Carrier, int],
    waves: PlannedWaves | None = None,
    accounts: tuple[AccountPlan, ...],
    now_ms: int,
    terms: Terms = ANY_TIME,
    start_ms: int = 0,
    notes: tuple[str, ...],
    content: tuple[ContentFinding, ...] = (),
    by_carrier: dict[str, dict[str, int]] | None = None,
    lists: tuple[OneList, ...] = (),
    budget: int = 0,
    deferred: Mapping[str, int] | None = None,
) -> Plan:
    """The plan of a campaign, from its accounts' plans. `start_ms`: when it is launched, if that is later than now."""
    texts, seconds = _texts(text), max(account.seconds for account in accounts)
    costs = [account.cost_micro_yuan for account in accounts if account.cost_micro_yuan is not None]
    begins_ms = max(now_ms, start_ms)
    left = sum(account.left_at_closing for account in accounts)
    ends_s = [account.seconds if account.finish_s is None else account.finish_s for account in accounts]
    never_ends = any(account.finish_s is None and account.left_at_closing for account in accounts)
    prompt_s = [account.prompt_finish_s for account in accounts if account.prompt_finish_s is not None]
    waits_s = 0 if waves is None else waves.wait_s * (len(waves.waves) - 1)
    closes_ms = terms.hours.closes_ms(begins_ms)
    return Plan(
        campaign=campaign,
        name=name,
        **{field: getattr(origin, field) for field in ListOrigin.__struct_fields__},
        rows=counts.rows,
        recipients=counts.recipients,
        invalid=counts.invalid,
        duplicate=counts.duplicate,
        suppressed=counts.suppressed,
        suppressed_reasons=counts.suppressed_reasons,
        invalid_reasons=counts.invalid_reasons,
        text="" if texts.samples else texts.longest,
        text_chars=units(texts.longest),
        segments=max(account.segments for account in accounts),
        messages=sum(account.messages for account in accounts),
        requests=sum(account.requests for account in accounts),
        batches=batches,
        seconds=seconds,
        finish_at_ms=None if never_ends else now_ms + round(max(ends_s) * 1000),
        prompt_finish_at_ms=now_ms + round(max(prompt_s) * 1000) if len(prompt_s) == len(accounts) else None,
        alone_finish_at_ms=terms.hours.opens_ms(begins_ms) + round((seconds + waits_s) * 1000),
        campaign_class=terms.campaign_class,
        hours=str(terms.hours),
        at_closing=terms.at_closing,
        starts_at_ms=terms.hours.opens_ms(begins_ms),
        closes_at_ms=None if closes_ms == END_OF_TIME_MS else closes_ms,
        left_at_closing=left,
        beside=sum(account.beside for account in accounts),
        accounts=accounts,
        carriers={carrier.word: count for carrier, count in carriers.items()},
        content=content,
        by_carrier=by_carrier or {},
        waves=waves,
        notes=notes,
        lists=lists,
        deferred=dict(deferred or {}),
        samples=texts.samples,
        longest=texts.longest if texts.samples else "",
        cost_micro_yuan=sum(costs) if costs else None,
        budget_micro_yuan=budget,
        unpriced=tuple(account.account for account in accounts if account.cost_micro_yuan is None),
    )


class _Parts(OneText):
    """A text with this many parts."""

    def __init__(self, count: int) -> None:
        super().__init__("")
        self._count = count

    def segments(self, split: Split) -> int:
        return self._count


def _texts(text: str | Texts) -> Texts:
    return OneText(text) if isinstance(text, str) else text


def _account(
    name: str,
    vendor: Vendor,
    texts: Texts,
    pieces: Sequence[tuple[int, int]],
    apart: Callable[[int, int], int] | None,
) -> AccountPlan:
    """The plan of an account that sends these (start, count) ranges of the campaign."""
    paid_apart = sum(apart(start, count) for start, count in pieces) if apart is not None else 0
    segments = texts.segments(vendor.split)
    recipients = sum(count for _, count in pieces)
    most = per_request(vendor, segments)
    per_s = rate(vendor, texts)
    requests = sum(texts.requests(vendor, most, start, count) for start, count in pieces)
    messages = sum(texts.messages(vendor.split, start, count) for start, count in pieces)
    if vendor.ids_per_part:  # each part is a request of its own
        requests = messages if most == 1 else requests * segments
    return AccountPlan(
        account=name,
        vendor=vendor.tag,
        recipients=recipients,
        jobs=len(pieces),
        requests=requests,
        segments=segments,
        messages=messages,
        per_s=float(per_s),
        paced=vendor.flow is not None,
        seconds=float(recipients / per_s),
        apart=round(paid_apart * texts.mean(vendor.split)),
    )
