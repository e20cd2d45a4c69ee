"""What is exchanged with a vendor: requests and answers, pushes, pages of polls, history, operations. Values only.

The vendor itself, which makes and reads them, is in vendor.py; vendors import all of it from there.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Generator
from typing import Literal

import msgspec

from dispatcher.core.lane.verdict import Verdict
from schemas.records import Inbound, Reports

# --- requests and answers --------------------------------------------------------------------------------------------


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request of a flow. The body is `prefix + tail + suffix`: `tail` is a slice of the batch, not a copy.

    `submits` is true where the vendor may take messages by it: if it breaks after its first byte, that is unknown.
    `same_connection`: must travel on the connection of the flow's previous request (COSMS's one-time login); if that
    connection is gone, nothing is sent, unless the vendor keeps `cookies` and said that it would close it. Prefer POST:
    secrets stay out of URLs.

    `or_path`: the other spelling of the path, asked where the vendor answers the first with 3xx, 404 or 405; not for
    what submits. Of the answer `answer_bytes_max` bytes are read; `rows` says that what came of an answer that broke
    off is worth reading too (it is then `cut`): a page of reports that the vendor will not serve again.
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

    `cut`: the body went on after these bytes (the driver reads a bounded part), so its last line may be incomplete.
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
    """What a balance query said: `messages` left for this account (None: not said), or a failed query's verdict."""

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
    """Whether a push is the vendor's, as far as its query and its body tell."""

    RIGHT = enum.auto()
    """It carries the secret that the account asks for."""
    WRONG = enum.auto()
    """The secret is wrong, or is missing where it would have to be."""
    IN_BODY = enum.auto()
    """The query has no secret; the body may have it."""
    NOT_ASKED = enum.auto()
    """The account asks for no secret."""


class Refused(msgspec.Struct, frozen=True):
    """A push that is not taken: `status` 4xx, `why` in plain words.

    `authenticated` ones (the account checks a secret, and the push carried it) are kept as dead letters. So are `keep`
    ones: for vendors whose document gives their pushes no secret. What they push is believed, and kept if unreadable.
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
    """A push of many entries of which `count` can't be read: `rows` are taken, `rest` is kept as a dead letter.

    `rest` holds the unreadable entries as they came; `why` says in plain words what is wrong with them.
    """

    rows: list[ReportRow] | list[Reports] | list[Inbound]
    rest: bytes
    count: int
    why: str


ReportsParsed = list[ReportRow] | list[Reports] | Reports | Partly | Refused
"""A few reports as rows, or many already in columns; all that can be read of them; or a refusal."""

InboundParsed = list[Inbound] | Partly | Refused

# --- polls and history -----------------------------------------------------------------------------------------------


class Polled(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a poll. It is durable before the next one is asked for; `more`: there may be one (Poll.at_once).

    The messages in `inbound` name no account: whoever polls fills it in. `verdict`: why there is no page (a refusal, no
    answer); `rest`, `count` and `why`: entries of it that can't be read, as in Partly.
    """

    reports: list[ReportRow] = []
    inbound: list[Inbound] = []
    more: bool = False
    verdict: Verdict | None = None
    rest: bytes = b""
    count: int = 0
    why: str = ""


PollFlow = Generator[Request, Answer, Polled]


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """Something the account's owner asks the vendor for ever, at `interval_s`: twice as slowly after "too fast".

    `flow` is given the time of receipt (Unix milliseconds). `at_once`: the vendor lets the next page of a full one be
    asked for without waiting for the interval.
    """

    name: Literal["report", "inbound"]
    interval_s: float
    flow: Callable[[int], PollFlow]
    at_once: bool = False


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One message the vendor remembers: `number`, `state` and `code` as in ReportRow; `sent_ms` Unix milliseconds.

    `text` and `destination` are for people; a vendor without them says "".
    """

    vendor_id: str
    number: int
    state: int
    code: str
    sent_ms: int
    text: str = ""
    destination: str = ""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What the vendor sent in a window. `complete` False: it may remember more than it says (its page is full)."""

    rows: list[HistoryRow] = []
    complete: bool = True
    verdict: Verdict | None = None
    rest: bytes = b""
    count: int = 0
    why: str = ""


HistoryFlow = Generator[Request, Answer, History]


class HistoryLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How a vendor bounds its history: windows of `window_s`, asked `interval_s` apart."""

    window_s: int
    interval_s: float
    rows_max: int


# --- publishing ------------------------------------------------------------------------------------------------------


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A multimedia message that lies where phones get it: `url` is the text of the message that sends it.

    `files` are (name, URL) of all that was uploaded. `verdict`: why there is no `url`.
    """

    url: str = ""
    files: tuple[tuple[str, str], ...] = ()
    warn: str = ""
    verdict: Verdict | None = None


PublishFlow = Generator[Request, Answer, Published]


# --- operations ------------------------------------------------------------------------------------------------------


class OperationResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an operation: `verdict.kind` is ACCEPTED, UNKNOWN, or a definite no; `says` in plain words."""

    verdict: Verdict
    says: str = ""


OperationFlow = Generator[Request, Answer, OperationResult]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person has the vendor do to an account (a top-up, a new password): written once, never repeated.

    `shows` are (name, value) pairs of all that will be sent, secrets as `***`. Its requests that change anything have
    `submits` set, so that a broken one is unknown. `afterwards`: what the person has to do then, if it was done;
    `if_unknown`: what to look at, at the vendor, if nobody knows. `secrets`: what must be masked should an answer
    repeat it, besides the account's own (a new password).
    """

    name: str
    shows: tuple[tuple[str, str], ...]
    flow: OperationFlow
    afterwards: str = ""
    if_unknown: str = ""
    secrets: tuple[str, ...] = ()
