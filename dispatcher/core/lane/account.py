"""One account inside a lane partition: its limits, pacing, fairness, work and what is under way. Pure.

It decides *what* may go and *when*; dispatcher/core/lane/owner.py turns that into intents, sends and outcomes.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from dispatcher.core.campaigns import Campaign, Campaigns
from dispatcher.core.flow.fairness import URGENT_RUN, FairShare
from dispatcher.core.flow.pacing import GUARD_S, Pacer
from dispatcher.core.lane.notices import whole
from dispatcher.core.lane.spec import LaneSpec as LaneSpec
from dispatcher.core.lane.standing import AccountEvent, AccountState, Standing
from dispatcher.core.lane.state import Chunk
from dispatcher.core.lane.work import NO_WAIT, CampaignWork, Piece
from dispatcher.core.messages.chunks import Batch
from dispatcher.core.messages.personal import Letters
from dispatcher.core.results.balance_hint import BalanceHint, Told
from schemas.records import BalanceTold, Stop, Why

LOOKAHEAD_S = 0.25
AHEAD_MAX = 64
CROWD_MAX = 20
HOURS_CHECKED_S = 5.0
"""The wall clock may jump."""

DRY_POLLS_MAX = 64
"""The most balance queries that pass between two tries of an account that is refused in spite of its credit."""


class Proposal(msgspec.Struct):
    """An intent that was given to the log and not read back yet. `parts`: the messages its recipients are billed as."""

    n: int
    piece: Piece
    count: int
    parts: int
    numbers: memoryview
    letters: Letters | None
    asked_s: float


class Ready(msgspec.Struct):
    """An intent read back as valid, waiting for its moment. `deadline_s`: the end of its time to live."""

    chunk: Chunk
    parts: int
    numbers: memoryview
    letters: Letters | None
    deadline_s: float
    urgent: bool


class Sending(msgspec.Struct):
    """A chunk handed to the driver. `written`: its first byte may have gone out. `told`: the balance told before.

    `trial`: it finds out whether the account may send again.
    """

    chunk: Chunk
    parts: int
    deadline_s: float
    units: int
    ticket: int
    told: Told | None = None
    trial: bool = False
    written: bool = False


class AccountLane:
    """The account's present; every moment is an argument."""

    def __init__(self, spec: LaneSpec, campaigns: Campaigns, now_s: float) -> None:
        self.spec = spec
        self.campaigns = campaigns
        self.pacer = Pacer(spec.limit, spec.per_s, now_s) if spec.limit is not None else None
        self.fair = FairShare()
        self.work: dict[str, CampaignWork] = {}
        self.proposed: dict[int, Proposal] = {}
        self.ready: list[Ready] = []
        self.sending: dict[int, Sending] = {}
        self.standing = Standing(spec)
        self.held_until_s = now_s
        self.queries = 0  # under way
        self.balance: float | None = None
        self.told = 0.0  # the vendor's last word on it
        self.dry = 0  # refusals for lack of credit, one after the other, in spite of that
        self.dry_polls = 0
        self.spent_since_poll = 0.0
        self.hint = BalanceHint()
        self.hints: list[BalanceTold] = []
        self._urgent_row = 0

    # --- what there is to do ---

    def work_of(self, campaign: str) -> CampaignWork:
        """The campaign's work, made when first asked for."""
        if campaign not in self.work:
            self.work[campaign] = CampaignWork()
        return self.work[campaign]

    def drop(self, campaign: str) -> None:
        """The campaign was cancelled."""
        self.work.pop(campaign, None)
        self.fair.forget(campaign)

    def active(self) -> Iterable[tuple[Campaign, CampaignWork]]:
        """Campaigns that may send now and have work."""
        for name, work in self.work.items():
            campaign = self.campaigns.get(name)
            if work and campaign is not None and campaign.sends:
                yield campaign, work

    def chunk_max(self, segments: int, now_s: float, campaigns: int) -> int:
        """The most recipients the next chunk may have, by the request's limit and by its share of the window.

        The more campaigns share the window, the smaller the chunks, so that shares follow weights within seconds.
        """
        count = self.spec.numbers_max if not self.standing.trying else self.spec.numbers_min
        if self.pacer is not None and self.spec.unit != "requests":
            per_recipient = segments if self.spec.unit == "parts" else 1
            units = self.pacer.share(now_s) // min(campaigns, CROWD_MAX)
            count = min(count, max(1, units // per_recipient))
        if self.balance is not None:
            count = min(count, max(0, int((self.balance - self.spent_since_poll) // segments)))
        return count

    def units(self, count: int, parts: int) -> int:
        """What a chunk of so many recipients and parts weighs against the flow limit."""
        match self.spec.unit:
            case "messages":
                return count
            case "parts":
                return parts
            case "requests":
                return 1

    def propose_at(self, now_s: float) -> float:
        """When the next intent may be asked for; infinity if enough are under way."""
        ahead = len(self.proposed) + len(self.ready)
        if not self.standing.sends or ahead >= (1 if self.standing.alone else AHEAD_MAX):
            return float("inf")
        at_s = self.held_until_s
        if self.pacer is None:
            return at_s if ahead < 2 * self.spec.inflight_max else float("inf")
        queued = sum(self.units(proposal.count, proposal.parts) for proposal in self.proposed.values())
        queued += sum(self.units(ready.chunk.count, ready.parts) for ready in self.ready)
        free_s = max(self.pacer.earliest(1, now_s), now_s)
        return max(at_s, free_s + self.pacer.interval_s(queued, now_s) - LOOKAHEAD_S)

    @property
    def requests_max(self) -> int:
        """How many requests may be under way: to find something out only one, and no login is tried beside a query."""
        if not self.standing.alone:
            return self.spec.inflight_max
        return 0 if self.queries and self.standing.locked else 1

    @property
    def may_ask(self) -> bool:
        """Whether a query (of the balance, of reports) may go out, too."""
        beside = bool(self.sending or self.queries)
        return self.standing.answers_queries and not (self.standing.locked and beside)

    def may_send(self, count: int) -> bool:
        """Whether a chunk of so many recipients may be sent now: to find something out only one of the fewest."""
        return self.standing.sends and not (self.standing.trying and count > self.spec.numbers_min)

    def segments(self, campaign: str) -> int:
        """The most messages a recipient of a launched campaign gets."""
        known = self.campaigns.get(campaign)
        return known.launched.segments if known is not None and known.launched is not None else 1

    def next_piece(self, now_s: float, loaded: dict[int, Batch]) -> tuple[Campaign, CampaignWork, Piece, int] | None:
        """The campaign that is next by weight, the piece its chunk comes from, and how many campaigns could send."""
        heads = {}
        for campaign, work in self.active():
            piece = work.head(now_s, loaded)
            if piece is not None:
                heads[campaign.id] = (campaign, work, piece)
        if not heads:
            return None
        chosen = self.fair.pick([(name, head[0].weight, head[0].urgent) for name, head in heads.items()])
        return (*heads[chosen], len(heads)) if chosen is not None else None

    # --- what happened ---

    def next_ready(self) -> Ready | None:
        """The intent to send first: urgent ones before others, but not all of them; else in the journal's order."""
        urgent = next((ready for ready in self.ready if ready.urgent), None)
        other = next((ready for ready in self.ready if not ready.urgent), None)
        if urgent is None or other is None:
            return urgent or other
        return other if self._urgent_row >= URGENT_RUN - 1 else urgent

    def goes(self, ready: Ready) -> None:
        """It is handed to the driver."""
        self.ready.remove(ready)
        self._urgent_row = self._urgent_row + 1 if ready.urgent else 0

    def tell(self, event: AccountEvent, now_s: float, now_ms: int, *, code: str = "", hold_s: float = 0.0) -> None:
        """Something happened to the account: see dispatcher/core/lane/standing.py."""
        if event is AccountEvent.TOO_FAST and self.pacer is not None:
            self.pacer.throttled(now_s)
        was = self.standing.state
        self.standing.tell(event, now_s, now_ms, code=code, hold_s=hold_s)
        if was is AccountState.STOPPED_CREDIT and self.standing.trying and not self.balance:
            self.balance = None  # whether it was topped up, the next request finds out
        if self.standing.state is AccountState.OPEN:
            self.dry_polls = 0

    def inherit(self, stops: tuple[Stop, ...]) -> None:
        """What a former owner told the log last."""
        stop = whole(stops)
        if stop is not None:
            self.standing.inherit(stop)

    def waiting(self, now_s: float) -> Iterable[Piece]:
        """The pieces that were given back and wait for something."""
        for work in self.work.values():
            yield from (piece for piece in work.returned if piece.wait.why and piece.not_before_s > now_s)

    def release(self, why: Why) -> None:
        """What waits for this may be tried at once."""
        for work in self.work.values():
            for piece in work.returned:
                if piece.wait.why is why:
                    piece.wait = NO_WAIT

    def wake_s(self, now_s: float) -> float:
        """When to look at the time again if nothing happens before."""
        hours_s = now_s + HOURS_CHECKED_S if self.spec.send_hours is not None else float("inf")
        return min(self.standing.until_s, hours_s)

    def checked(self, now_s: float, now_ms: int) -> None:
        """A person looked after the account. A balance that is known to be empty is left to the next query."""
        self.release(Why.OTHER_CREDIT)
        asked = self.campaigns.balances.get(self.spec.account)
        credit = asked is not None and asked.messages is not None and asked.messages >= 1
        if self.standing.state is AccountState.STOPPED_CREDIT and self.spec.polls_balance and not (self.dry or credit):
            return
        self.tell(AccountEvent.CHECKED, now_s, now_ms)

    def at(self, now_s: float, now_ms: int) -> None:
        """The time is this: what was waited for may be over, or the account's hours."""
        if self.spec.send_hours is not None:
            self.tell(AccountEvent.NIGHT if self.spec.is_night(now_ms) else AccountEvent.DAY, now_s, now_ms)
        if now_s >= self.standing.until_s:
            self.tell(AccountEvent.DUE, now_s, now_ms)

    def hold(self, until_s: float) -> None:
        """Send nothing before then."""
        self.held_until_s = max(self.held_until_s, until_s)

    def no_credit(self, code: str, now_s: float, now_ms: int) -> None:
        """The vendor refused for lack of credit. In spite of a balance: a month's quota, or another product's credit.
        Then not every answer to a query has it tried again, but one, two, four, … of them later.
        """
        if self.standing.state is not AccountState.STOPPED_CREDIT and self.told >= 1:
            self.dry += 1
            self.dry_polls = min(2 ** (self.dry - 1), DRY_POLLS_MAX) - 1
        self.tell(AccountEvent.NO_CREDIT, now_s, now_ms, code=code)
        self.balance = 0.0

    def balance_asked(self) -> float:
        """A balance query leaves: what is under way now may or may not be in its answer. The mark for `balance_is`."""
        sending = sum(sending.parts for sending in self.sending.values())
        self.hint.asked(sending)
        waiting = sum(proposal.parts for proposal in self.proposed.values()) + sum(ready.parts for ready in self.ready)
        return self.spent_since_poll - sending - waiting

    def balance_is(self, messages: float, mark: float, now_s: float, now_ms: int) -> None:
        """The vendor's answer, less what was under way when it was asked or cut since (counted twice at worst)."""
        self.spent_since_poll -= mark
        topped_up, self.told = messages > self.told, messages
        if topped_up:
            self.release(Why.OTHER_CREDIT)
        self.balance = messages
        self.hints += self.hint.answered(self.spec.account, messages, now_ms)
        if messages < 1:
            self.tell(AccountEvent.EMPTY, now_s, now_ms)
        elif topped_up or not self.dry:
            self.tell(AccountEvent.CREDIT, now_s, now_ms)
        elif self.dry_polls:
            self.dry_polls -= 1
        else:
            self.tell(AccountEvent.DUE, now_s, now_ms)

    def took_over(self, now_s: float, *, inherited_open: bool, ttl_s: float) -> None:
        """A former owner may have filled the last window; what it left open may go out within its time to live."""
        if self.pacer is not None:
            self.pacer.hold(now_s + self.spec.per_s + GUARD_S + (ttl_s if inherited_open else 0.0))
