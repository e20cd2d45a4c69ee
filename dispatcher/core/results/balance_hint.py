"""What an account's balance says of requests that became unknown: a hint for people. Nothing is decided by it. Pure.

The last answer from before a request was sent beside the first one asked after it became unknown; and how much the
requests cost that the vendor said it took in between. Weak spots, which is why it is only a hint: others may spend on
the account or top it up meanwhile, a vendor may charge late, and what was under way when it was asked may be in an
answer or not.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from schemas.records import BalanceAsked, BalanceTold

INTENTS_MAX = 1_000


class Told(msgspec.Struct, frozen=True):
    """An answer: `messages` are left. `taken` counts what was taken until then, None: somebody else was counting."""

    messages: float
    at_ms: int
    taken: float | None
    under_way: float


class Doubtful(msgspec.Struct):
    """An unknown request of so many messages, and what was told before it was sent. `due`: the next answer is after."""

    messages: float
    before: Told
    due: bool = False


class BalanceHint:
    """One account's. `told` is the newest answer."""

    def __init__(self) -> None:
        self.told: Told | None = None
        self._taken = 0.0
        self._under_way = 0.0
        self._doubtful: dict[int, Doubtful] = {}

    def taken(self, messages: float) -> None:
        """The vendor says that it took a request of so many."""
        self._taken += messages

    def unknown(self, intent: int, messages: float, before: Told | None) -> None:
        """A request became unknown; `before` was told when it was sent."""
        if before is not None and len(self._doubtful) < INTENTS_MAX:
            self._doubtful[intent] = Doubtful(messages, before)

    def inherited(self, intent: int, messages: float, asked_ms: int, book: BalanceAsked | None) -> None:
        """A former owner left it open, of whom we only know what the balance book says; its intent is of `asked_ms`."""
        if book is not None and book.messages is not None and book.at_ms <= asked_ms:
            self.unknown(intent, messages, Told(book.messages, book.at_ms, None, 0.0))

    def asked(self, under_way: float) -> None:
        """A query leaves: its answer comes after what is doubtful now."""
        self._under_way = under_way
        for doubtful in self._doubtful.values():
            doubtful.due = True

    def answered(self, account: str, messages: float, at_ms: int) -> Iterator[BalanceTold]:
        """The answer; what it says of the doubtful requests, those with one answer before them together."""
        now = Told(messages, at_ms, self._taken, self._under_way)
        together: dict[Told, dict[int, float]] = {}
        for intent, doubtful in list(self._doubtful.items()):
            if doubtful.due:
                del self._doubtful[intent]
                together.setdefault(doubtful.before, {})[intent] = doubtful.messages
        self.told = now
        for before, intents in together.items():
            yield BalanceTold(
                account=account,
                intents=tuple(intents),
                messages=sum(intents.values()),
                before=before.messages,
                before_ms=before.at_ms,
                after=messages,
                after_ms=at_ms,
                taken=None if before.taken is None else self._taken - before.taken,
                under_way=before.under_way + now.under_way,
            )
