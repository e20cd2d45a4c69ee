"""Vendors that give every recipient an id of its own (COSMS): sending with them, and joining reports without numbers.

`submit: an id each` is the whole lane as in submit.py, 1,000 numbers a request, their ids read, matched and durable.
`join: by an id each` is the joiner as in join.py: 2,000,000 recipients (quick: 400,000) in chunks of 1,000; reports of
1,000 ids to a record, near the order in which they were sent and in none.

The naive way in the same run: a careful script with a committed row per recipient and its id, one request after the
other; and an UPDATE per report by that id, with an index on it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dispatcher.store.sqlite.store import open_sqlite
from loadtest.bench.harness import figure, in_turn
from loadtest.bench.receiving import naive as naive_joins
from loadtest.bench.receiving.join import AT_MS, PARTITION, cut, fill
from loadtest.bench.sending import naive
from loadtest.bench.sending.lanes import ACCOUNT, FIRST, SECRET
from loadtest.bench.sending.submit import submitted
from schemas.records import Reports

FIRST_ID: Final = 567_890_009
PER_REQUEST: Final = 1_000
PER_RECORD: Final = 1_000
ROUNDS: Final = 3
COSMS: Final = {
    "vendor": "cosms", "corp_id": ACCOUNT, "login_name": ACCOUNT, "password": SECRET, "md5": False,
    "inflight_max": 16, "report_interval_s": 0, "mo_interval_s": 0,
}  # fmt: skip


async def run(quick: bool) -> list[dict[str, Any]]:
    """The figures; see the module."""
    total = 200_000 if quick else 1_000_000
    value, baseline = await in_turn(
        1 if quick else ROUNDS,
        lambda: submitted({"vendor": "cosms"}, COSMS, total),
        lambda: naive.submit_with_ids({"vendor": "cosms"}, total // 10, PER_REQUEST),
    )
    figures = [figure("submit: an id each", value, "numbers/s", baseline)]
    figures += await asyncio.to_thread(_joins, 400_000 if quick else 2_000_000)
    return figures


# --- joining ---------------------------------------------------------------------------------------------------------


def _joins(recipients: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(7)
    near = np.argsort(np.arange(recipients) + rng.integers(0, 20_000, recipients), kind="stable")
    figures = []
    numbers = np.arange(FIRST, FIRST + recipients)
    for name, order in (("near submit order", near), ("in random order", rng.permutation(recipients))):
        ours, base = _joined(recipients, order), naive_joins.join_by_id(numbers, FIRST_ID, order[: recipients // 5])
        figures.append(figure(f"join: by an id each, {name}", ours, "reports/s", base))
    return figures


def _joined(recipients: int, order: NDArray[np.int64]) -> float:
    def outcome(chunk: int) -> dict[str, Any]:
        first = FIRST_ID + chunk * PER_REQUEST
        return {"code": "100", "vendor_ids": tuple(map(str, range(first, first + PER_REQUEST)))}

    with tempfile.TemporaryDirectory() as folder:
        store = open_sqlite(Path(folder) / "ours.db", emits=False)
        fill(store, np.arange(FIRST, FIRST + recipients), PER_REQUEST, "cosms", outcome)
        took_s = 0.0
        for records in list(cut(list(_reports(order)))):
            started_s = time.perf_counter()
            store.take({("reports", PARTITION): records})
            took_s += time.perf_counter() - started_s
        store.close()
        with sqlite3.connect(Path(folder) / "ours.db") as connection:
            (applied,) = connection.execute("SELECT applied FROM report_counts").fetchone()
        assert applied == recipients
    return recipients / took_s


def _reports(order: NDArray[np.int64]) -> Iterator[Reports]:
    for start in range(0, len(order), PER_RECORD):
        rows = order[start : start + PER_RECORD]
        count = len(rows)
        yield Reports(
            account=ACCOUNT,
            at_ms=AT_MS + start,
            ids=[str(FIRST_ID + row) for row in rows.tolist()],
            id_index=np.arange(count, dtype="<u4").tobytes(),
            numbers=np.zeros(count, "<i8").tobytes(),
            states=np.ones(count, np.uint8).tobytes(),
            codes=["0"],
            code_index=np.zeros(count, "<u2").tobytes(),
            times=np.full(count, AT_MS // 1000, "<u4").tobytes(),
        )
