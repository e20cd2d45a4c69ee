"""A plan and its result as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from dispatcher.content.judge import ContentFinding
from dispatcher.core.carriers import CARRIER_WORDS, carrier_counts
from dispatcher.core.money.amounts import yuan
from dispatcher.core.money.prices import CarrierCost
from dispatcher.core.numbers import ADVICE
from dispatcher.core.waves.variants import label
from dispatcher.wording import clock, counted, duration, listed
from producers.launch.planning.plan import AccountPlan, OneList, Plan, PlannedWaves

WHOLE_CHARS_MAX: Final = 300
HEAD_CHARS: Final = 200
TAIL_CHARS: Final = 60

_WIDTH = 12


def plan_lines(plan: Plan) -> Iterator[str]:
    """The plan, line by line."""
    yield _line("campaign", plan.campaign + (f"  {plan.name}" if plan.name != plan.campaign and plan.name else ""))
    for each in plan.lists or (plan,):
        yield from _list(each, f", {counted(each.rows, 'row')}" if plan.lists else "")
    yield _line("rows", f"{plan.rows:,}")
    yield _line("valid", f"{counted(plan.recipients, 'recipient')} in {counted(plan.batches, 'batch', 'batches')}")
    if plan.by_carrier:
        for index, (word, accounts) in enumerate(plan.by_carrier.items()):
            shares = ", ".join(f"{count:,} by {account}" for account, count in accounts.items())
            yield _line("" if index else "carriers", f"{CARRIER_WORDS[word].title}: {shares}")
    elif plan.carriers:
        yield _line("carriers", carrier_counts(plan.carriers))
    yield _line("duplicate", f"{plan.duplicate:,}")
    yield _line("invalid", f"{plan.invalid:,}")
    for reason, count in plan.invalid_reasons.items():
        advice = ADVICE.get(reason)
        yield _line("", f"{count:,} {reason}" + (f" ({advice})" if advice else ""))
    yield _line("suppressed", f"{plan.suppressed:,}")
    for reason, count in plan.suppressed_reasons.items():
        yield _line("", f"{count:,} {reason}")
    yield _line("text", _length(plan))
    if plan.text:
        yield _line("", _shown(_cut(plan.text)))
    for index, sample in enumerate(plan.samples):
        yield _line("" if index else "preview", _shown(sample))
    if plan.longest and plan.longest not in plan.samples:
        yield _line("longest", _shown(plan.longest))
    if plan.waves is not None:
        yield from _waves(plan.waves)
    yield _line("messages", f"{plan.messages:,} in total, {counted(plan.requests, 'request')}")
    if plan.closes_at_ms is not None:
        yield _line("hours", f"{plan.hours} Asia/Shanghai (class {plan.campaign_class})")
        yield _line("start", clock(plan.starts_at_ms, named=True))
    yield _line("finish", _finish(plan))
    if plan.left_at_closing:
        yield _line("", _at_closing(plan))
    for account in plan.accounts:
        yield _line("account", _account(account, plan))
    yield from _costs(plan)
    for finding in plan.content:
        yield from _content(finding, alone=len(plan.accounts) == 1)
    for index, (day, recipients) in enumerate(plan.deferred.items()):
        yield _line(
            "" if index else "deferred", f"{counted(recipients, 'recipient')} to {day}, as a draft of their own"
        )
    for note in plan.notes:
        yield _line("note", note)


def _waves(planned: PlannedWaves) -> Iterator[str]:
    for index, text in enumerate(planned.texts):
        yield _line("" if index else "compared", f"{label(index)}: {_shown(_cut(text))}")
    for wave in planned.waves:
        shares = "".join(f", {count:,} get {label(index)}" for index, count in enumerate(wave.texts))
        if planned.texts and not wave.texts:
            shares = " with the text that is decided then"
        recipients = counted(wave.recipients, "recipient")
        yield _line("" if wave.wave > 1 else "waves", f"{wave.wave}: {recipients}{shares}")
    yield _line("", f"each waits for 90 % of its reports, {duration(planned.wait_s)} at most")


def _list(origin: OneList | Plan, rows: str) -> Iterator[str]:
    where = ", ".join(part for part in (origin.column, origin.encoding) if part)
    yield _line("list", origin.source + (f": {where}" if where else "") + rows)
    if origin.first_numbers:
        header = f"header on line {origin.header_line:,}" if origin.header_line else "no header"
        yield _line("", f"{header}, first numbers {', '.join(origin.first_numbers)}")
    if origin.other_columns:
        yield _line("", f"not taken, though it looks like phone numbers: {', '.join(origin.other_columns)}")
    if origin.hidden_rows:
        what = "left out" if origin.hidden_rows_skipped else "in the list"
        yield _line("", f"{counted(origin.hidden_rows, 'row')} hidden in the sheet, {what}")


def shortage(plan: Plan) -> str:
    """What is missing on the accounts, in one sentence, or ""."""
    short = [account for account in plan.accounts if account.enough is False]
    if not short:
        return ""
    missing = [f'"{account.account}" is short by {counted(account.lacking, "message")}' for account in short]
    return f"The balance is too low: {', '.join(missing)}. Sending will stop there and wait for a top-up."


def refused_logins(plan: Plan) -> str:
    """Which accounts' logins the vendors refuse, in one sentence, or ""."""
    refused = [f'"{account.account}" ({account.balance_note})' for account in plan.accounts if account.login_refused]
    if not refused:
        return ""
    return f"The vendor refuses the login of {' and '.join(refused)}. Nothing is sent there until that is mended."


