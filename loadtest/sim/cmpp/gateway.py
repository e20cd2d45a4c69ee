"""The CMPP gateway: accounts, and what becomes of logins, SUBMITs, queries and cancellations (vendors.md 6).

It knows no socket: sessions hand it requests and write what it answers. Without a `network` every phone is its own.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple, Protocol

from dispatcher.cmpp import pdus
from dispatcher.cmpp.layout import HEADER, Pdu
from dispatcher.cmpp.pdus import Connect, Deliver, Submit
from loadtest.sim.clock import Clock
from loadtest.sim.cmpp import bulk, judging, ledger
from loadtest.sim.cmpp.accounts import Account, Day, Delivery
from loadtest.sim.cmpp.codes_and_switches import ALL
from loadtest.sim.cmpp.faults import Rule, Rules
from loadtest.sim.cmpp.ledger import Ledger, hexed
from loadtest.sim.cmpp.phones import Phones
from loadtest.sim.cmpp.session import Session
from loadtest.sim.config import SimConfig
from loadtest.sim.switches import Switches

GATEWAY_ID: Final = "001001"
LOG_EVERY_S: Final = 1.0
SHAPES_MAX: Final = 64
log = logging.getLogger(__name__)


class MessageIds:
    """The next Msg_Id, as the switch says (AMB-CMPP-1)."""

    def __init__(self, gateway: int, random: Random) -> None:
        self._gateway = gateway
        self._random = random
        self._count = 0
        self._second = self._stamp = 0
        self._in_second = 0
        self._again = 0

    def next(self, way: str, local: datetime) -> int:
        """One more."""
        self._count += 1
        if way == "random":
            return self._random.getrandbits(64)
        if way == "zero_time":
            return self._gateway << 16 | self._count & 0xFFFF
        if way == "repeated" and self._again:
            again, self._again = self._again, 0
            return again
        made = self.several(1, local)
        self._again = made if way == "repeated" else self._again
        return made

    def several(self, count: int, local: datetime) -> int:
        """The first of this many by the document, one behind the other, all of one second."""
        second = int(local.timestamp())
        if second > self._second or self._in_second + count > 0x10000:  # 65,536 ids are all that a second has
            self._second, self._in_second = max(second, self._second + 1), 0
            at = datetime.fromtimestamp(self._second, local.tzinfo)
            self._stamp = at.month << 22 | at.day << 17 | at.hour << 12 | at.minute << 6 | at.second
        made = self._stamp << 38 | self._gateway << 16 | self._in_second
        self._in_second += count
        return made


class Forward(NamedTuple):
    """A number of a SUBMIT that another gateway has."""

    account: Account
    row: int
    msg_id: int
    number: bytes
    wanted: bool
    connection: int


class Shape(NamedTuple):
    """What SUBMITs that are alike have in common, and that the gateway takes them."""

    text: int
    reference: int
    part: int
    parts: int
    service: str
    wanted: bool
    origin: int


class Network(Protocol):
    """What a gateway asks of the network behind it (loadtest/sim/cmpp/network/node.py)."""

    def is_local(self, number: bytes) -> bool:
        """Is this one of the gateway's own phones?"""
        ...

    def forward(self, forward: Forward, submit: Submit) -> None:
        """Send this number's message to the gateway that has it."""
        ...

    def write(self, wanted: dict[str, Any]) -> int:
        """A phone of this gateway writes to a service anywhere; how many parts."""
        ...

    def peer_status(self, login: Connect) -> int:
        """The Status for another gateway or the name server; SOURCE: it is neither."""
        ...

    def serve(self, code: str, request: Pdu) -> Pdu | None:
        """The answer to a peer's request; None: no answer."""
        ...

    def tick(self, now_s: float, interval_s: float, timeout_s: float, attempts: int) -> None:
        """Time has passed."""
        ...

    def figures(self) -> dict[str, Any]:
        """What it counted."""
        ...


