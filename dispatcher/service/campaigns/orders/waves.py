"""People's orders about the waves of a campaign: release the next one, halt it, decide on a text. One record each."""

from __future__ import annotations

from typing import Literal

import msgspec

from dispatcher.clock import now_ms
from dispatcher.core.campaigns import Campaign
from dispatcher.core.waves.state import WaveStanding
from dispatcher.core.waves.variants import label
from dispatcher.errors import Conflict, UserError
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.os_user import os_user
from dispatcher.service.campaigns.orders.control import append, final
from dispatcher.service.campaigns.views import not_launched
from dispatcher.service.session import Session
from schemas.records import TextDecided, WaveDecided


class WaveOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an order. `released` waves may be sent; `changed` False: it was like that before."""

    campaign: str
    action: Literal["release", "halt", "decide"]
    changed: bool
    wave: int
    released: int
    text: str = ""


async def release_wave(session: Session, campaign: str, *, by: str = "") -> WaveOrder:
    """Send the next wave now, or go on with a halted one: the waves so far are no reason to halt it any more.

    Raises UserError (no such campaign, no waves, cancelled, all waves are released), LogError.
    """
    known, standing = await _in_waves(session, campaign)
    wave = standing.released
    if standing.needs_text:
        raise Conflict(
            'the last wave of "{campaign}" waits for its text. Decide it first.',
            campaign=campaign,
            texts="|".join(map(label, range(len(standing.texts)))),
            do="To decide it: dispatcher campaign decide {campaign} --text {texts}",
        )
    if not standing.halted and wave == len(standing.waves):
        raise Conflict('all {count} waves of "{campaign}" are released.', count=len(standing.waves), campaign=campaign)
    await append(session, _person(campaign, standing.halted or wave, "released", by))
    after = (await _in_waves(session, known.id))[1]
    return WaveOrder(campaign=campaign, action="release", changed=True, wave=wave, released=after.released)


async def halt_wave(session: Session, campaign: str, *, by: str = "") -> WaveOrder:
    """Send nothing more of the campaign until a wave is released by a person. Raises as `release_wave`."""
    _, standing = await _in_waves(session, campaign)
    wave = standing.released
    if not standing.halted:
        await append(session, _person(campaign, wave, "halted", by))
    return WaveOrder(
        campaign=campaign, action="halt", changed=not standing.halted, wave=standing.halted or wave, released=wave
    )


async def decide_text(session: Session, campaign: str, text: str, *, by: str = "") -> WaveOrder:
    """Send this text (A, B, …) to the last wave. It is final.

    Raises UserError (no such campaign or text, it was decided before), LogError.
    """
    _, standing = await _in_waves(session, campaign)
    labels = [label(index) for index in range(len(standing.texts))]
    if not labels:
        raise Conflict('"{campaign}" has one text only: there is nothing to decide.', campaign=campaign)
    wanted = text.strip().upper()
    if wanted not in labels:
        raise UserError(
            '"{campaign}" has no text "{text}". It has {labels}.',
            campaign=campaign,
            text=text,
            labels=", ".join(labels),
            about="--text",
            do="See: dispatcher campaign show {campaign}",
        )
    variant = labels.index(wanted)
    if standing.text not in (None, variant):
        raise Conflict(
            'text {label} was decided for "{campaign}", and that is final.',
            label=label(standing.text or 0),
            campaign=campaign,
        )
    changed = standing.text is None
    if changed:
        await append(session, TextDecided(campaign=campaign, variant=variant, at_ms=now_ms(), by=by or os_user()))
        _, standing = await _in_waves(session, campaign)
    last = len(standing.waves)
    return WaveOrder(
        campaign=campaign, action="decide", changed=changed, wave=last, released=standing.released, text=wanted
    )


async def _in_waves(session: Session, campaign: str) -> tuple[Campaign, WaveStanding]:
    """The campaign and its waves. Raises UserError."""
    known = await read_campaigns(await session.log())
    found = known.get(campaign)
    if found is None or found.launched is None:
        raise not_launched(known, campaign)
    if found.cancelled:
        raise final(campaign)
    standing = found.waves.standing
    if standing is None:
        raise Conflict('"{campaign}" has no waves.', campaign=campaign, do='Launch one with --waves "1 %, 10 %, rest".')
    return found, standing


def _person(campaign: str, wave: int, verdict: Literal["released", "halted"], by: str) -> WaveDecided:
    return WaveDecided(
        campaign=campaign, wave=wave, verdict=verdict, at_ms=now_ms(), by=by or os_user(), by_person=True
    )
