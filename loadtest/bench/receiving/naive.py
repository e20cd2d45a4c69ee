"""What people write first: a FastAPI app with a row per report, and an UPDATE per report to join them."""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fastapi import FastAPI

ROWS_AT_ONCE: Final = 20_000
AT_MS: Final = 1_700_000_000_000

# --- the app ---------------------------------------------------------------------------------------------------------


def one_by_one(app: FastAPI, database: sqlite3.Connection) -> None:
    """A row per report, each committed by itself."""
    import fastapi

    @app.get("/push/{account}/report", response_class=fastapi.Response)
    async def report(receiver: str, pswd: str, msgid: str, mobile: str, status: str, reportTime: str) -> None:
        if receiver != "admin" or pswd != "12345":
            raise fastapi.HTTPException(403)
        database.execute("INSERT INTO report VALUES (?, ?, ?, ?)", (msgid, mobile, status, reportTime))


def by_the_push(app: FastAPI, database: sqlite3.Connection) -> None:
    """A row per report, a commit per push."""
    import fastapi
    from starlette.requests import Request

    async def report(request: Request) -> fastapi.Response:
        rows = ROWS[request.path_params["account"]](await request.body())
        database.execute("BEGIN")
        database.executemany("INSERT INTO report VALUES (?, ?, ?, ?)", rows)
        database.execute("COMMIT")
        return fastapi.Response()

    app.add_route("/push/{account}/report", report, methods=["POST"])


Row = tuple[str, str, str, float]


def hezhong_rows(body: bytes) -> list[Row]:
    """A row per report."""
    rows = []
    for entry in parse_qs(body.decode())["rpts"][0].split(";"):
        phone, status, vendor_id, stamp = entry.split(",")
        rows.append((vendor_id, phone, status, datetime.strptime(stamp, "%Y%m%d%H%M%S").timestamp()))
    return rows


def guodu_rows(body: bytes) -> list[Row]:
    """A row per report."""
    rows = []
    for report in json.loads(body.decode().rstrip(";")):
        at = datetime.strptime(report["reportTime"], "%Y-%m-%d %H:%M:%S").timestamp()
        rows.append((report["msgId"], report["mobile"], str(report["status"]), at))
    return rows


ROWS: Final = {"hezhong": hezhong_rows, "guodu": guodu_rows}


# --- joining ---------------------------------------------------------------------------------------------------------


class JoinByNumber:
    """A row per recipient, and an UPDATE per report."""

    def __init__(self, path: Path, numbers: NDArray[np.int64], vendor_ids: list[str], order: NDArray[np.int64]) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        run = self._connection.execute
        for pragma in (
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "cache_size = -65536",
            "wal_autocheckpoint = 16000",
        ):
            run(f"PRAGMA {pragma}")
        run("CREATE TABLE recipient (number INTEGER, vendor_id TEXT, state INTEGER, code TEXT, at INTEGER)")
        run("BEGIN")
        rows = ((number, vendor_id, 2) for number, vendor_id in zip(numbers.tolist(), vendor_ids, strict=True))
        self._connection.executemany("INSERT INTO recipient VALUES (?, ?, ?, NULL, NULL)", rows)
        run("CREATE INDEX by_report ON recipient (vendor_id, number)")
        run("COMMIT")
        self._numbers = numbers
        self._vendor_ids = vendor_ids
        self._order = order
        self._reports = 0
        self._seconds = 0.0

    def step(self) -> None:
        """One transaction."""
        rows = self._order[self._reports : self._reports + ROWS_AT_ONCE].tolist()
        reports = [(3, "DELIVRD", AT_MS, self._vendor_ids[row], int(self._numbers[row])) for row in rows]
        started_s = time.perf_counter()
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "UPDATE recipient SET state = ?, code = ?, at = ? WHERE vendor_id = ? AND number = ? AND state = 2", reports
        )
        self._connection.execute("COMMIT")
        self._seconds += time.perf_counter() - started_s
        self._reports += len(rows)

    @property
    def per_s(self) -> float:
        """Reports per second."""
        return self._reports / self._seconds


def join_by_id(numbers: NDArray[np.int64], first_id: int, order: NDArray[np.int64]) -> float:
    """Reports per second in this order: an UPDATE per report by the id of its recipient."""
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "naive.db", isolation_level=None)
        database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536")
        database.execute("CREATE TABLE sent (number INTEGER, vendor_id TEXT, state INTEGER, code TEXT)")
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO sent VALUES (?, ?, 2, NULL)",
            ((number, str(first_id + row)) for row, number in enumerate(numbers.tolist())),
        )
        database.execute("CREATE INDEX by_id ON sent (vendor_id)")
        database.execute("COMMIT")
        reports = [(3, "0", str(first_id + row)) for row in order.tolist()]
        started_s = time.perf_counter()
        for start in range(0, len(reports), ROWS_AT_ONCE):
            database.execute("BEGIN")
            database.executemany(
                "UPDATE sent SET state = ?, code = ? WHERE vendor_id = ? AND state = 2",
                reports[start : start + ROWS_AT_ONCE],
            )
            database.execute("COMMIT")
        took_s = time.perf_counter() - started_s
        database.close()
    return len(reports) / took_s
