"""Who may read `/metrics`, and that scrapes cost one look in a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dispatcher.config.file import Config
from dispatcher.errors import LogUnavailable
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.service.people.directory import open_directory
from dispatcher.service.reports.metrics import Metrics
from dispatcher.service.session import Session, open_session
from producers.metrics import site as metrics_site
from producers.metrics.exposition import CONTENT_TYPE
from producers.metrics.site import KEPT_S, MetricsSite
from producers.web.monitors import has_health_token
from producers.web.server import WebServer
from producers.web.serving import serve
from producers.web.site import read_head
from producers.webhooks.server import open_site as open_pushes
from tests.console.served import configuration
from tests.service.place import launched

TOKEN = "a-token-that-nobody-guesses"


class Place:
    """A served site: `get` asks it with a token (a name of `tokens`, or a secret)."""

    def __init__(self, site: MetricsSite, http: aiohttp.ClientSession, tokens: dict[str, str], log: Log) -> None:
        self.site = site
        self.tokens = tokens
        self.log = log
        self.now_s = 0.0
        self._http = http

    async def get(self, token: str = "", path: str = "metrics", method: str = "GET", **headers: str) -> tuple[int, str]:
        secret = self.tokens.get(token, token)
        sent = headers | ({"Authorization": f"Bearer {secret}"} if secret else {})
        async with self._http.request(method, path, headers=sent) as answer:
            if answer.status == 200:
                assert answer.headers["Content-Type"] == CONTENT_TYPE
            return answer.status, await answer.text()


@asynccontextmanager
async def served(folder: Path, **web: Any) -> AsyncIterator[Place]:
    config = configuration(folder, health_token=TOKEN, **web)
    log = await open_log(config.log.url)
    async with open_session(config, log=log) as session:
        directory = await open_directory(session)
        tokens = {
            scope: (await directory.add_token(scope.replace(":", "-"), [scope], by="test")).secret
            for scope in ("reports:read", "accounts:read")
        }
        await launched(session, "may", recipients=30)
    opened: list[MetricsSite] = []

    async def open_site(config: Config, log: Log, server: WebServer) -> MetricsSite:
        of_site = Session(config, log)
        opened.append(MetricsSite(config, of_site, await open_directory(of_site), server, lambda: place.now_s))
        return opened[0]

    running = await serve(config, log, [open_pushes, open_site])
    async with aiohttp.ClientSession(running.url + "/") as http:
        place = Place(opened[0], http, tokens, log)
        yield place
    await running.close()
    await log.close()


async def test_this_machine_the_health_token_and_a_token_for_reports_may_read(tmp_path: Path) -> None:
    proxied = {"X-Forwarded-For": "203.0.113.7"}
    async with served(tmp_path, trusted_proxies=["127.0.0.1"]) as place:
        for token, headers, status in (
            ("", {}, 401),  # a proxy that names no client
            ("", proxied, 401),
            ("wrong", proxied, 401),
            ("accounts:read", proxied, 403),
            ("reports:read", proxied, 200),
            (TOKEN, proxied, 200),
        ):
            found, body = await place.get(token, **headers)
            assert (token, found, bool(body)) == (token, status, status == 200)
        assert (await place.get("", "metrics/x", **proxied))[0] == 401
        assert (await place.get("", "metrics", "POST", **proxied))[0] == 401


async def test_this_machine_may_read_what_did_not_come_through_an_unknown_proxy(tmp_path: Path) -> None:
    async with served(tmp_path) as place:
        status, body = await place.get()
        assert (status, (await place.get(Via="x"))[0]) == (200, 401)
        assert 'dispatcher_campaign_rows_by_term{campaign="may",term="queued"} 30.0' in body
        assert 'dispatcher_account_allowed_per_second{account="spring"} 500.0' in body
        assert "dispatcher_figures_known 1.0" in body
        assert 'dispatcher_push_results_total{result="taken"} 0.0' in body
        assert "process_resident_memory_bytes" in body
        assert (await place.get(method="HEAD"), (await place.get(method="POST"))[0]) == ((200, ""), 405)
        assert (await place.get(path="metrics/x"))[0] == 404


@pytest.mark.parametrize(
    ("token", "known"), [(TOKEN, True), ("reports:read", True), ("accounts:read", False), ("", False)]
)
async def test_the_first_bytes_prove_who_may_read(tmp_path: Path, token: str, known: bool) -> None:
    async with served(tmp_path) as place:
        secret = place.tokens.get(token, token)
        head = read_head(f"GET /metrics HTTP/1.1\r\nAuthorization: Bearer {secret}\r\n\r\n".encode())
        assert head is not None
        assert place.site.proves(head, "203.0.113.7") is known


def test_a_token_of_any_bytes_is_compared() -> None:
    assert not has_health_token("\udcff", TOKEN)
    assert not has_health_token("", None)


async def test_scrapes_that_follow_each_other_are_one_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(tmp_path) as place:
        looks, look = [], place.site._watch.look

        async def counted(session: Session, now_ms: int) -> Metrics:
            looks.append(now_ms)
            return await look(session, now_ms)

        monkeypatch.setattr(place.site._watch, "look", counted)
        first, at_once = await asyncio.gather(place.get(), place.get())
        place.now_s = KEPT_S / 2
        assert (at_once, await place.get(), len(looks)) == (first, first, 1)
        place.now_s = KEPT_S
        await place.get()
        assert len(looks) == 2


async def test_a_log_that_fails_or_hangs_leaves_the_figures_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path) as place:
        goes_on = asyncio.Event()

        async def fails(*_: Any) -> Any:
            raise LogUnavailable("the log is away")

        async def hangs(*_: Any) -> Any:
            await goes_on.wait()
            raise LogUnavailable("the log is away")

        look = place.site._watch.look
        monkeypatch.setattr(metrics_site, "LOOK_S", 0.01)
        for now_s, answer, known in ((0, fails, 0), (10, hangs, 0), (20, hangs, 0)):
            place.now_s = now_s
            monkeypatch.setattr(place.site._watch, "look", answer)
            status, body = await place.get()
            assert status == 200
            assert f"dispatcher_figures_known {known}.0" in body
            assert "dispatcher_web_connections 1.0" in body
        goes_on.set()
        monkeypatch.setattr(metrics_site, "LOOK_S", 5.0)
        monkeypatch.setattr(place.site._watch, "look", look)
        for now_s in (30, 40):
            place.now_s = now_s
            _, body = await place.get()
        assert "dispatcher_figures_known 1.0" in body
