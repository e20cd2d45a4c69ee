"""The driver port: how a lane sends a chunk, and the request bodies prepared once per campaign.

The lane knows drivers, never vendors: the HTTP driver (dispatcher/http_driver.py) is one, a scripted one in the tests
is another.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Protocol, TypeVar

from dispatcher.core.campaigns import Campaigns
from dispatcher.vendors.seam import Answer, Balance, Message, Request, Vendor, Verdict

T = TypeVar("T")


class Sent(Protocol):
    """What came of one submit. Monotonic seconds; None if nothing was written, or no answer came."""

    @property
    def verdict(self) -> Verdict: ...
    @property
    def wrote_s(self) -> float | None: ...
    @property
    def answered_s(self) -> float | None: ...


class Driver(Protocol):
    """Sends chunks of one account and asks its vendor; never raises for what a vendor or network does."""

    async def submit(
        self, prepared: bytes, chunk: memoryview, count: int, *, before_write: Callable[[], bool] | None = None
    ) -> Sent:
        """Send once. `before_write` is asked right before the first byte; False: the verdict is NOT_SENT."""
        ...

    async def query(
        self, flow: Generator[Request, Answer, T], *, before_write: Callable[[], bool] | None = None
    ) -> T | Verdict:
        """What a flow that only asks came to; a Verdict if it got no answer it could go on with."""
        ...

    async def balance(self, *, before_write: Callable[[], bool] | None = None) -> Balance | None:
        """The account's balance, or why it is not known; None where the vendor has no such query.

        `before_write` is asked right before the first byte; False: nothing goes out.
        """
        ...


class Prepared:
    """The prepared body of each (campaign, account), computed when first needed. Raises TextError."""

    def __init__(self, vendors: Mapping[str, Vendor], campaigns: Campaigns) -> None:
        self._vendors = vendors
        self._campaigns = campaigns
        self._bodies: dict[tuple[str, str], bytes] = {}

    def body(self, campaign: str, account: str) -> bytes:
        """The prefix of this campaign's request bodies on this account."""
        key = (campaign, account)
        if key not in self._bodies:
            known = self._campaigns.get(campaign)
            assert known is not None
            assert known.launched is not None
            message = Message(text=known.launched.text, options=known.launched.options)
            self._bodies[key] = self._vendors[account].prepare(message)
        return self._bodies[key]
