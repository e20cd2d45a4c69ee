"""The vendor seam: a vendor's interface to the dispatcher (docs/ADDING_A_VENDOR.md explains how to write one).

A vendor is sans-I/O: values in, values out; no client, no clock, no logging. Submitting is a *flow*, a generator that
yields requests, receives their answers and returns a Verdict; a driver runs it. Push and page parsers are plain
functions from bytes to values. The lane, the joiner and the webhooks know this file, never a vendor.

What answers mean (classes, code tables, HTTP statuses) is in outcomes.py and can be imported from here, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from operator import attrgetter
from typing import ClassVar, Final, Literal

import msgspec

from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.core.messages.template import Template, VariableLimits
from dispatcher.core.messages.text import Split
from dispatcher.core.money.amounts import micro_yuan
from dispatcher.core.shanghai import DAY_MS, SHANGHAI_MS
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
    PolledPage,
    PollFlow,
    Product,
    PublishedMessage,
    PublishFlow,
    Push,
    PushProof,
    Refusal,
    ReportRow,
    ReportsParsed,
    Request,
    SubmitFlow,
)
from dispatcher.vendors.seam.keys import wrong_http_key, wrong_key
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
from schemas.records import MessageKind, PriceChange, Reports

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
    "HttpVendor",
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
    "PolledPage",
    "Price",
    "Product",
    "PublishFlow",
    "PublishedMessage",
    "Push",
    "PushProof",
    "Refusal",
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


_DAY_1970: Final = 719_163
_from_ms = attrgetter("from_ms")


class Flow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A flow limit: at most `limit` units in any `per_s` seconds. Units: messages (numbers), requests or parts."""

    limit: int
    per_s: float = 1.0
    unit: Literal["messages", "requests", "parts"] = "messages"


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a part of a message costs in CNY, as "0.045", by the recipient's carrier; `default` where it has none.

    From the day `since` (key `from`) on, as days are in Asia/Shanghai; None: always.
    """

    since: date | None = msgspec.field(name="from", default=None)
    default: str
    mobile: str = ""
    unicom: str = ""
    telecom: str = ""
    broadnet: str = ""
    abroad: str = ""
    unknown: str = ""

    def by_carrier(self) -> dict[str, int]:
        """The prices in micro-yuan by carrier's word and "default". Raises ValueError for what is no price."""
        names = (name for name in self.__struct_fields__ if name != "since")
        return {name: micro_yuan(written) for name in names if (written := getattr(self, name))}

    @property
    def from_ms(self) -> int:
        """The beginning of its first day; 0: always."""
        return 0 if self.since is None else (self.since.toordinal() - _DAY_1970) * DAY_MS - SHANGHAI_MS


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one request may carry. `numbers_min` of 2 or more: a remainder below it is merged with its neighbour.

    `international`, `phs`: whether numbers abroad, and those with an area code in China, are taken.
    """

    numbers_max: int
    numbers_min: int = 1
    mobiles_chars_max: int | None = None
    text_chars_max: int
    charset: str = "utf-8"
    international: bool = False
    phs: bool = False


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a campaign sends to every recipient. `options` are the campaign's vendor options (extno, …)."""

    text: str
    options: Mapping[str, str] = {}
    kind: MessageKind = "sms"


def options_for(account: str, options: Mapping[str, str]) -> dict[str, str]:
    """A campaign's options for this account: those for all accounts (`extno`), overridden by its `ACCOUNT.extno`."""
    own = {name.rpartition(".")[2]: value for name, value in options.items() if name.rpartition(".")[0] == account}
    return {name: value for name, value in options.items() if "." not in name} | own


SECRET_CHARS_MIN: Final = 4
"""Shorter secrets are not masked: that would hide half of every text."""


