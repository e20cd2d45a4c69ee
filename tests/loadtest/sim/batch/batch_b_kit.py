"""An HTTP client of the simulated BATCH-B platform and of its agent functions; it reads vendors.md 4 afresh."""

from __future__ import annotations

import base64
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from hashlib import md5
from typing import Any

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from tests.loadtest.sim.sim_kit import Answer, Vendor, encode, started

KEY = "12345678"
SECRET = "s3cret"
AGENT = {"username": "boss", "secret_key": SECRET, "des_key": KEY}
NOW: dict[str, Any] = {"clock_start": "2026-01-31T12:00:00"}
STAMP = "20260131120000"
USER = {
    "type": "1", "true_name": "春天公司", "contact_mobile": "13800138000", "send_hour": "8,21", "need_audit": "0",
    "send_type": "HBV", "need_reportmo": "1", "extno": "77", "signature": "", "fee_back": "1", "force_signature": "1",
    "anti_phshing": "0", "self_subscribe": "0", "product_list": "1234567", "web_client_ip": "", "http_client_ip": "",
    "sms_check": "0", "expired_date": "20301231",
}  # fmt: skip


def des(text: str | bytes, key: str = KEY, iv: str = "") -> str:
    """DES/CBC/PKCS5Padding in Base64."""
    raw = text.encode() if isinstance(text, str) else text
    pad = 8 - len(raw) % 8
    cipher = Cipher(TripleDES(key.encode() * 3), modes.CBC((iv or key).encode())).encryptor()
    return base64.b64encode(cipher.update(raw + bytes([pad]) * pad) + cipher.finalize()).decode()


@dataclass
class BatchB(Vendor):
    """A running simulator with an HTTP client."""

    async def variable(self, **parameters: Any) -> Answer:
        """POST HttpVarSM; None leaves a parameter out."""
        fields = {"account": "spring", "pswd": "secret", "needstatus": "true"} | parameters
        return await self.call("/msg/HttpVarSM", encode(fields))

    async def recharge(self, target: str = "spring", **parameters: Any) -> Answer:
        """POST Recharge, of 5."""
        fields = self.signed(parameters) | {"account": des(target), "fee": "5", "type": "1"} | parameters
        return await self.call("/msg/Recharge", encode(fields))

    async def add(self, target: str = "summer", secret: str = "passw0rd", **parameters: Any) -> Answer:
        """POST UserManage, action 0."""
        names = {"action": "0", "account": des(target), "ac_password": des(secret)}
        return await self.call("/msg/UserManage", encode(self.signed(parameters) | names | USER | parameters))

    async def delete(self, target: str = "summer", **parameters: Any) -> Answer:
        """POST UserManage, action 1."""
        fields = self.signed(parameters) | {"action": "1", "account": des(target)} | parameters
        return await self.call("/msg/UserManage", encode(fields))

    def signed(self, parameters: dict[str, Any]) -> dict[str, str]:
        """Who asks, at the time of `parameters` or at the one the simulator stands at."""
        stamp = parameters.get("timestamp") or self.sim.state.clock.stamp14()
        username = parameters.get("username") or "boss"
        password = md5(f"{username}{SECRET}{stamp}".encode()).hexdigest()
        return {"username": username, "password": password, "timestamp": stamp, "operator": "ann"}


def batch_b(
    account: dict[str, Any] | None = None, /, more: dict[str, Any] | None = None, **switches: Any
) -> AbstractAsyncContextManager[BatchB]:
    """The simulator; its account `boss` is an agent. `more` are further accounts."""
    config = {"vendor": "batch-b", "timestamp_reuse": "accepted"} | switches
    accounts = {"spring": {"pswd": "secret"} | (account or {}), "boss": {"agent": AGENT}} | (more or {})
    return started(BatchB, account, config | {"account": accounts})


def code(answer: Answer) -> str:
    """The code of an answer that may have a description."""
    return answer.text.split("\n")[0].split(",")[1].strip()
