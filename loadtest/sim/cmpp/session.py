"""One connection to the CMPP gateway: login, window, answers in the order the switches say, deliveries, timers.

Nothing that a peer sends ends anything but its own connection, and what is kept of it is bounded: one frame, the last
1,024 answers, 4 MB not yet read by it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from dispatcher.cmpp import pdus
from dispatcher.cmpp.layout import HEADER, Pdu
from loadtest.sim.cmpp import bulk, judging
from loadtest.sim.cmpp.accounts import Account, Delivery
from loadtest.sim.cmpp.faults import Rule
from loadtest.sim.cmpp.ledger import hexed
from loadtest.sim.cmpp.stream import Frame, Stream
from loadtest.sim.http.wire import reset

if TYPE_CHECKING:
    from loadtest.sim.cmpp.gateway import Gateway

ANSWERS_REMEMBERED: Final = 1024
UNREAD_BYTES_MAX: Final = 4 * 1024 * 1024
BURST_S: Final = 0.02
FLOOD: Final = 1000
COUNTED: Final = (pdus.SUBMIT, pdus.QUERY, pdus.CANCEL)
UNKNOWN_COMMAND: Final = 0x0000000A
NAMES: Final = {
    pdus.CONNECT: "connect",
    pdus.SUBMIT: "submit",
    pdus.QUERY: "query",
    pdus.CANCEL: "cancel",
    pdus.ACTIVE_TEST: "active",
    pdus.TERMINATE: "terminate",
}
log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What is to be written for requests; `of` are the Sequence_Ids of those that count in the window."""

    frame: bytes
    of: Sequence[int] = ()
    rule: Rule | None = None
    ends: bool = False
    lets_in: bool = False


