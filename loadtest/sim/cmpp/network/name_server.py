"""The name server (GNS): it answers which gateway has a phone or a service, takes updates and pushes them
(vendors.md 6.13).

Short connections alone: a login, one request, its answer, the end. An update is legal or not at once; it counts, and is
pushed to every gateway, when it is checked.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from dispatcher.cmpp import pdus
from dispatcher.cmpp.layout import Pdu
from loadtest.sim.cmpp.judging import peer_resp, peer_status
from loadtest.sim.cmpp.network.dial import Address, ask_once, login
from loadtest.sim.cmpp.network.routes import ADD, MoRoute, MtRoute, Routes, mt_route_of
from loadtest.sim.cmpp.stream import Stream

FOUND: Final = 0
NONE: Final = 1
LAST: Final = 2
CODE: Final = b"000000"


class NameServer:
    """One GNS. `gateways` are the short ports of those that it tells of changes."""

    def __init__(self, secret: bytes, local: Callable[[], datetime]) -> None:
        self._secret = secret
        self._local = local
        self.mt: Routes[MtRoute] = Routes()
        self.mo: Routes[MoRoute] = Routes()
        self.gateways: dict[bytes, Address] = {}
        self.asked: Counter[str] = Counter()
        self.pushed: Counter[int | None] = Counter()
        self.address = Address("", 0)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> None:
        """Listen."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Caller(self), host, port)
        self.address = Address(host, self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()

    def connected(self, connect: pdus.Connect) -> pdus.ConnectResp:
        """The answer to a login."""
        return peer_resp(peer_status(connect, self.gateways, self._secret), connect, self._secret)

    def answer(self, request: Pdu) -> Pdu | None:
        """The answer to a request of a gateway."""
        self.asked[type(request).__name__] += 1
        match request:
            case pdus.MtRoute():
                mt = mt_route_of(self.mt, request.terminal_id)
                return mt_route_resp(mt, FOUND if mt else NONE)
            case pdus.MoRoute():
                asked = (request.sp_code, request.service_id, request.service_code)
                mo = next((route for route in self.mo if route.has(*asked)), None)
                return mo_route_resp(mo, FOUND if mo else NONE)
            case pdus.GetRoute():
                return self._next_route(request)
            case pdus.MtRouteUpdate():
                return pdus.MtRouteUpdateResp(0 if self._update_mt(request) else 1)
            case pdus.MoRouteUpdate():
                return pdus.MoRouteUpdateResp(0 if self._update_mo(request) else 1)
        return None

    def _next_route(self, request: pdus.GetRoute) -> pdus.GetRouteResp:
        if request.route_type == b"MT":
            mt = self.mt.after(request.last_route_id)
            if mt is None:
                return pdus.GetRouteResp(result=NONE)
            route, last = mt
            return pdus.GetRouteResp(
                *(route.route_id, route.gateway, route.ip, route.port, b"", b"", int(route.start), int(route.end)),
                route.area,
                LAST if last else FOUND,
            )
        mo = self.mo.after(request.last_route_id)
        if mo is None or request.route_type != b"MO":
            return pdus.GetRouteResp(result=NONE)
        service, last = mo
        return pdus.GetRouteResp(
            *(service.route_id, service.gateway, service.ip, service.port, service.sp_code, service.service_id),
            *(service.start, service.end, b"", LAST if last else FOUND),
        )

    def _update_mt(self, update: pdus.MtRouteUpdate) -> bool:
        route_id = self.mt.next_id() if update.update_type == ADD else update.route_id
        route = mt_route(update, route_id)
        if update.update_type > 2 or not route.is_legal() or (update.update_type and not self.mt.knows(route_id)):
            return False
        self._checked(lambda: self.change_mt(update.update_type, route))
        return True

    def _update_mo(self, update: pdus.MoRouteUpdate) -> bool:
        route_id = self.mo.next_id() if update.update_type == ADD else update.route_id
        route = mo_route(update, route_id)
        if update.update_type > 2 or not route.is_legal() or (update.update_type and not self.mo.knows(route_id)):
            return False
        self._checked(lambda: self.change_mo(update.update_type, route))
        return True

    def _checked(self, change: Callable[[], None]) -> None:
        """The check of an update happens behind its answer."""
        asyncio.get_running_loop().call_soon(change)

    def change_mt(self, update_type: int, route: MtRoute) -> None:
        """Change a route and tell every gateway."""
        if self.mt.change(update_type, route):
            self._push(
                pdus.PushMtRouteUpdate(
                    *(update_type, route.route_id, route.gateway, route.ip, route.port),
                    *(route.start, route.end, route.area),
                )
            )

    def change_mo(self, update_type: int, route: MoRoute) -> None:
        """Change a route and tell every gateway."""
        if self.mo.change(update_type, route):
            self._push(
                pdus.PushMoRouteUpdate(
                    *(update_type, route.route_id, route.gateway, route.ip, route.port),
                    *(route.sp_code, route.service_id, route.start, route.end),
                )
            )

    def _push(self, update: Pdu) -> None:
        for address in self.gateways.values():
            task = asyncio.get_running_loop().create_task(self._push_to(address, update))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _push_to(self, address: Address, update: Pdu) -> None:
        answer = await ask_once(address, login(CODE, self._secret, self._local()), update)
        self.pushed[getattr(answer, "result", None)] += 1


class _Caller(asyncio.Protocol):
    """A short connection of a gateway."""

    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._stream = Stream()
        self._known = False
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for command, sequence, body in self._stream.frames(data):
            layouts = pdus.LAYOUTS.get(command)
            request = layouts[0].unpack(body) if layouts else ""
            if isinstance(request, pdus.Connect) and not self._known:
                resp = self._server.connected(request)
                self._known = resp.status == 0
                self._transport.write(resp.pack(sequence))
                if self._known:
                    continue
            elif self._known and not isinstance(request, str):
                answer = self._server.answer(request)
                if answer is not None:
                    self._transport.write(answer.pack(sequence))
            self._transport.close()
            return
        if self._stream.wrong:
            self._transport.close()


def mt_route_resp(route: MtRoute | None, result: int) -> pdus.MtRouteResp:
    """A route on the wire."""
    if route is None:
        return pdus.MtRouteResp(result=result)
    return pdus.MtRouteResp(
        *(route.route_id, route.gateway, route.ip, route.port, route.start, route.end, route.area, result)
    )


def mo_route_resp(route: MoRoute | None, result: int) -> pdus.MoRouteResp:
    """A route on the wire; SP_Id holds the service code (AMB-CMPP-26)."""
    if route is None:
        return pdus.MoRouteResp(result=result)
    return pdus.MoRouteResp(
        *(route.route_id, route.gateway, route.ip, route.port, route.sp_code, route.start, route.end, result)
    )


def mt_route(update: pdus.MtRouteUpdate | pdus.PushMtRouteUpdate, route_id: int) -> MtRoute:
    """The route of an update."""
    place = (route_id, update.destination_id, update.gateway_ip, update.gateway_port)
    return MtRoute(*place, update.start_id, update.end_id, update.area_code)


def mo_route(update: pdus.MoRouteUpdate | pdus.PushMoRouteUpdate, route_id: int) -> MoRoute:
    """The route of an update."""
    place = (route_id, update.destination_id, update.gateway_ip, update.gateway_port)
    return MoRoute(*place, update.sp_code, update.service_id, update.start_code, update.end_code)
