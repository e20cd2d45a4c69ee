"""Drafts as people read them: the list of all, and everything about one. Drawing only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dispatcher.core.money.amounts import yuan
from dispatcher.service.campaigns.drafts import DraftView
from dispatcher.terminal.campaigns import hours_words
from dispatcher.terminal.draft_start import start_words
from dispatcher.terminal.options import columns
from dispatcher.wording import clock, counted, listed

TEXT_CHARS_SHOWN: Final = 200
_SHOWN_ELSEWHERE: Final = frozenset(
    {
        *("text", "route", "name", "by", "follows", "budget", "weight", "urgent", "unknown"),
        *("class", "between", "days", "at_closing"),
    }
)


def draft_table(drafts: Sequence[DraftView]) -> Table:
    """One line per draft, newest first."""
    table = columns("draft", "status", "recipients", "starts", "drafted", "by", "name", right=frozenset({2}))
    for draft in drafts:
        table.add_row(
            Text(draft.campaign, style="bold"),
            draft.status,
            f"{draft.recipients:,}",
            clock(draft.due_ms or (None if draft.cancelled_by else draft.scheduled_ms)),
            clock(draft.drafted_ms),
            draft.drafted_by,
            draft.name if draft.name != draft.campaign else "",
        )
    return table


def not_run_note(drafts: Sequence[DraftView]) -> str:
    """A sentence if some are scheduled and no process starts them, or ""."""
    if not any(draft.status == "scheduled" and draft.not_run for draft in drafts):
        return ""
    return "no process starts scheduled campaigns here: start `dispatcher run` (role campaigns)."


def draft_page(draft: DraftView) -> RenderableType:
    """Everything about one draft."""
    title = Text().append(draft.campaign, style="bold")
    title.append(f"  {draft.name}  " if draft.name != draft.campaign else "  ").append(draft.status, style="cyan")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    text = draft.text if len(draft.text) <= TEXT_CHARS_SHOWN else f"{draft.text[:TEXT_CHARS_SHOWN]}…"
    table.add_row("text", text)
    if draft.variables:
        table.add_row("personal", f"{', '.join(f'{{{name}}}' for name in draft.variables)} from each recipient's row")
    table.add_row("route", _route(draft))
    if draft.cost is not None:
        missing = f"; no price for {listed(draft.cost.unpriced)}" if draft.cost.unpriced else ""
        table.add_row("cost", f"{yuan(draft.cost.planned_micro_yuan)}, as planned then{missing}")
    if draft.budget_micro_yuan:
        table.add_row("budget", yuan(draft.budget_micro_yuan))
    urgent = ", urgent" if draft.urgent else ""
    table.add_row("share", f"weight {draft.weight}{urgent}; what becomes unknown: {draft.unknown}")
    table.add_row("hours", hours_words(draft))
    for name, value in draft.terms.items():
        if name not in _SHOWN_ELSEWHERE:
            table.add_row(name.replace("_", " "), _shown(value))
    table.add_row("drafted", f"{clock(draft.drafted_ms)} by {draft.drafted_by}")
    table.add_row("rows", _rows(draft))
    for reasons in (draft.invalid_reasons, draft.suppressed_reasons):
        for reason, many in reasons.items():
            table.add_row("", f"{many:,} {reason}")
    if "messages" in draft.plan:
        planned = f"{draft.plan['messages']:,} in {counted(draft.plan['requests'], 'request')}, as planned then"
        table.add_row("messages", planned)
    table.add_row("starts", _starts(draft))
    if (draft.needs_approval or draft.approved_by) and not draft.cancelled_by:
        table.add_row("approval", _approval(draft))
    parts: list[RenderableType] = [title, Text(), table]
    if draft.failure:
        parts.append(Text(f"\nIt was not started: {draft.failure}", style="red"))
    if note := not_run_note([draft]):
        parts.append(Text(f"\n{note}", style="yellow"))
    return Group(*parts)


def _route(draft: DraftView) -> str:
    """The accounts with their recipients by the plan, if the draft has one."""
    legs = ", ".join(
        f"{leg.account} ({leg.vendor}): {counted(leg.recipients, 'recipient')}" if leg.vendor else leg.account
        for leg in draft.route
    )
    return f"{draft.route_name}: {legs}" if draft.route_name else legs


def _rows(draft: DraftView) -> str:
    aside = draft.counts.rows - draft.recipients
    rest = f", {aside:,} set aside" if aside else ""
    recipients = counted(draft.recipients, "recipient")
    return f"{draft.counts.rows:,}: {recipients}{rest}; the suppression list is read at the launch"


def _starts(draft: DraftView) -> str:
    if draft.cancelled_by:
        return f"never: cancelled by {draft.cancelled_by}"
    if draft.scheduled_ms is None:
        return "when a person launches it"
    by = f"{clock(draft.scheduled_ms, named=True)}, scheduled by {draft.scheduled_by}"
    if draft.due_ms is not None and draft.due_ms > draft.scheduled_ms:
        return f"{by}; {start_words(draft)}"
    return by


def _approval(draft: DraftView) -> str:
    if draft.approved_by:
        return f"by {draft.approved_by}, {clock(draft.approved_ms)}"
    if draft.changed_since_approval:
        return f"void: {', '.join(draft.changed_since_approval)} changed since"
    return f"awaited of another person than {draft.drafted_by}"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} = {each}" for key, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
