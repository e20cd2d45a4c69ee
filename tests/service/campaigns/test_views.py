"""Campaigns as values: all of them, one, one under way; and the JSON that commands print is what these values hold."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from dispatcher.errors import UserError
from dispatcher.service.campaigns.orders.control import cancel_campaign, weigh_campaign
from dispatcher.service.campaigns.progress import progress_of
from dispatcher.service.campaigns.views import (
    CampaignWanted,
    list_campaigns,
    no_campaign,
    show_campaign,
    stale,
    watch_campaign,
)
from dispatcher.service.session import open_session
from tests.service.place import configured, launched


async def test_campaigns_are_listed_newest_first_with_what_keeps_them_from_being_sent(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        await launched(session, "june", recipients=2)
        found = await list_campaigns(session)
        assert [page.id for page in found.campaigns] == ["june", "may"]
        assert (found.records_behind, found.stopped, found.not_run) == (0, (), ("spring",))
        assert found.hindrances.sentences() == [
            'no process sends for account "spring": start `dispatcher run` (role lanes).'
        ]


async def test_campaigns_are_listed_by_word_status_and_time_and_the_rest_is_counted(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        for name in ("may", "june-SALE", "july-sale"):
            await launched(session, name, by="ann" if name == "may" else "ben")
        await cancel_campaign(session, "may")
        every = await list_campaigns(session)
        assert (len(every.campaigns), every.more, every.campaigns_in_all) == (3, 0, 3)
        since_ms = min(page.launched_ms for page in every.campaigns)
        for wanted, ids, more in (
            (CampaignWanted(contains="Sale"), ["july-sale", "june-SALE"], 0),
            (CampaignWanted(contains="hello", limit=1), ["july-sale"], 2),
            (CampaignWanted(statuses=frozenset({"cancelled"})), ["may"], 0),
            (CampaignWanted(until_ms=since_ms), [], 0),
            (CampaignWanted(by="ann"), ["may"], 0),
            (CampaignWanted(limit=1, skip=1), ["june-SALE"], 1),
            (CampaignWanted(since_ms=since_ms, limit=2), ["july-sale", "june-SALE"], 1),
        ):
            found = await list_campaigns(session, wanted)
            assert ([page.id for page in found.campaigns], found.more, found.campaigns_in_all) == (ids, more, 3)
            assert found.owners == ["ann", "ben"]


async def test_one_campaign_is_shown_with_its_equation(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may", weight=2)
        await weigh_campaign(session, "may", weight=5)
        shown = await show_campaign(session, "may")
        assert (shown.counts.queued, shown.adds_up, shown.settled) == (3, True, False)
        assert shown.equation == "4 rows = 1 invalid + 3 queued"
        assert shown.weight == 5
        with pytest.raises(UserError, match="there is no campaign"):
            await show_campaign(session, "june")


async def test_a_campaign_as_json_has_the_names_that_scripts_know(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        found = msgspec.to_builtins(await show_campaign(session, "may"))
        for name in ("campaign", "route", "unknown_policy", "counts", "equation", "settled", "adds_up", "failures"):
            assert name in found
        assert not {"id", "legs", "unknown"} & set(found)
        leg = {"account": "spring", "vendor": "batch-a", "jobs": 1, "recipients": 3, "segments": 1, "split": (70, 67)}
        assert list(found["route"]) == [leg]


async def test_a_campaign_is_watched_until_nothing_of_it_will_change(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        looks = watch_campaign(session, "may")
        first = await anext(looks)
        assert (first.is_over, first.view.counts.queued) == (False, 3)
        await cancel_campaign(session, "may")
        rest = [look async for look in looks]
        assert [look.is_over for look in rest] == [False] * (len(rest) - 1) + [True]
        last = progress_of(rest[-1].view, rest[-1].pace)
        assert (last.status, last.counts.cancelled, last.settled) == ("cancelled", 3, True)


@pytest.mark.parametrize(
    ("there", "advice"),
    [
        ([], "Nothing was launched yet."),
        (["a", "b"], "There are: a, b (dispatcher campaign list)."),
        (list("abcdefg"), "There are: a, b, c, d, e, … (dispatcher campaign list)."),
    ],
)
def test_an_id_that_is_not_there_is_told_with_those_that_are(there: list[str], advice: str) -> None:
    assert str(no_campaign("x", there)) == f'there is no campaign "x" on this log. {advice}'


@pytest.mark.parametrize(("records", "said"), [(0, ""), (1, "1 record behind"), (2_000, "2,000 records behind")])
def test_how_far_results_are_behind_is_told_where_they_are(records: int, said: str) -> None:
    assert said in stale(records)
    assert bool(stale(records)) == bool(records)
