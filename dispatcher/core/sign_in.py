"""How often somebody may try to sign in: tries per name and per address, in bounded memory. Pure: `now_s` is passed in.

Each key has tries that come back with time. A name's are its own for each address, so that a stranger who tries a
name does not lock its owner out; an address's are for all names. Each process counts for itself.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import msgspec

KEYS_MAX: Final = 20_000

Key = tuple[str | None, str | None]
"""(name, address); None: all of them together."""


class Allowance(msgspec.Struct, frozen=True):
    """`tries` at once; one comes back every `back_s` seconds."""

    tries: int
    back_s: float


OF_A_NAME: Final = Allowance(tries=6, back_s=30.0)
"""For one name from one address."""
OF_AN_ADDRESS: Final = Allowance(tries=40, back_s=3.0)
OF_A_NAME_ANYWHERE: Final = Allowance(tries=100, back_s=36.0)
"""For one name from all addresses together: 2,400 guesses a day."""


class SignInThrottle:
    """Counts tries; the keys that were used longest ago are forgotten first."""

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        self._keys_max = keys_max
        self._used: OrderedDict[Key, float] = OrderedDict()
        """When all tries of a key are back."""

    def wait_s(self, name: str, address: str, now_s: float) -> float:
        """How long this sign-in must wait; 0: it may try now, and the try is counted."""
        asked = _keys_of(name, address)
        wait_s = max(self._used.get(key, now_s) - now_s - (each.tries - 1) * each.back_s for key, each in asked.items())
        if wait_s > 0:
            return wait_s
        for key, each in asked.items():
            self._used[key] = max(self._used.pop(key, now_s), now_s) + each.back_s
        while len(self._used) > self._keys_max:
            self._used.popitem(last=False)
        return 0.0

    def succeeded(self, name: str, address: str) -> None:
        """The last try was right: the name has all its tries from this address again."""
        self._used.pop((name, address), None)


def _keys_of(name: str, address: str) -> dict[Key, Allowance]:
    return {(name, address): OF_A_NAME, (None, address): OF_AN_ADDRESS, (name, None): OF_A_NAME_ANYWHERE}
