"""The engine's words as people read them: what each is called, and what a hold or a policy means.

Keys are the words of the engine (statuses, terms, classes, events); values are for `_`. The functions give a word, or
what code tables say, in the language of the task.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from dispatcher.core.carriers import CARRIER_WORDS
from dispatcher.core.results.equation import TERMS, Counts
from dispatcher.core.schedule.holds import HOLDS, Hold
from dispatcher.i18n import ENGLISH, N_, _, current_language
from dispatcher.wording import clock

if TYPE_CHECKING:
    from dispatcher.service.campaigns.hindrances import AccountStop
    from dispatcher.store.views import Source

WORDS: Final = {
    # statuses of campaigns and drafts
    "running": N_("running"),
    "held": N_("held"),
    "open": N_("open"),
    "paused": N_("paused"),
    "waiting": N_("waiting"),
    "holding": N_("holding"),
    "cancelled": N_("cancelled"),
    "finished": N_("finished"),
    "draft": N_("draft"),
    "scheduled": N_("scheduled"),
    "awaits approval": N_("awaits approval"),
    "not started": N_("not started"),
    # terms of the equation, and the parts of the bar
    "rows": N_("rows"),
    "invalid": N_("invalid"),
    "duplicate": N_("duplicate"),
    "suppressed": N_("suppressed"),
    "queued": N_("queued"),
    "in_flight": N_("in flight"),
    "accepted": N_("accepted"),
    "delivered": N_("delivered"),
    "failed": N_("failed"),
    "no_report": N_("no report"),
    "unknown": N_("unknown"),
    "not_sent": N_("not sent"),
    # classes, policies, choices
    "marketing": N_("marketing"),
    "notice": N_("notice"),
    "code": N_("code"),
    "hold": N_("never text twice"),
    "resend": N_("send again"),
    "pause": N_("the rest waits until it is resumed"),
    "continue": N_("the rest is sent from the next opening on"),
    # events of a timeline
    "drafted": N_("drafted"),
    "not scheduled": N_("taken off the schedule"),
    "approved": N_("approved"),
    "start failed": N_("start failed"),
    "launched": N_("launched"),
    "resumed": N_("resumed"),
    "weight": N_("weight changed"),
    "hours": N_("hours changed"),
    "budget": N_("budget changed"),
    "wave released": N_("wave released"),
    "wave halted": N_("wave halted"),
    "text decided": N_("text decided"),
    "closed": N_("closed"),
    "followed up": N_("followed up"),
    "tested": N_("tested"),
    "unknown decided": N_("unknown requests decided"),
    # waves
    "under way": N_("under way"),
    "released": N_("released"),
    "not released": N_("not released"),
    "halted": N_("halted"),
    # where a code comes from, and where a number on the suppression list comes from
    "report": N_("report"),
    "submit": N_("answer to the submit"),
    "a request": N_("a request"),
    "a message": N_("a message"),
    "opt-out": N_("opt-out"),
    "person": N_("person"),
    "import": N_("import"),
    # classes of codes
    "temporary": N_("temporary"),
    "number": N_("number"),
    "blacklist": N_("blacklist"),
    "content": N_("content"),
    "frequency": N_("frequency"),
    "channel": N_("channel"),
    "auth": N_("not permitted"),
    "other": N_("other"),
    "throttled": N_("throttled"),
    "retry-later": N_("tried again later"),
    "rejected-permanent": N_("refused for good"),
    "balance": N_("no credit"),
    "valid": N_("valid"),
    "done": N_("done"),
    "not-done": N_("not done"),
    # dimensions of reports
    "day": N_("day"),
    "account": N_("account"),
    "carrier": N_("carrier"),
    "campaign": N_("campaign"),
    # days
    "Mon": N_("Mon"),
    "Tue": N_("Tue"),
    "Wed": N_("Wed"),
    "Thu": N_("Thu"),
    "Fri": N_("Fri"),
    "Sat": N_("Sat"),
    "Sun": N_("Sun"),
    # retries
    "retry waits": N_("waits for its time"),
    "retry due": N_("due"),
    "retry launched": N_("launched"),
    "retry skipped": N_("left out"),
    "retry missed": N_("missed: nothing ran at its time"),
    "retry ended": N_("ended"),
    "retry nobody": N_("nobody was left to text"),
    "retry failed": N_("it could not be launched"),
    # resolutions and flags
    "sent": N_("sent"),
    "not-sent": N_("not sent"),
    "review": N_("may ask for no more texts"),
    "incomplete": N_("incomplete"),
}

SEVERITIES: Final = {"error": N_("ERROR"), "warning": N_("WARNING"), "note": N_("NOTE")}
"""How much a finding about a text matters."""

UNITS: Final = {"messages": N_("messages"), "requests": N_("requests"), "parts": N_("parts")}
"""What a vendor's limit counts."""

