"""Figures, times, amounts and words as the templates write them, in the language of the request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from jinja2 import pass_context
from jinja2.runtime import Context

from dispatcher.core.money.amounts import MICRO_YUAN
from dispatcher.core.results.equation import PARTS
from dispatcher.i18n import _, current_language
from dispatcher.store.meanings import advice as advice_of
from dispatcher.store.meanings import chinese_meaning
from dispatcher.store.views import CampaignView, Failure
from dispatcher.wording import shown_zone
from dispatcher.words import CLASS_MEANS, STOP_MEANS, carrier, meaning, reason, state_meaning, stop_sentence, word
from producers.console.rendering.bars import BarPart, bar
from producers.console.wording.deeds import deed
from producers.console.wording.sentences import said
from schemas.records import Finding
from schemas.states import EXPIRED

NOTHING: Final = "–"
YEAR_S: Final = 365 * 86_400


def figure(count: float | None) -> str:
    """`12,345`; a dash for what is not known."""
    return NOTHING if count is None else f"{count:,.0f}"


def rate(per_s: float | None) -> str:
    """`12.5`, `1,200`: a rate per second; a dash for what is not known."""
    if per_s is None:
        return NOTHING
    return f"{per_s:,.1f}" if 0 < per_s < 10 else f"{per_s:,.0f}"


def minute(at_ms: int | None) -> str:
    """The time to the minute in the zone of the display."""
    return NOTHING if not at_ms else f"{datetime.fromtimestamp(at_ms / 1000, shown_zone()):%Y-%m-%d %H:%M}"


def second(at_ms: int | None) -> str:
    """The time to the second in the zone of the display."""
    return NOTHING if not at_ms else f"{datetime.fromtimestamp(at_ms / 1000, shown_zone()):%Y-%m-%d %H:%M:%S}"


def yuan(micro_yuan: int | None) -> str:
    """`12.50 CNY`; small prices with all their digits."""
    if micro_yuan is None:
        return NOTHING
    amount = micro_yuan / MICRO_YUAN
    digits = f"{amount:,.2f}" if abs(amount) >= 1 or not micro_yuan else f"{amount:.4f}"
    return _("{amount} CNY").format(amount=digits)


def duration(seconds: float | None) -> str:
    """`12 s`, `3 min 20 s`, `2 h 5 min`; a dash for what is not known."""
    if seconds is None:
        return NOTHING
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = (
        (days, _("{n} d")),
        (hours, _("{n} h")),
        (minutes, _("{n} min")),
        (rest, _("{n} s")),
    )
    said = [text.format(n=count) for count, text in units if count][:2]
    return " ".join(said) or _("{n} s").format(n=0)


def lasts(seconds: float | None) -> str:
    """How long a credit lasts, in its largest unit; nobody plans for more than a year."""
    return _("more than a year") if seconds is not None and seconds > YEAR_S else duration(seconds)


def percent(part: float, whole: float) -> str:
    """`12.5 %` of a whole; a dash of nothing. Never 100 % or 0 % unless it is exactly that."""
    if not whole:
        return NOTHING
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "< 0.1 %"
    if 99.9 < share < 100:
        return "> 99.9 %"
    return f"{share:.0f} %" if share in (0, 100) else f"{share:.1f} %"


def class_means(failure_class: str) -> str:
    """What a class of codes says about those who failed with one."""
    return _(CLASS_MEANS[failure_class])


def stop_word(why: str) -> str:
    """What keeps an account from sending."""
    return _(STOP_MEANS[why]) if why in STOP_MEANS else why


def audited(says: str) -> str:
    """What a line of the audit trail says, as far as it is a fixed sentence; others stay in their author's language."""
    return _(says) if says else ""


def advice(text: str) -> str:
    """What to do about a code."""
    return _(text) if text else ""


def code_meaning(failure: Failure) -> str:
    """The meaning of a failure's code."""
    chinese_words = chinese_meaning(failure.vendor, failure.source, failure.code) if current_language() == "zh" else ""
    return chinese_words or failure.meaning


def code_advice(failure: Failure) -> str:
    """What to do about a failure's code."""
    return advice(failure.advice or advice_of(failure.vendor, failure.source, failure.code))


def said_by(failure: Failure) -> str:
    """Who says that it failed; "dispatcher" is a name, so it is not translated."""
    return "dispatcher" if (failure.source, failure.code) == ("submit", EXPIRED) else word(failure.source)


def basename(path: str) -> str:
    """The names of files without their folders."""
    return ", ".join(each.rpartition("/")[2] for each in path.split(", "))


def part_terms(part: str) -> tuple[str, ...]:
    """The terms of the equation that a part of the bar is made of."""
    return PARTS[part]


def bar_of(view: CampaignView) -> list[BarPart]:
    """The bar of a campaign's four parts."""
    parts = view.counts.parts
    return bar([(name, getattr(parts, name)) for name in PARTS])


def interval(ppm: tuple[int, int]) -> str:
    """`1.2 to 3.4 %`: an interval in parts per million."""
    return _("{low} to {high} %").format(low=f"{ppm[0] / 10_000:.1f}", high=f"{ppm[1] / 10_000:.1f}")


def finding(found: Finding) -> str:
    """Evidence that a campaign goes worse than expected, with its figures."""
    words = {
        "failures": _("{events} of the first {trials} recipients failed ({share} %, expected {expected} %)"),
        "unknown": _("{events} of the first {trials} requests became unknown ({share} %, expected {expected} %)"),
        "opt-outs": _("{events} of the first {trials} recipients opted out ({share} %, expected {expected} %)"),
    }
    return words[found.statistic].format(
        events=f"{found.events:,}",
        trials=f"{found.trials:,}",
        share=f"{100 * found.events / max(1, found.trials):.3g}",
        expected=f"{found.learnt_ppm / 10_000:.2g}",
    )


def cell(value: object) -> str:
    """A figure of a report: whole ones without decimals, amounts with two."""
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _of_request(function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, which jinja must not evaluate when it compiles a template: its result depends on the language."""

    @pass_context
    def called(_context: Context, *arguments: Any) -> Any:
        return function(*arguments)

    return called


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    each.__name__: _of_request(each)
    for each in (
        *(
            figure,
            rate,
            minute,
            second,
            yuan,
            duration,
            percent,
            word,
            class_means,
            carrier,
            reason,
            meaning,
            advice,
            state_meaning,
        ),
        *(code_meaning, code_advice, said_by, basename, part_terms, bar_of, interval, finding, cell, said),
        *(stop_sentence, stop_word, deed, audited, lasts),
    )
}
"""The filters of the templates, by name."""
