"""Records of `lanes`, a lane's journal: owners, intents, outcomes."""

from __future__ import annotations

import msgspec

from schemas.records.base import Effect, Kind, LeftOut, Record, ResolvedAs, Why
from schemas.records.inbox import Job


class Owned(Record, frozen=True, kw_only=True, tag="owned"):
    """A new owner of the whole partition. `owner` is fresh and random. key empty."""

    owner: str
    at_ms: int
    where: str


class Cost(msgspec.Struct, frozen=True, array_like=True):
    """What the recipients of a chunk cost together, in micro-yuan. If they do not all cost the same, recipient i costs
    `kinds[index[i]]`.
    """

    whole: int
    kinds: tuple[int, ...] = ()
    index: bytes = b""


class Intent(Record, frozen=True, kw_only=True, tag="intent"):
    """A chunk is about to be sent: recipients [start, start+count) of job `job` (its offset in `jobs`). key = account.

    Valid only if the last Owned before it is its author's. `n` is the author's own counter, by which it recognises its
    intents when it reads them back. `attempt` counts from 0, `strikes` how often the vendor refused it for now. Its
    offset in `lanes` is its identity. Its author writes no request later than `ttl_ms` after it asked for the append
    (0: a release without this field wrote it; then it is the configured time to live).

    `cost`: what its recipients cost, in a campaign with a budget.

    `left_out` (start, count; positions in the chunk; disjoint, ascending): recipients that came onto the suppression
    list after the launch. They are not in the request, and are suppressed for good if the intent is valid.
    """

    owner: str
    n: int
    account: str
    campaign: str
    job: int
    batch: int
    start: int
    count: int
    attempt: int
    at_ms: int
    strikes: int = 0
    ttl_ms: int = 0
    left_out: tuple[tuple[int, int], ...] = ()
    cost: Cost | None = None


class StreamIntent(Intent, frozen=True, kw_only=True, tag="stream-intent"):
    """An Intent of messages of a stream: of the segment `job` (core/streams/segments.py).

    `appended`: the offset in `jobs` of the `Appended` that they come from. `because`: why those of `left_out` are left
    out; one reason for all of them. (An Intent of its own, because an Intent has as many fields as msgpack can count in
    one byte: one more, and every Intent would have other bytes.)
    """

    appended: int
    because: LeftOut = LeftOut.SUPPRESSED


def why_left_out(intent: Intent) -> LeftOut:
    """Why the recipients in `left_out` are left out."""
    return intent.because if isinstance(intent, StreamIntent) else LeftOut.SUPPRESSED


class StreamKeys(Record, frozen=True, kw_only=True, tag="stream-keys"):
    """A page of a stream's keys, so that checkpoints need not have them: number `first` and those after it, in order.

    The keys of a stream on an account are numbered from 0 in the order of the inbox, so whoever writes a page writes
    the same. `newest_ms`: when the last of its messages was appended.
    """

    account: str
    campaign: str
    attempt: str
    first: int
    keys: bytes
    newest_ms: int


class Ceded(Record, frozen=True, kw_only=True, tag="ceded"):
    """The owner gives up a part of an account's share of a campaign's budget: `amount` in all so far, in micro-yuan.

    Valid only if the last Owned before it is its author's. key = account.
    """

    owner: str
    account: str
    campaign: str
    amount: int
    at_ms: int


class Moved(Record, frozen=True, kw_only=True, tag="moved"):
    """Queued recipients leave this account's job `job` (its offset in `jobs`) for another account. key = account.

    Valid only if the last Owned before it is its author's. `as_job` is the job that the other account gets: its
    recipients, which all wait here after `attempt` tries; the fold of the journal gives it its `number`, and its own
    offset to `as_job.moved`. It goes to the other account's inbox only after this record was read back as valid.
    `why` (with the vendor's `code`): what has kept this account from sending since `since_ms`. `back`: they return to
    the account that they left.
    """

    owner: str
    account: str
    campaign: str
    job: int
    attempt: int
    as_job: Job
    why: Why
    at_ms: int
    code: str = ""
    since_ms: int = 0
    back: bool = False


