"""An HTTP client of the simulated COSMS, and readers of what it answers; they read vendors.md 1 afresh."""

from __future__ import annotations

import hashlib
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from yarl import URL

from tests.loadtest.sim.sim_kit import FORM, Answer, Vendor, started
from tests.waiting import until

SEND = "/sms/putMt/"
LOGIN = {"corpID": "spring", "loginName": "spring", "password": "secret"}
SMS = LOGIN | {"msgFormat": "1", "mtLevel": "1", "Mobs": "13800138000", "msg": "hello"}


def gbk(fields: dict[str, Any]) -> bytes:
    """Url-encoded GBK; bytes as they are, None left out, the list of numbers not escaped."""
    return "&".join(
        f"{k}={v if k == 'Mobs' else quote(v if isinstance(v, bytes) else str(v).encode('gbk'), safe='')}"
        for k, v in fields.items()
        if v is not None
    ).encode()


def level(mobs: str) -> str:
    """The level this many numbers want."""
    count = mobs.count(",") + 1
    return "3" if count > 100 else "2" if count > 10 else "1"


@dataclass
class Cosms(Vendor):
    """A running simulator with an HTTP client."""

    async def send(self, **parameters: Any) -> Answer:
        """POST putMt; None leaves a parameter out."""
        return await self.call(SEND, self.form(**parameters))

    async def call(self, path: str, body: bytes | None, method: str = "", kind: dict[str, str] = FORM) -> Answer:
        """Its text is latin-1: rows may be in any format."""
        async with self.http.request(
            method or ("GET" if body is None else "POST"),
            URL(self.sim.url + path, encoded=True),
            data=body,
            headers=kind if body is not None else {},
            allow_redirects=False,
        ) as answer:
            return Answer(answer.status, (await answer.read()).decode("latin-1"), dict(answer.headers))

    async def ask(self, endpoint: str, **parameters: Any) -> Answer:
        """GET /sms/ENDPOINT/ with a plain login."""
        return await self.call(f"/sms/{endpoint}/?{gbk(LOGIN | parameters).decode()}", None)

    async def reports(self, **parameters: Any) -> list[tuple[str, str]]:
        """The rows of getReport, (mtID, value)."""
        answer = await self.ask("getReport", **parameters)
        assert code(answer) in ("100", "300"), answer
        return [(row[0], row[1]) for row in (line.split(",") for line in rows(answer))]

    async def md5str(self, path: str = "/sms/getMD5str") -> str:
        """A new one-time string."""
        return (await self.call(path, None)).text.split()[-1]

    async def due(self, count: int) -> None:
        """Wait until so many reports are planned."""
        await until(lambda: self.sim.state.ledger.books["spring"].reports_due == count)
        await until(lambda: self.sim.state.reports.waiting >= count)

    def form(self, **parameters: Any) -> bytes:
        given = {"mtLevel": level(parameters.get("Mobs") or "")} | parameters
        return gbk(SMS | given)


def cosms(account: dict[str, Any] | None = None, /, **switches: Any) -> AbstractAsyncContextManager[Cosms]:
    """The simulator."""
    return started(Cosms, account, {"vendor": "cosms"} | switches)


def code(answer: Answer) -> str:
    """What the first line starts with."""
    return answer.text.strip()[:3]


def rows(answer: Answer) -> list[str]:
    """The lines behind the first."""
    return [line for line in answer.text.splitlines()[1:] if line.strip()]


def mt_ids(answer: Answer) -> list[str]:
    """The mtIDs of a putMt."""
    return [row.partition(",")[2].strip() for row in rows(answer)]


def hashed(corp_id: str, name: str, password: str, md5str: str) -> str:
    """vendors.md 1.3."""
    first = hashlib.md5((corp_id + name.upper() + password).encode()).hexdigest()
    return hashlib.md5((first + md5str).encode()).hexdigest()
