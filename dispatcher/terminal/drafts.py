"""Drafts as people read them: the list of all, and everything about one. Drawing only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dispatcher.core.money.amounts import yuan
from dispatcher.i18n import H_, _, heading
from dispatcher.service.campaigns.drafts import DraftView
from dispatcher.terminal.campaigns import hours_words
from dispatcher.terminal.draft_start import start_words
from dispatcher.terminal.options import columns
from dispatcher.wording import clock, counted, listed
from dispatcher.words import POLICIES, reason, word

TEXT_CHARS_SHOWN: Final = 200
_SHOWN_ELSEWHERE: Final = frozenset(
    {
        *("text", "route", "name", "by", "follows", "budget", "weight", "urgent", "unknown"),
        *("class", "between", "days", "at_closing"),
    }
)

_TERMS: Final = {
    "column": H_("column"),
    "sheet": H_("sheet"),
    "header_row": H_("header row"),
    "hidden_rows": H_("hidden rows"),
    "encoding": H_("encoding"),
    "suppress": H_("suppress"),
    "suppress_column": H_("suppress column"),
    "suppress_sheet": H_("suppress sheet"),
    "more_lists": H_("more lists"),
    "exclude": H_("exclude"),
    "exclude_column": H_("exclude column"),
    "exclude_sheet": H_("exclude sheet"),
    "exclude_campaigns": H_("exclude campaigns"),
    "options": H_("options"),
    "extno": H_("extno"),
    "kind": H_("kind"),
    "frames": H_("frames"),
    "retry": H_("retry"),
    "defer": H_("defer"),
    "deferred_of": H_("deferred of"),
    "within": H_("within"),
    "ends_ms": H_("ends ms"),
    "known_follow_ups": H_("known follow ups"),
    "waves": H_("waves"),
    "wave_wait": H_("wave wait"),
    "more_texts": H_("more texts"),
}
"""Terms that a draft shows as they are, by what they are called."""


def draft_table(drafts: Sequence[DraftView]) -> Table:
    """One line per draft, newest first."""
    table = columns("draft", "status", "recipients", "starts", "drafted", "by", "name", right=frozenset({2}))
    for draft in drafts:
        table.add_row(
            Text(draft.campaign, style="bold"),
            word(draft.status),
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
    return _("no process starts scheduled campaigns here: start `dispatcher run` (role campaigns).")


def draft_page(draft: DraftView) -> RenderableType:
    """Everything about one draft."""
    title = Text().append(draft.campaign, style="bold")
    title.append(f"  {draft.name}  " if draft.name != draft.campaign else "  ").append(word(draft.status), style="cyan")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    text = draft.text if len(draft.text) <= TEXT_CHARS_SHOWN else f"{draft.text[:TEXT_CHARS_SHOWN]}…"
    table.add_row(heading("text"), text)
    if draft.variables:
        table.add_row(
            heading("personal"),
            _("{names} from each recipient's row", names=", ".join(f"{{{name}}}" for name in draft.variables)),
        )
    table.add_row(heading("route"), _route(draft))
    if draft.cost is not None:
        missing = _("; no price for {names}", names=listed(draft.cost.unpriced)) if draft.cost.unpriced else ""
        table.add_row(
            heading("cost"),
            _("{amount}, as planned then{missing}", amount=yuan(draft.cost.planned_micro_yuan), missing=missing),
        )
    if draft.budget_micro_yuan:
        table.add_row(heading("budget"), yuan(draft.budget_micro_yuan))
    urgent = _(", urgent") if draft.urgent else ""
    table.add_row(
        heading("share"),
        _(
            "weight {weight}{urgent}; what becomes unknown: {unknown}",
            weight=draft.weight,
            urgent=urgent,
            unknown=_(POLICIES[draft.unknown]),
        ),
    )
    table.add_row(heading("hours"), hours_words(draft))
    for name, value in draft.terms.items():
        if name not in _SHOWN_ELSEWHERE:
            table.add_row(heading(_TERMS.get(name, name.replace("_", " "))), _shown(value))
    table.add_row(
        heading("drafted"), _("{time} by {drafted_by}", time=clock(draft.drafted_ms), drafted_by=draft.drafted_by)
    )
    table.add_row(heading("rows"), _rows(draft))
    for reasons in (draft.invalid_reasons, draft.suppressed_reasons):
        for why, many in reasons.items():
            table.add_row("", f"{many:,} {reason(why)}")
    if "messages" in draft.plan:
        planned = _(
            "{messages:,} in {count}, as planned then",
            messages=draft.plan["messages"],
            count=counted(draft.plan["requests"], "request"),
        )
        table.add_row(heading("messages"), planned)
    table.add_row(heading("starts"), _starts(draft))
    if (draft.needs_approval or draft.approved_by) and not draft.cancelled_by:
        table.add_row(heading("approval"), _approval(draft))
    parts: list[RenderableType] = [title, Text(), table]
    if draft.failure:
        parts.append(Text(_("\nIt was not started: {failure}", failure=draft.failure), style="red"))
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
    rest = _(", {aside:,} set aside", aside=aside) if aside else ""
    recipients = counted(draft.recipients, "recipient")
    return _(
        "{rows:,}: {recipients}{rest}; the suppression list is read at the launch",
        rows=draft.counts.rows,
        recipients=recipients,
        rest=rest,
    )


def _starts(draft: DraftView) -> str:
    if draft.cancelled_by:
        return _("never: cancelled by {cancelled_by}", cancelled_by=draft.cancelled_by)
    if draft.scheduled_ms is None:
        return _("when a person launches it")
    by = _(
        "{time}, scheduled by {scheduled_by}",
        time=clock(draft.scheduled_ms, named=True),
        scheduled_by=draft.scheduled_by,
    )
    if draft.due_ms is not None and draft.due_ms > draft.scheduled_ms:
        return f"{by}; {start_words(draft)}"
    return by


def _approval(draft: DraftView) -> str:
    if draft.approved_by:
        return _("by {approved_by}, {time}", approved_by=draft.approved_by, time=clock(draft.approved_ms))
    if draft.changed_since_approval:
        return _("void: {names} changed since", names=", ".join(draft.changed_since_approval))
    return _("awaited of another person than {drafted_by}", drafted_by=draft.drafted_by)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} = {each}" for key, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
