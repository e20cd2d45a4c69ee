"""Addresses: the real one of a client behind reverse proxies, and whether one is in configured networks. Pure.

`X-Forwarded-For` is read only from trusted proxies.
Each proxy appends its caller's address, so the list is read from the right: the first address that is not a trusted
proxy is the client; the client may have made up the ones before it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

HEADERS_OF_PROXIES: Final = ("X-Forwarded-For", "Forwarded", "Via")
ADDRESSES_KNOWN_MAX: Final = 1_024


def client_address(peer: str, forwarded: Sequence[str], trusted: Callable[[str | None], bool]) -> str:
    """The client's address; "" if a trusted proxy names none or an invalid one."""
    if not trusted(peer):
        return peer
    named = [each.strip() for header in forwarded for each in header.split(",")]
    for each in reversed(named):
        address = _address(each)
        if address is None:
            return ""
        if not trusted(address):
            return address
    return ""


def _address(named: str) -> str | None:
    """The address in `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]` or `[ADDRESS]:PORT`."""
    if named.startswith("["):
        named = named[1:].partition("]")[0]
    elif named.count(":") == 1:
        named = named.partition(":")[0]
    try:
        return str(ipaddress.ip_address(named.strip('"')))
    except ValueError:
        return None


def is_loopback(address: str) -> bool:
    """Whether this is the local machine."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


def expected_from(sources: Sequence[str]) -> Callable[[str | None], bool] | None:
    """Whether an address is in one of these networks; None if any may push. Raises ValueError for an invalid one."""
    if not sources:
        return None
    networks = [ipaddress.ip_network(source, strict=False) for source in sources]

    @lru_cache(maxsize=ADDRESSES_KNOWN_MAX)
    def expects(remote: str | None) -> bool:
        try:
            address = ipaddress.ip_address((remote or "").partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in networks)

    return expects
