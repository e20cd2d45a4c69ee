"""The link driver against the simulated gateway: what is sent, what becomes of it, what is delivered."""

from __future__ import annotations

import asyncio
import socket
from array import array
from collections.abc import Callable

import msgspec
import pytest
import uvloop

from dispatcher.cmpp import pdus
from dispatcher.cmpp.link import DELIVERIES_MAX
from dispatcher.core.backoff import Backoff
from dispatcher.core.lane.answers.verdict import Kind, RunsAnswer, Verdict
from dispatcher.core.lane.gate import Grant
from dispatcher.drivers.link import connection as sessions
from dispatcher.drivers.link import driver as links
from dispatcher.drivers.link.connection import READ_ON_BELOW
from dispatcher.drivers.link.progress import TRIES_MAX
from dispatcher.errors import LogUnavailable
from dispatcher.vendors.seam.vendor import ReportRow
from schemas.records import Reports
from tests.drivers.link.link_driver_kit import FIRST, Lane, sender, words
from tests.loadtest.sim.cmpp.cmpp_kit import NEVER, NOW
from tests.waiting import until

LONG = "测" * 100


def ids(answer: RunsAnswer) -> list[str]:
    """The ids as the gateway's ledger has them."""
    return [f"{each:016X}" for each in array("Q", answer.ids)]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "AGAIN", Backoff(0.01, 0.05))
    monkeypatch.setattr(links, "LOG_AWAY", Backoff(0.01, 0.02))


async def test_every_recipient_of_a_chunk_gets_its_message_and_its_id():
    async with sender() as it:
        answer = await it.send(100)
        assert words(answer) == [(100, "accepted", "0")]
        ledger = it.gateway.sim.rows()
        assert ledger["number"].to_list() == [str(number) for number in range(FIRST, FIRST + 100)]
        assert ids(answer) == ledger["msg_id"].to_list()
        assert (await it.gateway.account())["outstanding_max"] <= 16


async def test_a_long_text_goes_in_parts_in_order_with_an_id_each():
    async with sender() as it:
        answer = await it.send(20, LONG)
        assert (words(answer), answer.parts, len(answer.ids)) == ([(20, "accepted", "0")], 2, 20 * 2 * 8)
        ledger = it.gateway.sim.rows()
        assert ledger["part"].to_list() == [1, 2] * 20
        assert ids(answer) == ledger["msg_id"].to_list()


async def test_chunks_spread_over_the_links_and_each_stays_on_one():
    async with sender(connections=3) as it:
        await it.is_open(3)
        answers = await asyncio.gather(*(it.send(50, LONG, first=FIRST + 100 * at) for at in range(3)))
        assert [words(each) for each in answers] == [[(50, "accepted", "0")]] * 3
        ledger = it.gateway.sim.rows()
        assert ledger.group_by("number").n_unique()["connection"].to_list() == [1] * 150
        assert ledger["connection"].n_unique() == 3


async def test_what_came_too_fast_leaves_again_before_anything_new_and_needs_no_chunk_of_its_own():
    async with sender({"rule": [{"code": 8, "p": 0.4, "count": 15}]}) as it:
        assert words(await it.send(60)) == [(60, "accepted", "0")]
        rows = it.gateway.sim.rows()
        taken = rows.filter(rows["result"] == 0)
        assert (rows.height, taken.height, taken["number"].n_unique()) == (75, 60, 60)
        assert {verdict.kind for verdict in it.lane.said} == {Kind.THROTTLED}
        assert sum(count for count, _ in it.lane.granted) == 75
        assert not any(started for _, started in it.lane.granted)


class RefusesThen(Lane):
    """After "too fast" nothing may leave."""

    def heard(self, verdict: Verdict) -> None:
        super().heard(verdict)
        self.refuses = True


async def test_what_came_too_fast_waits_at_the_gate_and_is_told_if_the_gate_refuses_it():
    async with sender({"rule": [{"code": 8, "number": str(FIRST + 1), "count": 1}]}) as it:
        assert words(await it.send(3, lane=RefusesThen())) == [
            (1, "accepted", "0"),
            (1, "throttled", "8"),
            (1, "accepted", "0"),
        ]


async def test_refused_recipients_and_those_that_stay_throttled_are_runs_of_their_own():
    rules = [{"code": 8, "number": str(FIRST + 3)}, {"code": 11, "number": str(FIRST + 4)}]
    async with sender({"rule": rules}, results={"11": "content"}) as it:
        answer = await it.send(6)
        assert words(answer) == [
            (3, "accepted", "0"),
            (1, "throttled", "8"),
            (1, "content", "11"),
            (1, "accepted", "0"),
        ]
        assert [verdict.kind for verdict in it.lane.said] == [Kind.THROTTLED] * TRIES_MAX
        assert array("Q", answer.ids)[2] != 0


