"""Unknown requests for people: the requests, why, the evidence; and the person's decision.

A decision goes into the lane's inbox and names every intent; the lane's owner turns it into a Resolved. So nothing is
decided here, and a decision about a request that is not unknown any more changes nothing.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec

from dispatcher.accounts.holders import lane_holders
from dispatcher.clock import now_ms
from dispatcher.core.lane.answers.verdict import HISTORY, HISTORY_PARTLY, NO_ANSWER, UNREADABLE
from dispatcher.core.results.evidence import Candidate, conclude
from dispatcher.core.results.places import chunk_id, chunk_of, intent_of
from dispatcher.errors import UserError
from dispatcher.i18n import N_
from dispatcher.log.port import Entry, Log
from dispatcher.masking import masked_mobiles
from dispatcher.os_user import os_user
from dispatcher.sentences import Sentence
from dispatcher.service.campaigns.views import view_in, view_of
from dispatcher.service.session import Session
from dispatcher.store.meanings import Meaning, meaning
from dispatcher.store.port import CampaignView, Evidence, StoreReader, UnknownChunk
from dispatcher.vendors import registry
from dispatcher.vendors.seam.outcomes import HTTP_PREFIX
from dispatcher.vendors.seam.vendor import HttpVendor
from schemas.codec import encode
from schemas.records import Decided, ResolvedAs, UnknownPolicy
from schemas.topics import JOBS, lane_partition

EVIDENCE_CALLS_MAX: Final = 20
TEXT_CHARS_SHOWN: Final = 60
CROWDED: Final = N_("too many requests of this account have no id to compare them")
INTENTS_MAX: Final = 5_000
"""Intents per record; more go into several records."""

LOOK_AGAIN_S: Final = 0.5
IN_EFFECT_WITHIN_S: Final = 15.0


class ReportEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Reports with an id that appears in no outcome, for `numbers` numbers of the request or an attempt of it.

    `others` hold them, too. `proves`: its recipients were texted under this id, so the search for evidence resolves it.
    Without reports: a late answer proves it.
    """

    vendor_id: str
    reports: int
    numbers: int
    others: tuple[Candidate, ...]
    proves: bool


class UnknownRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An unknown chunk, its campaign's current view, and what else is known.

    `texted` of its unknown recipients were texted, as reports of theirs prove (vendors with an id for each recipient).
    `blind` says why no evidence is searched for on its account, or is "".
    """

    chunk: UnknownChunk
    campaign: CampaignView
    vendor: str
    evidence: tuple[ReportEvidence, ...]
    texted: int = 0
    blind: str = ""

    @property
    def name(self) -> str:
        """Its name for `--chunk`."""
        return f"{self.chunk.partition}:{self.chunk.intent}"

    @property
    def in_history(self) -> str:
        """What the vendor's history says about it, or "" before a query."""
        return self.chunk.text if self.chunk.code in (HISTORY, HISTORY_PARTLY) else ""

    @property
    def looked_up(self) -> bool:
        """Whether its account's lane queries the vendor's history for it."""
        known = registry.known(self.vendor)
        return known is not None and issubclass(known, HttpVendor) and known.ids_each

    @property
    def partly_taken(self) -> bool:
        """Whether the history has some of its unknown recipients: a former release did not accept those."""
        return self.chunk.code == HISTORY_PARTLY and self.chunk.recipients == self.chunk.count

    @property
    def proof(self) -> ReportEvidence | None:
        """The clue that proves that it was taken."""
        return next((each for each in self.evidence if each.proves), None)


def unknown_requests(reader: StoreReader, campaign: str | None = None) -> list[UnknownRequest]:
    """The unknown chunks of this campaign, or of all, oldest first. Raises UserError if there is none. Blocks."""
    views = {view.id: view for view in ([view_in(reader, campaign)] if campaign else reader.campaigns())}
    chunks = [chunk for chunk in reader.unknown(campaign) if chunk.campaign in views]
    evidence: dict[int, list[ReportEvidence]] = {}
    texted: dict[int, int] = {}
    blind: dict[str, str] = {}
    for account in sorted({chunk.account for chunk in chunks} & set(reader.in_doubt())):
        parts = _search(reader, account, each=gives_ids_each(views.values(), account))
        _gather(parts, evidence)
        for proof in (proof for part in parts for proof in part.messages):
            of = chunk_of(proof.place)
            texted[of] = texted.get(of, 0) + 1
        is_crowded = any(part.crowded for part in parts)
        blind[account] = CROWDED if is_crowded else ""
    found = []
    for chunk in chunks:
        view = views[chunk.campaign]
        vendors = {leg.account: leg.vendor for leg in view.legs}
        id_ = chunk_id(chunk.partition, chunk.intent)
        found.append(
            UnknownRequest(
                chunk=chunk,
                campaign=view,
                vendor=vendors.get(chunk.account, ""),
                evidence=tuple(evidence.get(id_, ())),
                texted=texted.get(id_, 0),
                blind=blind.get(chunk.account, ""),
            )
        )
    return found


