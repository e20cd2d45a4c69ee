"""Unknown requests as people read them: how many, since when, why, the evidence, what to do.

Drawing only. Numbers are masked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dispatcher.core.results.evidence import Candidate
from dispatcher.i18n import N_, _, plural
from dispatcher.service.resolutions import Resolution
from dispatcher.service.unknowns import ReportEvidence, UnknownRequest, chunk_name, why
from dispatcher.terminal.options import columns
from dispatcher.wording import age, clock, counted
from dispatcher.words import code_meaning, word
from schemas.records import ResolvedAs
from schemas.states import State

CHUNKS_SHOWN: Final = 50

_HOLDER_WORDS: Final = {
    State.UNKNOWN: N_("unknown too"),
    State.IN_FLIGHT: N_("under way"),
    State.ACCEPTED: N_("accepted without an id"),
    State.QUEUED: N_("sent again since"),
}

_WHAT_HAPPENS: Final = {
    "sent": N_("count as accepted and wait for their reports; nobody is texted"),
    "not-sent": N_("are sent; if the vendor took them after all, they get the text twice"),
    "resend": N_("are sent again; those whom the vendor has texted already get the text twice"),
}


def listing(found: Sequence[UnknownRequest], now_ms: int) -> RenderableType:
    """Everything about these requests, and what to do."""
    title = Text(
        _("{amount} unknown: the vendor may or may not have texted them.", amount=amount(found)), style="bold magenta"
    )
    return Group(title, Text(), requests(found, now_ms), *_advice(found))


def amount(found: Sequence[UnknownRequest]) -> str:
    """`300 recipients in 3 requests are`."""
    recipients = sum(request.chunk.recipients for request in found)
    in_requests = counted(len(found), "request")
    return plural(
        "{n:,} recipient in {requests} is", "{n:,} recipients in {requests} are", recipients, requests=in_requests
    )


def requests(found: Sequence[UnknownRequest], now_ms: int) -> RenderableType:
    """The requests, oldest first: which, how many, since when; and below each why, and the evidence."""
    shown, rest = found[:CHUNKS_SHOWN], found[CHUNKS_SHOWN:]
    name, campaign, account = (
        max(map(len, texts), default=0)
        for texts in zip(*((d.name, d.chunk.campaign, d.chunk.account) for d in shown), strict=True)
    )
    parts: list[RenderableType] = []
    for request in shown:
        chunk = request.chunk
        line = Text(f"{request.name:<{name}}  ").append(f"{chunk.campaign:<{campaign}}", style="bold")
        line.append(f"  {chunk.account:<{account}}  {size(request)}")
        line.append(_("  since {time} ({age})", time=clock(chunk.since_ms), age=age((now_ms - chunk.since_ms) / 1000)))
        parts += [
            line,
            Padding(Text(f"{_why(request)}; {evidence(request)}", style="dim"), (0, 0, 0, name + 2), expand=False),
        ]
    if rest:
        recipients = counted(sum(request.chunk.recipients for request in rest), "recipient")
        parts.append(Text(_("and {n:,} more with {recipients} (--json lists all)", n=len(rest), recipients=recipients)))
    return Group(*parts)


def _why(request: UnknownRequest) -> str:
    return why(request, code_meaning).said()


def size(request: UnknownRequest) -> str:
    """How many of its recipients are unknown: `300 recipients`, or `16 of 500 recipients`."""
    chunk = request.chunk
    whole = counted(chunk.count, "recipient")
    return whole if chunk.recipients == chunk.count else _("{n:,} of {whole}", n=chunk.recipients, whole=whole)


def evidence(request: UnknownRequest) -> str:
    """The evidence that it was taken."""
    proof = request.proof
    if request.in_history:
        return request.in_history
    if request.texted:
        return _(
            "taken: reports for {count} of it, under ids that no answer gave", count=counted(request.texted, "number")
        )
    if request.looked_up:
        return _("the account's lane will ask the vendor's history, in a minute or two")
    if proof is not None and not proof.reports:
        return _(
            "taken: the vendor took an earlier attempt of these recipients after all, under id {vendor_id}",
            vendor_id=proof.vendor_id,
        )
    if proof is not None:
        return _(
            "taken: reports for {count} of it under id {vendor_id}",
            count=counted(proof.numbers, "number"),
            vendor_id=proof.vendor_id,
        )
    if request.evidence:
        each, more = request.evidence[0], len(request.evidence) - 1
        return _ambiguous(each) + (_("; {count} like it", count=counted(more, "more id")) if more else "")
    return _("not looked for: {blind}", blind=_(request.blind)) if request.blind else _("no report so far")


def _ambiguous(each: ReportEvidence) -> str:
    said = _(
        "reports for {count} of it under id {vendor_id}",
        count=counted(each.numbers, "number"),
        vendor_id=each.vendor_id,
    )
    if not each.others:
        return _("{said}, but another id claims it too, or they came before it was sent", said=said)
    named = ", ".join(f"{chunk_name(other)} ({other.campaign}, {holder_word(other)})" for other in each.others[:3])
    return _(
        "{said}, which can be {named}{more} as well",
        said=said,
        named=named,
        more=", …" if len(each.others) > 3 else "",
    )


def holder_word(chunk: Candidate) -> str:
    """The state of the other request that may be the one."""
    known = _HOLDER_WORDS.get(chunk.state)
    return word(chunk.state.word) if known is None else _(known)


def _advice(found: Sequence[UnknownRequest]) -> Iterator[Text]:
    """What to do, by policy."""
    views = {request.campaign.id: request.campaign for request in found}.values()
    if any(request.proof is not None or request.texted for request in found):
        yield Text(
            _(
                "\nRequests and recipients that reports prove to be taken are resolved within seconds while "
                "`dispatcher run` (results, lanes) is running."
            )
        )
    if resent := [view.id for view in views if view.unknown == "resend" and not view.cancelled]:
        yield Text(
            _(
                "\nSent again by themselves (policy resend), when no earlier request for them can still go out: "
                "{names}.",
                names=", ".join(resent),
            )
        )
    if gone := [view.id for view in views if view.cancelled]:
        yield Text(_("\nNot sent again, as they are cancelled: {names}.", names=", ".join(gone)))
    if held := [view.id for view in views if view.unknown == "hold" and not view.cancelled]:
        yield Text(
            _(
                "\nNot sent again until reports prove it or you decide (policy hold): {names}. Ask the vendor "
                "whether it took the request (its own records of that minute show it), then:",
                names=", ".join(held),
            )
        )
        width = max(map(len, _DECISIONS))
        for verdict, words in _DECISIONS.items():
            campaign = held[0] if len(held) == 1 else "CAMPAIGN"
            yield Text(f"  dispatcher unknown resolve {campaign} --as {verdict:<{width}}  {_(words)}")


_DECISIONS: Final[dict[ResolvedAs, str]] = {
    ResolvedAs.SENT: N_("it took them"),
    ResolvedAs.NOT_SENT: N_("it did not: send them"),
    ResolvedAs.RESEND: N_("not known: send again, even twice"),
}


def plan(found: Sequence[UnknownRequest], verdict: ResolvedAs) -> Iterator[str]:
    """What a decision will do, shown before the question."""
    [view] = {request.campaign.id: request.campaign for request in found}.values()
    recipients = sum(request.chunk.recipients for request in found)
    what = _(
        "{recipients} in {requests} of {id}",
        recipients=counted(recipients, "recipient"),
        requests=counted(len(found), "request"),
        id=view.id,
    )
    if verdict != "sent" and view.cancelled:
        yield _("{what} count as cancelled: the campaign is cancelled, nothing is sent.", what=what)
    else:
        paused = _(", once the campaign is resumed") if verdict != "sent" and view.paused else ""
        yield f"{what} {_(_WHAT_HAPPENS[verdict])}{paused}."
    taken = [request for request in found if request.proof is not None]
    if verdict != "sent" and (reported := [request for request in found if request.texted]):
        texted = counted(sum(request.texted for request in reported), "recipient")
        yield _(
            "ATTENTION: reports prove that {texted} of {names} got the text: they get it twice.",
            texted=texted,
            names=_names(reported),
        )
    hinted = [request for request in found if request.proof is None and request.evidence]
    if verdict != "sent" and taken:
        yield _(
            "ATTENTION: reports prove that the vendor took {names}: {twice} get the text twice.",
            names=_names(taken),
            twice=_twice(taken),
        )
    if verdict == "resend" and (partly := [request for request in found if request.partly_taken]):
        yield (
            _(
                "ATTENTION: the vendor's history has some recipients of {names}: these get the text twice.",
                names=_names(partly),
            )
        )
    if verdict != "sent" and hinted:
        yield _(
            "ATTENTION: there are reports that may be of {names}: the vendor may well have taken them.",
            names=_names(hinted),
        )


def _names(found: Sequence[UnknownRequest]) -> str:
    names = [request.name for request in found]
    return f"{', '.join(names[:5])}{_(' and {n:,} more', n=len(names) - 5) if len(names) > 5 else ''}"


def _twice(found: Sequence[UnknownRequest]) -> str:
    return _("up to {count}", count=counted(sum(request.chunk.recipients for request in found), "recipient"))


def resolved_table(found: Sequence[Resolution]) -> Table:
    """One line per resolution."""
    names = ("when", "campaign", "chunk", "account", "recipients", "as", "by", "why")
    shown = columns(*names, right=frozenset({4}), prose={"why"})
    for each in found:
        resolved, intent = each.resolved, each.intent
        shown.add_row(
            clock(resolved.at_ms),
            Text(intent.campaign, style="bold"),
            each.chunk,
            intent.account,
            f"{each.recipients:,}",
            word(resolved.verdict),
            Text(resolved.by),
            Text(resolved.why),
        )
    return shown
