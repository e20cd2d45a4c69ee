"""An HTTP client of the simulated GUODU, and a reader of what it pushes; both read vendors.md 5 afresh."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.loadtest.sim.sim_kit import Answer, Push, Vendor, started

SEND = "/HttpQuickProcess/submitJson"
JSON = {"Content-Type": "application/json; charset=UTF-8"}


@dataclass
class Guodu(Vendor):
    """A running simulator with an HTTP client."""

    async def send(self, **parameters: Any) -> Answer:
        """POST submitJson; None leaves a parameter out. `text` is url-encoded into Content, which goes as it is."""
        return await self.call(SEND, self.form(**parameters), kind=JSON)

    def form(self, **parameters: Any) -> bytes:
        text = parameters.pop("text", "hello")
        fields = {
            "OperID": "spring", "OperPass": "secret", "SendTime": "", "AppendID": "",
            "DesMobile": "13800138000", "Content": quote(text, safe=""),
        } | parameters  # fmt: skip
        return json.dumps({k: v for k, v in fields.items() if v is not None}, ensure_ascii=False).encode()


def guodu(account: dict[str, Any] | None = None, /, **switches: Any) -> AbstractAsyncContextManager[Guodu]:
    """The simulator."""
    return started(Guodu, account, {"vendor": "guodu"} | switches)


def code(answer: Answer) -> Any:
    """ResultCode as it is."""
    return json.loads(answer.text)["ResultCode"]


def vendor_id(answer: Answer) -> Any:
    """MsgId, or None."""
    return json.loads(answer.text).get("MsgId")


def entries(push: Push) -> list[dict[str, Any]]:
    """What a push has, whatever its shape and end."""
    said = json.loads(push.body.decode().removesuffix(";"))
    return said if isinstance(said, list) else [said]