async def test_a_part_that_is_throttled_behind_one_that_was_taken_leaves_again():
    rules = [{"code": 8, "number": str(FIRST), "skip": 1, "count": 2}]
    async with sender({"rule": rules}) as it:
        assert words(await it.send(2, LONG)) == [(2, "accepted", "0")]
        taken = it.gateway.sim.rows().filter(it.gateway.sim.rows()["result"] == 0)
        assert sorted(taken["part"].to_list()) == [1, 1, 2, 2]
        assert (1, True) in it.lane.granted


async def test_a_recipient_of_whom_one_part_is_refused_is_refused():
    async with sender({"rule": [{"code": 6, "number": str(FIRST), "skip": 1}]}) as it:
        assert words(await it.send(1, LONG)) == [(1, "content", "6")]


async def test_the_gate_is_asked_for_every_few_messages_and_told_of_their_answers():
    async with sender() as it:
        it.lane.most = 4
        assert words(await it.send(10)) == [(10, "accepted", "0")]
        assert [count for count, _ in it.lane.granted] == [4, 4, 2]
        assert it.lane.tickets == [1, 2, 3]


async def test_what_waits_at_the_gate_leaves_when_it_opens():
    async with sender() as it:
        it.lane.waits = True
        sending = asyncio.ensure_future(it.send(5))
        await until(lambda: it.lane.resumes)
        assert (await it.gateway.account())["submits"] == 0
        it.lane.go()
        assert words(await sending) == [(5, "accepted", "0")]


class OneByOne(Lane):
    """The gate closes behind every message."""

    def grant(self, messages: int, resume: Callable[[], None], *, started: bool = False) -> Grant | None:
        found = super().grant(1, resume, started=started)
        self.waits = True
        return found

    def go(self) -> None:
        self.waits = False
        for resume in [self.resumes.pop() for _ in range(len(self.resumes))]:
            resume()


async def test_every_part_of_a_long_message_waits_for_its_own_place_at_the_gate():
    async with sender() as it:
        lane = OneByOne()
        sending = asyncio.ensure_future(it.send(2, LONG, lane=lane))
        for left in range(1, 5):
            await it.figure("submits", left)
            await until(lambda: lane.resumes or sending.done(), "it asks for the next part")
            assert len(lane.granted) == (await it.gateway.account())["submits"] == left
            lane.go()
        assert words(await sending) == [(2, "accepted", "0")]
        assert lane.granted == [(1, False), (1, True), (1, False), (1, True)]


async def test_what_the_gate_refuses_never_leaves():
    async with sender() as it:
        it.lane.refuses = True
        assert words(await it.send(5)) == [(5, "not-sent", "not connected")]
        assert (await it.gateway.account())["submits"] == 0


async def test_the_rest_of_a_recipient_leaves_though_the_gate_refuses_new_ones():
    async with sender() as it:
        it.lane.most = 1
        first = it.lane.grant

        def then_refuse(messages, resume, *, started=False):
            grant = first(messages, resume, started=started)
            it.lane.refuses = True
            return grant

        it.lane.grant = then_refuse  # type: ignore[method-assign]
        assert words(await it.send(3, LONG)) == [(1, "accepted", "0"), (2, "not-sent", "not connected")]


async def test_when_a_link_breaks_exactly_what_was_outstanding_is_unknown():
    async with sender({"no_answer": "submit_only"}) as it:
        sending = asyncio.ensure_future(it.send(100))
        await it.figure("submits", 16)
        for session in list(it.gateway.sim.gateway.sessions):
            session.reset()
        answer = await sending
        assert [(count, kind) for count, kind, _ in words(answer)] == [(16, "unknown"), (84, "not-sent")]
        assert answer.ids == b""
        it.gateway.sim.configure(no_answer="off")
        assert words(await it.send(1, first=FIRST + 500)) == [(1, "accepted", "0")]


async def test_a_recipient_whose_first_part_was_outstanding_is_unknown_and_not_sent_again():
    async with sender({"no_answer": "submit_only"}, window=3) as it:
        sending = asyncio.ensure_future(it.send(3, LONG))
        await it.figure("submits", 3)
        for session in list(it.gateway.sim.gateway.sessions):
            session.reset()
        assert [(count, kind) for count, kind, _ in words(await sending)] == [*[(1, "unknown")] * 2, (1, "not-sent")]


