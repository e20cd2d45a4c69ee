"""`dispatcher unknown list | resolve`: requests that the vendor may or may not have taken."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Final

import click

from consumers.unknowns.screen import (
    amount,
    listing,
    plan,
    requests,
    resolved_table,
)
from dispatcher.clock import now_ms
from dispatcher.errors import UserError
from dispatcher.i18n import _, ngettext
from dispatcher.service.resolutions import Resolution, list_resolutions, resolution_list
from dispatcher.service.session import open_session
from dispatcher.service.unknowns import (
    ResolveResult,
    UnknownRequest,
    lanes_run,
    list_unknown,
    resolve_unknown,
    unknown_list,
    unknown_to_resolve,
)
from dispatcher.terminal.options import config_option, console, folding, json_option, print_json
from dispatcher.terminal.questions import confirm
from dispatcher.wording import counted
from dispatcher.words import word
from schemas.records import ResolvedAs

RESOLVED_SHOWN: Final = 100
TELL_EVERY_S: Final = 1.0

_CHUNK: Final = re.compile(r"\d{1,4}:\d{1,18}")


def _chunk_names(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not _CHUNK.fullmatch(name):
            raise click.BadParameter(
                _('"{name}" is no LANE:INTENT, such as 3:128. `dispatcher unknown list` shows them.', name=name)
            )
    return names


@click.command("list")
@click.option("--campaign", metavar="ID", help="Only this campaign.")
@click.option("--resolved", is_flag=True, help="What was unknown: how it was resolved, by whom and why.")
@config_option
@json_option
def list_command(campaign: str | None, resolved: bool, config: str | None, as_json: bool) -> None:
    """List what is unknown, since when, why, and what to do.

    A request is unknown if it got no answer, or one that does not say what happened. Reports with an id that no answer
    gave prove which request was taken, if only one fits.

    \b
    Examples:
      dispatcher unknown list
      dispatcher unknown list --campaign may-sale --json
      dispatcher unknown list --resolved
    """
    if resolved:
        _print_resolved(asyncio.run(_resolutions(config, campaign)), as_json=as_json)
        return
    found, missing = asyncio.run(_list(config, campaign))
    if as_json:
        print_json(unknown_list(found, missing))
        return
    if found:
        console().print(listing(found, now_ms()))
    else:
        click.echo(_("nothing of {campaign} is unknown.", campaign=campaign) if campaign else _("nothing is unknown."))
    if missing:
        click.echo(_("these results are {count} behind the log.", count=counted(missing, "record")), err=True)


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

    `sent`: the vendor took them; they wait for their reports. `not-sent`: it did not take them; they are sent.
    `resend`: not known; they are sent again, and recipients who were texted get the text twice. The decision is kept
    with your name.

    \b
    Examples:
      dispatcher unknown resolve may-sale --as sent --why "the vendor's portal shows them"
      dispatcher unknown resolve may-sale --chunk 3:128 --chunk 3:131 --as resend --yes
    """
    if vendor_id and (verdict != "sent" or len(names) != 1):
        raise UserError("--vendor-id is the vendor's id of one request it took: give --as sent and one --chunk.")
    as_ = ResolvedAs(verdict)
    found = asyncio.run(_to_resolve(config, campaign, names, as_))
    # Asked outside the event loop, which would keep Ctrl-C from ending the question.
    if found and not _agreed(found, as_, yes=yes):
        click.echo(_("nothing was decided."), err=True)
        return
    done, runs = asyncio.run(_resolve(config, campaign, found, as_, why, vendor_id))
    if as_json:
        print_json(done)
    else:
        _say(done, found, runs=runs)


async def _list(config: str | None, campaign: str | None) -> tuple[list[UnknownRequest], int]:
    async with open_session(config, progress=folding()) as session:
        return await list_unknown(session, campaign)


async def _resolutions(config: str | None, campaign: str | None) -> list[Resolution]:
    async with open_session(config, progress=folding()) as session:
        return await list_resolutions(session, campaign, newest=RESOLVED_SHOWN, progress=_Progress())


async def _to_resolve(
    config: str | None, campaign: str, names: Sequence[str], verdict: ResolvedAs
) -> list[UnknownRequest]:
    async with open_session(config, progress=folding()) as session:
        return await unknown_to_resolve(session, campaign, names, verdict)


async def _resolve(
    config: str | None, campaign: str, found: Sequence[UnknownRequest], verdict: ResolvedAs, why: str, vendor_id: str
) -> tuple[ResolveResult, bool]:
    """The result, and whether a process runs one of the lanes."""
    async with open_session(config) as session:
        done = await resolve_unknown(session, campaign, found, verdict, why=why, vendor_id=vendor_id)
        return done, lanes_run(session, found)


def _print_resolved(found: Sequence[Resolution], *, as_json: bool) -> None:
    if as_json:
        print_json(resolution_list(found, RESOLVED_SHOWN))
    elif found:
        console().print(resolved_table(found))
    else:
        click.echo(_("nothing that was unknown was resolved by reports, by a policy or by a person so far."))


def _agreed(found: Sequence[UnknownRequest], verdict: ResolvedAs, *, yes: bool) -> bool:
    """Show what will happen, on standard error, and ask."""
    screen = console(err=True)
    screen.print(requests(found, now_ms()))
    for line in plan(found, verdict):
        click.echo(line, err=True)
    question = ngettext("Resolve it as {verdict}?", "Resolve them as {verdict}?", len(found))
    return confirm(question.format(verdict=verdict), yes=yes)


def _say(done: ResolveResult, found: Sequence[UnknownRequest], *, runs: bool) -> None:
    if not found:
        click.echo(_("nothing of {campaign} is unknown.", campaign=done.campaign))
        return
    waiting = {chunk.chunk for chunk in done.chunks if not chunk.in_effect}
    resolved = [request for request in found if request.name not in waiting]
    if resolved:
        click.echo(_("{amount} resolved as {verdict}.", amount=amount(resolved), verdict=word(done.as_)))
    if waiting:
        accounts = _(" and ").join(sorted({request.chunk.account for request in found if request.name in waiting}))
        when = (
            _(
                "when the lane of {accounts} is sure that no earlier request can go out, at most a minute after "
                "it started",
                accounts=accounts,
            )
            if runs
            else _("when the lane of {accounts} runs (dispatcher run)", accounts=accounts)
        )
        click.echo(
            _("recorded for {count}; it takes effect {when}.", count=counted(len(waiting), "request"), when=when)
        )


class _Progress:
    """Reports on standard error, now and then, how much of the journal was read."""

    def __init__(self) -> None:
        self._told_s = time.monotonic()

    def __call__(self, records: int) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= TELL_EVERY_S:
            self._told_s = now_s
            click.echo(_("reading the journals: {records:,} records …", records=records), err=True)
