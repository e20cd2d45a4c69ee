"""A plan and its result as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from dispatcher.content.judge import ContentFinding
from dispatcher.core.money.amounts import yuan
from dispatcher.core.money.prices import CarrierCost
from dispatcher.core.numbers import ADVICE
from dispatcher.core.waves.variants import label
from dispatcher.i18n import ENGLISH, _, current_language, heading
from dispatcher.terminal.language import cells
from dispatcher.wording import clock, counted, duration, listed
from dispatcher.words import SEVERITIES, carrier, carrier_words, column_words, reason, word
from producers.launch.planning.plan import AccountPlan, OneList, Plan, PlannedWaves

WHOLE_CHARS_MAX: Final = 300
HEAD_CHARS: Final = 200
TAIL_CHARS: Final = 60

_WIDTH = 12


def plan_lines(plan: Plan) -> Iterator[str]:
    """The plan, line by line."""
    yield _line(
        heading("campaign"), plan.campaign + (f"  {plan.name}" if plan.name != plan.campaign and plan.name else "")
    )
    for each in plan.lists or (plan,):
        yield from _list(each, f", {counted(each.rows, 'row')}" if plan.lists else "")
    yield _line(heading("rows"), f"{plan.rows:,}")
    yield _line(
        word("valid"),
        _(
            "{recipients} in {batches}",
            recipients=counted(plan.recipients, "recipient"),
            batches=counted(plan.batches, "batch", "batches"),
        ),
    )
    if plan.by_carrier:
        for index, (name, accounts) in enumerate(plan.by_carrier.items()):
            shares = ", ".join(
                _("{count:,} by {account}", count=count, account=account) for account, count in accounts.items()
            )
            yield _line("" if index else heading("carriers"), f"{carrier(name)}: {shares}")
    elif plan.carriers:
        yield _line(heading("carriers"), carrier_words(plan.carriers))
    yield _line(heading("duplicate"), f"{plan.duplicate:,}")
    yield _line(heading("invalid"), f"{plan.invalid:,}")
    for why, count in plan.invalid_reasons.items():
        advice = ADVICE.get(why)
        yield _line("", f"{count:,} {reason(why)}" + (f" ({_(advice)})" if advice else ""))
    yield _line(heading("suppressed"), f"{plan.suppressed:,}")
    for why, count in plan.suppressed_reasons.items():
        yield _line("", f"{count:,} {reason(why)}")
    yield _line(heading("text"), _length(plan))
    if plan.text:
        yield _line("", _shown(_cut(plan.text)))
    for index, sample in enumerate(plan.samples):
        yield _line("" if index else heading("preview"), _shown(sample))
    if plan.longest and plan.longest not in plan.samples:
        yield _line(heading("longest"), _shown(plan.longest))
    if plan.waves is not None:
        yield from _waves(plan.waves)
    yield _line(
        heading("messages"),
        _("{messages:,} in total, {count}", messages=plan.messages, count=counted(plan.requests, "request")),
    )
    if plan.closes_at_ms is not None:
        yield _line(
            heading("hours"),
            _(
                "{hours} Asia/Shanghai (class {campaign_class})",
                hours=plan.hours,
                campaign_class=word(plan.campaign_class),
            ),
        )
        yield _line(heading("start"), clock(plan.starts_at_ms, named=True))
    yield _line(heading("finish"), _finish(plan))
    if plan.left_at_closing:
        yield _line("", _at_closing(plan))
    for account in plan.accounts:
        yield _line(heading("account"), _account(account, plan))
    yield from _costs(plan)
    for finding in plan.content:
        yield from _content(finding, alone=len(plan.accounts) == 1)
    for index, (day, recipients) in enumerate(plan.deferred.items()):
        yield _line(
            "" if index else heading("deferred"),
            _("{count} to {day}, as a draft of their own", count=counted(recipients, "recipient"), day=day),
        )
    for note in plan.notes:
        yield _line(heading("note"), note)


def _waves(planned: PlannedWaves) -> Iterator[str]:
    for index, text in enumerate(planned.texts):
        yield _line("" if index else heading("compared"), f"{label(index)}: {_shown(_cut(text))}")
    for wave in planned.waves:
        shares = "".join(
            _(", {count:,} get {label}", count=count, label=label(index)) for index, count in enumerate(wave.texts)
        )
        if planned.texts and not wave.texts:
            shares = _(" with the text that is decided then")
        recipients = counted(wave.recipients, "recipient")
        yield _line("" if wave.wave > 1 else heading("waves"), f"{wave.wave}: {recipients}{shares}")
    yield _line("", _("each waits for 90 % of its reports, {duration} at most", duration=duration(planned.wait_s)))


def _list(origin: OneList | Plan, rows: str) -> Iterator[str]:
    where = ", ".join(part for part in (column_words(origin.column), origin.encoding) if part)
    yield _line(heading("list"), origin.source + (f": {where}" if where else "") + rows)
    if origin.first_numbers:
        header = (
            _("header on line {header_line:,}", header_line=origin.header_line)
            if origin.header_line
            else _("no header")
        )
        yield _line("", _("{header}, first numbers {names}", header=header, names=", ".join(origin.first_numbers)))
    if origin.other_columns:
        yield _line(
            "", _("not taken, though it looks like phone numbers: {names}", names=", ".join(origin.other_columns))
        )
    if origin.hidden_rows:
        what = _("left out") if origin.hidden_rows_skipped else _("in the list")
        yield _line("", _("{count} hidden in the sheet, {what}", count=counted(origin.hidden_rows, "row"), what=what))


def shortage(plan: Plan) -> str:
    """What is missing on the accounts, in one sentence, or ""."""
    short = [account for account in plan.accounts if account.enough is False]
    if not short:
        return ""
    missing = [
        _('"{account}" is short by {count}', account=account.account, count=counted(account.lacking, "message"))
        for account in short
    ]
    return _(
        "The balance is too low: {names}. Sending will stop there and wait for a top-up.", names=", ".join(missing)
    )


def refused_logins(plan: Plan) -> str:
    """Which accounts' logins the vendors refuse, in one sentence, or ""."""
    refused = [f'"{account.account}" ({account.balance_note})' for account in plan.accounts if account.login_refused]
    if not refused:
        return ""
    return _(
        "The vendor refuses the login of {names}. Nothing is sent there until that is mended.",
        names=_(" and ").join(refused),
    )


