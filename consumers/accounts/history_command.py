"""`dispatcher account history`: a vendor's record of what it sent for an account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click
from rich.text import Text

from dispatcher.accounts.ask_book import HistoryBook, asked, why_no_history
from dispatcher.accounts.history import history
from dispatcher.config.file import Config, load
from dispatcher.core.results.history import Span, span, windows
from dispatcher.core.suppression import key_as_written
from dispatcher.core.wire_number import from_wire, to_wire
from dispatcher.drivers.http.driver import HttpDriver
from dispatcher.errors import DispatcherError, UserError
from dispatcher.log.opening import open_log
from dispatcher.os_user import os_user
from dispatcher.service.accounts import REPORT_STATES, AccountHistory, HistoryMessage
from dispatcher.terminal.options import columns, config_option, console, json_option, print_json
from dispatcher.vendors.seam.vendor import History, HistoryRow, HttpVendor
from dispatcher.wording import SHANGHAI, printable
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
    loaded = load(config, secrets=[name])
    vendor = loaded.account(name)
    if not isinstance(vendor, HttpVendor) or vendor.history_limits is None:
        raise UserError(f'account "{name}": vendor {vendor.tag} has no history that could be asked for.')
    now = datetime.now(UTC).astimezone(SHANGHAI)
    whole = wanted_span(start, end, now)
    wanted = _number(number) if number is not None else None
    found = asyncio.run(_found(loaded, name, vendor, whole))
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
        click.echo(f"{vendor.tag} remembers nothing sent {'to it ' if wanted else ''}in this time.")
    if found.unreadable:
        click.echo(f"{found.unreadable:,} of the vendor's rows cannot be read.", err=True)
    if found.why:
        raise DispatcherError(f"the vendor did not say {'it all' if rows else 'what it sent'}: {found.why}.")
    if not found.complete:
        click.echo("the vendor knows of more in some second than it can say at a time.", err=True)


class _Found:
    """Everything the vendor returned."""

    def __init__(self) -> None:
        self.rows: list[HistoryRow] = []
        self.complete = True
        self.unreadable = 0
        self.why = ""

    def add(self, window: Span, answer: History, vendor: HttpVendor, known: set[str]) -> None:
        """Take one answer in; rows that its halves repeat count once."""
        for row in answer.rows:
            if row.vendor_id not in known:
                known.add(row.vendor_id)
                self.rows.append(row)
        self.unreadable += answer.count
        self.why = why_no_history(vendor, answer)
        if not answer.complete and window.end_ms - window.start_ms <= 1_000:
            self.complete = False


async def _found(config: Config, name: str, vendor: HttpVendor, whole: Span) -> _Found:
    log = await open_log(config.log.url)
    driver = HttpDriver(vendor, name)
    limits = vendor.history_limits
    assert limits is not None
    expected = len(list(windows(whole, limits.window_s * 1000)))
    found, known = _Found(), set[str]()
    try:
        book = HistoryBook(log, {name: vendor}, f"{os_user()} (account history)", "history")
        async with aclosing(history(book, vendor, name, driver, whole, waits=_waiting(limits.interval_s))) as answers:
            done = 0
            async for window, answer in answers:
                found.add(window, answer, vendor, known)
                done += 1
                if expected > 1:
                    click.echo(
                        f"{done} of at least {expected} windows: {_clock(window.start_ms)} to {_clock(window.end_ms)}, "
                        f"{len(found.rows):,} messages so far",
                        err=True,
                    )
    finally:
        await driver.close()
        await log.close()
    found.rows.sort(key=lambda row: (row.sent_ms, row.vendor_id))
    return found


def _waiting(interval_s: float) -> Callable[[float, BalanceAsked], None]:
    def waits(wait_s: float, because: BalanceAsked) -> None:
        click.echo(
            f"the history was asked {asked(because)}; the vendor takes one query in {interval_s:g} s, "
            f"asking again in {wait_s:.0f} s …",
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
        raise UserError(f"the history's --from lies in the future: it is {now:%Y-%m-%d %H:%M} in China.")
    if since < month:
        raise UserError(
            f"the vendor tells of this month only: --from must be {now:%Y-%m}-01 00:00 or later (China's time)."
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
    raise UserError(f'{option} "{text}" is no time. Write it like "{now:%Y-%m-%d %H:%M}" or "{now:%H:%M}".')


def _number(text: str) -> int:
    value = key_as_written(text)
    if value == 0:
        try:
            value = from_wire(text.strip().removeprefix("+"))
        except ValueError:
            raise UserError(f'"{text}" is no phone number. Write it like 13800138000.') from None
    return value


def _table(rows: list[HistoryRow]) -> Any:
    table = columns("sent", "number", "state", "code", "vendor id", "text", prose={"text"})
    for row in rows:
        texts = (
            _clock(row.sent_ms),
            to_wire(row.number),
            REPORT_STATES[row.state],
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
