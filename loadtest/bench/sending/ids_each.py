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
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import numpy as np
from numpy.typing import NDArray

from consumers.lanes.role import run_lanes
from dispatcher.config.file import parse
from dispatcher.core.numbers import encode
from dispatcher.log.opening import open_log
from dispatcher.log.port import Stored
from dispatcher.service.launching import LaunchRequest
from dispatcher.service.session import Session
from dispatcher.store.fold.feeding import READ_BYTES_MAX
from dispatcher.store.port import LoadedBatch
from dispatcher.store.sqlite.store import open_sqlite
from loadtest.sim.process import spawn
from producers.launch.api import launch
from schemas import codec
from schemas.batch import pack
from schemas.records import AnyRecord, Effect, Intent, Job, Kind, Launched, Leg, Outcome, Owned, Reports
from schemas.topics import lane_partition

ACCOUNT: Final = "spring"
PARTITION: Final = lane_partition(ACCOUNT)
TEXT: Final = "【Shop】Sale from 8 to 10"
FIRST: Final = 13_000_000_000
FIRST_ID: Final = 567_890_009
PER_REQUEST: Final = 1_000
BATCH: Final = 50_000
PER_RECORD: Final = 1_000
ROUNDS: Final = 3
AT_MS: Final = 1_700_000_000_000


