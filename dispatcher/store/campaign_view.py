"""A campaign as a view, made from the launch's record, the sums and the clock. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import msgspec

from dispatcher.core.campaigns import Campaign
from dispatcher.core.results.equation import Counts, launched, status, total
from dispatcher.core.schedule.holds import WAITS_FOR_REPORTS, WAITS_FOR_TEXT, Hold, without_budget
from dispatcher.core.schedule.hours import END_OF_TIME_MS
from dispatcher.core.waves.state import WaveStanding
from dispatcher.store.fold.tallies import Tally, summed
from dispatcher.store.meanings import Meaning
from dispatcher.store.views import CampaignView, Failure, Move, Source, StreamDay, StreamView
from schemas.records import StreamTerms
from schemas.states import EXPIRED, State, our_meanings

DAYS_SHOWN: Final = 31
EPOCH: Final = date(1970, 1, 1)


class CampaignNow(msgspec.Struct, frozen=True, kw_only=True):
    """A launched campaign as a store has it, at this time of the wall clock.

    By account and day (of a stream; else 0): the sums, and the `late` accepted recipients, whose time for reports is
    over by the clock or because the campaign was closed.
    `failures`: (account, day, source, code, recipients) where recipients are more than 0.
    """

    now_ms: int
    campaign: Campaign
    tallies: Mapping[tuple[str, int], Tally]
    late: Mapping[tuple[str, int], int]
    failures: Sequence[tuple[str, int, Source, str, int]]
    unknown_since_ms: int | None
    moves: Sequence[Move] = ()

    @property
    def by_account(self) -> dict[str, Tally]:
        """The sums of each account."""
        found: dict[str, list[Tally]] = {}
        for (account, _), tally in self.tallies.items():
            found.setdefault(account, []).append(tally)
        return {account: summed(tallies) for account, tallies in found.items()}

    @property
    def late_by_account(self) -> dict[str, int]:
        """The late recipients of each account."""
        found: dict[str, int] = {}
        for (account, _), late in self.late.items():
            found[account] = found.get(account, 0) + late
        return found

    @property
    def failures_by_code(self) -> list[tuple[str, Source, str, int]]:
        """(account, source, code, recipients)."""
        found: dict[tuple[str, Source, str], int] = {}
        for account, _, source, code, recipients in self.failures:
            found[account, source, code] = found.get((account, source, code), 0) + recipients
        return [(*of, recipients) for of, recipients in found.items()]


def campaign_view(now: CampaignNow, meaning: Meaning) -> CampaignView:
    """The campaign with its counts; they add up if the sums do."""
    campaign, record = now.campaign, now.campaign.launched
    assert record is not None
    waves = campaign.waves.standing
    sent: dict[str, int] = {}
    for leg in record.legs:
        sent[leg.account] = sent.get(leg.account, 0) + leg.recipients
    for move in now.moves:
        sent[move.account] = sent.get(move.account, 0) - move.recipients
        sent[move.to] = sent.get(move.to, 0) + move.recipients
    by_account, late = now.by_account, now.late_by_account
    accounts = {
        account: _account(sent.get(account, 0), by_account.get(account), late.get(account, 0), campaign.cancelled)
        for account in dict.fromkeys((*sent, *by_account))
    }
    takes_messages = record.stream is not None and campaign.stream_closed is None and not campaign.cancelled
    rejected = Counts(
        rows=record.invalid + record.duplicate + record.suppressed,
        invalid=record.invalid,
        duplicate=record.duplicate,
        suppressed=record.suppressed,
    )
    counts = total((rejected, *accounts.values()))
    hold = None
    if not campaign.cancelled:
        hold = campaign.held(now.now_ms) or _between_waves(waves, counts)
        hold = without_budget(hold) if _budget_is_spent(campaign, accounts) else hold
    vendors = {leg.account: leg.vendor for leg in record.legs}
    failures = tuple(
        Failure(
            account=account,
            vendor=vendors.get(account, ""),
            source=source,
            code=code,
            meaning=meaning(vendors.get(account, ""), source, code),
            recipients=recipients,
        )
        for account, source, code, recipients in sorted(now.failures_by_code, key=lambda row: (-row[3], *row[:3]))
    )
    tallies = by_account.values()
    left_out = sum(tally.suppressed for tally in tallies)
    why_left_out = our_meanings(of_stream=record.stream is not None)[State.SUPPRESSED]
    return CampaignView(
        id=record.campaign,
        name=record.name,
        status=status(
            counts,
            paused=campaign.paused,
            cancelled=campaign.cancelled,
            held=hold is not None,
            takes_messages=takes_messages,
        ),
        launched_ms=record.at_ms,
        launched_by=record.by,
        text=record.text,
        segments=record.segments,
        legs=record.legs,
        weight=campaign.weight,
        urgent=campaign.urgent,
        unknown=record.unknown,
        options=record.options,
        kind=record.kind,
        approved_by=record.approved_by,
        test_of=record.test_of,
        variables=record.variables,
        lists=record.lists,
        carriers=record.carriers,
        paused=campaign.paused,
        cancelled=campaign.cancelled,
        closed_ms=None if campaign.closed is None else campaign.closed.at_ms,
        follows=record.follows,
        deferred=record.deferred,
        deferred_of=record.deferred_of,
        waves=waves,
        moves=tuple(sorted(now.moves, key=lambda move: (move.first_ms, move.account, move.to, move.why, move.back))),
        failover_after_s=record.failover_after_ms / 1000,
        fail_back=campaign.fails_back,
        stream=_stream(now, record.stream, takes_messages=takes_messages) if record.stream is not None else None,
        counts=counts,
        accounts=accounts,
        invalid_reasons=record.invalid_reasons,
        suppressed_reasons={**record.suppressed_reasons, **({why_left_out: left_out} if left_out else {})},
        failures=failures,
        first_sent_ms=min((each.first_sent_ms for each in tallies if each.first_sent_ms is not None), default=None),
        last_sent_ms=max((each.last_sent_ms for each in tallies if each.last_sent_ms is not None), default=None),
        last_report_ms=max((each.last_report_ms for each in tallies if each.last_report_ms is not None), default=None),
        unknown_since_ms=now.unknown_since_ms,
        held=hold,
        budget_micro_yuan=0 if campaign.budget is None else campaign.budget.amount,
        campaign_class=record.campaign_class,
        hours=str(campaign.schedule.hours),
        at_closing=campaign.schedule.at_closing,
        ends_ms=None if campaign.schedule.ends_ms == END_OF_TIME_MS else campaign.schedule.ends_ms,
    )


def _stream(now: CampaignNow, terms: StreamTerms, *, takes_messages: bool) -> StreamView:
    expired: dict[int, int] = {}
    for _, day, source, code, recipients in now.failures:
        if (source, code) == ("submit", EXPIRED):
            expired[day] = expired.get(day, 0) + recipients
    days = sorted({day for _, day in now.tallies}, reverse=True)[:DAYS_SHOWN]
    closed = now.campaign.stream_closed
    return StreamView(
        takes_messages=takes_messages,
        closed_ms=None if closed is None else closed.at_ms,
        closed_by="" if closed is None else closed.by,
        expires_after_s=terms.expires_after_ms / 1000,
        keys_kept_s=terms.keys_kept_ms / 1000,
        expired=sum(expired.values()),
        days=tuple(
            StreamDay(
                day=date.fromordinal(EPOCH.toordinal() + day).isoformat(),
                counts=total(
                    _account(0, tally, now.late.get(of, 0), now.campaign.cancelled)
                    for of, tally in now.tallies.items()
                    if of[1] == day
                ),
                expired=expired.get(day, 0),
            )
            for day in days
        ),
    )


def _between_waves(waves: WaveStanding | None, counts: Counts) -> Hold | None:
    """What the rest waits for if everything of the released waves was sent."""
    if waves is None or counts.in_flight or not 0 < counts.queued <= waves.unreleased:
        return None
    return WAITS_FOR_TEXT if waves.needs_text else WAITS_FOR_REPORTS


def _budget_is_spent(campaign: Campaign, accounts: Mapping[str, Counts]) -> bool:
    """Whether every account with something queued lacks money."""
    budget, waiting = campaign.budget, [account for account, counts in accounts.items() if counts.queued]
    if budget is None or not waiting:
        return False
    return budget.reserve < 0 or all(map(budget.lacks, waiting))


def _account(rows: int, tally: Tally | None, late: int, cancelled: bool) -> Counts:
    if tally is None:
        return launched(rows=rows, cancelled=cancelled)
    return launched(
        rows=rows + tally.appended,
        duplicate=tally.repeated,
        suppressed=tally.suppressed,
        cancelled=cancelled,
        in_flight=tally.in_flight,
        accepted=tally.accepted - late,
        delivered=tally.delivered,
        failed=tally.refused + tally.undelivered,
        no_report=tally.no_report + late,
        unknown=tally.unknown,
    )
