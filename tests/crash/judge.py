"""The judgement: the vendor's ledger beside our results beside the log, recipient by recipient. Pure.

The vendor's ledger is the judge of what people got; the log, folded by truth.py, of what we may know. Each rule is a
sentence about the rows that break it (RULES); `tests/crash/test_judge.py` breaks every one of them on purpose.

What may be unknown: an intent whose outcome is not in the log and for which no evidence speaks. Evidence is a report
that we have taken, under an id that no record explains, whose numbers lie in one chunk alone (`evidence_left`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import polars as pl

from dispatcher.store.port import CampaignView, Page
from schemas.states import State
from tests.crash.lists import Campaign
from tests.crash.stage import LINKED
from tests.crash.truth import Chunk, Truth

OURS = {
    "campaign": pl.String, "number": pl.String, "state": pl.String, "code": pl.String, "vendor_id": pl.String,
    "from_report": pl.Boolean,
}  # fmt: skip
DELIVERED: Final = "DELIVRD"
KEY: Final = ["campaign", "number"]

_taken = pl.col("times") > 0
_once_unknown = pl.col("unknowns") > 0
_may_double = pl.col("resends") > 0
_told = pl.col("state").is_in(["delivered", "failed"]) & pl.col("from_report")

RULES: Final[Mapping[str, pl.Expr]] = {
    "were taken by the vendor more often than once, and nothing allows it": (pl.col("times") > 1 + pl.col("resends")),
    "were taken by the vendor and are no recipients of that campaign": pl.col("state").is_null() & _taken,
    "are in our results, but not in the list": ~pl.col("listed") & pl.col("state").is_not_null(),
    "are in the list of a launched campaign, but not in our results": (
        pl.col("listed") & pl.col("launched") & pl.col("state").is_null()
    ),
    "are still in flight": pl.col("state") == "in_flight",
    "are still queued": pl.col("state") == "queued",
    "count as sent, and the vendor never took them": (
        (pl.col("state").is_in(["accepted", "delivered", "no_report"]) | _told) & ~_taken
    ),
    "count as refused, and the vendor took them": (
        (pl.col("state") == "failed") & ~pl.col("from_report") & _taken & ~_may_double
    ),
    "count as never sent, and the vendor took them": (
        pl.col("state").is_in(["queued", "cancelled"]) & _taken & ~_may_double
    ),
    "count as unknown, and the log knows better": (pl.col("state") == "unknown") & (pl.col("word") != "unknown"),
    "are unknown in the log, and we say that we know": (
        (pl.col("word") == "unknown") & ~pl.col("state").is_in(["unknown"]) & ~_told
    ),
    "are unknown, and their campaign's policy is resend": (
        (pl.col("state") == "unknown") & (pl.col("policy") == "resend") & ~pl.col("cancelled")
    ),
    "are accepted in the log, and we say something else": (
        (pl.col("word") == "accepted") & ~pl.col("state").is_in(["accepted", "delivered", "failed", "no_report"])
    ),
    "are refused in the log, and we say something else": (
        (pl.col("word") == "failed") & (pl.col("state") != "failed") & ~(_told & _once_unknown)
    ),
    "have a report's word that the vendor did not say": (
        _told & ~pl.col("codes").list.contains(pl.col("code")).fill_null(False)
    ),
    "are delivered by another report than DELIVRD, or the other way round": (
        _told & ((pl.col("state") == "delivered") != (pl.col("code") == DELIVERED))
    ),
    "have another message id than any the vendor gave": (
        _taken & (pl.col("vendor_id") != "") & ~pl.col("ids").list.contains(pl.col("vendor_id")).fill_null(False)
    ),
    "wait for a report that we have taken": (
        (pl.col("state") == "accepted") & pl.col("acked_ids").list.contains(pl.col("vendor_id")).fill_null(False)
    ),
}


def judge(
    made: Iterable[Campaign], truth: Truth, ours: pl.DataFrame, ledger: pl.DataFrame, views: Iterable[CampaignView]
) -> list[str]:
    """Every complaint, as sentences; none: all is well."""
    campaigns = {each.id: each for each in made}
    found = list(_launches(campaigns, truth))
    found += _views({view.id: view for view in views}, campaigns, truth, ours)
    twice = ours.filter(ours.select(KEY).is_duplicated())
    if twice.height:
        found.append(f"{twice.height:,} recipients are in two states at once{_samples(twice)}")
    joined = _joined(campaigns, truth, ours, ledger)
    for sentence, breaks in RULES.items():
        rows = joined.filter(breaks.fill_null(False))
        if rows.height:
            found.append(f"{rows.height:,} numbers {sentence}{_samples(rows)}")
    return found + list(_resolutions(campaigns, truth)) + undecided(truth, ledger)


def undecided(truth: Truth, ledger: pl.DataFrame) -> list[str]:
    """The chunks that are unknown, although a person has decided or the evidence is there; as sentences."""
    decided = [
        f"intent {chunk.intent} of lane {chunk.partition} is unknown, and a decision about it is in the inbox"
        for chunk in truth.chunks
        if chunk.decided and chunk.word == "unknown"
    ]
    return decided + evidence_left(truth, ledger)


def evidence_left(truth: Truth, ledger: pl.DataFrame) -> list[str]:
    """The unknown chunks that the reports we have taken prove to be sent, as sentences."""
    explained = {chunk.vendor_id for chunk in truth.chunks}
    reported = (
        ledger.filter(pl.col("accepted") & pl.col("acked") & ~pl.col("msgid").is_in(explained))
        .filter(pl.col("account") != LINKED)
        .group_by("account", "msgid")
        .agg("number")
    )
    possible = [
        (chunk, frozenset(truth.numbers(chunk)))
        for chunk in truth.chunks
        if not chunk.vendor_id
        and (chunk.word in ("unknown", "accepted") or (chunk.word == "queued" and chunk.unknowns))
    ]
    proven: dict[tuple[int, int], list[str]] = {}
    for account, msgid, numbers in reported.iter_rows():
        holders = [chunk for chunk, held in possible if chunk.record.account == account and held.issuperset(numbers)]
        if len(holders) == 1 and holders[0].word == "unknown":
            proven.setdefault((holders[0].partition, holders[0].intent), []).append(msgid)
    return [
        f"intent {intent} of lane {partition} is unknown, and the reports of {ids[0]} prove that it was sent"
        for (partition, intent), ids in proven.items()
        if len(ids) == 1
    ] + list(_evidence_left_on_links(truth, ledger))


def _evidence_left_on_links(truth: Truth, ledger: pl.DataFrame) -> Iterator[str]:
    """The same where each recipient has an id: a report with an id that no record has proves its number alone."""
    explained = {vendor_id for chunk in truth.chunks for ids in chunk.ids.values() for vendor_id in ids.split()}
    possible: dict[str, list[tuple[Chunk, str]]] = {}
    for chunk in truth.chunks:
        if chunk.record.account != LINKED:
            continue
        for position, number in enumerate(truth.numbers(chunk)):
            word, unknowns, _ = chunk.result(position)
            if position not in chunk.ids and (word in ("unknown", "accepted") or (word == "queued" and unknowns)):
                possible.setdefault(number, []).append((chunk, word))
    reported = ledger.filter(pl.col("accepted") & pl.col("acked") & (pl.col("account") == LINKED))
    for number, vendor_ids in reported.select("number", "msgid").iter_rows():
        holders = possible.get(number, [])
        if len(holders) == 1 and holders[0][1] == "unknown" and explained.isdisjoint(vendor_ids.split()):
            chunk = holders[0][0]
            where = f"intent {chunk.intent} of lane {chunk.partition}"
            yield f"a recipient of {where} is unknown, and a report of {vendor_ids} proves that it was sent"


def our_rows(campaign: str, pages: Iterator[Page]) -> pl.DataFrame:
    """The results of one campaign, a row per recipient (OURS)."""
    words = pl.Series([state.word for state in State])
    frames = [pl.DataFrame(schema=OURS)]
    for page in pages:
        assert not page.broken, page.broken
        columns = {
            "number": pl.Series(page.numbers).cast(pl.String),
            "state": words.gather(pl.Series(page.states)),
            "code": pl.Series(page.codes, dtype=pl.String).gather(pl.Series(page.code_index)),
            "vendor_id": pl.Series(page.vendor_ids, dtype=pl.String).gather(pl.Series(page.vendor_id_index)),
            "from_report": pl.Series(page.from_report),
        }
        frames.append(pl.DataFrame(columns).select(pl.lit(campaign).alias("campaign"), *columns))
    return pl.concat(frames)


def _joined(campaigns: Mapping[str, Campaign], truth: Truth, ours: pl.DataFrame, ledger: pl.DataFrame) -> pl.DataFrame:
    by_text = {each.text: each.id for each in campaigns.values()}
    theirs = (
        ledger.filter("accepted")
        .with_columns(pl.col("text").replace_strict(by_text, default="?", return_dtype=pl.String).alias("campaign"))
        .group_by(KEY)
        .agg(
            pl.len().cast(pl.Int64).alias("times"),
            pl.col("msgid").alias("ids"),
            pl.col("status").alias("codes"),
            pl.col("msgid").filter(pl.col("acked")).alias("acked_ids"),
        )
    )
    lists = pl.DataFrame(
        {"campaign": [c.id for c in campaigns.values() for _ in c.numbers],
         "number": [number for c in campaigns.values() for number in c.numbers]},
        schema={"campaign": pl.String, "number": pl.String},
    ).with_columns(pl.lit(True).alias("listed"))  # fmt: skip
    about = pl.DataFrame(
        {
            "campaign": list(campaigns),
            "policy": [each.policy for each in campaigns.values()],
            "cancelled": [name in truth.cancelled for name in campaigns],
            "launched": [name in truth.launched for name in campaigns],
        },
        schema={"campaign": pl.String, "policy": pl.String, "cancelled": pl.Boolean, "launched": pl.Boolean},
    )
    joined = lists
    for frame in (truth.recipients.rename({"vendor_id": "log_id"}), theirs, ours):
        joined = joined.join(frame, on=KEY, how="full", coalesce=True)
    return joined.join(about, on="campaign", how="left").with_columns(
        pl.col("times").fill_null(0),
        pl.col("unknowns").fill_null(0),
        pl.col("resends").fill_null(0),
        pl.col("listed").fill_null(False),
    )


def _launches(campaigns: Mapping[str, Campaign], truth: Truth) -> Iterator[str]:
    for name, campaign in campaigns.items():
        record = truth.launched.get(name)
        if record is None:
            if campaign.certain:
                yield f"{name}: somebody was told that it is launched, and it is not"
            continue
        ours = (record.rows, record.invalid, record.duplicate, record.recipients)
        made = (campaign.rows, campaign.invalid, campaign.duplicate, len(campaign.numbers))
        if ours != made:
            yield f"{name}: launched with (rows, invalid, duplicate, recipients) {ours}, the list has {made}"


def _resolutions(campaigns: Mapping[str, Campaign], truth: Truth) -> Iterator[str]:
    """Only the policy that was asked for decides, or a person."""
    for chunk in truth.chunks:
        made = campaigns.get(chunk.record.campaign)
        if chunk.by == "policy" and made is not None and made.policy != "resend":
            yield f"{made.id}: intent {chunk.intent} was resolved by policy, and the policy is {made.policy}"


def _views(
    views: Mapping[str, CampaignView], campaigns: Mapping[str, Campaign], truth: Truth, ours: pl.DataFrame
) -> Iterator[str]:
    if set(views) != set(truth.launched):
        yield f"the results know {sorted(views)}, the log {sorted(truth.launched)}"
    states = {name: dict(rows.group_by("state").len().iter_rows()) for (name,), rows in ours.group_by(["campaign"])}
    for name, view in views.items():
        if not view.counts.adds_up:
            yield f"{name}: the equation does not hold: {view.counts.line(zeros=True)}"
        launched = truth.launched.get(name)
        aside = {} if launched is None else {"duplicate": launched.duplicate, "suppressed": launched.suppressed}
        counted = {state.word: getattr(view.counts, state.word) - aside.get(state.word, 0) for state in State}
        listed = {word: states.get(str(name), {}).get(word, 0) for word in counted}
        if counted != listed:
            yield f"{name}: the counts say {counted}, the rows {listed}"
        if name in campaigns and view.counts.rows != campaigns[name].rows:
            yield f"{name}: {view.counts.rows} rows, the list has {campaigns[name].rows}"


def _samples(rows: pl.DataFrame) -> str:
    some = rows.head(3).iter_rows(named=True)
    return " (" + "; ".join(_sample(row) for row in some) + ")"


def _sample(row: Mapping[str, object]) -> str:
    known = ("state", "code", "word", "unknowns", "resends", "times", "policy", "vendor_id", "log_id", "ids")
    facts = ", ".join(f"{name} {row[name]}" for name in known if row.get(name) is not None)
    return f"{row['campaign']} {str(row['number'])[:3]}****{str(row['number'])[-4:]}: {facts}"
