"""Whether a launch repeats one of the last day: the same text to mostly the same numbers, under another id."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

import numpy as np

from dispatcher.clock import now_ms
from dispatcher.config.file import Config
from dispatcher.errors import StoreError
from dispatcher.store.opening import open_reader
from dispatcher.store.views import CampaignView
from dispatcher.wording import clock, counted
from producers.launch.definition import Definition
from producers.lists.dedupe import Rows

WITHIN_MS: Final = 24 * 3_600_000
SHARE_MIN: Final = 0.5
"""The share of recipients: fewer common numbers are not a repetition."""


def repeated(config: Config, definition: Definition, recipients: Rows, views: Sequence[CampaignView]) -> list[str]:
    """Warnings about each campaign that this launch repeats. Blocks; reads only those campaigns' numbers."""
    since_ms = now_ms() - WITHIN_MS
    alike = [
        view
        for view in views
        if view.id != definition.campaign and view.text == definition.text and view.launched_ms >= since_ms
    ]
    if not alike:
        return []
    count = len(recipients)
    mine = np.sort(recipients.numbers(0, count))
    notes = []
    try:
        with contextlib.closing(open_reader(config.store)) as reader:
            for view in alike:
                common = sum(int(np.isin(page.numbers, mine).sum()) for page in reader.pages(view.id))
                if common >= SHARE_MIN * count:
                    notes.append(
                        f"THE SAME TEXT AGAIN: {common:,} of {counted(count, 'recipient')} are in {view.id}, which has "
                        f"this text and was launched at {clock(view.launched_ms)} by {view.launched_by}"
                    )
    except StoreError as error:
        return [f"whether this repeats a campaign of the last day is not known: {error}"]
    return notes
