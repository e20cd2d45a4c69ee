"""What the phones behind the gateway do: take messages, and report; write messages.

One schedule for all reports, by the switches of the report engine (vendors.md 9 (5)).
"""

from __future__ import annotations

import codecs
import itertools
import math
from array import array
from itertools import count, repeat
from random import Random
from typing import TYPE_CHECKING, Any, Final

from dispatcher.cmpp.pdus import Deliver
from loadtest.sim.cmpp import ledger
from loadtest.sim.cmpp.accounts import Account, Delivery
from loadtest.sim.cmpp.faults import CHARSETS
from loadtest.sim.cmpp.schedule import Schedule

if TYPE_CHECKING:
    from loadtest.sim.cmpp.gateway import Gateway

INTERMEDIATE: Final = "ACCEPTD"
AGAIN_S: Final = 1.0  # simulated, before a delivery is tried again
PART_BYTES: Final = {8: 134, 16: 132}
SINGLE_BYTES: Final = 140


class Phones:
    """The phones of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._random = Random(gateway.config.seed + 1)
        self.schedule = Schedule()
        self._references = itertools.count(1)
        self._mix: tuple[object, list[str], list[float]] = (None, [], [])

    @property
    def waiting(self) -> int:
        """Deliveries whose time has not come."""
        return len(self.schedule)

    def reset(self) -> None:
        """Forget what is to come."""
        self.schedule.clear()

    # reports

    def plan(self, account: Account, row: int, number: bytes, wanted: bool, extra_s: float) -> None:
        """What becomes of a number, and when its report comes; `extra_s`: simulated seconds until it is sent at all."""
        delivery = self.at_once(account, row, number, wanted)
        if delivery is not None:
            connection = self._gateway.ledger.connection[row]
            delay_s = self._gateway.clock.real_s(extra_s + self.delay_s())
            self.schedule.after(delay_s, self._send, account, delivery, connection)

    def plan_alike(self, account: Account, rows: range, wanted: bool, connection: int) -> None:
        """As `plan`, for rows of which nothing but status and delay is drawn (Gateway.is_plain)."""
        gateway, switches = self._gateway, self._gateway.switches
        book = gateway.ledger
        names, weights = self._weights()
        statuses = array("B", map(book.status_index, self._random.choices(names, cum_weights=weights, k=len(rows))))
        book.status[rows.start : rows.stop] = statuses
        if not wanted:
            return
        book.flags[rows.start : rows.stop] = array("B", repeat(ledger.ACCEPTED | ledger.DUE, len(rows)))
        own_id = gateway.ids.several(len(rows), gateway.clock.local())
        deliveries = list(map(Delivery, count(own_id), rows, statuses, book.msg_id[rows.start : rows.stop]))
        if switches.report_delay == "fixed":
            delay_s = gateway.clock.real_s(self.delay_s())
            self.schedule.after(delay_s, self._send_alike, account, deliveries, connection)
            return
        for delivery in deliveries:
            self.schedule.after(gateway.clock.real_s(self.delay_s()), self._send, account, delivery, connection)

    def _send_alike(self, account: Account, deliveries: list[Delivery], connection: int) -> None:
        switches = self._gateway.switches
        odd = switches.report_duplicates or switches.report_unknown_ids
        if odd or (switches.accepted_first, switches.second_final, switches.report_connection) != (
            "off",
            "off",
            "same",
        ):
            for delivery in deliveries:
                self._send(account, delivery, connection)
        else:
            self._gateway.send(account, *deliveries, connection=connection)

    def at_once(self, account: Account, row: int, number: bytes, wanted: bool = True) -> Delivery | None:
        """What becomes of a number: the report to deliver, None if there is none."""
        gateway, switches = self._gateway, self._gateway.switches
        book = gateway.ledger
        status = self.status(number)
        book.status[row] = book.status_index(status)
        if switches.mo_share and self._random.random() < switches.mo_share:
            self.write(account, {"mobile": number.decode("latin-1"), "msg": switches.mo_text})
        if not wanted:
            return None
        if switches.report_loss and self._random.random() < switches.report_loss:
            book.mark(row, ledger.LOST)
            return None
        book.mark(row, ledger.DUE)
        return self._report(row, status)

    def _report(self, row: int, status: str, extra: bool = False) -> Delivery:
        gateway = self._gateway
        own_id = gateway.ids.next("spec", gateway.clock.local())
        index = gateway.ledger.status_index(status)
        return Delivery(own_id, row, index, gateway.ledger.msg_id[row], extra=extra)

    def status(self, number: bytes) -> str:
        """The status of a number: its own, or drawn."""
        switches = self._gateway.switches
        if switches.status_numbers:
            given = switches.status_numbers.get(number.decode("latin-1"))
            if given is not None:
                return str(given)
        names, weights = self._weights()
        return self._random.choices(names, cum_weights=weights)[0]

    def _weights(self) -> tuple[list[str], list[float]]:
        """The statuses to draw from, and their cumulated weights."""
        mix = self._gateway.switches.status_mix
        if self._mix[0] != mix:
            self._mix = (dict(mix), list(mix), list(itertools.accumulate(mix.values())))
        return self._mix[1:]

    def delay_s(self) -> float:
        """Simulated seconds from acceptance to report."""
        switches = self._gateway.switches
        least_s, mean_s, most_s = (
            float(getattr(switches, f"report_delay_{name}_s")) for name in ("min", "mean", "max")
        )
        match switches.report_delay:
            case "fixed":
                more_s = 0.0
            case "uniform":
                more_s = self._random.uniform(0, 2 * mean_s)
            case "lognormal":
                more_s = self._random.lognormvariate(math.log(mean_s) - 0.5, 1.0) if mean_s else 0.0
            case _:
                more_s = self._random.expovariate(1 / mean_s) if mean_s else 0.0
        return min(least_s + more_s, max(most_s, least_s))

    def _send(self, account: Account, delivery: Delivery, connection: int) -> None:
        gateway, switches = self._gateway, self._gateway.switches
        row = delivery.row
        if row < 0 or delivery.rounds:
            gateway.send(account, delivery, connection=connection)
            return
        if gateway.ledger.flags[row] & ledger.CANCELLED:
            gateway.ledger.flags[row] &= ~ledger.DUE & 0xFF
            return
        status = gateway.ledger.statuses[delivery.status]
        if switches.accepted_first == "on" and status != INTERMEDIATE:
            gateway.send(account, self._report(row, INTERMEDIATE, extra=True), connection=connection)
        gateway.send(account, delivery, connection=connection)
        if switches.second_final == "on":
            other = "UNDELIV" if status == "DELIVRD" else "DELIVRD"
            gateway.send(account, self._report(row, other, extra=True), connection=connection)
        if switches.report_duplicates and self._random.random() < switches.report_duplicates:
            account.counts.reports_duplicates += 1
            gateway.send(account, self._report(row, status, extra=True), connection=connection)
        if switches.report_unknown_ids and self._random.random() < switches.report_unknown_ids:
            account.counts.reports_stray += 1
            stray = self._report(row, status, extra=True)
            stray.row, stray.reported_id = -1, self._random.getrandbits(64)
            gateway.send(account, stray, connection=connection)

    def again(self, account: Account, delivery: Delivery) -> None:
        """Try a delivery once more, later."""
        self.schedule.after(self._gateway.clock.real_s(AGAIN_S), self._send, account, delivery, 0)

    def made_report(self, account: Account, wanted: dict[str, Any]) -> None:
        """A made-up report: `msg_id` (16 hex digits), `mobile`, `status`."""
        gateway = self._gateway
        own_id = gateway.ids.next("spec", gateway.clock.local())
        number = str(wanted.get("mobile", "13800138000")).encode("latin-1")
        msg_id = int(str(wanted.get("msg_id", "0")), 16)
        pdu = gateway.report_pdu(own_id, msg_id, number, str(wanted.get("status", "DELIVRD")))
        gateway.send(account, Delivery(own_id, pdu=pdu))

    def repeat(self, account: Account) -> int:
        """Deliver every delivered report again; returns how many."""
        rows = list(self._gateway.pick_rows(account, ledger.PUSHED))
        book = self._gateway.ledger
        for row in rows:
            self._gateway.send(account, self._report(row, book.statuses[book.status[row]], extra=True))
        return len(rows)

    # messages from phones

    def write(self, account: Account, wanted: dict[str, Any]) -> int:
        """A message from a phone: `mobile`, `to`, `msg`, `msg_fmt`, `service`; in parts, if it is long. How many."""
        gateway = self._gateway
        pieces = self.pieces(wanted, account.config.service_code)
        for place, pdu in enumerate(pieces):
            account.counts.inbound_pushed += 1
            delivery = Delivery(pdu.msg_id, pdu=pdu, answered=self._acked(account))
            sessions = account.sessions
            if gateway.switches.mo_connections == "in_turn" and sessions:
                sessions[place % len(sessions)].deliver(delivery)
            else:
                gateway.send(account, delivery, connection=sessions[0].number if sessions else 0)
        return len(pieces)

    def _acked(self, account: Account) -> Any:
        day, service = self._gateway.clock.local().strftime("%Y%m%d"), ""
        for each in account.day(day, service):
            each.mo_waiting += 1

        def answered(result: int | None) -> None:
            for each in account.day(day, service):
                each.mo_waiting -= 1
                if result == 0:
                    each.mo_delivered += 1
                else:
                    each.mo_failed += 1
            account.counts.inbound_acked += result == 0

        return answered

    def pieces(self, wanted: dict[str, Any], to: str) -> list[Deliver]:
        """The DELIVERs of a message, to this number if it does not say another."""
        gateway, switches = self._gateway, self._gateway.switches
        msg_fmt = int(wanted.get("msg_fmt", switches.mo_format))
        charset = "gb18030" if switches.mo_mislabel == "gbk" else CHARSETS.get(msg_fmt, "utf-16-be")
        octets = self._octets(wanted, charset)
        bits = switches.mo_reference_bits
        size = SINGLE_BYTES if len(octets) <= SINGLE_BYTES else PART_BYTES[bits]
        cuts = _cuts(octets, size, charset)
        reference = next(self._references) & ((1 << bits) - 1)
        made = []
        for number, content in enumerate(cuts, 1):
            if len(cuts) > 1:
                width = bits // 8
                head = bytes((4 + width, 0 if bits == 8 else 8, 2 + width))
                content = head + reference.to_bytes(width, "big") + bytes((len(cuts), number)) + content
            made.append(
                Deliver(
                    gateway.ids.next("spec", gateway.clock.local()),
                    str(wanted.get("to", to or "1069000101")).encode("latin-1"),
                    str(wanted.get("service", "")).encode("latin-1"),
                    tp_udhi=int(len(cuts) > 1),
                    msg_fmt=msg_fmt,
                    src_terminal_id=gateway.prefixed(str(wanted.get("mobile", "13800138000")).encode("latin-1")),
                    msg_content=content,
                )
            )
        return made

    def _octets(self, wanted: dict[str, Any], charset: str) -> bytes:
        if "hex" in wanted:
            return bytes.fromhex(str(wanted["hex"]))
        return str(wanted.get("msg", "")).encode(charset, "replace")


def _cuts(octets: bytes, size: int, charset: str) -> list[bytes]:
    """Parts of at most `size` octets; no character lies across two of them."""
    cuts = []
    while len(octets) > size:
        decoder = codecs.getincrementaldecoder(charset)("replace")
        decoder.decode(octets[:size])
        end = size - len(decoder.getstate()[0])  # what the decoder holds begins a character
        cuts.append(octets[:end])
        octets = octets[end:]
    return [*cuts, octets]
