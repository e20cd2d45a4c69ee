"""What the gateway takes together ends as if it had taken each by itself."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from dispatcher.cmpp import pdus
from dispatcher.cmpp.frames import FrameReader, read
from dispatcher.cmpp.layout import HEADER
from loadtest.sim import config as configuration
from loadtest.sim.cmpp import bulk
from loadtest.sim.cmpp.gateway import Gateway
from tests.loadtest.sim.cmpp.cmpp_kit import NOW, SP_ID, hashed, submit

STILL = {"clock_start": "2026-01-31T12:00:00", "clock_scale": 1e-9, **NOW}
NUMBERS = [b"%d" % (13_800_000_000 + place) for place in range(400)]
ODD = [b"10086", b"8613800138000", b"+8613800138000", b"1380013800x", b"1380_013800", b"23800138000", b""]


class Transport:
    """What the session writes, without a socket."""

    def __init__(self) -> None:
        self.octets = b""
        self.closed = False

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else self

    def setsockopt(self, *option: object) -> None:
        """Options of a socket mean nothing here."""

    def write(self, data: bytes) -> None:
        self.octets += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return 0


class Played:
    """A gateway that heard some octets on one connection, and what came of it."""

    def __init__(self, pieces: list[bytes], **switches: Any) -> None:
        spring = {"account": SP_ID.decode(), "pswd": "sim-secret"}
        config = {"vendor": "cmpp", "listen": "127.0.0.1:0", "account": {"spring": spring}} | STILL | switches
        self.gateway = Gateway(configuration.read(config))
        self.session = self.gateway.new_session()
        self.transport = Transport()
        self.session.connection_made(self.transport)  # type: ignore[arg-type]
        self.session.begins(1.0)
        self.session.data_received(pdus.Connect(SP_ID, hashed(), timestamp=131235959).pack(1))
        for piece in pieces:
            self.session.begins(1.0)
            self.session.data_received(piece)
        self.pdus = [(frame[1], read(frame)) for frame in FrameReader().feed(self.transport.octets)]

    def answers(self) -> list[tuple[int, Any]]:
        return [(sequence, pdu) for sequence, pdu in self.pdus if isinstance(pdu, pdus.SubmitResp)]

    def figures(self) -> dict[str, Any]:
        return {**self.gateway.accounts["spring"].figures(), **self.gateway.ledger.figures(0)}


def alone(monkeypatch: pytest.MonkeyPatch, pieces: list[bytes], **switches: Any) -> Played:
    """Each by itself."""
    with monkeypatch.context() as patch:
        patch.setattr(Gateway, "is_plain", lambda gateway, account: False)
        return Played(pieces, **switches)


def octets_of(dice: random.Random, first: int) -> tuple[bytes, int]:
    """What an SP could write at once, some of it wrong."""
    made = []
    sequence = first
    texts = [submit(registered_delivery=0, msg_content=content) for content in (b"hello", b"holla", b"a longer text")]
    texts += [submit(registered_delivery=0, msg_src=b"stolen"), submit(registered_delivery=2, at_time=b"x" * 16)]
    for _ in range(dice.randrange(1, 5)):
        of = dice.choice(texts)
        for _ in range(dice.randrange(1, 9)):
            number = dice.choice(ODD) if dice.random() < 0.05 else dice.choice(NUMBERS)
            sequence += 0 if dice.random() < 0.03 else 1
            made.append(submit(**{**_fields(of), "dest_terminal_ids": (number,)}).pack(sequence))
        if dice.random() < 0.3:
            made.append(dice.choice([pdus.ActiveTest().pack(sequence), pdus.DeliverResp(7, 0).pack(9)]))
    return b"".join(made), sequence


def _fields(of: pdus.Submit) -> dict[str, Any]:
    return {name: getattr(of, name) for name in of.__struct_fields__}


def cut(octets: bytes, dice: random.Random) -> list[bytes]:
    edges = sorted(dice.randrange(len(octets) + 1) for _ in range(dice.randrange(2)))
    return [octets[start:end] for start, end in zip([0, *edges], [*edges, len(octets)], strict=True) if start < end]


@pytest.mark.parametrize("seed", range(25))
def test_random_octets(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(seed)
    pieces: list[bytes] = []
    sequence = 1
    for _ in range(12):
        octets, sequence = octets_of(dice, sequence)
        pieces += cut(octets, dice)
    together, each = Played(pieces), alone(monkeypatch, pieces)
    assert together.transport.octets == each.transport.octets
    assert together.gateway.ledger.frame(["spring"]).equals(each.gateway.ledger.frame(["spring"]))
    assert together.figures() == each.figures()
    assert together.gateway.accounts["spring"].days == each.gateway.accounts["spring"].days
    assert together.session._answered == each.session._answered


def test_sixteen_alike_are_taken_in_one_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watched(monkeypatch, "submit_alike")
    played = Played([frames(range(2, 18))])
    assert seen == [16]
    assert [pdu.result for _, pdu in played.answers()] == [0] * 16
    assert played.figures()["numbers_accepted"] == 16


def watched(monkeypatch: pytest.MonkeyPatch, name: str) -> list[int]:
    """How many SUBMITs were given to this method of the gateway each time."""
    seen: list[int] = []
    real: Callable[..., Any] = getattr(Gateway, name)

    def counting(gateway: Gateway, session: Any, account: Any, submits: bulk.Submits, at_s: float) -> Any:
        seen.append(len(submits.sequences))
        return real(gateway, session, account, submits, at_s)

    monkeypatch.setattr(Gateway, name, counting)
    return seen


def frames(sequences: range, **fields: Any) -> bytes:
    return b"".join(
        submit(registered_delivery=0, **fields, dest_terminal_ids=(NUMBERS[sequence],)).pack(sequence)
        for sequence in sequences
    )


@pytest.mark.parametrize(
    "switches",
    [
        {"answer_order": "reversed"},
        {"latency_s": 1.0},
        {"no_answer": "all"},
        {"msgid": "zero_time"},
        {"report_order": "before"},
        {"deliver_dup": "new_seq"},
        {"report_loss": 0.5},
        {"mo_share": 0.5},
        {"status_numbers": {"13800000002": "UNDELIV"}},
        {"rule": [{"code": 9}]},
        {"account": {"spring": {"account": "901234", "pswd": "sim-secret", "flow": {"limit": 5, "per_s": 1}}}},
    ],
    ids=lambda switches: next(iter(switches)),
)
async def test_a_switch_that_wants_a_look_at_each_has_it(
    switches: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = watched(monkeypatch, "submit_alike")
    Played([frames(range(2, 10))], **switches)
    assert seen == []


def test_what_is_over_the_window_is_looked_at_by_itself() -> None:
    played = Played([frames(range(2, 19))], window_violation="result8")
    assert sorted(pdu.result for _, pdu in played.answers()) == [0] * 16 + [8]
    assert played.figures()["outstanding_max"] == 17


def test_a_changed_switch_is_seen_at_once() -> None:
    played = Played([frames(range(2, 10))])
    played.gateway.switches.update({"ascii_max": 3})
    played.gateway.settings_changed()
    played.session.data_received(frames(range(10, 18)))
    assert Played([]).gateway.ledger.figures(0)["numbers"] == 0
    assert played.figures()["results"] == {"0": 8, "6": 8}


@pytest.mark.parametrize("wrong", ["", "msg_id", "result", "twice", "sequence"])
async def test_reports_and_their_answers(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    octets = b"".join(submit(dest_terminal_ids=(NUMBERS[s],)).pack(s) for s in range(2, 18))
    together, each = Played([octets]), alone(monkeypatch, [octets])
    for played in (together, each):
        delivers = [(sequence, pdu) for sequence, pdu in played.pdus if isinstance(pdu, pdus.Deliver)]
        reported = {pdus.ReportBody.layout.unpack(pdu.msg_content).msg_id for _, pdu in delivers}  # type: ignore[union-attr]
        assert reported == {pdu.msg_id for _, pdu in played.answers()}
        assert len(delivers) == 16
        acks = [pdus.DeliverResp(pdu.msg_id).pack(sequence) for sequence, pdu in delivers]
        sequence, pdu = delivers[3]
        match wrong:
            case "msg_id":
                acks[3] = pdus.DeliverResp(pdu.msg_id ^ 1).pack(sequence)
            case "result":
                acks[3] = pdus.DeliverResp(pdu.msg_id, 8).pack(sequence)
            case "twice":
                acks.append(acks[3])
            case "sequence":
                acks[3] = pdus.DeliverResp(pdu.msg_id).pack(sequence ^ 0x40000000)
        played.session.data_received(b"".join(acks))
        played.gateway.phones.reset()
    assert together.figures() == each.figures()
    assert together.figures()["reports_acked"] == (15 if wrong in ("result", "sequence") else 16)


@pytest.mark.parametrize("status", ["DELIVRD", "MK:0001"])
def test_a_filled_report_is_the_packed_one(status: str) -> None:
    gateway = Played([]).gateway
    packed = gateway.report_pdu(1 << 63, 77, b"13800138000", status)
    template = bulk.ReportTemplate(None, gateway.report_pdu(0, 0, b"", status).pack(0))
    assert template.pack(5, 1 << 63, b"13800138000", 77) == packed.pack(5)


@pytest.mark.parametrize("octets", [b"", HEADER.pack(12, 4, 1), bytes(400), HEADER.pack(0xFFFFFFFF, 4, 1) + bytes(400)])
def test_what_is_no_submit_is_left_to_the_framing(octets: bytes) -> None:
    assert bulk.submits(octets) is None
    assert bulk.deliver_resps(octets) is None
