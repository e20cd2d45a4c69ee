"""What COSMS pushes to its customers: report lists with one value, and messages, each a GET (vendors.md 1.12, 8.1)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

import numpy as np

from loadtest.sim.cosms import ids as cosms_ids
from loadtest.sim.cosms.account import Message, own
from loadtest.sim.cosms.text import GB, URLENCODE, UTF8, encoded
from loadtest.sim.http.push_client import Answer
from loadtest.sim.http.target import Target
from loadtest.sim.ledger.ledger import Book
from loadtest.sim.reports.bundles import Bundle
from loadtest.sim.reports.schedule import ROW
from loadtest.sim.requests import text_rows as stencil
from loadtest.sim.state import Inbound, State

COMMAS = {"raw": b",", "encoded": b"%2C"}


class CosmsPushes:
    """Encodes pushes, and keeps messages for getMo; sends nothing."""

    one_status: ClassVar[bool] = True

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def reports_max(self) -> int:
        """At most 100."""
        return int(self._state.switches.push_ids)

    def is_taken(self, answer: Answer) -> bool:
        """HTTP 200 and the body 100, blanks and line ends aside (AMB-COSMS-25)."""
        return answer.status == 200 and answer.body.strip() == b"100"

    def stray_id(self, vendor_id: bytes) -> bytes:
        """An unused id."""
        return cosms_ids.stray(vendor_id)

    def bundle_push(self, book: Book, target: Target, bundle: Bundle) -> bytes:
        """Reports that all have the first one's value."""
        comma = COMMAS[self._state.switches.push_comma]
        ids = stencil.lines(bundle.ids.size, *cosms_ids.texts(bundle.ids, bundle.places), comma)
        value = self._state.ledger.status_names[int(bundle.statuses[0])] or ""
        return _report(target, ids[: -len(comma)], value)

    def made_report(self, book: Book, wanted: Mapping[str, Any]) -> bytes:
        """One of `mtID` (a text, or a list of them) and `mtReport`; null leaves one out; or `query` as it is."""
        target = Target.of(book.config.report_url)
        if "query" in wanted:
            return target.request("GET", str(wanted["query"]).encode())
        ids, comma = wanted.get("mtID", "1"), COMMAS[self._state.switches.push_comma]
        joined = comma.join(str(i).encode() for i in (ids if isinstance(ids, list) else [ids]))
        fields = {"mtID": None if ids is None else joined, "mtReport": wanted.get("mtReport", "0")}
        return target.request("GET", _query({k: v for k, v in fields.items() if v is not None}))

    def inbound_pushes(self, book: Book, wanted: Mapping[str, Any]) -> list[Inbound]:
        """One message of `mobile`, `to` (the sub-number), `msg`, `time`, `moID`, `msgFormat`, or several as a list of
        such tables in `messages`; null leaves a parameter out; or `query` as it is.
        """
        target = Target.of(book.config.inbound_url)
        if "query" in wanted:
            return [Inbound(target.request("GET", str(wanted["query"]).encode()))]
        return [
            Inbound(target.request("GET", self._message(one, self._made(book, one))))
            for one in wanted.get("messages", [wanted])
        ]

    def keep_inbound(self, book: Book, wanted: Mapping[str, Any]) -> int:
        """The same messages, kept for getMo; how many."""
        kept, made = own(book), [self._made(book, one) for one in wanted.get("messages", [wanted])]
        rows = np.zeros(len(made), ROW)
        rows["due_s"] = time.monotonic()
        rows["place"] = np.arange(len(kept.messages), len(kept.messages) + len(made))
        kept.messages += made
        kept.inbound.schedule.put(rows)
        return len(made)

    def _made(self, book: Book, wanted: Mapping[str, Any]) -> Message:
        told: dict[str, Callable[[], str]] = {
            "moID": lambda: own(book).next_mo_id(),
            "time": self._state.clock.stamp14,
            "mobile": lambda: "13800138000",
            "to": lambda: "",
            "msg": lambda: "",
        }
        fields = [str(wanted[name]) if wanted.get(name) is not None else make() for name, make in told.items()]
        fields[3] = self._state.switches.number + fields[3]
        return Message(*fields)

    def _message(self, wanted: Mapping[str, Any], message: Message) -> bytes:
        asked = wanted.get("msgFormat")
        said, text = encoded(message.text, int(self._state.switches.mo_push_format if asked is None else asked))
        if said in (GB, UTF8) or (said == URLENCODE and self._state.switches.mo_push_text == "double"):
            text = quote(text, safe="").encode()
        names = {"moID": "moID", "moTime": "time", "mobs": "mobile", "destID": "to", "msg": "msg"}
        values: dict[str, Any] = dict(zip(names, (*message[:4], text), strict=True))
        left_out = {name for name, key in names.items() if key in wanted and wanted[key] is None}
        return _query({"msgFormat": said} | {k: v for k, v in values.items() if k not in left_out})


def _report(target: Target, ids: bytes, value: str) -> bytes:
    return target.request("GET", _query({"mtID": ids, "mtReport": value}))


def _query(fields: Mapping[str, Any]) -> bytes:
    """Bytes as they are, the rest url-encoded."""
    return b"&".join(
        b"%b=%b" % (k.encode(), v if isinstance(v, bytes) else quote(str(v), safe="").encode())
        for k, v in fields.items()
    )
