"""A simulated vendor in its own process, for the demo, benchmarks and end-to-end tests.

    with spawn({"account": {"spring": {"pswd": "secret"}}}) as sim:
        sim.url, sim.pid
        sim.configure(max_chars=585)
        sim.totals()["double_texts"], sim.rows()

    with spawn({"north": {"vendor": "hezhong"}, "south": {"vendor": "guodu"}}) as sims:
        sims.named["south"].url

The child ends when the `with` does, and also when this process dies (its standard input closes). The calls block: from
a coroutine use asyncio.to_thread.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import orjson
import polars as pl

from dispatcher.errors import ConfigError, DispatcherError, PortInUse

STOP_S_MAX = 5.0
CALL_S_MAX = 120.0
_HTTP = build_opener(ProxyHandler({}))


class SimClient:
    """The control endpoint of a simulator at `url`, from anywhere."""

    def __init__(self, url: str) -> None:
        self.url = url

    def describe(self) -> dict[str, Any]:
        """GET /_sim/config."""
        return self._json("GET", "/_sim/config")

    def configure(self, **settings: Any) -> None:
        """POST /_sim/config: switches, `account`, `rule`."""
        self._json("POST", "/_sim/config", settings)

    def add_rule(self, **rule: Any) -> None:
        """POST /_sim/rules."""
        self._call("POST", "/_sim/rules", rule)

    def totals(self, doubles: bool = True) -> dict[str, Any]:
        """GET /_sim/ledger."""
        return self._json("GET", f"/_sim/ledger?doubles={'yes' if doubles else 'no'}")

    def operations(self) -> list[dict[str, Any]]:
        """GET /_sim/operations."""
        result: list[dict[str, Any]] = orjson.loads(self._call("GET", "/_sim/operations"))
        return result

    def rows(self) -> pl.DataFrame:
        """GET /_sim/ledger/rows."""
        return pl.read_parquet(io.BytesIO(self._call("GET", "/_sim/ledger/rows")))

    def recipients(self) -> pl.DataFrame:
        """GET /_sim/ledger/rows?by=recipient: a row for each number and text, whatever its parts."""
        return pl.read_parquet(io.BytesIO(self._call("GET", "/_sim/ledger/rows?by=recipient")))

    def top_up(self, account: str, add: int, product: str = "") -> None:
        """POST /_sim/balance."""
        self._json("POST", "/_sim/balance", {"account": account, "product": product, "add": add})

    def push_report(self, account: str, **fields: Any) -> int:
        """POST /_sim/report; the receiver's HTTP status."""
        return int(self._json("POST", "/_sim/report", {"account": account, **fields})["status"])

    def push_inbound(self, account: str, **fields: Any) -> list[int]:
        """POST /_sim/mo; the receiver's HTTP statuses."""
        return list(self._json("POST", "/_sim/mo", {"account": account, **fields})["statuses"])

    def repeat(self, account: str) -> int:
        """POST /_sim/repeat; how many reports are pushed once more."""
        return int(self._json("POST", "/_sim/repeat", {"account": account})["reports"])

    def outage(self, seconds: float) -> None:
        """POST /_sim/outage."""
        self._json("POST", "/_sim/outage", {"seconds": seconds})

    def reset(self, everything: bool = False) -> None:
        """POST /_sim/reset."""
        self._json("POST", "/_sim/reset", {"all": everything})

    def _json(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = orjson.loads(self._call(method, path, body))
        return result

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        data = None if body is None else orjson.dumps(body)
        try:
            with _HTTP.open(Request(self.url + path, data, method=method), timeout=CALL_S_MAX) as answer:
                content: bytes = answer.read()
                return content
        except HTTPError as error:
            raise ConfigError(orjson.loads(error.read())["error"]) from None


class SpawnedSimulator(SimClient):
    """A simulator in a child process; of several the first, the others by their name in `named`. `address` is its
    HOST:PORT, and `addresses` has all of them: what a CMPP gateway listens on, whose `url` is its control endpoint.
    """

    def __init__(self, urls: Mapping[str, str], pid: int, addresses: Mapping[str, str]) -> None:
        super().__init__(next(iter(urls.values())))
        self.pid = pid
        self.addresses = addresses
        self.address = next(iter(addresses.values()))
        self.named = {name: SimClient(url) for name, url in urls.items()}


@contextmanager
def spawn(config: Mapping[str, Any] | None = None, *, loop: str = "uvloop") -> Iterator[SpawnedSimulator]:
    """Run a simulator with this configuration (config.py) in a child process; without `listen` on a free port.

    `loop`: asyncio or uvloop (docs/SIMULATORS.md says which is faster for what). Raises ConfigError, PortInUse,
    DispatcherError.
    """
    table = dict(config or {})
    table = dict(table.get("sim", table))
    table.setdefault("listen", "127.0.0.1:0")
    root = str(Path(__file__).resolve().parents[2])
    env = os.environ | {"PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])}
    child = subprocess.Popen(
        [sys.executable, "-m", "loadtest.sim.command", "--config", "-", "--json", "--loop", loop],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(orjson.dumps({"sim": table}) + b"\n")
        child.stdin.flush()
        line = child.stdout.readline()
        ready: dict[str, Any] = (
            orjson.loads(line) if line.startswith(b"{") else {"error": "the simulator ended without a word"}
        )
        if "error" in ready:
            errors = {"ConfigError": ConfigError, "PortInUse": PortInUse}
            raise errors.get(ready.get("kind", ""), DispatcherError)(ready["error"])
        yield SpawnedSimulator(ready["urls"], child.pid, ready["addresses"])
    finally:
        child.stdin.close()
        try:
            child.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()
