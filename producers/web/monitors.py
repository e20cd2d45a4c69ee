"""Who may see the figures of this process: holders of `[web] health_token`, and this machine.

A request through an untrusted proxy is not this machine's, even if the proxy runs on it.
"""

from __future__ import annotations

import hmac

from producers.web.addresses import HEADERS_OF_PROXIES, is_loopback
from producers.web.site import Incoming


def is_monitor(incoming: Incoming, health_token: str | None) -> bool:
    """Whether the request carries the token, or comes from this machine."""
    if has_health_token(incoming.bearer, health_token):
        return True
    client, headers = incoming.address, incoming.http.headers
    if not is_loopback(client):
        return False
    return client != incoming.http.remote or not any(name in headers for name in HEADERS_OF_PROXIES)


def has_health_token(bearer: str, health_token: str | None) -> bool:
    """Whether this is the configured token."""
    return health_token is not None and hmac.compare_digest(
        bearer.encode("utf-8", "surrogateescape"), health_token.encode()
    )
