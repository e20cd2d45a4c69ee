"""A receiver of callbacks on this machine that checks signatures, and fails as it is asked to."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


class Receiver:
    """Keeps what it took, by id, in order. `answers` are for the next requests; None: it hangs. Then 204.

    While it `hangs`, no request is answered.
    """

    def __init__(self) -> None:
        self.answers: list[int | tuple[int, dict[str, str]] | None] = []
        self.refuses: set[str] = set()
        self.hangs = False
        self.asked: list[str] = []
        self.taken: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.url = ""
        self.end = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body, id = await request.read(), request.headers["webhook-id"]
        signed = f"{id}.{request.headers['webhook-timestamp']}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
        assert request.headers["webhook-signature"] == wanted
        self.asked.append(id)
        data = json.loads(body)
        if self.hangs:
            await self.end.wait()
            return web.Response(status=503)
        about = data["data"]["chunks"][0] if data["type"] == "results" else data["data"]
        answer = 500 if about.get("campaign") in self.refuses else self.answers.pop(0) if self.answers else 204
        if answer is None:
            await self.end.wait()
            answer = 204
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        if status < 300:
            self.taken.append(id)
            self.bodies.append(data)
        return web.Response(status=status, headers=headers)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """One that listens."""
    receiver = Receiver()
    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/", receiver.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield receiver
    finally:
        receiver.end.set()
        await runner.cleanup()
