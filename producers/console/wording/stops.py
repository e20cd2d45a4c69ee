"""Why an account does not send, in the language of the page: lanes word it in English, so Chinese is made anew."""

from __future__ import annotations

from typing import Any, Final

from dispatcher.i18n import ENGLISH, N_, _, current_language
from dispatcher.service.campaigns.hindrances import AccountStop
from dispatcher.wording import clock

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
