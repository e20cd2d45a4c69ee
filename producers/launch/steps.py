"""The steps of a launch: its waves, how long each waits for reports, and the texts that are compared. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from dispatcher.core.waves.plan import (
    TEST_WAVES,
    TEXTS_MAX,
    Group,
    Share,
    WavesBroken,
    groups,
    membership,
    parse,
    sizes,
)
from dispatcher.errors import InputError, UserError
from dispatcher.service.campaigns.launching import LaunchRequest
from producers.launch.planning.plan import PlannedWave, PlannedWaves
from producers.lists.dedupe import Rows
from schemas.records import DECIDED_LATER, Wave

WAIT: Final = "2 h"
"""How long a wave waits for reports unless told otherwise."""

_WAIT: Final = re.compile(r"(\d{1,6})\s*(s|min|h|d)")
_MS: Final = {"s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


class Steps(msgspec.Struct, frozen=True, kw_only=True):
    """`waves` as written, "" for none, and as `shares`; `texts`: those that are compared, the campaign's first."""

    waves: str = ""
    shares: tuple[Share, ...] = ()
    wait_ms: int = 0
    texts: tuple[str, ...] = ()

    @property
    def several(self) -> bool:
        """Whether it is not sent in one go."""
        return bool(self.shares)


ONE_STEP: Final = Steps()


def read_steps(request: LaunchRequest) -> Steps:
    """The steps of this request. Raises UserError."""
    texts = (request.text, *request.more_texts) if request.more_texts else ()
    written = request.waves or (TEST_WAVES if texts else "")
    if not written:
        if request.wave_wait:
            raise UserError(
                "{about} says how long a wave waits for reports, and there are no waves.",
                about="--wave-wait",
                do="Give --waves too.",
            )
        return ONE_STEP
    if len(texts) > TEXTS_MAX:
        raise UserError(
            "{count} texts are too many to compare: {max} at most.",
            count=len(texts),
            max=TEXTS_MAX,
            about="--text",
        )
    if len(set(texts)) < len(texts):
        raise UserError("two of the texts are equal: give different ones, or only one.", about="--text")
    if texts and request.kind != "sms":
        raise UserError("only texts can be compared.", about="--text", do="Give one {about}.")
    try:
        shares = parse(written)
    except WavesBroken as error:
        raise UserError("{error}.", error=error) from error
    return Steps(waves=written, shares=shares, wait_ms=_wait_ms(request.wave_wait or WAIT), texts=texts)


def _wait_ms(text: str) -> int:
    found = _WAIT.fullmatch(text.strip())
    if found is None or not int(found[1]):
        raise UserError(
            '{about} "{text}" is no time to wait. Write it like "90 min", "2 h" or "1 d".',
            text=text,
            about="--wave-wait",
        )
    return int(found[1]) * _MS[found[2]]


class Grouped(msgspec.Struct, frozen=True):
    """The groups of a list, and each recipient's (its index in `groups`)."""

    groups: tuple[Group, ...]
    of: np.ndarray[tuple[int], np.dtype[np.uint8]]


def grouped(steps: Steps, campaign: str, recipients: Rows) -> Grouped:
    """Who is sent what when. Raises InputError if the list is too small."""
    try:
        found = groups(sizes(steps.shares, len(recipients)), max(1, len(steps.texts)))
    except WavesBroken as error:
        raise InputError("{error}. Give fewer or larger waves.", error=error) from error
    return Grouped(found, membership(recipients.blocks(), campaign, [group.recipients for group in found]))


def group_of_batches(batch_sizes: Sequence[int], found: Sequence[Group]) -> Iterator[Group]:
    """The group of each batch; a batch never has recipients of two."""
    waiting = iter(found)
    group, left = next(waiting), 0
    left = group.recipients
    for size in batch_sizes:
        if not left:
            group = next(waiting)
            left = group.recipients
        left -= size
        yield group


def as_waves(found: Sequence[Group], of_batches: Sequence[Group]) -> tuple[Wave, ...]:
    """The waves as the launch records them."""
    waves = []
    for number in range(1, found[-1].wave + 1):
        mine = [group for group in found if group.wave == number]
        batches = tuple(sum(each is group for each in of_batches) for group in mine)
        waves.append(Wave(sum(group.recipients for group in mine), batches))
    return tuple(waves)


def planned_waves(steps: Steps, found: Sequence[Group]) -> PlannedWaves | None:
    """The waves for the plan; None if it is sent in one go."""
    if not found:
        return None
    waves = []
    for number in range(1, found[-1].wave + 1):
        mine = [group for group in found if group.wave == number]
        shares = tuple(group.recipients for group in mine) if len(mine) > 1 else ()
        waves.append(PlannedWave(wave=number, recipients=sum(group.recipients for group in mine), texts=shares))
    return PlannedWaves(waves=tuple(waves), wait_s=steps.wait_ms // 1000, texts=steps.texts)


def variant_of(group: Group) -> int:
    """The variant of a job of this group."""
    return DECIDED_LATER if group.variant is None else group.variant
