"""How the BATCH platform's agents sign and encrypt (vendors.md 4.2): MD5, and DES/CBC/PKCS5Padding in Base64."""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

BLOCK = 8


def signature(username: str, secret_key: str, timestamp: str) -> str:
    """What an agent sends as its password."""
    return hashlib.md5((username + secret_key + timestamp).encode(), usedforsecurity=False).hexdigest()


def decrypted(text: str, key: str, iv: str) -> str | None:
    """The text in this Base64, or None if it is not what this key and IV made."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if not raw or len(raw) % BLOCK:
        return None
    cipher = Cipher(TripleDES(3 * key.encode()), modes.CBC((iv or key).encode())).decryptor()  # one key thrice is DES
    plain = cipher.update(raw) + cipher.finalize()
    pad = plain[-1]
    if not 1 <= pad <= BLOCK or plain[-pad:] != bytes([pad]) * pad:
        return None
    try:
        return plain[:-pad].decode("utf-8")
    except UnicodeDecodeError:
        return None