def _costs(plan: Plan) -> Iterator[str]:
    """What it costs, a line for each price; nothing if no account has prices."""
    if plan.cost_micro_yuan is None:
        return
    without = _(", without {names}: no price is configured", names=listed(plan.unpriced)) if plan.unpriced else ""
    yield _line(heading("cost"), f"{yuan(plan.cost_micro_yuan)}{without}")
    for account in plan.accounts:
        for same in _by_price(account.costs):
            carriers = ", ".join(carrier(cost.carrier) for cost in same)
            parts = sum(cost.parts for cost in same)
            whose = account.account if len(same) == len(account.costs) else f"{account.account}, {carriers}"
            yield _line(
                "",
                _(
                    "{whose}: {count} at {price} = {amount}",
                    whose=whose,
                    count=counted(parts, "part"),
                    price=yuan(same[0].price_micro_yuan),
                    amount=yuan(sum(cost.cost_micro_yuan for cost in same)),
                ),
            )
    if plan.budget_micro_yuan:
        yield _line(heading("budget"), _budget(plan.budget_micro_yuan, plan.cost_micro_yuan))


def _budget(budget: int, cost: int) -> str:
    if budget >= cost:
        return _("{amount}: enough", amount=yuan(budget))
    return _(
        "{amount} pays {share} % of it; the rest waits until the budget is raised",
        amount=yuan(budget),
        share=100 * budget // cost,
    )


def _by_price(costs: Sequence[CarrierCost]) -> Iterator[list[CarrierCost]]:
    """Carriers with the same price together, in the order of the first one."""
    for price in dict.fromkeys(cost.price_micro_yuan for cost in costs):
        yield [cost for cost in costs if cost.price_micro_yuan == price]


def _content(finding: ContentFinding, *, alone: bool) -> Iterator[str]:
    """A finding, what it may cost, and what to change."""
    where = "" if alone else _(" at {names}", names=listed(finding.accounts))
    in_english = current_language() == ENGLISH or not finding.chinese
    says, change = (finding.says, finding.change) if in_english else (finding.chinese, finding.change_chinese)
    yield _line(heading("content"), f"{_(SEVERITIES[finding.severity])} {finding.rule}{where}: {says}")
    if finding.recipients:
        carriers = carrier_words(finding.carriers)
        yield _line(
            "", _("may cost {count}: {carriers}", count=counted(finding.recipients, "recipient"), carriers=carriers)
        )
    if change:
        yield _line("", _("to change: {change}", change=change))


def _at_closing(plan: Plan) -> str:
    """What is not sent when its first session ends, and what becomes of it."""
    sent, left = f"{plan.recipients - plan.left_at_closing:,}", f"{plan.left_at_closing:,}"
    then = (
        _("wait until you resume it: dispatcher campaign resume {campaign}", campaign=plan.campaign)
        if plan.at_closing == "pause"
        else _("are sent from the next opening on")
    )
    return _(
        "{sent} of {recipients:,} by {time}, when its hours end; the other {left} {then}",
        sent=sent,
        recipients=plan.recipients,
        time=clock(plan.closes_at_ms),
        left=left,
        then=then,
    )


