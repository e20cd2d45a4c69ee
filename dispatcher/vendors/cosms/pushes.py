"""What COSMS pushes, by GET: reports of up to 100 mtIDs, and messages one by one (vendors.md 1.12). Pure.

Names of parameters match in any case (AMB-COSMS-11). Weak spot: the document gives pushes no secret, only an address;
use `push_from` and `push_key`.
"""

from __future__ import annotations

import numpy as np

from dispatcher.vendors.cosms.pages import REPORT_CODES
from dispatcher.vendors.cosms.wire import FORMAT_ESCAPED, read_text
from dispatcher.vendors.reading import forms, inbound
from dispatcher.vendors.reading import report_columns as columns
from dispatcher.vendors.reading.escapes import TextForm, once_more
from dispatcher.vendors.reading.identifiers import ID_CHARS_MAX
from dispatcher.vendors.reading.unreadable import Unreadable
from dispatcher.vendors.seam.vendor import InboundParsed, Push, Refusal, ReportsParsed
from schemas.records import Reports


def reports(push: Push, push_key: str | None) -> ReportsParsed:
    """One value, `mtReport`, for all the ids in `mtID`."""
    form = _parameters(push, push_key, "mtid", "mtreport")
    if isinstance(form, Refusal):
        return form
    unreadable = Unreadable()
    found = _reports(form["mtid"], form["mtreport"], push.account, push.received_ms, unreadable)
    if not found and not unreadable.entries:
        return _junk("the push has no mtID", push_key)
    return unreadable.beside(found, authenticated=push_key is not None)


def _reports(ids: bytes, code: bytes, account: str, at_ms: int, unreadable: Unreadable) -> list[Reports]:
    """One value for up to 100 comma-separated mtIDs (AMB-COSMS-24)."""
    fit = [vendor_id for vendor_id in map(bytes.strip, ids.split(b",")) if vendor_id]
    if max(map(len, fit), default=0) > ID_CHARS_MAX:
        for vendor_id in fit:
            if len(vendor_id) > ID_CHARS_MAX:
                unreadable.add(vendor_id, "mtID is too long")
        fit = [vendor_id for vendor_id in fit if len(vendor_id) <= ID_CHARS_MAX]
    return columns.in_columns(
        account,
        at_ms,
        ids=fit,
        numbers=np.zeros(len(fit), np.int64),
        codes=[code.strip()] * len(fit),
        state=REPORT_CODES.state,
        times=np.zeros(len(fit), np.uint32),
    )


def messages(push: Push, push_key: str | None, again: TextForm) -> InboundParsed:
    """One message; `again`: whether a text in msgFormat 1 is escaped again inside its parameter."""
    form = _parameters(push, push_key, "mobs", "msg")
    if isinstance(form, Refusal):
        return form
    msg_format, value = form.get("msgformat", b"").decode("ascii", "replace").strip(), form["msg"]
    if msg_format == FORMAT_ESCAPED:
        value = once_more(value, again)
    text, flags = read_text(msg_format, value, unescape=False)
    message_id, time, to = (form.get(name, b"") for name in ("moid", "motime", "destid"))
    found = inbound.message(
        push.account,
        push.received_ms,
        number=form["mobs"],
        text=text,
        flags=flags,
        to=to,
        time=time,
        message_id=message_id,
    )
    return [found]


def _parameters(push: Push, push_key: str | None, *needed: str) -> dict[str, bytes] | Refusal:
    """The push's parameters by lower-case names; all `needed` ones are present, and only a text may be empty."""
    vendors, query = forms.keyed(push.query, push_key)
    if not vendors:
        return Refusal(403, "the key in the URL is wrong or missing", False)
    fields = {**forms.fields(query), **forms.fields(push.body)}
    form = {name.strip().lower(): value for name, value in fields.items()}
    for name in needed:
        if name not in form or (name != "msg" and not form[name].strip()):
            return _junk(f"the push has no {name} parameter", push_key)
    return form


def _junk(why: str, push_key: str | None) -> Refusal:
    return Refusal(400, why, push_key is not None, keep=True)
