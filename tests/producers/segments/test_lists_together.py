"""Several lists in one launch, and who is not meant: excluded lists, and parts of earlier campaigns."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.file import Config
from dispatcher.errors import InputError, UserError
from dispatcher.log.port import Log
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.orders.control import cancel_campaign
from dispatcher.service.campaigns.results import write_results
from dispatcher.service.lookup import look_up
from dispatcher.service.session import Session, open_session
from producers.launch.api import launch, plan_launch
from producers.launch.commit import LaunchResult, commit
from producers.launch.planning.plan_text import plan_lines
from producers.launch.prepare import prepare
from producers.segments.campaign_parts import campaign_parts
from schemas.records import Effect, Rejects
from schemas.states import State
from tests.producers.launch import launched as on_log
from tests.producers.segments.answered import answered, reported
from tests.service.place import ACCOUNT, configured

N = 13_800_138_000


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configured(tmp_path)


async def launched(session: Session, numbers: Any, **wanted: Any) -> LaunchResult:
    return await launch(session, LaunchRequest(numbers=numbers, text="【Shop】hello", route=[ACCOUNT], **wanted))


async def texted(log: Log, campaign: str) -> list[int]:
    """The numbers that the campaign's jobs name, in order."""
    found = await on_log.recipients(log, await on_log.launched(log, campaign))
    return [int(number) for number in found.get(ACCOUNT, [])]


async def test_who_is_in_several_lists_gets_one_text_and_each_row_keeps_its_list(config: Config, tmp_path: Path):
    north, south = tmp_path / "north.csv", tmp_path / "south.txt"
    north.write_text(f"name,mobile\nann,{N}\nbob,x\ncat,{N + 1}\nann,{N}\n", "utf-8")
    south.write_text(f"{N + 2}\n{N + 1}\ny\n{N}\n", "utf-8")
    async with open_session(config) as session:
        result = await launched(session, str(north), more_lists=[str(south)], id="both")
        log = await session.log()
        assert await texted(log, "both") == [N, N + 1, N + 2]
        assert (result.rows, result.recipients, result.duplicate, result.invalid) == (8, 3, 3, 2)
        record = await on_log.launched(log, "both")
        assert record.lists == (str(north), str(south))
        assert [(each.source, each.rows, each.column) for each in result.plan.lists] == [
            (str(north), 4, '"mobile" (column 2)'),
            (str(south), 4, "column 1"),
        ]
        encoding = result.plan.lists[0].encoding
        shown = list(plan_lines(result.plan))
        assert [line for line in shown if line.startswith("list")] == [
            f'list        {north}: "mobile" (column 2), {encoding}, 4 rows',
            f"list        {south}: column 1, {encoding}, 4 rows",
        ]
        found = await look_up(session, str(N))
        [aside] = found.set_aside
        assert (aside.rows, aside.first_line, aside.first_list) == (2, 5, str(north))
        assert (aside.repeats_line, aside.repeats_list) == (2, str(north))
        rejects = tmp_path / "rejects.csv"
        view = await session.read(lambda reader: reader.campaign("both"))
        assert view is not None
        assert view.lists == (str(north), str(south))
        with rejects.open("wb") as out:
            write_results(config, view, out, "csv", states=["invalid", "duplicate"])
    rows = list(csv.DictReader(rejects.read_text("utf-8-sig").splitlines()))
    assert [(row["list"], row["row"], row["state"], row["repeats"], row["repeats_list"]) for row in rows] == [
        (str(north), "3", "invalid", "", ""),
        (str(north), "5", "duplicate", "2", str(north)),
        (str(south), "2", "duplicate", "4", str(north)),
        (str(south), "3", "invalid", "", ""),
        (str(south), "4", "duplicate", "2", str(north)),
    ]


async def test_one_list_is_recorded_as_before(config: Config):
    async with open_session(config) as session:
        await launched(session, [N, N, "x"], id="one")
        log = await session.log()
        assert (await on_log.launched(log, "one")).lists == ()
        rejects = [record for _, record in await on_log.records(log, "rejects") if isinstance(record, Rejects)]
        assert [(record.lists, record.list_index, record.repeats_list) for record in rejects] == [((), b"", b"")]


async def test_values_are_found_in_each_list_by_their_column(config: Config, tmp_path: Path):
    (tmp_path / "a.csv").write_text(f"mobile,name\n{N},ann\n", "utf-8")
    (tmp_path / "b.csv").write_text(f"name,mobile\nbob,{N + 1}\n", "utf-8")
    request = LaunchRequest(
        numbers=str(tmp_path / "a.csv"), more_lists=[str(tmp_path / "b.csv")], text="Dear {name}", route=[ACCOUNT]
    )
    async with open_session(config) as session:
        plan = await plan_launch(session, request)
    assert set(plan.samples) == {"Dear ann", "Dear bob"}


