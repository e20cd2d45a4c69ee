"""A whole dispatcher in one process, against a simulated vendor: console, pushes, lanes, results, campaigns."""

from __future__ import annotations

from pathlib import Path

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
VENDOR = {
    "vendor": "hezhong",  # it pushes 500 reports at once
    "push_retry": "until_200",
    "push_backoff_s": 0.2,
    "report_delay_min_s": 0.05,
    "report_delay_mean_s": 0.2,
    "report_delay_max_s": 1.0,
    "status_mix": {"DELIVRD": 97.0, "UNDELIV": 2.0, "MBBLACK": 1.0},
}


class Working(Served):
    """Made with the URL of its log and the rate of its one account, in messages per second.

    Waves are not judged, and so the next one is not released by itself, before `conduct`.
    """

    def __init__(self, folder: Path, log_url: str, *, per_s: int) -> None:
        self._folder = folder
        self._log_url = log_url
        self._limit = {"limit": per_s, "per_s": 1, "unit": "messages"}
        self._roles: list[Work] = []
        self.vendor: Simulator
        super().__init__(configuration(folder))

    async def _start(self) -> None:
        port = free_port()
        push = f"http://127.0.0.1:{port}/push/{ACCOUNT}"
        theirs = {
            "flow": self._limit,
            "report_url": f"{push}/report",
            "inbound_url": f"{push}/inbound",
        }
        self.vendor = Simulator({"listen": "127.0.0.1:0", "account": {ACCOUNT: theirs}} | VENDOR)
        await self.vendor.start()
        ours = {"vendor": "hezhong", "userid": "1001", "username": ACCOUNT, "password": "secret", "flow": self._limit}
        table = {
            "log": {"url": self._log_url},
            "store": {"url": f"sqlite:{self._folder}/results.db"},
            "web": {"listen": f"127.0.0.1:{port}", "confirm_above": 100},
            "account": {ACCOUNT: ours | {"url": self.vendor.url, "price": {"default": "0.045"}, "push_open": True}},
        }
        path = self._folder / "dispatcher.toml"
        path.write_text(as_toml(table | ALWAYS), "utf-8")  # services for long lists run in processes of their own
        self.config = parse(table | ALWAYS, str(path))
        self.log = await open_log(self.config.log.url)

        async def remembered(config: Config, log: Log, server: WebServer) -> ConsoleSite:
            self.site = await open_site(config, log, server)
            return self.site

        self.web = await serve(self.config, self.log, [remembered, open_pushes])
        for start in (start_results, start_lanes):
            self._roles.append(await start(self.config, self.log))

    def conduct(self) -> None:
        """Start the role that judges waves."""

        async def start() -> None:
            self._roles.append(await start_campaigns(self.config, self.log))

        self.run(start)

    async def _stop(self) -> None:
        await self.web.close()
        for role in reversed(self._roles):
            await role.stop()
        await self.vendor.close()
        await self.log.close()
