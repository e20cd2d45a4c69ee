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
from dispatcher.service.resolutions import Resolution
from dispatcher.service.unknowns import ReportEvidence, UnknownRequest, chunk_name, why
from dispatcher.terminal.options import columns
from dispatcher.wording import age, clock, counted
from schemas.records import ResolvedAs
from schemas.states import State

CHUNKS_SHOWN: Final = 50

_HOLDER_WORDS: Final = {
    State.UNKNOWN: "unknown too",
    State.IN_FLIGHT: "under way",
    State.ACCEPTED: "accepted without an id",
    State.QUEUED: "sent again since",
}

_WHAT_HAPPENS: Final = {
    "sent": "count as accepted and wait for their reports; nobody is texted",
    "not-sent": "are sent; if the vendor took them after all, they get the text twice",
    "resend": "are sent again; those whom the vendor has texted already get the text twice",
}


def listing(found: Sequence[UnknownRequest], now_ms: int) -> RenderableType:
    """Everything about these requests, and what to do."""
    title = Text(f"{amount(found)} unknown: the vendor may or may not have texted them.", style="bold magenta")
    return Group(title, Text(), requests(found, now_ms), *_advice(found))


def amount(found: Sequence[UnknownRequest]) -> str:
    """`300 recipients in 3 requests are`."""
    recipients = sum(request.chunk.recipients for request in found)
    return (
        f"{counted(recipients, 'recipient')} in {counted(len(found), 'request')} {'is' if recipients == 1 else 'are'}"
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
        line.append(f"  since {clock(chunk.since_ms)} ({age((now_ms - chunk.since_ms) / 1000)})")
        parts += [
            line,
            Padding(Text(f"{why(request)}; {evidence(request)}", style="dim"), (0, 0, 0, name + 2), expand=False),
        ]
    if rest:
        recipients = counted(sum(request.chunk.recipients for request in rest), "recipient")
        parts.append(Text(f"and {len(rest):,} more with {recipients} (--json lists all)"))
    return Group(*parts)


def size(request: UnknownRequest) -> str:
    """How many of its recipients are unknown: `300 recipients`, or `16 of 500 recipients`."""
    chunk = request.chunk
    whole = counted(chunk.count, "recipient")
    return whole if chunk.recipients == chunk.count else f"{chunk.recipients:,} of {whole}"


def evidence(request: UnknownRequest) -> str:
    """The evidence that it was taken."""
    proof = request.proof
    if request.in_history:
        return request.in_history
    if request.texted:
        return f"taken: reports for {counted(request.texted, 'number')} of it, under ids that no answer gave"
    if request.looked_up:
        return "the account's lane will ask the vendor's history, in a minute or two"
    if proof is not None and not proof.reports:
        return f"taken: the vendor took an earlier attempt of these recipients after all, under id {proof.vendor_id}"
    if proof is not None:
        return f"taken: reports for {counted(proof.numbers, 'number')} of it under id {proof.vendor_id}"
    if request.evidence:
        each, more = request.evidence[0], len(request.evidence) - 1
        return _ambiguous(each) + (f"; {counted(more, 'more id')} like it" if more else "")
    return f"not looked for: {request.blind}" if request.blind else "no report so far"


def _ambiguous(each: ReportEvidence) -> str:
    said = f"reports for {counted(each.numbers, 'number')} of it under id {each.vendor_id}"
    if not each.others:
        return f"{said}, but another id claims it too, or they came before it was sent"
    named = ", ".join(f"{chunk_name(other)} ({other.campaign}, {holder_word(other)})" for other in each.others[:3])
    return f"{said}, which can be {named}{', …' if len(each.others) > 3 else ''} as well"


def holder_word(chunk: Candidate) -> str:
    """The state of the other request that may be the one."""
    return _HOLDER_WORDS.get(chunk.state, chunk.state.word)


def _advice(found: Sequence[UnknownRequest]) -> Iterator[Text]:
    """What to do, by policy."""
    views = {request.campaign.id: request.campaign for request in found}.values()
    if any(request.proof is not None or request.texted for request in found):
        yield Text(
            "\nRequests and recipients that reports prove to be taken are resolved within seconds while `dispatcher "
            "run` (results, lanes) is running."
        )
    if resent := [view.id for view in views if view.unknown == "resend" and not view.cancelled]:
        yield Text(
            "\nSent again by themselves (policy resend), when no earlier request for them can still go out: "
            f"{', '.join(resent)}."
        )
    if gone := [view.id for view in views if view.cancelled]:
        yield Text(f"\nNot sent again, as they are cancelled: {', '.join(gone)}.")
    if held := [view.id for view in views if view.unknown == "hold" and not view.cancelled]:
        yield Text(
            f"\nNot sent again until reports prove it or you decide (policy hold): {', '.join(held)}. Ask the vendor "
            "whether it took the request (its own records of that minute show it), then:"
        )
        width = max(map(len, _DECISIONS))
        for verdict, words in _DECISIONS.items():
            campaign = held[0] if len(held) == 1 else "CAMPAIGN"
            yield Text(f"  dispatcher unknown resolve {campaign} --as {verdict:<{width}}  {words}")


_DECISIONS: Final[dict[ResolvedAs, str]] = {
    ResolvedAs.SENT: "it took them",
    ResolvedAs.NOT_SENT: "it did not: send them",
    ResolvedAs.RESEND: "not known: send again, even twice",
}


def plan(found: Sequence[UnknownRequest], verdict: ResolvedAs) -> Iterator[str]:
    """What a decision will do, shown before the question."""
    [view] = {request.campaign.id: request.campaign for request in found}.values()
    recipients = sum(request.chunk.recipients for request in found)
    what = f"{counted(recipients, 'recipient')} in {counted(len(found), 'request')} of {view.id}"
    if verdict != "sent" and view.cancelled:
        yield f"{what} count as cancelled: the campaign is cancelled, nothing is sent."
    else:
        paused = ", once the campaign is resumed" if verdict != "sent" and view.paused else ""
        yield f"{what} {_WHAT_HAPPENS[verdict]}{paused}."
    taken = [request for request in found if request.proof is not None]
    if verdict != "sent" and (reported := [request for request in found if request.texted]):
        texted = counted(sum(request.texted for request in reported), "recipient")
        yield f"ATTENTION: reports prove that {texted} of {_names(reported)} got the text: they get it twice."
    hinted = [request for request in found if request.proof is None and request.evidence]
    if verdict != "sent" and taken:
        yield f"ATTENTION: reports prove that the vendor took {_names(taken)}: {_twice(taken)} get the text twice."
    if verdict == "resend" and (partly := [request for request in found if request.partly_taken]):
        yield (f"ATTENTION: the vendor's history has some recipients of {_names(partly)}: these get the text twice.")
    if verdict != "sent" and hinted:
        yield f"ATTENTION: there are reports that may be of {_names(hinted)}: the vendor may well have taken them."


def _names(found: Sequence[UnknownRequest]) -> str:
    names = [request.name for request in found]
    return f"{', '.join(names[:5])}{f' and {len(names) - 5:,} more' if len(names) > 5 else ''}"


def _twice(found: Sequence[UnknownRequest]) -> str:
    return f"up to {counted(sum(request.chunk.recipients for request in found), 'recipient')}"


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
            resolved.verdict,
            Text(resolved.by),
            Text(resolved.why),
        )
    return shown
