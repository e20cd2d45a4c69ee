"""Two CMPP gateways and the name server, started together.

    async with CmppNetwork({"account": {"spring": {"account": "901234", "gateway": "001001"}}}) as network:
        network.gateways["001001"].address, network.gateways["079101"].totals()["network"]

Every gateway listens on three ports: for long connections of SPs, for long ones of gateways, for short ones of both
(vendors.md 6.2). With a port in `listen` they are the ones from there on; with port 0 free ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from loadtest.sim import config as configuration
from loadtest.sim.cmpp.judging import PEER_SECRET
from loadtest.sim.cmpp.network.dial import Address
from loadtest.sim.cmpp.network.name_server import NameServer
from loadtest.sim.cmpp.network.node import Node
from loadtest.sim.cmpp.network.routes import MoRoute, MtRoute
from loadtest.sim.cmpp.server import CmppSimulator
from loadtest.sim.config import SimConfig
from loadtest.sim.http.arrival_times import Listener, listening

SEGMENTS: Final = {"001001": (b"130000", b"138999", b"010"), "079101": (b"139000", b"199999", b"0791")}
"""The number segments of each gateway, and its area code."""
PORTS: Final = 3  # of a gateway: SPs, gateways, short


class CmppNetwork:
    """Two gateways and the name server. Errors: ConfigError, PortInUse."""

    def __init__(self, config: SimConfig | Mapping[str, Any] | Path | None = None) -> None:
        if not isinstance(config, SimConfig):
            config = configuration.read({"vendor": "cmpp"} | configuration.load(config))
        self.config = config
        first = next(iter(SEGMENTS))
        self.gateways: dict[str, CmppSimulator] = {}
        self.nodes: dict[str, Node] = {}
        for place, (code, (start, end, _)) in enumerate(SEGMENTS.items()):
            accounts = {n: a for n, a in config.accounts.items() if (a.gateway or first) == code}
            sim = CmppSimulator(_of(config, accounts, place), code)
            self.gateways[code] = sim
            self.nodes[code] = Node(sim.gateway, [(start, end)], lambda: self.name_server.address)
            sim.gateway.network = self.nodes[code]
        clock = self.gateways[first].gateway.clock
        self.name_server = NameServer(PEER_SECRET, clock.local)
        self._listeners: list[Listener] = []
        self._stack = AsyncExitStack()
        self.long: dict[str, Address] = {}
        self.short: dict[str, Address] = {}

    @property
    def url(self) -> str:
        """The control endpoint of the first gateway."""
        return next(iter(self.gateways.values())).url

    @property
    def wire_address(self) -> str:
        """Where SPs of the first gateway connect to."""
        return next(iter(self.gateways.values())).wire_address

    def configure(self, **settings: Any) -> None:
        """As POST /_sim/config of the first gateway."""
        next(iter(self.gateways.values())).configure(**settings)

    async def start(self) -> None:
        """Listen, and tell the name server who has what."""
        host, port = self.config.address
        for place, (code, sim) in enumerate(self.gateways.items()):
            await self._stack.enter_async_context(sim)
            base = port and port + PORTS * place
            self.long[code] = self._listen(host, base and base + 1, sim.gateway.new_session)
            self.short[code] = self._listen(host, base and base + 2, sim.gateway.new_short_session)
        await self.name_server.start(host, port and port + PORTS * len(self.gateways))
        for code in self.nodes:
            start, end, area = SEGMENTS[code]
            self.name_server.gateways[code.encode()] = self.short[code]
            place_of = (code.encode(), self.long[code].host.encode(), self.long[code].port)
            self.name_server.mt.put(MtRoute(self.name_server.mt.next_id(), *place_of, start, end, area))
            for account in self.gateways[code].gateway.accounts.values():
                if account.config.service_code:
                    service = account.config.service_code.encode()
                    self.name_server.mo.put(MoRoute(self.name_server.mo.next_id(), *place_of, service))
        for code, node in self.nodes.items():
            node.addresses = {other.encode(): self.long[other] for other in self.long if other != code}
            if self.gateways[code].gateway.switches.route_lookup == "load":
                await node.load_routes()

    def _listen(self, host: str, port: int, make: Any) -> Address:
        listener = listening(make, host, port)
        self._listeners.append(listener)
        return Address(host, listener.port)

    async def close(self) -> None:
        """End everything; the ledgers can still be read."""
        for node in self.nodes.values():
            node.close()
        await self.name_server.close()
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        await self._stack.aclose()

    async def __aenter__(self) -> CmppNetwork:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def introduction(self) -> list[str]:
        """What to read when it listens."""
        lines = ["A simulated CMPP network: two gateways and the name server", ""]
        for code, sim in self.gateways.items():
            start, end, _ = SEGMENTS[code]
            lines += [
                f"Numbers {start.decode()}… to {end.decode()}… are of the gateway {code}.",
                *sim.introduction(),
                "",
            ]
        return [*lines, f"The name server listens on {self.name_server.address.host}:{self.name_server.address.port}."]


def _of(config: SimConfig, accounts: dict[str, Any], place: int) -> SimConfig:
    """The configuration of one gateway."""
    host, port = config.address
    listen = f"[{host}]" if ":" in host else host
    control = ""
    if config.control:
        name, control_port = config.control_address
        control = f"{f'[{name}]' if ':' in name else name}:{control_port and control_port + place}"
    return SimConfig(
        vendor=config.vendor,
        listen=f"{listen}:{port and port + PORTS * place}",
        control=control,
        seed=config.seed + place,
        allow_remote=config.allow_remote,
        switches=config.switches,
        accounts=accounts,
        rules=config.rules,
    )
