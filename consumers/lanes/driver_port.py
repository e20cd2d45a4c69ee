"""The driver port: how a lane sends a chunk, and what its vendor prepares for it.

The lane knows drivers, never vendors. The HTTP driver (dispatcher/drivers/http/driver.py) is one; the tests have a
scripted one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.effects import Send
from dispatcher.core.messages.personal import Personal
from dispatcher.core.messages.template import Template, parse
from dispatcher.drivers.http.body import MayWrite
from dispatcher.vendors.seam.vendor import Answer, Balance, Message, Request, Vendor, Verdict, options_for
from schemas.batch import Values as BatchValues

T = TypeVar("T")

Values = Sequence[Sequence[str]]
"""The values of each recipient's placeholders."""


class Sent(Protocol):
    """The result of one submit. Monotonic seconds; None if nothing was written, or no answer came."""

    @property
    def verdict(self) -> Verdict: ...
    @property
    def wrote_s(self) -> float | None: ...
    @property
    def answered_s(self) -> float | None: ...


class Driver(Protocol):
    """Sends chunks of one account and queries its vendor; never raises for failures of vendor or network."""

    async def submit(
        self,
        prepared: Any,
        chunk: memoryview,
        count: int,
        *,
        values: Values | None = None,
        before_write: MayWrite | None = None,
    ) -> Sent:
        """Send once what the vendor `prepared`; with `values`, each number its own text.

        Build the request and connect first, then call `before_write`, and write in the same step of the event loop.
        False: the verdict is NOT_SENT. After a wait the connection is checked again.
        """
        ...

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


class PreparedMessages:
    """What vendors prepare for a chunk, computed on first use and kept if it serves a whole campaign.

    All raise TextError if the account cannot carry it (as when its configuration was changed after the launch).
    """

    def __init__(self, vendors: Mapping[str, Vendor], campaigns: Campaigns) -> None:
        self._vendors = vendors
        self._campaigns = campaigns
        self._prepared: dict[tuple[str, str], object] = {}

    def of(self, send: Send) -> tuple[object, Values | None]:
        """(what the vendor prepared for the driver, each recipient's values if their texts differ)."""
        texts = send.texts
        if texts is not None and (text := texts.text) is not None:
            message, _ = self._message(send.campaign, send.account)
            return self._vendors[send.account].prepare(msgspec.structs.replace(message, text=text)), None
        key = (send.campaign, send.account)
        if key not in self._prepared:
            message, template = self._message(*key)
            vendor = self._vendors[send.account]
            self._prepared[key] = (
                vendor.prepare(message) if texts is None else vendor.prepare_variable(message, template)
            )
        return self._prepared[key], None if texts is None else texts.values

    def personal(self, campaign: str, account: str, values: BatchValues) -> Personal:
        """The texts of a batch as this account sends them. Raises ValueError if they do not fit the campaign."""
        vendor = self._vendors[account]
        _, template = self._message(campaign, account)
        return Personal(values, template.of(values.names), vendor.split, vendor.variable_limits)

    def _message(self, campaign: str, account: str) -> tuple[Message, Template]:
        known = self._campaigns.get(campaign)
        assert known is not None
        assert known.launched is not None
        launched = known.launched
        template = parse(launched.text) if launched.variables else Template((launched.text,))
        options = options_for(account, launched.options)
        return Message(text=launched.text, options=options, kind=launched.kind), template