class Session:
    """The protocol of a connection (loadtest/sim/http/arrival_times.py hands it its bytes)."""

    def __init__(self, gateway: Gateway, number: int, short: bool = False) -> None:
        self._gateway = gateway
        self.number = number
        self.short = short
        self.account: Account | None = None
        self.peer_code = ""
        self.stamp_s = 0.0
        self.heard_s = self.sent_s = time.monotonic()
        self.connected_s = self.heard_s
        self._unanswered: set[int] = set()
        self.deaf = False
        self._stream = Stream()
        self._transport: Any = None
        self._ready: list[Answer] = []
        self._held: list[Answer] = []
        self._late: list[bytes] = []
        self._pending: dict[asyncio.TimerHandle, list[Answer]] = {}
        self._answered: dict[int, tuple[int, int]] = {}  # Msg_Id and Result of the last ones
        self._sequence = self._first_sequence()
        self._queue: deque[Delivery] = deque()
        self._delivered: dict[int, Delivery] = {}
        self._active: dict[int, tuple[float, int]] = {}
        self._terminate_s = 0.0
        self._known = False  # a login was taken
        self._let_in = False  # its answer is written: nothing is delivered before
        self._over = False  # TERMINATE came: nothing behind it counts
        self._reads = False  # takes what just came: answers to it are written before anything is delivered

    # the connection

    def begins(self, at_s: float) -> None:
        """The kernel took in the first byte of what comes next."""
        self.stamp_s = at_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(Any, transport)
        # an answer and a delivery behind it are small writes: Nagle would hold the second one back for 40 ms
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._gateway.opened(self)

    def data_received(self, data: bytes) -> None:
        at_s, self.stamp_s = self.stamp_s or time.monotonic(), 0.0
        if self.deaf or self._has_ended():
            return
        self.heard_s = time.monotonic()
        self._reads = True
        while not self._stream.held and (swept := self._sweep(data, at_s)):
            data = data[swept:]
        frames = self._stream.frames(data)
        for frame in frames:
            self._take(frame, at_s)
            if self._has_ended():
                break
        self._flush()
        self._reads = False
        self.pump()
        if self._stream.wrong:
            self._gateway.malformed(self, self._stream.wrong)
            self.close()

    def eof_received(self) -> bool | None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        for handle in self._pending:
            handle.cancel()
        self._pending.clear()
        self._gateway.lost(self)

    def close(self) -> None:
        """Close in good order: what is answered already is written first."""
        self._flush()
        self._transport.close()

    def reset(self) -> None:
        """Send RST."""
        reset(self._transport)

    def _has_ended(self) -> bool:
        return self._over or self._transport.is_closing()

    @property
    def waiting(self) -> int:
        """Deliveries that are queued or not answered."""
        return len(self._queue) + len(self._delivered)

    @property
    def in_work(self) -> int:
        """Answers that are not written yet."""
        return len(self._ready) + len(self._held) + sum(map(len, self._pending.values()))

    @property
    def peer(self) -> str:
        """The address of the other side."""
        name = self._transport.get_extra_info("peername")
        return str(name[0]) if name else ""

    def _sweep(self, data: bytes, at_s: float) -> int:
        """Take what is alike at the beginning together; how many octets it was."""
        gateway, account = self._gateway, self.account
        if account is None or not gateway.is_plain(account):
            return 0
        if (answers := bulk.deliver_resps(data)) is not None:
            return self._take_deliver_resps(answers)
        submits = bulk.submits(data)
        if submits is None or not self._answered.keys().isdisjoint(submits.sequences):
            return 0
        count = len(submits.sequences)
        under_way = len(self._unanswered.union(submits.sequences))
        if under_way > gateway.switches.window:
            return 0
        first_id = gateway.submit_alike(self, account, submits, at_s)
        if first_id is None:
            return 0
        account.counts.outstanding_max = max(account.counts.outstanding_max, under_way)
        self._answered.update(
            zip(submits.sequences, zip(range(first_id, first_id + count), repeat(0), strict=False), strict=False)
        )
        self._forget_answers()
        self._unanswered.update(submits.sequences)
        self._ready.append(Answer(bulk.submit_resps(submits.sequences, first_id), submits.sequences))
        return submits.octets

    # requests

    def _take(self, frame: Frame, at_s: float) -> None:
        command, sequence, body = frame
        gateway = self._gateway
        answers = bool(command & 0x80000000)
        outside = self.account is None and not self.peer_code and not (answers and self._known)
        if outside and command != pdus.CONNECT:
            gateway.violation(self, "before_connect")
            self.close()
            return
        if answers:
            self._take_answer(command, sequence, body)
            return
        if self.peer_code and command != pdus.CONNECT:
            self._serve_peer(command, sequence, body)
            return
        if command in COUNTED and self._over_window(command, sequence):
            return
        match command:
            case pdus.CONNECT:
                self._connect(sequence, body)
            case pdus.SUBMIT:
                self._submit(sequence, body, at_s)
            case pdus.QUERY | pdus.CANCEL | pdus.ACTIVE_TEST | pdus.TERMINATE:
                self._other(command, sequence, body)
            case _:
                gateway.unknown(self, command, sequence, body)
                if gateway.switches.unknown_cmd == "close":
                    self.close()

    def _over_window(self, command: int, sequence: int) -> bool:
        assert self.account is not None
        gateway, counts = self._gateway, self.account.counts
        self._unanswered.add(sequence)  # a request that is sent again is the same request
        under_way = len(self._unanswered)
        counts.outstanding_max = max(counts.outstanding_max, under_way)
        if under_way <= gateway.switches.window:
            return False
        gateway.violation(self, "window")
        match gateway.switches.window_violation:
            case "close":
                self.close()
                return True
            case "result8" if command == pdus.SUBMIT:
                counts.submits += 1
                counts.results[8] += 1
                self._ready.append(Answer(pdus.SubmitResp(0, 8).pack(sequence), (sequence,)))
                return True
        return False

    def _serve_peer(self, command: int, sequence: int, body: bytes) -> None:
        """A request of another gateway or of the name server."""
        gateway = self._gateway
        layouts = pdus.LAYOUTS.get(command)
        request = layouts[0].unpack(body) if layouts else "unknown command"
        if isinstance(request, str):
            gateway.malformed(self, f"{request}, first bytes {self._head(command, sequence, body)}")
            if command == pdus.FWD:
                self._ready.append(Answer(pdus.FwdResp(0, 0, 0, judging.LENGTH).pack(sequence), ends=self.short))
            return
        answer: Pdu | None
        match request:
            case pdus.ActiveTest():
                answer = pdus.ActiveTestResp()
            case pdus.Terminate():
                answer = pdus.TerminateResp()
            case _:
                answer = gateway.serve_peer(self.peer_code, request)
        if answer is not None:
            ends = self.short or command == pdus.TERMINATE
            self._ready.append(Answer(answer.pack(sequence), ends=ends))

    def _connect(self, sequence: int, body: bytes) -> None:
        gateway = self._gateway
        login = pdus.Connect.layout.unpack(body)
        if isinstance(login, pdus.Connect) and (status := gateway.peer_status(login)) != judging.SOURCE:
            if status == judging.OK:
                self.peer_code = login.source_addr.decode("latin-1")
            else:
                gateway.violation(self, "refused_peer")
            resp = judging.peer_resp(status, login)
            self._ready.append(Answer(resp.pack(sequence), ends=status != judging.OK))
            return
        if isinstance(login, str):
            gateway.malformed(self, f"{login}, first bytes {self._head(pdus.CONNECT, sequence, body)}")
        account, status = gateway.login(self, login if isinstance(login, pdus.Connect) else None)
        rule = gateway.rules.pick("connect", account.config.name if account else "")
        if rule is not None:
            gateway.fault(account, rule)
            if rule.code is not None:
                status = rule.code
            elif not rule.is_taken:
                status = 5
        if account is not None:
            account.counts.logins[status] += 1
        source = login.authenticator if isinstance(login, pdus.Connect) else bytes(16)
        frame = gateway.connect_resp(sequence, status, source, account)
        if status == 0 and account is not None and self.account is not account:
            gateway.leave(self)
            self._known, self._let_in = True, False
            gateway.join(self, account)
        ends = status != 0 and self.account is None
        self._ready.append(Answer(frame, rule=rule, ends=ends, lets_in=status == 0))

    def _submit(self, sequence: int, body: bytes, at_s: float) -> None:
        gateway, account = self._gateway, self.account
        assert account is not None
        account.counts.submits += 1
        if (before := self._answered.get(sequence)) is not None:
            gateway.violation(self, "repeated_sequence")
            match gateway.switches.dup:
                case "result3":
                    account.counts.results[3] += 1
                    self._ready.append(Answer(pdus.SubmitResp(0, 3).pack(sequence), (sequence,)))
                    return
                case "same_answer_again":
                    self._ready.append(Answer(pdus.SubmitResp(*before).pack(sequence), (sequence,)))
                    return
        submit = pdus.Submit.layout.unpack(body)
        if not isinstance(submit, pdus.Submit):
            gateway.malformed(self, f"{submit}, first bytes {self._head(pdus.SUBMIT, sequence, body)}")
            account.counts.results[4] += 1
            self._ready.append(Answer(pdus.SubmitResp(0, 4).pack(sequence), (sequence,)))
            return
        rule = gateway.rules.pick_submit(account.config.name, submit)
        if rule is not None:
            gateway.fault(account, rule)
        msg_id, result, early, late = gateway.submit(self, submit, at_s, rule)
        frame = pdus.SubmitResp(msg_id, result).pack(sequence)
        self._answered[sequence] = msg_id, result
        self._forget_answers()
        silent = gateway.switches.no_answer in ("submit_only", "all")
        for delivery in early:
            self._ready.append(Answer(self._deliver_frame(delivery)))
        if silent:
            self._unanswered.discard(sequence)
        else:
            behind = b"".join(self._deliver_frame(delivery) for delivery in late)
            self._ready.append(Answer(frame + behind, (sequence,), rule, self.short))

    def _forget_answers(self) -> None:
        """The older half, if there are twice as many as it remembers."""
        if len(self._answered) >= 2 * ANSWERS_REMEMBERED:
            self._answered = dict(islice(self._answered.items(), ANSWERS_REMEMBERED, None))

    def _other(self, command: int, sequence: int, body: bytes) -> None:
        gateway, account = self._gateway, self.account
        assert account is not None
        rule = gateway.rules.pick(NAMES[command], account.config.name)
        if rule is not None:
            gateway.fault(account, rule)
        request = pdus.LAYOUTS[command][0].unpack(body)
        if isinstance(request, str):
            gateway.malformed(self, f"{request}, first bytes {self._head(command, sequence, body)}")
            self._unanswered.discard(sequence)
            return
        quiet = gateway.switches.no_answer
        if quiet == "all" or (quiet == "active_only" and command == pdus.ACTIVE_TEST):
            self._unanswered.discard(sequence)
            return
        if command == pdus.TERMINATE:
            self._terminated(sequence, rule)
            return
        code = None if rule is None else rule.code
        answer: Pdu
        match request:
            case pdus.Query():
                answer = gateway.query(account, request)
            case pdus.Cancel():
                answer = pdus.CancelResp(gateway.cancel(account, request.msg_id) if code is None else code)
            case _ if gateway.switches.active_resp_len == 12:
                answer = pdus.ActiveTestRespBare()
            case _:
                answer = pdus.ActiveTestResp()
        self._ready.append(Answer(answer.pack(sequence), (sequence,), rule, self.short))

    def _head(self, command: int, sequence: int, body: bytes) -> str:
        return hexed(HEADER.pack(12 + len(body), command, sequence))

    # the end of a session

    def _terminated(self, sequence: int, rule: Rule | None) -> None:
        """The SP ends it."""
        answer = pdus.TerminateResp().pack(sequence)
        self._over = self._gateway.switches.terminate != "without_closing_tcp"
        match self._gateway.switches.terminate:
            case "after_pending_answers":
                self._release()
                self._ready.append(Answer(answer, rule=rule, ends=True))
            case "immediately":
                self._drop()
                self._ready = [Answer(answer, rule=rule, ends=True)]
            case "without_closing_tcp":
                self._release()
                self._ready.append(Answer(answer, rule=rule))
                self._gateway.leave(self)
            case "close_without_terminate":
                self._drop()
                self.close()
            case "RST":
                self._drop()
                self.reset()

    def terminate(self) -> None:
        """The gateway ends it (POST /_sim/terminate)."""
        match self._gateway.switches.terminate:
            case "close_without_terminate":
                self._drop()
                self.close()
                return
            case "RST":
                self._drop()
                self.reset()
                return
            case "immediately":
                self._drop()
            case _:
                self._release()
                answers, self._ready = self._ready, []
                self._answer(answers)
        self._write(pdus.Terminate().pack(self._next_sequence()))
        self._terminate_s = time.monotonic()
        self._gateway.leave(self)

    def _release(self) -> None:
        """Answers that are held back or delayed go first."""
        for handle, answers in list(self._pending.items()):
            handle.cancel()
            self._ready[:0] = answers
        self._pending.clear()
        self._ready[:0] = self._held
        self._held = []

    def _drop(self) -> None:
        for handle in self._pending:
            handle.cancel()
        self._pending.clear()
        self._held, self._ready, self._late = [], [], []

    # answers

    def _flush(self) -> None:
        """Write what is ready, as the switches say."""
        if not self._ready:
            return
        answers, self._ready = self._ready, []
        switches = self._gateway.switches
        match switches.answer_order:
            case "burst":
                self._held += answers
                if len(self._unanswered) < switches.window and not any(each.ends for each in answers):
                    if len(self._held) == len(answers):
                        self._later(BURST_S, [], self._burst)
                    return
                answers, self._held = self._held, []
            case "reversed":
                answers.reverse()
            case "shuffled":
                self._gateway.random.shuffle(answers)
        if switches.latency_exp_s:
            for each in answers:
                self._later(switches.latency_s + self._gateway.random.expovariate(1 / switches.latency_exp_s), [each])
        elif switches.latency_s:
            self._later(switches.latency_s, answers)
        else:
            self._answer(answers)

    def _burst(self, answers: list[Answer]) -> None:
        held, self._held = self._held, []
        self._answer(held)

    def _later(self, delay_s: float, answers: list[Answer], then: Callable[[list[Answer]], None] | None = None) -> None:
        def due() -> None:
            del self._pending[handle]
            (then or self._answer)(answers)

        handle = asyncio.get_running_loop().call_later(delay_s, due)
        self._pending[handle] = answers

    def _answer(self, answers: list[Answer]) -> None:
        apart = self._gateway.switches.answer_order == "one_by_one"
        together: list[bytes] = []
        late, self._late = self._late, []
        ends = False
        for each in answers:
            self._unanswered.difference_update(each.of)
            if each.rule is not None and each.rule.fault:
                self._write(b"".join(together))
                together = []
                self._spoil(each)
            elif apart:
                self._write(each.frame)
            else:
                together.append(each.frame)
            ends |= each.ends
        self._write(b"".join(together + late))
        if ends:
            self.close()
        else:
            self._let_in |= any(each.lets_in for each in answers)
            self.pump()

    def _write(self, data: bytes) -> None:
        if not data or self.deaf or self._transport.is_closing():
            return
        self.sent_s = time.monotonic()
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
            self._gateway.violation(self, "does_not_read")
            self._transport.abort()

    def _spoil(self, answer: Answer) -> None:
        rule, frame = answer.rule, answer.frame
        assert rule is not None
        loop = asyncio.get_running_loop()
        size = len(frame)
        broken = {"length_0": 0, "length_11": 11, "length_4097": 4097, "length_7fffffff": 0x7FFFFFFF}
        match rule.fault:
            case "delay":
                loop.call_later(rule.delay_s, self._write, frame)
            case "no_answer":
                pass
            case "close":
                self.close()
            case "reset":
                self.reset()
            case "half_answer":
                self._write(frame[: size // 2])
                self.close()
            case "byte_by_byte":
                for place in range(size):
                    loop.call_later(place * rule.drip_s, self._write, frame[place : place + 1])
            case "coalesced":
                self._write(self._active_frame() + frame + self._active_frame())
            case "length_12_garbage":
                self._write(HEADER.pack(12, UNKNOWN_COMMAND, 0) + b"\xde\xad\xbe\xef" * 3 + frame)
            case "length_ffffffff":
                self._write(HEADER.pack(0xFFFFFFFF, pdus.SUBMIT_RESP, 1) + frame)
            case "unknown_command":
                self._write(HEADER.pack(13, UNKNOWN_COMMAND, 0) + b"\0" + frame)
            case "wrong_body":
                self._write((size + 1).to_bytes(4, "big") + frame[4:] + b"\0")
            case "out_of_order":
                self._late.append(frame)
                loop.call_later(rule.delay_s, self._write_late)
            case "duplicate_answer":
                self._write(frame + frame)
            case "unknown_sequence":
                stranger = int.from_bytes(frame[8:12], "big") ^ 0x80000000
                self._write(frame[:8] + stranger.to_bytes(4, "big") + frame[12:] + frame)
            case "half_open":
                self.deaf = True
            case "deliver_flood":
                flood = [self._gateway.made_message(b"13800138000", b"flood", place) for place in range(FLOOD)]
                self._write(b"".join(each.pack(self._next_sequence()) for each in flood) + frame)
            case fault:
                self._write(HEADER.pack(broken[fault], pdus.SUBMIT_RESP, 1) + frame)

    def _write_late(self) -> None:
        late, self._late = self._late, []
        self._write(b"".join(late))

    # requests of its own

    def _first_sequence(self) -> int:
        start = self._gateway.switches.sequence_start
        return self._gateway.random.getrandbits(32) if start == "random" else int(start)

    def _next_sequence(self) -> int:
        while True:
            sequence, self._sequence = self._sequence, (self._sequence + 1) & 0xFFFFFFFF
            if sequence not in self._delivered and sequence not in self._active:
                return sequence

    def deliver(self, *deliveries: Delivery) -> None:
        """Deliver these as soon as the window has room."""
        self._queue += deliveries
        self.pump()

    def pump(self) -> None:
        """Fill the window with what waits here, then with what waits for any connection of the account."""
        account, window = self.account, self._gateway.switches.window
        if account is None or self.deaf or not self._let_in or self._reads or self._transport.is_closing():
            return
        frames = []
        unwritten = self._unwritten() if self._queue and self._unanswered else ()
        early = []
        while len(self._delivered) < window and (self._queue or account.outbox):
            delivery = (self._queue or account.outbox).popleft()
            if delivery.reported_id in unwritten:
                early.append(delivery)
            else:
                frames.append(self._deliver_frame(delivery))
        self._queue.extendleft(reversed(early))
        if frames:
            self._write(b"".join(frames))

    def _unwritten(self) -> set[int]:
        """The Msg_Ids of SUBMITs whose answers are not written: their reports wait, with `report_order` "after"."""
        if self._gateway.switches.report_order != "after":
            return set()
        return {self._answered[sequence][0] for sequence in self._unanswered if sequence in self._answered} - {0}

    def _deliver_frame(self, delivery: Delivery) -> bytes:
        gateway = self._gateway
        sequence = self._next_sequence()
        self._delivered[sequence] = delivery
        delivery.tries, delivery.sent_s = 1, time.monotonic()
        frame = gateway.deliver_frame(delivery, sequence)
        gateway.delivering(self, delivery)
        return frame * 2 if gateway.switches.deliver_dup == "same_seq" else frame

    def _take_deliver_resps(self, answers: bulk.DeliverResps) -> int:
        """Answers to DELIVERs; how many octets. 0 if some are not as they should be: then each is looked at."""
        delivered = self._delivered
        found = [delivered.get(sequence) for sequence in answers.sequences]
        if any(answers.results) or [each and each.own_id for each in found] != list(answers.msg_ids):
            return 0
        if len(set(answers.sequences)) != len(found):
            return 0
        for sequence, delivery in zip(answers.sequences, found, strict=True):
            assert delivery is not None
            del delivered[sequence]
            self._gateway.delivered(self, delivery, 0)
        self.pump()
        return answers.octets

    def _take_answer(self, command: int, sequence: int, body: bytes) -> None:
        gateway = self._gateway
        layouts = pdus.LAYOUTS.get(command)
        read = layouts[0].unpack(body) if layouts else "unknown command"
        if isinstance(read, str) and not (command == pdus.ACTIVE_TEST_RESP and not body):
            gateway.malformed(self, f"{read}, first bytes {self._head(command, sequence, body)}")
            return
        if command == pdus.DELIVER_RESP and sequence in self._delivered and isinstance(read, pdus.DeliverResp):
            delivery = self._delivered.pop(sequence)
            if read.msg_id != delivery.own_id:
                gateway.violation(self, "wrong_echo")
            gateway.delivered(self, delivery, read.result)
            self.pump()
        elif command == pdus.ACTIVE_TEST_RESP and sequence in self._active:
            del self._active[sequence]
        elif command == pdus.TERMINATE_RESP and self._terminate_s:
            if gateway.switches.terminate != "without_closing_tcp":
                self.close()
        else:
            gateway.violation(self, "unexpected_answer")

    def _active_frame(self) -> bytes:
        sequence = self._next_sequence()
        self._active[sequence] = (time.monotonic(), 1)
        return pdus.ActiveTest().pack(sequence)

    def tick(self, now_s: float, interval_s: float, timeout_s: float, attempts: int) -> None:
        """Send again what has no answer, ask an idle peer whether it is there, close what is dead. Real seconds."""
        if self.deaf:
            return
        if self.peer_code:
            return
        if self.account is None:
            last_s = self._terminate_s or self.connected_s
            if now_s - last_s >= timeout_s and not (
                self._terminate_s and self._gateway.switches.terminate == "without_closing_tcp"
            ):
                self._gateway.violation(self, "silent")
                self.close()
            return
        again = []
        for sequence, delivery in list(self._delivered.items()):
            if now_s - delivery.sent_s < timeout_s:
                continue
            if delivery.tries >= attempts:
                del self._delivered[sequence]
                self._gateway.undelivered(self, delivery)
                continue
            delivery.tries, delivery.sent_s = delivery.tries + 1, now_s
            again.append(self._gateway.deliver_frame(delivery, sequence))
        for sequence, (sent_s, tries) in list(self._active.items()):
            if now_s - sent_s < timeout_s:
                continue
            if tries >= attempts:
                self._gateway.violation(self, "no_active_answer")
                self.close()
                return
            self._active[sequence] = (now_s, tries + 1)
            again.append(pdus.ActiveTest().pack(sequence))
        idle_s = now_s - max(self.heard_s, self.sent_s)
        if self._gateway.switches.active_from_server == "on" and not self._active and idle_s >= interval_s:
            again.append(self._active_frame())
        self._write(b"".join(again))
        self.pump()

    def undelivered(self) -> list[Delivery]:
        """What was queued or not answered, in order, when the connection ended."""
        left = [*self._delivered.values(), *self._queue]
        self._delivered.clear()
        self._queue.clear()
        return left
