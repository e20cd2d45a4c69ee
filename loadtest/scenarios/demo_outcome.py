"""What the demo came to: our figures beside the vendor's, as a screen and as one JSON object. Drawing only."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from dispatcher.core.results.equation import total
from dispatcher.service.progress import state_of
from dispatcher.store.port import CampaignView
from dispatcher.terminal.live import equation
from dispatcher.terminal.options import columns
from loadtest.scenarios.ledger_comparison import Comparison

WINDOWS_MIN: Final = 4


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a demo. `totals` is the vendor's ledger, `delivered` how many it says were delivered; `limit_used` is
    None if too little was sent to tell.

    Over a stretch of few windows the use may be more than 1: what counts is that no window is over.
    """

    views: tuple[CampaignView, ...]
    totals: dict[str, Any]
    delivered: int
    comparison: Comparison
    disagreements: tuple[str, ...]
    paced: dict[str, Any]
    seconds: float

    @property
    def limit_used(self) -> float | None:
        """How much of the paced account's flow limit was used while there was something to send."""
        enough = self.paced["active_s"] >= WINDOWS_MIN * self.paced["per_s"]
        used: float | None = self.paced["limit_used"]
        return used if enough else None

    @property
    def agreed(self) -> bool:
        """Nothing disagrees."""
        return not self.disagreements

    def as_json(self) -> dict[str, Any]:
        """One object."""
        return {
            "campaigns": [state_of(view) for view in self.views],
            "vendor": self.totals,
            "compared": self.comparison.compared,
            "double_texts": self.totals["double_texts"],
            "lost": self.comparison.lost,
            "windows_over_limit": self.totals["windows_over_limit"],
            "limit_used": self.limit_used,
            "agreed": self.agreed,
            "disagreements": list(self.disagreements),
            "seconds": round(self.seconds, 1),
        }

    def screen(self) -> RenderableType:
        """The result, the equation, the ledgers side by side, and the verdict."""
        parts: list[RenderableType] = [self._campaigns(), Text()]
        parts += [equation(total(view.counts for view in self.views)), Text(), self._ledgers(), Text()]
        parts += [Text(f"✗ {disagreement}", style="bold red") for disagreement in self.disagreements]
        if self.agreed:
            compared = f"{self.comparison.compared:,} recipients compared with the vendor's ledger, one by one"
            parts.append(Text(f"✓ {compared}: account, message id, status and code agree.", style="bold green"))
        parts.append(Text(f"took {self.seconds:.0f} s"))
        return Group(*parts)

    def _campaigns(self) -> RenderableType:
        table = columns(
            "campaign", "rows", "set aside", "recipients", "delivered", "failed", "first sent after",
            right=frozenset(range(1, 7)),
        )  # fmt: skip
        for view in sorted(self.views, key=lambda view: view.launched_ms):
            counts = view.counts
            figures = (counts.rows, counts.rows - counts.recipients, counts.recipients, counts.delivered, counts.failed)
            waited = "-" if view.first_sent_ms is None else f"{(view.first_sent_ms - view.launched_ms) / 1000:.2f} s"
            table.add_row(Text(view.id, style="bold"), *(f"{figure:,}" for figure in figures), waited)
        return table

    def _ledgers(self) -> RenderableType:
        counts, totals = total(view.counts for view in self.views), self.totals
        failed = sum(totals["statuses"].values()) - self.delivered
        used = "too little to tell" if self.limit_used is None else f"{100 * self.limit_used:.1f} %"
        table = columns("", "we say", "the vendor says", right=frozenset({1, 2}))
        for words, ours, theirs in (
            ("recipients texted", f"{counts.recipients:,}", f"{totals['numbers_accepted']:,}"),
            ("delivered", f"{counts.delivered:,}", f"{self.delivered:,}"),
            ("failed", f"{counts.failed:,}", f"{failed:,}"),
            ("requests", "", f"{totals['requests']:,}"),
            ("texted twice", "", f"{totals['double_texts']:,}"),
            ("lost", f"{self.comparison.lost:,}", ""),
            ("windows over the flow limit", "", f"{totals['windows_over_limit']:,}"),
            ("use of the flow limit", "", used),
        ):
            table.add_row(words, ours, theirs)
        return table
