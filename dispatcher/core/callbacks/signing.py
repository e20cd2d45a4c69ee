"""Signatures of callbacks: Standard Webhooks, and those of the bots of DingTalk and Feishu."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

from dispatcher.sentences import WordedError

PREFIX: Final = "whsec_"
KEY_BYTES_MIN: Final = 24
KEY_BYTES_MAX: Final = 64


class SecretBroken(WordedError, ValueError):
    """The secret is not one of Standard Webhooks; the message never has the secret."""


def key_of(secret: str) -> bytes:
    """The key in `whsec_…`. Raises SecretBroken."""
    if not secret.startswith(PREFIX):
        raise SecretBroken('a secret begins with "{prefix}"', prefix=PREFIX)
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise SecretBroken('what follows "{prefix}" must be base64', prefix=PREFIX) from None
    if not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
        raise SecretBroken(
            'what follows "{prefix}" must be {min} to {max} bytes in base64',
            prefix=PREFIX,
            min=KEY_BYTES_MIN,
            max=KEY_BYTES_MAX,
        )
    return key


def signature(keys: Iterable[bytes], id: str, timestamp_s: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature for each key, so that a receiver may know either."""
    content = f"{id}.{timestamp_s}.".encode() + body
    return " ".join(f"v1,{_base64(hmac.digest(key, content, hashlib.sha256))}" for key in keys)


def dingtalk_query(secret: str, timestamp_ms: int) -> str:
    """What a signed DingTalk bot wants behind its URL."""
    digest = hmac.digest(secret.encode(), f"{timestamp_ms}\n{secret}".encode(), hashlib.sha256)
    escaped = _base64(digest).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    return f"&timestamp={timestamp_ms}&sign={escaped}"


def feishu_sign(secret: str, timestamp_s: int) -> str:
    """What a signed Feishu bot wants in the field `sign`."""
    return _base64(hmac.digest(f"{timestamp_s}\n{secret}".encode(), b"", hashlib.sha256))


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
