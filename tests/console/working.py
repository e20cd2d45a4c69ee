"""A whole dispatcher in one process, against a simulated vendor: console, pushes, lanes, results, campaigns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from consumers.campaigns.role import start_campaigns
from consumers.lanes.role import start_lanes
from consumers.results.role import start_results
from dispatcher.config.file import Config, parse
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.process.roles import Work
from loadtest.free_ports import free_port
from loadtest.scenarios.settings import as_toml
from loadtest.sim.server import Simulator
from producers.console.site import ConsoleSite, open_site
from producers.web.server import WebServer
from producers.web.serving import serve
from producers.webhooks.server import open_site as open_pushes
from tests.always import ALWAYS
from tests.console.served import Served, configuration

ACCOUNT = "spring"
REPORTS = {"report_delay_min_s": 0.05, "report_delay_mean_s": 0.2, "report_delay_max_s": 1.0, "push_backoff_s": 0.2}


class Working(Served):
    """Made with the rate of its one account, in messages per second; `confirm_above` as in `[web]`."""

    def __init__(self, folder: Path, *, per_s: int, confirm_above: int = 1_000, **switches: Any) -> None:
        self._folder = folder
        self._limit = {"limit": per_s, "per_s": 1, "unit": "messages"}
        self._confirm_above = confirm_above
        self._switches = REPORTS | switches
        self._roles: list[Work] = []
        self.vendor: Simulator
        super().__init__(configuration(folder))

    async def _start(self) -> None:
        port = free_port()
        push = f"http://127.0.0.1:{port}/push/{ACCOUNT}"
        theirs = {
            "account": "demo",
            "flow": self._limit,
            "report_url": f"{push}/report",
            "inbound_url": f"{push}/inbound",
        }
        self.vendor = Simulator({"listen": "127.0.0.1:0", "account": {ACCOUNT: theirs}} | self._switches)
        await self.vendor.start()
        ours = {"vendor": "batch-a", "url": self.vendor.url, "account": "demo", "pswd": "secret", "flow": self._limit}
        table = {
            "log": {"url": f"sqlite:{self._folder}/log.db"},
            "store": {"url": f"sqlite:{self._folder}/results.db"},
            "web": {"listen": f"127.0.0.1:{port}", "confirm_above": self._confirm_above},
            "account": {ACCOUNT: ours | {"price": {"default": "0.045"}, "push_open": True}},
        }
        path = self._folder / "dispatcher.toml"
        path.write_text(as_toml(table | ALWAYS), "utf-8")  # services for long lists run in processes of their own
        self.config = parse(table | ALWAYS, str(path))
        self.log = await open_log(self.config.log.url)

        async def remembered(config: Config, log: Log, server: WebServer) -> ConsoleSite:
            self.site = await open_site(config, log, server)
            return self.site

        self.web = await serve(self.config, self.log, [remembered, open_pushes])
        for start in (start_results, start_lanes, start_campaigns):
            self._roles.append(await start(self.config, self.log))

    async def _stop(self) -> None:
        await self.web.close()
        for role in reversed(self._roles):
            await role.stop()
        await self.vendor.close()
        await self.log.close()
