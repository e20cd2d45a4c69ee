"""Every record on the log, except the batch itself (schemas/batch.py), as a tagged struct.

Vocabulary: DESIGN.md 3. Times are Unix milliseconds of the writer's wall clock (`…_ms`): for people and for the 48 h
rule, never for ownership or pacing. A record says what happened; no record says what to do about it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Effect = Literal["accepted", "failed", "queued", "unknown"]
"""What an outcome does to its chunk: taken; refused for good; provably not taken, to be sent again; may be taken."""

UnknownPolicy = Literal["hold", "resend"]

MessageKind = Literal["sms", "wap", "mms"]
"""A text; a WAP push (its text is `title#URL`); a multimedia message (its text is the URL of its frames)."""

SuppressionSource = Literal["opt-out", "person", "import"]
"""A phone that sent an opt-out word; a person's command; a list that a person imported."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="t"):
    """The base of all records; gives them their tag field."""


# --- campaigns ---


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One account of a route: how many jobs and recipients the launch put into its inbox."""

    account: str
    vendor: str
    jobs: int
    recipients: int


class Launched(Record, frozen=True, kw_only=True, tag="launched"):
    """The commit point of a launch. The first one of a campaign id wins; only jobs of its `attempt` count.

    key `ID#ATTEMPT`. `fingerprint` is the SHA-256 (hex) of list, text, route and policy: the same id with another
    one is refused. `rows = invalid + duplicate + suppressed + recipients`. `variables`: the campaign is personalised,
    `text` has `{name}` placeholders, and its batches carry what they stand for; `segments` is then the longest text's.
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
    invalid_reasons: dict[str, int] = {}
    options: dict[str, str] = {}
    kind: MessageKind = "sms"
    suppressed_reasons: dict[str, int] = {}
    variables: tuple[str, ...] = ()


class Flowed(Record, frozen=True, kw_only=True, tag="flowed"):
    """A campaign was paused or resumed. key `ID!flow`, so compaction keeps the last word."""

    campaign: str
    paused: bool
    at_ms: int
    by: str


class Cancelled(Record, frozen=True, kw_only=True, tag="cancelled"):
    """A campaign was cancelled: final. key `ID!cancelled`, so that nothing written later compacts it away."""

    campaign: str
    at_ms: int
    by: str


class Weighed(Record, frozen=True, kw_only=True, tag="weighed"):
    """A campaign's weight (or urgency) was changed. key `ID!weight`."""

    campaign: str
    weight: int
    urgent: bool
    at_ms: int
    by: str


class CheckpointAt(Record, frozen=True, kw_only=True, tag="checkpoint-at"):
    """Where a lane partition's newest checkpoint lies: a hint that shortens recovery. key `lanes!PARTITION`.

    Written only after the checkpoint was read back as valid; an older one that arrives late costs time, not truth.
    """

    partition: int
    offset: int


class BalanceAsked(Record, frozen=True, kw_only=True, tag="balance-asked"):
    """An account's balance is about to be asked (`messages` None, `says` empty), or was: what came of it.

    Vendors bound how often it may be asked, whoever of us asks: see dispatcher/balance_book.py. key `balance!ACCOUNT`.
    `messages` None with `says`: why it is not known. `by` names who asked, as people read it. `what`: a vendor's
    history is asked by the same rule (key `history!ACCOUNT`); then `messages` are the rows it gave.
    """

    account: str
    at_ms: int
    by: str
    messages: float | None
    says: str
    what: Literal["balance", "history"] = "balance"


