"""`webhook_get`: delivery reports, one per GET, over many keep-alive connections: parsed, durable and joined.

Ours: webhooks and joiner in one process, on the SQLite log and store, fed with the reports of a campaign that was
really sent; the time ends when the store says that every recipient is delivered. Beside it what people write first: a
FastAPI app under uvicorn that inserts a row per report and commits it (and joins nothing). Both on uvloop, both with
WAL and `synchronous=FULL`, each bound to one core; the same load, from this process, in interleaved rounds.
`webhook_get (own CPU)` divides by the CPU time of the server's process instead: what one free core would do.

    python -m loadtest.bench.receiving.webhook_get [--quick]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from loadtest.bench.receiving import naive
from loadtest.bench.receiving.push_servers import PushBench
from loadtest.bench.receiving.pushing import Report

CONNECTIONS: Final = 128
ROUNDS: Final = 3
ACCOUNT: Final = "batch"
LOGIN: Final[dict[str, Any]] = {"vendor": "batch-a", "account": "spring", "pswd": "secret"}
PUSHES: Final[dict[str, Any]] = {"numbers_per_request": 500, "receiver": "admin", "push_pswd": "12345"}


def requests(account: str, reports: Sequence[Report]) -> list[bytes]:
    """GET requests that say of each: delivered."""
    return [
        (
            f"GET /push/{account}/report?receiver=admin&pswd=12345&msgid={vendor_id}&reportTime=2501011002"
            f"&mobile={number}&status=DELIVRD HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: vendor\r\n\r\n"
        ).encode()
        for vendor_id, number in reports
    ]


BENCH: Final = PushBench(
    module="loadtest.bench.receiving.webhook_get",
    accounts={ACCOUNT: LOGIN | PUSHES},
    connections=CONNECTIONS,
    requests=requests,
    naive=naive.one_by_one,
)


async def run(quick: bool = False) -> list[dict[str, Any]]:
    """The medians of a few interleaved rounds."""
    count, naive_count, rounds = (20_000, 2_000, 1) if quick else (100_000, 10_000, ROUNDS)
    speeds = await BENCH.measured(count, naive_count, rounds)
    return speeds[ACCOUNT].figures("webhook_get")


if __name__ == "__main__":
    BENCH.main(run)
