"""Campaigns as people read them: the list of all, and everything about one. Drawing only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dispatcher.core.carriers import carrier_counts
from dispatcher.core.launches.retries import RetryState
from dispatcher.core.money.amounts import yuan
from dispatcher.core.results.equation import Counts, total
from dispatcher.core.schedule.holds import hold_sentence
from dispatcher.core.schedule.hours import ALWAYS
from dispatcher.core.waves.variants import label
from dispatcher.service.campaigns.cost import CampaignCost
from dispatcher.service.campaigns.drafts import DraftView
from dispatcher.service.campaigns.moves import move_sentence
from dispatcher.service.campaigns.progress import handed_over, percent_final
from dispatcher.service.campaigns.retries import RetryTable
from dispatcher.service.campaigns.views import ShownCampaign
from dispatcher.store.views import CampaignView, StreamView
from dispatcher.terminal.live import Bar, equation, legend, status_text
from dispatcher.terminal.options import columns
from dispatcher.terminal.progress import SHARES, held_words
from dispatcher.terminal.waves import wave_parts
from dispatcher.wording import clock, counted, day_of, duration, listed
from schemas.records import Follows
from schemas.states import EXPIRED

FAILURES_SHOWN: Final = 20
TEXT_CHARS_SHOWN: Final = 200
RETRY_WORDS: Final[dict[RetryState, str]] = {
    "waits": "",
    "due": "is launched now; the role campaigns of `dispatcher run` does it",
    "launched": "",
    "skipped": "",
    "missed": "it was not launched before the next one was due",
    "ended": "the campaign was cancelled or closed, or the time is over",
}


def campaign_table(views: Sequence[CampaignView]) -> Table:
    """One line per campaign, newest first."""
    table = columns(
        "id", "status", "recipients", "sent", "delivered", "failed", "unknown", "final", "launched", "name",
        right=frozenset(range(2, 8)),
    )  # fmt: skip
    for view in views:
        counts = view.counts
        figures = (counts.recipients, handed_over(counts), counts.delivered, counts.failed, counts.unknown)
        table.add_row(
            Text(view.id, style="bold"),
            view.status if view.status != "held" or view.held is None else held_words(view.held, short=True),
            *(f"{figure:,}" for figure in figures),
            f"{percent_final(counts)} %",
            clock(view.launched_ms),
            view.name if view.name != view.id else "",
        )
    return table


def held_notes(views: Sequence[CampaignView]) -> list[str]:
    """The lines below the list about campaigns that are held until somebody or something ends it."""
    return [
        f"{view.id} is held: {hold_sentence(view.held, view.id)}"
        for view in views
        if view.status == "held" and view.held is not None and not view.held.until_ms
    ]


def unknown_note(views: Sequence[CampaignView]) -> str:
    """The line below the list about unknown recipients, or ""."""
    counts = total(view.counts for view in views)
    if not counts.unknown:
        return ""
    return (
        f"\n{unknown_recipients(counts)} unknown: the vendor may or may not have texted them. "
        "Their campaigns are not finished. Why, and what to do: dispatcher unknown list"
    )


def unknown_recipients(counts: Counts) -> str:
    """`1 recipient is`, `1,200 recipients are`."""
    return "1 recipient is" if counts.unknown == 1 else f"{counts.unknown:,} recipients are"


def campaign_page(view: ShownCampaign) -> RenderableType:
    """Everything about one campaign."""
    title = Text().append(view.id, style="bold").append(f"  {view.name}  " if view.name != view.id else "  ")
    title.append_text(status_text(view)).append(f"  {percent_final(view.counts)} % final")
    parts: list[RenderableType] = [title, Text(), _definition(view), Text()]
    parts += [Bar(view.counts), legend(view.counts), equation(view.counts)]
    if len(view.accounts) > 1:
        parts += [Text(), _accounts(view)]
    if view.wave_table is not None:
        parts += [Text(), *wave_parts(view.id, view.wave_table)]
    if view.retries is not None:
        parts += [Text(), *_retries(view.retries, paused=view.paused)]
    if view.stream is not None and view.stream.days:
        parts += [Text(), _days(view.stream)]
    if view.failures:
        parts += [Text(), _failures(view)]
    if view.invalid_reasons:
        parts += [Text(), _reasons("invalid", view.invalid_reasons)]
    if view.suppressed_reasons:
        parts += [Text(), _reasons("suppressed", view.suppressed_reasons)]
    parts += [Text(advice, style="magenta") for advice in _advice(view)]
    return Group(*parts)


def _definition(view: ShownCampaign) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    texts = _texts(view)
    at_most = "up to " if (view.variables or len(texts) > 1) and view.segments > 1 else ""
    per_message = "1 message" if view.segments == 1 else f"{at_most}{view.segments} messages"
    for index, text in enumerate(texts):
        last = f"  ({per_message} per recipient)" if index == len(texts) - 1 else ""
        table.add_row("" if index else "text", f"{text}{last}")
    if view.variables:
        table.add_row("personal", f"{', '.join(f'{{{name}}}' for name in view.variables)} from each recipient's row")
    if view.kind != "sms":
        table.add_row("kind", {"wap": "WAP push", "mms": "multimedia message"}[view.kind])
    if view.follows is not None:
        table.add_row("follows", f"{view.follows.campaign}: {followed(view.follows)}")
    if view.stream is not None:
        table.add_row("stream", stream_words(view.stream))
    of = {leg.account: f"{leg.recipients or view.accounts[leg.account].recipients:,} recipients" for leg in view.legs}
    if view.stream is not None:
        of = {leg.account: counted(view.accounts[leg.account].rows, "message") for leg in view.legs}
    route = ", ".join(f"{leg.account} ({leg.vendor}): {of[leg.account]}" for leg in view.legs)
    if view.deferred_of:
        table.add_row("deferred", f"of {view.deferred_of}: who was over the frequency cap then")
    for index, each in enumerate(view.deferred):
        people = counted(each.recipients, "recipient")
        table.add_row("" if index else "deferred", f"{people} to {clock(each.start_ms, named=True)}: {each.campaign}")
    table.add_row("route", route)
    if view.failover_after_s:
        back = "they return when it sends again" if view.fail_back else "they stay there"
        what = (
            f"who waits at an account that sends nothing for {view.failover_after_s:,.0f} s moves to the next; {back}"
        )
        table.add_row("failover", what)
    for move in view.moves:
        table.add_row("", move_sentence(move))
    if view.carriers:
        table.add_row("carriers", carrier_counts(view.carriers))
    urgent = ", urgent" if view.urgent else ""
    if view.cost is not None:
        table.add_row("cost", _cost(view, view.cost))
    if view.budget_micro_yuan:
        spent = None if view.cost is None else view.cost.spent_micro_yuan
        of_it = "" if spent is None else f", {yuan(spent)} of it spent"
        table.add_row("budget", f"{yuan(view.budget_micro_yuan)}{of_it}")
    approved = f", approved by {view.approved_by}" if view.approved_by else ""
    table.add_row("launched", f"{clock(view.launched_ms)} by {view.launched_by}{approved}")
    if view.test_of:
        table.add_row("test", f"of the draft {view.test_of}; it counts for none of its figures")
    table.add_row("share", f"weight {view.weight}{urgent}; what becomes unknown: {view.unknown}")
    table.add_row("hours", hours_words(view))
    if view.options:
        table.add_row("options", ", ".join(f"{key} = {value}" for key, value in sorted(view.options.items())))
    sent = f"{clock(view.first_sent_ms)} to {clock(view.last_sent_ms)}" if view.first_sent_ms else "nothing yet"
    table.add_row("sent", sent)
    left = _left(view)
    if left:
        table.add_row("left", left)
    table.add_row("last report", clock(view.last_report_ms))
    if view.closed_ms is not None:
        table.add_row("closed", f"{clock(view.closed_ms)}: reports are not waited for; those that come still count")
    elif view.waits_until_ms is not None:
        table.add_row(
            "waits", f"for reports of {view.counts.accepted:,} until {clock(view.waits_until_ms, named=True)}"
        )
    return table


def stream_words(stream: StreamView) -> str:
    """Whether it takes messages, and how long they and their keys count."""
    if stream.takes_messages:
        state = "takes messages"
    elif stream.closed_ms is not None:
        state = f"closed {clock(stream.closed_ms)} by {stream.closed_by}"
    else:
        state = "takes no more messages"
    return (
        f"{state}; a message is sent within {duration(stream.expires_after_s)} unless it says otherwise, and each key "
        f"once in {duration(stream.keys_kept_s)}"
    )


def _days(stream: StreamView) -> Table:
    seen = [share for share in SHARES if share.always or any(share.size(day.counts) for day in stream.days)]
    names = ("day", "messages", *(share.word for share in seen), "suppressed", "repeated", "expired (failed)")
    table = columns(*names, right=frozenset(range(1, len(names))))
    for day in stream.days:
        sizes = [share.size(day.counts) for share in seen]
        figures = (day.counts.rows, *sizes, day.counts.suppressed, day.counts.duplicate, day.expired)
        table.add_row(day.day, *(f"{figure:,}" for figure in figures))
    return table


def _retries(found: RetryTable, *, paused: bool) -> list[RenderableType]:
    """Which retries there were, and when the next one is due."""
    classes = " or ".join(found.classes)
    rule = f"retries of {classes} failures: {found.times} at most, until {clock(found.ends_ms, named=True)}"
    after = f"; the next one is due {clock(found.next_ms, named=True)}" if found.next_ms is not None else ""
    after += ", if the campaign is resumed by then" if after and paused else ""
    words = RETRY_WORDS | ({"due": "the campaign is paused"} if paused else {})
    table = columns("retry", "state", "recipients", "due", "launched", "why", right=frozenset((2,)))
    for each in found.retries:
        launched = clock(each.launched_ms) if each.launched_ms is not None else ""
        recipients = f"{each.recipients:,}" if each.launched_ms is not None else ""
        why = {"nobody": "nobody had failed like that", "failed": each.says}.get(each.why, words[each.state])
        table.add_row(Text(each.campaign, style="bold"), each.state, recipients, clock(each.due_ms), launched, why)
    return [Text(rule + after), table]


def _texts(view: CampaignView) -> list[str]:
    """Its text, or each of those that are compared, and which one the last wave gets."""
    if view.waves is None or not view.waves.texts:
        return [_cut(view.text)]
    decided = view.waves.text
    return [
        f"{label(index)}: {_cut(text)}" + ("  (the last wave gets it)" if index == decided else "")
        for index, text in enumerate(view.waves.texts)
    ]


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARS_SHOWN else f"{text[:TEXT_CHARS_SHOWN]}…"


def followed(follows: Follows) -> str:
    """Who of a campaign is texted again, in words."""
    classes = f" ({', '.join(follows.classes)})" if follows.classes else ""
    if follows.retry:
        return f"retry {follows.retry} of those who failed{classes}"
    words = {"failed": f"failed{classes}", "no_report": "no report", "cancelled": "never sent"}
    return ", ".join(words.get(state, state) for state in follows.states)


def _cost(view: ShownCampaign, cost: CampaignCost) -> str:
    """What it was planned to cost, and what it cost so far."""
    missing = f"; no price for {listed(cost.unpriced)}" if cost.unpriced else ""
    planned = f"{yuan(cost.planned_micro_yuan)} planned{missing}"
    if cost.spent_micro_yuan is None or cost.open_micro_yuan is None:
        day = day_of(view.launched_ms)
        so_far = f"so far: dispatcher report spend --from {day} --by campaign"
        return f"{planned}; {so_far}" if view.stream is None else f"{so_far}{missing}"
    maybe = f", {yuan(cost.open_micro_yuan)} more are unknown or under way" if cost.open_micro_yuan else ""
    if view.stream is not None:  # nothing is planned before its messages come
        return f"{yuan(cost.spent_micro_yuan)} so far{maybe}{missing}"
    return f"{yuan(cost.spent_micro_yuan)} so far{maybe}; {planned}"


def hours_words(view: ShownCampaign | DraftView) -> str:
    """When it may be sent, and what becomes of the rest."""
    of_class = f" (class {view.campaign_class})" if view.campaign_class is not None else ""
    if view.hours == str(ALWAYS):
        return f"always{of_class}"
    at_closing = "the rest waits until you resume it" if view.at_closing == "pause" else "the rest continues"
    return f"{view.hours} Asia/Shanghai{of_class}; when they are over {at_closing}"


def _left(view: ShownCampaign) -> str:
    """What remains to be sent, and until when."""
    waiting, expected = view.counts.queued + view.counts.in_flight, view.forecast
    if not waiting or view.cancelled:
        return ""
    if expected.left_at_closing:
        return (
            f"{waiting:,} recipients; {expected.left_at_closing:,} of them are left when its hours end "
            f"({clock(expected.closes_at_ms, named=True)}), and wait until you resume it"
        )
    if expected.finish_at_ms is None:
        why = "paused" if view.paused else "nothing is sent until what is said below is mended"
        if view.status == "held" and view.held is not None:
            why = f"{held_words(view.held)}: {hold_sentence(view.held, view.id)}"
        return f"{waiting:,} recipients; {why}"
    beside = f", beside {expected.beside:,} of other campaigns" if expected.beside else ""
    if expected.prompt_finish_at_ms is None:
        return f"{waiting:,} recipients, sent by {clock(expected.finish_at_ms, named=True)} at the earliest{beside}"
    return (
        f"{waiting:,} recipients, sent by {clock(expected.finish_at_ms, named=True)} if each wave waits as long as it "
        f"may, by {clock(expected.prompt_finish_at_ms, named=True)} if reports come at once{beside}"
    )


def _accounts(view: CampaignView) -> Table:
    seen = [share for share in SHARES if share.always or share.size(view.counts)]
    table = columns("account", "recipients", *(share.word for share in seen), right=frozenset(range(1, len(seen) + 2)))
    for name, counts in sorted(view.accounts.items()):
        table.add_row(name, f"{counts.recipients:,}", *(f"{share.size(counts):,}" for share in seen))
    return table


def _failures(view: CampaignView) -> Table:
    names = ("failed", "code", "meaning", "what to do", "said by")
    table = columns(*names, right=frozenset({0}), prose={"meaning", "what to do"})
    by_size = sorted(view.failures, key=lambda failure: -failure.recipients)
    for failure in by_size[:FAILURES_SHOWN]:
        said = f"{failure.account}, {'report' if failure.source == 'report' else 'answer to the submit'}"
        if (failure.source, failure.code) == ("submit", EXPIRED):
            said = "dispatcher"
        table.add_row(f"{failure.recipients:,}", failure.code, failure.meaning, failure.advice, said)
    rest = by_size[FAILURES_SHOWN:]
    if rest:
        table.add_row(f"{sum(failure.recipients for failure in rest):,}", "…", f"{len(rest)} other codes", "", "")
    return table


def _reasons(word: str, reasons: Mapping[str, int]) -> Table:
    table = columns(word, "why", right=frozenset({0}), prose={"why"})
    for reason, rows in sorted(reasons.items(), key=lambda item: -item[1]):
        table.add_row(f"{rows:,}", reason)
    return table


def _advice(view: CampaignView) -> Iterator[str]:
    """Advice for the person."""
    counts: Counts = view.counts
    if counts.unknown:
        since = f" since {clock(view.unknown_since_ms)}" if view.unknown_since_ms else ""
        policy = (
            "they are sent again when no earlier request for them can still go out (policy resend)"
            if view.unknown == "resend"
            else "they are not sent again (policy hold), and reports may still settle them"
        )
        yield (
            f"\nNot finished: {unknown_recipients(counts)} unknown{since}. The vendor may or may not have texted them; "
            f"{policy}. See: dispatcher unknown list --campaign {view.id}"
        )
    retries_wait = isinstance(view, ShownCampaign) and view.retries is not None and view.retries.next_ms is not None
    if view.paused and not view.cancelled and (counts.queued + counts.in_flight + counts.unknown or retries_wait):
        yield f"\nPaused. To resume: dispatcher campaign resume {view.id}"
    if counts.invalid + counts.duplicate + counts.suppressed:
        yield f"\nRows set aside, and why: dispatcher campaign export {view.id} --state invalid,duplicate,suppressed"
