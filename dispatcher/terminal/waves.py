"""The waves of a campaign as people read them: a table of waves, one of texts, and why it was halted. Drawing only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from dispatcher.core.waves.state import Decision
from dispatcher.i18n import N_, _
from dispatcher.service.campaigns.wave_table import TextRow, WaveRow, WaveTable
from dispatcher.terminal.options import columns
from dispatcher.wording import clock, counted, duration
from dispatcher.words import word
from schemas.records import Finding

TEXT_CHARS_SHOWN: Final = 60
_OF: Final = {"failures": N_("failed"), "unknown": N_("became unknown"), "opt-outs": N_("opted out")}


def wave_parts(campaign: str, table: WaveTable) -> Iterator[RenderableType]:
    """Everything about the waves of a campaign."""
    yield _waves(table)
    if table.texts:
        yield Text()
        yield _texts(table.texts)
    halted = next((row for row in table.waves if row.state == "halted"), None)
    if halted is not None:
        yield Text(_("\nHalted: {why} Nothing more is sent.", why=why(halted.decision)), style="red")
        yield Text(
            _("To go on all the same: dispatcher campaign release {campaign}", campaign=campaign), style="magenta"
        )
    elif table.needs_text:
        labels = "|".join(row.label for row in table.texts)
        yield Text(
            _(
                "\nThe rest waits for its text: dispatcher campaign decide {campaign} --text {labels}",
                campaign=campaign,
                labels=labels,
            ),
            style="magenta",
        )
    elif table.findings and table.findings[0].odds > 1:
        yield Text(_("\nwatched: {finding}", finding=finding(table.findings[0])))


def why(decision: Decision | None) -> str:
    """Why a wave was released or halted, in a sentence."""
    if decision is None:
        return ""
    if decision.by_person:
        return _("{by} decided so at {time}.", by=decision.by, time=clock(decision.at_ms))
    if decision.why == "found":
        return f"{finding(decision.findings[0])}."
    share = 100 * decision.settled // max(1, decision.recipients)
    waited = _("the wait for its reports was over, with") if decision.why == "waited" else _("reports cover")
    return _("{waited} {share} % of it.", waited=waited, share=share)


def finding(found: Finding) -> str:
    """Evidence in words, with its figures."""
    account = _(" on {account}", account=found.account) if found.account else ""
    since = _(" since wave {since_wave}", since_wave=found.since_wave) if found.since_wave > 1 else ""
    of_requests = found.statistic == "unknown"
    share = 100 * found.events / max(1, found.trials)
    return _(
        "{events:,} of the first {count}{account}{since} {what} ({share:.3g} %, expected {expected:.2g} %): {odds:,} "
        "times likelier with a raised rate, and {halts_at:,} times halts it",
        events=found.events,
        count=counted(found.trials, "request") if of_requests else counted(found.trials, "recipient"),
        account=account,
        since=since,
        what=_(_OF[found.statistic]),
        share=share,
        expected=found.learnt_ppm / 10_000,
        odds=found.odds,
        halts_at=found.halts_at,
    )


def _waves(table: WaveTable) -> Table:
    shown = columns(
        "wave", "state", "recipients", "sent", "delivered", "failed", "unknown", "reported", "why",
        right=frozenset({0, *range(2, 8)}), prose={"why"},
    )  # fmt: skip
    for row in table.waves:
        figures = (row.recipients, row.sent, row.delivered, row.failed, row.unknown)
        share = f"{100 * row.settled // max(1, row.recipients - row.left_out)} %"
        shown.add_row(str(row.wave), word(row.state), *(f"{each:,}" for each in figures), share, _reason(row, table))
    return shown


def _reason(row: WaveRow, table: WaveTable) -> str:
    if row.decision is not None:
        return why(row.decision)
    if row.state == "under way" and row.wave < len(table.waves):
        return _("waits for 90 % of its reports, {duration} at most", duration=duration(table.wait_s))
    return ""


def _texts(rows: tuple[TextRow, ...]) -> Table:
    shown = columns(
        "text", "sent", "delivered", "95 % interval", "failed", "95 % interval", "unknown", "",
        right=frozenset(range(1, 7)), prose={""},
    )  # fmt: skip
    for row in rows:
        settled = row.delivered + row.failed
        text = row.text if len(row.text) <= TEXT_CHARS_SHOWN else f"{row.text[:TEXT_CHARS_SHOWN]}…"
        shown.add_row(
            row.label + (_(" (decided)") if row.decided else ""),
            f"{row.sent:,}",
            _share(row.delivered, settled),
            _interval(row.delivered_ppm),
            _share(row.failed, settled),
            _interval(row.failed_ppm),
            f"{row.unknown:,}",
            text,
        )
    return shown


def _share(events: int, settled: int) -> str:
    return f"{events:,} ({100 * events / settled:.1f} %)" if settled else f"{events:,}"


def _interval(ppm: tuple[int, int]) -> str:
    return _("{low:.1f} to {high:.1f} %", low=ppm[0] / 10_000, high=ppm[1] / 10_000)
