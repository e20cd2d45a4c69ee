"""Compares every recipient with the simulated vendors' ledgers, row by row. Pure.

Independent code wrote the ledgers (loadtest/sim); a difference is a fault. An unknown recipient may be in a ledger or
not: that is what unknown means.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import msgspec
import polars as pl

from dispatcher.masking import masked_mobiles
from dispatcher.store.port import Page
from schemas.states import State

_KEY: Final = ["campaign", "number"]

_TOLD: Final = pl.col("state").cast(pl.String).is_in(["delivered", "failed"]) & pl.col("from_report")
_SENT: Final = pl.col("state").cast(pl.String).is_in(["accepted", "no_report"]) | _TOLD
_NEVER_SENT: Final = pl.col("state").is_null() | (
    pl.col("state").cast(pl.String).is_in(["queued", "cancelled", "failed"]) & ~pl.col("from_report")
)
_TAKEN: Final = pl.col("their_id").is_not_null()
_DISAGREEMENTS: Final[Mapping[str, pl.Expr]] = {
    "have another state than the vendor's status": (
        _TOLD
        & _TAKEN
        & (
            pl.col("state").cast(pl.String) != pl.when("good").then(pl.lit("delivered")).otherwise(pl.lit("failed"))
        ).fill_null(True)
    ),
    "have another report code than the vendor sent": (
        _TOLD
        & _TAKEN
        & pl.col("code").ne_missing(pl.col("their_code"))
        & ~pl.col("more_codes").list.contains(pl.col("code").cast(pl.String)).fill_null(False)
    ),
    "have another message id than the vendor gave": _SENT & _TAKEN & pl.col("vendor_id").ne_missing(pl.col("their_id")),
    "went through another account": _SENT & _TAKEN & pl.col("account").ne_missing(pl.col("their_account")),
    "have a report that we took, and we still wait for it": (
        pl.col("state").cast(pl.String).is_in(["accepted", "no_report"]) & pl.col("acked") & ~pl.col("interim")
    ),
}
_LOST: Final[Mapping[str, pl.Expr]] = {
    "are recipients of ours that the vendor never took": _SENT & ~_TAKEN,
    "were taken by the vendor, and we do not know of it": _TAKEN & _NEVER_SENT,
}


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What the comparison found. `lost`: recipients of ours that the vendor never took, or took and we don't know.

    `compared`: rows that are in both. `doubles`: rows of the vendors' that text somebody once more with the same
    campaign. `unsettled`: recipients of ours that are unknown although we took a report that names them.
    """

    compared: int
    lost: int
    disagreements: tuple[str, ...]
    doubles: int = 0
    unsettled: int = 0


def our_rows(campaign: str, pages: Iterator[Page]) -> pl.DataFrame:
    """The recipients of one campaign: campaign, number (int64), state, code, vendor_id, account (each a category),
    from_report.
    """
    words = _categories([state.word for state in State])
    frames = [
        pl.DataFrame(
            {
                "number": pl.Series(page.numbers),
                "state": words.gather(pl.Series(page.states)),
                "code": _categories(page.codes).gather(pl.Series(page.code_index)),
                "vendor_id": _categories(page.vendor_ids).gather(pl.Series(page.vendor_id_index)),
                "account": _categories(page.accounts).gather(pl.Series(page.account_index)),
                "from_report": pl.Series(page.from_report),
            }
        )
        for page in pages
    ]
    return pl.concat(frames).with_columns(campaign=pl.lit(campaign, pl.Categorical))


def their_rows(
    ledger: pl.DataFrame,
    texts: Mapping[str, str],
    delivered: Collection[str],
    codes: Mapping[str, str] | None = None,
    interim: Collection[str] = (),
    named: bool = True,
) -> pl.DataFrame:
    """What one vendor took: its ledger's rows (loadtest/sim/ledger/rows.py), with the campaign each text belongs to,
    whether
    the status means delivered or is no final word, and the statuses as our results tell them (`codes`). `named`: a
    report names the number it is about, so that it proves something of who is unknown. Where parts of a message failed
    with different statuses (`more_statuses`), any of them may be the one that counts.
    """
    no_more = pl.lit(None, pl.List(pl.String)).alias("more_codes")
    return ledger.filter("accepted").select(
        pl.col("text")
        .replace_strict(texts, default=None, return_dtype=pl.String)
        .cast(pl.Categorical)
        .alias("campaign"),
        pl.col("number").cast(pl.Int64, strict=False),
        pl.col("msgid").cast(pl.Categorical).alias("their_id"),
        pl.col("status").replace(codes or {}).cast(pl.Categorical).alias("their_code"),
        pl.col("status").is_in(list(delivered)).alias("good"),
        pl.col("status").is_in(list(interim)).alias("interim"),
        pl.col("more_statuses").alias("more_codes") if "more_statuses" in ledger.columns else no_more,
        pl.col("account").cast(pl.Categorical).alias("their_account"),
        pl.col("acked"),
        (pl.col("acked") & ~pl.col("status").is_in(list(interim)) & pl.lit(named)).alias("proof"),
    )


def compare(ours: pl.DataFrame, theirs: pl.DataFrame) -> Comparison:
    """`ours` as from `our_rows`, `theirs` as from `their_rows`, each of any number of campaigns and vendors."""
    again = theirs.filter(theirs.select(_KEY).is_duplicated())
    joined = ours.join(theirs, on=_KEY, how="full", coalesce=True, nulls_equal=True)
    lost = [(words, joined.filter(breaks.fill_null(False))) for words, breaks in _LOST.items()]
    found = [(words, joined.filter(breaks.fill_null(False))) for words, breaks in _DISAGREEMENTS.items()]
    found += [*lost, ("were taken by the vendor more than once", again)]
    unsettled = joined.filter((pl.col("state").cast(pl.String) == "unknown") & pl.col("proof"))
    return Comparison(
        compared=joined.filter(pl.col("state").is_not_null() & _TAKEN).height,
        lost=sum(rows.height for _, rows in lost),
        disagreements=tuple(f"{rows.height:,} numbers {words}{_samples(rows)}" for words, rows in found if rows.height),
        doubles=again.height - again.select(_KEY).n_unique(),
        unsettled=unsettled.height,
    )


def _samples(rows: pl.DataFrame) -> str:
    return f" (for example {', '.join(masked_mobiles(str(number)) for number in rows['number'].head(3))})"


def _categories(values: Sequence[str]) -> pl.Series:
    return pl.Series(values, dtype=pl.Categorical)
