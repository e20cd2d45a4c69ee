"""The driver port: how a lane sends chunks of one account, whatever carries them.

The lane knows drivers, never vendors. There are two: drivers/http (a request for each chunk) and drivers/link (a
message for each recipient, and each part, on long connections). tests/drivers/contract.py says what they promise.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import msgspec

from dispatcher.core.lane.answers.verdict import RunsAnswer, Verdict
from dispatcher.core.lane.gate import Grant
from dispatcher.vendors.seam.exchange import Answer, Balance, ReportRow, Request
from schemas.records import Inbound, Reports

T = TypeVar("T")

Values = Sequence[Sequence[str]]
"""The values of each recipient's placeholders."""


class Columns(msgspec.Struct, frozen=True):
    """What is known of each frame of a chunk (drivers/link/progress.py): its state, its Result, its id of 64 bits."""

    states: memoryview
    results: memoryview
    ids: memoryview


class Gate(Protocol):
    """The lane, as the driver asks it about one chunk right before bytes of it are written.

    Who sends the chunk in one request asks `may_write`; who sends it message by message asks `grant`.
    """

    def may_write(self) -> bool | Awaitable[object]:
        """True: write now, in this step of the event loop. False: never. Else: ask again when the future is done."""
        ...

    def grant(self, messages: int, resume: Callable[[], None], *, started: bool = False) -> Grant | None:
        """How many of the next `messages` may be written now (Owner.grant). None: ask again when `resume` is called."""
        ...

    def columns(self, count: int, parts: int) -> Columns | None:
        """Columns for these recipients with this many frames each, which outlive this process. None: there are none.

        A driver that asks `grant` keeps what it knows in them until the chunk ends; then it uses them no more.
        """
        ...

    def messages_answered(self, ticket: int, wrote_s: float, answered_s: float) -> None:
        """The last answer to the messages of a grant is here."""
        ...

    def heard(self, verdict: Verdict) -> None:
        """An answer to one message that says something of the account: too fast, busy, no credit."""
        ...

    def late(self, first: int, answer: RunsAnswer) -> None:
        """Answers to recipients, from `first` of those sent on, that were reported as unknown before."""
        ...


class Sent(msgspec.Struct, frozen=True):
    """What became of a chunk. A RunsAnswer says it of each recipient.

    With a verdict on the whole chunk come its times on the monotonic clock. `wrote_s`: right before the submit's first
    byte, None if none went out; `answered_s`: None if no answer came.
    """

    verdict: Verdict | RunsAnswer
    wrote_s: float | None = None
    answered_s: float | None = None


class Deliveries(msgspec.Struct, frozen=True):
    """What a vendor delivered on its own: reports in the order they came, messages, (why, bytes) of what is neither."""

    reports: list[ReportRow | Reports]
    messages: list[Inbound]
    unreadable: list[tuple[str, bytes]]


class Host(Protocol):
    """What a driver tells its lane beside the sending."""

    async def take(self, deliveries: Deliveries) -> None:
        """Make them durable. Raises LogError."""
        ...

    def login(self, verdict: Verdict | None) -> None:
        """A login of the driver's own was refused, or taken (None)."""
        ...


class Driver(Protocol):
    """Sends chunks of one account; never raises for failures of vendor or network."""

    async def open(self, host: Host) -> None:
        """The lane is owned: connect, if connections bring something by themselves."""
        ...

    async def send(
        self, prepared: Any, chunk: memoryview, count: int, gate: Gate, *, values: Values | None = None
    ) -> Sent:
        """Send what the vendor `prepared` to the `count` comma-joined numbers of `chunk`, each message at most once.

        With `values`, each number gets its own text. Build what is to be written and connect first, then ask `gate`,
        and write in the same step of the event loop. What the gate refuses is NOT_SENT.
        """
        ...

    def abandon(self) -> None:
        """Wait no longer: everything under way ends now with what is known of it."""
        ...

    async def close(self) -> None:
        """End all connections in good order."""
        ...


@runtime_checkable
class QueryingDriver(Driver, Protocol):
    """A driver of a vendor that can be asked questions."""

    async def query(
        self, flow: Generator[Request, Answer, T], *, before_write: Callable[[], bool] | None = None
    ) -> T | Verdict:
        """The result of a query; a Verdict if it got no usable answer."""
        ...

    async def balance(self, *, before_write: Callable[[], bool] | None = None) -> Balance | None:
        """The account's balance, or why it is not known; None if the vendor has no such query.

        `before_write` is called right before the first byte; False: nothing is sent.
        """
        ...
