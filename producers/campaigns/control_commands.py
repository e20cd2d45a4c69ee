"""`dispatcher campaign pause | resume | cancel | close | weight | fail-back | budget`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

import click

from dispatcher.core.campaigns import WEIGHT_MAX
from dispatcher.core.money.amounts import yuan
from dispatcher.core.results.equation import Counts
from dispatcher.errors import UserError
from dispatcher.i18n import N_, _, plural
from dispatcher.service.campaigns.drafts import DraftView, find_draft
from dispatcher.service.campaigns.orders.control import (
    Action,
    BudgetResult,
    CloseResult,
    Controllable,
    ControlResult,
    FailBackResult,
    WeighResult,
    before_control,
    budget_campaign,
    close_campaign,
    control_campaign,
    fail_back_campaign,
    weigh_campaign,
)
from dispatcher.service.session import open_session
from dispatcher.terminal.options import config_option, json_option, print_json
from dispatcher.terminal.progress import held_words
from dispatcher.terminal.questions import confirm
from dispatcher.wording import counted
from dispatcher.words import hold_words

_DONE: Final = {
    "pause": N_(
        'campaign "{campaign}" is paused: lanes stop sending it within a second. '
        "To resume: dispatcher campaign resume {campaign}"
    ),
    "resume": N_('campaign "{campaign}" continues where it stopped.'),
    "cancel": N_(
        'campaign "{campaign}" is cancelled: what was not sent stays unsent; reports of what was sent still come in.'
    ),
}
_ALREADY: Final = {
    "pause": N_('campaign "{campaign}" was paused already.'),
    "resume": N_('campaign "{campaign}" was not paused.'),
    "cancel": N_('campaign "{campaign}" was cancelled already.'),
}

_ORDERS: Final = {"pause": N_("pause"), "resume": N_("resume"), "cancel": N_("cancel"), "weigh": N_("weigh")}


@click.command()
@click.argument("campaign", metavar="ID")
@config_option
@json_option
def pause(campaign: str, config: str | None, as_json: bool) -> None:
    """Pause a campaign: nothing more is sent until it is resumed.

    Requests under way are finished; their reports come in as usual.

    \b
    Example:
      dispatcher campaign pause may-sale
    """
    _act(campaign, config, "pause", as_json=as_json)


@click.command()
@click.argument("campaign", metavar="ID")
@config_option
@json_option
def resume(campaign: str, config: str | None, as_json: bool) -> None:
    """Resume a campaign where it stopped: a paused one, or one whose sending hours ended before everything was sent.

    \b
    Example:
      dispatcher campaign resume may-sale
    """
    _act(campaign, config, "resume", as_json=as_json)


@click.command()
@click.argument("campaign", metavar="ID")
@click.option("--yes", is_flag=True, help="Don't ask.")
@config_option
@json_option
def cancel(campaign: str, yes: bool, config: str | None, as_json: bool) -> None:
    """Cancel a campaign for good: unsent recipients stay unsent.

    Asks first. A draft that is cancelled is never launched. A cancelled campaign cannot be resumed; to stop it for a
    while, pause it. What is scheduled for later at a CMPP gateway (--option at_time=…) is taken back: its recipients
    fail with the code DELETED.

    \b
    Examples:
      dispatcher campaign cancel may-sale
      dispatcher campaign cancel may-sale --yes --json
    """
    _act(campaign, config, "cancel", as_json=as_json, ask=not yes)


@click.command()
@click.argument("campaign", metavar="ID")
@config_option
@json_option
def close(campaign: str, config: str | None, as_json: bool) -> None:
    """End the wait for reports: recipients without a report become "no report", and the campaign is finished.

    Otherwise a campaign waits for [store] no_report_after_s. Reports that come after it was closed still count and
    change its figures. Unknown recipients stay unknown: see dispatcher unknown resolve.

    \b
    Example:
      dispatcher campaign close may-sale
    """
    done = asyncio.run(_close(config, campaign))
    if as_json:
        print_json(done)
    elif done.changed:
        click.echo(
            plural(
                'campaign "{campaign}" is closed: {n:,} recipient without a report is not waited for any longer. '
                "Reports that still come count.",
                'campaign "{campaign}" is closed: {n:,} recipients without a report are not waited for any longer. '
                "Reports that still come count.",
                done.no_report,
                campaign=campaign,
            )
        )
    else:
        unknown = done.counts.unknown
        rest = _(
            " {count} unknown: see dispatcher unknown list --campaign {campaign}",
            count=counted(unknown, "recipient"),
            campaign=campaign,
        )
        click.echo(
            _(
                'campaign "{campaign}" waits for no reports; nothing was changed.{rest}',
                campaign=campaign,
                rest=rest if unknown else "",
            )
        )


async def _close(config: str | None, campaign: str) -> CloseResult:
    async with open_session(config) as session:
        return await close_campaign(session, campaign)


@click.command("weight")
@click.argument("campaign", metavar="ID")
@click.argument("weight", metavar="[N]", type=click.IntRange(1, WEIGHT_MAX), required=False)
@click.option("--urgent/--not-urgent", default=None, help="Send it before everything that is not urgent, or no longer.")
@config_option
@json_option
def weight_command(campaign: str, weight: int | None, urgent: bool | None, config: str | None, as_json: bool) -> None:
    """Change a launched campaign's share of its accounts: its weight N relative to other campaigns, or its urgency.

    Lanes obey within a second. Sent messages stay sent.

    \b
    Examples:
      dispatcher campaign weight may-sale 5
      dispatcher campaign weight may-sale --urgent
      dispatcher campaign weight may-sale 1 --not-urgent
    """
    if weight is None and urgent is None:
        raise UserError("give the new weight, --urgent or --not-urgent: dispatcher campaign weight ID N.")
    done = asyncio.run(_weigh(config, campaign, weight, urgent))
    if as_json:
        print_json(done)
    elif done.nothing_left is not None:
        click.echo(nothing_left_words(campaign, "weigh", done.nothing_left))
    else:
        share = _("weight {weight}", weight=done.weight) + (_(", urgent") if done.urgent else "")
        if done.changed:
            click.echo(_('campaign "{campaign}" has {share} from now on.', campaign=campaign, share=share))
        else:
            click.echo(_('campaign "{campaign}" had {share} already.', campaign=campaign, share=share))


async def _weigh(config: str | None, campaign: str, weight: int | None, urgent: bool | None) -> WeighResult:
    async with open_session(config) as session:
        return await weigh_campaign(session, campaign, weight=weight, urgent=urgent)


@click.command("fail-back")
@click.argument("campaign", metavar="ID")
@click.option("--off", is_flag=True, help="Let them stay where they moved to.")
@config_option
@json_option
def fail_back_command(campaign: str, off: bool, config: str | None, as_json: bool) -> None:
    """Let recipients that moved to another account return, as soon as the account that they left sends again.

    Only those that are still queued. Without this, or fail_back = true in the route, they stay where they moved to.

    \b
    Examples:
      dispatcher campaign fail-back may-sale
      dispatcher campaign fail-back may-sale --off
    """
    done = asyncio.run(_fail_back(config, campaign, on=not off))
    if as_json:
        print_json(done)
        return
    what = _("return when the account that they left sends again") if done.fail_back else _("stay where they moved to")
    click.echo(
        _(
            'moved recipients of "{campaign}" {what}{before}.',
            campaign=campaign,
            what=what,
            before="" if done.changed else _(", as before"),
        )
    )


async def _fail_back(config: str | None, campaign: str, *, on: bool) -> FailBackResult:
    async with open_session(config) as session:
        return await fail_back_campaign(session, campaign, on=on)


@click.command("budget")
@click.argument("campaign", metavar="ID")
@click.argument("amount", metavar="CNY")
@config_option
@json_option
def budget_command(campaign: str, amount: str, config: str | None, as_json: bool) -> None:
    """Change what a campaign with a budget may cost at most.

    More: the rest is sent, as far as it is paid. Less: sending stops, and what was spent stays spent.

    \b
    Example:
      dispatcher campaign budget may-sale 800
    """
    done = asyncio.run(_budget(config, campaign, amount))
    if as_json:
        print_json(done)
    elif done.budget_micro_yuan == done.was_micro_yuan:
        click.echo(
            _(
                'campaign "{campaign}" had a budget of {amount} already.',
                campaign=campaign,
                amount=yuan(done.budget_micro_yuan),
            )
        )
    else:
        now = _(
            "{amount} from now on; it had {before}.",
            amount=yuan(done.budget_micro_yuan),
            before=yuan(done.was_micro_yuan),
        )
        click.echo(_('campaign "{campaign}" has a budget of {now}', campaign=campaign, now=now))
        if done.stops:
            click.echo(_("that much is spent already: sending stops now."))


async def _budget(config: str | None, campaign: str, amount: str) -> BudgetResult:
    async with open_session(config) as session:
        return await budget_campaign(session, campaign, amount)


def _act(campaign: str, config: str | None, what: Action, *, as_json: bool, ask: bool = False) -> None:
    if ask and not _agreed(config, campaign):
        click.echo(_("nothing was cancelled."), err=True)
        return
    done = asyncio.run(_control(config, campaign, what))
    if as_json:
        print_json(done)
        return
    for sentence in sentences(done):
        click.echo(sentence)


def sentences(done: ControlResult) -> Iterator[str]:
    """What pausing, resuming or cancelling did."""
    campaign, what = done.campaign, done.action
    if done.was_draft:
        if done.changed:
            yield _('draft "{campaign}" is cancelled.', campaign=campaign)
        else:
            yield _('draft "{campaign}" was cancelled already.', campaign=campaign)
    elif done.nothing_left is None:
        if done.held is None:
            yield _((_DONE if done.changed else _ALREADY)[what], campaign=campaign)
        else:
            did = _("is not paused any longer") if done.changed else _("was not paused")
            held = f"{held_words(done.held)}: {hold_words(done.held, campaign)}"
            yield _('campaign "{campaign}" {did}; it is {held}', campaign=campaign, did=did, held=held)
    elif done.taken_back:
        yield _(
            'campaign "{campaign}" was sent whole. Messages that waited at a gateway for their time:', campaign=campaign
        )
    else:
        yield nothing_left_words(campaign, what, done.nothing_left)
    for each in done.taken_back:
        rest = _("; {count} could not be", count=counted(each.not_taken_back, "message")) if each.not_taken_back else ""
        why = f" ({each.why})" if each.why else ""
        yield _(
            "{account}: {count} taken back{rest}{why}.",
            account=each.account,
            count=counted(each.taken_back, "scheduled message"),
            rest=rest,
            why=why,
        )


async def _control(config: str | None, campaign: str, what: Action) -> ControlResult:
    async with open_session(config) as session:
        return await control_campaign(session, campaign, what)


def _agreed(config: str | None, campaign: str) -> bool:
    """Ask, unless the campaign is over; outside the event loop, which would keep Ctrl-C from ending the question."""
    draft = asyncio.run(_draft(config, campaign))
    if draft is not None:
        question = _(
            'Cancel draft "{campaign}" ({count}) for good?',
            campaign=campaign,
            count=counted(draft.recipients, "recipient"),
        )
        return draft.status == "cancelled" or confirm(question, yes=False)
    known = asyncio.run(_before(config, campaign))
    if known.now.cancelled or (known.nothing_left is not None and not known.may_wait_at_gateway):
        return True
    recipients = counted(known.launched.recipients, "recipient")
    rest = _(", and what waits at a CMPP gateway is taken back") if known.may_wait_at_gateway else ""
    return confirm(
        _(
            'Cancel "{campaign}" ({recipients}) for good? What was not sent stays unsent{rest}.',
            campaign=campaign,
            recipients=recipients,
            rest=rest,
        ),
        yes=False,
    )


async def _draft(config: str | None, campaign: str) -> DraftView | None:
    async with open_session(config) as session:
        return await find_draft(session, campaign)


async def _before(config: str | None, campaign: str) -> Controllable:
    async with open_session(config) as session:
        return await before_control(session, campaign)


def nothing_left_words(campaign: str, what: str, counts: Counts) -> str:
    """The sentence about an order that came when nothing was left to send."""
    where = (
        _("was sent whole, {count} still to come", count=counted(counts.accepted, "report"))
        if counts.accepted
        else _("is finished")
    )
    return _(
        'campaign "{campaign}" {where}: there is nothing left to {order}, and nothing was changed.',
        campaign=campaign,
        where=where,
        order=_(_ORDERS[what]),
    )