POLICIES: Final = {"hold": N_("hold"), "resend": N_("resend")}
"""What becomes of who is unknown, as the option of a launch calls it."""

RETRY_STATES: Final = {
    "waits": N_("waits"),
    "due": N_("due"),
    "launched": N_("is launched"),
    "skipped": N_("left out"),
    "missed": N_("missed"),
    "ended": N_("ended"),
}

STATUS_MEANS: Final = {
    "running": N_("Recipients are queued or under way."),
    "held": N_("Recipients are queued, and wait for sending hours, for reports or for a person."),
    "paused": N_("A person paused it. Nothing is sent until it is resumed."),
    "waiting": N_("Everything was sent; reports are still due."),
    "holding": N_("Not finished: only unknown recipients are left."),
    "cancelled": N_("A person cancelled it; reports of what was sent still count."),
    "finished": N_("Every recipient has its final state."),
    "open": N_("It is a stream that takes messages."),
}

HOLD_MEANS: Final = {
    "hours": N_("It is outside its sending hours."),
    "halted": N_("It was halted in a wave. What is left waits until you release it."),
    "budget": N_("Its budget is spent. Raise it to go on."),
    "closing": N_("Its sending hours ended. What is left waits until you resume it."),
    "wave": N_("It is between waves. The next one waits for the reports of the one before."),
    "text": N_("The last wave waits until you decide its text."),
    "over": N_("Its time is over. What is left is not sent any more."),
}

TERM_MEANS: Final = {
    "invalid": N_("Rows without a number that can be texted."),
    "duplicate": N_("Rows that repeat the number of an earlier row."),
    "suppressed": N_("Numbers that must not be texted."),
    "queued": N_("They wait to be sent."),
    "in_flight": N_("A request with them is under way to the vendor."),
    "accepted": N_("The vendor took them; their reports are due."),
    "delivered": N_("A report says that they got it."),
    "failed": N_("The vendor refused them, or a report says that they did not get it."),
    "no_report": N_("The vendor took them, and no report came in time. Late ones still count."),
    "unknown": N_("The vendor may or may not have taken them. They are never sent again silently."),
    "cancelled": N_("The campaign was cancelled before they were sent."),
}

CLASS_MEANS: Final = {
    "temporary": N_("The phone is off or without signal, or the carrier is busy: later it may arrive."),
    "number": N_("The number does not exist, is not in service or is barred: it never arrives."),
    "blacklist": N_("The vendor or the carrier has the number on a list of those who want no texts."),
    "content": N_("The text, its signature or a word in it is not allowed: another text may arrive."),
    "frequency": N_("The number got too many texts lately: another day it may arrive."),
    "channel": N_("The vendor’s route to this carrier does not work or does not serve it."),
    "auth": N_("The account may not send this: its login, address, credit or contract."),
    "other": N_("The code says nothing about why, or the vendor’s document does not have it."),
}


