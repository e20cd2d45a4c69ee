"""The CMPP gateway's ledger by recipient: the parts of a long message to a number are one row.

A message is taken when all its parts are. It is delivered when all its parts are, and failed when one of them is;
several parts may fail with different statuses, and which of them counts depends on the order of their reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from loadtest.sim.cmpp.codes_and_switches import DELIVERED, INTERIM

if TYPE_CHECKING:
    from loadtest.sim.cmpp.ledger import Ledger

_FLAGS: Final = {"accepted": 1, "due": 2, "pushed": 4, "acked": 8, "lost": 16}
_KEY: Final = ["account", "number", "parts", "reference"]
_COUNTED: Final = ("due", "pushed", "acked", "lost")


def taken(ledger: Ledger, account: int | None = None) -> pl.DataFrame:
    """Who was sent all parts of a message, in the order of their first ones; numbers, texts and statuses as indices.

    `texts` and `ids` are those of the parts in order; `failed` the statuses of the parts that failed.
    """
    rows = _rows(ledger)
    chosen = pl.col("accepted") if account is None else pl.col("accepted") & (pl.col("account") == account)
    good = [index for index, status in enumerate(ledger.statuses) if status in (DELIVERED, INTERIM)]
    rows = rows.filter(chosen).with_columns(failing=pl.col("due") & ~pl.col("status").is_in(good))
    whole, cut = rows.filter(pl.col("parts") == 1), rows.filter(pl.col("parts") > 1)
    found = [_of_one_part(whole)]
    if cut.height:
        found.append(_of_several(cut))
    return pl.concat(found).sort("row")


def _rows(ledger: Ledger) -> pl.DataFrame:
    numbers, place_of = np.array(ledger.number), {number: place for place, number in enumerate(_odd(ledger))}
    for row, number in ledger.odd.items():
        numbers[row] = -1 - place_of[number]
    flags = np.array(ledger.flags)
    columns: dict[str, Any] = {
        "account": np.array(ledger.account),
        "number": numbers,
        "parts": np.array(ledger.parts),
        "reference": np.array(ledger.reference),
        "part": np.array(ledger.part),
        "id": np.array(ledger.msg_id),
        "text": np.array(ledger.text),
        "status": np.array(ledger.status),
        "arrived_s": np.array(ledger.arrived_s),
        **{name: (flags & bit) > 0 for name, bit in _FLAGS.items()},
    }
    return pl.DataFrame(columns).with_row_index("row")


def _odd(ledger: Ledger) -> list[bytes]:
    """What is no mobile number, each once."""
    return list(dict.fromkeys(ledger.odd.values()))


def _of_one_part(rows: pl.DataFrame) -> pl.DataFrame:
    failed = pl.when("failing").then(pl.concat_list("status")).otherwise(pl.lit([], pl.List(pl.UInt8)))
    return rows.select(
        "row", "account", "number", "parts", "arrived_s", "status", *_COUNTED,
        pl.concat_list("id").alias("ids"), pl.concat_list("text").alias("texts"), failed.alias("failed"),
    )  # fmt: skip


def _of_several(rows: pl.DataFrame) -> pl.DataFrame:
    copies = rows.with_columns(copy=pl.int_range(pl.len()).over([*_KEY, "part"])).sort("part", maintain_order=True)
    told = (pl.col("failing") & pl.col("acked")).any()
    lost = pl.col("lost").any() & ~told
    messages = copies.group_by([*_KEY, "copy"], maintain_order=True).agg(
        pl.col("row").min(),
        pl.col("arrived_s").min(),
        pl.col("status").filter(~pl.col("failing")).first().alias("good"),
        (pl.col("due").any() & ~lost).alias("due"),
        pl.col("pushed").any().alias("pushed"),
        (told | pl.col("acked").all()).alias("acked"),
        lost.alias("lost"),
        pl.col("id").alias("ids"),
        pl.col("text").alias("texts"),
        pl.col("status").filter("failing").unique(maintain_order=True).alias("failed"),
        pl.col("part").n_unique().alias("there"),
    )
    return messages.filter(pl.col("there") == pl.col("parts")).select(
        "row", "account", "number", "parts", "arrived_s",
        pl.coalesce(pl.col("failed").list.first(), "good").alias("status"),
        *_COUNTED, "ids", "texts", "failed",
    )  # fmt: skip


def figures(ledger: Ledger, account: int, doubles: bool) -> dict[str, Any]:
    """What those of an account add up to; `doubles`: also what has to be sorted."""
    found = taken(ledger, account)
    told = found.filter(~pl.col("lost") & (pl.col("status") > 0))["status"].value_counts()
    result: dict[str, Any] = {
        "numbers_accepted": found.height,
        **{f"reports_{name}": int(found[name].sum()) for name in _COUNTED},
        "statuses": {ledger.statuses[index]: times for index, times in sorted(told.iter_rows())},
    }
    if doubles:
        different = found.select("number", pl.col("texts").cast(pl.List(pl.String)).list.join(" ")).unique().height
        result |= {"unique_numbers": found["number"].n_unique(), "double_texts": found.height - different}
    return result


def frame(ledger: Ledger, names: list[str]) -> pl.DataFrame:
    """The rows as loadtest/sim/ledger/rows.py has them, of messages that were taken; ids of parts with a space between
    them. `more_statuses`: those of other parts that failed.
    """
    found = taken(ledger)
    odd = [number.decode("latin-1") for number in _odd(ledger)]
    statuses = pl.Series(ledger.statuses, dtype=pl.String)
    texts = {parts: ledger.text_of(parts) for parts in {tuple(each) for each in found["texts"].to_list()}}
    more = found["failed"].list.slice(1).to_list()
    return found.select(
        pl.Series("account", [names[place] for place in found["account"]], dtype=pl.String),
        pl.col("ids").cast(pl.List(pl.String)).list.join(" ").alias("msgid"),
        pl.Series("number", [odd[-1 - each] if each < 0 else str(each) for each in found["number"]], dtype=pl.String),
        pl.Series("text", [texts[tuple(each)] for each in found["texts"].to_list()], dtype=pl.String),
        "parts",
        "arrived_s",
        pl.lit(True).alias("accepted"),
        statuses.gather(found["status"].cast(pl.UInt32)).alias("status"),
        *_COUNTED,
        pl.Series(
            "more_statuses", [[ledger.statuses[index] for index in each] for each in more], dtype=pl.List(pl.String)
        ),
    )
