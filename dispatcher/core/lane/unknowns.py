"""When the owner may resolve unknown recipients of a chunk: by their campaign's policy, or by a decision.

It never guesses. It resolves as "send again" only when no former owner can still send it: one may wake up with an
intent within its time to live, and its request takes as long as the client's time-out. A decision may be about some
ranges of a chunk; the others keep waiting for theirs. Pure. See docs/LANE.md, "What becomes of an unknown
chunk".
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.state import OPEN, Chunk, ChunkState
from dispatcher.core.ranges import Ranges, both
from schemas.records import Decided, Resolved, ResolvedAs

NEVER = float("inf")
AGAIN_S = 30.0
"""After how long a resolution that was not read back is appended again; the first one written counts."""


class Pending(msgspec.Struct):
    """A resolution that is due at `at_s`. `decided`: the inbox offset of the decision that it comes from."""

    at_s: float
    resolved: Resolved
    decided: int | None = None


class Unknowns:
    """The resolutions that wait for their time: for each intent, one for each set of its ranges."""

    def __init__(self, owner: str, campaigns: Campaigns) -> None:
        self._owner = owner
        self._campaigns = campaigns
        self._safe_s = NEVER
        self._waiting: dict[int, dict[Ranges, Pending]] = {}
        self._early: dict[int, list[tuple[int, Decided]]] = {}

    def took_over(self, now_s: float, longest_s: float) -> None:
        """Our own Owned was read back: `longest_s` later no other owner can still send."""
        self._safe_s = now_s + longest_s

    def became_unknown(self, chunk: Chunk, now_s: float, now_ms: int, wait_s: float) -> None:
        """Under policy `resend` it is sent again after `wait_s`: the time to live of its intent, the longest time of a
        request of its account, and the wait for evidence. Decisions that were read before take effect at once.
        """
        early = self._early.pop(chunk.intent, ())
        for offset, decision in early:
            self.decided(offset, chunk, decision, now_s, now_ms)
        campaign = self._campaigns.get(chunk.campaign)
        if campaign is None or campaign.launched is None or campaign.launched.unknown != "resend":
            return
        if any(not decision.ranges for _, decision in early):
            return
        at_s = now_s + wait_s
        if chunk.inherited:
            at_s = max(at_s, self._safe_s)
        self._wait(at_s, self._resolved(chunk, ResolvedAs.RESEND, now_ms, by="policy", why="unknown = resend"))

    def decided(self, offset: int, chunk: Chunk, decision: Decided, now_s: float, now_ms: int) -> None:
        """A person, or a report's evidence, decides about it: the inbox record at `offset`.

        If the chunk is not unknown yet, the author had read further in the journal than this owner: it is kept.
        """
        if chunk.state is not ChunkState.UNKNOWN:
            self._early.setdefault(chunk.intent, []).append((offset, decision))
            return
        if decision.ranges and not both(chunk.open_ranges, decision.ranges):
            return
        resolved = self._resolved(chunk, decision.verdict, now_ms, by=decision.by, why=decision.why)
        resolved = msgspec.structs.replace(
            resolved,
            vendor_id=decision.vendor_id,
            ranges=decision.ranges,
            ids=decision.ids,
            parts=decision.parts,
        )
        self._wait(now_s if decision.verdict == ResolvedAs.SENT else max(now_s, self._safe_s), resolved, offset)

    def found(self, chunk: Chunk, vendor_ids: tuple[str, ...], why: str, now_s: float, now_ms: int) -> None:
        """The vendor's history has every recipient of it, with these ids."""
        resolved = self._resolved(chunk, ResolvedAs.SENT, now_ms, by="history", why=why)
        self._wait(now_s, msgspec.structs.replace(resolved, vendor_ids=vendor_ids))

    def found_in_part(self, intent: int) -> None:
        """Some of its recipients were texted: no policy sends the others again, only a person may."""
        waiting = self._waiting.get(intent, {})
        pending = waiting.get(())
        if pending is not None and pending.resolved.by == "policy":
            del waiting[()]

    def moved(self, chunk: Chunk) -> None:
        """Its recipients changed: forget resolutions that are about none of those that are still open."""
        if chunk.state not in OPEN:
            self._waiting.pop(chunk.intent, None)
            self._early.pop(chunk.intent, None)
            return
        waiting = self._waiting.get(chunk.intent, {})
        for ranges in [each for each in waiting if each and not both(chunk.open_ranges, each)]:
            del waiting[ranges]

    @property
    def undone(self) -> int | None:
        """The inbox offset of the oldest decision whose Resolved was not read back: the next owner must read it."""
        offsets = [offset for early in self._early.values() for offset, _ in early]
        for waiting in self._waiting.values():
            offsets.extend(pending.decided for pending in waiting.values() if pending.decided is not None)
        return min(offsets, default=None)

    def due(self, now_s: float) -> Iterator[Resolved]:
        """The due resolutions; again after AGAIN_S without being read back, because an append may fail.

        Of one chunk, "sent" comes before "send the rest again".
        """
        for waiting in self._waiting.values():
            due = [pending for pending in waiting.values() if pending.at_s <= now_s]
            for pending in sorted(due, key=lambda each: each.resolved.verdict != ResolvedAs.SENT):
                pending.at_s = now_s + AGAIN_S
                yield pending.resolved

    @property
    def next_s(self) -> float:
        """When the next one is due; infinity if none waits."""
        return min((each.at_s for waiting in self._waiting.values() for each in waiting.values()), default=NEVER)

    def _wait(self, at_s: float, resolved: Resolved, decided: int | None = None) -> None:
        """It is due then; it replaces an earlier one about the same recipients."""
        waiting = self._waiting.setdefault(resolved.intent, {})
        before = waiting.get(resolved.ranges)
        if before is not None and before.decided is not None:
            decided = before.decided
        waiting[resolved.ranges] = Pending(at_s, resolved, decided)

    def _resolved(self, chunk: Chunk, verdict: ResolvedAs, now_ms: int, *, by: str, why: str) -> Resolved:
        return Resolved(
            owner=self._owner,
            account=chunk.account,
            intent=chunk.intent,
            verdict=verdict,
            at_ms=now_ms,
            by=by,
            why=why,
        )