def _costs(plan: Plan) -> Iterator[str]:
    """What it costs, a line for each price; nothing if no account has prices."""
    if plan.cost_micro_yuan is None:
        return
    without = f", without {listed(plan.unpriced)}: no price is configured" if plan.unpriced else ""
    yield _line("cost", f"{yuan(plan.cost_micro_yuan)}{without}")
    for account in plan.accounts:
        for same in _by_price(account.costs):
            carriers = ", ".join(CARRIER_WORDS[cost.carrier].title for cost in same)
            parts = sum(cost.parts for cost in same)
            whose = account.account if len(same) == len(account.costs) else f"{account.account}, {carriers}"
            yield _line(
                "",
                f"{whose}: {counted(parts, 'part')} at {yuan(same[0].price_micro_yuan)} = "
                f"{yuan(sum(cost.cost_micro_yuan for cost in same))}",
            )
    if plan.budget_micro_yuan:
        yield _line("budget", _budget(plan.budget_micro_yuan, plan.cost_micro_yuan))


def _budget(budget: int, cost: int) -> str:
    if budget >= cost:
        return f"{yuan(budget)}: enough"
    return f"{yuan(budget)} pays {100 * budget // cost} % of it; the rest waits until the budget is raised"


def _by_price(costs: Sequence[CarrierCost]) -> Iterator[list[CarrierCost]]:
    """Carriers with the same price together, in the order of the first one."""
    for price in dict.fromkeys(cost.price_micro_yuan for cost in costs):
        yield [cost for cost in costs if cost.price_micro_yuan == price]


def _content(finding: ContentFinding, *, alone: bool) -> Iterator[str]:
    """A finding, what it may cost, and what to change."""
    where = "" if alone else f" at {listed(finding.accounts)}"
    yield _line("content", f"{finding.severity.upper()} {finding.rule}{where}: {finding.says}")
    if finding.recipients:
        carriers = carrier_counts(finding.carriers)
        yield _line("", f"may cost {counted(finding.recipients, 'recipient')}: {carriers}")
    if finding.change:
        yield _line("", f"to change: {finding.change}")


def _at_closing(plan: Plan) -> str:
    """What is not sent when its first session ends, and what becomes of it."""
    sent, left = f"{plan.recipients - plan.left_at_closing:,}", f"{plan.left_at_closing:,}"
    then = (
        f"wait until you resume it: dispatcher campaign resume {plan.campaign}"
        if plan.at_closing == "pause"
        else "are sent from the next opening on"
    )
    return f"{sent} of {plan.recipients:,} by {clock(plan.closes_at_ms)}, when its hours end; the other {left} {then}"