class Handed(Record, frozen=True, kw_only=True, tag="handed"):
    """The jobs of these Moved (their offsets) are in the inboxes of the accounts that they name. key = account.

    A fact: it counts from any author. What no Handed names is appended again, by the next owner too.
    """

    account: str
    moved: tuple[int, ...]
    at_ms: int


class Outcome(Record, frozen=True, kw_only=True, tag="outcome"):
    """The result of the intent at offset `intent`. A fact: it counts from any author; the first one counts.

    `code` and `text` are the vendor's (text: first 200 characters). Its reports will carry `vendor_id`, or `vendor_ids`
    (one per recipient of the chunk; "" if unknown or left out) if the vendor gives one each. `sent_ms` is 0 if nothing
    went out. `divide` has the slice sent again in two halves (a bad number refuses the whole request).
    """

    account: str
    intent: int
    effect: Effect
    kind: Kind
    code: str
    at_ms: int
    sent_ms: int = 0
    text: str = ""
    vendor_id: str = ""
    vendor_ids: tuple[str, ...] = ()
    divide: bool = False


class Run(msgspec.Struct, frozen=True, array_like=True):
    """Neighbouring recipients of a chunk with the same result: `count` from position `start` (0: the intent's first).

    `code` and `text` are the vendor's (text: first 200 characters).
    """

    start: int
    count: int
    effect: Effect
    kind: Kind
    code: str = ""
    text: str = ""

    @property
    def end(self) -> int:
        """The position after its last recipient."""
        return self.start + self.count


class Outcomes(Record, frozen=True, kw_only=True, tag="outcomes"):
    """The results of recipients of the intent at offset `intent`, in runs (at least one; disjoint, ascending).

    A fact: it counts from any author, whoever owns the partition. The first definite result of a recipient counts; one
    that no run names keeps its state. `sent_ms` is 0 if nothing went out.

    The vendor's ids, for each recipient that a run names, in order: `ids` has `parts` unsigned 64-bit little-endian
    numbers for each (0: none; empty: no ids at all). `vendor_ids` instead, one each ("": none), if ids are no numbers.
    """

    account: str
    intent: int
    runs: tuple[Run, ...]
    at_ms: int
    sent_ms: int = 0
    ids: bytes = b""
    parts: int = 1
    vendor_ids: tuple[str, ...] = ()


class Resolved(Record, frozen=True, kw_only=True, tag="resolved"):
    """The owner's resolution of an unknown intent: `sent` (now accepted), `not-sent` or `resend` (queued again).

    `ranges` (start, count; positions in the chunk; disjoint, ascending): the recipients that it is about, as far as
    they are unknown. Empty: all of them. `vendor_id` or `vendor_ids` (one per recipient, in submitted order): the
    vendor's ids, if known. With `ranges`, `ids` and `parts` are as in Outcomes, for the recipients of the ranges.
    """

    owner: str
    account: str
    intent: int
    verdict: ResolvedAs
    at_ms: int
    by: str
    why: str = ""
    vendor_id: str = ""
    vendor_ids: tuple[str, ...] = ()
    ranges: tuple[tuple[int, int], ...] = ()
    ids: bytes = b""
    parts: int = 1


class BalanceTold(Record, frozen=True, kw_only=True, tag="balance-told"):
    """No longer written, and no longer read: logs have it from lanes that noted the balance beside unknown requests."""

    account: str
    intents: tuple[int, ...]
    messages: float
    before: float
    before_ms: int
    after: float
    after_ms: int
    taken: float | None
    under_way: float


class Slice(msgspec.Struct, frozen=True, array_like=True):
    """Recipients [start, start+count) of a job, `attempt` times tried, `strikes` times refused for now."""

    start: int
    count: int
    attempt: int
    strikes: int = 0


