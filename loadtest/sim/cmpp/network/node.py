"""What a gateway does for phones and services of other gateways (vendors.md 6.1, 6.12).

MT: a number that is not of its segments is forwarded (FWD 0) to the gateway that has it; the report comes back the same
way (FWD 2) and goes to the SP. MO: what a phone writes to a service elsewhere is forwarded (FWD 1); whether its SP took
it comes back (FWD 3). Where a forward fails (no connection, no answer, an error), the report is REJECTD.
Its figures say what became of every message, so that two gateways can be held against each other.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from dispatcher.cmpp import pdus
from dispatcher.cmpp.layout import Pdu
from dispatcher.cmpp.pdus import Connect, Fwd, Submit
from loadtest.sim.cmpp.accounts import Delivery
from loadtest.sim.cmpp.gateway import Forward, Gateway
from loadtest.sim.cmpp.judging import BILLING_ALONE, PEER_SECRET, content_fits, peer_status
from loadtest.sim.cmpp.network.dial import Address, Dial, ask_once, login
from loadtest.sim.cmpp.network.name_server import CODE, mo_route, mt_route
from loadtest.sim.cmpp.network.routes import ADD, MoRoute, MtRoute, Routes, eleven, mt_route_of

MT, MO, MT_REPORT, MO_REPORT = 0, 1, 2, 3
DELIVERED: Final = "DELIVRD"
REJECTED: Final = "REJECTD"
NOT_OURS: Final = 9
OTHER: Final = 10
TOO_LONG: Final = 6
SEEN_MAX: Final = 1_000_000


class Node:
    """One gateway in the network."""

    def __init__(
        self, gateway: Gateway, segments: list[tuple[bytes, bytes]], name_server: Callable[[], Address]
    ) -> None:
        self._gateway = gateway
        self.code = gateway.gateway_id.encode()
        self.segments = segments
        self._name_server = name_server
        self.mt: Routes[MtRoute] = Routes()
        self.mo: Routes[MoRoute] = Routes()
        self.addresses: dict[bytes, Address] = {}
        self._dials: dict[Address, Dial] = {}
        self._waiting: deque[tuple[Forward, Submit]] = deque()
        self._open: dict[tuple[int, bytes], Forward] = {}
        self._seen: OrderedDict[tuple[int, bytes, int, int], None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self.counts: Counter[str] = Counter()
        self.results: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.mo_statuses: Counter[str] = Counter()

    def figures(self) -> dict[str, Any]:
        """What was forwarded, taken, reported and rejected."""
        return {
            "gateway": self.code.decode(),
            **dict(sorted(self.counts.items())),
            "fwd_results": dict(self.results),
            "statuses": dict(self.statuses),
            "mo_statuses": dict(self.mo_statuses),
            "mt_open": len(self._open),
            "fwd_waiting": sum(dial.waiting for dial in self._dials.values()) + len(self._waiting),
            "routes": {"mt": len(self.mt), "mo": len(self.mo)},
        }

    # peers

    def peer_status(self, login: Connect) -> int:
        """The Status for another gateway or the name server; SOURCE: it is neither."""
        return peer_status(login, {*self.addresses, CODE}, PEER_SECRET)

    def serve(self, code: str, request: Pdu) -> Pdu | None:
        """The answer to a peer's request; None: no answer."""
        match request:
            case Fwd():
                forced = self._gateway.switches.fwd_result
                if forced == "none":
                    self.counts["fwd_not_answered"] += 1
                    return None
                result = self._take(request) if forced == "0" else int(forced)
                return pdus.FwdResp(request.msg_id, request.pk_total, request.pk_number, result)
            case pdus.PushMtRouteUpdate():
                changed = self.mt.change(request.update_type, mt_route(request, request.route_id))
                return pdus.PushMtRouteUpdateResp(0 if changed else 1)
            case pdus.PushMoRouteUpdate():
                changed = self.mo.change(request.update_type, mo_route(request, request.route_id))
                return pdus.PushMoRouteUpdateResp(0 if changed else 1)
        return None

    def tick(self, now_s: float, interval_s: float, timeout_s: float, attempts: int) -> None:
        """Time has passed."""
        for dial in self._dials.values():
            dial.reachable = self._gateway.switches.fwd_link == "up"
            dial.tick(now_s, interval_s, timeout_s, attempts)

    def close(self) -> None:
        """End the connections to others."""
        for task in list(self._tasks):
            task.cancel()
        for dial in self._dials.values():
            dial.close()

    # MT: from our SP to a phone elsewhere

    def is_local(self, number: bytes) -> bool:
        """Is this number of our own segments?"""
        digits = eleven(number)
        return any(start <= digits[: len(start)] <= end for start, end in self.segments)

    def forward(self, forward: Forward, submit: Submit) -> None:
        """Send this number's message to the gateway that has it."""
        self.counts["mt_forwarded"] += 1
        route = self._route(forward.number)
        if route is not None and not self._waiting:
            self._forward_to(route, forward, submit)
            return
        self._waiting.append((forward, submit))
        if len(self._waiting) == 1:
            self._start(self._find_routes())

    def _route(self, number: bytes) -> MtRoute | None:
        return mt_route_of(self.mt, number)

    async def _find_routes(self) -> None:
        """One question at a time: its answer may be that for all that wait."""
        while self._waiting:
            forward, submit = self._waiting[0]
            route = self._route(forward.number) or await self._ask_route(forward.number)
            self._waiting.popleft()
            if route is None:
                self._rejected(forward)
            else:
                self._forward_to(route, forward, submit)

    async def _ask_route(self, number: bytes) -> MtRoute | None:
        self.counts["routes_asked"] += 1
        answer = await self._ask(pdus.MtRoute(self.code, eleven(number)))
        if not isinstance(answer, pdus.MtRouteResp) or answer.result == 1:
            return None
        place = (answer.route_id, answer.destination_id, answer.gateway_ip, answer.gateway_port)
        route = MtRoute(*place, answer.start_id, answer.end_id, answer.area_code)
        self.mt.put(route)
        return route

    def _forward_to(self, route: MtRoute, forward: Forward, submit: Submit) -> None:
        billed = submit.registered_delivery == BILLING_ALONE
        fwd = Fwd(
            source_id=self.code,
            destination_id=route.gateway,
            nodes_count=1,
            msg_fwd_type=MT,
            msg_id=forward.msg_id,
            pk_total=submit.pk_total,
            pk_number=submit.pk_number,
            registered_delivery=BILLING_ALONE if billed else int(forward.wanted),
            msg_level=submit.msg_level,
            service_id=submit.service_id,
            fee_user_type=submit.fee_user_type,
            fee_terminal_id=submit.fee_terminal_id,
            tp_pid=submit.tp_pid,
            tp_udhi=submit.tp_udhi,
            msg_fmt=submit.msg_fmt,
            msg_src=submit.msg_src,
            fee_type=submit.fee_type,
            fee_code=submit.fee_code,
            valid_time=submit.valid_time,
            src_id=submit.src_id,
            dest_ids=(forward.number,),
            msg_content=submit.msg_content,
        )
        if forward.wanted:
            self._open[forward.msg_id, eleven(forward.number)] = forward

        def answered(answer: Pdu | None) -> None:
            result = answer.result if isinstance(answer, pdus.FwdResp) else None
            self.results["no answer" if result is None else str(result)] += 1
            if result != 0:
                self._open.pop((forward.msg_id, eleven(forward.number)), None)
                self._rejected(forward)

        self._dial(route).ask(fwd, answered)

    def _rejected(self, forward: Forward) -> None:
        """The failure rules: the SP gets REJECTD, minutes after its good answer perhaps."""
        self.counts["mt_rejected"] += 1
        self._gateway.report(forward, REJECTED)

    def _take_report(self, fwd: Fwd) -> int:
        body = pdus.ReportBody.layout.unpack(fwd.msg_content)
        if not isinstance(body, pdus.ReportBody):
            return 4
        if self._is_repeated(fwd, body.dest_terminal_id):
            return 0
        forward = self._open.pop((body.msg_id, eleven(body.dest_terminal_id)), None)
        if forward is None:
            self.counts["mt_reports_unknown"] += 1
            return 0
        self.counts["mt_reports_received"] += 1
        self._gateway.report(forward, body.stat.decode("latin-1"))
        return 0

    # MT: from elsewhere to our phones

    def _take(self, fwd: Fwd) -> int:
        """The Result of a FWD."""
        if fwd.destination_id != self.code:
            return NOT_OURS
        take = {
            MT: self._take_message,
            MO: self._take_from_phone,
            MT_REPORT: self._take_report,
            MO_REPORT: self._take_mo_report,
        }.get(fwd.msg_fwd_type)
        return OTHER if take is None else take(fwd)

    def _take_message(self, fwd: Fwd) -> int:
        if not fwd.dest_ids or not all(map(self.is_local, fwd.dest_ids)):
            self.counts["mt_refused"] += 1
            return NOT_OURS
        if not content_fits(fwd, self._gateway.switches.ascii_max):
            self.counts["mt_refused"] += 1
            return TOO_LONG
        for number in fwd.dest_ids:
            if not self._is_repeated(fwd, number):
                self._take_number(fwd, number)
        return 0

    def _take_number(self, fwd: Fwd, number: bytes) -> None:
        self.counts["mt_received"] += 1
        if fwd.registered_delivery == BILLING_ALONE:
            self.counts["mt_billed"] += 1
            return
        gateway, switches = self._gateway, self._gateway.switches
        status = gateway.phones.status(eleven(number))
        self.statuses[status] += 1
        if fwd.registered_delivery != 1:
            return
        if switches.report_loss and gateway.random.random() < switches.report_loss:
            self.counts["mt_reports_lost"] += 1
            return
        delay_s = gateway.clock.real_s(gateway.phones.delay_s())
        gateway.phones.schedule.after(delay_s, self._report_back, fwd, number, status)

    def _is_repeated(self, fwd: Fwd, number: bytes) -> bool:
        """A FWD without an answer comes again, and is not a second message."""
        key = (fwd.msg_id, number, fwd.pk_number, fwd.msg_fwd_type)
        if key in self._seen:
            self.counts["fwd_repeated"] += 1
            return True
        self._seen[key] = None
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        return False

    def _report_back(self, of: Fwd, number: bytes, status: str) -> None:
        when = self._gateway.clock.local().strftime("%y%m%d%H%M").encode()
        body = pdus.ReportBody(of.msg_id, status.encode(), when, when, number).pack(0)[12:]
        head = (self.code, of.source_id, 1, MT_REPORT, of.msg_id)
        service = (of.src_id,) if of.src_id else ()
        fwd = Fwd(*head, registered_delivery=0, src_id=number, dest_ids=service, msg_content=body)
        self._send_back(of.source_id, fwd, "mt_reports")

    def _send_back(self, source: bytes, fwd: Fwd, name: str) -> None:
        self.counts[f"{name}_sent"] += 1

        def answered(answer: Pdu | None) -> None:
            taken = isinstance(answer, pdus.FwdResp) and answer.result == 0
            self.counts[f"{name}_acked" if taken else f"{name}_failed"] += 1

        dial = self._dial_code(source)
        if dial is None:
            answered(None)
        else:
            dial.ask(fwd, answered)

    # MO: from our phones to a service anywhere

    def write(self, wanted: dict[str, Any]) -> int:
        """A phone of ours writes to a service; how many parts."""
        number = str(wanted.get("to", "")).encode("latin-1")
        account = self._gateway.account_of_service(number)
        if account is not None:
            return self._gateway.phones.write(account, wanted)
        pieces = self._gateway.phones.pieces(wanted, number.decode("latin-1"))
        self.counts["mo_forwarded"] += len(pieces)
        route = next((each for each in self.mo if each.has(number)), None)
        if route is not None:
            self._write_to(route, pieces)
        else:
            self._start(self._find_service(number, pieces))
        return len(pieces)

    async def _find_service(self, number: bytes, pieces: list[pdus.Deliver]) -> None:
        self.counts["routes_asked"] += 1
        answer = await self._ask(pdus.MoRoute(self.code, number))
        if isinstance(answer, pdus.MoRouteResp) and answer.result != 1:
            place = (answer.route_id, answer.destination_id, answer.gateway_ip, answer.gateway_port)
            route = MoRoute(*place, answer.sp_id, b"", answer.start_code, answer.end_code)
            self.mo.put(route)
            self._write_to(route, pieces)
            return
        self.counts["mo_without_route"] += len(pieces)
        self.mo_statuses[REJECTED] += len(pieces)

    def _write_to(self, route: MoRoute, pieces: list[pdus.Deliver]) -> None:
        for place, piece in enumerate(pieces, 1):
            fwd = Fwd(
                *(self.code, route.gateway, 1, MO),
                msg_id=piece.msg_id,
                pk_total=len(pieces),
                pk_number=place,
                service_id=piece.service_id,
                tp_udhi=piece.tp_udhi,
                msg_fmt=piece.msg_fmt,
                src_id=piece.src_terminal_id,
                dest_ids=(piece.dest_id,),
                msg_content=piece.msg_content,
            )

            def answered(answer: Pdu | None) -> None:
                result = answer.result if isinstance(answer, pdus.FwdResp) else None
                self.results["no answer" if result is None else str(result)] += 1
                if result != 0:
                    self.mo_statuses[REJECTED] += 1

            self._dial(route).ask(fwd, answered)

    def _take_mo_report(self, fwd: Fwd) -> int:
        body = pdus.MoReportBody.layout.unpack(fwd.msg_content)
        if not isinstance(body, pdus.MoReportBody):
            return 4
        if self._is_repeated(fwd, body.dest_id):
            return 0
        self.counts["mo_reports_received"] += 1
        self.mo_statuses[body.stat.decode("latin-1")] += 1
        return 0

    # MO: from elsewhere to our SP

    def _take_from_phone(self, fwd: Fwd) -> int:
        number = fwd.dest_ids[0] if fwd.dest_ids else b""
        account = self._gateway.account_of_service(number)
        if account is None:
            self.counts["mo_refused"] += 1
            return NOT_OURS
        if self._is_repeated(fwd, number):
            return 0
        self.counts["mo_received"] += 1
        sent = self._gateway.clock.local().strftime("%y%m%d%H%M").encode()

        def answered(result: int | None) -> None:
            account.counts.inbound_acked += result == 0
            now = self._gateway.clock.local().strftime("%y%m%d%H%M").encode()
            status = (DELIVERED if result == 0 else REJECTED).encode()
            body = pdus.MoReportBody(fwd.msg_id, status, sent, now, number).pack(0)[12:]
            report = Fwd(self.code, fwd.source_id, 1, MO_REPORT, fwd.msg_id, dest_ids=(fwd.src_id,), msg_content=body)
            self._send_back(fwd.source_id, report, "mo_reports")

        if not account.sessions:  # the connection is lost before sending
            answered(None)
            return 0
        pdu = pdus.Deliver(
            *(fwd.msg_id, number, fwd.service_id, fwd.tp_pid, fwd.tp_udhi, fwd.msg_fmt, fwd.src_id, 0),
            fwd.msg_content,
        )
        account.counts.inbound_pushed += 1
        self._gateway.send(account, Delivery(fwd.msg_id, pdu=pdu, answered=answered))
        return 0

    # routes and connections

    async def load_routes(self) -> None:
        """All routes by GET_ROUTE, MT and MO."""
        last = -1
        while isinstance(answer := await self._ask(pdus.GetRoute(self.code, b"MT", last)), pdus.GetRouteResp):
            if answer.result == 1:
                break
            place = (answer.route_id, answer.destination_id, answer.gateway_ip, answer.gateway_port)
            self.mt.put(MtRoute(*place, b"%d" % answer.start_code, b"%d" % answer.end_code, answer.area_code))
            last = answer.route_id
            if answer.result == 2:
                break
        last = -1
        while isinstance(answer := await self._ask(pdus.GetRoute(self.code, b"MO", last)), pdus.GetRouteResp):
            if answer.result == 1:
                break
            place = (answer.route_id, answer.destination_id, answer.gateway_ip, answer.gateway_port)
            self.mo.put(MoRoute(*place, answer.sp_code, answer.service_id, answer.start_code, answer.end_code))
            last = answer.route_id
            if answer.result == 2:
                break

    async def add_segment(self, start: bytes, end: bytes, area: bytes, address: Address) -> Pdu | None:
        """Take over a number segment: tell the name server."""
        self.segments.append((start, end))
        place = (self.code, address.host.encode(), address.port)
        return await self._ask(pdus.MtRouteUpdate(ADD, 0, *place, start, end, area))

    async def add_service(self, sp_code: bytes, address: Address) -> Pdu | None:
        """Take on a service code: tell the name server."""
        return await self._ask(pdus.MoRouteUpdate(ADD, 0, self.code, address.host.encode(), address.port, sp_code))

    async def _ask(self, request: Pdu) -> Pdu | None:
        """A question to the name server, on a short connection; again up to N times."""
        for _ in range(self._gateway.switches.attempts):
            connect = login(self.code, PEER_SECRET, self._gateway.clock.local())
            answer = await ask_once(self._name_server(), connect, request)
            if answer is not None:
                return answer
        return None

    def _dial(self, route: MtRoute | MoRoute) -> Dial:
        address = Address(route.ip.decode("latin-1"), route.port)
        dial = self._dials.get(address)
        if dial is None:
            gateway = self._gateway
            dial = self._dials[address] = Dial(
                address,
                lambda: login(self.code, PEER_SECRET, gateway.clock.local()),
                lambda: int(gateway.switches.window),
            )
        dial.reachable = self._gateway.switches.fwd_link == "up"
        return dial

    def _dial_code(self, code: bytes) -> Dial | None:
        """The connection to a gateway whose address is known from a route or its own word."""
        address = self.addresses.get(code)
        return None if address is None else self._dial(MtRoute(0, code, address.host.encode(), address.port, b"", b""))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
