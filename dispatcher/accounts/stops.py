"""What keeps accounts from sending, as their lanes last wrote to the log: for people who ask why nothing moves.

A dead lane writes nothing more; `account list` shows whether a lane runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dispatcher.core.lane.notices import whole
from dispatcher.wording import clock, counted
from schemas.records import Stop, Stopped, Why

if TYPE_CHECKING:
    from dispatcher.vendors.seam.outcomes import Codes

_SAYS: Final = {
    Why.LOGIN: "{code}",
    Why.ADDRESS: "{code} {row} times in a row instead of the vendor's answer: check `url`",
    Why.CREDIT: "{code}",
    Why.OTHER_CREDIT: "no credit of another kind than the account's own for {count}: {code}",
    Why.HOURS: "it is outside its send_hours",
    Why.VENDOR_HOURS: "{code}",
    Why.UNREACHABLE: "the vendor could not be reached {row} times in a row",
    Why.NO_ANSWER: "the vendor gave no answer that can be used {row} times in a row, the last one: {code}",
    Why.BUSY: "{code} {row} times in a row",
    Why.TOO_FAST: "{code}",
    Why.BATCH: "the numbers of {count} cannot be read from the log",
    Why.SUPPRESSION: "the suppression list cannot be read from the log, and nobody is texted who may be on it",
    Why.UNWRITTEN: "{code}",
    Why.OTHER: "a newer release of the dispatcher says why",
}
_BUSY_FOR_SOME: Final = "{count} refused for now, to be tried again: {code}"
_NO_CREDIT_LEFT: Final = "the balance covers no further message"

_CHECK: Final = "dispatcher account check {account}"
_THEN: Final = {
    Why.LOGIN: f"Fixed? {_CHECK}. A changed password is read from the configuration when `dispatcher run` starts again",
    Why.ADDRESS: f"Fixed? {_CHECK}. A changed `url` is read from the configuration when `dispatcher run` starts again",
    Why.CREDIT: f"It sends again by itself once there is credit. Topped up? {_CHECK}",
    Why.OTHER_CREDIT: f"Topped up? {_CHECK}",
    Why.HOURS: "It sends again by itself",
    Why.VENDOR_HOURS: f"To try it now: {_CHECK}",
    Why.UNREACHABLE: "It is tried again and again",
    Why.NO_ANSWER: "One small request at a time is tried; one answer, and it sends at full speed again",
    Why.BUSY: "One small request at a time is tried; one answer, and it sends at full speed again",
    Why.TOO_FAST: "It is tried again and again",
    Why.SUPPRESSION: "It sends again once the list can be read; the log of `dispatcher run` says what is wrong",
    Why.UNWRITTEN: "It is tried again and again",
}


def says(account: str, stops: tuple[Stop, ...], codes: Codes) -> str:
    """What keeps an account from sending, in words without a full stop; "" if nothing does."""
    return "; ".join(_says(stop, codes) for stop in stops)


def _says(stop: Stop, codes: Codes) -> str:
    if stop.why is Why.CREDIT and not stop.code:
        return _NO_CREDIT_LEFT
    form = _BUSY_FOR_SOME if stop.why is Why.BUSY and stop.recipients else _SAYS[stop.why]
    count = counted(stop.recipients, "recipient")
    return form.format(code=_meaning(stop.code, codes), row=stop.row, count=count)


def _meaning(code: str, codes: Codes) -> str:
    from dispatcher.vendors.seam.outcomes import HTTP_PREFIX, NO_VENDORS_CODES  # only who shows codes needs vendors

    row = codes.find(code)
    if row is not None:
        return f"the vendor answers {code}, {row.english}{f' ({row.advice})' if row.advice else ''}"
    if not code or code in NO_VENDORS_CODES or code.startswith(HTTP_PREFIX):
        return code
    return f"the vendor answers {code}, {codes.meaning(code)}"


def sentence(record: Stopped) -> str:
    """Why the account does not send, since when and until when, and what makes it send again."""
    stops = record.reasons()
    stop = whole(stops) or stops[0]
    sends = "does not send" if whole(stops) is not None else "cannot send to all"
    until = " (one request is tried now)" if stop.trying else f", until {clock(stop.until_ms)}" if stop.until_ms else ""
    then = _THEN.get(stop.why, "").format(account=record.account)
    since = f'account "{record.account}" {sends} since {clock(stop.since_ms or record.at_ms)}{until}'
    return f"{since}: {record.says}.{f' {then}.' if then else ''}"


def as_object(record: Stopped) -> dict[str, Any]:
    """The same for `--json`: `why` and `since_ms` of the stop of the whole account, and all `stops`."""
    stops = record.reasons()
    stop = whole(stops)
    return {
        "account": record.account,
        "why": record.why,
        "says": record.says,
        "since_ms": record.at_ms if stop is None else stop.since_ms,
        "until_ms": None if stop is None else stop.until_ms or None,
        "stops": [_object(each) for each in stops],
    }


def _object(stop: Stop) -> dict[str, Any]:
    return {
        "why": stop.why,
        "code": stop.code,
        "since_ms": stop.since_ms,
        "until_ms": stop.until_ms or None,
        "trying": stop.trying,
        "recipients": stop.recipients or None,
    }