class OpenRange(msgspec.Struct, frozen=True, array_like=True):
    """An intent without an outcome (`unknown` false: under way under the present owner)."""

    intent: int
    account: str
    campaign: str
    job: int
    batch: int
    start: int
    count: int
    attempt: int
    strikes: int
    unknown: bool


class JobState(msgspec.Struct, frozen=True, array_like=True):
    """An unfinished job: recipients in the `taken` ranges [start, end) had an intent; `returned` ones wait again."""

    offset: int
    job: Job | None
    taken: tuple[tuple[int, int], ...]
    returned: tuple[Slice, ...]


class Taken(msgspec.Struct, frozen=True, array_like=True):
    """How many jobs of one (campaign, attempt) an account has taken from its inbox."""

    account: str
    campaign: str
    attempt: str
    jobs: int


class StreamState(msgspec.Struct, frozen=True, array_like=True):
    """A stream on an account: its last segment (offset of its job, messages, day), and its keys.

    `next`: the inbox offset after the last `Appended` taken. `tail`: the keys that are in no page, the first of them is
    number `first`, the newest is of `newest_ms`. `pages`: (offset in `lanes`, newest_ms) of the others. `repeated`:
    (job, the ranges [start, end) of its messages whose keys were known) of its segments that are not over.
    """

    account: str
    campaign: str
    attempt: str
    job: int
    count: int
    day: int
    next: int
    first: int
    newest_ms: int
    tail: bytes
    pages: tuple[tuple[int, int], ...]
    repeated: tuple[tuple[int, tuple[tuple[int, int], ...]], ...] = ()


class Committed(msgspec.Struct, frozen=True, array_like=True):
    """What an account has spent, announced or left unknown of a campaign with a budget, and what it has ceded of it."""

    account: str
    campaign: str
    spent: int
    ceded: int


class Handover(msgspec.Struct, frozen=True, array_like=True):
    """How many jobs of one (campaign, attempt) an account has moved to, or taken over from, the `other` one."""

    account: str
    campaign: str
    attempt: str
    other: str
    jobs: int


class Moves(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a lane partition's accounts moved to others and took over. `waiting`: (offset, its Moved with the job as it
    is to be appended) of those that no Handed names. `moved_to` and `taken_over` count all. `doubted`: (job, the ranges
    [start, end) of it that were unknown once), which are not moved.
    """

    waiting: tuple[tuple[int, Moved], ...] = ()
    moved_to: tuple[Handover, ...] = ()
    taken_over: tuple[Handover, ...] = ()
    doubted: tuple[tuple[int, tuple[tuple[int, int], ...]], ...] = ()


class Checkpoint(Record, frozen=True, kw_only=True, tag="checkpoint"):
    """The folded state of a lane partition as of journal position `upto` and inbox position `inbox`.

    A reader loads it and continues folding at `upto` (not at its own offset: records of its author may lie between).
    `ttls_ms`: (intent, its time to live) of the open intents that carry it. `ranges`: (intent, the (start, count)
    ranges of its chunk that are still open) of the open intents that have results for some of their recipients.
    `left_out`: (intent, the ranges that it left out) of the open intents that left somebody out. `committed`
    and `costs` (intent, its cost) are of campaigns with a budget.
    """

    owner: str
    upto: int
    inbox: int
    jobs: tuple[JobState, ...]
    open: tuple[OpenRange, ...]
    taken: tuple[Taken, ...]
    at_ms: int
    ttls_ms: tuple[tuple[int, int], ...] = ()
    ranges: tuple[tuple[int, tuple[tuple[int, int], ...]], ...] = ()
    left_out: tuple[tuple[int, tuple[tuple[int, int], ...]], ...] = ()
    committed: tuple[Committed, ...] = ()
    costs: tuple[tuple[int, Cost], ...] = ()
    moves: Moves | None = None
    streams: tuple[StreamState, ...] = ()
