"""`dispatcher unknown list | resolve`: requests that the vendor may or may not have taken, and what to make of them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any, Final

import click

from consumers.accounts.balance_hints import with_hints
from consumers.unknowns.screen import (
    amount,
    as_object,
    listing,
    plan,
    requests,
    resolved_object,
    resolved_table,
)
from dispatcher.accounts.holders import lane_holders
from dispatcher.clock import now_ms
from dispatcher.config.file import Config, load
from dispatcher.errors import UserError
from dispatcher.log.opening import open_log
from dispatcher.service.freshness import behind, up_to_date
from dispatcher.service.resolutions import Resolution, resolutions
from dispatcher.service.unknowns import Doubt, chosen, decide, decisions, doubts, launched, still_unknown
from dispatcher.terminal.options import config_option, confirm, console, json_option, print_json
from dispatcher.words import counted
from schemas.records import ResolvedAs
from schemas.topics import LANE_PARTITIONS, lane_partition

FRESH_WITHIN_S: Final = 2.0
IN_EFFECT_WITHIN_S: Final = 15.0
RESOLVED_SHOWN: Final = 100
TELL_EVERY_S: Final = 1.0

_CHUNK: Final = re.compile(r"\d{1,4}:\d{1,18}")


def _chunk_names(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not _CHUNK.fullmatch(name):
            raise click.BadParameter(
                f'"{name}" is no LANE:INTENT, such as 3:128. `dispatcher unknown list` shows them.'
            )
    return names


@click.command("list")
@click.option("--campaign", metavar="ID", help="Only this campaign.")
@click.option("--resolved", is_flag=True, help="What was unknown: how it was resolved, by whom and why.")
@config_option
@json_option
def list_unknown(campaign: str | None, resolved: bool, config: str | None, as_json: bool) -> None:
    """List what is unknown, since when, why, and what to do.

    A request is unknown when no answer to it was read, or one that does not say what happened. Reports that come in
    under an id which no answer told us prove which request was taken, if only one can be meant.

    \b
    Examples:
      dispatcher unknown list
      dispatcher unknown list --campaign may-sale --json
      dispatcher unknown list --resolved
    """
    loaded = load(config, secrets="none")
    if resolved:
        _print_resolved(asyncio.run(_resolved(loaded, campaign)), as_json=as_json)
        return
    found, missing = asyncio.run(_list(loaded, campaign))
    if as_json:
        recipients = sum(doubt.chunk.recipients for doubt in found)
        head = {"recipients": recipients, "requests": len(found), "records_behind": missing}
        print_json(head | {"chunks": [as_object(doubt) for doubt in found]})
        return
    if found:
        console().print(listing(found, now_ms()))
    else:
        click.echo(f"nothing{f' of {campaign}' if campaign else ''} is unknown.")
    if missing:
        click.echo(f"these results are {counted(missing, 'record')} behind the log.", err=True)


@click.command()
@click.argument("campaign", metavar="CAMPAIGN")
@click.option(
    "--chunk",
    "names",
    multiple=True,
    metavar="LANE:INTENT",
    callback=_chunk_names,
    help="Only this request; may be given several times. Default: all that are unknown.",
)
@click.option(
    "--as",
    "verdict",
    type=click.Choice([each.value for each in ResolvedAs]),
    required=True,
    help="What became of them.",
)
@click.option("--why", metavar="TEXT", default="", help="How you know; kept with the decision.")
@click.option("--vendor-id", metavar="ID", default="", help="With --as sent and one --chunk: the vendor's id of it.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@config_option
@json_option
def resolve(
    campaign: str,
    names: tuple[str, ...],
    verdict: str,
    why: str,
    vendor_id: str,
    yes: bool,
    config: str | None,
    as_json: bool,
) -> None:
    """Decide what became of unknown requests. Asks first.

    `sent`: the vendor took them; they wait for their reports. `not-sent`: it did not; they are sent. `resend`: nobody
    can tell; they are sent again, and whoever was texted gets the text twice. The decision is kept with your name.

    \b
    Examples:
      dispatcher unknown resolve may-sale --as sent --why "the vendor's portal shows them"
      dispatcher unknown resolve may-sale --chunk 3:128 --chunk 3:131 --as resend --yes
    """
    if vendor_id and (verdict != "sent" or len(names) != 1):
        raise UserError("--vendor-id is the vendor's id of one request it took: give --as sent and one --chunk.")
    loaded = load(config, secrets="none")
    asyncio.run(_resolve(loaded, campaign, names, ResolvedAs(verdict), why, vendor_id, yes=yes, as_json=as_json))


async def _list(config: Config, campaign: str | None) -> tuple[list[Doubt], int]:
    log = await open_log(config.log.url, create=False)
    try:
        async with up_to_date(config, log) as reader:
            missing = await behind(log, reader, within_s=FRESH_WITHIN_S)
            return await with_hints(log, await asyncio.to_thread(doubts, reader, campaign)), missing
    finally:
        await log.close()


async def _resolved(config: Config, campaign: str | None) -> list[Resolution]:
    log = await open_log(config.log.url, create=False)
    try:
        partitions: set[int] = set(range(LANE_PARTITIONS))
        if campaign is not None:
            async with up_to_date(config, log) as reader:
                view = await asyncio.to_thread(launched, reader, campaign)
                partitions = {lane_partition(account) for account in view.accounts}
        return await resolutions(log, partitions, campaign=campaign, newest=RESOLVED_SHOWN, progress=_Progress())
    finally:
        await log.close()


def _print_resolved(found: Sequence[Resolution], *, as_json: bool) -> None:
    if as_json:
        print_json({"newest": RESOLVED_SHOWN, "resolutions": [resolved_object(each) for each in found]})
    elif found:
        console().print(resolved_table(found))
    else:
        click.echo("nothing that was unknown was resolved by reports, by a policy or by a person so far.")


async def _resolve(
    config: Config,
    campaign: str,
    names: Sequence[str],
    verdict: ResolvedAs,
    why: str,
    vendor_id: str,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    log = await open_log(config.log.url, create=False)
    try:
        async with up_to_date(config, log) as reader:
            await behind(log, reader, within_s=FRESH_WITHIN_S)
            found = chosen(await asyncio.to_thread(doubts, reader, campaign), campaign, names)
            found = await with_hints(log, found)
            _check_not_taken(found, verdict)
            if found and not _agreed(found, verdict, yes=yes):
                click.echo("nothing was decided.", err=True)
                return
            records = decisions(found, verdict, why=why, vendor_id=vendor_id, at_ms=now_ms())
            await decide(log, records)
            runs = _runs(config, found)
            left = await still_unknown(config, log, reader, found, IN_EFFECT_WITHIN_S if runs else 0.0) if found else []
    finally:
        await log.close()
    by = next((record.by for decided in records.values() for record in decided), "")
    if as_json:
        print_json(_result(campaign, verdict, why, by, found, left))
    else:
        _say(campaign, verdict, found, left, runs=runs)


def _check_not_taken(found: Sequence[Doubt], verdict: ResolvedAs) -> None:
    """Raises UserError where the vendor's own history says that some were texted."""
    partly = [doubt for doubt in found if doubt.partly_taken]
    if verdict == ResolvedAs.NOT_SENT and partly:
        first = partly[0]
        raise UserError(
            f"chunk {first.name}: {first.in_history}; sending it again would text these twice. Resolve it as sent, and "
            "launch a campaign to those who are left: `dispatcher campaign export --state unknown`, or later "
            "`--state no_report`, lists them. If they may get it twice: --as resend."
        )


