"""The vendor seam: what a vendor is to the rest of the dispatcher (docs/ADDING_A_VENDOR.md explains how to write one).

A vendor is sans-I/O: values in, values out; no client, no clock, no logging. Submitting is a *flow*, a generator that
yields requests, is sent their answers and returns a Verdict; a driver runs it. Push and page parsers are plain
functions from bytes to values. The lane, the joiner and the webhooks know this file, never a vendor.

What answers mean (classes, code tables, HTTP statuses) is in outcomes.py and can be imported from here too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Final, Literal

import msgspec

from dispatcher.core.lane.verdict import Kind, Verdict
from dispatcher.core.messages.template import Template, VariableLimits
from dispatcher.core.messages.text import Split
from dispatcher.vendors.seam.exchange import (
    Answer,
    Balance,
    BalanceFlow,
    History,
    HistoryFlow,
    HistoryLimits,
    HistoryRow,
    InboundParsed,
    Operation,
    OperationFlow,
    OperationResult,
    Partly,
    Poll,
    Polled,
    PollFlow,
    Product,
    Published,
    PublishFlow,
    Push,
    PushProof,
    Refused,
    ReportRow,
    ReportsParsed,
    Request,
    SubmitFlow,
)
from dispatcher.vendors.seam.keys import wrong_key
from dispatcher.vendors.seam.outcomes import (
    Code,
    Codes,
    ReportCode,
    ReportCodes,
    broken_verdict,
    codes,
    report_codes,
    status_verdict,
)
from schemas.records import MessageKind, Reports

__all__ = [
    "Answer",
    "Balance",
    "BalanceFlow",
    "Code",
    "Codes",
    "Flow",
    "History",
    "HistoryFlow",
    "HistoryLimits",
    "HistoryRow",
    "InboundParsed",
    "Kind",
    "Limits",
    "Message",
    "MessageKind",
    "Operation",
    "OperationFlow",
    "OperationResult",
    "Partly",
    "Poll",
    "PollFlow",
    "Polled",
    "Product",
    "PublishFlow",
    "Published",
    "Push",
    "PushProof",
    "Refused",
    "ReportCode",
    "ReportCodes",
    "ReportRow",
    "ReportsParsed",
    "Request",
    "Secret",
    "SubmitFlow",
    "Template",
    "VariableLimits",
    "Vendor",
    "Verdict",
    "broken_verdict",
    "codes",
    "options_for",
    "report_codes",
    "status_verdict",
]

# --- the vendor ------------------------------------------------------------------------------------------------------


class Flow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A flow limit: at most `limit` units in any `per_s` seconds. Units: messages (numbers), requests or parts."""

    limit: int
    per_s: float = 1.0
    unit: Literal["messages", "requests", "parts"] = "messages"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one request may carry. `numbers_min` of 2 or more: a remainder below it is merged with its neighbour.

    `international`, `phs`: are numbers abroad, and those with an area code in China, taken at all?
    """

    numbers_max: int
    numbers_min: int = 1
    mobiles_chars_max: int | None = None
    text_chars_max: int
    charset: str = "utf-8"
    international: bool = False
    phs: bool = False


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent to every recipient of a campaign. `options` are the campaign's vendor options (extno, …)."""

    text: str
    options: Mapping[str, str] = {}
    kind: MessageKind = "sms"


def options_for(account: str, options: Mapping[str, str]) -> dict[str, str]:
    """What of a campaign's options is for this account: those of all (`extno`) and, over them, its `ACCOUNT.extno`."""
    own = {name.rpartition(".")[2]: value for name, value in options.items() if name.rpartition(".")[0] == account}
    return {name: value for name, value in options.items() if "." not in name} | own


SECRET_CHARS_MIN: Final = 4
"""A shorter secret is not looked for: masking it would blot out half of every text."""


