"""One account inside a lane partition: its limits, pacing, fairness, work and what is under way. Pure.

It decides *what* may go and *when*; dispatcher/core/lane/owner.py turns that into intents, sends and outcomes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping

from dispatcher.core.campaigns import Campaign, Campaigns
from dispatcher.core.flow.fairness import FairShare, UrgentFirst
from dispatcher.core.flow.pacing import GUARD_S, SHARE_OF_WINDOW, Pacer
from dispatcher.core.lane.account_states import AccountEvent, AccountState, Standing
from dispatcher.core.lane.gate import AHEAD_MAX, LEAD_OF_LIFE, Lead, TimeToLive
from dispatcher.core.lane.notices import whole
from dispatcher.core.lane.requests import UNWRITTEN_TOLD, Proposal, Ready, Sending, Unwritten
from dispatcher.core.lane.spec import LaneSpec as LaneSpec
from dispatcher.core.lane.state import Chunk
from dispatcher.core.lane.work import NO_WAIT, CampaignWork, Content, Piece
from schemas.records import Stop, Why

CROWD_MAX = 20
SPLIT_MAX = 2
"""Beside urgent messages a chunk is at least its share of the window, divided by this."""

FEW_OF_WINDOW = 4
"""Room is kept for urgent messages if they take no more than this part of the window."""

HOURS_CHECKED_S = 5.0
"""The wall clock may jump."""

DRY_POLLS_MAX = 64
"""The most balance queries that pass between two tries of an account that is refused in spite of its credit."""


class AccountLane:
    """The account's current state; every time is an argument."""

    def __init__(self, spec: LaneSpec, campaigns: Campaigns, now_s: float, ttl_s: float = 5.0) -> None:
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
        self.lead = Lead()
        self.ttl = TimeToLive(ttl_s)
        self.unwritten: dict[tuple[int, int], Unwritten] = {}  # by (job, first recipient)
        self.news: list[str] = []
        self._urgent_left: deque[tuple[float, int]] = deque()  # in the last window: when, and how many units
        self._handing = UrgentFirst()
        self._leaving = UrgentFirst()

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
        self.unwritten = {key: each for key, each in self.unwritten.items() if each.campaign != campaign}

    def active(self, now_ms: int) -> Iterable[tuple[Campaign, CampaignWork]]:
        """Campaigns that may send at this moment of the wall clock and have work."""
        for name, work in self.work.items():
            campaign = self.campaigns.get(name)
            if work and campaign is not None and campaign.sends_at(now_ms):
                if not work.is_released(campaign.waves.released):
                    continue
                yield campaign, work

    def streams(self) -> Iterable[CampaignWork]:
        """The work of streams, whether they may send now or not: messages may be over."""
        for name, work in self.work.items():
            known = self.campaigns.get(name)
            if work and known is not None and known.launched is not None and known.launched.stream is not None:
                yield work

    def released_s(self, now_s: float, now_ms: int) -> float:
        """When to look whether the first of the held campaigns with work may be sent; infinity without one."""
        until_ms = 0
        for name, work in self.work.items():
            campaign = self.campaigns.get(name)
            hold = campaign.held(now_ms) if work and campaign is not None and campaign.sends else None
            if hold is not None and hold.until_ms:
                until_ms = min(until_ms or hold.until_ms, hold.until_ms)
        return now_s + min((until_ms - now_ms) / 1000, HOURS_CHECKED_S) if until_ms else float("inf")

    def chunk_max(self, segments: int, now_s: float, campaigns: int, *, urgent: bool = False) -> int:
        """The most recipients the next chunk may have, by the request's limit and by its share of the window.

        The more campaigns share the window, the smaller the chunks, so that shares follow weights within seconds.
        Beside urgent messages it fits into the room that they leave: a chunk that is one unit too large would waste
        the whole room until more of it is free.
        """
        count = self.spec.numbers_max if not self.standing.trying else self.spec.numbers_min
        if self.pacer is not None and self.spec.unit != "requests":
            per_recipient = segments if self.spec.unit == "parts" else 1
            units = self.pacer.share(now_s) // min(campaigns, CROWD_MAX)
            reserve = 0 if urgent else self._reserve(now_s)
            if reserve:
                least = max(1, units // SPLIT_MAX)
                queued = sum(self._queued(urgent=False))
                leaves_s = max(now_s, self.pacer.earliest(queued + least + reserve, now_s))
                units = min(units, max(least, self.pacer.room(leaves_s, now_s) - queued - reserve))
            count = min(count, max(1, units // per_recipient))
        if self.balance is not None:
            count = min(count, max(0, int((self.balance - self.spent_since_poll) // segments)))
        return count

    def units(self, count: int, parts: int) -> int:
        """The units that a chunk of these recipients and parts takes of the flow limit."""
        match self.spec.unit:
            case "messages":
                return count
            case "parts":
                return parts
            case "requests":
                return min(count, 1)

    def propose_at(self, now_s: float, *, urgent: bool = False) -> float:
        """When the next intent may be asked for; infinity if enough are under way.

        `urgent`: one that goes before what is not urgent, so it does not wait until enough of that has left.
        """
        ahead = len(self.proposed) + len(self.ready)
        if not self.standing.sends or ahead >= (1 if self.standing.alone else AHEAD_MAX):
            return float("inf")
        if ahead + len(self.sending) >= self.requests_max + self.ttl.ahead:
            return float("inf")
        at_s = self.held_until_s
        if self.pacer is None:
            return at_s if ahead < 2 * self.spec.inflight_max else float("inf")
        queued = sum(self._queued(urgent=urgent))
        unsent = (sending for sending in self.unsent if sending.urgent or not urgent)
        straggler = next((sending for sending in unsent if sending.stands_s is None), None)
        late_s = straggler.asked_s + self.lead.late_s if straggler is not None else float("inf")
        if straggler is not None and late_s <= now_s:  # one slow connection does not hold up the others
            queued, late_s = queued - straggler.units, float("inf")
        early_s = min(self.lead.s, LEAD_OF_LIFE * self.ttl.s) - self.pacer.interval_s(queued, now_s)
        if early_s < 0:  # enough until one of them leaves
            return late_s
        reserve = 0 if urgent else self._reserve(now_s)
        least = max(1, self.pacer.share(now_s) // SPLIT_MAX) + reserve if reserve else 1
        return max(at_s, self.pacer.earliest(least, now_s, urgent=urgent) - early_s)

    def _queued(self, *, urgent: bool) -> Iterator[int]:
        """The units of each chunk that is announced and not written; `urgent`: only of those that are."""
        for proposal in self.proposed.values():
            if proposal.urgent or not urgent:
                yield self.units(proposal.count, proposal.parts)
        for ready in self.ready:
            if ready.urgent or not urgent:
                yield self.units(ready.chunk.asked, ready.parts)
        for sending in self.unsent:
            if sending.urgent or not urgent:
                yield sending.units

    def _reserve(self, now_s: float) -> int:
        """The room in the window that is kept for urgent messages: what came of them lately in the time of a chunk.

        None for an urgent campaign that takes a large part of the window itself: it has its turns, as others do.
        """
        while self._urgent_left and self._urgent_left[0][0] <= now_s - self.spec.per_s:
            self._urgent_left.popleft()
        units = sum(units for _, units in self._urgent_left)
        few = self.pacer is not None and units * FEW_OF_WINDOW <= self.pacer.allowed(now_s)
        return -(-units // SHARE_OF_WINDOW) if few else 0

    def has_urgent_work(self, now_ms: int) -> bool:
        """Whether an urgent campaign may send now and has work."""
        return any(campaign.urgent for campaign, _ in self.active(now_ms))

    @property
    def _others_wait(self) -> bool:
        """Whether a chunk that is not urgent is on its way to the gate, or waits there."""
        ways = (self.proposed.values(), self.ready, self.unsent)
        return any(not chunk.urgent for way in ways for chunk in way)

    @property
    def unsent(self) -> Iterable[Sending]:
        """What the driver has in hand and has not written."""
        return (sending for sending in self.sending.values() if not sending.written)

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
        """Whether a chunk of this many recipients may be sent now; a trial is one chunk of the fewest."""
        return self.standing.sends and not (self.standing.trying and count > self.spec.numbers_min)

    def segments(self, campaign: str) -> int:
        """The most messages a recipient of a launched campaign gets."""
        known = self.campaigns.get(campaign)
        return known.launched.segments if known is not None and known.launched is not None else 1

    def next_piece(
        self,
        now_s: float,
        now_ms: int,
        loaded: Mapping[int, Content],
        covers: Callable[[Campaign, Piece, Content], bool],
        *,
        only_urgent: bool = False,
    ) -> tuple[Campaign, CampaignWork, Piece, int] | None:
        """The campaign that is next by weight, the piece its chunk comes from, and how many campaigns could send.

        `only_urgent`: an urgent one, or nothing if it is the others' turn. `covers`: whether a campaign's budget covers
        the beginning of a piece.
        """
        heads = {}
        for campaign, work in self.active(now_ms):
            piece = work.head(now_s, loaded, campaign.waves.released)
            if piece is not None and covers(campaign, piece, loaded[piece.job_offset]):
                heads[campaign.id] = (campaign, work, piece)
        if not heads:
            return None
        ready = [(name, head[0].weight, head[0].urgent) for name, head in heads.items()]
        if only_urgent and self._others_wait:  # at the gate they get their turn
            ready = [each for each in ready if each[2]]
        chosen = self.fair.pick(ready)
        if chosen is None or (only_urgent and not heads[chosen][0].urgent):
            return None
        return (*heads[chosen], len(heads))

    # --- the gate ---

    def next_ready(self) -> Ready | None:
        """The intent to hand to the driver first: urgent ones before others, but not all of them; else in order."""
        return self._handing.first(self.ready)

    def goes(self, ready: Ready, now_s: float) -> Sending:
        """It is handed to the driver, which builds its request and connects."""
        self.ready.remove(ready)
        self._handing.leaves(ready)
        chunk, units = ready.chunk, self.units(ready.chunk.asked, ready.parts)
        asked_s, ttl_s, trial = ready.asked_s, ready.ttl_s, self.standing.trying
        sending = Sending(chunk, ready.parts, units, ready.texts, asked_s, ttl_s, now_s, ready.urgent, trial)
        sending.expires_ms = ready.expires_ms
        self.sending[chunk.intent] = sending
        return sending

    def at_once(self, messages: int, now_s: float) -> int:
        """How many of these messages of a link leave together."""
        return messages if self.pacer is None else min(messages, self.pacer.share(now_s))

    def stands(self, sending: Sending, units: int, now_s: float) -> None:
        """Its request, or these units of it, is built and connected."""
        sending.waits_for = units
        if sending.stands_s is None:
            sending.stands_s = now_s
            self.lead.took(now_s - sending.asked_s)

    @property
    def at_gate(self) -> Iterable[Sending]:
        """What waits at the gate."""
        return (sending for sending in self.sending.values() if sending.waits_for)

    @property
    def first_at_gate(self) -> Sending | None:
        """What leaves next among those that wait at the gate."""
        return self._leaving.first(self.at_gate)

    def opens_at(self, sending: Sending, now_s: float) -> float:
        """When the flow limit and what holds the account let it leave. <= now_s: now."""
        if self.pacer is None:
            return self.held_until_s
        return max(self.held_until_s, self.pacer.earliest(sending.waits_for, now_s, urgent=sending.urgent))

    def leaves(self, sending: Sending, now_s: float) -> None:
        """The first byte of what it waited for is written now."""
        if self.pacer is not None:
            sending.ticket = self.pacer.left(sending.waits_for, now_s)
            if sending.urgent:
                self._urgent_left.append((now_s, sending.waits_for))
        sending.units = max(0, sending.units - sending.waits_for)
        sending.waits_for = 0
        sending.written = not sending.units
        self._leaving.leaves(sending)
        if sending.written:
            self.ttl.enough(now_s - sending.asked_s)

    def too_late(self, chunk: Ready | Sending, now_s: float) -> str:
        """Why the time to live of this intent was over before a byte was written; later ones live longer."""
        if isinstance(chunk, Ready) and chunk.read_s > chunk.deadline_s:
            self.ttl.too_short(chunk.ttl_s)
            why = f"the log gave its intent back after {chunk.read_s - chunk.asked_s:.1f} s"
        elif self.held_until_s >= chunk.deadline_s:
            why = "the account was held back"
        elif isinstance(chunk, Ready):
            self.ttl.waited_in_vain(chunk.ttl_s)
            why = f"{len(self.sending)} requests before it were under way"
        elif chunk.granted:
            self.ttl.too_short(chunk.ttl_s)
            why = f"only {chunk.granted:,} of its messages were written in {now_s - chunk.handed_s:.1f} s"
        elif chunk.stands_s is None or chunk.stands_s > chunk.deadline_s:
            self.ttl.too_short(chunk.ttl_s)
            why = f"building its request and connecting took {now_s - chunk.handed_s:.1f} s"
        else:
            self.ttl.too_short(chunk.ttl_s)
            why = f"the flow limit had no room for its {chunk.units:,} {self.spec.unit}"
        why += f", and an intent may wait {chunk.ttl_s:g} s"
        if isinstance(chunk, Ready) or not chunk.granted:
            self.came_back(chunk.chunk, 0, chunk.chunk.asked, why)
        return why

    # --- what happened ---

    def not_sent(self, campaign: str, count: int, parts: int) -> None:
        """Nothing of a chunk that was announced is sent: the campaign gets its share back, the account its credit."""
        self.spent_since_poll -= parts
        known = self.campaigns.get(campaign)
        if known is not None:
            self.fair.give_back(campaign, self.units(count, parts), known.weight, urgent=known.urgent)

    def came_back(self, chunk: Chunk, at: int, count: int, why: str) -> None:
        """These recipients were tried without a byte written: people are told now and then."""
        key = (chunk.job, chunk.start + at)
        known = self.unwritten.setdefault(key, Unwritten(chunk.campaign, count, 0, why))
        known.tries += 1
        known.recipients, known.why = count, why  # it may have been cut differently since
        if known.tries % UNWRITTEN_TOLD == 0:
            self.news.append(known.sentence())

    def was_written(self, chunk: Chunk, at: int, count: int) -> None:
        """Something was written of what these recipients are sent."""
        if self.unwritten:
            start = chunk.start + at
            for key in [key for key in self.unwritten if key[0] == chunk.job and start <= key[1] < start + count]:
                del self.unwritten[key]

    def tell(self, event: AccountEvent, now_s: float, now_ms: int, *, code: str = "", hold_s: float = 0.0) -> None:
        """Something happened to the account: see dispatcher/core/lane/account_states.py."""
        if event is AccountEvent.TOO_FAST and self.pacer is not None:
            self.pacer.throttled(now_s)
        was = self.standing.state
        self.standing.tell(event, now_s, now_ms, code=code, hold_s=hold_s)
        if was is AccountState.STOPPED_CREDIT and self.standing.trying and not self.balance:
            self.balance = None  # whether it was topped up, the next request finds out
        if self.standing.state is AccountState.OPEN:
            self.dry_polls = 0

    def inherit(self, stops: tuple[Stop, ...], now_s: float, now_ms: int) -> None:
        """What a former owner told the log last."""
        stop = whole(stops)
        if stop is not None:
            self.standing.inherit(stop, now_s, now_ms)

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
        waiting = sum(proposal.parts for proposal in self.proposed.values()) + sum(ready.parts for ready in self.ready)
        return self.spent_since_poll - sending - waiting

    def balance_is(self, messages: float, mark: float, now_s: float, now_ms: int) -> None:
        """The vendor's answer, less what was under way when it was asked or cut since (counted twice at worst)."""
        self.spent_since_poll -= mark
        topped_up, self.told = messages > self.told, messages
        if topped_up:
            self.release(Why.OTHER_CREDIT)
        self.balance = messages
        if messages < 1:
            self.tell(AccountEvent.EMPTY, now_s, now_ms)
        elif topped_up or not self.dry:
            self.tell(AccountEvent.CREDIT, now_s, now_ms)
        elif self.dry_polls:
            self.dry_polls -= 1
        else:
            self.tell(AccountEvent.DUE, now_s, now_ms)

    def took_over(self, now_s: float, ttl_s: float) -> None:
        """A former owner may have filled the last window; what it left open may be written for another `ttl_s`."""
        if self.pacer is not None:
            self.pacer.hold(now_s + self.spec.per_s + GUARD_S + ttl_s)
