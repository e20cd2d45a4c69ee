"""Ours beside the vendor's: every recipient of the demo compared with the ledger, row by row.

The vendor's ledger was written by code that knows nothing of ours (loadtest/sim); what disagrees is a fault.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import polars as pl

from dispatcher.logs import masked
from dispatcher.store.port import CampaignView, Page
from schemas.states import State

_KEY: Final = ["campaign", "number"]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What the comparison found. `lost`: recipients of ours that the vendor never took, or took and we don't know."""

    compared: int
    lost: int
    disagreements: tuple[str, ...]


def our_rows(campaign: str, pages: Iterator[Page]) -> pl.DataFrame:
    """The recipients of one campaign: campaign, number (int64), state, code, vendor_id, account (each a category)."""
    words = _categories([state.word for state in State])
    frames = [
        pl.DataFrame(
            {
                "number": pl.Series(page.numbers),
                "state": words.gather(pl.Series(page.states)),
                "code": _categories(page.codes).gather(pl.Series(page.code_index)),
                "vendor_id": _categories(page.vendor_ids).gather(pl.Series(page.vendor_id_index)),
                "account": _categories(page.accounts).gather(pl.Series(page.account_index)),
            }
        )
        for page in pages
    ]
    return pl.concat(frames).with_columns(campaign=pl.lit(campaign, pl.Categorical))


def compare(
    ours: pl.DataFrame,
    ledger: pl.DataFrame,
    texts: Mapping[str, str],
    delivered: Collection[str],
    codes: Mapping[str, str] | None = None,
) -> Comparison:
    """`ours` as from `our_rows`, the vendor's rows, which campaign each text belongs to, which of the vendor's statuses
    mean delivered, and which of them our results tell in other words.
    """
    theirs = ledger.filter("accepted").select(
        pl.col("text")
        .replace_strict(texts, default=None, return_dtype=pl.String)
        .cast(pl.Categorical)
        .alias("campaign"),
        pl.col("number").cast(pl.Int64, strict=False),
        pl.col("msgid").cast(pl.Categorical).alias("their_id"),
        pl.col("status").replace(codes or {}).cast(pl.Categorical).alias("their_code"),
        pl.col("status").is_in(list(delivered)).alias("good"),
        pl.col("account").cast(pl.Categorical).alias("their_account"),
    )
    joined = ours.join(theirs, on=_KEY, how="full", coalesce=True, nulls_equal=True)
    ours_only = joined.filter(pl.col("their_id").is_null())
    theirs_only = joined.filter(pl.col("state").is_null())
    both = joined.filter(pl.col("state").is_not_null() & pl.col("their_id").is_not_null())
    told = pl.when("good").then(pl.lit("delivered")).otherwise(pl.lit("failed"))
    checks = {
        "have another state than the vendor's status": pl.col("state").cast(pl.String).ne_missing(told),
        "have another report code than the vendor sent": pl.col("code").ne_missing(pl.col("their_code")),
        "have another message id than the vendor gave": pl.col("vendor_id").ne_missing(pl.col("their_id")),
        "went through another account": pl.col("account").ne_missing(pl.col("their_account")),
    }
    found = [(words, both.filter(differs)) for words, differs in checks.items()]
    found += [
        ("are recipients of ours that the vendor never took", ours_only),
        ("were taken by the vendor, and we do not know of it", theirs_only),
        ("were taken by the vendor more than once", theirs.filter(theirs.select(_KEY).is_duplicated())),
    ]
    return Comparison(
        compared=both.height,
        lost=ours_only.height + theirs_only.height,
        disagreements=tuple(f"{rows.height:,} numbers {words}{_samples(rows)}" for words, rows in found if rows.height),
    )


def their_delivered(totals: Mapping[str, Any], delivered: Collection[str]) -> int:
    """How many the vendor says were delivered."""
    return sum(count for status, count in totals["statuses"].items() if status in delivered)


def check_counts(
    views: Sequence[CampaignView], made: Mapping[str, int], big: str, totals: Mapping[str, Any], theirs: int
) -> Iterator[str]:
    """What does not add up: the list as it was made against the launch, the equation, the vendor's totals and its
    delivered ones (`theirs`).
    """
    for view in views:
        if not view.counts.balanced:
            yield f"{view.id}: the balance equation does not hold: {view.counts.line(zeros=True)}"
        if view.counts.open:
            yield f"{view.id}: {view.counts.open:,} recipients have no final word: {view.counts.line()}"
    counts = {view.id: view.counts for view in views}[big]
    ours = {term: int(getattr(counts, term)) for term in made}
    if ours != made:
        yield f"{big}: the list was made with {made}, the launch counted {ours}"
    if totals["double_texts"]:
        yield f"the vendor counts {totals['double_texts']:,} double texts"
    if totals["windows_over_limit"]:
        yield f"the vendor counts {totals['windows_over_limit']:,} windows over the flow limit"
    delivered = sum(view.counts.delivered for view in views)
    if delivered != theirs:
        yield f"we count {delivered:,} delivered, the vendor {theirs:,}"


def _samples(rows: pl.DataFrame) -> str:
    return f" (for example {', '.join(masked(str(number)) for number in rows['number'].head(3))})"


def _categories(values: Sequence[str]) -> pl.Series:
    return pl.Series(values, dtype=pl.Categorical)