class Secret(str):
    """A secret from the configuration: prints as `***` in reprs; use it as a str only where it goes on the wire."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def secrets_in(value: object) -> Iterator[Secret]:
    """The secrets in this value, if it is one, or among its fields and those of the tables in them."""
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from secrets_in(getattr(value, name))


class Vendor(msgspec.Struct, frozen=True, kw_only=True, tag_field="vendor", forbid_unknown_fields=True):
    """One account's configuration and the pure code that speaks its vendor's interface.

    The fields are the keys of `[account.NAME]`; a vendor adds its own parameter names. `flow` None means unpaced.
    `inflight_max` requests at a time; `attempts_max` tries of a chunk that is refused for now, and `give_up_after_s`
    at least, before it fails. `keepalive_s`: an
    idle connection older than this is not used again; keep it below the vendor's own (a request written into a
    connection the vendor is just closing is unknown). `balance_interval_s` None: the vendor has no such query.
    `push_from`: the addresses and networks its pushes may come from; empty: any. `push_open`: it is meant that anybody
    who reaches us may push.
    """

    url: str
    flow: Flow | None = None
    numbers_per_request: int | None = None
    inflight_max: int = 16
    connect_timeout_s: float = 5.0
    timeout_s: float = 30.0
    keepalive_s: float = 4.0
    attempts_max: int = 8
    give_up_after_s: float = 3_600.0
    send_hours: tuple[int, int] | None = None
    balance_interval_s: float | None = None
    push_from: tuple[str, ...] = ()
    push_open: bool = False

    codes: ClassVar[Codes]
    report_codes: ClassVar[ReportCodes]
    apart: ClassVar[tuple[str, ...]] = ()
    """Tables of the account that only commands of their own use: a secret that is missing there stops only those."""
    kinds: ClassVar[tuple[MessageKind, ...]] = ("sms",)
    cookies: ClassVar[bool] = False
    """Whether a flow's requests carry the cookies that the flow's earlier answers set."""

    extension: ClassVar[str] = ""
    """The vendor's option that extends the sender's number (`--extno`); empty where it has none."""

    ids_each: ClassVar[bool] = False
    """Whether each recipient gets a vendor id of its own; reports then prove one message, not a chunk."""

    locks_out: ClassVar[bool] = False
    """Whether wrong logins lock the account: then, until one was let in, there is one request at a time."""

    @property
    def tag(self) -> str:
        """The vendor's name in the configuration."""
        return str(self.__struct_config__.tag)

    @property
    def limits(self) -> Limits:
        """What one request may carry, by document and configuration."""
        raise NotImplementedError

    @property
    def split(self) -> Split:
        """How the vendor counts the parts of a long text (for estimates and `parts` limits)."""
        raise NotImplementedError

    def secrets(self) -> tuple[str, ...]:
        """The account's secrets that are long enough to be looked for in what is logged or kept."""
        return tuple(str(secret) for secret in secrets_in(self) if len(secret) >= SECRET_CHARS_MIN)

    def check(self) -> str | None:
        """What is wrong with the configuration, in one sentence that names the key, or None.

        A vendor checks its own keys and calls this for those that all have.
        """
        return wrong_key(self)

    def prepare(self, message: Message) -> bytes:
        """The request body's prefix for this message: computed once per campaign. Raises TextError if refused."""
        raise NotImplementedError

    def notes(self, message: Message) -> tuple[str, ...]:
        """What to tell whoever launches this message: shown with the plan, a sentence each; it stops nothing."""
        return ()

    def submit(self, prepared: bytes, chunk: memoryview, count: int) -> SubmitFlow:
        """The flow that sends one message to the `count` comma-joined numbers of `chunk`."""
        raise NotImplementedError

    @property
    def variable_limits(self) -> VariableLimits | None:
        """How many recipients of a personalised campaign one request may carry; None: one request for each text."""
        return None

    def prepare_variable(self, message: Message, template: Template) -> bytes:
        """As `prepare`, for `submit_variable`: the text is the template's. Raises TextError if refused."""
        raise NotImplementedError

    def submit_variable(
        self, prepared: bytes, chunk: memoryview, count: int, values: Sequence[Sequence[str]]
    ) -> SubmitFlow:
        """The flow that sends to `count` numbers a text each; `values[i]`: what to put for the i-th one's slots."""
        raise NotImplementedError

    def balance(self) -> BalanceFlow | None:
        """The flow that asks for the balance; None where the vendor has no such query."""
        return None

    def polls(self) -> tuple[Poll, ...]:
        """What has to be fetched from this vendor; empty where it pushes everything."""
        return ()

    @property
    def history_limits(self) -> HistoryLimits | None:
        """How its history may be asked; None where the vendor has none."""
        return None

    def history(self, start_ms: int, end_ms: int) -> HistoryFlow | None:
        """The flow that asks what was sent in [start, end) (Unix milliseconds), a window within `history_limits`."""
        return None

    def change_login(self, new_password: Secret, new_login_name: str | None = None) -> Operation | None:
        """The operation that gives the account another password, and login name if not None; None: it has none.

        Raises UserError for a password or name that the vendor does not take.
        """
        return None

    def publish(self, files: Mapping[str, bytes]) -> PublishFlow | None:
        """The flow that uploads a multimedia message's files (name: content) and says its URL; None if it has none.

        Raises TextError for files that make no message.
        """
        return None

    def push_proof(self, query: bytes, body: bytes | None) -> PushProof:
        """Whether a push is the vendor's; asked first with `body` None, before the body is read. Must be cheap.

        The secret is configured (`receiver` and `push_pswd`, a `push_key`); without one anybody can push.
        """
        return PushProof.NOT_ASKED

    @property
    def takes_pushes_from_anybody(self) -> bool:
        """Whether the account asks its pushes neither for a secret nor for an address."""
        return not self.push_from and self.push_proof(b"", None) is PushProof.NOT_ASKED

    def report_push(self, push: Push) -> ReportsParsed:
        """The reports in a push to /push/ACCOUNT/report."""
        return Refused(404, "this vendor pushes no reports", False)

    def report_pushes(self, pushes: Sequence[Push]) -> tuple[list[Reports], list[int]] | None:
        """Many pushes at once: their reports, and how many each had. None: read each by `report_push`.

        For vendors that push by the hundred; only where every push is as regular as theirs nearly always are.
        """
        return None

    def inbound_push(self, push: Push) -> InboundParsed:
        """The messages in a push to /push/ACCOUNT/inbound."""
        return Refused(404, "this vendor pushes no messages", False)

    def push_answer(self) -> bytes:
        """The body that tells the vendor that its push is safe with us."""
        return b""
