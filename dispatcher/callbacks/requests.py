"""One callback's connections: a bounded number, TLS checked, no redirects, no proxies, no cookies, a short answer."""

from __future__ import annotations

import asyncio
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, Self

import aiohttp

from dispatcher.callbacks.bodies import bot_body, standard_body
from dispatcher.clock import now_ms
from dispatcher.config.callbacks import CallbackConfig
from dispatcher.core.callbacks.answers import Answer, answer_of
from dispatcher.core.callbacks.outbox import Message
from dispatcher.core.callbacks.signing import dingtalk_query, key_of, signature

CONNECTIONS_MAX: Final = 4
"""Also how many messages of one callback are under way at a time."""

TIMEOUT_S: Final = 15.0
ANSWER_BYTES_MAX: Final = 65_536


class Requests:
    """Posts messages to one receiver. Opened by `async with`."""

    def __init__(self, callback: CallbackConfig, timeout_s: float = TIMEOUT_S) -> None:
        self._callback: Final = callback
        self._timeout_s: Final = timeout_s
        self._keys: Final = [key_of(secret) for secret in callback.secret] if callback.format == "standard" else []

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, message: Message) -> Answer:
        """Send a message; what its receiver said, or why it could not be asked. Never raises for the receiver."""
        try:
            url, headers, body = self._made(message)
        except Exception as error:  # one record that is not as it should be must not end the others' deliveries
            return Answer("again", f"the event cannot be written ({type(error).__name__})")
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.post(url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                said = b""
                if self._callback.format != "standard":
                    while len(said) < ANSWER_BYTES_MAX and (more := await response.content.read(ANSWER_BYTES_MAX)):
                        said += more
                wait_s = retry_after_s(response.headers.get("Retry-After", ""), now_ms())
                return answer_of(self._callback.format, response.status, wait_s, said)
        except TimeoutError:
            return Answer("again", f"it did not answer within {self._timeout_s:g} s")
        except aiohttp.ClientConnectorCertificateError:
            return Answer("again", "its certificate is not valid")
        except aiohttp.ClientConnectorError:
            return Answer("again", "it cannot be reached")
        except (aiohttp.ClientError, OSError, ValueError):
            return Answer("again", "the connection broke")

    def _made(self, message: Message) -> tuple[str, dict[str, str], bytes]:
        """URL, headers and body: signed now."""
        callback, at_ms = self._callback, now_ms()
        headers = {"Content-Type": "application/json", "User-Agent": "dispatcher", "Accept-Encoding": "identity"}
        if callback.format == "standard":
            body = standard_body(message.events)
            headers["webhook-id"] = message.id
            headers["webhook-timestamp"] = str(at_ms // 1000)
            headers["webhook-signature"] = signature(self._keys, message.id, at_ms // 1000, body)
            return str(callback.url), headers, body
        secret = str(callback.secret[0]) if callback.secret else ""
        url = str(callback.url)
        if callback.format == "dingtalk" and secret:
            url += dingtalk_query(secret, at_ms)
        return url, headers, bot_body(callback.format, message.events[0], secret, at_ms)


def retry_after_s(header: str, now_ms: int) -> float:
    """The header `Retry-After`, seconds or a date, in seconds from now; 0.0 if it is neither."""
    text = header.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return at.timestamp() - now_ms / 1000
    except (ValueError, OverflowError):
        return 0.0
