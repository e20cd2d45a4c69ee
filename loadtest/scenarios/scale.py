"""The same scenario, larger or smaller, faster, with other random draws. Pure."""

from __future__ import annotations

import msgspec

from dispatcher.errors import UserError
from loadtest.scenarios.format import CampaignPart, EventPart, Scenario, VendorPart

_NO_REPORT = "no_report_after_s"


def scaled(scenario: Scenario, recipients: int | None, seed: int | None, scale: float | None) -> Scenario:
    """The scenario with this number of recipients (each campaign its share, at least one), this seed, and faster.

    `scale` divides the vendors' clocks, the times of launches and events, and the time until a report is given up. Flow
    limits, time-outs and `expect.within_s` stay in real time. Raises UserError.
    """
    if recipients is not None:
        if not scenario.planned:
            raise UserError(f"{scenario.path}: its lists are files; --recipients has nothing to change.")
        campaigns = tuple(_smaller(each, recipients, scenario.planned) for each in scenario.campaigns)
        smaller = recipients < scenario.planned
        scenario = msgspec.structs.replace(scenario, campaigns=campaigns, smaller=smaller)
    scenario = msgspec.structs.replace(scenario, seed=scenario.seed if seed is None else seed)
    return scenario if scale is None else _faster(scenario, scale)


def _smaller(campaign: CampaignPart, recipients: int, planned: int) -> CampaignPart:
    if campaign.recipients is None:
        return campaign
    return msgspec.structs.replace(campaign, recipients=max(1, campaign.recipients * recipients // planned))


def _faster(scenario: Scenario, scale: float) -> Scenario:
    store = dict(scenario.sections.get("store", {}))
    if isinstance(store.get(_NO_REPORT), int | float):
        store[_NO_REPORT] = store[_NO_REPORT] / scale
    return msgspec.structs.replace(
        scenario,
        sections={**scenario.sections, "store": store},
        vendors={name: _faster_vendor(vendor, scale) for name, vendor in scenario.vendors.items()},
        campaigns=tuple(
            msgspec.structs.replace(campaign, at_s=campaign.at_s / scale) for campaign in scenario.campaigns
        ),
        events=tuple(_faster_event(event, scale) for event in scenario.events),
    )


def _faster_vendor(vendor: VendorPart, scale: float) -> VendorPart:
    clock = vendor.simulated.get("clock_scale", 1.0)
    return msgspec.structs.replace(vendor, simulated={**vendor.simulated, "clock_scale": clock * scale})


def _faster_event(event: EventPart, scale: float) -> EventPart:
    return msgspec.structs.replace(
        event,
        at_s=None if event.at_s is None else event.at_s / scale,
        for_s=None if event.for_s is None else event.for_s / scale,
    )
