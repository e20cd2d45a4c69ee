"""What the BATCH platform pushes to its customers: reports and messages (vendors.md 3.2, 3.3, AMB-BATCH-9 to 12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from loadtest.sim import numbers
from loadtest.sim.ledger import Book
from loadtest.sim.one_by_one import ReportRow
from loadtest.sim.push import Answer
from loadtest.sim.state import Inbound, State
from loadtest.sim.target import Target

PREFIX = {"none": "", "86": "86", "+86": "%2B86"}
STRAY = 1_000_000_000  # added to an id to get one that nobody was given


class BatchPushes:
    """Encodes pushes, one report each: this platform has no batch form. Sends nothing."""

    def __init__(self, state: State) -> None:
        self._state = state

    def is_taken(self, answer: Answer) -> bool:
        """HTTP 200, whatever it says (vendors.md 3.2)."""
        return answer.status == 200

    def report_push(self, book: Book, target: Target, row: ReportRow) -> bytes:
        """One report."""
        return self._report(book, target, row.entry.vendor_id, row)

    def stray_push(self, book: Book, target: Target, row: ReportRow) -> bytes:
        """A report with an id of somebody else."""
        return self._report(book, target, str(int(row.entry.vendor_id) + STRAY + row.place), row)

    def _report(self, book: Book, target: Target, msgid: str, row: ReportRow) -> bytes:
        prefix = PREFIX[self._state.switches.report_prefix]
        number = quote(numbers.text(int(row.entry.numbers[row.place]), self._state.ledger.odd))
        query = f"msgid={msgid}&reportTime={self._time()}&mobile={prefix}{number}&status={quote(row.status)}"
        return target.request(self._state.switches.push_method, (self._receiver(book) + query).encode())

    def made_report(self, book: Book, wanted: Mapping[str, Any]) -> bytes:
        """`wanted` may give receiver, pswd, msgid, reportTime, mobile, status; null leaves a parameter out."""
        fields = dict(parse_qsl(self._receiver(book), keep_blank_values=True)) | {
            "msgid": "1", "reportTime": self._time(), "mobile": "13800138000", "status": "DELIVRD",
        }  # fmt: skip
        known = {*fields, "receiver", "pswd"}
        fields |= {k: str(v) for k, v in wanted.items() if k in known}
        query = urlencode({k: v for k, v in fields.items() if wanted.get(k, v) is not None}).encode()
        return Target.of(book.config.report_url).request(self._state.switches.push_method, query)

    def inbound_pushes(self, book: Book, wanted: Mapping[str, Any]) -> list[Inbound]:
        """A message from a phone: `mobile`, `destcode`, `msg`, `moTime`; over 70 characters it comes in parts of 67.

        `id` of the long message, `order` (in_order, reversed, shuffled), `duplicate` and `missing` (a part's number),
        `isems` and `emshead` (as given instead of right).
        """
        text = str(wanted.get("msg", ""))
        texts = [text] if len(text) <= 70 else [text[at : at + 67] for at in range(0, len(text), 67)]
        long_id = wanted.get("id", self._state.random.randrange(256))
        parts: list[dict[str, Any]] = []
        for place, part in enumerate(texts, 1):
            fields = dict(parse_qsl(self._receiver(book), keep_blank_values=True)) | {
                "moTime": wanted.get("moTime", self._time()),
                "destcode": wanted.get("destcode", "106900000000"),
                "mobile": wanted.get("mobile", "13800138000"),
                "msg": part,
            }
            if len(texts) > 1:
                fields |= {"isems": "1", "emshead": f"{long_id},{len(texts)},{place}"}
            fields |= {k: str(wanted[k]) for k in ("isems", "emshead") if k in wanted}
            if place != wanted.get("missing"):
                parts.append(fields)
            if place == wanted.get("duplicate"):
                parts.append(fields)
        order = wanted.get("order", "in_order")
        if order == "reversed":
            parts.reverse()
        elif order == "shuffled":
            self._state.random.shuffle(parts)
        target = Target.of(book.config.inbound_url)
        return [Inbound(target.request(self._state.switches.push_method, urlencode(p).encode())) for p in parts]

    def _receiver(self, book: Book) -> str:
        account = book.config
        if self._state.switches.empty_receiver == "absent" and not account.receiver and not account.receiver_pswd:
            return ""
        return f"receiver={quote(account.receiver)}&pswd={quote(account.receiver_pswd)}&"

    def _time(self) -> str:
        stamp = self._state.clock.stamp14()
        return {10: stamp[2:12], 12: stamp[2:], 14: stamp}[self._state.switches.time_digits]
