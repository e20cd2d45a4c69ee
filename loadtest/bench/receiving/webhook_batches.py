"""`parse_500`, `parse_250`, `webhook_500`, `webhook_250`: reports pushed by the hundred, as HEZHONG and GUODU do.

`parse_…`: pushes into columns, and nothing else; beside it what people write first: parse_qs or json.loads, strptime,
an object per report. One core, best of a few rounds, in reports per second of its own time (other processes don't
count).

`webhook_…`: parsed, durable and joined. Webhooks and joiner in one process, on the SQLite log and store, fed with the
reports of campaigns that were really sent; the time ends when the store says that every recipient is delivered. Beside
it a FastAPI app under uvicorn that inserts the rows of a push and commits them (and joins nothing). Otherwise as in
webhook_get.py.

    python -m loadtest.bench.receiving.webhook_batches [--quick]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from dispatcher.vendors.seam.vendor import Push
from loadtest.bench.harness import figure
from loadtest.bench.receiving import naive
from loadtest.bench.receiving.push_servers import PushBench
from loadtest.bench.receiving.pushed_lists import BODIES, PER_PUSH, requests
from loadtest.bench.receiving.pushing import FIRST, config_of

CONNECTIONS: Final = 64
ROUNDS: Final = 3
TOGETHER: Final = 5
"""Pushes read at once, as the webhooks read what came while the log was busy."""

ACCOUNTS: Final[dict[str, dict[str, Any]]] = {
    "hezhong": {"vendor": "hezhong", "userid": "1", "username": "spring", "password": "secret"},
    "guodu": {"vendor": "guodu", "oper_id": "spring", "oper_pass": "secret"},
}

# --- parsing alone ---------------------------------------------------------------------------------------------------


def parsing(account: str, quick: bool) -> dict[str, Any]:
    """Reports per second of one core."""
    per_push = PER_PUSH[account]
    bodies = [
        BODIES[account]([(str(881_000_000 + n // 40), FIRST + n) for n in range(at, at + per_push)])
        for at in range(0, 20 * per_push, per_push)
    ]
    vendor = config_of(Path(), ACCOUNTS).http_account(account)
    pushes = [Push(account, "POST", b"", body, "", 1_700_000_000_000) for body in bodies]
    rounds = 3 if quick else 15
    groups = [pushes[at : at + TOGETHER] for at in range(0, len(pushes), TOGETHER)]
    ours = _best(vendor.report_pushes, groups, rounds) / TOGETHER
    base = _best(naive.ROWS[account], bodies, rounds)
    return figure(f"parse_{per_push}", per_push / ours, "reports/s", per_push / base)


def _best(parse_one: Callable[[Any], Any], inputs: Sequence[Any], rounds: int) -> float:
    """Seconds of this process's own time for one of the inputs, in the best round."""
    best = float("inf")
    for _ in range(rounds):
        began_s = time.process_time()
        for each in inputs:
            parse_one(each)
        best = min(best, (time.process_time() - began_s) / len(inputs))
    return best


# --- the whole way ---------------------------------------------------------------------------------------------------


BENCH: Final = PushBench(
    module="loadtest.bench.receiving.webhook_batches",
    accounts=ACCOUNTS,
    connections=CONNECTIONS,
    requests=requests,
    naive=naive.by_the_push,
)


async def run(quick: bool = False) -> list[dict[str, Any]]:
    """Parsing alone, then the whole way."""
    figures = [parsing(account, quick) for account in ACCOUNTS]
    count, rounds = (50_000, 1) if quick else (1_000_000, ROUNDS)
    speeds = await BENCH.measured(count, count // 20, rounds)
    for account, speed in speeds.items():
        figures += speed.figures(f"webhook_{PER_PUSH[account]}")
    return figures


if __name__ == "__main__":
    BENCH.main(run)