def gives_ids_each(views: Iterable[CampaignView], account: str) -> bool:
    """Whether the account's vendor gives every recipient an id, if this release knows the vendor."""
    vendors = {leg.vendor for view in views for leg in view.legs if leg.account == account}
    return any(map(_ids_each, vendors))


def _ids_each(vendor: str) -> bool:
    known = registry.known(vendor)
    return known is not None and known.ids_each


def _search(reader: StoreReader, account: str, *, each: bool) -> list[Evidence]:
    """The account's evidence, as much as a bounded number of calls gives."""
    after, parts = "", list[Evidence]()
    for _ in range(EVIDENCE_CALLS_MAX):
        parts.append(reader.evidence(account, after, each=each))
        after = parts[-1].more_after
        if not after:
            break
    return parts


def _gather(parts: Sequence[Evidence], evidence: dict[int, list[ReportEvidence]]) -> None:
    """Add the clues by chunk."""
    traces = [trace for part in parts for trace in part.traces]
    late = [answer for part in parts for answer in part.late]
    proven = {proof.chunk.id: proof for proof in conclude(traces, late)}
    for trace in traces:
        for chunk in {*trace.holders, *trace.proves}:
            proof = proven.get(chunk.id)
            each = ReportEvidence(
                vendor_id=trace.of.vendor_id,
                reports=trace.of.reports,
                numbers=len(trace.of.numbers),
                others=tuple(other for other in trace.holders if other.id != chunk.id),
                proves=proof is not None and proof.of is trace.of,
            )
            evidence.setdefault(chunk_of(chunk.id), []).append(each)
    for proof in proven.values():
        if proof.of is None:
            each = ReportEvidence(vendor_id=proof.vendor_id, reports=0, numbers=0, others=(), proves=True)
            evidence.setdefault(chunk_of(proof.chunk.id), []).append(each)


def chosen(found: Sequence[UnknownRequest], campaign: str, names: Collection[str]) -> list[UnknownRequest]:
    """The requests that `--chunk` names, or all. Raises UserError for one that is not unknown."""
    if not names:
        return list(found)
    known = {request.name: request for request in found}
    strange = [name for name in names if name not in known]
    if strange:
        there = f"{', '.join(list(known)[:5])}{', …' if len(known) > 5 else ''}" or Sentence("none")
        raise UserError(
            'chunk {chunk} of "{campaign}" is not unknown (unknown there: {there}).',
            chunk=strange[0],
            campaign=campaign,
            there=there,
            do="See: dispatcher unknown list --campaign {campaign}",
        )
    return [known[name] for name in dict.fromkeys(names)]


def decisions(
    found: Sequence[UnknownRequest], verdict: ResolvedAs, *, why: str, vendor_id: str, by: str, at_ms: int
) -> dict[int, list[Decided]]:
    """The records of a person's decision, by lane partition; every intent is named.

    A chunk that is proven to be taken gets its id with `sent`, so that its reports are joined.
    """
    together: dict[tuple[str, str, str], list[int]] = {}
    for request in found:
        proof = request.proof
        its_id = vendor_id or (proof.vendor_id if proof is not None else "")
        key = (request.chunk.account, request.chunk.campaign, its_id if verdict == ResolvedAs.SENT else "")
        together.setdefault(key, []).append(request.chunk.intent)
    records: dict[int, list[Decided]] = {}
    for (account, campaign, its_id), intents in together.items():
        for first in range(0, len(intents), INTENTS_MAX):
            record = Decided(
                account=account,
                campaign=campaign,
                intents=tuple(intents[first : first + INTENTS_MAX]),
                verdict=verdict,
                at_ms=at_ms,
                by=by,
                why=why,
                vendor_id=its_id,
            )
            records.setdefault(lane_partition(account), []).append(record)
    return records


