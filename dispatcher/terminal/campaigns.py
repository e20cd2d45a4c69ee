"""Campaigns as people read them: the list of all, and everything about one. Drawing only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dispatcher.core.launches.retries import RetryState
from dispatcher.core.money.amounts import yuan
from dispatcher.core.results.equation import Counts, total
from dispatcher.core.schedule.hours import ALWAYS
from dispatcher.core.waves.variants import label
from dispatcher.i18n import ENGLISH, N_, _, current_language, heading, plural
from dispatcher.service.campaigns.cost import CampaignCost
from dispatcher.service.campaigns.drafts import DraftView
from dispatcher.service.campaigns.moves import move_sentence
from dispatcher.service.campaigns.progress import handed_over, percent_final
from dispatcher.service.campaigns.retries import RetryTable
from dispatcher.service.campaigns.views import ShownCampaign
from dispatcher.store.meanings import chinese_meaning
from dispatcher.store.views import CampaignView, Failure, StreamView
from dispatcher.terminal.live import Bar, equation, legend, status_text
from dispatcher.terminal.options import columns
from dispatcher.terminal.progress import SHARES, held_words
from dispatcher.terminal.waves import wave_parts
from dispatcher.wording import clock, counted, day_of, duration, listed
from dispatcher.words import POLICIES, RETRY_STATES, carrier_words, hold_words, reason, word
from schemas.records import Follows
from schemas.states import EXPIRED

FAILURES_SHOWN: Final = 20
TEXT_CHARS_SHOWN: Final = 200
RETRY_WORDS: Final[dict[RetryState, str]] = {
    "waits": "",
    "due": N_("is launched now; the role campaigns of `dispatcher run` does it"),
    "launched": "",
    "skipped": "",
    "missed": N_("it was not launched before the next one was due"),
    "ended": N_("the campaign was cancelled or closed, or the time is over"),
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
            word(view.status) if view.status != "held" or view.held is None else held_words(view.held, short=True),
            *(f"{figure:,}" for figure in figures),
            f"{percent_final(counts)} %",
            clock(view.launched_ms),
            view.name if view.name != view.id else "",
        )
    return table


def held_notes(views: Sequence[CampaignView]) -> list[str]:
    """The lines below the list about campaigns that are held until somebody or something ends it."""
    return [
        _("{id} is held: {why}", id=view.id, why=hold_words(view.held, view.id))
        for view in views
        if view.status == "held" and view.held is not None and not view.held.until_ms
    ]


def unknown_note(views: Sequence[CampaignView]) -> str:
    """The line below the list about unknown recipients, or ""."""
    counts = total(view.counts for view in views)
    if not counts.unknown:
        return ""
    return _(
        "\n{who} unknown: the vendor may or may not have texted them. Their campaigns are not "
        "finished. Why, and what to do: dispatcher unknown list",
        who=unknown_recipients(counts),
    )


def unknown_recipients(counts: Counts) -> str:
    """`1 recipient is`, `1,200 recipients are`."""
    return plural("{n:,} recipient is", "{n:,} recipients are", counts.unknown)


def campaign_page(view: ShownCampaign) -> RenderableType:
    """Everything about one campaign."""
    title = Text().append(view.id, style="bold").append(f"  {view.name}  " if view.name != view.id else "  ")
    title.append_text(status_text(view)).append(_("  {share} % final", share=percent_final(view.counts)))
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
        parts += [Text(), _reasons(word("invalid"), view.invalid_reasons)]
    if view.suppressed_reasons:
        parts += [Text(), _reasons(word("suppressed"), view.suppressed_reasons)]
    parts += [Text(advice, style="magenta") for advice in _advice(view)]
    return Group(*parts)


def _definition(view: ShownCampaign) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    texts = _texts(view)
    per_message = counted(view.segments, "message")
    if (view.variables or len(texts) > 1) and view.segments > 1:
        per_message = _("up to {count}", count=per_message)
    for index, text in enumerate(texts):
        last = _("  ({per_message} per recipient)", per_message=per_message) if index == len(texts) - 1 else ""
        table.add_row("" if index else heading("text"), f"{text}{last}")
    if view.variables:
        table.add_row(
            heading("personal"),
            _("{names} from each recipient's row", names=", ".join(f"{{{name}}}" for name in view.variables)),
        )
    if view.kind != "sms":
        table.add_row(heading("kind"), {"wap": _("WAP push"), "mms": _("multimedia message")}[view.kind])
    if view.follows is not None:
        table.add_row(heading("follows"), f"{view.follows.campaign}: {followed(view.follows)}")
    if view.stream is not None:
        table.add_row(heading("stream"), stream_words(view.stream))
    of = {leg.account: _many(leg.recipients or view.accounts[leg.account].recipients) for leg in view.legs}
    if view.stream is not None:
        of = {leg.account: counted(view.accounts[leg.account].rows, "message") for leg in view.legs}
    route = ", ".join(f"{leg.account} ({leg.vendor}): {of[leg.account]}" for leg in view.legs)
    if view.deferred_of:
        table.add_row(
            heading("deferred"),
            _("of {deferred_of}: who was over the frequency cap then", deferred_of=view.deferred_of),
        )
    for index, each in enumerate(view.deferred):
        people = counted(each.recipients, "recipient")
        table.add_row(
            "" if index else heading("deferred"),
            _(
                "{people} to {time}: {campaign}",
                people=people,
                time=clock(each.start_ms, named=True),
                campaign=each.campaign,
            ),
        )
    table.add_row(heading("route"), route)
    if view.failover_after_s:
        back = _("they return when it sends again") if view.fail_back else _("they stay there")
        what = _(
            "who waits at an account that sends nothing for {failover_after_s:,.0f} s moves to the next; {back}",
            failover_after_s=view.failover_after_s,
            back=back,
        )
        table.add_row(heading("failover"), what)
    for move in view.moves:
        table.add_row("", move_sentence(move))
    if view.carriers:
        table.add_row(heading("carriers"), carrier_words(view.carriers))
    urgent = _(", urgent") if view.urgent else ""
    if view.cost is not None:
        table.add_row(heading("cost"), _cost(view, view.cost))
    if view.budget_micro_yuan:
        spent = None if view.cost is None else view.cost.spent_micro_yuan
        of_it = "" if spent is None else _(", {amount} of it spent", amount=yuan(spent))
        table.add_row(heading("budget"), f"{yuan(view.budget_micro_yuan)}{of_it}")
    approved = _(", approved by {approved_by}", approved_by=view.approved_by) if view.approved_by else ""
    table.add_row(
        heading("launched"),
        _(
            "{time} by {launched_by}{approved}",
            time=clock(view.launched_ms),
            launched_by=view.launched_by,
            approved=approved,
        ),
    )
    if view.test_of:
        table.add_row(
            heading("test"), _("of the draft {test_of}; it counts for none of its figures", test_of=view.test_of)
        )
    table.add_row(
        heading("share"),
        _(
            "weight {weight}{urgent}; what becomes unknown: {unknown}",
            weight=view.weight,
            urgent=urgent,
            unknown=_(POLICIES[view.unknown]),
        ),
    )
    table.add_row(heading("hours"), hours_words(view))
    if view.options:
        table.add_row(heading("options"), ", ".join(f"{key} = {value}" for key, value in sorted(view.options.items())))
    sent = (
        _("{first} to {last}", first=clock(view.first_sent_ms), last=clock(view.last_sent_ms))
        if view.first_sent_ms
        else _("nothing yet")
    )
    table.add_row(heading("sent"), sent)
    left = _left(view)
    if left:
        table.add_row(heading("left"), left)
    table.add_row(heading("last report"), clock(view.last_report_ms))
    if view.closed_ms is not None:
        table.add_row(
            heading("closed"),
            _("{time}: reports are not waited for; those that come still count", time=clock(view.closed_ms)),
        )
    elif view.waits_until_ms is not None:
        table.add_row(
            heading("waits"),
            _(
                "for reports of {accepted:,} until {time}",
                accepted=view.counts.accepted,
                time=clock(view.waits_until_ms, named=True),
            ),
        )
    return table


def stream_words(stream: StreamView) -> str:
    """Whether it takes messages, and how long they and their keys count."""
    if stream.takes_messages:
        state = _("takes messages")
    elif stream.closed_ms is not None:
        state = _("closed {time} by {closed_by}", time=clock(stream.closed_ms), closed_by=stream.closed_by)
    else:
        state = _("takes no more messages")
    return _(
        "{state}; a message is sent within {duration} unless it says otherwise, and each key once in {duration2}",
        state=state,
        duration=duration(stream.expires_after_s),
        duration2=duration(stream.keys_kept_s),
    )


def _days(stream: StreamView) -> Table:
    seen = [share for share in SHARES if share.always or any(share.size(day.counts) for day in stream.days)]
    words = [share.word for share in seen]
    right = frozenset(range(1, len(words) + 5))
    table = columns("day", "messages", *words, "suppressed", "repeated", "expired (failed)", right=right)
    for day in stream.days:
        sizes = [share.size(day.counts) for share in seen]
        figures = (day.counts.rows, *sizes, day.counts.suppressed, day.counts.duplicate, day.expired)
        table.add_row(day.day, *(f"{figure:,}" for figure in figures))
    return table


def _retries(found: RetryTable, *, paused: bool) -> list[RenderableType]:
    """Which retries there were, and when the next one is due."""
    classes = _(" or ").join(map(word, found.classes))
    rule = _(
        "retries of {classes} failures: {times} at most, until {time}",
        classes=classes,
        times=found.times,
        time=clock(found.ends_ms, named=True),
    )
    after = (
        _("; the next one is due {time}", time=clock(found.next_ms, named=True)) if found.next_ms is not None else ""
    )
    after += _(", if the campaign is resumed by then") if after and paused else ""
    words = {state: _(text) if text else "" for state, text in RETRY_WORDS.items()} | (
        {"due": _("the campaign is paused")} if paused else {}
    )
    table = columns("retry", "state", "recipients", "due", "launched", "why", right=frozenset((2,)))
    for each in found.retries:
        launched = clock(each.launched_ms) if each.launched_ms is not None else ""
        recipients = f"{each.recipients:,}" if each.launched_ms is not None else ""
        why = {"nobody": _("nobody had failed like that"), "failed": each.says}.get(each.why, words[each.state])
        table.add_row(
            Text(each.campaign, style="bold"),
            _(RETRY_STATES[each.state]),
            recipients,
            clock(each.due_ms),
            launched,
            why,
        )
    return [Text(rule + after), table]


def _texts(view: CampaignView) -> list[str]:
    """Its text, or each of those that are compared, and which one the last wave gets."""
    if view.waves is None or not view.waves.texts:
        return [_cut(view.text)]
    decided = view.waves.text
    return [
        f"{label(index)}: {_cut(text)}" + (_("  (the last wave gets it)") if index == decided else "")
        for index, text in enumerate(view.waves.texts)
    ]


def _many(recipients: int) -> str:
    return counted(recipients, "recipient")


def _explained(failure: Failure) -> tuple[str, str]:
    """What a code means, and what to do about it."""
    in_chinese = "" if current_language() == ENGLISH else chinese_meaning(failure.vendor, failure.source, failure.code)
    return in_chinese or failure.meaning, _(failure.advice) if failure.advice else ""


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARS_SHOWN else f"{text[:TEXT_CHARS_SHOWN]}…"


def followed(follows: Follows) -> str:
    """Who of a campaign is texted again, in words."""
    classes = f" ({', '.join(map(word, follows.classes))})" if follows.classes else ""
    if follows.retry:
        return _("retry {retry} of those who failed{classes}", retry=follows.retry, classes=classes)
    words = {"failed": f"{word('failed')}{classes}", "cancelled": _("never sent")}
    return ", ".join(words.get(state, word(state)) for state in follows.states)


def _cost(view: ShownCampaign, cost: CampaignCost) -> str:
    """What it was planned to cost, and what it cost so far."""
    missing = _("; no price for {names}", names=listed(cost.unpriced)) if cost.unpriced else ""
    planned = _("{amount} planned{missing}", amount=yuan(cost.planned_micro_yuan), missing=missing)
    if cost.spent_micro_yuan is None or cost.open_micro_yuan is None:
        day = day_of(view.launched_ms)
        so_far = _("so far: dispatcher report spend --from {day} --by campaign", day=day)
        return f"{planned}; {so_far}" if view.stream is None else f"{so_far}{missing}"
    maybe = (
        _(", {amount} more are unknown or under way", amount=yuan(cost.open_micro_yuan)) if cost.open_micro_yuan else ""
    )
    if view.stream is not None:  # nothing is planned before its messages come
        return _("{amount} so far{maybe}{missing}", amount=yuan(cost.spent_micro_yuan), maybe=maybe, missing=missing)
    return _("{amount} so far{maybe}; {planned}", amount=yuan(cost.spent_micro_yuan), maybe=maybe, planned=planned)


def hours_words(view: ShownCampaign | DraftView) -> str:
    """When it may be sent, and what becomes of the rest."""
    of_class = _(" (class {name})", name=word(view.campaign_class)) if view.campaign_class is not None else ""
    if view.hours == str(ALWAYS):
        return _("always{of_class}", of_class=of_class)
    at_closing = _("the rest waits until you resume it") if view.at_closing == "pause" else _("the rest continues")
    return _(
        "{hours} Asia/Shanghai{of_class}; when they are over {at_closing}",
        hours=view.hours,
        of_class=of_class,
        at_closing=at_closing,
    )


def _left(view: ShownCampaign) -> str:
    """What remains to be sent, and until when."""
    waiting, expected = view.counts.queued + view.counts.in_flight, view.forecast
    if not waiting or view.cancelled:
        return ""
    if expected.left_at_closing:
        return _(
            "{waiting}; {left_at_closing:,} of them are left when its hours end ({time}), and wait until you resume it",
            waiting=_many(waiting),
            left_at_closing=expected.left_at_closing,
            time=clock(expected.closes_at_ms, named=True),
        )
    if expected.finish_at_ms is None:
        why = word("paused") if view.paused else _("nothing is sent until what is said below is mended")
        if view.status == "held" and view.held is not None:
            why = f"{held_words(view.held)}: {hold_words(view.held, view.id)}"
        return f"{_many(waiting)}; {why}"
    beside = _(", beside {beside:,} of other campaigns", beside=expected.beside) if expected.beside else ""
    finish = clock(expected.finish_at_ms, named=True)
    if expected.prompt_finish_at_ms is None:
        return _(
            "{waiting}, sent by {time} at the earliest{beside}", waiting=_many(waiting), time=finish, beside=beside
        )
    return _(
        "{waiting}, sent by {time} if each wave waits as long as it may, by {prompt} if reports come at once{beside}",
        waiting=_many(waiting),
        time=finish,
        prompt=clock(expected.prompt_finish_at_ms, named=True),
        beside=beside,
    )


def _accounts(view: CampaignView) -> Table:
    seen = [share for share in SHARES if share.always or share.size(view.counts)]
    table = columns("account", "recipients", *(share.word for share in seen), right=frozenset(range(1, len(seen) + 2)))
    for name, counts in sorted(view.accounts.items()):
        table.add_row(name, f"{counts.recipients:,}", *(f"{share.size(counts):,}" for share in seen))
    return table


def _failures(view: CampaignView) -> Table:
    prose = {"meaning", "what to do"}
    table = columns("failed", "code", "meaning", "what to do", "said by", right=frozenset({0}), prose=prose)
    by_size = sorted(view.failures, key=lambda failure: -failure.recipients)
    for failure in by_size[:FAILURES_SHOWN]:
        said = f"{failure.account}, {word(failure.source)}"
        if (failure.source, failure.code) == ("submit", EXPIRED):
            said = "dispatcher"
        table.add_row(f"{failure.recipients:,}", failure.code, *_explained(failure), said)
    rest = by_size[FAILURES_SHOWN:]
    if rest:
        table.add_row(
            f"{sum(failure.recipients for failure in rest):,}", "…", _("{n} other codes", n=len(rest)), "", ""
        )
    return table


def _reasons(name: str, reasons: Mapping[str, int]) -> Table:
    table = columns(name, "why", right=frozenset({0}), prose={"why"})
    for why, rows in sorted(reasons.items(), key=lambda item: -item[1]):
        table.add_row(f"{rows:,}", reason(why))
    return table


def _advice(view: CampaignView) -> Iterator[str]:
    """Advice for the person."""
    counts: Counts = view.counts
    if counts.unknown:
        since = _(" since {time}", time=clock(view.unknown_since_ms)) if view.unknown_since_ms else ""
        policy = (
            _("they are sent again when no earlier request for them can still go out (policy resend)")
            if view.unknown == "resend"
            else _("they are not sent again (policy hold), and reports may still settle them")
        )
        yield _(
            "\nNot finished: {who} unknown{since}. The vendor may or may not have texted them; {policy}. "
            "See: dispatcher unknown list --campaign {id}",
            who=unknown_recipients(counts),
            since=since,
            policy=policy,
            id=view.id,
        )
    retries_wait = isinstance(view, ShownCampaign) and view.retries is not None and view.retries.next_ms is not None
    if view.paused and not view.cancelled and (counts.queued + counts.in_flight + counts.unknown or retries_wait):
        yield _("\nPaused. To resume: dispatcher campaign resume {id}", id=view.id)
    if counts.invalid + counts.duplicate + counts.suppressed:
        yield _(
            "\nRows set aside, and why: dispatcher campaign export {id} --state invalid,duplicate,suppressed",
            id=view.id,
        )
