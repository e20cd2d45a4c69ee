"""What is exchanged with a vendor: requests and answers, pushes, pages of polls, history, operations. Values only.

The vendor, which makes and reads them, is in vendor.py; vendors import everything from there.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Generator
from typing import Literal

import msgspec

from dispatcher.core.lane.answers.verdict import Verdict
from schemas.records import Inbound, Reports

# --- requests and answers --------------------------------------------------------------------------------------------


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request of a flow. The body is `prefix + tail + suffix`: `tail` is a slice of the batch, not a copy.

    `submits`: the vendor may take messages by this request, so a failure after its first byte is unknown.
    `same_connection`: must travel on the connection of the flow's previous request (COSMS's one-time login); if that
    connection is gone, nothing is sent, unless the vendor uses `cookies` and announced the close. Prefer POST:
    secrets stay out of URLs.

    `or_path`: another spelling of the path, tried if the vendor answers the first with 3xx, 404 or 405; not for
    submits. `answer_bytes_max` bytes of the answer are read. `rows`: a broken-off answer is read, too (it is then
    `cut`), such as a page of reports that the vendor will not serve again.
    """

    path: str
    method: Literal["GET", "POST"] = "POST"
    content_type: str = "application/x-www-form-urlencoded"
    prefix: bytes = b""
    tail: bytes | memoryview = b""
    suffix: bytes = b""
    submits: bool = False
    same_connection: bool = False
    or_path: str = ""
    answer_bytes_max: int = 65_536
    rows: bool = False


class Answer(msgspec.Struct, frozen=True):
    """An HTTP 200 answer (the driver classifies everything else by `status_verdict`).

    `cut`: the body was longer (the driver reads a bounded part), so its last line may be incomplete.
    """

    body: bytes
    charset: str = ""
    cut: bool = False


SubmitFlow = Generator[Request, Answer, Verdict]


class Product(msgspec.Struct, frozen=True):
    """One line of a balance answer."""

    name: str
    messages: float


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a balance query: `messages` left (None: not given), or a failed query's verdict."""

    messages: float | None
    products: tuple[Product, ...] = ()
    verdict: Verdict | None = None
    warn: str = ""


BalanceFlow = Generator[Request, Answer, Balance]

# --- pushes ----------------------------------------------------------------------------------------------------------


class Push(msgspec.Struct, frozen=True):
    """A request a vendor pushed to us for this account, undecoded."""

    account: str
    method: str
    query: bytes
    body: bytes
    content_type: str
    received_ms: int


class PushProof(enum.Enum):
    """Whether a push is the vendor's, by its query and its body."""

    RIGHT = enum.auto()
    """It carries the account's secret."""
    WRONG = enum.auto()
    """The secret is wrong, or missing from its place."""
    IN_BODY = enum.auto()
    """The query has no secret; the body may have it."""
    NOT_ASKED = enum.auto()
    """The account asks for no secret."""


class Refusal(msgspec.Struct, frozen=True):
    """A refused push: `status` 4xx, `why` in plain words.

    An `authenticated` one (it carried the account's secret) is kept as a dead letter. So is a `keep` one, of a vendor
    whose document gives pushes no secret.
    """

    status: int
    why: str
    authenticated: bool
    keep: bool = False


class ReportRow(msgspec.Struct, frozen=True):
    """One report: `number` as in core/numbers.py (0: none), `state` as in schemas/states.py REPORT_…, Unix seconds."""

    vendor_id: str
    number: int
    state: int
    code: str
    time_s: int


class Partly(msgspec.Struct, frozen=True):
    """A push with `count` unreadable entries: `rows` are taken, `rest` is kept as a dead letter.

    `rest` holds the unreadable entries verbatim; `why` says in plain words what is wrong with them.
    """

    rows: list[ReportRow] | list[Reports] | list[Inbound]
    rest: bytes
    count: int
    why: str


ReportsParsed = list[ReportRow] | list[Reports] | Reports | Partly | Refusal
"""A few reports as rows, or many in columns; the readable ones of a push; or a refusal."""

InboundParsed = list[Inbound] | Partly | Refusal

# --- polls and history -----------------------------------------------------------------------------------------------


class PolledPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a poll, durable before the next one is requested; `more`: there may be another one (Poll.at_once).

    The messages in `inbound` have no account; the poller adds it. `verdict`: why there is no page (a refusal, no
    answer); `rest`, `count` and `why`: its unreadable entries, as in Partly.
    """

    reports: list[ReportRow] = []
    inbound: list[Inbound] = []
    more: bool = False
    verdict: Verdict | None = None
    rest: bytes = b""
    count: int = 0
    why: str = ""


PollFlow = Generator[Request, Answer, PolledPage]


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """A query that the account's owner repeats every `interval_s`; "too fast" doubles the interval.

    `flow` gets the time of receipt (Unix milliseconds). `at_once`: the vendor allows the page after a full one to be
    requested without the interval.
    """

    name: Literal["report", "inbound"]
    interval_s: float
    flow: Callable[[int], PollFlow]
    at_once: bool = False


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One message the vendor remembers: `number`, `state` and `code` as in ReportRow; `sent_ms` Unix milliseconds.

    `text` and `destination` are for people; "" if the vendor does not give them.
    """

    vendor_id: str
    number: int
    state: int
    code: str
    sent_ms: int
    text: str = ""
    destination: str = ""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What the vendor sent in a window. `complete` False: it may have more (its page is full)."""

    rows: list[HistoryRow] = []
    complete: bool = True
    verdict: Verdict | None = None
    rest: bytes = b""
    count: int = 0
    why: str = ""


HistoryFlow = Generator[Request, Answer, History]


class HistoryLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The vendor's bounds on history queries: windows of `window_s`, `interval_s` apart."""

    window_s: int
    interval_s: float
    rows_max: int


# --- publishing ------------------------------------------------------------------------------------------------------


class PublishedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """An uploaded multimedia message: `url` is the text of the message that sends it.

    `files` are (name, URL) of the uploaded files. `verdict`: why there is no `url`.
    """

    url: str = ""
    files: tuple[tuple[str, str], ...] = ()
    warn: str = ""
    verdict: Verdict | None = None


PublishFlow = Generator[Request, Answer, PublishedMessage]


# --- operations ------------------------------------------------------------------------------------------------------


class OperationResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an operation: `verdict.kind` is ACCEPTED, UNKNOWN, or a definite no; `says` in plain words."""

    verdict: Verdict
    says: str = ""


OperationFlow = Generator[Request, Answer, OperationResult]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A person's order to the vendor about an account (a top-up, a new password): written once, never repeated.

    `shows` are (name, value) pairs of everything that will be sent, secrets as `***`. Requests that change something
    have `submits` set, so that a broken one is unknown. `afterwards`: what the person must do after success;
    `if_unknown`: what to look at, at the vendor, if the result is unknown. `secrets`: more values to mask in answers,
    besides the account's own (a new password).
    """

    name: str
    shows: tuple[tuple[str, str], ...]
    flow: OperationFlow
    afterwards: str = ""
    if_unknown: str = ""
    secrets: tuple[str, ...] = ()
