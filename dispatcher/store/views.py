"""The values that the results store returns; port.py has the queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from dispatcher.core.results.equation import Counts, Status
from dispatcher.core.schedule.holds import Hold
from dispatcher.core.waves.state import WaveStanding
from schemas.records import AtClosing, CampaignClass, Deferred, Follows, Leg, MessageKind, UnknownPolicy
from schemas.states import State
from schemas.topics import LANE_PARTITIONS

if TYPE_CHECKING:  # naming the types of columns must not import numpy
    import numpy as np
    from numpy.typing import NDArray

    from dispatcher.core.results.evidence import LateAnswer, Trace
    from dispatcher.core.results.message_evidence import MessageProof

Source = Literal["submit", "report"]
"""Which of a vendor's code tables a code belongs to: the answer to a submit, or a report."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Recipients of one campaign that failed with the same code. `meaning` is "" if the document does not have it.

    `advice`: what to do about it, if the service knows.
    """

    account: str
    vendor: str
    source: Source
    code: str
    meaning: str
    advice: str = ""
    recipients: int


class StreamDay(msgspec.Struct, frozen=True, kw_only=True):
    """The messages that were appended to a stream on one day (Asia/Shanghai), now; the equation holds for them.

    `expired` of the failed ones were not sent in their time.
    """

    day: str
    counts: Counts
    expired: int


class StreamView(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a campaign a stream. `takes_messages`: it is neither closed nor cancelled.

    `expired`: the messages that were not sent in their time; they are among the failed ones. `days`: the newest
    DAYS_SHOWN with messages, newest first.
    """

    takes_messages: bool
    closed_ms: int | None
    closed_by: str
    expires_after_s: float
    keys_kept_s: float
    expired: int
    days: tuple[StreamDay, ...]


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """Recipients of a campaign that were moved from one account to another, and what had stopped the first one.

    `why`: a word of schemas.records.Why; `back`: they returned.
    """

    account: str
    to: str
    why: str
    back: bool
    recipients: int
    first_ms: int
    last_ms: int


class CampaignView(msgspec.Struct, frozen=True, kw_only=True):
    """One launched campaign with its counts now. `counts` is the sum of `accounts` plus the rejected rows.

    Times are Unix milliseconds, None before the event. `unknown_since_ms`: the oldest chunk still unknown.
    `closed_ms`: when the wait for reports was ended. `approved_by` approved its draft; it may be the `test_of` one.
    `variables`: those of a personalised campaign's `text`; `segments` is then the longest text's. `lists`: the names of
    its lists if several were launched together. `carriers`: recipients by the word of their carrier at the launch.
    `hours` (as core/schedule/hours.py writes them) are those in which it may be sent; `ends_ms` is when the rest is
    held until it is resumed, None: never. `held`: what holds it now, even if nothing is queued. `deferred`: the drafts
    of who was over the frequency cap; `deferred_of`: it is one of that campaign. `moves`: by accounts and reason;
    `accounts` has those who were moved at the account that they were moved to.
    """

    id: str = msgspec.field(name="campaign")
    name: str
    status: Status
    launched_ms: int
    launched_by: str
    text: str
    segments: int
    legs: tuple[Leg, ...] = msgspec.field(name="route")
    weight: int
    urgent: bool
    unknown: UnknownPolicy = msgspec.field(name="unknown_policy")
    options: dict[str, str]
    paused: bool
    cancelled: bool
    closed_ms: int | None = None
    counts: Counts
    accounts: dict[str, Counts]
    invalid_reasons: dict[str, int]
    suppressed_reasons: dict[str, int] = {}
    failures: tuple[Failure, ...]
    first_sent_ms: int | None
    last_sent_ms: int | None
    last_report_ms: int | None
    unknown_since_ms: int | None
    kind: MessageKind = "sms"
    approved_by: str = ""
    test_of: str = ""
    variables: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    carriers: dict[str, int] = {}
    campaign_class: CampaignClass | None = msgspec.field(name="class", default=None)
    hours: str = "00:00-24:00"
    at_closing: AtClosing = "pause"
    ends_ms: int | None = None
    budget_micro_yuan: int = 0
    held: Hold | None = None
    follows: Follows | None = None
    deferred: tuple[Deferred, ...] = ()
    deferred_of: str = ""
    waves: WaveStanding | None = None
    moves: tuple[Move, ...] = ()
    failover_after_s: float = 0.0
    fail_back: bool = False
    stream: StreamView | None = None

    def sent_between(self, since_ms: int, until_ms: int) -> bool:
        """Whether something of it may have been sent from `since_ms` on and before `until_ms`."""
        if self.first_sent_ms is None or self.last_sent_ms is None:
            return False
        return self.first_sent_ms < until_ms and self.last_sent_ms >= since_ms


