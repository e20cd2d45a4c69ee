"""What HEZHONG pushes to its customers: `rpts` and `mos`, up to 500 entries each (vendors.md 2.3, 2.4, 8.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from loadtest.sim.http.push_client import Answer
from loadtest.sim.http.target import Target
from loadtest.sim.ledger.ledger import Book
from loadtest.sim.reports.bundles import Bundle
from loadtest.sim.requests import form
from loadtest.sim.requests import text_rows as stencil
from loadtest.sim.state import Inbound, State

PREFIX = {"none": "", "86": "86", "+86": "+86"}
STRAY = 1_000_000_000  # added to an id to make an unused one


class Layout(NamedTuple):
    """What stands between fields, between entries, after the first of these, and at the end; not url-encoded."""

    field: str
    entry: str
    first: str
    last: str


class HezhongPushes:
    """Encodes pushes; sends nothing."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._names: tuple[object, list[bytes]] = (None, [])
        self._serial = 700_000  # of the platform, one per push and four digits more per report (rpt_fields = 5)

    @property
    def reports_max(self) -> int:
        """At most 500."""
        return int(self._state.switches.push_entries)

    def is_taken(self, answer: Answer) -> bool:
        """HTTP 200, whatever it says (vendors.md 2.5)."""
        return answer.status == 200

    def stray_id(self, vendor_id: bytes) -> bytes:
        """An id of somebody else."""
        return b"%d" % (int(vendor_id) + STRAY)

    def bundle_push(self, book: Book, target: Target, bundle: Bundle) -> bytes:
        """Many reports at once."""
        switches, ledger = self._state.switches, self._state.ledger
        layout = self._layout(in_reports=True)
        between, after = self._wire(layout.field), self._wire(layout.entry)
        names = self._statuses()
        odd = [self._quoted(raw.decode("utf-8", "replace")) for raw in ledger.odd] if ledger.odd else ()
        size = bundle.numbers.size
        parts: list[bytes | stencil.Text] = [
            self._quoted(PREFIX[switches.report_prefix]),
            stencil.mobiles(bundle.numbers, odd),
            between,
            stencil.chosen(names, bundle.statuses),
            between,
            stencil.column(bundle.ids),
            between + self._state.clock.stamp14().encode(),
        ]
        if switches.rpt_fields == 5:
            self._serial += 1
            parts += [between + b"%d" % self._serial, stencil.groups(np.arange(size))]
        entries = stencil.lines(size, *parts, after)
        return self._request(target, b"rpts=" + self._ended(entries, layout))

    def _statuses(self) -> Sequence[bytes]:
        """The ledger's status names on the wire; encoded once."""
        known = (self._state.switches.push_escape, *self._state.ledger.status_names)
        if self._names[0] != known:
            self._names = (known, [self._quoted(name or "") for name in self._state.ledger.status_names])
        return self._names[1]

    def _ended(self, entries: bytes, layout: Layout) -> bytes:
        """Entries that each end with what stands between two: what the first and the last end with instead."""
        after = self._wire(layout.entry)
        head, _, rest = entries[: -len(after)].partition(after)
        middle = self._wire(layout.first) + rest if rest else b""
        return head + middle + self._wire(layout.last)

    def made_report(self, book: Book, wanted: Mapping[str, Any]) -> bytes:
        """One report of `mobile`, `status`, `msgid`, `time` and `serial`, or several as a list of such tables in
        `reports`; null leaves a field out; or `rpts` as it is.
        """
        defaults = {"mobile": "13800138000", "status": "DELIVRD", "msgid": "1", "time": self._state.clock.stamp14()}
        if self._state.switches.rpt_fields == 5:
            defaults["serial"] = str(self._serial)
        entries = [_fields(defaults, report, "serial") for report in wanted.get("reports", [wanted])]
        value = str(wanted["rpts"]) if "rpts" in wanted else self._joined(entries, self._layout(in_reports=True))
        return self._request(Target.of(book.config.report_url), b"rpts=" + self._wire(value))

    def inbound_pushes(self, book: Book, wanted: Mapping[str, Any]) -> list[Inbound]:
        """One message of `mobile`, `to` (the extension), `msg`, `time`, or several as a list of such tables in
        `messages`; null leaves a field out; or `mos` as it is.
        """
        target = Target.of(book.config.inbound_url)
        if "mos" in wanted:
            return [Inbound(self._request(target, b"mos=" + self._wire(str(wanted["mos"]))))]
        double = self._state.switches.mo_text == "double_encoded"
        defaults = {"mobile": "13800138000", "to": "001", "msg": "", "time": self._state.clock.stamp14()}
        entries = []
        for message in wanted.get("messages", [wanted]):
            told = {**message, "msg": form.escaped(str(message.get("msg", "")))} if double else message
            entries.append(_fields(defaults, told))
        pushes = [entries[at : at + self.reports_max] for at in range(0, len(entries), self.reports_max)]
        layout = self._layout(in_reports=False)
        return [
            Inbound(self._request(target, b"mos=" + self._wire(self._joined(some, layout))), len(some))
            for some in pushes
        ]

    def _joined(self, entries: Sequence[Sequence[str]], layout: Layout) -> str:
        lines = [layout.field.join(entry) for entry in entries]
        first = layout.first if len(lines) > 1 else ""
        return lines[0] + first + layout.entry.join(lines[1:]) + layout.last

    def _layout(self, in_reports: bool) -> Layout:
        """AMB-HZ-6; `printed` is as in the examples of 2.3 and 2.4."""
        switches = self._state.switches
        end = ";" if switches.trailing_semicolon == "on" else ""
        match switches.push_layout:
            case "blanks":
                return Layout(", ", ";", ";", end)
            case "line_breaks":
                return Layout(",", ";\r\n", ";\r\n", end + "\r\n")
            case "printed":
                return Layout(", ", ";", ";\n", end) if in_reports else Layout(",", ";", ";\n", ";")
            case _:
                return Layout(",", ";", ";", end)

    def _quoted(self, value: str) -> bytes:
        """A field on the wire."""
        return quote(value, safe=":" if self._state.switches.push_escape == "raw" else "").encode()

    def _wire(self, value: str) -> bytes:
        """Separators, or a whole value, on the wire."""
        return quote(value, safe=",;:" if self._state.switches.push_escape == "raw" else "").encode()

    def _request(self, target: Target, parameter: bytes) -> bytes:
        """AMB-HZ-3."""
        match self._state.switches.push_style:
            case "post_query":
                return target.post_query(parameter)
            case "get_query":
                return target.request("GET", parameter)
            case _:
                return target.request("POST", parameter)


def _fields(defaults: Mapping[str, str], wanted: Mapping[str, Any], *more: str) -> list[str]:
    """The fields in their order; those given as None left out."""
    names = [*defaults, *(name for name in more if name in wanted and name not in defaults)]
    return [str(wanted.get(name, defaults.get(name))) for name in names if wanted.get(name, "") is not None]