async def decide(log: Log, records: dict[int, list[Decided]]) -> None:
    """Put the decisions into the lanes' inboxes. Raises LogError; repeating a decision does no harm."""
    for partition, decided in records.items():
        entries = [Entry(record.account.encode(), encode(record)) for record in decided]
        await log.append(JOBS.name, partition, entries)


class OtherRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Another request that the same reports may be of."""

    chunk: str
    campaign: str
    state: str


class ListedEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """A `ReportEvidence`, without the numbers."""

    vendor_id: str
    reports: int
    numbers: int
    proves: bool
    others: list[OtherRequest]


class ListedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An unknown request, why it is unknown and what is known beside it. Numbers in `text` are masked.

    `recipients` of its `count` are unknown: those in `ranges` (start, count; positions in the request). Reports prove
    that `texted` of them were texted; the results role has them resolved.
    """

    chunk: str
    campaign: str
    policy: UnknownPolicy
    account: str
    batch: int
    start: int
    count: int
    recipients: int
    attempt: int
    ranges: list[tuple[int, int]]
    texted: int
    since_ms: int
    why: str
    code: str
    text: str
    proven: bool
    evidence: list[ListedEvidence]
    not_looked_for: str | None


class UnknownList(msgspec.Struct, frozen=True, kw_only=True):
    """Unknown requests, oldest first."""

    recipients: int
    requests: int
    records_behind: int
    chunks: list[ListedRequest]


def unknown_list(found: Sequence[UnknownRequest], records_behind: int) -> UnknownList:
    """The list of these requests, as a person reads it."""
    return UnknownList(
        recipients=sum(request.chunk.recipients for request in found),
        requests=len(found),
        records_behind=records_behind,
        chunks=[_request(request) for request in found],
    )


def _request(request: UnknownRequest) -> ListedRequest:
    chunk = request.chunk
    return ListedRequest(
        chunk=request.name,
        campaign=chunk.campaign,
        policy=request.campaign.unknown,
        account=chunk.account,
        batch=chunk.batch,
        start=chunk.start,
        count=chunk.count,
        recipients=chunk.recipients,
        attempt=chunk.attempt,
        ranges=list(chunk.ranges),
        texted=request.texted,
        since_ms=chunk.since_ms,
        why=str(why(request)),
        code=chunk.code,
        text=masked_mobiles(chunk.text),
        proven=request.proof is not None,
        evidence=[_evidence(each) for each in request.evidence],
        not_looked_for=request.blind or None,
    )


def _evidence(each: ReportEvidence) -> ListedEvidence:
    return ListedEvidence(
        vendor_id=each.vendor_id,
        reports=each.reports,
        numbers=each.numbers,
        proves=each.proves,
        others=[
            OtherRequest(chunk=chunk_name(other), campaign=other.campaign, state=other.state.word)
            for other in each.others
        ],
    )


def why(request: UnknownRequest, meaning_of: Meaning = meaning) -> Sentence:
    """Why it is unknown, in plain words; `meaning_of` a code in the language of the reader."""
    chunk = request.chunk
    if request.in_history:
        return Sentence(N_("no answer says what became of it"))
    text = masked_mobiles(" ".join(chunk.text.split()))
    said = f" ({text[:TEXT_CHARS_SHOWN]}{'…' if len(text) > TEXT_CHARS_SHOWN else ''})" if text else ""
    if not chunk.code:
        return Sentence(N_("the dispatcher stopped while it was under way{said}"), said=said)
    if chunk.code == NO_ANSWER:
        return Sentence(N_("no answer came{said}"), said=said)
    if chunk.code == UNREADABLE:
        return Sentence(N_("an answer that cannot be read{said}"), said=said)
    known = meaning_of(request.vendor, "submit", chunk.code)
    # Where its meaning is known, the vendor's text says no more than its code.
    heard = said if not known or chunk.code.startswith(HTTP_PREFIX) else ""
    return Sentence(
        N_("the answer {code}{means}{said}"), code=chunk.code, means=f": {known}" if known else "", said=heard
    )