STOP_MEANS: Final = {
    "login": N_("the vendor refuses the login"),
    "address": N_("another server than the vendor's answers at its url"),
    "credit": N_("its credit covers no further message"),
    "other-credit": N_("it has no credit of another kind for some recipients"),
    "hours": N_("it is outside its sending hours"),
    "vendor-hours": N_("the vendor is closed at this hour"),
    "unreachable": N_("the vendor cannot be reached"),
    "no-answer": N_("the vendor gives no answer that can be used"),
    "busy": N_("the vendor is busy"),
    "too-fast": N_("the vendor says that it is too fast"),
    "batch": N_("some numbers cannot be read from the log"),
    "suppression": N_("the suppression list cannot be read from the log"),
    "unwritten": N_("the log cannot be written"),
    "other": N_("a newer release says why"),
}
"""What keeps an account from sending, by schemas.records.Why."""


def word(text: str) -> str:
    """A word of the engine: a status, a term of the equation, a class, an event. Another text stays as it is."""
    return _(WORDS[text]) if text in WORDS else text


def hold_words(hold: Hold, campaign: str) -> str:
    """Why this campaign is held, and what to type about it."""
    return "; ".join(_(HOLDS[why], campaign=campaign) for why in (hold.why, *hold.also))


def hold_sentences(hold: Hold) -> str:
    """Why a campaign is held, in whole sentences without commands."""
    return " ".join(_(HOLD_MEANS[why]) for why in (hold.why, *hold.also))


def equation_line(counts: Counts) -> str:
    """The equation in one line, `12 rows = 2 invalid + 10 delivered`; terms of 0 are left out."""
    terms = [f"{many:,} {word(name)}" for name in TERMS if (many := getattr(counts, name))]
    sign = "=" if counts.adds_up else "≠"
    return f"{counts.rows:,} {word('rows')} {sign} {' + '.join(terms) or '0'}"


def carrier(name: str) -> str:
    """The name of a carrier, by its word."""
    known = CARRIER_WORDS.get(name)
    if known is None:
        return name
    return known.title if current_language() == ENGLISH else known.chinese


def carrier_words(counts: Mapping[str, int]) -> str:
    """How many numbers each carrier has, in one line."""
    return ", ".join(f"{many:,} {carrier(name)}" for name, many in counts.items())


def code_meaning(vendor: str, source: Source, code: str) -> str:
    """What a vendor's code means; in English if its table has no Chinese."""
    from dispatcher.store.meanings import chinese_meaning, meaning  # here: light commands explain no code

    in_chinese = "" if current_language() == ENGLISH else chinese_meaning(vendor, source, code)
    return in_chinese or meaning(vendor, source, code)


def column_words(column: str) -> str:
    """A column of a list, `column 2` or `"phone" (column 2)`, in the language of the task."""
    return re.sub(r"\bcolumn (\d+)(?=\)?$)", lambda found: _("column {number}", number=found[1]), column)


def reason(text: str) -> str:
    """Why a row was set aside."""
    if current_language() == ENGLISH or not text:
        return text
    from dispatcher.store.export import chinese  # here: light commands have no export

    return chinese.reason(text)


def state_meaning(found: Any) -> str:
    """What the code of a number's state in a campaign means, of anything with the fields of `NumberInCampaign`."""
    if current_language() == ENGLISH or not found.code:
        return str(found.meaning)
    return code_meaning(found.vendor, "report" if found.reported_ms is not None else "submit", found.code)


def meaning(row: Any) -> str:
    """The meaning of a code, of anything with `meaning` and `chinese`."""
    words: str = row.chinese if current_language() != ENGLISH and row.chinese else row.meaning
    return words


def stop_sentence(stop: AccountStop) -> str:
    """Why an account does not send, since when and until when."""
    if current_language() == ENGLISH:
        return stop.sentence
    form = (
        _("Account {account} does not send since {time}")
        if stop.keeps_all
        else _("Account {account} cannot send to all since {time}")
    )
    says = form.format(account=stop.account, time=clock(stop.since_ms))
    if stop.until_ms:
        says += _(", until {time}").format(time=clock(stop.until_ms))
    return _("{sentence}: {reasons}.").format(sentence=says, reasons="; ".join(map(_reason, stop.stops)))


def _reason(stop: dict[str, Any]) -> str:
    words, code = _(STOP_MEANS[str(stop["why"])]), stop["code"]
    return _("{reason} (code {code})").format(reason=words, code=code) if code else words
