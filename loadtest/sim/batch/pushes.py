"""What the BATCH platform pushes to its customers: reports and messages (vendors.md 3.2, 3.3, AMB-BATCH-9 to 12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from dispatcher.errors import ConfigError
from loadtest.sim.http.push_client import Answer
from loadtest.sim.http.target import Target
from loadtest.sim.ledger import numbers
from loadtest.sim.ledger.ledger import Book
from loadtest.sim.reports.one_by_one import ReportRow
from loadtest.sim.state import Inbound, State

PREFIX = {"none": "", "86": "86", "+86": "%2B86"}
FIELDS = ("receiver", "pswd", "moTime", "destcode", "mobile", "isems", "emshead")
"""What a message is pushed with besides its text."""
STRAY = 1_000_000_000  # added to an id to make an unused one


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
        """`wanted` may give receiver, pswd, msgid, reportTime, mobile, status; null leaves a parameter out. Raises
        ConfigError.
        """
        _check_names(wanted, {"receiver", "pswd", "msgid", "reportTime", "mobile", "status"})
        fields = dict(parse_qsl(self._receiver(book), keep_blank_values=True)) | {
            "msgid": "1", "reportTime": self._time(), "mobile": "13800138000", "status": "DELIVRD",
        }  # fmt: skip
        known = {*fields, "receiver", "pswd"}
        fields |= {k: str(v) for k, v in wanted.items() if k in known}
        query = urlencode({k: v for k, v in fields.items() if wanted.get(k, v) is not None}).encode()
        return Target.of(book.config.report_url).request(self._state.switches.push_method, query)

    def inbound_pushes(self, book: Book, wanted: Mapping[str, Any]) -> list[Inbound]:
        """A message from a phone: `msg` and the other FIELDS; over 70 characters it comes in parts of 67.

        `id` of the long message, and what becomes of its parts: `order` (in_order, reversed, shuffled, or the numbers
        of the parts to push, one after the other), `missing` and `duplicate` (a part's number, or several). `isems` and
        `emshead` as given instead of right; null leaves a field out. Raises ConfigError.
        """
        _check_names(wanted, {*FIELDS, "msg", "id", "order", "missing", "duplicate"})
        text = str(wanted.get("msg", ""))
        texts = [text] if len(text) <= 70 else [text[at : at + 67] for at in range(0, len(text), 67)]
        long_id = wanted.get("id", self._state.random.randrange(256))
        parts: list[dict[str, Any]] = []
        for place, part in enumerate(texts, 1):
            fields: dict[str, Any] = dict(parse_qsl(self._receiver(book), keep_blank_values=True)) | {
                "moTime": self._time(), "destcode": "106900000000", "mobile": "13800138000",
                "msg": part if wanted.get("msg", "") is not None else None,
            }  # fmt: skip
            if len(texts) > 1:
                fields |= {"isems": "1", "emshead": f"{long_id},{len(texts)},{place}"}
            fields |= {name: wanted[name] for name in FIELDS if name in wanted}
            parts.append({name: value for name, value in fields.items() if value is not None})
        target = Target.of(book.config.inbound_url)
        method = self._state.switches.push_method
        places = self._places(len(parts), wanted)
        return [Inbound(target.request(method, urlencode(parts[place - 1]).encode())) for place in places]

    def _places(self, count: int, wanted: Mapping[str, Any]) -> list[int]:
        """The numbers of the parts to push, one after the other."""
        order = wanted.get("order", "in_order")
        if isinstance(order, list):
            return _numbers("order", order, count)
        missing = _numbers("missing", wanted.get("missing"), count)
        twice = _numbers("duplicate", wanted.get("duplicate"), count)
        sent = (place for place in range(1, count + 1) if place not in missing)
        places = [each for place in sent for each in [place] * (2 if place in twice else 1)]
        match order:
            case "in_order":
                return places
            case "reversed":
                return places[::-1]
            case "shuffled":
                self._state.random.shuffle(places)
                return places
        raise ConfigError(
            f"order: {order!r} is none. Set it to in_order, reversed, shuffled or a list such as [3, 1, 2]."
        )

    def _receiver(self, book: Book) -> str:
        account = book.config
        if self._state.switches.empty_receiver == "absent" and not account.receiver and not account.receiver_pswd:
            return ""
        return f"receiver={quote(account.receiver)}&pswd={quote(account.receiver_pswd)}&"

    def _time(self) -> str:
        stamp = self._state.clock.stamp14()
        return {10: stamp[2:12], 12: stamp[2:], 14: stamp}[self._state.switches.time_digits]


def _check_names(wanted: Mapping[str, Any], known: set[str]) -> None:
    for name in wanted:
        if name not in known and name != "account":
            raise ConfigError(f"there is no {name!r} here. Possible: account, {', '.join(sorted(known))}.")


def _numbers(name: str, given: Any, count: int) -> list[int]:
    """The numbers of parts that were given: one, several, or none."""
    places = given if isinstance(given, list) else [] if given is None else [given]
    for place in places:
        if type(place) is not int or not 1 <= place <= count:
            raise ConfigError(f"{name}: {place!r} is no part of this message (it has 1 to {count}).")
    return places
