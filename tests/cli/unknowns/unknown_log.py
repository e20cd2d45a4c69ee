"""A working directory with a log on which requests are unknown, for the tests of `dispatcher unknown`."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

from click.testing import CliRunner, Result

from consumers.lanes.role import run_lanes
from dispatcher.cli import main
from dispatcher.config.file import load
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from schemas import codec
from schemas.records import AnyRecord
from schemas.topics import lane_partition
from tests.consumers.results.evidence_world import write_out
from tests.store.joined_history import FIRST_NUMBER, History
from tests.waiting import wait_until

T = TypeVar("T")
ACCOUNT = "spring"
LANE = lane_partition(ACCOUNT)
NUMBER = FIRST_NUMBER

CONFIG = """
[log]
url = "sqlite:log.db"
[store]
url = "sqlite:results.db"
[hours]
marketing = "00:00-24:00"
[account.spring]
vendor = "batch-a"
url = "http://127.0.0.1:9"
account = "demo"
pswd = "secret"
timeout_s = 1.0
connect_timeout_s = 1.0
[lanes]
intent_ttl_s = 0.5
"""


class Desk:
    """Write the history of the log first; the first command writes it out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.history = History()
        self._written = False
        (folder / "dispatcher.toml").write_text(CONFIG)
        self.history.owned(ACCOUNT, "me")

    def campaign(self, name: str, recipients: int, *, first_number: int = NUMBER, unknown: str = "hold") -> int:
        """Launch it on the one account; its job."""
        jobs = self.history.launch(name, {ACCOUNT: [recipients]}, first_number=first_number, unknown=unknown)
        return jobs[ACCOUNT][0]

    def unknown(self, job: int, start: int, count: int, code: str = "no answer", text: str = "") -> str:
        """A request of it that became unknown; what `--chunk` calls it. Without code: its owner died."""
        intent = self.history.intent(ACCOUNT, "me", job, start, count)
        if code:
            self.history.outcome(ACCOUNT, intent, "unknown", code=code, kind="unknown", text=text)
        return f"{LANE}:{intent}"

    def reports(self, vendor_id: str, *numbers: int) -> None:
        self.history.reports(ACCOUNT, [(vendor_id, number, 1, "DELIVRD", 0) for number in numbers])

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        """A command, as on a terminal that is none."""
        if not self._written:
            self._written = True
            self.on_log(lambda log: write_out(log, self.history))
        return CliRunner().invoke(main, list(arguments), input=stdin, catch_exceptions=False)

    def on_log(self, work: Callable[[Log], Coroutine[Any, Any, T]]) -> T:
        """Something done with the log."""

        async def opened() -> T:
            log = await open_log(f"sqlite:{self.folder}/log.db")
            try:
                return await work(log)
            finally:
                await log.close()

        return asyncio.run(opened())

    def inbox(self, kind: type[T]) -> list[T]:
        """What was put into the lane's inbox."""
        return self._records("jobs", kind)

    def journal(self, kind: type[T]) -> list[T]:
        """What is in the lane's journal."""
        return self._records("lanes", kind)

    def _records(self, topic: str, kind: type[T]) -> list[T]:
        async def read(log: Log) -> list[AnyRecord]:
            return [codec.decode(stored.value) for stored in await log.read(topic, LANE, 0)]

        return [record for record in self.on_log(read) if isinstance(record, kind)]

    @contextlib.contextmanager
    def lanes_running(self) -> Iterator[None]:
        """The real lanes, beside the commands. Their vendor cannot be reached: nothing is ever sent."""
        up, stopping = threading.Event(), threading.Event()

        async def work() -> None:
            config = load(self.folder / "dispatcher.toml")
            log = await open_log(config.log.url)
            stop = asyncio.Event()
            lanes = asyncio.create_task(run_lanes(config, log, stop))
            before = await log.end("lanes", LANE)
            while await log.end("lanes", LANE) == before:
                await asyncio.sleep(0.02)
            up.set()
            while not stopping.is_set():
                await asyncio.sleep(0.02)
            stop.set()
            await lanes
            await log.close()

        thread = threading.Thread(target=lambda: asyncio.run(work()))
        thread.start()
        try:
            wait_until(lambda: up.is_set() or not thread.is_alive(), "the lanes have written")
            assert up.is_set()
            yield
        finally:
            stopping.set()
            thread.join()
