"""Records of `campaigns`: definitions, control, and shared facts: hints, balances, operations."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import msgspec

from schemas.records.base import AtClosing, CampaignClass, Kind, MessageKind, Record, Stop, UnknownPolicy, Why


class PriceChange(msgspec.Struct, frozen=True, array_like=True):
    """From this moment on an account has these prices, in micro-yuan by carrier's word and "default"."""

    from_ms: int
    prices: dict[str, int]


class Leg(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One account of a route: how many jobs and recipients the launch put into its inbox.

    `reports_from_ms`: the wait for reports begins then if that is later than the submit; its vendor was told to send
    later. `segments`: the parts of a message here, of the longest one in a personalised campaign (0: an older release
    wrote it). `split`: how the vendor counts them: the characters of a single message and of each part of a long one,
    and the same two for texts of nothing but ASCII if those differ. `prices`: what a part costs in micro-yuan, by
    carrier's word and "default"; empty: not known; `price_changes`: those that were
    known to come later, in the order of time. `cost`: what the plan came to, in micro-yuan. `share`: the account's
    share of the campaign's budget. `then`: where most of the recipients here may move, in order of preference; each job
    has its own.
    """

    account: str
    vendor: str
    jobs: int
    recipients: int
    reports_from_ms: int = 0
    segments: int = 0
    split: tuple[int, ...] = ()
    prices: dict[str, int] = msgspec.field(default_factory=dict)
    cost: int = 0
    share: int = 0
    price_changes: tuple[PriceChange, ...] = ()
    then: tuple[str, ...] = ()


class Follows(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom a follow-up texts: recipients of `attempt` of another campaign who were in these states.

    `classes`: of the failed ones only those with codes of these classes; empty: all. `retry`, if it is not 0: this is
    the automatic retry of that number, and texts also who was in an earlier one (dispatcher/core/launches/retries.py).
    """

    campaign: str
    attempt: str
    states: tuple[str, ...]
    classes: tuple[str, ...] = ()
    retry: int = 0


class Retry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who failed with a code of these classes is texted again by itself: `times` at most, within this time."""

    classes: tuple[str, ...]
    times: int
    within_ms: int


class Wave(msgspec.Struct, frozen=True, array_like=True):
    """One wave of a campaign: its recipients, and how many batches each of its texts has.

    The batches of a campaign are numbered wave by wave, in a wave text by text. The last wave of a campaign with
    several texts has one entry: its text is decided later.
    """

    recipients: int
    batches: tuple[int, ...]


class StreamTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a campaign a stream: messages are appended one by one (records `Appended`), until it is closed.

    A message is not sent later than `expires_after_ms` after it was appended, unless it says otherwise. A second
    message with the same key within `keys_kept_ms` is not sent. `weights`: how the accounts of its route share it.
    """

    expires_after_ms: int
    keys_kept_ms: int
    weights: tuple[tuple[str, int], ...]


class Deferred(msgspec.Struct, frozen=True, kw_only=True):
    """Recipients who are over a frequency cap: this draft has them, and starts by itself at `start_ms`."""

    campaign: str
    recipients: int
    start_ms: int


class Launched(Record, frozen=True, kw_only=True, tag="launched"):
    """The commit point of a launch. The first one of a campaign id wins; only jobs of its `attempt` count.

    key `ID#ATTEMPT`, of a repeated append `ID#ATTEMPT#N`. `fingerprint` is the SHA-256 (hex) of list, text, route and
    policy: the same id with another one is refused. `rows = invalid + duplicate + suppressed + recipients`.
    `variables`: the campaign is personalised, `text` has `{name}` placeholders, and its batches carry the values;
    `segments` is then the longest text's.
    `hours`: minutes of the week in Asia/Shanghai (dispatcher/core/schedule/hours.py) in which it may be sent, after
    everything that limits them; empty: always. `hours_within`: those of its class and its recipients' carriers, which a
    later change of its hours cannot leave. `at_closing`: what becomes of the rest when they are over.
    `campaign_class` is None in records of releases without classes.

    `revision`, if it is not empty: a draft was launched, and this record counts only if that is still the revision in
    force (the last one before it) and the campaign was not cancelled before it. `approved_by` is who approved the
    draft. `test_of`: this is a test of that draft.
    `lists`: the names of its lists if several were launched together. `follows`: it is a follow-up; then `fingerprint`
    covers this instead of the list. `carriers`: recipients by the word of their carrier, as it was known then.

    `budget`: what it may cost at most, in micro-yuan (0: there is no budget); the shares of its legs add up to it.
    `failover_after_ms`: recipients that wait are moved to the next account that their job names when their account has
    sent nothing for so long (0: never); `fail_back`: they return when it sends again.
    `waves`, if there are several: each is sent when those before it were released (dispatcher/core/waves); a wave waits
    for its reports for `wave_wait_ms` at most. `texts`, if there are several: those that are compared; `text` is the
    first one.

    `judged_upto`: the launch was judged by the launches before this offset. `capped`: a frequency cap was. If another
    one that it had to know stands between, this record is void (dispatcher/core/launches/overtaken.py). `retry`: the
    rule for automatic retries. `ends_ms`: nothing of it is sent from then on; 0: there is no such time. `deferred`: the
    drafts of who is over the cap. `deferred_of`: it is such a draft, of this campaign.
    `stream`: it has no recipients of its own, but those that are appended to it; `fingerprint` covers its terms alone.
    """

    campaign: str
    attempt: str
    fingerprint: str
    name: str
    text: str
    legs: tuple[Leg, ...]
    weight: int
    urgent: bool
    unknown: UnknownPolicy
    rows: int
    recipients: int
    invalid: int
    duplicate: int
    suppressed: int
    batches: int
    segments: int
    at_ms: int
    by: str
    invalid_reasons: dict[str, int] = msgspec.field(default_factory=dict)
    options: dict[str, str] = msgspec.field(default_factory=dict)
    kind: MessageKind = "sms"
    suppressed_reasons: dict[str, int] = msgspec.field(default_factory=dict)
    variables: tuple[str, ...] = ()
    campaign_class: CampaignClass | None = None
    hours: tuple[tuple[int, int], ...] = ()
    at_closing: AtClosing = "pause"
    hours_within: tuple[tuple[int, int], ...] = ()
    revision: str = ""
    approved_by: str = ""
    test_of: str = ""
    lists: tuple[str, ...] = ()
    follows: Follows | None = None
    waves: tuple[Wave, ...] = ()
    wave_wait_ms: int = 0
    texts: tuple[str, ...] = ()
    carriers: dict[str, int] = msgspec.field(default_factory=dict)
    budget: int = 0
    judged_upto: int | None = None
    capped: bool = False
    failover_after_ms: int = 0
    fail_back: bool = False
    retry: Retry | None = None
    ends_ms: int = 0
    stream: StreamTerms | None = None
    deferred: tuple[Deferred, ...] = ()
    deferred_of: str = ""

    @property
    def route(self) -> tuple[str, ...]:
        """The accounts that it was given to, without those that its recipients may only move to."""
        return tuple(dict.fromkeys(leg.account for leg in self.legs if leg.recipients or self.stream is not None))

    @property
    def reports_from_ms(self) -> dict[str, int]:
        """When the wait for reports begins, by account, where that may be later than the submit."""
        return {leg.account: leg.reports_from_ms for leg in self.legs if leg.reports_from_ms}


class Drafted(Record, frozen=True, kw_only=True, tag="drafted"):
    """A campaign was drafted, or its draft replaced. key `ID#draft#REVISION`: none is compacted away.

    Every draft and every change of its schedule has a random `revision`; the last one is in force (see `Launched`).
    `terms` is the launch's request without its list, as JSON; `places` (msgpack) are the `DraftPlaces` of its numbers
    and set-aside rows on the log, which carry the revision as their attempt. `rows = recipients + invalid + duplicate +
    suppressed`; `suppressed` are those of the launch's own files: the suppression list is judged at the launch, so who
    is on it is among the `recipients`. `fingerprint` is that of the launch, `list_digest` that of the list alone.
    `plan` is the plan at that time, as JSON; `hours` and `variables` are those of `Launched`.
    """

    campaign: str
    revision: str
    fingerprint: str
    list_digest: str
    terms: bytes
    places: bytes
    name: str
    text: str
    accounts: tuple[str, ...]
    rows: int
    recipients: int
    invalid: int
    duplicate: int
    suppressed: int
    at_ms: int
    by: str
    invalid_reasons: dict[str, int] = msgspec.field(default_factory=dict)
    suppressed_reasons: dict[str, int] = msgspec.field(default_factory=dict)
    even_if_short: bool = False
    plan: bytes = b""
    hours: tuple[tuple[int, int], ...] = ()
    variables: tuple[str, ...] = ()


class DraftBatch(msgspec.Struct, frozen=True, array_like=True):
    """A batch of a draft on `recipients`. Its header `lines` has the lines of its rows (producers/drafts/lines.py)."""

    partition: int
    offset: int
    sha256: bytes
    count: int


class DraftList(msgspec.Struct, frozen=True, array_like=True):
    """One list of a draft: its name, and its batches in its order."""

    label: str
    batches: tuple[DraftBatch, ...]


class DraftPlaces(msgspec.Struct, frozen=True, array_like=True):
    """Where a draft is on the log: its lists, and its records of set-aside rows as (partition, offset)."""

    lists: tuple[DraftList, ...]
    rejects: tuple[tuple[int, int], ...]


class Scheduled(Record, frozen=True, kw_only=True, tag="scheduled"):
    """A draft starts by itself at `start_ms`; 0: it does not any more. key `ID#schedule#REVISION`; see `Drafted`."""

    campaign: str
    revision: str
    start_ms: int
    at_ms: int
    by: str


class Approved(Record, frozen=True, kw_only=True, tag="approved"):
    """A person approved a draft with this `content` (core/drafts.py). key `ID!approval`. Another content is not."""

    campaign: str
    content: str
    at_ms: int
    by: str


class StartFailed(Record, frozen=True, kw_only=True, tag="start-failed"):
    """The start of a scheduled draft failed, and is not tried again for this revision. key `ID!start`."""

    campaign: str
    revision: str
    says: str
    at_ms: int


class RetrySkipped(Record, frozen=True, kw_only=True, tag="retry-skipped"):
    """An automatic retry is not launched: it has nobody, or failed (`says`). key `ID!retry!N`.

    A retry that was launched all the same counts.
    """

    campaign: str
    number: int
    why: Literal["nobody", "failed"]
    says: str
    at_ms: int


class Flowed(Record, frozen=True, kw_only=True, tag="flowed"):
    """A campaign was paused or resumed. key `ID!flow`, so compaction keeps the last word."""

    word: ClassVar[str] = "flow"
    campaign: str
    paused: bool
    at_ms: int
    by: str


class Cancelled(Record, frozen=True, kw_only=True, tag="cancelled"):
    """A campaign was cancelled: final. key `ID!cancelled`, so that no later record compacts it away."""

    word: ClassVar[str] = "cancelled"
    campaign: str
    at_ms: int
    by: str


class Closed(Record, frozen=True, kw_only=True, tag="closed"):
    """The wait for a campaign's reports is over; late ones still count. key `ID!closed`."""

    word: ClassVar[str] = "closed"
    campaign: str
    at_ms: int
    by: str


class StreamClosed(Record, frozen=True, kw_only=True, tag="stream-closed"):
    """A stream takes no more messages: final. What is on the log is sent. key `ID!stream`."""

    word: ClassVar[str] = "stream"
    campaign: str
    at_ms: int
    by: str


class Weighed(Record, frozen=True, kw_only=True, tag="weighed"):
    """A campaign's weight (or urgency) was changed. key `ID!weight`."""

    word: ClassVar[str] = "weight"
    campaign: str
    weight: int
    urgent: bool
    at_ms: int
    by: str


class HoursChanged(Record, frozen=True, kw_only=True, tag="hours-changed"):
    """A launched campaign's hours were changed, as in `Launched`. key `ID!hours`, so compaction keeps the last ones."""

    word: ClassVar[str] = "hours"
    campaign: str
    hours: tuple[tuple[int, int], ...]
    at_closing: AtClosing
    at_ms: int
    by: str


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The strongest evidence that one statistic of a campaign has risen, on one account ("": on all).

    `events` were seen in the first `trials` recipients (requests, for `unknown`) since wave `since_wave` began;
    `learnt_ppm` is the expected share of them in parts per million. `odds`: how many times likelier this is with a
    raised rate; the campaign is halted at `halts_at`.
    """

    statistic: Literal["failures", "unknown", "opt-outs"]
    account: str = ""
    since_wave: int
    trials: int
    events: int
    learnt_ppm: int
    odds: int
    halts_at: int

    @property
    def halts(self) -> bool:
        """Whether this halts the campaign."""
        return self.odds >= self.halts_at


class WaveDecided(Record, frozen=True, kw_only=True, tag="wave-decided"):
    """A wave was judged: the next one is sent (`released`), or the campaign is `halted`.

    key `ID!wave!N!released` or `ID!wave!N!halted` if the conductor judged, `ID!wave!N!person` if a person did. A
    person's word outranks the conductor's, and its halt its release, so the order of the records does not matter.
    `why`: covered (by reports), waited (long enough for them), or found; "" from a person. `settled` of the wave's
    `recipients` had a final report or refusal then.
    """

    campaign: str
    wave: int
    verdict: Literal["released", "halted"]
    at_ms: int
    by: str
    by_person: bool = False
    why: Literal["covered", "waited", "found", ""] = ""
    recipients: int = 0
    settled: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def word(self) -> str:
        """The last part of its key."""
        return f"wave!{self.wave}!{'person' if self.by_person else self.verdict}"


class TextDecided(Record, frozen=True, kw_only=True, tag="text-decided"):
    """Of several texts this one (its index in `Launched.texts`) is sent to the last wave. key `ID!text`."""

    word: ClassVar[str] = "text"
    campaign: str
    variant: int
    at_ms: int
    by: str


class Budgeted(Record, frozen=True, kw_only=True, tag="budgeted"):
    """A person gave a campaign another budget, in micro-yuan.

    key `ID!budget!RANDOM`: every one counts (dispatcher/core/money/budget.py), so none may be compacted away.
    """

    word: ClassVar[str] = "budget"

    campaign: str
    budget: int
    at_ms: int
    by: str


class BudgetShare(Record, frozen=True, kw_only=True, tag="budget-share"):
    """What an account's lane says of its share of a campaign's budget, in micro-yuan.

    `ceded`: what it has given up so far, in all (a `Ceded` in its journal says so). `least`: what it must be allotted
    in all before it can announce its next recipient, 0: it can; `wanted`: and for all of its recipients.
    key `ID!share!ACCOUNT!OWNER-N`: every one counts, so none may be compacted away.
    """

    campaign: str
    account: str
    ceded: int
    least: int
    wanted: int
    at_ms: int

    @property
    def word(self) -> str:
        """Whose it is."""
        return f"share!{self.account}"


class FailBack(Record, frozen=True, kw_only=True, tag="fail-back"):
    """A person said whether a campaign's moved recipients return to the accounts that they left. key `ID!fail-back`."""

    word: ClassVar[str] = "fail-back"
    campaign: str
    on: bool
    at_ms: int
    by: str


Control = (
    Flowed
    | Cancelled
    | Closed
    | StreamClosed
    | Weighed
    | HoursChanged
    | WaveDecided
    | TextDecided
    | Budgeted
    | BudgetShare
    | FailBack
)
"""What was decided of a campaign after its launch. The key on the log is `control_key`."""


def control_key(record: Control) -> bytes:
    """`ID!word`, so that compaction keeps the last record of each word."""
    return f"{record.campaign}!{record.word}".encode()


class CheckpointAt(Record, frozen=True, kw_only=True, tag="checkpoint-at"):
    """Where a lane partition's newest checkpoint lies: a hint that shortens recovery. key `lanes!PARTITION`.

    Written only after the checkpoint was read back as valid; an older one that arrives late only costs time.
    """

    partition: int
    offset: int


class BalanceAsked(Record, frozen=True, kw_only=True, tag="balance-asked"):
    """An account's balance is about to be queried (`messages` None, `says` empty), or was: the result.

    Vendors limit how often all of us together may query: see dispatcher/accounts/ask_book.py. key `balance!ACCOUNT`,
    of a balance `balance!ACCOUNT!DAY` (in Asia/Shanghai), so that compaction keeps the last one of each day.
    `messages` None with `says`: why it is unknown, with `kind` and `code` of the vendor's answer. `by` names the asker
    for people. `what`: a vendor's history is queried by the same rule (key `history!ACCOUNT`); then `messages` are its
    rows.
    """

    account: str
    at_ms: int
    by: str
    messages: float | None
    says: str
    what: Literal["balance", "history"] = "balance"
    kind: Kind | None = None
    code: str = ""


class Stopped(Record, frozen=True, kw_only=True, tag="stopped"):
    """What keeps an account from sending, written by its lane: for people, and for the lane's next owner.

    key `stopped!ACCOUNT`. `stops`: all reasons, first those for the whole account; empty: none. `why` and `says` are
    the first one for releases without `stops`, and for people: a word ("": it sends), and a sentence.
    """

    account: str
    at_ms: int
    why: Literal["auth", "balance", "hours", "unreachable", ""]
    says: str
    stops: tuple[Stop, ...] = ()

    def reasons(self) -> tuple[Stop, ...]:
        """Its reasons, from any release."""
        if self.stops or not self.why:
            return self.stops
        return (Stop(why=_FIRST_WORDS[self.why], since_ms=self.at_ms),)


_FIRST_WORDS: Final = {
    "auth": Why.LOGIN,
    "balance": Why.CREDIT,
    "hours": Why.HOURS,
    "unreachable": Why.UNREACHABLE,
}
"""The form of releases before `Stopped.stops`."""


class Operated(Record, frozen=True, kw_only=True, tag="operated"):
    """A person's order to the vendor about an account (a top-up, a new user), and its state.

    `asked` is on the log before the request, the result after it; an operation without a result is unknown. A person
    who asked the vendor settles an unknown one. keys `operation!ID!asked`, `…!result`, `…!settled`. `shows` are (name,
    value) pairs of everything sent, without secrets. `says` and `code`: the vendor's words, ours, or the person's.
    """

    operation: str
    account: str
    name: str
    shows: tuple[tuple[str, str], ...]
    result: Literal["asked", "done", "not-done", "unknown"]
    at_ms: int
    by: str
    code: str = ""
    says: str = ""
