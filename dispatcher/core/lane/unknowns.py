"""When the owner may resolve an unknown chunk: by its campaign's policy, or by a decision.

It never guesses. It resolves as "send again" only when no former owner can still send it: one may wake up with an
intent within its time to live, and its request takes as long as the client's time-out. Pure. See docs/ARCHITECTURE.md,
"What becomes of an unknown chunk".
"""

from __future__ import annotations

from collections.abc import Iterator

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.state import Chunk, ChunkState
from schemas.records import Decided, Resolved, ResolvedAs

NEVER = float("inf")
AGAIN_S = 30.0
"""After how long a resolution that was not read back is appended again; the first one written counts."""


class Unknowns:
    """The resolutions that wait for their time, by intent."""

    def __init__(self, owner: str, campaigns: Campaigns) -> None:
        self._owner = owner
        self._campaigns = campaigns
        self._safe_s = NEVER
        self._waiting: dict[int, tuple[float, Resolved]] = {}
        self._undone: dict[int, int] = {}
        self._early: dict[int, tuple[int, Decided]] = {}

    def took_over(self, now_s: float, longest_s: float) -> None:
        """Our own Owned was read back: `longest_s` later no other owner can still send."""
        self._safe_s = now_s + longest_s

    def became_unknown(self, chunk: Chunk, now_s: float, now_ms: int, wait_s: float) -> None:
        """Under policy `resend` it is sent again after `wait_s`: the time to live of its intent, the longest time of a
        request of its account, and the wait for evidence. A decision that was read before takes effect at once.
        """
        if (early := self._early.pop(chunk.intent, None)) is not None:
            self.decided(early[0], chunk, early[1], now_s, now_ms)
            return
        campaign = self._campaigns.get(chunk.campaign)
        if campaign is None or campaign.launched is None or campaign.launched.unknown != "resend":
            return
        at_s = now_s + wait_s
        if chunk.inherited:
            at_s = max(at_s, self._safe_s)
        resolved = Resolved(
            owner=self._owner,
            account=chunk.account,
            intent=chunk.intent,
            verdict=ResolvedAs.RESEND,
            at_ms=now_ms,
            by="policy",
            why="unknown = resend",
        )
        self._waiting[chunk.intent] = (at_s, resolved)

    def decided(self, offset: int, chunk: Chunk, decision: Decided, now_s: float, now_ms: int) -> None:
        """A person, or a report's evidence, decides about it: the inbox record at `offset`.

        If the chunk is not unknown yet, the author had read further in the journal than this owner: it is kept.
        """
        self._undone.setdefault(chunk.intent, offset)
        if chunk.state is not ChunkState.UNKNOWN:
            self._early[chunk.intent] = (offset, decision)
            return
        resolved = Resolved(
            owner=self._owner,
            account=chunk.account,
            intent=chunk.intent,
            verdict=decision.verdict,
            at_ms=now_ms,
            by=decision.by,
            why=decision.why,
            vendor_id=decision.vendor_id,
        )
        self._waiting[chunk.intent] = (
            now_s if decision.verdict == ResolvedAs.SENT else max(now_s, self._safe_s),
            resolved,
        )

    def found(self, chunk: Chunk, vendor_ids: tuple[str, ...], why: str, now_s: float, now_ms: int) -> None:
        """The vendor's history has every recipient of it, with these ids."""
        resolved = Resolved(
            owner=self._owner,
            account=chunk.account,
            intent=chunk.intent,
            verdict=ResolvedAs.SENT,
            at_ms=now_ms,
            by="history",
            why=why,
            vendor_ids=vendor_ids,
        )
        self._waiting[chunk.intent] = (now_s, resolved)

    def found_in_part(self, intent: int) -> None:
        """Some of its recipients were texted: no policy sends it again, only a person may."""
        _, resolved = self._waiting.get(intent, (0.0, None))
        if resolved is not None and resolved.by == "policy":
            del self._waiting[intent]

    def forget(self, intent: int) -> None:
        """It is not unknown any more."""
        self._waiting.pop(intent, None)
        self._undone.pop(intent, None)
        self._early.pop(intent, None)

    @property
    def undone(self) -> int | None:
        """The inbox offset of the oldest decision whose Resolved was not read back: the next owner must read it."""
        return min(self._undone.values(), default=None)

    def due(self, now_s: float) -> Iterator[Resolved]:
        """The due resolutions; again after AGAIN_S without being read back, because an append may fail."""
        for intent, (at_s, resolved) in list(self._waiting.items()):
            if at_s <= now_s:
                self._waiting[intent] = (now_s + AGAIN_S, resolved)
                yield resolved

    @property
    def next_s(self) -> float:
        """When the next one is due; infinity if none waits."""
        return min((at_s for at_s, _ in self._waiting.values()), default=NEVER)
