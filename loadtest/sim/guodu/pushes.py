"""What GUODU pushes to its customers: reports, and messages, as JSON, up to 250 each and never both (vendors.md 5.3 to
5.6, AMB-GD-9, 10, 13).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from loadtest.sim.guodu.codes_and_switches import FAILED, STATUSES
from loadtest.sim.http.push_client import Answer
from loadtest.sim.http.target import Target
from loadtest.sim.ledger.ledger import Book
from loadtest.sim.reports.bundles import Bundle
from loadtest.sim.requests import text_rows as stencil
from loadtest.sim.state import Inbound, State

CONTENT_TYPE = b"application/json; charset=UTF-8"
PREFIX = {"none": b"", "86": b"86", "+86": b"+86"}
STRAY = 1_000_000_000  # added to an id to make an unused one


class GuoduPushes:
    """Encodes pushes; sends nothing."""

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def reports_max(self) -> int:
        """At most 250; one as an object."""
        switches = self._state.switches
        return 1 if switches.push_shape == "object" else int(switches.push_entries)

    def is_taken(self, answer: Answer) -> bool:
        """AMB-GD-13."""
        match self._state.switches.ack:
            case "body_ok":
                return answer.status == 200 and answer.body.strip().lower() == b"ok"
            case "json_code0":
                return answer.status == 200 and _code(answer.body) in ("0", "00")
            case _:
                return answer.status == 200

    def stray_id(self, vendor_id: bytes) -> bytes:
        """An id of somebody else."""
        return b"%d" % (int(vendor_id) + STRAY)

    def bundle_push(self, book: Book, target: Target, bundle: Bundle) -> bytes:
        """Many reports at once, in the order and with the keys of the document's example."""
        switches, ledger = self._state.switches, self._state.ledger
        names = [name or "" for name in ledger.status_names]
        told = [orjson.dumps(STATUSES.get(name, FAILED)) for name in names]
        statuses = [orjson.dumps(self._status(name)) for name in names]
        odd = [orjson.dumps(raw.decode("utf-8", "replace"))[1:-1] for raw in ledger.odd] if ledger.odd else ()
        entries = stencil.lines(
            bundle.numbers.size,
            b'{"%b":' % self._key("msg"),
            stencil.chosen(told, bundle.statuses),
            b',"%b":"%b' % (self._key("mobile"), PREFIX[switches.report_prefix]),
            stencil.mobiles(bundle.numbers, odd),
            b'","%b":"' % self._key("msgId"),
            stencil.column(bundle.ids),
            b'","%b":"%b","%b":' % (self._key("reportTime"), self._time().encode(), self._key("status")),
            stencil.chosen(statuses, bundle.statuses),
            b"},",
        )
        return self._request(target, entries[:-1])

    def made_report(self, book: Book, wanted: Mapping[str, Any]) -> bytes:
        """One report of `mobile`, `status`, `msgid`, `time` and `msg`, or several as a list of such tables in
        `reports`; null leaves one out; or the `body` as it is.
        """
        target = Target.of(book.config.report_url)
        if "body" in wanted:
            return target.post(str(wanted["body"]).encode(), CONTENT_TYPE)
        entries = []
        for report in wanted.get("reports", [wanted]):
            wanted_status = report.get("status", "0")
            status = "0" if wanted_status is None else str(wanted_status)
            fields = {
                "msg": report.get("msg", STATUSES.get(status, FAILED)),
                "mobile": report.get("mobile", "13800138000"),
                "msgId": report.get("msgid", "1"),
                "reportTime": report.get("time", self._time()),
                "status": None if wanted_status is None else self._status(status),
            }
            entries.append({self._key(k).decode(): v for k, v in fields.items() if v is not None})
        return self._request(target, b",".join(map(orjson.dumps, entries)))

    def inbound_pushes(self, book: Book, wanted: Mapping[str, Any]) -> list[Inbound]:
        """One message of `mobile`, `to`, `msg`, `time`, or several as a list of such tables in `messages`; null leaves
        one out; or the `body` as it is.
        """
        target = Target.of(book.config.inbound_url)
        if "body" in wanted:
            return [Inbound(target.post(str(wanted["body"]).encode(), CONTENT_TYPE))]
        keys: Mapping[str, str] = self._state.switches.mo_fields
        entries = []
        for message in wanted.get("messages", [wanted]):
            fields = {
                "mobile": message.get("mobile", "13800138000"),
                "text": message.get("msg", ""),
                "time": message.get("time", self._time()),
                "to": message.get("to", "106900000000"),
            }
            told = {keys[name]: value for name, value in fields.items() if name in keys and value is not None}
            entries.append({self._key(k).decode(): v for k, v in told.items()})
        pushes = [entries[at : at + self.reports_max] for at in range(0, len(entries), self.reports_max)]
        return [Inbound(self._request(target, b",".join(map(orjson.dumps, some))), len(some)) for some in pushes]

    def _request(self, target: Target, entries: bytes) -> bytes:
        switches = self._state.switches
        body = entries if switches.push_shape == "object" else b"[%b]" % entries
        return target.post(body + b";" if switches.trailing_semicolon == "on" else body, CONTENT_TYPE)

    def _key(self, name: str) -> bytes:
        case = self._state.switches.key_case
        name = {"capital": name[:1].upper() + name[1:], "lower": name.lower()}.get(case, name)
        return orjson.dumps(name)[1:-1]

    def _status(self, name: str) -> int | str:
        number = name.removeprefix("-")
        if self._state.switches.status_type == "string" or not (number.isascii() and number.isdigit()):
            return name
        return int(name)

    def _time(self) -> str:
        """YYYY-MM-DD HH:MM:SS."""
        s = self._state.clock.stamp14()
        return f"{s[:4]}-{s[4:6]}-{s[6:8]} {s[8:10]}:{s[10:12]}:{s[12:]}"


def _code(body: bytes) -> str | None:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(said, dict):
        return None
    return next((str(value) for key, value in said.items() if key.lower() in ("code", "resultcode")), None)