class Operated(Record, frozen=True, kw_only=True, tag="operated"):
    """A person has the vendor do something to an account (a top-up, a new user): what is known of it so far.

    `asked` stands on the log before its request goes out, the result after it: one without a result is unknown. A
    person who asked the vendor about an unknown one settles it. keys `operation!ID!asked`, `…!result`, `…!settled`.
    `shows` are (name, value) pairs of all that is sent, without secrets. `says` and `code`: the vendor's words, ours,
    or the person's.
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


# --- jobs: a lane's inbox ---


class Job(Record, frozen=True, kw_only=True, tag="job"):
    """This account shall send recipients [start, start+count) of that batch. key = account.

    `number` counts the jobs of one (attempt, account) from 0 without gaps: a lane takes each number once, in order,
    so a record appended twice is ignored. The batch lies at (`partition`, `offset`) of `recipients`.
    """

    campaign: str
    attempt: str
    account: str
    number: int
    batch: int
    partition: int
    offset: int
    sha256: bytes
    start: int
    count: int


class Checked(Record, frozen=True, kw_only=True, tag="checked"):
    """A person checked the account and the vendor let it in: a lane stopped by `auth` may go on. key = account."""

    account: str
    at_ms: int
    by: str


class Decided(Record, frozen=True, kw_only=True, tag="decided"):
    """A person's decision on unknown chunks, or what a report proves of one, addressed to the lane's owner.

    The owner turns it into a Resolved. `vendor_id`: the id under which the vendor reports the chunk, where it is known.

    key = account. `intents` are intents' offsets in `lanes`, always named one by one: a decision never reaches a chunk
    that became unknown after the person looked.
    """

    account: str
    campaign: str
    intents: tuple[int, ...]
    verdict: Literal["sent", "not-sent", "resend"]
    at_ms: int
    by: str
    why: str = ""
    vendor_id: str = ""


# --- lanes: the journal ---


class Owned(Record, frozen=True, kw_only=True, tag="owned"):
    """A new owner of the whole partition. `owner` is fresh and random. key empty."""

    owner: str
    at_ms: int
    where: str


class Intent(Record, frozen=True, kw_only=True, tag="intent"):
    """A chunk is about to be sent: recipients [start, start+count) of job `job` (its offset in `jobs`). key = account.

    Valid only if the last Owned before it is its author's. `n` is the author's own counter, by which it knows its
    intents again when it reads them back. `attempt` counts from 0, `strikes` how often the vendor refused it for now.
    Its offset in `lanes` is its identity.
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


class Outcome(Record, frozen=True, kw_only=True, tag="outcome"):
    """What came of the intent at offset `intent`. A fact: it counts whoever wrote it; the first one counts.

    `code` and `text` are the vendor's own (text: first 200 characters). `vendor_id` is the id its reports will carry;
    `vendor_ids` (one per recipient, in submitted order; "" where it is not known) where the vendor gives one each.
    `sent_ms` is 0 if nothing went out. `divide` asks for the slice to be sent again in two halves (a bad number refuses
    the whole request).
    """

    account: str
    intent: int
    effect: Effect
    kind: str
    code: str
    at_ms: int
    sent_ms: int = 0
    text: str = ""
    vendor_id: str = ""
    vendor_ids: tuple[str, ...] = ()
    divide: bool = False


class Resolved(Record, frozen=True, kw_only=True, tag="resolved"):
    """The owner's word on an unknown intent: `sent` (now accepted), `not-sent` or `resend` (queued again).

    `vendor_id` or `vendor_ids` (one per recipient, in submitted order): under which the vendor reports it, if known.
    """

    owner: str
    account: str
    intent: int
    verdict: Literal["sent", "not-sent", "resend"]
    at_ms: int
    by: str
    why: str = ""
    vendor_id: str = ""
    vendor_ids: tuple[str, ...] = ()


class BalanceTold(Record, frozen=True, kw_only=True, tag="balance-told"):
    """What an account's balance was before `intents` were sent and after they became unknown: a hint for people.

    Counted in messages: `messages` are theirs; the vendor said that it took `taken` of other requests in between (None:
    not known); `under_way` may be on either side. key = account. See dispatcher/core/balance_hint.py.
    """

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


class Checkpoint(Record, frozen=True, kw_only=True, tag="checkpoint"):
    """The folded state of a lane partition as of journal position `upto` and inbox position `inbox`.

    A reader loads it and folds on from `upto` (not from its own offset: records of its author may lie between).
    """

    owner: str
    upto: int
    inbox: int
    jobs: tuple[JobState, ...]
    open: tuple[OpenRange, ...]
    taken: tuple[Taken, ...]
    at_ms: int


# --- reports, inbound, dead letters, results, rejects, suppression ---


class Reports(Record, frozen=True, kw_only=True, tag="reports"):
    """Many reports of one account in columns. key = account.

    Row i says: recipient `numbers[i]` (int64 little-endian, see dispatcher/core/numbers.py; 0 where the vendor names
    no number) of vendor id `ids[id_index[i]]` (uint32) is in `states[i]` (uint8: 1 delivered, 2 failed, 0 waiting) with
    the vendor's code `codes[code_index[i]]` (uint16), reported at `times[i]` (uint32 Unix seconds, 0 unknown).
    """

    account: str
    at_ms: int
    ids: list[str]
    id_index: bytes
    numbers: bytes
    states: bytes
    codes: list[str]
    code_index: bytes
    times: bytes