class Secret(str):
    """A secret from the configuration: its repr is `***`; use it as a str only on the wire."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def secrets_in(value: object) -> Iterator[Secret]:
    """This value if it is a secret, and the secrets in its fields and their tables."""
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from secrets_in(getattr(value, name))


class Vendor(msgspec.Struct, frozen=True, kw_only=True, tag_field="vendor", forbid_unknown_fields=True):
    """One account's configuration and the pure code of its vendor's interface, whatever carries it.

    The fields are the keys of `[account.NAME]`; a vendor adds its own parameter names. It is an `HttpVendor` or a
    `LinkVendor`, as which the driver and whatever else depends on the carrier know it. `flow` None means
    unpaced. A chunk that is refused for now fails after `attempts_max` tries and `give_up_after_s`. `price` None: its
    campaigns have no cost; several are dated, the first one counts before its day, too.

    `opt_out_footer`: what a marketing text must end with. `signature`: whether the `text` must have the 【signature】,
    the `vendor` adds it, or (empty) it is not known.
    """

    url: str
    flow: Flow | None = None
    connect_timeout_s: float = 5.0
    attempts_max: int = 8
    give_up_after_s: float = 3_600.0
    send_hours: tuple[int, int] | None = None
    price: Price | tuple[Price, ...] | None = None
    opt_out_footer: str = ""
    signature: Literal["", "text", "vendor"] = ""

    codes: ClassVar[Codes]
    report_codes: ClassVar[ReportCodes]
    optional_tables: ClassVar[tuple[str, ...]] = ()
    """Tables of the account that only their own commands use: a missing secret there stops only those commands."""
    kinds: ClassVar[tuple[MessageKind, ...]] = ("sms",)

    extension: ClassVar[str] = ""
    """The vendor's option that extends the sender's number (`--extno`); empty if it has none."""

    ids_each: ClassVar[bool] = False
    """Whether each recipient gets its own vendor id; reports then prove one message, not a chunk."""

    ids_per_part: ClassVar[bool] = False
    """Whether each part of a long message gets its own vendor id and report; exports then count the parts."""

    reports_to_the_minute: ClassVar[bool] = False
    """Whether its reports name the minute in which they happened, and no second."""

    locks_out: ClassVar[bool] = False
    """Whether wrong logins lock the account: then there is one request at a time until a login succeeds."""

    @property
    def dated_prices(self) -> tuple[Price, ...]:
        """Its prices in the order of their days."""
        if self.price is None:
            return ()
        return self.price if isinstance(self.price, tuple) else (self.price,)

    def prices_at(self, at_ms: int) -> dict[str, int]:
        """The prices in effect then, as `Price.by_carrier` has them; {} without prices."""
        first, *later = self.dated_prices or (None,)
        if first is None:
            return {}
        return max([first, *(each for each in later if each.from_ms <= at_ms)], key=_from_ms).by_carrier()

    def price_changes(self, after_ms: int) -> tuple[PriceChange, ...]:
        """The prices that come into effect after then."""
        later = self.dated_prices[1:]
        return tuple(PriceChange(each.from_ms, each.by_carrier()) for each in later if each.from_ms > after_ms)

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
        """How the vendor counts the parts of a long text (for estimates and limits in `parts`)."""
        raise NotImplementedError

    @property
    def chunk_numbers_max(self) -> int:
        """The most recipients of a chunk."""
        return self.limits.numbers_max

    @property
    def request_numbers_max(self) -> int:
        """The most recipients of one request on the wire."""
        return self.chunk_numbers_max

    @property
    def chunks_max(self) -> int:
        """How many chunks may be under way at a time."""
        raise NotImplementedError

    @property
    def answer_s(self) -> float:
        """The longest time from the first byte of a request to its answer, or to its end without one."""
        raise NotImplementedError

    def secrets(self) -> tuple[str, ...]:
        """The account's secrets that are long enough to be masked in logs and records."""
        return tuple(str(secret) for secret in secrets_in(self) if len(secret) >= SECRET_CHARS_MIN)

    def check(self) -> str | None:
        """One sentence that names a wrong key of the configuration, or None.

        A vendor checks its own keys and calls this for the common ones.
        """
        return wrong_key(self)

    def prepare(self, message: Message) -> object:
        """What the driver sends for this message: computed once per campaign. Raises TextError if refused."""
        raise NotImplementedError

    def notes(self, message: Message) -> tuple[str, ...]:
        """Warnings for the launcher of this message: one sentence each, shown with the plan; they stop nothing."""
        return ()

    def reports_from_ms(self, options: Mapping[str, str]) -> int:
        """When the wait for reports of a campaign with these options begins, Unix milliseconds; 0: with the submit."""
        return 0

    @property
    def variable_limits(self) -> VariableLimits | None:
        """How many recipients of a personalised campaign one request may carry; None: one request for each text."""
        return None

    def prepare_variable(self, message: Message, template: Template) -> object:
        """As `prepare`, for many texts at once: the text is the template's. Raises TextError if refused."""
        raise NotImplementedError