def chunk_name(chunk: Candidate) -> str:
    """Its name for `--chunk`."""
    partition, intent = intent_of(chunk.id)
    return f"{partition}:{intent}"


class ResolvedChunk(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a decision, and whether the decision is in effect."""

    chunk: str
    account: str
    recipients: int
    in_effect: bool


class ResolveResult(msgspec.Struct, frozen=True, kw_only=True):
    """A person's decision, and whether it is in effect."""

    campaign: str
    as_: ResolvedAs = msgspec.field(name="as")
    why: str
    by: str
    recipients: int
    in_effect: bool
    chunks: list[ResolvedChunk]


async def list_unknown(session: Session, campaign: str | None = None) -> tuple[list[UnknownRequest], int]:
    """The result of `unknown_requests`, and how many records it is behind the log.

    Raises UserError for an unknown id and for a draft, LogError, StoreError.
    """
    records_behind = await session.behind(whole=True)
    if campaign is not None:
        await view_of(session, campaign)  # says if it is a draft
    return await session.read(lambda reader: unknown_requests(reader, campaign)), records_behind


async def unknown_to_resolve(
    session: Session, campaign: str, names: Collection[str], verdict: ResolvedAs
) -> list[UnknownRequest]:
    """The requests of a decision: the named ones, or all unknown ones.

    Raises UserError for a name that is not unknown, and if the vendor's history says that some were texted.
    """
    found, _ = await list_unknown(session, campaign)
    found = chosen(found, campaign, names)
    _check_not_taken(found, verdict)
    return found


async def resolve_unknown(
    session: Session,
    campaign: str,
    found: Sequence[UnknownRequest],
    verdict: ResolvedAs,
    *,
    why: str = "",
    vendor_id: str = "",
    by: str = "",
) -> ResolveResult:
    """Record a person's decision about these requests, and wait a moment for their lanes to carry it out.

    `by` is the person who decides, by default the user of this process. Repeating it does no harm. Raises LogError.
    """
    who = by or f"{os_user()}@{socket.gethostname()}"
    await decide(await session.log(), decisions(found, verdict, why=why, vendor_id=vendor_id, by=who, at_ms=now_ms()))
    within_s = IN_EFFECT_WITHIN_S if lanes_run(session, found) else 0.0
    left = await _still_unknown(session, found, within_s) if found else []
    waiting = {request.name for request in left}
    return ResolveResult(
        campaign=campaign,
        as_=verdict,
        why=why,
        by=who if found else "",
        recipients=sum(request.chunk.recipients for request in found),
        in_effect=not left,
        chunks=[
            ResolvedChunk(
                chunk=request.name,
                account=request.chunk.account,
                recipients=request.chunk.recipients,
                in_effect=request.name not in waiting,
            )
            for request in found
        ],
    )


def _check_not_taken(found: Sequence[UnknownRequest], verdict: ResolvedAs) -> None:
    partly = [request for request in found if request.partly_taken]
    if verdict == ResolvedAs.NOT_SENT and partly:
        first = partly[0]
        raise UserError(
            "chunk {chunk}: {in_history}; sending it again would text these twice. "
            "Resolve it as sent, and launch a campaign to those who are left.",
            chunk=first.name,
            in_history=first.in_history,
            do="`dispatcher campaign export --state unknown`, or later `--state "
            "no_report`, lists them. If they may get it twice: --as resend.",
        )


def lanes_run(session: Session, found: Sequence[UnknownRequest]) -> bool:
    """Whether a process of this machine runs one of their lanes; on Kafka any machine may, which is not known here."""
    held = lane_holders(session.places)
    return held is None or bool(held.keys() & {request.chunk.partition for request in found})


async def _still_unknown(session: Session, found: Sequence[UnknownRequest], within_s: float) -> list[UnknownRequest]:
    """Which of these are still unknown, at the end of the time or as soon as all are resolved."""
    [campaign] = {request.campaign.id for request in found}
    until_s = time.monotonic() + within_s
    while True:
        chunks = await session.read(lambda reader: reader.unknown(campaign))
        unknown = {(chunk.partition, chunk.intent) for chunk in chunks}
        left = [request for request in found if (request.chunk.partition, request.chunk.intent) in unknown]
        if not left or time.monotonic() >= until_s:
            return left
        await asyncio.sleep(LOOK_AGAIN_S)
