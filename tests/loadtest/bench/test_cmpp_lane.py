"""The benchmark of the CMPP lane: every message is sent, reported and joined."""

from __future__ import annotations

from loadtest.bench.sending import cmpp_lane as bench
from tests.waiting import patience


async def test_every_message_of_the_lane_is_sent_reported_and_joined() -> None:
    async with patience():
        rate, *cpu = await bench._whole_lane(300, 16)
    assert (rate["unit"], rate["value"] > 0) == ("messages/s", True)
    assert [each["name"].rpartition(" ")[2] for each in cpu] == ["lanes", "gateway", "joiner"]


async def test_what_is_paced_is_judged_at_the_gateway() -> None:
    async with patience():
        found = await bench._paced(0.005, 1)
    assert found["submits_accepted"] > 0
    assert found["outstanding_max"] <= 16