class Inbound(Record, frozen=True, kw_only=True, tag="inbound"):
    """One message from a phone. key = account. `message_id` is empty where the vendor gives none."""

    account: str
    number: str
    text: str
    to: str
    at_ms: int
    received_ms: int
    message_id: str = ""
    part: tuple[int, int, int] | None = None
    flags: tuple[str, ...] = ()


class Dead(Record, frozen=True, kw_only=True, tag="dead"):
    """Something an authenticated vendor sent that we could not read. key = account. `body` is cut at 64 KiB."""

    account: str
    path: str
    why: str
    at_ms: int
    body: bytes


class Finished(Record, frozen=True, kw_only=True, tag="finished"):
    """A chunk whose every recipient has its final word, for whoever wants it downstream. key = campaign.

    `numbers` int64, `states` uint8 (schemas/states.py), `codes[code_index[i]]` (uint16); one row per recipient.
    """

    campaign: str
    account: str
    batch: int
    start: int
    vendor_id: str
    numbers: bytes
    states: bytes
    codes: list[str]
    code_index: bytes
    at_ms: int


class Rejects(Record, frozen=True, kw_only=True, tag="rejects"):
    """Rows of a launch that are no recipients, in columns. key = campaign.

    Row i: source row `rows[i]` (uint64 little-endian, the first row after the header is 1) held the i-th line of
    `values` (UTF-8, joined by LF; a line break inside a value is written as a blank) and was set aside because of
    `reasons[reason_index[i]]` (uint8): `duplicate`, `suppressed`, or what is wrong with the number
    (dispatcher/core/numbers.py). Only records of the attempt that was launched count.
    """

    campaign: str
    attempt: str
    part: int
    rows: bytes
    values: bytes
    reasons: list[str]
    reason_index: bytes


class SuppressionOrigin(msgspec.Struct, frozen=True, array_like=True):
    """Where numbers of the suppression list come from: who did it, and why."""

    source: SuppressionSource
    by: str
    why: str


class Suppression(Record, frozen=True, kw_only=True, tag="suppression"):
    """A change of the suppression list: these numbers must not be texted, or (`adds` false) may be again.

    `numbers` are `count` numbers as in schemas/packed_numbers.py, each as dispatcher/core/suppression.py folds it. Of a
    number the last change counts; a set is idempotent, so a record may be appended twice. `by` is a person, or the
    account a phone wrote to; `why` the word it sent, the file's name, or what the person said. key = `source`.
    """

    adds: bool
    count: int
    numbers: bytes
    source: SuppressionSource
    by: str
    at_ms: int
    why: str = ""


class SuppressionSnapshot(Record, frozen=True, kw_only=True, tag="suppression-snapshot"):
    """Piece `part` of the whole list as of one position of its topic, folded: columns of `count` numbers, ascending.

    Number i was put on the list at `times[i]` (Unix seconds) by `origins[origin_index[i]]`; both uint32 columns as in
    schemas/packed_numbers.py. Counts only if a SuppressionSnapshotAt names it. key = `snapshot`, a fresh random name.
    """

    snapshot: str
    part: int
    count: int
    numbers: bytes
    times: bytes
    origins: list[SuppressionOrigin]
    origin_index: bytes


class SuppressionSnapshotAt(Record, frozen=True, kw_only=True, tag="suppression-snapshot-at"):
    """A whole snapshot lies in `suppression`: the fold of what is before `upto`, `parts` pieces, all behind `upto`.

    A hint in `campaigns` that shortens reading: without it, or with an older one, the fold is the same and takes
    longer. key `suppression!snapshot`.
    """

    snapshot: str
    upto: int
    parts: int
    numbers: int


AnyRecord = (
    Launched
    | Flowed
    | Cancelled
    | Weighed
    | CheckpointAt
    | BalanceAsked
    | Operated
    | Job
    | Checked
    | Decided
    | Owned
    | Intent
    | Outcome
    | Resolved
    | BalanceTold
    | Checkpoint
    | Reports
    | Inbound
    | Dead
    | Finished
    | Rejects
    | Suppression
    | SuppressionSnapshot
    | SuppressionSnapshotAt
)
