"""Whether an account may send, and what keeps it from sending: one table of states and events. Pure.

The circuit breaker is part of it. A few failures in a row (the vendor is busy, silent, or not reachable) hold the
account back: nothing is sent for a growing pause. Then one request to as few recipients as possible is tried; after an
answer the account sends at full speed again.

Every change of state is in ACCOUNT; other events change nothing. Only the owner (dispatcher/core/lane/owner.py) feeds
it events. Weak spot: requests that are under way when an outage begins become unknown.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from dispatcher.core.backoff import Backoff
from dispatcher.core.lane.spec import LaneSpec
from schemas.records import Stop, Why

NEVER: Final = float("inf")
FEW: Final = 3
"""How many such failures in a row hold the account back, or stop it."""

HOLD_BACK: Final = Backoff(1.0, 30.0)
CREDIT_RETRY_S: Final = 300.0
SAME_STOP_S: Final = 0.5
"""A stop that returns within this time was never over."""


class AccountState(Enum):
    """An account's state. In the first three it sends."""

    STARTING = "starting"  # no answer yet: one request at a time if wrong logins lock the account
    OPEN = "open"
    TRYING = "trying"  # one small request at a time, to find out whether the stop is over
    HELD_BACK = "held back"  # for a growing pause
    VENDOR_CLOSED = "closed by the vendor"
    CLOSED = "closed"  # outside its send_hours
    STOPPED_CREDIT = "stopped: no credit"
    STOPPED_LOGIN = "stopped: login refused"
    STOPPED_ADDRESS = "stopped: no vendor at this address"


class AccountEvent(Enum):
    """The events of an account."""

    ANSWERED = "the vendor took a chunk, or refused it for what it is"
    LET_IN = "the vendor answered a query"
    BUSY = "the vendor refused a chunk for now"
    NO_ANSWER = "nothing came back that can be used"
    NOT_REACHED = "nothing could be written"
    TOO_FAST = "the vendor throttles"
    WEB_REFUSED = "a web server refused the request instead of the vendor"
    NOBODY_THERE = "it did so a few times in a row"
    VENDOR_CLOSED = "the vendor says that it is closed"
    LOGIN_REFUSED = "the vendor refused the login"
    NO_CREDIT = "the vendor refused for lack of credit, or the balance covers no message"
    CREDIT = "the balance covers messages"
    EMPTY = "the balance is known, and covers none"
    CREDIT_UNKNOWN = "the balance query failed"
    CHECKED = "a person looked after the account"
    DUE = "the time to try it has come"
    NIGHT = "the account's own hours are over"
    DAY = "they have begun"


_S, _E = AccountState, AccountEvent
SENDING: Final = (_S.STARTING, _S.OPEN, _S.TRYING)
TROUBLES: Final = (_E.BUSY, _E.NO_ANSWER, _E.NOT_REACHED, _E.TOO_FAST)
"""Events that hold an account back after a few in a row (TOO_FAST: at once, if no limit of ours paces it)."""

ACCOUNT: Final[dict[tuple[AccountState, AccountEvent], AccountState]] = {
    (_S.STARTING, _E.ANSWERED): _S.OPEN,
    (_S.STARTING, _E.LET_IN): _S.OPEN,
    (_S.TRYING, _E.ANSWERED): _S.OPEN,
    (_S.HELD_BACK, _E.ANSWERED): _S.OPEN,  # an answer to a request under way: the vendor works
    **{(state, trouble): _S.HELD_BACK for state in SENDING for trouble in TROUBLES},
    **{(state, _E.NOBODY_THERE): _S.STOPPED_ADDRESS for state in (*SENDING, _S.HELD_BACK)},
    **{(state, _E.VENDOR_CLOSED): _S.VENDOR_CLOSED for state in (*SENDING, _S.HELD_BACK)},
    **{(state, _E.NO_CREDIT): _S.STOPPED_CREDIT for state in (*SENDING, _S.HELD_BACK, _S.VENDOR_CLOSED, _S.CLOSED)},
    **{(state, _E.LOGIN_REFUSED): _S.STOPPED_LOGIN for state in AccountState if state is not _S.STOPPED_LOGIN},
    **{(state, _E.NIGHT): _S.CLOSED for state in (*SENDING, _S.HELD_BACK, _S.VENDOR_CLOSED)},
    (_S.CLOSED, _E.DAY): _S.STARTING,
    (_S.HELD_BACK, _E.DUE): _S.TRYING,
    (_S.VENDOR_CLOSED, _E.DUE): _S.TRYING,
    (_S.STOPPED_CREDIT, _E.DUE): _S.TRYING,
    (_S.HELD_BACK, _E.CHECKED): _S.TRYING,
    (_S.VENDOR_CLOSED, _E.CHECKED): _S.TRYING,
    (_S.STOPPED_CREDIT, _E.CHECKED): _S.TRYING,
    (_S.STOPPED_LOGIN, _E.CHECKED): _S.STARTING,
    (_S.STOPPED_ADDRESS, _E.CHECKED): _S.TRYING,
    (_S.STOPPED_CREDIT, _E.CREDIT): _S.OPEN,
}

