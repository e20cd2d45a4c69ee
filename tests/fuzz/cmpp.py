"""`python -m tests.fuzz.cmpp`: damaged CMPP for the client's link and for the simulated gateway, for as long as asked.

    python -m tests.fuzz.cmpp --seconds 600
    python -m tests.fuzz.cmpp --seconds 60 --seed 7

Whatever comes: no exception, bounded memory, only sound frames out, one final word for every message, and nobody else
is held up. The first that fails ends it with its traceback; the seed that is printed makes it again.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter

from dispatcher.cmpp import pdus
from dispatcher.cmpp.frames import FRAME_BYTES_MAX, FrameReader, Malformed, read
from dispatcher.cmpp.link import DELIVERIES_MAX, Answers, Delivered, Ended, Link, Reported, State, Unanswered
from tests.cmpp.link_kit import NUMBERS, SETTINGS, TEMPLATE, TIMESTAMP
from tests.cmpp.vectors import FRAMES
from tests.loadtest.sim.cmpp.cmpp_kit import NOW, SP_ID, SUBMIT, Ismg, hashed, ismg
from tests.waiting import until

STRANGE = [
    *(length.to_bytes(4, "big") for length in (0, 11, 4_097, 0x7FFFFFFF, 0xFFFFFFFF)),
    *(b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", bytes.fromhex("0000000c0000000a00000001")),
]
LOGIN = pdus.Connect(SP_ID, hashed(TIMESTAMP), timestamp=int(TIMESTAMP)).pack(1)
BATCH = 50  # connections to one gateway


def damaged(frames: list[bytes], dice: random.Random) -> bytes:
    """Some of these frames, some of them damaged."""
    stream = []
    for _ in range(dice.randrange(1, 12)):
        frame = bytearray(dice.choice(frames))
        match dice.randrange(8):
            case 0:
                frame[dice.randrange(len(frame))] ^= 1 << dice.randrange(8)
            case 1:
                frame = frame[: dice.randrange(len(frame))]
                if len(frame) >= 12 and dice.randrange(2):
                    frame[:4] = len(frame).to_bytes(4, "big")
            case 2:
                frame += dice.randbytes(dice.randrange(1, 40))
                frame[:4] = len(frame).to_bytes(4, "big")
            case 3 if not dice.randrange(4):
                frame = bytearray(dice.choice(STRANGE))
        stream.append(bytes(frame))
    return b"".join(stream)


def cut(octets: bytes, dice: random.Random) -> list[bytes]:
    """In pieces, as a network cuts."""
    edges = sorted(dice.randrange(len(octets) + 1) for _ in range(dice.randrange(4)))
    return [octets[start:end] for start, end in zip([0, *edges], [*edges, len(octets)], strict=True)]


def try_link(dice: random.Random) -> str:
    """One link that hears damaged frames; how it ended."""
    link, final = Link(SETTINGS), Counter[int]()
    out = FrameReader()
    frames = [*FRAMES, *(pdus.SubmitResp(s, 0).pack(s) for s in range(2, 18)), pdus.ConnectResp().pack(1)]
    link.connected(TIMESTAMP, 0.0)
    if dice.randrange(4):
        link.received(pdus.ConnectResp().pack(1), 0.0)
    submitted = 0
    now_s = 0.0
    for octets in cut(damaged(frames, dice), dice):
        count = dice.randrange(link.room + 1)
        link.send(link.prepare(TEMPLATE, NUMBERS[:count], submitted), count, now_s)
        submitted += count
        now_s += dice.choice([0.0, 30.0, 61.0, 181.0])
        for event in [*link.received(octets, now_s), *link.tick(now_s)]:
            match event:
                case Answers(tokens) if not event.late:
                    final.update(tokens)
                case Unanswered(tokens) | Ended(_, tokens):
                    final.update(tokens)
                case Delivered(sequence, _) if dice.randrange(2):
                    link.acknowledge([sequence], 0, now_s)
                case Reported(sequences) if dice.randrange(2):
                    assert len(list(event.delivers())) == len(sequences)
                    link.acknowledge(sequences, 0, now_s)
        assert link.outstanding <= SETTINGS.window
        assert link._reader.pending_bytes < FRAME_BYTES_MAX
        assert len(link._deliveries) <= DELIVERIES_MAX
    for event in link.lost("the stream is over"):
        assert isinstance(event, Ended)
        final.update(event.unknown)
    assert final == Counter(range(submitted))
    assert not any(isinstance(read(frame), Malformed) for frame in out.feed(link.take_output()))
    assert out.broken is None
    assert link.state is State.ENDED
    return "sound" if link.counts.total() == 0 else "malformed"


async def try_gateway(connections: int, dice: random.Random) -> int:
    """A gateway that hears damaged frames on many connections, beside an SP that it must go on serving."""
    async with ismg(**NOW) as gateway:
        witness = await gateway.sp()
        for _ in range(connections):
            await _disturb(gateway, dice)
            if not dice.randrange(10):
                assert (await witness.submit(dest_terminal_ids=(dice.choice(NUMBERS),))).result == 0
        assert all(session._stream.held < FRAME_BYTES_MAX for session in gateway.sim.gateway.sessions)
        for sp, _ in gateway.sps[1:]:
            sp.writer.close()
        await until(lambda: len(gateway.sim.gateway.sessions) == 1)
        assert (await witness.ask(pdus.Query(b"20260131"), pdus.QueryResp)).time == b"20260131"
        return int(sum(gateway.sim.gateway.strangers.values()))


async def _disturb(gateway: Ismg, dice: random.Random) -> None:
    """One stranger, or an SP that has lost its mind."""
    sp = await gateway.connect(result=dice.choice([0, 8, None]))
    octets = (LOGIN if dice.randrange(3) else b"") + damaged([*FRAMES, SUBMIT.pack(7)], dice)
    for piece in cut(octets, dice):
        sp.writer.write(piece)
        await asyncio.sleep(0)
    match dice.randrange(3):
        case 0:
            sp.writer.close()
        case 1:
            sp.writer.transport.abort()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.cmpp", description="Damaged CMPP.")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    end_s, seed, links, strangers = time.monotonic() + asked.seconds, asked.seed, Counter[str](), 0
    while time.monotonic() < end_s:
        print(f"seed {seed}: {links.total():,} links, {strangers:,} strangers counted", flush=True)
        links.update(try_link(random.Random(seed * 1_000 + place)) for place in range(1_000))
        strangers += asyncio.run(try_gateway(BATCH, random.Random(seed)))
        seed += 1
    print(f"cmpp: {links.total():,} links ({links['malformed']:,} with malformed frames), {strangers:,} strangers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
