"""The rows behind the figures of a campaign: all of them once, page by page, with masked numbers."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from dispatcher.errors import UserError
from dispatcher.service.campaigns.rows import CampaignRows, RowLine, RowsWanted, campaign_rows, masked_value, row_lines
from dispatcher.service.session import Session, open_session
from schemas.records import Effect
from tests.service.place import ACCOUNT, FIRST, configured, launched
from tests.service.reports.test_spend import Lane


async def all_numbers(session: Session, states: set[str], limit: int) -> list[str]:
    found, after = list[str](), ""
    while True:
        wanted = RowsWanted(states=frozenset(states), after=after, limit=limit)
        page = await campaign_rows(session, "may", wanted, unmasked=True)
        assert len(page.recipients) + len(page.set_aside) <= limit
        found += [row.number for row in page.recipients] + [row.value for row in page.set_aside]
        after = page.after
        if not after:
            return found


async def test_every_row_behind_a_figure_is_on_one_page(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may", recipients=7)
        lane = Lane(await session.log(), ACCOUNT)
        await lane.owned()
        await lane.outcome(await lane.intent("may", 2, 3), Effect.ACCEPTED, vendor_id="77")
        numbers = [str(FIRST + index) for index in range(7)]
        for limit in (1, 2, 3, 100):
            assert await all_numbers(session, {"queued"}, limit) == [*numbers[:2], *numbers[5:]]
            assert await all_numbers(session, {"no_report", "invalid"}, limit) == [*numbers[2:5], "no number"]
            assert await all_numbers(session, set(), limit) == numbers
        shown = await campaign_rows(session, "may", RowsWanted(states=frozenset({"no_report"}), limit=1))
        [row] = shown.recipients
        assert (row.number, row.state, row.account, row.vendor_id) == ("138****8002", "no_report", ACCOUNT, "77")
        assert shown.after == "r-0-3"
        [aside] = (await campaign_rows(session, "may", RowsWanted(states=frozenset({"invalid"})))).set_aside
        assert (aside.line, aside.value, aside.reason) == (8, "no number", "no number")


async def test_lines_are_the_rows_of_all_pages_and_the_position_of_each_next_page(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        assert (await launched(session, "may", recipients=9, waves="3, rest")).batches == 2
        lane = Lane(await session.log(), ACCOUNT)
        await lane.owned()
        await lane.outcome(await lane.intent("may", 1, 1), Effect.ACCEPTED, vendor_id='7"7')
        await lane.outcome(await lane.intent("may", 2, 1), Effect.FAILED)
        for states in (
            frozenset[str](),
            frozenset({"queued", "invalid"}),
            frozenset({"failed"}),
            frozenset({"delivered"}),
        ):
            for limit in (1, 2, 4, 9, 100):
                for unmasked in (False, True):
                    wanted = RowsWanted(states=states, limit=limit)
                    lines = [piece async for piece in await row_lines(session, "may", wanted, unmasked=unmasked)]
                    expected, page = list[RowLine](), CampaignRows(campaign="", recipients=[], set_aside=[], after="")
                    while page.after or not expected:
                        wanted = replace(wanted, after=page.after)
                        page = await campaign_rows(session, "may", wanted, unmasked=unmasked)
                        expected += [RowLine(recipient=row) for row in page.recipients]
                        expected += [RowLine(set_aside=row) for row in page.set_aside]
                        expected.append(RowLine(after=page.after))
                    assert b"".join(lines) == msgspec.json.Encoder().encode_lines(expected)


async def test_lines_continue_at_a_position(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may", recipients=8)
        wanted = RowsWanted(states=frozenset({"queued", "invalid"}), limit=2)
        whole = b"".join([piece async for piece in await row_lines(session, "may", wanted)])
        for place in (b"r-0-4", b"s-0-0"):
            _, rest = whole.split(b'{"after":"%b"}\n' % place)
            again = await row_lines(session, "may", replace(wanted, after=place.decode()))
            assert b"".join([piece async for piece in again]) == rest


async def test_rows_are_narrowed_to_an_account_and_a_code(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may", recipients=4)
        lane = Lane(await session.log(), ACCOUNT)
        await lane.owned()
        await lane.outcome(await lane.intent("may", 0, 2), Effect.FAILED)
        for wanted, count in (
            (RowsWanted(code="0"), 2),
            (RowsWanted(code="0", source="submit", account=ACCOUNT), 2),
            (RowsWanted(code="0", source="report"), 0),
            (RowsWanted(code="nobody's"), 0),
            (RowsWanted(account="summer"), 0),
            (RowsWanted(states=frozenset({"delivered"})), 0),
        ):
            assert len((await campaign_rows(session, "may", wanted)).recipients) == count


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (RowsWanted(states=frozenset({"lost"})), '"lost" is no state'),
        (RowsWanted(after="7"), "no position of a row"),
        (RowsWanted(after="r-1-x"), "no position of a row"),
        (RowsWanted(limit=0), "1 to 1,000 rows"),
    ],
)
async def test_a_mistake_is_one_sentence(tmp_path: Path, wanted: RowsWanted, says: str) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        with pytest.raises(UserError, match=says):
            await campaign_rows(session, "may", wanted)


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("138 0013 8000", "138 **** 8000"),
        ("1380013800", "138***3800"),
        ("1380013", "1*****3"),
        ("12345", "12345"),
        ("299.50", "299.50"),
        ("hello", "hello"),
        ("", ""),
        ("1380013800013900139000", "138***************9000"),
    ],
)
def test_what_a_cell_holds_is_masked_like_a_number(value: str, masked: str) -> None:
    assert masked_value(value) == masked
