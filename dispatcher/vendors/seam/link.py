"""The seam of a vendor behind a long connection: CMPP's gateway (docs/vendors/cmpp.md).

As every vendor, it is values in, values out. The driver has the connections, their windows and their clocks; the vendor
says what is sent, what an answer means, and what a delivery holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import msgspec

from dispatcher.cmpp.link import LinkSettings
from dispatcher.cmpp.pdus import Deliver
from dispatcher.cmpp.submits import SubmitTemplate
from dispatcher.core.lane.answers.verdict import Verdict
from dispatcher.vendors.seam.exchange import ReportRow
from dispatcher.vendors.seam.vendor import Message, Vendor
from schemas.records import Inbound, Reports


class Unreadable(msgspec.Struct, frozen=True):
    """A delivery that is neither a report nor a message: kept as it came."""

    why: str
    body: bytes


class LinkVendor(Vendor, frozen=True, kw_only=True):
    """A vendor on links. `connections` of them are open while the lane is owned, each with `window` requests under way.

    C, T and N of the document are `idle_s`, `timeout_s` and `transmissions`. An account's chunks are spread over its
    links; a chunk, and so all parts of a message, stays on one.
    """

    connections: int = 1
    window: int = 16
    idle_s: float = 180.0
    timeout_s: float = 60.0
    transmissions: int = 3

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the gateway."""
        url = urlsplit(self.url)
        return url.hostname or "", url.port or self.port

    @property
    def port(self) -> int:
        """The port if `url` names none."""
        raise NotImplementedError

    @property
    def chunks_max(self) -> int:
        """Two for each link, so that its window does not run empty between them."""
        return 2 * self.connections

    @property
    def answer_s(self) -> float:
        return self.timeout_s * self.transmissions

    @property
    def settings(self) -> LinkSettings:
        """What a link must know."""
        raise NotImplementedError

    def prepare(self, message: Message) -> SubmitTemplate:
        """The frames of this message, all parts. Raises TextError if refused."""
        raise NotImplementedError

    def sends_at_ms(self, options: Mapping[str, str]) -> int:
        """When the gateway sends the messages of a campaign with these options, Unix milliseconds; 0: at once."""
        return 0

    def number(self, wire: bytes) -> bytes:
        """A recipient's number as this account writes it."""
        return wire

    def answer(self, result: int, transmissions: int) -> Verdict:
        """What the answer to a message, or to a part of it, means."""
        raise NotImplementedError

    def login_refused(self, status: int) -> Verdict:
        """What a refused login means."""
        raise NotImplementedError

    def read(self, deliver: Deliver, account: str, received_ms: int) -> ReportRow | Inbound | Unreadable:
        """What a delivery holds."""
        raise NotImplementedError

    def read_reports(self, frames: bytes, frame_bytes: int, account: str, received_ms: int) -> list[Reports] | None:
        """What these DELIVERs of one length hold, all at once, as `read` reads each of them; None: read each."""
        return None

    def check(self) -> str | None:
        try:
            url = urlsplit(self.url)
            usable = url.scheme == self.tag and bool(url.hostname) and (url.port or 1) > 0
        except ValueError:
            usable = False
        if not usable or url.query or url.fragment or url.username or url.path.strip("/"):
            return f"url must be {self.tag}://HOST[:PORT], without anything behind it."
        bounds: Sequence[tuple[str, int]] = (("connections", 64), ("window", 1_024), ("transmissions", 10))
        for name, most in bounds:
            if not 1 <= getattr(self, name) <= most:
                return f"{name} must be 1 to {most:,}."
        for name in ("idle_s", "timeout_s"):
            if not getattr(self, name) > 0:
                return f"{name} must be above 0 (seconds)."
        if self.flow is not None and self.flow.unit != "parts":
            return (
                "flow counts the messages on the wire here, every part of a long one: write unit = "
                '"parts", for example flow = { limit = 100, unit = "parts" }.'
            )
        return super().check()