async def test_a_frame_without_an_answer_is_sent_again_and_result_3_means_that_it_arrived():
    async with sender({"rule": [{"fault": "no_answer", "count": 1}]}, timeout_s=0.05) as it:
        answer = await it.send(3)
        assert words(answer) == [(1, "unknown", "3"), (2, "accepted", "0")]
        assert (await it.gateway.account())["submits_accepted"] == 3


async def test_a_late_answer_is_a_fact_of_its_own():
    rules = [{"fault": "delay", "delay_s": 0.3, "count": 1}]
    async with sender({"rule": rules}, timeout_s=0.05, resend="never") as it:
        assert words(await it.send(1)) == [(1, "unknown", "no answer")]
        await until(lambda: it.lane.facts)
        [(first, answer)] = it.lane.facts
        assert (first, words(answer)) == (0, [(1, "accepted", "0")])
        assert ids(answer) == it.gateway.sim.rows()["msg_id"].to_list()


async def test_without_a_gateway_nothing_is_sent():
    async with sender(connect_timeout_s=0.2) as it:
        it.gateway.sim.outage(60.0)
        await until(lambda: it.gateway.sim.down)
        await it.is_open(0)  # for good: nobody listens any more
        [(count, kind, code)] = words(await it.send(5))
        assert (count, kind, code) == (5, "not-sent", "not connected")


LOGINS = [(2, "auth"), (3, "auth"), (4, "auth"), (5, "not-sent")]


@pytest.mark.parametrize(("status", "kind"), LOGINS)
async def test_a_refused_login_keeps_the_chunk(status, kind):
    async with sender({"rule": [{"code": status, "on": "connect"}]}) as it:
        [(count, kept, _)] = words(await it.send(5))
        assert (count, kept) == (5, kind)
        await until(lambda: kind != "auth" or it.lane.logins)
        assert all(verdict is not None for verdict in it.lane.logins)


async def test_logins_refused_for_now_three_times_need_a_person():
    async with sender({"rule": [{"code": 5, "on": "connect"}]}) as it:
        await until(lambda: it.lane.logins)
        assert it.lane.logins[0] is not None
        assert it.lane.logins[0].kind is Kind.AUTH
        it.gateway.sim.configure(rule=[])
        assert words(await it.send(1)) == [(1, "accepted", "0")]
        assert it.lane.logins[-1] is None


async def test_one_connection_too_many_does_not_stop_the_account():
    async with sender({"max_connections": 1}, connections=2) as it:
        await it.is_open(1)
        for _ in range(4):
            assert words(await it.send(3)) == [(3, "accepted", "0")]
            await asyncio.sleep(0.02)
        assert not any(it.lane.logins)


async def test_a_link_that_the_gateway_ends_is_built_anew():
    async with sender() as it:
        await it.is_open()
        for session in list(it.gateway.sim.gateway.sessions):
            session.close()
        await until(lambda: len(it.lane.logins) >= 2, "it logged in again")
        await it.is_open()
        assert words(await it.send(1)) == [(1, "accepted", "0")]


async def test_an_idle_link_is_tested_and_a_silent_one_is_built_anew():
    async with sender({"no_answer": "active_only"}, idle_s=0.02, timeout_s=0.02, transmissions=2) as it:
        await until(lambda: len(it.lane.logins) >= 4, "it logged in again")
        it.gateway.sim.configure(no_answer="off")
        await it.is_open()


async def test_a_stop_waits_for_the_answers_and_says_so_to_the_gateway():
    async with sender({"rule": [{"fault": "delay", "delay_s": 0.1}]}) as it:
        sending = asyncio.ensure_future(it.send(5))
        await it.figure("submits", 5)
        await it.driver.close()
        assert words(await sending) == [(5, "accepted", "0")]
        assert it.gateway.sim.gateway.sessions == set() or not it.gateway.sim.gateway.sessions


async def test_what_is_given_up_at_a_stop_is_unknown_and_named():
    async with sender({"no_answer": "submit_only"}) as it:
        sending = asyncio.ensure_future(it.send(50))
        await it.figure("submits", 16)
        it.driver.abandon()
        assert [(count, kind) for count, kind, _ in words(await sending)] == [(16, "unknown"), (34, "not-sent")]