async def run(quick: bool) -> list[dict[str, Any]]:
    """The figures; see the module."""
    total = 200_000 if quick else 1_000_000
    ours, naive = [], []
    for _ in range(1 if quick else ROUNDS):
        ours.append(await _submitted(total))
        naive.append(await _naively_submitted(total // 10))
    figures = [_figure("submit: an id each", statistics.median(ours), "numbers/s", statistics.median(naive))]
    figures += await asyncio.to_thread(_joins, 400_000 if quick else 2_000_000)
    return figures


def _figure(name: str, value: float, unit: str, baseline: float) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": value / baseline}


# --- submitting ------------------------------------------------------------------------------------------------------

SIMULATED: Final = {"vendor": "cosms", "account": {ACCOUNT: {"pswd": "secret"}}}


async def _submitted(total: int) -> float:
    """Numbers per second from the moment the lanes start until the vendor's ledger has every number."""
    with tempfile.TemporaryDirectory() as folder, spawn(SIMULATED, loop="uvloop") as sim:
        account = {
            "vendor": "cosms", "url": sim.url, "corp_id": ACCOUNT, "login_name": ACCOUNT, "password": "secret",
            "md5": False, "inflight_max": 16, "report_interval_s": 0, "mo_interval_s": 0,
        }  # fmt: skip
        config = parse({"log": {"url": f"sqlite:{folder}/log.db"}, "account": {ACCOUNT: account}}, "bench")
        log = await open_log(config.log.url)
        numbers = np.arange(FIRST, FIRST + total)
        await launch(Session(config, log), LaunchRequest(numbers=numbers, text=TEXT, route=[ACCOUNT], id="bench"))
        stop = asyncio.Event()
        async with aiohttp.ClientSession() as session:
            start_s = time.perf_counter()
            lanes = asyncio.create_task(run_lanes(config, log, stop))
            while True:
                async with session.get(f"{sim.url}/_sim/ledger") as response:
                    counted = (await response.json())["accounts"][ACCOUNT]
                if counted["numbers_accepted"] >= total:
                    break
                if lanes.done():
                    lanes.result()
                await asyncio.sleep(0.02)
            took_s = time.perf_counter() - start_s
        assert counted["double_texts"] == 0
        stop.set()
        await lanes
        await log.close()
    return total / took_s


async def _naively_submitted(total: int) -> float:
    with tempfile.TemporaryDirectory() as folder, spawn(SIMULATED, loop="uvloop") as sim:
        path = Path(folder) / "numbers.txt"
        path.write_text("\n".join(str(number) for number in range(FIRST, FIRST + total)))
        database = sqlite3.connect(Path(folder) / "naive.db")
        database.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
            "CREATE TABLE sent (number TEXT PRIMARY KEY, vendor_id TEXT, state TEXT)"
        )
        start_s = time.perf_counter()
        numbers = path.read_text().split("\n")
        login = {"corpID": ACCOUNT, "loginName": ACCOUNT, "password": "secret"}
        async with aiohttp.ClientSession() as session:
            for start in range(0, total, PER_REQUEST):
                part = numbers[start : start + PER_REQUEST]
                with database:
                    database.executemany("INSERT INTO sent VALUES (?, NULL, 'sending')", [(number,) for number in part])
                form = {
                    **login,
                    "msgFormat": "2",
                    "msg": TEXT,
                    "mtLevel": "3",
                    "Mobs": ",".join(part),
                }
                async with session.post(f"{sim.url}/sms/putMt/", data=form) as response:
                    code, *rows = (await response.text()).split()
                assert code == "100"
                ids = [(row.split(",")[1], number) for row, number in zip(rows, part, strict=True)]
                with database:
                    database.executemany("UPDATE sent SET state = 'sent', vendor_id = ? WHERE number = ?", ids)
        took_s = time.perf_counter() - start_s
        database.close()
    return total / took_s


# --- joining ---------------------------------------------------------------------------------------------------------


def _joins(recipients: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(7)
    near = np.argsort(np.arange(recipients) + rng.integers(0, 20_000, recipients), kind="stable")
    figures = []
    for name, order in (("near submit order", near), ("in random order", rng.permutation(recipients))):
        ours, naive = _joined(recipients, order), _naively_joined(recipients, order[: recipients // 5])
        figures.append(_figure(f"join: by an id each, {name}", ours, "reports/s", naive))
    return figures


def _joined(recipients: int, order: NDArray[np.intp]) -> float:
    numbers = np.arange(FIRST, FIRST + recipients)
    with tempfile.TemporaryDirectory() as folder:
        store = open_sqlite(Path(folder) / "ours.db", emits=False)
        jobs: list[AnyRecord] = []
        texts = []
        for batch, start in enumerate(range(0, recipients, BATCH)):
            part = numbers[start : start + BATCH]
            texts.append(encode(part))
            jobs.append(
                Job(campaign="c", attempt="a", account=ACCOUNT, number=batch, batch=batch, partition=batch % 8,
                    offset=batch // 8, sha256=pack(texts[-1], len(part))[2], start=0, count=len(part))
            )  # fmt: skip
        launched = Launched(
            campaign="c", attempt="a", fingerprint="", name="", text="", weight=1, urgent=False, unknown="hold",
            legs=(Leg(account=ACCOUNT, vendor="cosms", jobs=len(jobs), recipients=recipients),), rows=recipients,
            recipients=recipients, invalid=0, duplicate=0, suppressed=0, batches=len(jobs), segments=1, at_ms=AT_MS,
            by="",
        )  # fmt: skip
        store.take_inputs({("campaigns", 0): _stored([launched]), ("jobs", PARTITION): _stored(jobs)})
        store.add_batches([LoadedBatch(batch // 8 * 8 + batch % 8, text) for batch, text in enumerate(texts)])
        store.take({("lanes", PARTITION): _stored(list(_journal(recipients)))})
        left = list(_cut(_stored(list(_reports(order)))))
        took_s = 0.0
        for records in left:
            started_s = time.perf_counter()
            store.take({("reports", PARTITION): records})
            took_s += time.perf_counter() - started_s
        store.close()
        with sqlite3.connect(Path(folder) / "ours.db") as connection:
            (applied,) = connection.execute("SELECT applied FROM report_counts").fetchone()
        assert applied == recipients
    return recipients / took_s


def _journal(recipients: int) -> Iterator[AnyRecord]:
    yield Owned(owner="o", at_ms=AT_MS, where="bench")
    starts = range(0, recipients, PER_REQUEST)
    for index, start in enumerate(starts):
        yield Intent(owner="o", n=index, account=ACCOUNT, campaign="c", job=start // BATCH, batch=start // BATCH,
                     start=start % BATCH, count=PER_REQUEST, attempt=0, at_ms=AT_MS)  # fmt: skip
    for index, start in enumerate(starts):
        ids = tuple(str(FIRST_ID + start + number) for number in range(PER_REQUEST))
        yield Outcome(account=ACCOUNT, intent=1 + index, effect=Effect.ACCEPTED, kind=Kind.ACCEPTED,
                    code="100", at_ms=AT_MS,
                      sent_ms=AT_MS, vendor_ids=ids)  # fmt: skip


def _reports(order: NDArray[np.intp]) -> Iterator[AnyRecord]:
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


def _cut(stored: list[Stored]) -> Iterator[list[Stored]]:
    """As the log hands them out."""
    part: list[Stored] = []
    size = 0
    for each in stored:
        part.append(each)
        size += len(each.value)
        if size >= READ_BYTES_MAX:
            yield part
            part, size = [], 0
    if part:
        yield part


def _stored(records: list[AnyRecord]) -> list[Stored]:
    return [Stored(offset, b"", codec.encode(record), (), AT_MS) for offset, record in enumerate(records)]


def _naively_joined(recipients: int, order: NDArray[np.intp]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "naive.db", isolation_level=None)
        database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536")
        database.execute("CREATE TABLE sent (number INTEGER, vendor_id TEXT, state INTEGER, code TEXT)")
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO sent VALUES (?, ?, 2, NULL)", ((FIRST + row, str(FIRST_ID + row)) for row in range(recipients))
        )
        database.execute("CREATE INDEX by_id ON sent (vendor_id)")
        database.execute("COMMIT")
        reports = [(3, "0", str(FIRST_ID + row)) for row in order.tolist()]
        started_s = time.perf_counter()
        for start in range(0, len(reports), 20_000):
            database.execute("BEGIN")
            database.executemany(
                "UPDATE sent SET state = ?, code = ? WHERE vendor_id = ? AND state = 2",
                reports[start : start + 20_000],
            )
            database.execute("COMMIT")
        took_s = time.perf_counter() - started_s
        database.close()
    return len(reports) / took_s