WHY: Final = {
    _E.BUSY: Why.BUSY,
    _E.NO_ANSWER: Why.NO_ANSWER,
    _E.NOT_REACHED: Why.UNREACHABLE,
    _E.TOO_FAST: Why.TOO_FAST,
    _E.NOBODY_THERE: Why.ADDRESS,
    _E.VENDOR_CLOSED: Why.VENDOR_HOURS,
    _E.LOGIN_REFUSED: Why.LOGIN,
    _E.NO_CREDIT: Why.CREDIT,
    _E.NIGHT: Why.HOURS,
}

CURES: Final = {Why.LOGIN: _E.LET_IN, Why.UNREACHABLE: _E.LET_IN, Why.CREDIT: _E.CREDIT}
"""Events that prove the end of a stop before a chunk was tried."""

_CURABLE: Final = (AccountState.TRYING, AccountState.HELD_BACK)
_ONE_OUTAGE: Final = frozenset({Why.BUSY, Why.NO_ANSWER, Why.UNREACHABLE, Why.TOO_FAST, Why.VENDOR_HOURS})


class Standing:
    """The standing of one account. `stop` is what keeps it from sending, or None."""

    def __init__(self, spec: LaneSpec) -> None:
        self._spec = spec
        self.state = AccountState.STARTING
        self.stop: Stop | None = None
        self.until_s = NEVER
        self.stopped_s = NEVER  # since when it has a stop, whatever the reasons were
        self._row = 0  # troubles
        self._trouble: Stop | None = None  # the last one
        self._web_row = 0  # refusals of a web server
        self._held = 0  # how often it was held back since it was last open
        self._over: tuple[Stop, float] | None = None  # the last stop, and when it ended

    # --- what it may do ---

    @property
    def sends(self) -> bool:
        """Whether chunks may be sent at all."""
        return self.state in SENDING

    @property
    def trying(self) -> bool:
        """Whether it may send only one small request at a time."""
        return self.state is AccountState.TRYING

    def lets_out(self, *, trial: bool) -> bool:
        """Whether a request that is already built may still be written."""
        return trial if self.trying else self.sends

    @property
    def alone(self) -> bool:
        """Whether there may be only one request at a time."""
        return self.trying or (self.state is AccountState.STARTING and self._spec.locks_out)

    @property
    def locked(self) -> bool:
        """Whether a login must succeed before two requests may be under way."""
        return self._spec.locks_out and self.alone

    @property
    def answers_queries(self) -> bool:
        """Whether the vendor may be queried: not after a refused login, or if no vendor is at the address."""
        return self.state not in (AccountState.STOPPED_LOGIN, AccountState.STOPPED_ADDRESS)

    # --- what it is told ---

    def tell(self, event: AccountEvent, now_s: float, now_ms: int, *, code: str = "", hold_s: float = 0.0) -> None:
        """Take an event. `code`: the vendor's; `hold_s`: how long it is closed."""
        event = self._counted(event)
        if self.stop is not None and self.state in _CURABLE and CURES.get(self.stop.why) is event:
            event = AccountEvent.ANSWERED
        if self.state is AccountState.STOPPED_CREDIT:
            self._asked_credit(event, now_s, now_ms)
        if event in TROUBLES:
            self._trouble = Stop(why=WHY[event], code=code, since_ms=now_ms, row=self._row)
        becomes = ACCOUNT.get((self.state, event))
        if becomes is None or (event in TROUBLES and not self._is_enough(event)):
            return
        if event is AccountEvent.CREDIT and (self._held or self._row >= FEW):  # nothing was answered meanwhile
            becomes, self.stop, self._held = AccountState.TRYING, self._trouble, max(1, self._held)
        self.state = becomes
        if becomes in (AccountState.OPEN, AccountState.STARTING):
            self._opens(event, now_s)
        elif becomes is AccountState.TRYING:
            self._tries()
        else:
            self._stops(event, now_s, now_ms, code, hold_s)

    def inherit(self, stop: Stop, now_s: float, now_ms: int) -> None:
        """A former owner wrote this to the log: one request is tried first."""
        if stop.why not in (Why.HOURS, Why.SUPPRESSION):
            self.state = AccountState.TRYING
            self.stopped_s = now_s - max(0, now_ms - stop.since_ms) / 1000 if stop.since_ms else now_s
            self.stop = msgspec.structs.replace(stop, until_ms=0, trying=True)

    def _counted(self, event: AccountEvent) -> AccountEvent:
        """The event, or its combination with earlier ones."""
        if event is AccountEvent.WEB_REFUSED:
            self._web_row += 1
            event = AccountEvent.NOBODY_THERE if self._web_row >= FEW else AccountEvent.NO_ANSWER
        elif event in (AccountEvent.ANSWERED, AccountEvent.BUSY, AccountEvent.TOO_FAST):
            self._web_row = 0
        if event is AccountEvent.ANSWERED:
            self._row = 0
        elif event in TROUBLES and not (event is AccountEvent.TOO_FAST and self._spec.limit is not None):
            self._row += 1
        return event

    def _is_enough(self, event: AccountEvent) -> bool:
        """Whether this trouble holds the account back."""
        if self.trying:
            return True
        if event is AccountEvent.TOO_FAST:
            return self._spec.limit is None
        return self._row >= FEW

    def _opens(self, event: AccountEvent, now_s: float) -> None:
        if self.stop is not None:
            self._over = (self.stop, now_s)
        self.stopped_s = NEVER
        self.stop = None
        self.until_s = NEVER
        self._held = 0
        if event is not AccountEvent.CREDIT:  # which says nothing about answers to requests
            self._row = self._web_row = 0

    def _tries(self) -> None:
        assert self.stop is not None
        self.stop = msgspec.structs.replace(self.stop, until_ms=0, trying=True)
        self.until_s = NEVER

    def _stops(self, event: AccountEvent, now_s: float, now_ms: int, code: str, hold_s: float) -> None:
        why, self.until_s = WHY[event], NEVER
        if self.stop is None:
            self.stopped_s = now_s
        row = self._web_row if why is Why.ADDRESS else self._row if event in TROUBLES else 0
        self.stop = Stop(why=why, code=code, since_ms=self._since_ms(why, now_s) or now_ms, row=row)
        match self.state:
            case AccountState.HELD_BACK:
                self._held += 1
                self._until(now_s, now_ms, HOLD_BACK.pause_s(self._held))
            case AccountState.VENDOR_CLOSED:
                self._until(now_s, now_ms, hold_s)
            case AccountState.CLOSED:
                self.stop = msgspec.structs.replace(self.stop, until_ms=self._spec.morning_ms(now_ms))
            case AccountState.STOPPED_CREDIT if not self._spec.polls_balance:
                self._until(now_s, now_ms, CREDIT_RETRY_S)

    def _since_ms(self, why: Why, now_s: float) -> int:
        """Since when this lasts, if it began earlier."""
        before = self.stop
        if before is None and self._over is not None and now_s - self._over[1] < SAME_STOP_S:
            before = self._over[0]
        if before is None:
            return 0
        return before.since_ms if before.why is why or {before.why, why} <= _ONE_OUTAGE else 0

    def _asked_credit(self, event: AccountEvent, now_s: float, now_ms: int) -> None:
        """If no query can find new credit, a request finds out after a while."""
        if event is AccountEvent.CREDIT_UNKNOWN and self.until_s == NEVER:
            self._until(now_s, now_ms, CREDIT_RETRY_S)
        elif event is AccountEvent.EMPTY and self.stop is not None:
            self.until_s = NEVER
            self.stop = msgspec.structs.replace(self.stop, until_ms=0)

    def _until(self, now_s: float, now_ms: int, pause_s: float) -> None:
        assert self.stop is not None
        self.until_s = now_s + pause_s
        self.stop = msgspec.structs.replace(self.stop, until_ms=now_ms + round(pause_s * 1000))
