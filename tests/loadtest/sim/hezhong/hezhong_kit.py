"""An HTTP client of the simulated HEZHONG, and a reader of what it pushes; both read vendors.md 2 afresh."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.loadtest.sim.sim_kit import Answer, Push, Vendor, started

SEND = "/sms/api/SendMt.do"
BALANCE = "/sms/api/QueryBalance.do"


def gbk(fields: dict[str, Any]) -> bytes:
    """Url-encoded GBK; bytes as they are, None left out, the list of numbers not escaped."""
    return "&".join(
        f"{k}={v if k == 'mobs' else quote(v if isinstance(v, bytes) else str(v).encode('gbk'), safe='')}"
        for k, v in fields.items()
        if v is not None
    ).encode()


@dataclass
class Hezhong(Vendor):
    """A running simulator with an HTTP client."""

    async def send(self, **parameters: Any) -> Answer:
        """POST SendMt.do; None leaves a parameter out."""
        return await self.call(SEND, self.form(**parameters))

    async def balance(self, **parameters: Any) -> Answer:
        fields = {"userid": "1", "username": "spring", "password": "secret"} | parameters
        return await self.call(f"{BALANCE}?{gbk(fields).decode()}", None)

    def form(self, **parameters: Any) -> bytes:
        fields = {"userid": "1", "username": "spring", "password": "secret", "mobs": "13800138000", "msg": "hello"}
        return gbk(fields | parameters)


def hezhong(account: dict[str, Any] | None = None, /, **switches: Any) -> AbstractAsyncContextManager[Hezhong]:
    """The simulator."""
    return started(Hezhong, account, {"vendor": "hezhong"} | switches)


def code(answer: Answer) -> str:
    """What an answer starts with."""
    return answer.text.partition(",")[0].strip()


def vendor_id(answer: Answer) -> str:
    """What stands behind the code."""
    return answer.text.partition(",")[2].strip()


def entries(push: Push, name: str = "rpts") -> list[list[str]]:
    """The fields of a push without white space, entry by entry."""
    return [[field.strip() for field in entry.split(",")] for entry in push.fields[name].split(";") if entry.strip()]
