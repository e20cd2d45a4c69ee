"""Numbers as values: on the suppression list or not, and what became of one in every campaign."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from dispatcher.errors import UserError
from dispatcher.service.lookup import look_up
from dispatcher.service.session import open_session
from dispatcher.service.suppression import are_suppressed, change_suppression, list_suppressed, suppression_key
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
        with pytest.raises(UserError, match="is no phone number"):
            await look_up(session, "12x")
