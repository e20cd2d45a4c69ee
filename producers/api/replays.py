"""Repeated requests with one Idempotency-Key: the first answer is given again, and nothing is done twice.

As draft-ietf-httpapi-idempotency-key-header has it: the same key with another content is refused (422), and while the
first request is under way a repetition gets 409. Only what succeeded is kept, for KEPT_S and up to ANSWERS_MAX.

Weak spot: it is kept by this process, and gone when it ends. What must survive that has ids of its own (campaigns,
messages of streams).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Final

import msgspec

from dispatcher.i18n import N_
from producers.api.problems import Problem
from producers.web.answers import ReadyAnswer

KEPT_S: Final = 86_400.0
ANSWERS_MAX: Final = 10_000
KEY_CHARS_MAX: Final = 255


class _Known(msgspec.Struct):
    content: bytes
    at_s: float
    answer: ReadyAnswer | None = None


class Replays:
    """The answers by (caller, operation, key)."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str, str], _Known] = OrderedDict()

    def begin(self, caller: str, path: str, key: str, body: bytes, now_s: float) -> ReadyAnswer | None:
        """The answer of the same request before; None: this is the first. Raises Problem."""
        if not 0 < len(key) <= KEY_CHARS_MAX:
            raise Problem(
                "invalid", N_("Idempotency-Key must have 1 to {chars_max} characters."), chars_max=KEY_CHARS_MAX
            )
        place, content = (caller, path, key), hashlib.sha256(body).digest()
        known = self._known.get(place)
        if known is not None and now_s - known.at_s > KEPT_S:
            del self._known[place]
            known = None
        if known is None:
            self._known[place] = _Known(content, now_s)
            if len(self._known) > ANSWERS_MAX:
                self._known.popitem(last=False)
            return None
        if known.content != content:
            raise Problem("other-content", N_('Idempotency-Key "{key}" was used for another content.'), key=key)
        if known.answer is None:
            raise Problem("under-way", N_("The first request with this Idempotency-Key is under way."))
        return known.answer

    def end(self, caller: str, path: str, key: str, answer: ReadyAnswer | None) -> None:
        """The first request has ended; None: it failed, so a repetition is tried anew."""
        place = (caller, path, key)
        if answer is None:
            self._known.pop(place, None)
        elif place in self._known:
            self._known[place].answer = answer
