"""`dispatcher account history`: a vendor's record of what it sent for an account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click
from rich.text import Text

from dispatcher.accounts.ask_book import asked
from dispatcher.core.results.history import Span, span
from dispatcher.core.wire_number import to_wire
from dispatcher.errors import DispatcherError, UserError
from dispatcher.i18n import _
from dispatcher.service.accounts import REPORT_STATES, AccountHistory, HistoryMessage
from dispatcher.service.lookup import number_of
from dispatcher.service.session import open_session
from dispatcher.service.vendor_requests.vendor_history import VendorHistory, WindowRead, history_of, vendor_history
from dispatcher.terminal.options import columns, config_option, console, json_option, print_json
from dispatcher.vendors.seam.vendor import HistoryRow
from dispatcher.wording import SHANGHAI, printable
from dispatcher.words import word
from schemas.records import BalanceAsked

LAST_MIN: Final = 30
CLOCKS: Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M")
TIMES_OF_DAY: Final = ("%H:%M:%S", "%H:%M")


@click.command("history")
@click.argument("name", metavar="ACCOUNT")
@click.option("--from", "start", metavar="TIME", help=f"Default: {LAST_MIN} minutes before the end.")
@click.option("--to", "end", metavar="TIME", help="Default: now.")
@click.option("--number", metavar="N", help="Only messages to this number.")
@config_option
@json_option
def history_command(
    name: str, start: str | None, end: str | None, number: str | None, config: str | None, as_json: bool
) -> None:
    """Show what the vendor of ACCOUNT sent, and what became of it (COSMS).

    TIME is "2026-11-21 14:30", or "14:30" for today, in China's time, as the vendor writes it. COSMS has the current
    month only. All processes together may ask for half an hour once a minute: a day takes 48 minutes. An answer has at
    most 500 messages; a fuller half hour is divided.

    \b
    Examples:
      dispatcher account history summer
      dispatcher account history summer --from "14:00" --to "15:00" --number 13800138000
    """
    wanted = number_of(number) if number is not None else None
    tag, whole, found = asyncio.run(_found(config, name, start, end))
    rows = [row for row in found.rows if wanted in (None, row.number)]
    if as_json:
        print_json(
            AccountHistory(
                account=name,
                from_=_iso(whole.start_ms),
                to=_iso(whole.end_ms),
                complete=found.complete,
                unreadable=found.unreadable,
                why=found.why,
                messages=[_message(row) for row in rows],
            )
        )
    elif rows:
        console().print(_table(rows))
    elif not found.why:
        click.echo(
            _("{tag} remembers nothing sent to it in this time.", tag=tag)
            if wanted
            else _("{tag} remembers nothing sent in this time.", tag=tag)
        )
    if found.unreadable:
        click.echo(_("{unreadable:,} of the vendor's rows cannot be read.", unreadable=found.unreadable), err=True)
    if found.why:
        raise DispatcherError(
            "the vendor did not say {what}: {why}.", what="it all" if rows else "what it sent", why=found.why
        )
    if not found.complete:
        click.echo(_("the vendor knows of more in some second than it can say at a time."), err=True)


async def _found(config: str | None, name: str, start: str | None, end: str | None) -> tuple[str, Span, VendorHistory]:
    """The vendor, the time in question, and what the vendor returned."""
    async with open_session(config) as session:
        vendor, limits = history_of(session, name)
        whole = wanted_span(start, end, datetime.now(UTC).astimezone(SHANGHAI))
        waits = _waiting(limits.interval_s)
        return vendor.tag, whole, await vendor_history(session, name, whole, waits=waits, progress=_progress)


def _progress(read: WindowRead) -> None:
    if read.answers_expected > 1:
        click.echo(
            _(
                "{answers} of at least {answers_expected} windows: {start} to {end}, {messages:,} messages so far",
                answers=read.answers,
                answers_expected=read.answers_expected,
                start=_clock(read.window.start_ms),
                end=_clock(read.window.end_ms),
                messages=read.messages,
            ),
            err=True,
        )


def _waiting(interval_s: float) -> Callable[[float, BalanceAsked], None]:
    def waits(wait_s: float, because: BalanceAsked) -> None:
        click.echo(
            _(
                "the history was asked {asked}; the vendor takes one query in {interval_s:g} s, asking again in "
                "{wait_s:.0f} s …",
                asked=asked(because),
                interval_s=interval_s,
                wait_s=wait_s,
            ),
            err=True,
        )

    return waits


def wanted_span(start: str | None, end: str | None, now: datetime) -> Span:
    """The time in question; by default the last half hour to the second, which is one query. Raises UserError."""
    now = (now + timedelta(microseconds=999_999)).replace(microsecond=0)
    until = _time(end, now, "--to") if end else now
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    since = _time(start, now, "--from") if start else max(until - timedelta(minutes=LAST_MIN), month)
    if not since < until:
        raise UserError("the history's --from must be before its --to.")
    if since > now:
        raise UserError("the history's --from lies in the future: it is {now} in China.", now=f"{now:%Y-%m-%d %H:%M}")
    if since < month:
        raise UserError(
            "the vendor tells of this month only: --from must be {now}-01 00:00 or later (China's time).",
            now=f"{now:%Y-%m}",
        )
    return span(round(since.timestamp() * 1000), round(min(until, now).timestamp() * 1000))


def _time(text: str, now: datetime, option: str) -> datetime:
    for form in (*CLOCKS, *TIMES_OF_DAY):
        try:
            read = datetime.strptime(text.strip(), form)
        except ValueError:
            continue
        if form in TIMES_OF_DAY:
            read = read.replace(year=now.year, month=now.month, day=now.day)
        return read.replace(tzinfo=SHANGHAI)
    raise UserError(
        '{about} "{text}" is no time. Write it like "{now}" or "{hour}".',
        about=option,
        text=text,
        now=f"{now:%Y-%m-%d %H:%M}",
        hour=f"{now:%H:%M}",
    )


def _table(rows: list[HistoryRow]) -> Any:
    table = columns("sent", "number", "state", "code", "vendor id", "text", prose={"text"})
    for row in rows:
        texts = (
            _clock(row.sent_ms),
            to_wire(row.number),
            word(REPORT_STATES[row.state]),
            row.code,
            row.vendor_id,
            printable(row.text),
        )
        table.add_row(*map(Text, texts))
    return table


def _message(row: HistoryRow) -> HistoryMessage:
    return HistoryMessage(
        sent=_iso(row.sent_ms),
        number=to_wire(row.number),
        state=REPORT_STATES[row.state],
        code=row.code,
        vendor_id=row.vendor_id,
        destination=row.destination,
        text=row.text,
    )


def _clock(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, SHANGHAI):%Y-%m-%d %H:%M:%S}"


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, SHANGHAI).isoformat(timespec="seconds")
