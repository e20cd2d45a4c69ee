"""Numbers as values: on the suppression list or not, and what became of one in every campaign."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from dispatcher.core.wire_number import to_wire
from dispatcher.errors import UserError
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.lookup import look_up, number_of
from dispatcher.service.session import open_session
from dispatcher.service.suppression import are_suppressed, change_suppression, list_suppressed, suppression_key
from producers.launch.api import launch
from tests.service.place import FIRST, configured, launched

NUMBERS = np.array([FIRST, FIRST + 1, FIRST], np.int64)


async def test_a_change_of_the_suppression_list_counts_what_it_made_a_difference_for(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        first = await change_suppression(session, NUMBERS, adds=True, source="person", why="asked", by="ann")
        assert (first.numbers, first.changed, first.listed) == (2, 2, 2)
        again = await change_suppression(session, NUMBERS, adds=True, source="person", why="asked", by="ann")
        assert (again.numbers, again.changed, again.listed) == (2, 0, 2)
        gone = await change_suppression(session, NUMBERS[:1], adds=False, source="person", why="")
        assert (gone.numbers, gone.changed, gone.listed) == (1, 1, 1)
        assert await are_suppressed(session, NUMBERS) == [False, True, False]


async def test_the_list_says_who_put_a_number_there_and_why(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await change_suppression(session, NUMBERS, adds=True, source="person", why="asked", by="ann")
        found = await list_suppressed(session, FIRST + 1)
        [entry] = found.entries
        assert (found.listed, entry.number, entry.source, entry.by, entry.why) == (
            2, str(FIRST + 1), "person", "ann", "asked",
        )  # fmt: skip
        assert (await list_suppressed(session, FIRST + 9)).entries == []
        assert len((await list_suppressed(session, limit=1)).entries) == 1


def test_a_text_that_is_no_number_is_refused() -> None:
    assert suppression_key("+86 138-0013-8000") == FIRST
    with pytest.raises(UserError, match='"12" is no phone number'):
        suppression_key("12")


async def test_a_number_is_looked_up_in_every_campaign(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        await launched(session, "june", recipients=1)
        found = await look_up(session, "138 0013 8000")
        assert (found.number, [each.campaign for each in found.campaigns]) == (str(FIRST), ["june", "may"])
        [june, _] = msgspec.to_builtins(found)["campaigns"]
        assert (june["state"], june["final"], june["account"]) == ("queued", False, "")
        assert (await look_up(session, str(FIRST + 9))).campaigns == []
        assert (found.suppressed, found.set_aside) == (None, [])


NO_NUMBERS = ["12x", "", "abc", "12345", "1380013800", "138001380001", "+0123456789", "1" * 16, "447700٩00123"]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number_is_not_looked_up(text: str) -> None:
    with pytest.raises(UserError, match="is no phone number. Write a mobile like 13800138000"):
        number_of(text)


@pytest.mark.parametrize("text", ["+44 7700 900123", "0044 7700900123", "447700900123"])
def test_a_number_abroad_is_looked_up_however_it_is_written(text: str) -> None:
    assert to_wire(number_of(text)) == "447700900123"


async def test_who_is_suppressed_or_was_set_aside_is_told_with_since_and_why(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await change_suppression(session, NUMBERS[:1], adds=True, source="person", why="asked", by="ann")
        numbers = [
            FIRST,
            FIRST + 1,
            "+86 138-0013-8001",
            "１３８００１３８００１",
            f"{FIRST + 2}1",
            f"{FIRST + 1} {FIRST + 2}",
        ]
        request = LaunchRequest(numbers=numbers, text="【Shop】hello", route=["spring"], id="may")
        await launch(session, request)
        listed = await look_up(session, str(FIRST))
        assert listed.suppressed is not None
        assert (listed.suppressed.by, listed.suppressed.why, listed.campaigns) == ("ann", "asked", [])
        assert [(each.campaign, each.reason, each.rows) for each in listed.set_aside] == [
            ("may", "on the suppression list", 1)
        ]
        repeated = await look_up(session, str(FIRST + 1))
        assert repeated.suppressed is None
        assert len(repeated.campaigns) == 1
        asides = {each.reason: (each.rows, each.first_line, each.repeats_line) for each in repeated.set_aside}
        assert asides["duplicate"] == (2, 3, 2)
        assert set(asides) <= {"duplicate", "several numbers in one cell"}
        typo = await look_up(session, str(FIRST + 2))
        assert "too long" not in {each.reason for each in typo.set_aside}