def _agreed(found: Sequence[Doubt], verdict: ResolvedAs, *, yes: bool) -> bool:
    """Show what will happen, on standard error, and ask."""
    screen = console(err=True)
    screen.print(requests(found, now_ms()))
    for line in plan(found, verdict):
        click.echo(line, err=True)
    return confirm(f"Resolve {'it' if len(found) == 1 else 'them'} as {verdict}?", yes=yes)


def _runs(config: Config, found: Sequence[Doubt]) -> bool:
    """Whether a process of this machine runs one of their lanes; on Kafka any machine may, which nobody here knows."""
    held = lane_holders(config)
    return held is None or bool(held.keys() & {doubt.chunk.partition for doubt in found})


def _say(campaign: str, verdict: ResolvedAs, found: Sequence[Doubt], left: Sequence[Doubt], *, runs: bool) -> None:
    if not found:
        click.echo(f"nothing of {campaign} is unknown.")
        return
    waiting = {doubt.name for doubt in left}
    done = [doubt for doubt in found if doubt.name not in waiting]
    if done:
        click.echo(f"{amount(done)} resolved as {verdict}.")
    if left:
        accounts = " and ".join(sorted({doubt.chunk.account for doubt in left}))
        when = (
            f"when the lane of {accounts} can be sure that nobody is still sending them, at most a minute after it "
            "started"
            if runs
            else f"when the lane of {accounts} runs (dispatcher run)"
        )
        click.echo(f"recorded for {counted(len(left), 'request')}; it takes effect {when}.")


def _result(
    campaign: str, verdict: ResolvedAs, why: str, by: str, found: Sequence[Doubt], left: Sequence[Doubt]
) -> dict[str, Any]:
    waiting = {doubt.name for doubt in left}
    return {
        "campaign": campaign,
        "as": verdict,
        "why": why,
        "by": by,
        "recipients": sum(doubt.chunk.recipients for doubt in found),
        "in_effect": not left,
        "chunks": [
            {
                "chunk": doubt.name,
                "account": doubt.chunk.account,
                "recipients": doubt.chunk.recipients,
                "in_effect": doubt.name not in waiting,
            }
            for doubt in found
        ],
    }


class _Progress:
    """Says on standard error, once in a while, how much of the journal was read."""

    def __init__(self) -> None:
        self._told_s = time.monotonic()

    def __call__(self, records: int) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= TELL_EVERY_S:
            self._told_s = now_s
            click.echo(f"reading the journals: {records:,} records …", err=True)
