"""A simulated CMPP gateway, started: its port for SPs, its control endpoint, its clock.

async with CmppSimulator({"account": {"spring": {"account": "901234"}}}) as sim:
    ...                     # sim.address; sim.url for /_sim/...; sim.configure(...); sim.totals(); sim.rows()
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import polars as pl
from aiohttp import web

from dispatcher.errors import PortInUse
from loadtest.sim import config as configuration
from loadtest.sim.cmpp.control import Control
from loadtest.sim.cmpp.gateway import GATEWAY_ID, Gateway
from loadtest.sim.config import SimConfig
from loadtest.sim.http.arrival_times import Listener, listening

OUTAGE_IN_S: Final = 0.05
TICK_S_MAX: Final = 1.0
TICK_S_MIN: Final = 0.005
TICKS: Final = 8  # in the shorter of C and T


class CmppSimulator:
    """One gateway with its accounts. Errors: ConfigError, PortInUse."""

    def __init__(
        self, config: SimConfig | Mapping[str, Any] | Path | None = None, gateway_id: str = GATEWAY_ID
    ) -> None:
        if not isinstance(config, SimConfig):
            config = configuration.read({"vendor": "cmpp"} | configuration.load(config))
        self.config = config
        self.gateway = Gateway(config, gateway_id)
        self.gateway.retime = self._retime
        self.control = Control(self.gateway, self.outage)
        self.address = ("", 0)
        self.url = ""
        self.down = False
        self._listener: Listener | None = None
        self._web: web.ServerRunner | None = None
        self._tick: asyncio.TimerHandle | None = None

    @property
    def wire_address(self) -> str:
        """Where SPs connect to."""
        return "{}:{}".format(*self.address)

    async def start(self) -> None:
        """Listen."""
        host, port = self.config.address
        self._listener = listening(self.gateway.new_session, host, port)
        self.address = (host, self._listener.port)
        self._web = web.ServerRunner(web.Server(self.control.handle, access_log=None))
        await self._web.setup()
        site = web.TCPSite(self._web, *self.config.control_address)
        try:
            await site.start()
        except OSError as error:
            await self.close()
            raise PortInUse(
                f"control = {self.config.control!r}: {error.strerror}. Choose another address there."
            ) from None
        host, port = self._web.addresses[0][:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._retime()

    async def close(self) -> None:
        """End every connection; the ledger can still be read."""
        self.gateway.phones.reset()
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        if self._listener is not None and not self.down:
            self._listener.close()
        self._listener = None
        for session in list(self.gateway.sessions):
            session.close()
        if self._web is not None:
            await self._web.cleanup()
            self._web = None
        await asyncio.sleep(0)

    async def __aenter__(self) -> CmppSimulator:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def configure(self, **settings: Any) -> None:
        """As POST /_sim/config."""
        self.control.configure(settings)

    def totals(self) -> dict[str, Any]:
        """As GET /_sim/ledger."""
        return self.control.totals()

    def rows(self) -> pl.DataFrame:
        """As GET /_sim/ledger/rows."""
        return self.gateway.ledger.frame(list(self.gateway.accounts))

    def outage(self, seconds: float) -> None:
        """Die as a gateway's process does: connections are reset and the port is closed; back after these seconds."""
        asyncio.get_running_loop().call_later(OUTAGE_IN_S, self._die, seconds)

    def introduction(self) -> list[str]:
        """What to read when it listens."""
        host, port = self.address
        lines = [f"A simulated CMPP 2.0 gateway ({self.gateway.gateway_id}) listens on {host}:{port}", ""]
        for account in self.gateway.accounts.values():
            config, flow = account.config, account.config.flow
            limit = f"{flow.limit} {flow.unit} in any {flow.per_s:g} s" if flow.limit else "no flow limit"
            lines.append(f"  SP {config.account}: shared secret {config.shown_pswd}, {limit}")
        return [
            *lines,
            "",
            "Look at it and change it:",
            f"  curl '{self.url}/_sim/ledger'          what it was sent, took and reported",
            f"  curl '{self.url}/_sim/config'          every switch, with what it may be",
            f"  curl '{self.url}/_sim/config' -d '{{\"window_violation\": \"close\"}}'",
        ]

    def _die(self, seconds: float) -> None:
        if self._listener is None or self.down:
            return
        self.down = True
        self._listener.close()
        for session in list(self.gateway.sessions):
            session.reset()
        asyncio.get_running_loop().call_later(seconds, self._return)

    def _return(self) -> None:
        if self._listener is None:
            return
        try:
            self._listener = Listener(*self.address, self.gateway.new_session)
        except OSError:  # another program took our port meanwhile; try again later
            asyncio.get_running_loop().call_later(OUTAGE_IN_S, self._return)
            return
        self.down = False

    def _retime(self) -> None:
        """Tick as often as C and T ask for."""
        if self._tick is not None:
            self._tick.cancel()
        with suppress(RuntimeError):  # not started yet
            self._tick = asyncio.get_running_loop().call_later(self._tick_s(), self._ticked)

    def _tick_s(self) -> float:
        switches = self.gateway.switches
        shorter_s = self.gateway.clock.real_s(min(switches.active_interval_s, switches.answer_timeout_s))
        return min(max(shorter_s / TICKS, TICK_S_MIN), TICK_S_MAX)

    def _ticked(self) -> None:
        self.gateway.tick()
        self._tick = asyncio.get_running_loop().call_later(self._tick_s(), self._ticked)
