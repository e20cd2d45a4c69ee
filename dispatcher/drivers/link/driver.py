"""The link driver: an account's long connections to its gateway (docs/LANE.md, "Links").

Connections are open while the lane is owned, for what the gateway delivers also when nothing is sent. A chunk goes to
the open connection with the least to do and stays there: parts in order on one connection, and no frame is ever written
to two. A delivery is acknowledged once the log has it; if the log does not take it, the gateway is told to come again.
Bounded: a link with many unacknowledged deliveries reads no further (connection.py), so a flood waits at the gateway.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import groupby
from typing import Final

from dispatcher.clock import now_ms
from dispatcher.cmpp.link import COME_AGAIN, Delivered, Link, Reported
from dispatcher.cmpp.long_texts import References
from dispatcher.cmpp.pdus import Deliver
from dispatcher.cmpp.submits import SubmitTemplate
from dispatcher.core.backoff import Backoff
from dispatcher.core.lane.answers.verdict import AnswerRun, Kind, RunsAnswer, Verdict
from dispatcher.drivers.link.chunk import ChunkSend
from dispatcher.drivers.link.connection import Connection
from dispatcher.drivers.link.groups import GroupSend
from dispatcher.drivers.link.progress import not_sent
from dispatcher.drivers.port import Deliveries, Gate, Host, Sent, Values
from dispatcher.errors import LogError
from dispatcher.loggers import get_logger
from dispatcher.vendors.seam.exchange import ReportRow
from dispatcher.vendors.seam.link import LinkVendor, Unreadable
from schemas.records import Inbound

LOG_AWAY: Final = Backoff(0.5, 15.0)
LEAVE_S_MAX: Final = 5.0
TAKEN_TOGETHER_MAX: Final = 4096

log = get_logger(__name__)

_Held = tuple[Connection, Link, Delivered | Reported]


class LinkDriver:
    """The links of one account. Its owner bounds how many chunks are under way."""

    def __init__(self, vendor: LinkVendor, account: str) -> None:
        self.vendor: Final = vendor
        self.account: Final = account
        self._connections: list[Connection] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._references = References(seed=random.randrange(256))
        self._meaning = cache(vendor.answer)
        self._host: Host | None = None
        self._changes = asyncio.Event()
        self._refusal: Verdict | None = None
        self._held: list[_Held] = []
        self._arrived = asyncio.Event()
        self._logger = log.bind(account=account)

    async def open(self, host: Host) -> None:
        """Connect, and keep connected."""
        self._host = host
        for number in range(self.vendor.connections):
            connection = Connection(self.vendor, self.account, number, changed=self._changed, delivered=self._delivered)
            self._connections.append(connection)
            self._tasks.append(asyncio.create_task(connection.run()))
        self._tasks.append(asyncio.create_task(self._take_deliveries(host)))

    async def send(
        self,
        prepared: SubmitTemplate,
        chunk: memoryview,
        count: int,
        gate: Gate,
        *,
        values: Values | None = None,
    ) -> Sent:
        """Send one message to each of the numbers; each text has a template of its own, so there are no `values`.

        Waits for a session as long as connecting may take.
        """
        numbers = [self.vendor.number(number) for number in bytes(chunk).split(b",")]
        connection = await self._open_connection()
        if isinstance(connection, Verdict):
            return Sent(RunsAnswer((AnswerRun(count, connection),)))
        done: asyncio.Future[RunsAnswer] = asyncio.get_running_loop().create_future()
        send = GroupSend if prepared.numbers_max > 1 else ChunkSend
        references = self._references_of(numbers, prepared.numbers_max) if prepared.parts > 1 else ()
        connection.take(send(prepared, numbers, references, self._meaning, gate, done))
        return Sent(await done)

    def _references_of(self, numbers: list[bytes], group: int) -> list[int]:
        """A reference for each number of a long message; the numbers of a group have one."""
        if group == 1:
            return [self._references.next(number) for number in numbers]
        groups = (numbers[at : at + group] for at in range(0, len(numbers), group))
        return [reference for each in groups for reference in [self._references.next_of_all(each)] * len(each)]

    def abandon(self) -> None:
        """Every chunk under way ends with what is known of it."""
        for connection in self._connections:
            connection.abandon()

    async def close(self) -> None:
        """TERMINATE on every link; what is not answered within a bound is cut."""
        connections, self._connections = self._connections, []
        leaving = [asyncio.ensure_future(connection.leave()) for connection in connections]
        if leaving:
            await asyncio.wait(leaving, timeout=LEAVE_S_MAX)
        for connection in connections:
            connection.abandon()
        for task in (*leaving, *self._tasks):
            task.cancel()
        await asyncio.gather(*leaving, *self._tasks, return_exceptions=True)
        self._tasks.clear()

    # --- sessions ---

    async def _open_connection(self) -> Connection | Verdict:
        """The open link with the least to do; or why there is none."""
        until_s = time.monotonic() + self.vendor.connect_timeout_s
        self._refusal = None
        for connection in self._connections:
            if not connection.is_open:
                connection.want()
        while True:
            ready = [connection for connection in self._connections if connection.is_open]
            if ready:
                return min(ready, key=lambda each: each.load)
            if (refusal := self._last_refusal()) is not None:
                return refusal
            self._changes.clear()
            try:
                async with asyncio.timeout_at(until_s):
                    await self._changes.wait()
            except TimeoutError:
                why = next((each.why for each in self._connections if each.why), "no link to the gateway")
                return not_sent(f"no session with the gateway: {why}")

    def _changed(self, refused: Verdict | None) -> None:
        """A link opened, ended, or was refused."""
        is_open = any(each.is_open for each in self._connections)
        if refused is None and is_open:
            self._tell(None)
        elif refused is not None and not is_open:  # beside an open link it is one connection too many
            if refused.kind is Kind.AUTH:
                self._tell(refused)
            self._refusal = refused if refused.kind is Kind.AUTH else not_sent(f"login refused: {refused.text}")
        self._changes.set()

    def _last_refusal(self) -> Verdict | None:
        return self._refusal

    def _tell(self, verdict: Verdict | None) -> None:
        if self._host is not None:
            self._host.login(verdict)

    # --- deliveries ---

    def _delivered(self, connection: Connection, delivered: Delivered | Reported) -> None:
        self._held.append((connection, connection.link, delivered))
        self._arrived.set()

    async def _take_deliveries(self, host: Host) -> None:
        """Make what is delivered durable, all that is there at a time, and acknowledge it then."""
        failures = 0
        while True:
            await self._arrived.wait()
            held, self._held = self._held[:TAKEN_TOGETHER_MAX], self._held[TAKEN_TOGETHER_MAX:]
            if not self._held:
                self._arrived.clear()
            try:
                await host.take(self._read(held))
                result, failures = 0, 0
            except LogError as error:
                failures += 1
                result = COME_AGAIN
                self._logger.error("deliveries refused for now", deliveries=len(held), error=str(error))
            by_link: dict[tuple[Connection, Link], list[int]] = {}
            for connection, link, delivered in held:
                sequences = by_link.setdefault((connection, link), [])
                sequences += delivered.sequences if isinstance(delivered, Reported) else (delivered.sequence,)
            for (connection, link), sequences in by_link.items():
                connection.acknowledge(sequences, result, link)
            if failures:
                await asyncio.sleep(LOG_AWAY.pause_s(failures))

    def _read(self, held: list[_Held]) -> Deliveries:
        """What they hold, in the order in which they came: of several reports on one message the first one counts."""
        received_ms = now_ms()
        found = Deliveries([], [], [])
        for frame_bytes, group in groupby((delivered for _, _, delivered in held), _frame_bytes):
            same = list(group)
            if not frame_bytes or not self._read_reports(same, frame_bytes, received_ms, found):
                self._read_each(same, received_ms, found)
        return found

    def _read_reports(
        self, together: Sequence[Delivered | Reported], frame_bytes: int, received_ms: int, found: Deliveries
    ) -> bool:
        """Whether these reports of one length could be read in columns."""
        frames = b"".join(each.frames for each in together if isinstance(each, Reported))
        try:
            reports = self.vendor.read_reports(frames, frame_bytes, self.account, received_ms)
        except Exception as error:
            self._logger.error("vendor-code-failed", error=type(error).__name__)
            return False
        found.reports.extend(reports or ())
        return reports is not None

    def _read_each(self, deliveries: Iterable[Delivered | Reported], received_ms: int, found: Deliveries) -> None:
        for delivered in deliveries:
            for deliver in delivered.delivers() if isinstance(delivered, Reported) else (delivered.deliver,):
                self._read_one(deliver, received_ms, found)

    def _read_one(self, deliver: Deliver, received_ms: int, found: Deliveries) -> None:
        try:
            match self.vendor.read(deliver, self.account, received_ms):
                case ReportRow() as row:
                    found.reports.append(row)
                case Inbound() as message:
                    found.messages.append(message)
                case Unreadable(why, body):
                    found.unreadable.append((why, body))
        except Exception as error:  # a mistake in a vendor's file must not end the lane, nor lose what came
            self._logger.error("vendor-code-failed", error=type(error).__name__)
            found.unreadable.append((f"our code failed: {type(error).__name__}", deliver.msg_content))


def _frame_bytes(delivered: Delivered | Reported) -> int:
    """The length of each of several reports; 0 for one delivery."""
    return delivered.frame_bytes if isinstance(delivered, Reported) else 0
