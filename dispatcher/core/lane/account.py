"""One account inside a lane partition: its limits, pacing, fairness, work and what is under way. Pure.

It decides *what* may go and *when*; dispatcher/core/lane/owner.py turns that into intents, sends and outcomes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from dispatcher.core.campaigns import Campaign, Campaigns
from dispatcher.core.flow.fairness import URGENT_RUN, FairShare
from dispatcher.core.flow.pacing import GUARD_S, Pacer
from dispatcher.core.lane.state import Chunk
from dispatcher.core.lane.work import CampaignWork, Piece
from dispatcher.core.messages.chunks import Batch
from dispatcher.core.messages.personal import Letters
from dispatcher.core.results.balance_hint import BalanceHint, Told
from schemas.records import BalanceTold

LOOKAHEAD_S = 0.25
AHEAD_MAX = 64
CROWD_MAX = 20
REFUSALS_MAX = 3
BACKOFF_MAX_S = 30.0
BALANCE_RETRY_S = 300.0
DRY_POLLS_MAX = 64
"""So many balance queries at most pass between two tries of an account that is refused in spite of its credit."""


class LaneSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the pure core must know of an account. `limit` None: unpaced. `timeout_s`: the longest a request takes.

    `locks_out`: wrong logins lock the account, so until one was let in there is one request at a time.
    `evidence_s`: how long what is unknown waits for the vendor's history before a policy may have it sent again.
    """

    account: str
    numbers_max: int
    numbers_min: int = 1
    chars_max: int | None = None
    limit: int | None = None
    per_s: float = 1.0
    unit: Literal["messages", "requests", "parts"] = "messages"
    inflight_max: int = 16
    attempts_max: int = 8
    timeout_s: float = 35.0
    polls_balance: bool = True
    locks_out: bool = False
    evidence_s: float = 0.0


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
    """A chunk handed to the driver. `written`: its first byte may have gone out. `told`: the balance told before."""

    chunk: Chunk
    parts: int
    deadline_s: float
    units: int
    ticket: int
    told: Told | None = None
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
        self.stopped: Literal["auth", "balance"] | None = None
        self.stopped_why = ""
        self.held_until_s = now_s
        self.closed = False
        self.troubles = 0
        self.refusals = 0
        self.balance: float | None = None
        self.told = 0.0  # the vendor's last word on it
        self.throttles = 0  # in a row
        self.dry = 0  # refusals for lack of credit, one after the other, in spite of that
        self.dry_polls = 0
        self.spent_since_poll = 0.0
        self.hint = BalanceHint()
        self.hints: list[BalanceTold] = []
        self.retry_balance_s = float("inf")
        self.let_in = not spec.locks_out
        self.queries = 0
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
        count = self.spec.numbers_max
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
        if self.closed or self.stopped is not None or ahead >= (AHEAD_MAX if self.let_in else 1):
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
        """How many requests may be under way: until one was let in only one, and none beside a query."""
        if self.let_in:
            return self.spec.inflight_max
        return 0 if self.queries else 1

    @property
    def may_ask(self) -> bool:
        """Whether a query (of the balance, of reports) may go out, too: not to a vendor that refuses our login."""
        return self.stopped != "auth" and (self.let_in or not (self.sending or self.queries))

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

    def connected(self) -> None:
        """The vendor answered."""
        self.troubles = 0

    def refused_by_http(self, code: str, now_s: float) -> bool:
        """An HTTP 3xx or 4xx instead of the vendor's word: probably a wrong `url`. A row of them stops the account."""
        self.refusals += 1
        if self.refusals >= REFUSALS_MAX:
            self.stop("auth", f"{code}, {self.refusals} times in a row: check `url`", now_s)
        return self.stopped is not None

    def trouble(self, now_s: float) -> None:
        """The vendor could not be reached: nothing was sent; wait longer each time."""
        self.troubles += 1
        self.hold(now_s + min(BACKOFF_MAX_S, 0.25 * 2.0 ** min(self.troubles, 10)))

    def too_fast(self, now_s: float) -> None:
        """The vendor throttles: less in each window; without a limit of ours a longer rest each time in a row."""
        if self.pacer is not None:
            self.pacer.throttled(now_s)
            return
        if now_s >= self.held_until_s:  # answers to requests under way together count once
            self.throttles += 1
        self.hold(now_s + min(BACKOFF_MAX_S, 0.5 * 2.0 ** min(self.throttles, 10)))

    def hold(self, until_s: float) -> None:
        """Send nothing before then."""
        self.held_until_s = max(self.held_until_s, until_s)

    def stop(self, why: Literal["auth", "balance"], detail: str, now_s: float) -> None:
        """The account cannot send until somebody acts; its work is kept. A refused login outlives an empty balance."""
        if why == "balance" and self.stopped == "auth":
            return
        self.stopped = why
        self.stopped_why = detail
        if why == "auth":
            self.stopped_why += f"; mended? dispatcher account check {self.spec.account}"
            self.let_in = not self.spec.locks_out
        elif not self.spec.polls_balance:
            self.stopped_why += f"; topped up? dispatcher account check {self.spec.account}"
            self.retry_balance_s = now_s + BALANCE_RETRY_S

    def no_credit(self, detail: str, now_s: float) -> None:
        """The vendor refused for lack of credit. In spite of a balance: a month's quota, or another product's credit.
        Then not every answer to a query has it tried again, but one, two, four, … of them later.
        """
        if self.stopped is None and self.told >= 1:
            self.dry += 1
            self.dry_polls = min(2 ** (self.dry - 1), DRY_POLLS_MAX) - 1
        self.stop("balance", detail, now_s)
        self.balance = 0.0

    def go_on(self) -> None:
        """What stopped the account is over."""
        self.stopped = None
        self.stopped_why = ""
        self.refusals = 0
        self.dry_polls = 0
        self.retry_balance_s = float("inf")

    def tries_its_credit(self) -> None:
        """Nobody can say whether the account was topped up: the next request finds out."""
        self.balance = None
        self.go_on()

    def checked(self) -> None:
        """A person looked after the account. Its credit is left to the next query, where there is one."""
        if self.stopped == "auth":
            self.go_on()
        elif self.stopped == "balance" and (self.dry_polls or not self.spec.polls_balance):
            self.tries_its_credit()

    def balance_not_known(self, now_s: float) -> None:
        """A query failed. If they go on to, a stopped account tries its credit after a while."""
        if self.stopped == "balance" and self.retry_balance_s == float("inf"):
            self.retry_balance_s = now_s + BALANCE_RETRY_S

    def balance_asked(self) -> float:
        """A balance query leaves: what is under way now may or may not be in its answer. The mark for `balance_is`."""
        sending = sum(sending.parts for sending in self.sending.values())
        self.hint.asked(sending)
        waiting = sum(proposal.parts for proposal in self.proposed.values()) + sum(ready.parts for ready in self.ready)
        return self.spent_since_poll - sending - waiting

    def balance_is(self, messages: float, mark: float, now_ms: int) -> None:
        """The vendor's answer, less what was under way when it was asked or cut since (counted twice at worst)."""
        self.spent_since_poll -= mark
        topped_up, self.told = messages > self.told, messages
        self.balance = messages
        self.retry_balance_s = float("inf")
        self.hints += self.hint.answered(self.spec.account, messages, now_ms)
        if self.stopped == "balance" and messages >= 1:
            if topped_up or not self.dry_polls:
                self.go_on()
            else:
                self.dry_polls -= 1

    def took_over(self, now_s: float, *, inherited_open: bool, ttl_s: float) -> None:
        """A former owner may have filled the last window; what it left open may go out within its time to live."""
        if self.pacer is not None:
            self.pacer.hold(now_s + self.spec.per_s + GUARD_S + (ttl_s if inherited_open else 0.0))
