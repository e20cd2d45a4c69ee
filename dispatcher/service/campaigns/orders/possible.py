"""Which orders a campaign takes now, so that pages offer no others; each order is judged again when it comes."""

from __future__ import annotations

import msgspec

from dispatcher.service.campaigns.views import ShownCampaign


class PossibleOrders(msgspec.Struct, frozen=True, kw_only=True):
    """What can be ordered; `weigh` stands for weight, hours and budget, `decide` has the labels of the texts."""

    pause: bool
    resume: bool
    cancel: bool
    weigh: bool
    close: bool
    close_stream: bool
    release: bool
    halt: bool
    decide: tuple[str, ...]
    follow_up: bool


def possible_orders(shown: ShownCampaign) -> PossibleOrders:
    """What can be ordered about this campaign now."""
    counts, waves = shown.counts, None if shown.cancelled else shown.wave_table
    takes_messages = shown.stream is not None and shown.stream.takes_messages
    to_send = counts.queued + counts.in_flight
    unsent = (takes_messages or bool(to_send + counts.unknown)) and not shown.cancelled
    waits_for_person = shown.held is not None and "closing" in (shown.held.why, *shown.held.also)
    return PossibleOrders(
        pause=unsent and not shown.paused,
        resume=unsent and (shown.paused or waits_for_person),
        cancel=unsent,
        weigh=unsent,
        close=not takes_messages and not to_send and counts.accepted > 0 and shown.closed_ms is None,
        close_stream=takes_messages,
        release=waves is not None
        and not waves.needs_text
        and (bool(waves.halted) or waves.released < len(waves.waves)),
        halt=waves is not None and not waves.halted and counts.queued > 0,
        decide=tuple(row.label for row in waves.texts) if waves is not None and waves.needs_text else (),
        follow_up=shown.kind != "mms"
        and shown.stream is None
        and bool(counts.failed + counts.no_report + counts.unknown + counts.cancelled),
    )