def _finish(plan: Plan) -> str:
    alone = _("{duration} of sending at the flow limit", duration=duration(plan.seconds))
    prompt = ""
    if plan.prompt_finish_at_ms is not None:
        prompt = _("{time} if reports come at once", time=clock(plan.prompt_finish_at_ms, named=True))
    if plan.finish_at_ms is None:
        beside = _(" beside {count} of other campaigns", count=counted(plan.beside, "recipient")) if plan.beside else ""
        waits = _(" if each wave waits as long as it may; {prompt}", prompt=prompt) if prompt else ""
        return _("NOT IN ITS HOURS{waits}: {alone}{beside}", waits=waits, alone=alone, beside=beside)
    if prompt:
        beside = (
            _(", beside {count} of other campaigns", count=counted(plan.beside, "recipient")) if plan.beside else ""
        )
        finish = clock(plan.finish_at_ms, named=True)
        return _(
            "{finish} if each wave waits as long as it may, {prompt}, {alone}{beside}",
            finish=finish,
            prompt=prompt,
            alone=alone,
            beside=beside,
        )
    if not plan.beside:
        return _("{time} at the earliest, {alone}", time=clock(plan.finish_at_ms, named=True), alone=alone)
    return _(
        "{time} at the earliest, beside {count} of other campaigns ({earlier} if alone, {alone})",
        time=clock(plan.finish_at_ms, named=True),
        count=counted(plan.beside, "recipient"),
        earlier=clock(plan.alone_finish_at_ms),
        alone=alone,
    )


def _length(plan: Plan) -> str:
    """For the text, or the longest one; grouped by accounts if they split it into different numbers of messages."""
    least = min(account.segments for account in plan.accounts)
    segments = (
        _("{least:,} to {segments:,} segments", least=least, segments=plan.segments)
        if least < plan.segments
        else counted(plan.segments, "segment")
    )
    chars = counted(plan.text_chars, "character")
    if plan.samples:
        chars = _("up to {count}", count=chars)
    return _("{chars}, {segments} per message", chars=chars, segments=segments)


def _account(account: AccountPlan, plan: Plan) -> str:
    alike = {each.segments for each in plan.accounts} == {plan.segments}
    segments = "" if alike else _(", {count} per message", count=counted(account.segments, "segment"))
    pace = (
        f"{account.per_s:,.0f}/s" if account.paced else _("no flow limit ({per_s:,.0f}/s assumed)", per_s=account.per_s)
    )
    if account.balance is None:
        unknown = _("LOGIN REFUSED") if account.login_refused else _("balance unknown")
        balance = f"{unknown} ({account.balance_note})" if account.balance_note else _("balance not asked")
    else:
        note = f"; {account.balance_note}" if account.balance_note else ""
        balance = _("balance {balance:,.0f}, {needs}{note}", balance=account.balance, needs=_needs(account), note=note)
    recipients = f"{counted(account.recipients, 'recipient')}{segments}"
    return f"{account.account} ({account.vendor}): {recipients}, {pace}, {balance}"


def _needs(account: AccountPlan) -> str:
    queued = _(", {queued:,} already queued", queued=account.queued) if account.queued else ""
    verdict = _("enough") if account.enough else _("SHORT BY {lacking:,}", lacking=account.lacking)
    enough = (
        ""
        if account.enough is None
        else _("needs {needs:,}{queued}: {verdict}", needs=account.needs, queued=queued, verdict=verdict)
    )
    if not account.apart:
        return enough
    if not enough:
        return _(
            "pays none of it: {apart:,} of another credit, which is not compared (dispatcher account balance)",
            apart=account.apart,
        )
    return _(
        "{enough}; {apart:,} more of another credit, which is not compared (dispatcher account balance)",
        enough=enough,
        apart=account.apart,
    )


def _cut(text: str) -> str:
    """A short text in full, of a long one its beginning and its end."""
    if len(text) <= WHOLE_CHARS_MAX:
        return text
    head, tail = text[:HEAD_CHARS], text[-TAIL_CHARS:]
    return _("{head} … ({n:,} characters more) … {tail}", head=head, n=len(text) - HEAD_CHARS - TAIL_CHARS, tail=tail)


def _shown(text: str) -> str:
    """A text in one line, as it will arrive."""
    return "".join(character if character.isprintable() else "␤" if character == "\n" else "·" for character in text)


def _line(label: str, value: str) -> str:
    return f"{label}{' ' * (_WIDTH - cells(label))}{value}"
