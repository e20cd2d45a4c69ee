"""The end of a run: the vendors' ledgers beside our results, then every check with yes or no. Drawing only."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from dispatcher.core.results.equation import Counts, total
from dispatcher.service.campaigns.progress import state_of
from dispatcher.terminal.live import equation
from dispatcher.terminal.options import columns
from loadtest.scenarios.checks import WINDOWS_MIN, Check, account_totals, checks, our_counts
from loadtest.scenarios.run import Facts
from loadtest.sim.profiles import VENDORS


class Line(msgspec.Struct, frozen=True):
    """One account: our figures and the vendor's; `refused` is our count."""

    account: str
    vendor: str
    ours: dict[str, int]
    theirs: dict[str, Any]


MARKS: Final = {
    True: ("✓", "yes", "bold green"),
    False: ("✗", "NO", "bold red"),
    None: ("–", "not judged", "bold yellow"),
}


class Outcome(msgspec.Struct, frozen=True):
    """The outcome of a run."""

    facts: Facts
    checks: tuple[Check, ...]

    @classmethod
    def of(cls, facts: Facts) -> Outcome:
        """Judge the facts."""
        return cls(facts, tuple(checks(facts)))

    @property
    def passed(self) -> bool:
        """Whether every check holds; checks may be unjudged if the user made the scenario smaller."""
        return all(check.holds or (check.holds is None and self.facts.scenario.smaller) for check in self.checks)

    def lines(self) -> list[Line]:
        """Every account, by name."""
        ours, theirs = our_counts(self.facts), account_totals(self.facts)
        return [self._line(account, ours[account], *theirs[account]) for account in sorted(ours)]

    def _line(self, account: str, counts: Counts, vendor: str, ledger: Any) -> Line:
        kind = VENDORS[self.facts.scenario.vendors[vendor].vendor]
        statuses = ledger["statuses"]
        delivered = sum(times for status, times in statuses.items() if status in kind.delivered)
        interim = sum(times for status, times in statuses.items() if status in kind.interim)
        refused = self.facts.refused.get(account, 0)
        failed = counts.failed - refused
        enough = ledger["limit"] and ledger["active_s"] >= WINDOWS_MIN * ledger["per_s"]
        return Line(
            account,
            vendor,
            {
                "taken": counts.accepted + counts.delivered + failed + counts.no_report,
                "delivered": counts.delivered,
                "failed": failed,
                "no_report": counts.no_report,
                "accepted": counts.accepted,
                "refused": refused,
                "unknown": counts.unknown,
                "cancelled": counts.cancelled,
            },
            {
                "taken": ledger["numbers_accepted"],
                "delivered": delivered,
                "failed": sum(statuses.values()) - delivered - interim,
                "no_report": ledger["reports_lost"] + interim,
                "accepted": ledger["reports_due"] - ledger["reports_acked"],
                "requests": ledger["requests"],
                "double_texts": ledger["double_texts"],
                "windows_over_limit": ledger["windows_over_limit"],
                "limit_used": ledger["limit_used"] if enough else None,
            },
        )

    def as_json(self) -> dict[str, Any]:
        """One object."""
        facts = self.facts
        return {
            "scenario": facts.scenario.path,
            "about": facts.scenario.about,
            "seed": facts.scenario.seed,
            "log": facts.log.partition(":")[0],
            "passed": self.passed,
            "seconds": round(facts.seconds, 1),
            "expected": [{"what": each.what, "holds": each.holds, "found": each.found} for each in self.checks],
            "accounts": {
                line.account: {"vendor": line.vendor, "ours": line.ours, "ledger": line.theirs} for line in self.lines()
            },
            "campaigns": [state_of(view) for view in facts.views],
            "happened": [{"at_s": round(at_s, 1), "what": what} for at_s, what in facts.happened],
            "vendors": facts.totals,
        }

    def screen(self) -> RenderableType:
        """The outcome for people."""
        parts: list[RenderableType] = [Text(), self._table(), Text()]
        parts += [equation(total(view.counts for view in self.facts.views)), Text(), self._verdicts(), Text()]
        held, broken = (sum(check.holds is state for check in self.checks) for state in (True, False))
        words = f"{broken} do not hold" if broken else f"{held} of {len(self.checks)} hold"
        words += f", {len(self.checks) - held - broken} could not be judged" if held + broken < len(self.checks) else ""
        style = "bold green" if self.passed else "bold red"
        parts.append(Text(f"{words}; took {self.facts.seconds:.0f} s", style=style))
        return Group(*parts)

    def _table(self) -> RenderableType:
        table = columns(
            "account", "says", "taken", "delivered", "failed", "no report", "accepted", "refused", "unknown",
            "cancelled", "texted twice", "windows over", "limit used", right=frozenset(range(2, 13)),
        )  # fmt: skip
        for line in self.lines():
            ours, theirs = line.ours, line.theirs
            used = "" if theirs["limit_used"] is None else f"{100 * theirs['limit_used']:.1f} %"
            table.add_row(Text(line.account, style="bold"), "we", *(f"{figure:,}" for figure in ours.values()))
            same = ("taken", "delivered", "failed", "no_report", "accepted")
            table.add_row(
                "", line.vendor, *(f"{theirs[name]:,}" for name in same), "", "", "",
                f"{theirs['double_texts']:,}", f"{theirs['windows_over_limit']:,}", used,
            )  # fmt: skip
        return table

    def _verdicts(self) -> RenderableType:
        table = columns("", "must be so", "is it", "found", prose={"must be so", "found"})
        for check in self.checks:
            mark, word, style = MARKS[check.holds]
            table.add_row(Text(mark, style=style), check.what, word, check.found)
        return table