class HttpVendor(Vendor, frozen=True, kw_only=True):
    """A vendor that is asked, and pushes, over HTTP.

    `inflight_max` requests at a time. `keepalive_s`: an idle connection older than this is not used again; keep it
    below the vendor's own (a request written into a connection that the vendor is just closing is unknown).
    `balance_interval_s` None: the vendor has no such query. `push_from`: the addresses and networks its pushes may come
    from; empty: any. `push_open`: anybody who reaches us may push, on purpose.
    """

    numbers_per_request: int | None = None
    inflight_max: int = 16
    timeout_s: float = 30.0
    keepalive_s: float = 4.0
    balance_interval_s: float | None = None
    push_from: tuple[str, ...] = ()
    push_open: bool = False

    cookies: ClassVar[bool] = False
    """Whether a flow's requests carry the cookies of the flow's earlier answers."""

    @property
    def chunk_numbers_max(self) -> int:
        return min(self.limits.numbers_max, self.numbers_per_request or self.limits.numbers_max)

    @property
    def chunks_max(self) -> int:
        return self.inflight_max

    @property
    def answer_s(self) -> float:
        return self.timeout_s

    def check(self) -> str | None:
        return wrong_http_key(self) or super().check()

    def prepare(self, message: Message) -> bytes:
        """The request body's prefix for this message. Raises TextError if refused."""
        raise NotImplementedError

    def submit(self, prepared: bytes, chunk: memoryview, count: int) -> SubmitFlow:
        """The flow that sends one message to the `count` comma-joined numbers of `chunk`."""
        raise NotImplementedError

    def prepare_variable(self, message: Message, template: Template) -> bytes:
        """As `prepare`, for `submit_variable`: the text is the template's. Raises TextError if refused."""
        raise NotImplementedError

    def submit_variable(
        self, prepared: bytes, chunk: memoryview, count: int, values: Sequence[Sequence[str]]
    ) -> SubmitFlow:
        """The flow that sends each of `count` numbers its own text; `values[i]`: values for the i-th one's slots."""
        raise NotImplementedError

    def balance(self) -> BalanceFlow | None:
        """The flow that queries the balance; None if the vendor has no such query."""
        return None

    def polls(self) -> tuple[Poll, ...]:
        """The vendor's polls; empty if it pushes everything."""
        return ()

    @property
    def history_limits(self) -> HistoryLimits | None:
        """The bounds on history queries; None if the vendor has no history."""
        return None

    def history(self, start_ms: int, end_ms: int) -> HistoryFlow | None:
        """The flow that queries what was sent in [start, end) (Unix milliseconds), a window within `history_limits`."""
        return None

    def change_login(self, new_password: Secret, new_login_name: str | None = None) -> Operation | None:
        """The operation that changes the password, and the login name if not None; None: the vendor has none.

        Raises UserError for a password or name that the vendor does not take.
        """
        return None

    def publish(self, files: Mapping[str, bytes]) -> PublishFlow | None:
        """The flow that uploads a multimedia message's files (name: content) and returns its URL; None if unsupported.

        Raises TextError for files that do not make a message.
        """
        return None

    def push_proof(self, query: bytes, body: bytes | None) -> PushProof:
        """Whether a push is the vendor's; called first with `body` None, before the body is read. Must be cheap.

        The secret is configured (`receiver` and `push_pswd`, a `push_key`); without one anybody can push.
        """
        return PushProof.NOT_ASKED

    @property
    def takes_pushes_from_anybody(self) -> bool:
        """Whether the account's pushes need neither a secret nor an address."""
        return not self.push_from and self.push_proof(b"", None) is PushProof.NOT_ASKED

    def report_push(self, push: Push) -> ReportsParsed:
        """The reports in a push to /push/ACCOUNT/report."""
        return Refusal(404, "this vendor pushes no reports", False)

    def report_pushes(self, pushes: Sequence[Push]) -> tuple[list[Reports], list[int]] | None:
        """Many pushes at once: their reports, and the number in each. None: read each by `report_push`.

        For vendors that push by the hundred, and only if every push has the usual form.
        """
        return None

    def inbound_push(self, push: Push) -> InboundParsed:
        """The messages in a push to /push/ACCOUNT/inbound."""
        return Refusal(404, "this vendor pushes no messages", False)

    def push_answer(self) -> bytes:
        """The body that acknowledges a push to the vendor."""
        return b""
