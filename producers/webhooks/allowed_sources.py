"""Where a vendor may push from: the account's `push_from`, addresses and networks (vendors.md 1.12). Pure.

Behind a reverse proxy the address is the one that a trusted proxy names (producers/web/proxies.py).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

ADDRESSES_KNOWN_MAX: Final = 1_024


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
