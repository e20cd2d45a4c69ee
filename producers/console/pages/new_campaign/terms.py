"""What a person answered about a new campaign, as the terms of a launch, and back. Pure.

Only what differs from the defaults is a term. Every mistake belongs to a field, so that the page says it beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec

from dispatcher.core.launches.retries import CLASSES as RETRY_CLASSES
from dispatcher.core.launches.retries import RetryBroken, retry_of
from dispatcher.i18n import _
from dispatcher.sentences import WordedError
from producers.console.pages.orders import typed_count
from producers.console.visit import Fields
from schemas.records import AtClosing, CampaignClass, UnknownPolicy

CLASSES: Final[tuple[str, ...]] = get_args(CampaignClass)
POLICIES: Final[tuple[str, ...]] = get_args(UnknownPolicy)
CLOSINGS: Final[tuple[str, ...]] = get_args(AtClosing)
TEXTS_MAX: Final = 4
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

FIELDS: Final = {
    **{f"--{name}": name for name in ("between", "budget", "days", "defer", "id", "retry", "route", "text")},
    "--waves": "waves",
    "--wave-wait": "waves",
    "--weight": "weight",
    "start": "start",
}
"""The field of an option that a mistake is about."""


def text_terms(terms: Mapping[str, Any], form: Fields) -> dict[str, Any]:
    """The terms with the texts of the form."""
    texts = [each.replace("\r\n", "\n").strip() for each in form.every("text")]
    texts = [each for at, each in enumerate(texts) if each or at == 0][:TEXTS_MAX]
    found = dict(terms) | {"text": texts[0] if texts else "", "more_texts": texts[1:]}
    return {name: value for name, value in found.items() if value or name == "text"}


def when_terms(terms: Mapping[str, Any], form: Fields) -> tuple[dict[str, Any], dict[str, str]]:
    """The terms with the answers of the form, and its mistakes by field."""
    mistakes: dict[str, str] = {}
    route = [name for name in form.every("route") if name]
    if not route:
        mistakes["route"] = _("Choose at least one account, or a route.")
    weight = typed_count(form.get("weight", "1") or "1")
    if not weight:
        mistakes["weight"] = _("The weight must be a whole number, as 1 or 20.")
    between = ""
    if form.get("from") or form.get("to"):
        between = f"{form.get('from') or '00:00'}-{form.get('to') or '24:00'}"
    days = [day for day in form.every("day") if day in DAYS]
    answers: dict[str, Any] = {
        "name": form.get("name", "").strip(),
        "route": route,
        "class": _one_of(form.get("class", ""), CLASSES),
        "between": between,
        "days": "" if len(days) in (0, len(DAYS)) else ",".join(days),
        "at_closing": _one_of(form.get("at_closing", ""), CLOSINGS),
        "budget": form.get("budget", "").strip(),
        "waves": form.get("waves", "").strip(),
        "wave_wait": form.get("wave_wait", "").strip()
        if form.get("waves", "").strip() or terms.get("more_texts")
        else "",
        "weight": weight,
        "urgent": "urgent" in form,
        "unknown": _one_of(form.get("unknown", ""), POLICIES),
        "retry": _retry_of_form(form),
        "defer": "defer" in form,
    }
    defaults = {"class": "marketing", "at_closing": "pause", "weight": 1, "unknown": "hold"}
    found = dict(terms)
    for name, value in answers.items():
        if not value or value == defaults.get(name):
            found.pop(name, None)
        else:
            found[name] = value
    return found, mistakes


class RetryAnswers(msgspec.Struct, frozen=True):
    """The rule for retries as the form has it: the classes of code, how often at most, and within which time."""

    classes: tuple[str, ...] = ()
    times: str = "2"
    within: str = "6 h"


def retry_answers(terms: Mapping[str, Any]) -> RetryAnswers:
    """The answers that made this rule; one that cannot be read stays as it was typed."""
    written = str(terms.get("retry", ""))
    if not written:
        return RetryAnswers()
    try:
        rule = retry_of(written)
    except RetryBroken:
        classes, _sign, rest = written.partition(":")
        times, _word, within = rest.partition("within")
        known = tuple(each.strip() for each in classes.split(",") if each.strip() in RETRY_CLASSES)
        return RetryAnswers(classes=known, times=times.strip(), within=within.strip())
    minutes = rule.within_ms // 60_000
    within = next(
        f"{minutes // size} {unit}" for size, unit in ((1440, "d"), (60, "h"), (1, "min")) if not minutes % size
    )
    return RetryAnswers(classes=rule.classes, times=str(rule.times), within=within)


def _retry_of_form(form: Fields) -> str:
    """The rule for retries, "" if nobody is texted again by itself."""
    classes = [each for each in form.every("retry_class") if each in RETRY_CLASSES]
    if not classes:
        return ""
    times = "".join(form.get("retry_times", "").split()) or "2"
    return f"{', '.join(classes)}: {times} within {form.get('retry_within', '').strip() or '6 h'}"


def field_of(error: WordedError) -> str:
    """The field that a mistake is about, "" for the whole page."""
    return FIELDS.get(error.about, "")


def days_of(terms: Mapping[str, Any]) -> list[str]:
    """The days that are ticked."""
    written = str(terms.get("days", ""))
    return [day for day in DAYS if not written or day in written]


def hours_of(terms: Mapping[str, Any]) -> tuple[str, str]:
    """(from, to) as the form has them."""
    begin, _sign, end = str(terms.get("between", "")).partition("-")
    return begin.strip(), end.strip()


def _one_of(value: str, known: tuple[str, ...]) -> str:
    return value if value in known else ""
