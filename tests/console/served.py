"""A console that is served by this process in a thread of its own, so that a browser can visit it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from dispatcher.config.file import Config, parse
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.service.session import Session
from producers.console.site import ConsoleSite, open_site
from producers.web.server import WebServer
from producers.web.serving import Web, serve
from tests.always import ALWAYS

T = TypeVar("T")

PASSWORD = "green horses 7"
FLOW = {"limit": 500, "per_s": 1, "unit": "messages"}


def configuration(folder: Path, **web: Any) -> Config:
    """Two accounts that reach no vendor, summer with a price, and a console at any free port."""
    account = {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": "secret-of-the-vendor"}
    table = {
        "log": {"url": f"sqlite:{folder}/log.db"},
        "store": {"url": f"sqlite:{folder}/results.db"},
        "web": {"listen": "127.0.0.1:0"} | web,
        "account": {
            name: account | {"receiver": name, "push_pswd": f"{name}-key", "flow": flow} | more
            for name, flow, more in (
                ("spring", FLOW, {}),
                ("summer", FLOW | {"limit": 200}, {"price": {"default": "0.05"}}),
            )
        },
    } | ALWAYS
    return parse(table, str(folder / "dispatcher.toml"))


class Served:
    """A running console on a log of its own; `run` has its loop run a coroutine."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.site: ConsoleSite
        self.web: Web
        self.log: Log
        self.run(self._start)

    @property
    def url(self) -> str:
        """Where it is, with its prefix."""
        return self.web.url + self.config.web.prefix

    @property
    def session(self) -> Session:
        """The session of the pages."""
        return self.site._state.session

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run it where the console runs; returns its result."""
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(60)

    def add_person(self, name: str, role: str) -> None:
        """A person with PASSWORD."""
        self.run(lambda: self.site._people.add_person(name, role, PASSWORD, by="root"))

    def sign_in(self, name: str) -> str:
        """Begin a session; returns its cookie."""
        return self.run(lambda: self.site._people.sign_in(name, PASSWORD)).secret

    def close(self) -> None:
        """End it."""
        self.run(self._stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        self.log = await open_log(self.config.log.url)

        async def remembered(config: Config, log: Log, server: WebServer) -> ConsoleSite:
            self.site = await open_site(config, log, server)
            return self.site

        self.web = await serve(self.config, self.log, [remembered])

    async def _stop(self) -> None:
        await self.web.close()
        await self.log.close()
