"""The equation (docs/ARCHITECTURE.md, "The equation"): every row of every campaign is in exactly one place.

    rows = invalid + duplicate + suppressed
         + queued + in_flight + accepted + delivered + failed + no_report + unknown + cancelled

Pure. Counts are never adjusted: if they do not add up, `check` raises with all terms.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from dispatcher.sentences import N_

Status = Literal["running", "held", "paused", "open", "waiting", "holding", "cancelled", "finished"]
"""What a campaign is doing. `STATUSES` says what each means; lists, pages, JSON and docs use these words alone."""

STATUSES: Final[dict[Status, str]] = {
    "running": N_("something is queued or under way"),
    "held": N_("something is queued, and waits for its hours, for a report or for a person"),
    "paused": N_("a person paused it; something is queued, or it is a stream"),
    "open": N_("a stream that takes messages; everything so far was sent"),
    "waiting": N_("everything was sent; reports are still due"),
    "holding": N_("not finished: only unknown recipients are left"),
    "cancelled": N_("a person cancelled it; reports of what was sent still count"),
    "finished": N_("every recipient has its final word"),
}


class EquationBroken(ValueError):
    """The terms do not add up to the rows, or one is negative: a bug, never a fault of the input."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The terms of the equation. Add counts with `+` or `total`."""

    rows: int = 0
    invalid: int = 0
    duplicate: int = 0
    suppressed: int = 0
    queued: int = 0
    in_flight: int = 0
    accepted: int = 0
    delivered: int = 0
    failed: int = 0
    no_report: int = 0
    unknown: int = 0
    cancelled: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})

    @property
    def recipients(self) -> int:
        """Rows that are to be texted, or were."""
        return self.rows - self.invalid - self.duplicate - self.suppressed

    @property
    def parts(self) -> Parts:
        """The recipients in the four parts of the bar."""
        return Parts(**{part: sum(getattr(self, term) for term in terms) for part, terms in PARTS.items()})

    @property
    def open(self) -> int:
        """Recipients without a final state."""
        return self.queued + self.in_flight + self.accepted + self.unknown

    @property
    def settled(self) -> bool:
        """Whether every recipient has a final state."""
        return self.open == 0

    @property
    def adds_up(self) -> bool:
        """Whether the equation holds."""
        return self.rows == sum(getattr(self, name) for name in TERMS) and all(
            getattr(self, name) >= 0 for name in self.__struct_fields__
        )

    def without_wait(self) -> Counts:
        """The same when nobody waits for reports any more: who has none counts as `no_report`."""
        return msgspec.structs.replace(self, accepted=0, no_report=self.no_report + self.accepted)

    def check(self) -> Counts:
        """Itself. Raises EquationBroken."""
        if not self.adds_up:
            raise EquationBroken(f"the equation does not hold: {self.line(zeros=True)}")
        return self

    def line(self, *, zeros: bool = False) -> str:
        """The equation in one line, `12 rows = 2 invalid + 10 delivered`; terms of 0 are left out unless `zeros`."""
        terms = [f"{getattr(self, name):,} {WORDS[name]}" for name in TERMS if zeros or getattr(self, name)]
        sign = "=" if self.adds_up else "≠"
        return f"{self.rows:,} rows {sign} {' + '.join(terms) or '0'}"

    def as_dict(self) -> dict[str, int]:
        """Every term by name, for JSON."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign's recipients in four parts, as a bar shows them; together they are `Counts.recipients`.

    `waiting` recipients were sent, or may have been, and no report says what became of them.
    """

    delivered: int
    failed: int
    waiting: int
    not_sent: int


PARTS: Final = {
    "delivered": ("delivered",),
    "failed": ("failed",),
    "waiting": ("in_flight", "accepted", "no_report", "unknown"),
    "not_sent": ("queued", "cancelled"),
}
"""The terms of the equation that each part of the bar is made of."""

TERMS: Final = tuple(name for name in Counts.__struct_fields__ if name != "rows")
"""The right-hand side of the equation, in its order."""

WORDS: Final = {name: name.replace("_", " ") for name in Counts.__struct_fields__}
"""The terms as people read them."""

NONE: Final = Counts()


def total(counts: Iterable[Counts]) -> Counts:
    """The sum over several campaigns or accounts; the equation holds for it if it holds for each."""
    return sum(counts, NONE)


def launched(
    *,
    rows: int,
    invalid: int = 0,
    duplicate: int = 0,
    suppressed: int = 0,
    cancelled: bool,
    in_flight: int = 0,
    accepted: int = 0,
    delivered: int = 0,
    failed: int = 0,
    no_report: int = 0,
    unknown: int = 0,
) -> Counts:
    """The counts of a launched campaign (or one account's part): all other recipients are queued, or cancelled."""
    rest = rows - invalid - duplicate - suppressed
    rest -= in_flight + accepted + delivered + failed + no_report + unknown
    return Counts(
        rows=rows,
        invalid=invalid,
        duplicate=duplicate,
        suppressed=suppressed,
        queued=0 if cancelled else rest,
        in_flight=in_flight,
        accepted=accepted,
        delivered=delivered,
        failed=failed,
        no_report=no_report,
        unknown=unknown,
        cancelled=rest if cancelled else 0,
    )


def status(
    counts: Counts, *, paused: bool, cancelled: bool, held: bool = False, takes_messages: bool = False
) -> Status:
    """The status of a campaign with these counts. Never `finished` while a recipient is open."""
    if cancelled:
        return "cancelled"
    if paused and (counts.queued or takes_messages):
        return "paused"
    if counts.queued and held:
        return "held"
    if counts.queued or counts.in_flight:
        return "running"
    if takes_messages:
        return "open"
    if counts.accepted:
        return "waiting"
    return "holding" if counts.unknown else "finished"
