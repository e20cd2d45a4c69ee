"""What a cancelled campaign has scheduled at a gateway (At_Time of CMPP), taken back by CMPP_CANCEL.

Only messages whose time lies ahead are taken back, by the ids on the log. The gateway's answer that one is taken back
is its last word about it, and goes onto the log as a report with the code DELETED: its recipient is failed.
Weak spots: a message whose answer was lost has no id, so it cannot be taken back; if this process dies between the
gateway's answer and the append, its recipient waits for a report that cannot come.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from typing import Final

from dispatcher.arrivals import take_reports
from dispatcher.clock import now_ms
from dispatcher.cmpp import pdus
from dispatcher.core.lane.answers.verdict import Verdict
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.log.port import Log
from dispatcher.log.records import record_of
from dispatcher.service.campaigns.orders.control import TakenBack
from dispatcher.service.session import Session
from dispatcher.vendors.seam.link import LinkVendor
from dispatcher.vendors.seam.vendor import ReportRow, options_for
from schemas.records import Intent, Outcome, Outcomes
from schemas.states import REPORT_FAILED
from schemas.topics import LANES, lane_partition

DELETED: Final = "DELETED"
"""The code of the vendor's reports of messages that were deleted before delivery."""

UNDER_WAY_S_MAX = 15.0
LOOK_EVERY_S = 0.25


async def take_back(session: Session, campaign: str) -> list[TakenBack]:
    """Take back what is scheduled, of every account on links; call it when the campaign is cancelled.

    Waits a little for answers to what is under way. Raises LogError, and ConfigError for a missing secret.
    """
    known = (await read_campaigns(await session.log())).by_id.get(campaign)
    if known is None or known.launched is None:
        return []
    found = []
    for account in (leg.account for leg in known.launched.legs):
        vendor, options = session.config.accounts.get(account), options_for(account, known.launched.options)
        if isinstance(vendor, LinkVendor) and vendor.sends_at_ms(options) > now_ms():
            found.append(await _of_account(session, account, campaign))
    return [each for each in found if each.taken_back or each.not_taken_back or each.why]


async def _of_account(session: Session, account: str, campaign: str) -> TakenBack:
    from dispatcher.drivers.link.short_session import ask  # most commands need no links

    vendor = session.config_with([account]).account(account)
    assert isinstance(vendor, LinkVendor)
    ids = await _ids(await session.log(), account, campaign)
    if not ids:
        return TakenBack(account=account)
    answers = await ask(vendor, [pdus.Cancel(msg_id) for msg_id in ids])
    if isinstance(answers, Verdict):
        return TakenBack(account=account, not_taken_back=len(ids), why=answers.text or answers.code)
    done = [
        msg_id
        for msg_id, answer in zip(ids, answers, strict=True)
        if isinstance(answer, pdus.CancelResp) and not answer.success_id
    ]
    at_ms = now_ms()
    rows = [
        ReportRow(vendor_id=str(msg_id), number=0, state=REPORT_FAILED, code=DELETED, time_s=at_ms // 1000)
        for msg_id in done
    ]
    await take_reports(await session.log(), account, rows, at_ms)
    return TakenBack(account=account, taken_back=len(done), not_taken_back=len(ids) - len(done))


async def _ids(log: Log, account: str, campaign: str) -> Sequence[int]:
    """The ids that the gateway gave the campaign's messages, once nothing of it is under way any more."""
    ids: dict[int, None] = {}
    mine: set[int] = set()
    open_: set[int] = set()
    partition, offset = lane_partition(account), 0
    looks = round(UNDER_WAY_S_MAX / LOOK_EVERY_S)
    for _ in range(looks):
        while records := await log.read(LANES.name, partition, offset):
            for stored in records:
                match record_of(stored, LANES.name):
                    case Intent() as intent if (intent.account, intent.campaign) == (account, campaign):
                        mine.add(stored.offset)
                        open_.add(stored.offset)
                    case Outcome() as outcome:
                        open_.discard(outcome.intent)
                    case Outcomes() as outcomes if outcomes.intent in mine:
                        open_.discard(outcomes.intent)
                        ids.update(dict.fromkeys(filter(None, array("Q", outcomes.ids))))
            offset = records[-1].offset + 1
        if not open_:
            break
        await asyncio.sleep(LOOK_EVERY_S)
    return list(ids)
