"""Routes: number segments to gateways (MT), service codes to gateways (MO) (vendors.md 6.13). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from typing import Final, Generic, TypeVar

import msgspec

ADD: Final = 0
DELETE: Final = 1
CHANGE: Final = 2


class MtRoute(msgspec.Struct, frozen=True):
    """The gateway of the numbers whose first digits lie between `start` and `end`."""

    route_id: int
    gateway: bytes
    ip: bytes
    port: int
    start: bytes
    end: bytes
    area: bytes = b""

    def has(self, number: bytes) -> bool:
        """Is this number of the segment?"""
        return self.start <= number[: len(self.start)] and number[: len(self.end)] <= self.end

    def is_legal(self) -> bool:
        """Can it be a route at all?"""
        digits = self.start.isdigit() and self.end.isdigit() and len(self.start) == len(self.end)
        return digits and self.start <= self.end and _gateway_is_legal(self.gateway, self.ip, self.port)


class MoRoute(msgspec.Struct, frozen=True):
    """The gateway of a service code; with a Service_Id of the codes from `start` to `end` alone."""

    route_id: int
    gateway: bytes
    ip: bytes
    port: int
    sp_code: bytes
    service_id: bytes = b""
    start: int = 0
    end: int = 0

    def has(self, number: bytes, service_id: bytes = b"", code: int = 0) -> bool:
        """Does a message to this number belong here?"""
        if not number.startswith(self.sp_code):
            return False
        return not self.service_id or (self.service_id == service_id and self.start <= code <= self.end)

    def is_legal(self) -> bool:
        """Can it be a route at all?"""
        return self.sp_code.isdigit() and self.start <= self.end and _gateway_is_legal(self.gateway, self.ip, self.port)


def _gateway_is_legal(gateway: bytes, ip: bytes, port: int) -> bool:
    return len(gateway) == 6 and gateway.isdigit() and port > 0 and _is_address(ip)


def eleven(number: bytes) -> bytes:
    """The number without a prefix."""
    return number.removeprefix(b"+").removeprefix(b"86") if len(number) > 11 else number


def mt_route_of(routes: Iterable[MtRoute], number: bytes) -> MtRoute | None:
    """The route of a number: that of the smallest segment which has it."""
    digits = eleven(number)
    found = [route for route in routes if route.has(digits)]
    return min(found, key=lambda route: int(route.end) - int(route.start), default=None)


def _is_address(ip: bytes) -> bool:
    try:
        IPv4Address(ip.decode("latin-1"))
    except ValueError:
        return False
    return True


R = TypeVar("R", MtRoute, MoRoute)


class Routes(Generic[R]):
    """Routes by their ids, in the order of these."""

    def __init__(self) -> None:
        self._routes: dict[int, R] = {}

    def __iter__(self) -> Iterator[R]:
        return iter(self._routes.values())

    def __len__(self) -> int:
        return len(self._routes)

    def next_id(self) -> int:
        """The id of a new route, from 0."""
        return max(self._routes, default=-1) + 1

    def put(self, route: R) -> None:
        """A new route, or another one under its id."""
        self._routes[route.route_id] = route
        self._routes = dict(sorted(self._routes.items()))

    def change(self, update_type: int, route: R) -> bool:
        """What an update says; False if there is nothing that it can change."""
        if update_type == ADD:
            self.put(route)
            return True
        if route.route_id not in self._routes or update_type not in (DELETE, CHANGE):
            return False
        if update_type == DELETE:
            del self._routes[route.route_id]
        else:
            self.put(route)
        return True

    def after(self, route_id: int) -> tuple[R, bool] | None:
        """The route behind this one, and whether it is the last."""
        behind = [each for each in self._routes if each > route_id]
        return (self._routes[behind[0]], len(behind) == 1) if behind else None

    def knows(self, route_id: int) -> bool:
        """Is there a route of this id?"""
        return route_id in self._routes