def _finish(plan: Plan) -> str:
    alone = f"{duration(plan.seconds)} of sending at the flow limit"
    prompt = ""
    if plan.prompt_finish_at_ms is not None:
        prompt = f"{clock(plan.prompt_finish_at_ms, named=True)} if reports come at once, "
    if plan.finish_at_ms is None:
        beside = f" beside {counted(plan.beside, 'recipient')} of other campaigns" if plan.beside else ""
        waits = f" if each wave waits as long as it may; {prompt.removesuffix(', ')}" if prompt else ""
        return f"NOT IN ITS HOURS{waits}: {alone}{beside}"
    if prompt:
        beside = f", beside {counted(plan.beside, 'recipient')} of other campaigns" if plan.beside else ""
        finish = clock(plan.finish_at_ms, named=True)
        return f"{finish} if each wave waits as long as it may, {prompt}{alone}{beside}"
    if not plan.beside:
        return f"{clock(plan.finish_at_ms, named=True)} at the earliest, {alone}"
    return (
        f"{clock(plan.finish_at_ms, named=True)} at the earliest, beside {counted(plan.beside, 'recipient')} of other "
        f"campaigns ({clock(plan.alone_finish_at_ms)} if alone, {alone})"
    )


def _length(plan: Plan) -> str:
    """For the text, or the longest one; grouped by accounts if they split it into different numbers of messages."""
    at_most = "up to " if plan.samples else ""
    least = min(account.segments for account in plan.accounts)
    segments = (
        f"{least:,} to {plan.segments:,} segments" if least < plan.segments else counted(plan.segments, "segment")
    )
    return f"{at_most}{counted(plan.text_chars, 'character')}, {segments} per message"


def _account(account: AccountPlan, plan: Plan) -> str:
    alike = {each.segments for each in plan.accounts} == {plan.segments}
    segments = "" if alike else f", {counted(account.segments, 'segment')} per message"
    pace = f"{account.per_s:,.0f}/s" if account.paced else f"no flow limit ({account.per_s:,.0f}/s assumed)"
    if account.balance is None:
        unknown = "LOGIN REFUSED" if account.login_refused else "balance unknown"
        balance = f"{unknown} ({account.balance_note})" if account.balance_note else "balance not asked"
    else:
        note = f"; {account.balance_note}" if account.balance_note else ""
        balance = f"balance {account.balance:,.0f}, {_needs(account)}{note}"
    recipients = f"{counted(account.recipients, 'recipient')}{segments}"
    return f"{account.account} ({account.vendor}): {recipients}, {pace}, {balance}"


def _needs(account: AccountPlan) -> str:
    queued = f", {account.queued:,} already queued" if account.queued else ""
    verdict = "enough" if account.enough else f"SHORT BY {account.lacking:,}"
    enough = "" if account.enough is None else f"needs {account.needs:,}{queued}: {verdict}"
    apart = f"{account.apart:,} more of another credit, which is not compared (dispatcher account balance)"
    if not account.apart:
        return enough
    return f"{enough}; {apart}" if enough else f"pays none of it: {apart.replace(' more', '')}"


def _cut(text: str) -> str:
    """A short text in full, of a long one its beginning and its end."""
    if len(text) <= WHOLE_CHARS_MAX:
        return text
    head, tail = text[:HEAD_CHARS], text[-TAIL_CHARS:]
    return f"{head} … ({len(text) - HEAD_CHARS - TAIL_CHARS:,} characters more) … {tail}"


def _shown(text: str) -> str:
    """A text in one line, as it will arrive."""
    return "".join(character if character.isprintable() else "␤" if character == "\n" else "·" for character in text)


def _line(label: str, value: str) -> str:
    return f"{label:<{_WIDTH}}{value}"