async def test_reports_are_taken_before_they_are_acknowledged():
    async with sender(NOW) as it:
        answer = await it.send(30)
        await it.figure("waiting", 0)
        reports = it.lane.reports()
        assert sorted(number for number, _, _ in reports) == list(range(FIRST, FIRST + 30))
        assert {int(vendor_id) for _, vendor_id, _ in reports} == set(array("Q", answer.ids))


async def test_a_log_that_is_away_makes_the_gateway_come_again():
    async with sender(NOW | {"clock_scale": 100.0}) as it:
        it.lane.failures = [LogUnavailable("away")] * 2
        await it.send(5)
        numbers = set(range(FIRST, FIRST + 5))
        await until(lambda: {number for number, _, _ in it.lane.reports()} == numbers)


async def test_reports_in_columns_and_one_by_one_stay_in_the_order_in_which_they_came():
    async with sender(NEVER) as it:
        await it.is_open()
        [session] = it.gateway.sim.gateway.sessions
        kinds = ["DELIVRD", "DELIVRD", "UNDELIV", "DELIVRD", "EXPIRED"]
        reports = [it.gateway.sim.gateway.report_pdu(n, n, b"13800138000", kind) for n, kind in enumerate(kinds, 1)]
        body = pdus.ReportBodyWide(3, b"UNDELIV", b"2601312359", b"2601312359", b"")  # Src_terminal_Id has the number
        odd = msgspec.structs.replace(reports[2], msg_content=body.pack(0)[12:])
        frames = [*reports[:2], odd, *reports[3:]]
        session._write(b"".join(each.pack(n) for n, each in enumerate(frames, 1)))
        await until(lambda: len(it.lane.reports()) == len(kinds))
        assert it.lane.reports() == [(FIRST, str(n), kind) for n, kind in enumerate(kinds, 1)]
        assert [type(each) for taken in it.lane.taken for each in taken.reports] == [Reports, ReportRow, Reports]


async def test_a_flood_waits_at_the_gateway_while_the_log_works_and_nothing_is_refused():
    async with sender(NEVER) as it:
        await it.is_open()
        gateway = it.gateway.sim.gateway
        [session], [connection] = gateway.sessions, it.driver._connections
        flood = b"".join(gateway.made_message(b"13800138000", b"flood", n).pack(n) for n in range(10_000))
        it.lane.busy.clear()
        session._write(flood)
        await until(lambda: connection.link.unacknowledged >= READ_ON_BELOW, "the link stops reading")
        for _ in range(100):
            await asyncio.sleep(0)
        assert connection.link.unacknowledged < DELIVERIES_MAX
        it.lane.busy.set()
        await until(lambda: sum(len(each.messages) for each in it.lane.taken) == 10_000, "the flood is taken")
        assert connection.link.counts["deliveries_refused"] == 0
        assert words(await it.send(3)) == [(3, "accepted", "0")]


async def test_a_flood_of_messages_is_taken_whole_and_holds_nobody_up():
    async with sender({"report_loss": 1.0, "rule": [{"fault": "deliver_flood", "count": 1}]}) as it:
        assert words(await it.send(3)) == [(3, "accepted", "0")]
        await until(lambda: sum(len(each.messages) for each in it.lane.taken) >= 1_000, "the flood is taken")
        assert words(await it.send(3)) == [(3, "accepted", "0")]


async def test_two_lanes_chunks_at_one_link_keep_its_window_full():
    async with sender() as it:
        answers = await asyncio.gather(*(it.send(40, first=FIRST + 100 * at, lane=Lane()) for at in range(2)))
        assert [words(each) for each in answers] == [[(40, "accepted", "0")]] * 2


def test_a_link_works_on_the_event_loop_that_dispatcher_run_uses() -> None:
    async def send() -> RunsAnswer:
        async with sender() as link:
            return await link.send(3)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert words(runner.run(send())) == [(3, "accepted", "0")]


async def test_a_gateway_that_reads_nothing_any_more_does_not_hold_up_the_next_session(monkeypatch):
    monkeypatch.setattr(sessions, "CLOSE_S_MAX", 0.01)
    async with sender(window=1_024, timeout_s=0.05, transmissions=1) as it:
        await it.is_open()
        [connection], [session] = it.driver._connections, it.gateway.sim.gateway.sessions
        assert connection._transport is not None
        connection._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        session._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        session._transport.pause_reading()
        unread = await it.send(1_024, "测" * 140)
        assert {kind for _, kind, _ in words(unread)} == {"unknown", "not-sent"}
        await until(lambda: len(it.lane.logins) >= 2, "it logged in again")
        assert words(await it.send(3)) == [(3, "accepted", "0")]
