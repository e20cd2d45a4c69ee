"""`cmpp_network`: 100,000 messages through a simulated CMPP network, every one accounted for at both gateways.

The network (two gateways and the name server) is in a process of its own; an SP of the first gateway sends to phones of
both, one connection, a window of 16. The figure is messages per second with their reports; the naive way sends the same
one at a time. What is not accounted for in the end is listed, and fails the run.

    python -m loadtest.bench.sending.cmpp_network [--quick]
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import uvloop

from dispatcher.cmpp import pdus
from dispatcher.cmpp.frames import FrameReader
from dispatcher.cmpp.login import connect
from dispatcher.cmpp.reports import read_report
from dispatcher.cmpp.submits import SubmitTemplate
from loadtest.sim.process import SimClient, spawn

MESSAGES: Final = 100_000
QUICK: Final = 5_000
WINDOW: Final = 16
FIRST: Final = 13_800_000_000
SPREAD: Final = 200_000_000  # the half of them in segments of each gateway
POLL_S: Final = 0.05
SP_ID: Final = b"901234"
SECRET: Final = b"secret"
HERE, THERE = "001001", "079101"
SUBMIT: Final = pdus.Submit(msg_src=SP_ID, src_id=b"1069000101", msg_content=b"hello")
CONFIG: Final[dict[str, Any]] = {
    "vendor": "cmpp",
    "network": True,
    "report_delay": "fixed",
    "report_delay_min_s": 0.0,
    "route_lookup": "load",
    "account": {"spring": {"account": SP_ID.decode(), "service_code": "1069000101"}},
}
Totals = Callable[[], Awaitable[tuple[dict[str, Any], dict[str, Any]]]]


class Sp(asyncio.Protocol):
    """One connection that keeps its window full and answers what is delivered."""

    def __init__(self, numbers: list[bytes], window: int) -> None:
        self._template = SubmitTemplate([SUBMIT])
        self._numbers = numbers
        self._window = window
        self._reader = FrameReader()
        self._sent = 0
        self.results: Counter[int] = Counter()
        self.reports: Counter[bytes] = Counter()
        self.ids: set[int] = set()
        self.answered = asyncio.Event()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(connect(SP_ID, SECRET, "0131235959").pack(0))

    def data_received(self, data: bytes) -> None:
        out = []
        for command, sequence, body in self._reader.feed(data):
            if command == pdus.SUBMIT_RESP:
                self.results[body[8]] += 1
            elif command == pdus.DELIVER:
                deliver = pdus.Deliver.layout.unpack(body)
                assert isinstance(deliver, pdus.Deliver)
                report = read_report(deliver.msg_content)
                if report is not None and report.msg_id not in self.ids:
                    self.ids.add(report.msg_id)
                    self.reports[report.stat] += 1
                out.append(pdus.DeliverResp(deliver.msg_id, 0).pack(sequence))
        room = self._window - (self._sent - self.results.total())
        if room and self._sent < len(self._numbers):
            batch = self._numbers[self._sent : self._sent + room]
            out.append(self._template.pack(batch, range(self._sent + 1, self._sent + 1 + len(batch))))
            self._sent += len(batch)
        if out:
            self._transport.write(b"".join(out))
        if self.results.total() == len(self._numbers):
            self.answered.set()


def numbers(count: int) -> list[bytes]:
    """Phones of both gateways."""
    return [b"%d" % (FIRST + SPREAD // count * place) for place in range(count)]


async def cross(address: tuple[str, int], totals: Totals, count: int, window: int = WINDOW) -> tuple[float, list[str]]:
    """Send messages and wait for their results: the seconds, and what is not accounted for."""
    before = await totals()
    started_s = time.perf_counter()
    transport, sp = await asyncio.get_running_loop().create_connection(lambda: Sp(numbers(count), window), *address)
    await sp.answered.wait()
    now = await totals()
    while not _is_quiet(*now):
        await asyncio.sleep(POLL_S)
        now = await totals()
    took_s = time.perf_counter() - started_s
    transport.close()
    return took_s, unaccounted(sp, *now, count, before)


def _is_quiet(here: dict[str, Any], there: dict[str, Any]) -> bool:
    waiting = [side["network"]["fwd_waiting"] + side["reports_waiting"] for side in (here, there)]
    lost = there["network"].get("mt_reports_lost", 0)  # the first gateway waits for these in vain
    return not any(waiting) and here["network"]["mt_open"] <= lost


def unaccounted(
    sp: Sp, here: dict[str, Any], there: dict[str, Any], count: int, before: tuple[dict[str, Any], dict[str, Any]]
) -> list[str]:
    """The sums that do not agree, as sentences."""
    far = sum(number >= b"139" for number in numbers(count))

    def grown(side: int, name: str) -> int:
        now, then = (here, there)[side]["network"], before[side]["network"]
        return int(now.get(name, 0) - then.get(name, 0))

    def own(name: str) -> int:
        return int(here[name] - before[0][name])

    agreed = [
        ("messages taken by the first gateway", own("numbers_accepted"), count),
        ("good answers that the SP saw", sp.results[0], count),
        ("messages forwarded", grown(0, "mt_forwarded"), far),
        ("messages that the second gateway took", grown(1, "mt_received"), far),
        ("reports that it sent back", grown(1, "mt_reports_sent"), far),
        ("reports that the first gateway took", grown(0, "mt_reports_received"), far),
        ("reports due to the SP", own("reports_due"), count),
        ("reports that the SP acknowledged", own("reports_acked"), count),
        ("reports that the SP counted", sp.reports.total(), count),
        ("texts sent twice", own("double_texts"), 0),
    ]
    return [f"{name}: {found:,}, not {due:,}" for name, found, due in agreed if found != due]


async def run(quick: bool = False) -> list[dict[str, Any]]:
    """Messages per second across the network, and those that are not accounted for."""
    count = QUICK if quick else MESSAGES
    took_s, naive_s, lost = await asyncio.to_thread(_in_a_process, count)
    rate, naive = count / took_s, count / 20 / naive_s
    return [
        {"name": "cmpp_network", "value": rate, "unit": "messages/s", "baseline": naive, "ratio": rate / naive},
        {"name": "cmpp_network_unaccounted", "value": lost, "unit": "sums", "baseline": None, "ratio": None},
    ]


def _in_a_process(count: int) -> tuple[float, float, int]:
    with spawn(CONFIG) as sim:
        host, _, port = sim.addresses[HERE].rpartition(":")
        address, sides = (host, int(port)), [sim.named[HERE], sim.named[THERE]]

        async def both() -> tuple[float, float, int]:
            took_s, wrong = await cross(address, lambda: _totals(sides), count)
            await asyncio.to_thread(sides[0].reset)
            naive_s, more = await cross(address, lambda: _totals(sides), count // 20, window=1)
            for sentence in (*wrong, *more):
                print(sentence, file=sys.stderr)
            return took_s, naive_s, len(wrong) + len(more)

        return uvloop.run(both())


async def _totals(sides: list[SimClient]) -> tuple[dict[str, Any], dict[str, Any]]:
    here, there = [await asyncio.to_thread(side.totals) for side in sides]
    return here, there


if __name__ == "__main__":
    figures = uvloop.run(run("--quick" in sys.argv))
    print(json.dumps(figures, indent=2))
    sys.exit(bool(figures[1]["value"]))
