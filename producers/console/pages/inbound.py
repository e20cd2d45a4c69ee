"""The page of messages from phones: search, those for review, replies, putting a sender on the suppression list."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

import numpy as np

from dispatcher.core.suppression import key_as_written
from dispatcher.errors import UserError
from dispatcher.i18n import _
from dispatcher.masking import masked_mobiles, masked_number
from dispatcher.service.campaigns.views import CampaignWanted, list_campaigns
from dispatcher.service.inbound import dead_letters, message_mark, newest_messages
from dispatcher.service.people.audit_index import audit_index
from dispatcher.service.streams import OWN_TEXT, StreamMessage, append_messages
from dispatcher.service.suppression import change_suppression, read_suppression, suppression_key
from dispatcher.store.views import InboundFilter
from dispatcher.terminal.times import time_ms
from producers.console.visit import Answer, ConsoleRoute, Html, Redirect, Visit
from producers.console.wording.sentences import said

SHOWN: Final = 100
DEAD_SHOWN: Final = 20
KEPT: Final = ("q", "account", "since", "review", "number")
"""What of a query the forms on its page keep."""


async def inbound(visit: Visit) -> Answer:
    """The newest messages that the query asks for, older ones by their time."""
    return await _page(visit)


async def opt_out(visit: Visit) -> Answer:
    """Put the sender of a message on the suppression list."""
    key = suppression_key(visit.state.seal.open(visit.form.get("number", "")))
    why = visit.form.get("why", "").strip() or _("asked by message")
    done = await change_suppression(
        visit.session, np.array([key], np.int64), adds=True, source="person", why=why, by=visit.caller.name
    )
    says = _("The number is on the suppression list.") if done.changed else _("It was on the suppression list already.")
    return Redirect(_address(visit), says)


async def reply(visit: Visit) -> Answer:
    """Answer a message through a stream that takes texts of its own; the audit trail has its mark."""
    form = visit.form
    text, stream = form.get("text", "").replace("\r\n", "\n").strip(), form.get("stream", "")
    try:
        if not text:
            raise UserError(_("Write what the phone gets."))
        number, key = visit.state.seal.open(form.get("number", "")), form.get("key", "") or secrets.token_hex(8)
        [done] = await append_messages(visit.session, stream, [StreamMessage(number=number, key=key, text=text)])
    except UserError as error:
        return await _page(visit, said(error), reply_to=visit.path["message"])
    if done.result == "refused":
        return await _page(visit, said(done.why), reply_to=visit.path["message"])
    if done.result == "already there":
        return Redirect(_address(visit), _("This reply was sent already."), "warn")
    return Redirect(_address(visit), _("The reply is on its way, through {stream}.").format(stream=stream))


def _address(visit: Visit) -> str:
    """The page with the query that the form was on."""
    kept = urlencode([(name, visit.query[name]) for name in visit.query if name in KEPT])
    return f"/inbound?{kept}" if kept else "/inbound"


async def _streams(visit: Visit) -> list[str]:
    """The open streams that take texts of their own."""
    if not visit.may("streams:send"):
        return []
    found = (await list_campaigns(visit.session, CampaignWanted(streams=True))).campaigns
    return [
        view.id for view in found if view.stream is not None and view.stream.takes_messages and view.text == OWN_TEXT
    ]


async def _listed(visit: Visit) -> Callable[[str], bool]:
    """Whether a number is on the suppression list now."""
    numbers = (await read_suppression(visit.session, detailed=False)).listing.numbers

    def on_list(number: str) -> bool:
        key = key_as_written(number)
        return bool(key) and bool(np.isin(key, numbers))

    return on_list


async def _page(visit: Visit, mistake: str = "", *, reply_to: str = "") -> Html:
    """The page; `reply_to`: the mistake is about the reply to the message with this mark."""
    query = visit.query
    review, until_ms = "review" in query, query.get("until", "")
    unmasked = "unmasked" in query and visit.may("numbers:read")
    try:
        since_ms = time_ms(query["since"], _("since")) if query.get("since") else None
    except UserError as error:
        since_ms, mistake = None, said(error)
    wanted = InboundFilter(
        account=query.get("account") or None,
        number=query.get("number", "").strip() or None,
        since_ms=since_ms,
        until_ms=int(until_ms) if until_ms.isdecimal() and len(until_ms) < 16 else None,
        contains=query.get("q", "").strip() or None,
    )
    found = await newest_messages(visit.session, wanted, SHOWN, for_review=review)
    dead = await dead_letters(visit.session, None, DEAD_SHOWN) if found.dead_letters else None
    if unmasked:
        await visit.audit("numbers.unmask", "inbound", says=wanted.contains or "")
    kept = {name: query[name] for name in KEPT if query.get(name)}
    index = await audit_index(visit.session)
    marks = [message_mark(each) for each in found.messages]
    values = {
        "found": found,
        "dead": dead,
        "accounts": sorted(visit.state.config.accounts),
        "query": query,
        "review": review,
        "unmasked": unmasked,
        "number_of": (lambda number: number) if unmasked else masked_number,
        "text_of": (lambda text: text) if unmasked else masked_mobiles,
        "older": found.messages[-1].at_ms if len(found.messages) == SHOWN and not review else None,
        "kept": kept,
        "mistake": mistake,
        "reply_to": reply_to,
        "typed": visit.form,
        "marks": marks,
        "replies": [index.reply_to(mark) for mark in marks],
        "on_list": await _listed(visit),
        "streams": await _streams(visit),
        "seal": visit.state.seal.close,
        "keys": [secrets.token_hex(8) for _each in found.messages],
    }
    return Html("inbound/page.html", values, 422 if mistake else 200)


ROUTES: Final = (
    ConsoleRoute(method="GET", path="/inbound", permission="inbound:read", handler=inbound),
    ConsoleRoute(method="POST", path="/inbound/{message}/reply", permission="streams:send", handler=reply),
    ConsoleRoute(method="POST", path="/inbound/opt-out", permission="suppression:write", handler=opt_out),
)
