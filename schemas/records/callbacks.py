"""Records of `callbacks`: what is noticed about campaigns and accounts, and how far each callback has come."""

from __future__ import annotations

import msgspec

from schemas.records.base import Record


class CallbackEvent(Record, frozen=True, kw_only=True, tag="callback-event"):
    """Something that no other record says: a campaign is finished or fails too much, an alert began or is over.

    key `event!KIND!SUBJECT`, `event!failing!SUBJECT!CALLBACK`, `event!alert!WORD!SUBJECT`: each is noticed once, and an
    alert has its last word.
    `subject` is a campaign or an account. `to`: only for this callback. `over`: the alert is over. `old`: it was so
    before the first callback, and is not delivered.
    """

    kind: str
    subject: str
    at_ms: int
    campaign: str = ""
    word: str = ""
    says: str = ""
    figures: dict[str, int | float] = msgspec.field(default_factory=dict)
    to: str = ""
    over: bool = False
    old: bool = False

    @property
    def key(self) -> str:
        """Its key."""
        parts = ("event", self.kind, *filter(None, (self.word, self.subject, self.to)))
        return "!".join(parts)


class CallbackFailure(msgspec.Struct, frozen=True, array_like=True):
    """An event whose delivery fails: since when it is waiting, and how many tries failed."""

    id: str
    since_ms: int
    tries: int


class CallbackState(Record, frozen=True, kw_only=True, tag="callback-state"):
    """How far a callback has come. key `state!NAME`.

    `positions`: by `TOPIC-PARTITION`, the offset before which everything is delivered, kept aside or not for it.
    `aside`: events that were kept aside after a day of failures, `aside_ids` the newest of them. `stopped`: the
    receiver asked for no more. `replayed`: the offset of the last replay that counts.
    """

    callback: str
    at_ms: int
    since_ms: int
    positions: dict[str, int]
    delivered: int = 0
    aside: int = 0
    aside_ids: tuple[str, ...] = ()
    failing: tuple[CallbackFailure, ...] = ()
    stopped: bool = False
    error: str = ""
    error_ms: int = 0
    replayed: int = -1


class CallbackReplay(Record, frozen=True, kw_only=True, tag="callback-replay"):
    """A person has a callback continue from these positions, the others as they are. key `replay!NAME`.

    It also ends a stop.
    """

    callback: str
    positions: dict[str, int]
    at_ms: int
    by: str