class UnknownChunk(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk that the vendor may or may not have taken, or some of its recipients.

    `intent` is its offset in `lanes`/`partition`. `recipients` of its `count` are unknown; they are in the `ranges`
    (start, count; positions in the chunk). `code` and `text` are the answer's, if there was one.
    """

    partition: int
    intent: int
    account: str
    campaign: str
    batch: int
    start: int
    count: int
    recipients: int
    attempt: int
    since_ms: int
    code: str
    text: str
    ranges: tuple[tuple[int, int], ...]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence for unknown chunks of one account: reports with ids that appear in no outcome, and late answers.

    `traces` are the ids with evidence for an unknown chunk. The next call continues behind `more_after` ("": at the
    beginning). `crowded`: too many chunks without an id to search; then there are no traces. Where the vendor gives
    each recipient an id, a report proves nothing about a chunk, but one message: `messages`.
    """

    account: str
    traces: tuple[Trace, ...] = ()
    late: tuple[LateAnswer, ...] = ()
    more_after: str = ""
    crowded: bool = False
    messages: tuple[MessageProof, ...] = ()


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The recipients of one batch (at most 50,000) in list order, in columns of equal length.

    `states` as in schemas/states.py. `codes[code_index[i]]`, `vendor_ids[vendor_id_index[i]]` and
    `accounts[account_index[i]]`: entry 0 of each list is "". `from_report[i]`: the code is a report's, else the
    submit's. Missing times are 0; `reported_s` are the vendor's. `broken` says why the numbers are
    missing (0). `place` is the batch's place in the log (core/results/places.py), `positions[i]` the recipient's in it.
    The message to a
    recipient had `parts[i]` parts (0: not known), each with an id and a report; its entry of `vendor_ids` has the ids
    of all parts, with spaces between them. `parts_delivered[i]` of them were delivered; `parts_named[i]` have an id, so
    the vendor took them.
    """

    batch: int
    numbers: NDArray[np.int64]
    states: NDArray[np.uint8]
    codes: list[str]
    code_index: NDArray[np.uint32]
    from_report: NDArray[np.bool_]
    vendor_ids: list[str]
    vendor_id_index: NDArray[np.uint32]
    accounts: list[str]
    account_index: NDArray[np.uint32]
    submitted_ms: NDArray[np.int64]
    reported_s: NDArray[np.uint32]
    parts: NDArray[np.uint8]
    parts_delivered: NDArray[np.uint8]
    parts_named: NDArray[np.uint8]
    positions: NDArray[np.uint16]
    broken: str = ""
    place: int = -1


class RejectPage(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that were set aside. `rows[i]` is the source row, `reasons[reason_index[i]]` why.

    `repeats[i]` is the row whose number it repeats, 0 if unknown. If several lists were launched together, row i is of
    `lists[list_index[i]]`, and the row that it repeats of `lists[repeats_list[i]]`.
    """

    rows: NDArray[np.uint64]
    values: list[str]
    reasons: list[str]
    reason_index: NDArray[np.uint8]
    repeats: NDArray[np.uint64]
    lists: tuple[str, ...]
    list_index: NDArray[np.uint8]
    repeats_list: NDArray[np.uint8]


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """A number's state in one campaign. Times are None before the event. `parts` is 0 if it is not known."""

    campaign: str
    name: str
    state: State
    account: str
    vendor: str
    source: Source
    code: str
    meaning: str
    vendor_id: str
    submitted_ms: int | None
    reported_ms: int | None
    launched_ms: int
    parts: int = 0
    parts_delivered: int = 0


class ReportCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of the reports of one account. `rows = waiting + applied + repeats + parked + strangers`.

    `waiting` are not final; `parked` have an id that appears in no outcome yet; `strangers` have a number that the
    chunk of their id does not have.
    """

    account: str
    rows: int
    waiting: int
    applied: int
    repeats: int
    parked: int
    strangers: int


class InboundMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message from a phone, with the parts of a long one joined. Times are Unix milliseconds.

    `at_ms` is the vendor's time, else the time of receipt. Of `parts` parts the `missing` ones never came: then `flags`
    has "incomplete", and the text has "[…]" in their places.
    """

    account: str
    number: str
    to: str
    text: str
    at_ms: int
    received_ms: int
    message_id: str | None = None
    parts: int = 1
    missing: tuple[int, ...] = ()
    flags: tuple[str, ...] = ()


class InboundFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages: None means all. `since_ms` <= time < `until_ms`; `contains` ignores case (ASCII)."""

    account: str | None = None
    number: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    contains: str | None = None


class InboundMarks(msgspec.Struct, frozen=True):
    """How far messages were followed: the last complete one of each partition, and when the others were given up.

    `read_to`: the offsets of `inbound` that the store had folded then.
    """

    done: dict[int, int]
    overdue_ms: int
    read_to: dict[int, int] = {}

    def had(self, place: int, received_ms: int) -> bool:
        """Whether this long message was given out as incomplete before: it was there, and its wait was over."""
        offset, partition = divmod(place, LANE_PARTITIONS)
        return received_ms <= self.overdue_ms and offset < self.read_to.get(partition, 0)


class InboundTally(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of messages of an account: records, repetitions, long messages still `waiting` for parts."""

    account: str
    records: int
    repeats: int
    waiting: int


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """An unreadable push or entry of a vendor. Its body is at `offset` of `dead`/`partition` on the log."""

    partition: int
    offset: int
    account: str
    path: str
    why: str
    at_ms: int


class DeadCount(msgspec.Struct, frozen=True, kw_only=True):
    """Unreadable pushes of an account: how many, and the last one."""

    account: str
    count: int
    last_ms: int
    last_why: str


class Oddity(msgspec.Struct, frozen=True, kw_only=True):
    """An unexpected record in a topic, and how often."""

    topic: str
    what: str
    count: int