async def test_an_empty_list_among_several_is_named(config: Config, tmp_path: Path):
    (tmp_path / "empty.csv").write_text("mobile\n", "utf-8")
    async with open_session(config) as session:
        with pytest.raises(InputError, match=r"empty\.csv has no rows"):
            await launched(session, [N], more_lists=[str(tmp_path / "empty.csv")])


async def test_an_excluded_list_is_left_out_with_the_reason(config: Config):
    async with open_session(config) as session:
        result = await launched(session, [N, N + 1, N + 2], exclude=[[N + 1]], suppress=[[N + 2]], id="one")
        assert result.suppressed_reasons == {"in a suppression file": 1, "in an excluded list": 1}
        assert await texted(await session.log(), "one") == [N]
        [aside] = (await look_up(session, str(N + 1))).set_aside
        assert aside.reason == "in an excluded list"
        view = await session.read(lambda reader: reader.campaign("one"))
        assert view is not None
        assert (view.counts.suppressed, view.counts.rows, view.counts.queued) == (2, 3, 1)


async def test_recipients_of_a_campaign_are_excluded_all_or_by_state(config: Config):
    async with open_session(config) as session:
        await launched(session, [N, N + 1, N + 2, "x"], id="may")
        log = await session.log()
        vendor_id = await answered(log, "may", Effect.ACCEPTED, 0, 2)
        await reported(log, ACCOUNT, vendor_id, [N + 1], 1, "DELIVRD")
        people = [N, N + 1, N + 2, N + 3]
        everybody = await launched(session, people, exclude_campaigns=["may"], id="all")
        assert everybody.suppressed_reasons == {"in campaign may": 3}
        assert await texted(log, "all") == [N + 3]
        delivered = await launched(session, people, exclude_campaigns=["may:delivered,unknown"], id="some")
        assert delivered.suppressed_reasons == {"in campaign may": 1}
        assert await texted(log, "some") == [N, N + 2, N + 3]


async def test_who_was_delivered_while_the_plan_waited_is_left_out_and_the_launch_is_the_same(config: Config):
    async with open_session(config) as session:
        await launched(session, [N, N + 1, N + 2], id="may")
        log = await session.log()
        vendor_id = await answered(log, "may", Effect.ACCEPTED, 0, 3)
        request = LaunchRequest(
            numbers=[N, N + 1, N + 9], text="again", route=[ACCOUNT], id="june", exclude_campaigns=["may:delivered"]
        )
        prepared = await prepare(session, request, ask_balance=False)
        assert prepared.plan.recipients == 3
        await reported(log, ACCOUNT, vendor_id, [N], 1, "DELIVRD")
        result = await commit(prepared, log)
        prepared.close()
        assert result.suppressed_reasons == {"in campaign may": 1}
        assert await texted(log, "june") == [N + 1, N + 9]
        await reported(log, ACCOUNT, vendor_id, [N + 1], 1, "DELIVRD")
        again = await launch(session, request)
        assert again.already_launched
        with pytest.raises(UserError, match='the id "june" is taken'):
            await launch(session, LaunchRequest(numbers=[N, N + 1, N + 9], text="again", route=[ACCOUNT], id="june"))


async def test_a_campaign_to_exclude_that_was_never_launched_stops_the_launch(config: Config):
    async with open_session(config) as session:
        await launched(session, [N], id="may")
        with pytest.raises(UserError, match='there is no campaign "mai"'):
            await launched(session, [N + 1], exclude_campaigns=["mai"])


async def test_a_cancelled_campaign_excludes_who_was_not_cancelled(config: Config):
    async with open_session(config) as session:
        await launched(session, [N, N + 1], id="may")
        await answered(await session.log(), "may", Effect.FAILED, 0, 1, "107")
        await cancel_campaign(session, "may")
        result = await launched(session, [N, N + 1], exclude_campaigns=["may:failed"], id="june")
        assert await texted(await session.log(), "june") == [N + 1]
    assert result.suppressed_reasons == {"in campaign may": 1}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["may"], {"may": set()}),
        (["may:delivered, no-report"], {"may": {State.DELIVERED, State.NO_REPORT}}),
        (["may:delivered", "june", "may:failed"], {"may": {State.DELIVERED, State.FAILED}, "june": set()}),
        (["may:delivered", "may"], {"may": set()}),
    ],
)
def test_parts_of_campaigns_are_read_as_people_write_them(texts: list[str], expected: dict[str, set[State]]):
    assert {part.campaign: set(part.states) for part in campaign_parts(texts)} == expected


@pytest.mark.parametrize("text", ["", ":delivered", "may:", "may:gone", "may:delivered,"])
def test_a_part_that_is_none_is_refused(text: str):
    with pytest.raises(UserError):
        campaign_parts([text])
