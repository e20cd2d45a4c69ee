"""The API on a real log, results and sockets, with callers of every kind; its services run in this process."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from dispatcher.config.file import Config, load
from dispatcher.core.people import PERMISSIONS
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.service.people.directory import open_directory
from dispatcher.service.session import Session, open_session
from producers.api.site import ApiSite
from producers.web.server import WebServer
from producers.web.serving import Web, serve

CONFIG = """
[log]
url = "sqlite:{folder}/log.db"
[store]
url = "sqlite:{folder}/results.db"
[web]
listen = "127.0.0.1:0"
[approval]
above = 1000
{more}
[account.spring]
vendor = "hezhong"
url = "http://127.0.0.1:1"
userid = "1"
username = "demo"
password = "demo"
push_open = true
"""
TERMS = {"text": "【Shop】Sale from 8 to 10", "route": ["spring"]}
NUMBERS = [f"138001380{number:02}" for number in range(20)]


class Reply(msgspec.Struct):
    """What came back."""

    status: int
    body: bytes
    headers: Any

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        """The kind of problem."""
        assert self.headers["Content-Type"] == "application/problem+json", self
        return str(self.json["type"]).rpartition("/")[2]


class Client:
    """Calls with one token."""

    def __init__(self, http: aiohttp.ClientSession, secret: str) -> None:
        self.http = http
        self.headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    async def __call__(self, method: str, path: str, value: Any = None, **how: Any) -> Reply:
        headers = self.headers | how.pop("headers", {})
        if value is not None:
            how["data"] = msgspec.json.encode(value)
            headers = {"Content-Type": "application/json"} | headers
        async with self.http.request(method, path, headers=headers, **how) as answer:
            return Reply(answer.status, await answer.read(), answer.headers)


class ServedApi:
    """The API of one log. `call` has every permission."""

    def __init__(
        self, config: Config, log: Log, web: Web, http: aiohttp.ClientSession, secrets: dict[str, str]
    ) -> None:
        self.config = config
        self.log = log
        self.web = web
        self.http = http
        self.secrets = secrets
        self.call = Client(http, secrets["all"])

    def caller(self, name: str) -> Client:
        return Client(self.http, self.secrets.get(name, name))


async def in_this_process(service: str, config: str, **arguments: Any) -> Any:
    """As call_service, without a process: the arguments and the result go through JSON all the same."""
    [found] = entry_points(group="dispatcher.services", name=service)
    async with open_session(config) as session:
        result = await found.load()(session, **json.loads(msgspec.json.encode(arguments)))
    return json.loads(msgspec.json.encode(result))


@asynccontextmanager
async def served(folder: Path, *, more: str = "", run_service: Any = in_this_process) -> AsyncIterator[ServedApi]:
    """Serve it. The tokens `all` and `other` may do everything, others have the permission of their name."""
    path = folder / "dispatcher.toml"
    path.write_text(CONFIG.format(folder=folder, more=more))
    config = load(path)
    log = await open_log(config.log.url)
    async with open_session(config, log=log) as session:
        directory = await open_directory(session)
        secrets = {"all": (await directory.add_token("shop", list(PERMISSIONS), by="test")).secret}
        secrets["other"] = (await directory.add_token("other", list(PERMISSIONS), by="test")).secret
        for permission in ("settings:read", "people:admin", "suppression:read"):
            name = permission.replace(":", "-")
            secrets[permission] = (await directory.add_token(name, [permission], by="test")).secret

    async def open_api(config: Config, log: Log, _: WebServer) -> ApiSite:
        own = Session(config, log)
        return ApiSite(config, own, await open_directory(own), run_service)

    web = await serve(config, log, [open_api])
    async with aiohttp.ClientSession(web.url) as http:
        yield ServedApi(config, log, web, http, secrets)
    await web.close()
    await log.close()
    assert web.server.budget.used == 0
