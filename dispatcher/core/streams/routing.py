"""Which account of a stream's route sends a message: a function of its key, so that a repeat meets the first one.

Pure.
"""

from __future__ import annotations

import hashlib
import math

from schemas.records import StreamTerms


def account_of(key: str, terms: StreamTerms) -> str:
    """The account of a message with this key: weighted rendezvous hashing (every account draws; the highest sends).

    The route of a stream never changes, and a stopped account keeps its messages: on another one they could not be
    told from their repeats.
    """
    if len(terms.weights) == 1:
        return terms.weights[0][0]
    return max((_draw(key, account, weight), account) for account, weight in terms.weights)[1]


def _draw(key: str, account: str, weight: int) -> float:
    drawn = int.from_bytes(hashlib.blake2b(f"{account}\0{key}".encode(), digest_size=8).digest(), "little")
    return weight / -math.log((drawn + 1) / (2**64 + 1))
