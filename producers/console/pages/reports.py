"""The page of reports: delivery, codes and spend by day, account, carrier or campaign, and the same as XLSX."""

from __future__ import annotations

import asyncio
import io
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from dispatcher.core.money.amounts import MICRO_YUAN
from dispatcher.errors import UserError
from dispatcher.i18n import N_, _
from dispatcher.service.reports.outcomes import OutcomesWanted, report_outcomes
from dispatcher.service.reports.spend import SpendWanted, report_spend
from dispatcher.store.export.table_files import write_workbook
from dispatcher.wording import SHANGHAI
from dispatcher.words import carrier, meaning, word
from producers.console.visit import Answer, ConsoleRoute, Download, Html, Visit
from producers.console.wording.sentences import said

DAYS: Final = 7
KINDS: Final = {"delivery": N_("Delivery"), "codes": N_("Failures by code"), "spend": N_("Spend")}
BY: Final[dict[str, tuple[str, ...]]] = {
    "delivery": ("day", "account", "carrier", "campaign"),
    "codes": ("day", "account", "carrier", "campaign"),
    "spend": ("day", "account", "carrier", "campaign", "person"),
}
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
COUNTS: Final = ("delivered", "failed", "no_report", "waiting", "unknown")


async def reports(visit: Visit) -> Answer:
    """The report that the query asks for; delivery by day of the last week by default."""
    asked = _asked(visit)
    try:
        table, note = await _table(visit, asked)
        mistake = ""
    except UserError as error:
        table, note, mistake = None, "", said(error)
    values = {
        **asked,
        "table": table,
        "note": note,
        "mistake": mistake,
        "kinds": KINDS,
        "dimensions": BY[asked["kind"]],
        "accounts": sorted(visit.state.config.accounts),
    }
    return Html("reports/page.html", values, 422 if mistake else 200)


async def workbook(visit: Visit) -> Answer:
    """The same as XLSX."""
    asked = _asked(visit)
    table, _note = await _table(visit, asked)
    frame = pl.DataFrame(
        {header: [row[at] for row in table["rows"]] for at, header in enumerate(table["headers"])}, strict=False
    )
    out = io.BytesIO()
    await asyncio.to_thread(write_workbook, {asked["kind"]: frame}, out)
    return Download(out.getvalue(), f"{asked['kind']}-{asked['since']}-{asked['until']}.xlsx", XLSX)


def _asked(visit: Visit) -> dict[str, Any]:
    """What the query asks for, with what it does not say."""
    query, today = visit.query, datetime.now(SHANGHAI).date()
    kind = query.get("kind", "delivery")
    kind = kind if kind in KINDS else "delivery"
    by = [each for each in dict.fromkeys(query.every("by")) if each in BY[kind]] or ["day"]
    return {
        "kind": kind,
        "by": by,
        "account": query.get("account", ""),
        "since": query.get("since") or f"{today - timedelta(days=DAYS - 1)}",
        "until": query.get("until") or f"{today}",
    }


def _day_ms(text: str, name: str, days: int = 0) -> int:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=SHANGHAI)
    except ValueError as error:
        raise UserError(_("{name} must be a day like 2026-12-01.").format(name=name)) from error
    return round((day + timedelta(days=days)).timestamp() * 1000)


async def _table(visit: Visit, asked: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The report as a table (headers, rows, which of its columns are figures), and a note. Raises UserError."""
    since_ms, until_ms = _day_ms(asked["since"], _("The first day")), _day_ms(asked["until"], _("The last day"), 1)
    by = asked["by"]
    if asked["kind"] == "spend":
        spend = await report_spend(visit.session, SpendWanted(since_ms=since_ms, until_ms=until_ms, by=tuple(by)))
        rows: list[list[Any]] = [
            [
                *(_shown(name, getattr(row, name)) for name in by),
                row.spent.recipients,
                row.spent.parts,
                row.spent.cost_micro_yuan / MICRO_YUAN,
                row.spent.open_cost_micro_yuan / MICRO_YUAN,
                row.spent.unpriced_parts,
            ]
            for row in spend.rows
            if not asked["account"] or not row.account or row.account == asked["account"]
        ]
        figures = [_("recipients"), _("parts"), _("cost (CNY)"), _("open (CNY)"), _("parts without a price")]
        note = _("What vendors charged for, and what they may still charge for, at the prices of each launch.")
    elif asked["kind"] == "codes":
        wanted = OutcomesWanted(since_ms=since_ms, until_ms=until_ms, by=(*by, "code"), account=asked["account"])
        outcomes = await report_outcomes(visit.session, wanted)
        rows = [
            [*(_shown(name, getattr(row, name)) for name in by), row.code, meaning(row), row.failed]
            for row in outcomes.rows
        ]
        figures = [_("code"), _("meaning"), _("failed")]
        note = _("Recipients that failed, by the code of the vendor's answer or report.")
    else:
        wanted = OutcomesWanted(since_ms=since_ms, until_ms=until_ms, by=tuple(by), account=asked["account"])
        outcomes = await report_outcomes(visit.session, wanted)
        rows = [
            [*(_shown(name, getattr(row, name)) for name in by), row.sent, *(getattr(row, each) for each in COUNTS)]
            for row in outcomes.rows
        ]
        figures = [_("sent"), *map(word, COUNTS)]
        note = _("Recipients by the day of their submit. Numbers count at their carrier of today.")
    texts = len(by) + (2 if asked["kind"] == "codes" else 0)
    headers = [*map(word, by), *figures]
    sums = [sum(row[at] for row in rows) for at in range(texts, len(headers))]
    table = {
        "headers": headers,
        "rows": rows,
        "texts": texts,
        "sums": sums,
        "charted": by == ["day"] and asked["kind"] != "codes" and len(rows) > 1,
    }
    return table, note


def _shown(name: str, value: str) -> str:
    return carrier(value) if name == "carrier" else value


ROUTES: Final = (
    ConsoleRoute(method="GET", path="/reports", permission="reports:read", handler=reports),
    ConsoleRoute(method="GET", path="/reports/workbook", permission="reports:read", handler=workbook),
)