class Gateway:
    """One ISMG."""

    def __init__(self, config: SimConfig, gateway_id: str = GATEWAY_ID) -> None:
        self.config = config
        self.gateway_id = gateway_id
        self.switches = Switches(ALL, config.switches)
        self.clock = Clock(self.switches.clock_scale, self.switches.clock_start)
        self.random = Random(config.seed)
        self.rules = Rules(config.rules, self.random)
        self.ids = MessageIds(int(gateway_id), self.random)
        self.accounts: dict[str, Account] = {}
        for name, account in config.accounts.items():
            self.accounts[name] = Account(len(self.accounts), account, self.switches.judge_idle_s)
        self.ledger = Ledger()
        self.strangers: Counter[str] = Counter()
        self.sessions: set[Session] = set()
        self.phones = Phones(self)
        self.network: Network | None = None
        self.retime: Callable[[], None] = lambda: None
        self._shapes: dict[tuple[int, bytes], Shape | None] = {}
        self._report_template = bulk.ReportTemplate(None, b"")
        self._scheduled: dict[int, tuple[Account, list[int], float, str]] = {}
        self._logged_s = 0.0
        self._connections = 0

    # connections

    def new_session(self, short: bool = False) -> Session:
        """For a new connection; a short one ends with its first answer."""
        self._connections += 1
        return Session(self, self._connections, short)

    def new_short_session(self) -> Session:
        """For a new connection to the port of short ones."""
        return self.new_session(short=True)

    def opened(self, session: Session) -> None:
        """A connection was accepted."""
        self.sessions.add(session)

    def join(self, session: Session, account: Account) -> None:
        """A session logged in. What waits for it is delivered once its answer is written."""
        session.account = account
        account.sessions.append(session)
        if self.switches.deliver_dup == "after_reconnect":
            for delivery in account.lately:
                delivery.repeated = True
                account.outbox.append(delivery)
            account.lately.clear()

    def leave(self, session: Session) -> None:
        """A session is over; what it could not deliver waits for the next one."""
        account, session.account = session.account, None
        if account is None:
            return
        account.sessions.remove(session)
        account.outbox.extendleft(reversed(session.undelivered()))
        for other in account.sessions:
            other.pump()

    def lost(self, session: Session) -> None:
        """A connection is gone."""
        self.leave(session)
        self.sessions.discard(session)

    def tick(self) -> None:
        """Time has passed."""
        real_s = self.clock.real_s
        switches, now_s = self.switches, time.monotonic()
        interval_s, timeout_s = real_s(switches.active_interval_s), real_s(switches.answer_timeout_s)
        for session in list(self.sessions):
            session.tick(now_s, interval_s, timeout_s, switches.attempts)
        if self.network is not None:
            self.network.tick(now_s, interval_s, timeout_s, switches.attempts)

    def reset(self) -> None:
        """Forget what happened; connections stay."""
        self.phones.reset()
        self.ledger = Ledger()
        self._shapes.clear()
        self.strangers.clear()
        self._scheduled.clear()
        for account in self.accounts.values():
            account.reset(self.switches.judge_idle_s)
            for session in account.sessions:
                session.undelivered()

    # what is counted

    def violation(self, session: Session, name: str) -> None:
        """Something that no SP should do."""
        counts = self.strangers if session.account is None else session.account.counts.violations
        counts[name] += 1

    def malformed(self, session: Session, what: str) -> None:
        """Something that is no CMPP. Logged once a second at most, without what may be a text or a number."""
        self.violation(session, "malformed")
        self._log(session, what)

    def unknown(self, session: Session, command: int, sequence: int, body: bytes) -> None:
        """A command that the document does not have, or that an SP has no use for."""
        self.violation(session, "unknown_command")
        self._log(
            session, f"command 0x{command:08x}, first bytes {hexed(HEADER.pack(12 + len(body), command, sequence))}"
        )

    def _log(self, session: Session, what: str) -> None:
        now_s = time.monotonic()
        if now_s - self._logged_s >= LOG_EVERY_S:
            self._logged_s = now_s
            log.warning("gateway %s, connection %d: %s", self.gateway_id, session.number, what)

    def fault(self, account: Account | None, rule: Rule) -> None:
        """A rule was used."""
        counts = self.strangers if account is None else account.counts.faults
        counts[rule.name] += 1

    # logins

    def login(self, session: Session, login: Connect | None) -> tuple[Account | None, int]:
        """The account and the Status of its CONNECT_RESP."""
        if login is None:
            return None, judging.STRUCTURE
        account = self._account_of(login.source_addr)
        if account is None or (account.config.ips and session.peer not in account.config.ips):
            self.violation(session, "unknown_source")
            return account, judging.SOURCE
        status = judging.login_status(login, account.config, self.switches, self.clock.local())
        if status != judging.OK:
            return account, status
        if session.account is not None and self.switches.second_connect == "status5":
            self.violation(session, "second_connect")
            return account, judging.OTHER
        limit = self.switches.max_connections
        if limit and session not in account.sessions and len(account.sessions) >= limit:
            self.violation(session, "too_many_connections")
            return account, judging.OTHER
        return account, judging.OK

    def _account_of(self, source: bytes) -> Account | None:
        for account in self.accounts.values():
            if account.config.account.encode()[:6] == source:
                return account
        return None

    def connect_resp(self, sequence: int, status: int, source: bytes, account: Account | None) -> bytes:
        """The CONNECT_RESP, as the switches say."""
        switches = self.switches
        proof = bytes(16)
        if status == 0 and account is not None:
            garbage = self.random.randbytes(16)
            proof = judging.ismg_hash(switches.ismg_auth, source, account.config.pswd.encode(), garbage)
        version = 0x20 if status == judging.VERSION else switches.answer_version
        if switches.connect_resp_seq == "wrong":
            sequence ^= 0x40000000
        if switches.connect_resp == 33:
            return pdus.ConnectRespWide(status, proof, version).pack(sequence)
        frame = pdus.ConnectResp(status, proof, version).pack(sequence)
        return frame if switches.connect_resp == 30 else (29).to_bytes(4, "big") + frame[4:29]

    # other gateways

    def peer_status(self, login: Connect) -> int:
        """The Status for another gateway or the name server; SOURCE: it is neither."""
        return judging.SOURCE if self.network is None else self.network.peer_status(login)

    def serve_peer(self, code: str, request: Pdu) -> Pdu | None:
        """What another gateway or the name server asks."""
        return None if self.network is None else self.network.serve(code, request)

    # messages

    def submit(
        self, session: Session, submit: Submit, at_s: float, rule: Rule | None
    ) -> tuple[int, int, list[Delivery], list[Delivery]]:
        """Msg_Id and Result, and the reports that go out before the answer and right behind it."""
        account = session.account
        assert account is not None
        result = judging.submit_result(submit, account.config, self.switches)
        weight = 1 if account.config.flow.unit == "requests" else max(len(submit.dest_terminal_ids), 1)
        if result == 0 and self.switches.enforce == "8" and not account.judge.fits(at_s, weight):
            result = 8
        if rule is not None and not rule.is_taken:
            result = rule.code if rule.code is not None else 9
        account.judge.arrive(at_s, weight, result == 0)
        account.counts.results[result] += 1
        local = self.clock.local()
        msg_id = 0 if result else self.ids.next(self.switches.msgid, local)
        part, parts = max(submit.pk_number, 1), max(submit.pk_total, 1)
        text, reference = self.ledger.text_index(submit)
        origin = self.ledger.origin_index(submit.src_id, submit.service_id)
        wire = (part, parts, result, at_s, session.number, origin)
        rows = [
            self.ledger.add(account.place, msg_id, number, text, reference, *wire)
            for number in submit.dest_terminal_ids
        ]
        if result:
            return 0, result, [], []
        account.counts.submits_accepted += 1
        early, late = self._take(account, session, submit, msg_id, rows, local)
        return msg_id, 0, early, late

    def is_plain(self, account: Account) -> bool:
        """Does nothing ask for a look at each SUBMIT of this account and each answer to a DELIVER by itself?"""
        switches = self.switches
        return (
            not self.rules.rules
            and self.network is None
            and not account.judge.limit
            and switches.answer_order == "in_order"
            and not (switches.latency_s or switches.latency_exp_s or switches.mo_share or switches.report_loss)
            and not switches.status_numbers
            and (switches.no_answer, switches.msgid) == ("off", "spec")
            and (switches.report_order, switches.deliver_dup) == ("after", "none")
        )

    def settings_changed(self) -> None:
        """Switches, accounts or rules are others now."""
        self._shapes.clear()

    def submit_alike(self, session: Session, account: Account, submits: bulk.Submits, at_s: float) -> int | None:
        """Take SUBMITs that are alike; the first Msg_Id, None if each is to be looked at by itself."""
        shape = self._shape(account, submits)
        if shape is None:
            return None
        count = len(submits.numbers)
        account.judge.arrive_together(at_s, count)
        account.counts.submits += count
        account.counts.submits_accepted += count
        account.counts.results[0] += count
        local = self.clock.local()
        first_id = self.ids.several(count, local)
        rows = self.ledger.add_alike(
            account.place,
            range(first_id, first_id + count),
            submits.numbers,
            *shape[:4],
            at_s,
            session.number,
            shape.origin,
        )
        for each in account.day(local.strftime("%Y%m%d"), shape.service):
            each.mt_messages += count
            each.mt_recipients += count
            each.mt_forwarded += count
        self.phones.plan_alike(account, rows, shape.wanted, session.number)
        return first_id

    def _shape(self, account: Account, submits: bulk.Submits) -> Shape | None:
        """What becomes of such a SUBMIT, looked at once."""
        key = (account.place, submits.shape)
        if key not in self._shapes:
            if len(self._shapes) >= SHAPES_MAX:
                self._shapes.clear()
            self._shapes[key] = self._judged(account, submits.frame)
        return self._shapes[key]

    def _judged(self, account: Account, frame: bytes) -> Shape | None:
        submit = Submit.layout.unpack(frame[12:])
        if not isinstance(submit, Submit) or judging.submit_result(submit, account.config, self.switches):
            return None
        if submit.at_time or submit.registered_delivery not in (0, 1):
            return None
        part, parts = max(submit.pk_number, 1), max(submit.pk_total, 1)
        service = submit.service_id.decode("latin-1")
        origin = self.ledger.origin_index(submit.src_id, submit.service_id)
        wanted = submit.registered_delivery == 1
        return Shape(*self.ledger.text_index(submit), part, parts, service, wanted, origin)

    def _take(
        self, account: Account, session: Session, submit: Submit, msg_id: int, rows: list[int], local: datetime
    ) -> tuple[list[Delivery], list[Delivery]]:
        now_s = self.clock.now()
        due_s = _moment(submit.at_time, local)
        service, day = submit.service_id.decode("latin-1"), local.strftime("%Y%m%d")
        waits = due_s is not None and due_s > now_s
        for each in account.day(day, service):
            each.mt_messages += 1
            each.mt_recipients += len(rows)
            each.mt_waiting += len(rows) * waits
            each.mt_forwarded += len(rows) * (not waits)
        if waits:
            self._scheduled[msg_id] = (account, rows, due_s or 0.0, f"{day}/{service}")
        early: list[Delivery] = []
        late: list[Delivery] = []
        for place, (row, number) in enumerate(zip(rows, submit.dest_terminal_ids, strict=True)):
            wanted = submit.registered_delivery == 1 and not (place and self.switches.group_with_report == "first_only")
            network = self.network
            if network is not None and not network.is_local(number):
                self.ledger.mark(row, ledger.FORWARDED)
                forward = Forward(account, row, msg_id, number, wanted, session.number)
                self.phones.schedule.after(
                    self.clock.real_s((due_s or 0.0) - now_s) if waits else 0.0, network.forward, forward, submit
                )
                continue
            if submit.registered_delivery == judging.BILLING_ALONE:
                continue
            self._plan(account, session, row, number, wanted, (due_s or 0.0) - now_s if waits else 0.0, early, late)
        return early, late

    def _plan(
        self,
        account: Account,
        session: Session,
        row: int,
        number: bytes,
        wanted: bool,
        extra_s: float,
        early: list[Delivery],
        late: list[Delivery],
    ) -> None:
        """When and how the report on a number comes."""
        order = self.switches.report_order
        if order == "after" or extra_s or not wanted:
            self.phones.plan(account, row, number, wanted, extra_s)
            return
        delivery = self.phones.at_once(account, row, number)
        if delivery is None:
            return
        if order == "before":
            early.append(delivery)
        elif order == "same_tcp_segment":
            late.append(delivery)
        else:
            other = next((each for each in account.sessions if each is not session), session)
            other.deliver(delivery)

    def cancel(self, account: Account, msg_id: int) -> int:
        """Success_Id of a CANCEL."""
        found = self._scheduled.get(msg_id)
        if found is None or found[0] is not account or found[2] <= self.clock.now():
            return 1
        del self._scheduled[msg_id]
        _, rows, _, key = found
        day, _, service = key.partition("/")
        for row in rows:
            self.ledger.mark(row, ledger.CANCELLED)
        for each in account.day(day, service):
            each.mt_waiting -= len(rows)
            each.mt_failed += len(rows)
        return 0

    def _forward_due(self) -> None:
        """Scheduled messages whose time has come."""
        now_s = self.clock.now()
        for msg_id, (account, rows, due_s, key) in list(self._scheduled.items()):
            if due_s <= now_s:
                del self._scheduled[msg_id]
                day, _, service = key.partition("/")
                for each in account.day(day, service):
                    each.mt_waiting -= len(rows)
                    each.mt_forwarded += len(rows)

    def query(self, account: Account, query: pdus.Query) -> pdus.QueryResp:
        """The statistics of a day."""
        self._forward_due()
        service = query.query_code.decode("latin-1") if query.query_type else ""
        day = account.days.get((query.time.decode("latin-1"), service), Day())
        figures = (getattr(day, name) for name in Day.__dataclass_fields__)
        return pdus.QueryResp(query.time, query.query_type, query.query_code, *figures)

    # deliveries

    def account_of_service(self, number: bytes) -> Account | None:
        """The account whose service code this number begins with; of several that with the longest."""
        codes = [a for a in self.accounts.values() if a.config.service_code]
        found = [a for a in codes if number.startswith(a.config.service_code.encode())]
        return max(found, key=lambda each: len(each.config.service_code), default=None)

    def report(self, forward: Forward, status: str) -> None:
        """The report on a number that another gateway has."""
        self.ledger.status[forward.row] = self.ledger.status_index(status)
        if forward.wanted:
            self.ledger.mark(forward.row, ledger.DUE)
            own_id = self.ids.next("spec", self.clock.local())
            index = self.ledger.status_index(status)
            delivery = Delivery(own_id, forward.row, index, forward.msg_id)
            self.send(forward.account, delivery, connection=forward.connection)

    def deliver_frame(self, delivery: Delivery, sequence: int) -> bytes:
        """What is written for a delivery."""
        if delivery.pdu is not None:
            return delivery.pdu.pack(sequence)
        row = delivery.row
        as_sent = self.switches.prefix == "none"
        number = b"13800138000"
        if row >= 0:
            number = self.ledger.number_as_sent(row) if as_sent else self.ledger.number_of(row)
        status = self.ledger.statuses[delivery.status]
        origin = self.ledger.origins[self.ledger.origin[row]] if row >= 0 else ledger.NO_ORIGIN
        if self.switches.report_body != bulk.REPORT_BYTES or not as_sent:
            return self.report_pdu(delivery.own_id, delivery.reported_id, number, status, origin).pack(sequence)
        template = self._report_template
        if template.key != (key := (status, self.clock.stamp14()[:12], origin)):
            template = self._report_template = bulk.ReportTemplate(
                key, self.report_pdu(0, 0, b"", status, origin).pack(0)
            )
        return template.pack(sequence, delivery.own_id, number, delivery.reported_id)

    def report_pdu(
        self, own_id: int, reported_id: int, number: bytes, status: str, origin: ledger.Origin = ledger.NO_ORIGIN
    ) -> Deliver:
        """A DELIVER with a report, to the Src_Id and Service_Id of what it is about."""
        switches = self.switches
        when = self.clock.stamp14()[2:12].encode()
        shown = self.prefixed(number)
        wide = switches.report_body == 71
        kind = pdus.ReportBodyWide if wide else pdus.ReportBody
        body = kind(reported_id, status.encode()[:7], when, when, shown[: 32 if wide else 21], own_id & 0xFFFF)
        content = body.pack(0)[12:]
        return Deliver(
            own_id,
            origin[0] or b"1069000101",
            origin[1],
            src_terminal_id=shown[:21],
            registered_delivery=1,
            msg_content=content[: switches.report_body],
        )

    def prefixed(self, number: bytes) -> bytes:
        """A number as the switch `prefix` has it."""
        match self.switches.prefix:
            case "86":
                return b"86" + number
            case "+86":
                return b"+86" + number
            case "blanks":
                return number.ljust(21, b" ")
        return number

    def made_message(self, number: bytes, text: bytes, place: int) -> Deliver:
        """A made-up message from a phone."""
        own_id = self.ids.next("spec", self.clock.local())
        return Deliver(own_id, b"1069000101", src_terminal_id=number, msg_content=text + b" %d" % place)

    def send(self, account: Account, *deliveries: Delivery, connection: int = 0) -> None:
        """Deliver on this connection, if it is there; else on any; else when one comes."""
        session = account.session(connection) if self.switches.report_connection == "same" else None
        session = session or account.next_session()
        if session is None:
            account.outbox += deliveries
        else:
            session.deliver(*deliveries)

    def delivering(self, session: Session, delivery: Delivery) -> None:
        """A delivery is written."""
        account = session.account
        if account is None:
            return
        account.counts.deliveries += 1
        delivery.rounds += 1
        if delivery.row >= 0:
            self.ledger.mark(delivery.row, ledger.PUSHED)

    def delivered(self, session: Session, delivery: Delivery, result: int) -> None:
        """A delivery is answered."""
        account = session.account
        if account is None:
            return
        if result:
            account.counts.violations[f"deliver_result_{result}"] += 1
            self._once_more(account, delivery, result)
            return
        if delivery.answered is not None:
            delivery.answered(0)
            delivery.answered = None
        if delivery.row >= 0 and not delivery.extra:
            self.ledger.mark(delivery.row, ledger.ACKED)
        if delivery.repeated:
            return
        match self.switches.deliver_dup:
            case "new_seq":
                delivery.repeated = True
                session.deliver(delivery)
            case "after_reconnect":
                account.lately.append(delivery)

    def undelivered(self, session: Session, delivery: Delivery) -> None:
        """A delivery had no answer, N times."""
        if session.account is not None:
            session.account.counts.violations["no_deliver_resp"] += 1
            self._once_more(session.account, delivery, None)

    def _once_more(self, account: Account, delivery: Delivery, result: int | None) -> None:
        if delivery.rounds < self.switches.deliver_rounds:
            self.phones.again(account, delivery)
            return
        if delivery.answered is not None:
            delivery.answered(result)
        if delivery.row >= 0:
            account.counts.reports_given_up += 1
        else:
            account.counts.inbound_given_up += 1

    def pick_rows(self, account: Account, flag: int) -> Iterator[int]:
        """The rows of an account with this flag."""
        for row in range(len(self.ledger)):
            if self.ledger.account[row] == account.place and self.ledger.flags[row] & flag:
                yield row


def _moment(at_time: bytes, local: datetime) -> float | None:
    """When a message is to be sent (AMB-CMPP-31): seconds since 1970; None if it says nothing or cannot be read."""
    text = at_time.decode("latin-1")
    if len(text) != 16 or not text[:15].isdigit():
        return None
    if text[15] == "R":
        years, months, days, hours, minutes, seconds = (int(text[at : at + 2]) for at in range(0, 12, 2))
        more = timedelta(days=365 * years + 30 * months + days, hours=hours, minutes=minutes, seconds=seconds)
        return (local + more).timestamp()
    try:
        moment = datetime.strptime(text[:12], "%y%m%d%H%M%S")
    except ValueError:
        return None
    offset = timedelta(minutes=15 * int(text[13:15])) * (-1 if text[15] == "-" else 1)
    return (moment - offset - datetime(1970, 1, 1)).total_seconds()
