"""Frequency caps at the launch: who is over, what counts and what does not, and that it counts once."""

from __future__ import annotations

import asyncio
import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from dispatcher.caps import number_set
from dispatcher.caps.recently_texted import RecentlyTexted
from dispatcher.config.file import CapsConfig, Config, parse
from dispatcher.errors import ConfigError, DispatcherError, InputError, UserError
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.log.port import Log
from dispatcher.service.campaigns.drafts import show_draft
from dispatcher.service.campaigns.follow_ups import FollowUpRequest
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.results import write_results
from dispatcher.service.campaigns.views import show_campaign
from dispatcher.service.lookup import look_up
from dispatcher.service.session import Session, open_session
from dispatcher.suppression.list import put
from producers.drafts import deferring
from producers.drafts.api import plan_draft, start_draft
from producers.launch import commit, frequency
from producers.launch.api import launch, plan_launch
from producers.launch.commit import LaunchResult
from producers.launch.planning.plan_text import plan_lines
from producers.launch.prepare import prepare
from producers.segments.follow_up import follow_up
from schemas.records import Effect
from tests.core.test_caps import starts_ms
from tests.producers.launch import launched as on_log
from tests.producers.segments.answered import answered
from tests.service.place import ACCOUNT, configured

N = 13_800_138_000
ABROAD = "+44 7700 900123"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return replace(configured(tmp_path), caps=CapsConfig(marketing="2 per 7 d"))


def files(config: Config) -> dict[str, bytes]:
    folder = Path(f"{config.store.url.partition(':')[2]}-caps")
    return {path.name: path.read_bytes() for path in folder.glob("*")} if folder.exists() else {}


def forget(config: Config) -> None:
    shutil.rmtree(f"{config.store.url.partition(':')[2]}-caps")


def damage(config: Config) -> None:
    for name, content in files(config).items():
        Path(f"{config.store.url.partition(':')[2]}-caps", name).write_bytes(content[:-3])


async def text(session: Session, campaign: str, *people: Any, **wanted: Any) -> LaunchResult:
    numbers = [N + person if isinstance(person, int) else person for person in people]
    return await launch(
        session, LaunchRequest(numbers=numbers, text=f"【Shop】{campaign}", route=[ACCOUNT], id=campaign, **wanted)
    )


async def suppressed(session: Session, *, adds: bool) -> None:
    await put(await session.log(create=True), np.array([N]), adds=adds, source="person", by="ann", why="", at_ms=1)


async def texted(log: Log, campaign: str) -> list[int]:
    found = await on_log.recipients(log, await on_log.launched(log, campaign))
    return [int(number) - N for number in found.get(ACCOUNT, [])]


async def test_who_is_over_the_cap_is_set_aside_with_the_reason_everywhere(config: Config, tmp_path: Path):
    async with open_session(config) as session:
        await text(session, "may", 0, 1)
        await text(session, "june", 1, 2)
        plan = await plan_launch(session, LaunchRequest(numbers=[N + 1, N + 2, N + 3], text="x", route=[ACCOUNT]))
        assert (plan.recipients, plan.suppressed_reasons) == (2, {"frequency cap": 1})
        assert any("at most 2 marketing campaigns per 7 days" in note for note in plan.notes)
        result = await text(session, "july", 1, 2, 3)
        assert result.suppressed_reasons == {"frequency cap": 1}
        assert await texted(await session.log(), "july") == [2, 3]
        shown = await show_campaign(session, "july")
        assert (shown.counts.suppressed, shown.counts.queued, shown.adds_up) == (1, 2, True)
        assert shown.suppressed_reasons == {"frequency cap": 1}
        [aside] = (await look_up(session, str(N + 1))).set_aside
        assert (aside.campaign, aside.reason) == ("july", "frequency cap")
        with (tmp_path / "out.csv").open("wb") as out:
            write_results(config, shown, out, "csv", states=["suppressed"], language="zh")
    [row] = csv.DictReader((tmp_path / "out.csv").read_text("utf-8-sig").splitlines())
    assert (row["状态"], row["说明"], row["原值"]) == ("已禁发", "已达发送频次上限", str(N + 1))


async def test_when_all_are_over_nothing_is_launched(config: Config):
    async with open_session(config) as session:
        await text(session, "may", 0)
        await text(session, "june", 0)
        with pytest.raises(InputError, match="all 1 numbers are suppressed"):
            await text(session, "july", 0)


async def test_a_short_list_beside_long_ones_is_looked_up(config: Config):
    async with open_session(config) as session:
        await text(session, "may", *range(100))
        await text(session, "june", *range(50, 150))
        result = await text(session, "july", 149, 99, 98, 200)
        assert await texted(await session.log(), "july") == [149, 200]
        assert result.suppressed_reasons == {"frequency cap": 2}


async def test_the_file_of_a_long_list_is_made_while_it_is_read(config: Config, monkeypatch: pytest.MonkeyPatch):
    for module in (number_set, frequency):
        monkeypatch.setattr(module, "MANY", 2)
    async with open_session(config) as session:
        await text(session, "may", 9, 0, "x", 70_000, 0, 5)
        await text(session, "june", 0, 9, 3, ABROAD)
        before = files(config)
        monkeypatch.setattr(frequency, "set_of", None)  # it is made of what was read, not sorted again
        result = await text(session, "july", 5, 0, 12, 9, 3, 12)
        assert (result.recipients, result.suppressed_reasons) == (3, {"frequency cap": 2})
        [july] = [content for name, content in files(config).items() if name not in before]
        monkeypatch.undo()
    monkeypatch.setattr(number_set, "MANY", 2)
    wanted = number_set.set_of(np.array([N + 5, N + 12, N + 3], np.int64))
    wanted.write(Path(f"{config.store.url.partition(':')[2]}-caps", "wanted"))
    assert july == files(config)["wanted"]


async def test_rows_that_were_set_aside_do_not_count(config: Config):
    async with open_session(config) as session:
        await suppressed(session, adds=True)
        await text(session, "may", 0, 1, "x", exclude=[[N + 2]])
        await text(session, "june", 0, 1, 2, exclude=[[N + 2]])
        await suppressed(session, adds=False)
        result = await text(session, "july", 0, 1, 2)
        assert await texted(await session.log(), "july") == [0, 2]
        assert result.suppressed_reasons == {"frequency cap": 1}


async def test_classes_count_apart(config: Config):
    async with open_session(config) as session:
        for campaign in ("may", "june"):
            await text(session, campaign, 0)
        assert (await text(session, "notice", 0, campaign_class="notice")).recipients == 1
        with pytest.raises(InputError):
            await text(session, "july", 0)


async def test_after_the_days_a_number_is_free(config: Config, monkeypatch: pytest.MonkeyPatch):
    async with open_session(config) as session:
        for day, campaign, recipients in ((100, "a", 1), (103, "b", 1), (106, "c", 0), (107, "d", 1), (109, "e", 0)):
            monkeypatch.setattr(frequency, "now_ms", lambda day=day: starts_ms(day) + 1)
            monkeypatch.setattr(commit, "now_ms", lambda day=day: starts_ms(day) + 1)
            result = await text(session, campaign, 0, 1) if recipients else await text(session, campaign, 0, 1, 2)
            assert result.recipients == (2 if recipients else 1), campaign


async def test_the_same_launch_repeated_counts_once_and_is_the_same(config: Config):
    async with open_session(config) as session:
        for _ in range(3):
            assert (await text(session, "may", 0)).recipients == 1
        assert (await text(session, "june", 0)).recipients == 1
        assert (await text(session, "may", 0)).already_launched
        assert (await text(session, "june", 0)).already_launched
        with pytest.raises(InputError):
            await text(session, "july", 0)


async def test_what_is_made_again_from_the_log_is_the_same(config: Config):
    async with open_session(config) as session:
        await text(session, "may", 0, 1, 0, "x")
        await text(session, "june", *range(1, 9))
        before = files(config)
        assert len(before) == 2
        forget(config)
        result = await text(session, "july", 0, 1)
        assert await texted(await session.log(), "july") == [0]
        assert result.suppressed_reasons == {"frequency cap": 1}
        after = files(config)
        assert {name: after[name] for name in before} == before


async def test_a_crash_between_the_commit_and_the_file_counts_the_launch_all_the_same(
    config: Config, monkeypatch: pytest.MonkeyPatch
):
    def dies(*_: Any) -> None:
        raise DispatcherError("the disk is full")

    async with open_session(config) as session:
        with monkeypatch.context() as crash:
            crash.setattr(RecentlyTexted, "keep", dies)
            await text(session, "may", 0)
        assert files(config) == {}
        await text(session, "june", 0)
        with pytest.raises(InputError):
            await text(session, "july", 0)
        assert len(files(config)) == 2


async def test_a_broken_file_is_made_again(config: Config):
    async with open_session(config) as session:
        await text(session, "may", 0)
        await text(session, "june", 0)
        damage(config)
        with pytest.raises(InputError):
            await text(session, "july", 0)


async def test_an_attempt_that_was_not_launched_does_not_count(config: Config, monkeypatch: pytest.MonkeyPatch):
    async def dies(*_: Any) -> bool:
        raise DispatcherError("killed")

    async with open_session(config) as session:
        with monkeypatch.context() as crash:
            crash.setattr(commit, "overtaken", dies)
            with pytest.raises(DispatcherError, match="killed"):
                await text(session, "may", 0)
        for campaign in ("may", "june"):
            assert (await text(session, campaign, 0)).recipients == 1


async def test_two_launches_at_once_do_not_exceed_the_cap(config: Config, monkeypatch: pytest.MonkeyPatch):
    config = replace(config, caps=CapsConfig(marketing="1 per 7 d"))
    append_jobs = commit._append_jobs
    async with open_session(config) as session, open_session(config) as other:

        async def slow(*args: Any) -> Any:
            monkeypatch.setattr(commit, "_append_jobs", append_jobs)
            await text(other, "fast", 0, 1)
            return await append_jobs(*args)

        monkeypatch.setattr(commit, "_append_jobs", slow)
        result = await text(session, "slow", 0, 2)
        log = await session.log()
        assert (await texted(log, "fast"), await texted(log, "slow")) == ([0, 1], [2])
        assert result.suppressed_reasons == {"frequency cap": 1}


@pytest.mark.parametrize("cap", ["1 per 7 d", "2 per 7 d"])
async def test_two_launches_that_are_committed_in_the_same_moment_know_each_other(
    config: Config, monkeypatch: pytest.MonkeyPatch, cap: str
):
    config = replace(config, caps=CapsConfig(marketing=cap))
    append_launch = commit._append_launch
    async with open_session(config) as session, open_session(config) as other:

        async def late(*args: Any) -> Any:
            monkeypatch.setattr(commit, "_append_launch", append_launch)
            await text(other, "first", 0, 1)
            return await append_launch(*args)

        monkeypatch.setattr(commit, "_append_launch", late)
        result = await text(session, "second", 0, 2)
        log, over = await session.log(), cap.startswith("1")
        assert (await texted(log, "first"), await texted(log, "second")) == ([0, 1], [2] if over else [0, 2])
        assert result.suppressed_reasons == ({"frequency cap": 1} if over else {})
        shown = await show_campaign(session, "second")
        assert (shown.counts.queued, shown.counts.suppressed, shown.adds_up) == (1, 1, True) if over else (2, 0, True)
        campaigns = await read_campaigns(log)
        assert {each.id for each in campaigns.by_id.values() if each.launched} == {"first", "second"}


def at_noon(day: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """It is noon on this day."""
    at_ms = starts_ms(day) + 12 * 3_600_000
    for module in (frequency, commit, deferring):
        monkeypatch.setattr(module, "now_ms", lambda: at_ms)
    return at_ms


async def starts_of_drafts(log: Log) -> dict[str, tuple[int, int]]:
    known = (await read_campaigns(log)).by_id.values()
    return {each.id: (each.draft.drafted.recipients, each.draft.start_ms) for each in known if each.draft is not None}


async def test_who_is_over_is_deferred_to_the_first_day_that_is_free(config: Config, monkeypatch: pytest.MonkeyPatch):
    async with open_session(config) as session:
        for day, campaign, people in ((100, "a", (0, 1)), (102, "b", (1, 2)), (103, "c", (0, 2)), (104, "d", (3,))):
            at_noon(day, monkeypatch)
            await text(session, campaign, *people)
        noon = at_noon(105, monkeypatch)
        request = LaunchRequest(
            numbers=[N, N + 1, N + 2, N + 3, "x"], text="【Shop】e", route=[ACCOUNT], id="e", defer=True
        )
        plan = await plan_launch(session, request)
        assert plan.deferred == {"1970-04-18": 2, "1970-04-20": 1}
        assert any("deferred    2 recipients to 1970-04-18" in line for line in plan_lines(plan))
        await launch(session, request)
        log = await session.log()
        assert await texted(log, "e") == [3]
        day = 86_400_000
        assert await starts_of_drafts(log) == {
            "e.on-19700418": (2, noon + 2 * day),
            "e.on-19700420": (1, noon + 4 * day),
        }
        shown = await show_campaign(session, "e")
        assert [(each.campaign, each.recipients) for each in shown.deferred] == [
            ("e.on-19700418", 2),
            ("e.on-19700420", 1),
        ]
        assert (shown.counts.suppressed, shown.adds_up) == (3, True)
        draft = await show_draft(session, "e.on-19700418")
        assert (draft.status, draft.terms["deferred_of"], draft.counts.rows) == ("scheduled", "e", 2)


async def test_who_is_deferred_is_judged_again_and_deferred_again(config: Config, monkeypatch: pytest.MonkeyPatch):
    config = replace(config, caps=CapsConfig(marketing="1 per 2 d"))
    async with open_session(config) as session:
        at_noon(100, monkeypatch)
        await text(session, "a", 0, 1)
        at_noon(101, monkeypatch)
        await text(session, "b", 0, 1, 2, defer=True)
        log = await session.log()
        assert list(await starts_of_drafts(log)) == ["b.on-19700413"]
        at_noon(102, monkeypatch)
        await text(session, "c", 0)
        [known] = [each for each in (await read_campaigns(log)).by_id.values() if each.draft is not None]
        await start_draft(session, known.id, known.revision)
        assert await texted(log, "b.on-19700413") == [1]
        assert list(await starts_of_drafts(log)) == ["b.on-19700413.on-19700415"]
        shown = await show_campaign(session, "b.on-19700413")
        assert (shown.deferred_of, shown.adds_up) == ("b", True)


async def test_personal_values_are_deferred_with_their_recipients(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = replace(config, caps=CapsConfig(marketing="1 per 2 d"))
    people = tmp_path / "people.csv"
    people.write_text("mobile,name\n" + "".join(f"{N + at},name{at}\n" for at in range(4)), "utf-8")
    async with open_session(config) as session:
        at_noon(100, monkeypatch)
        await text(session, "a", 1, 3)
        letter = LaunchRequest(numbers=str(people), text="Dear {name}", route=[ACCOUNT], id="b", defer=True)
        await launch(session, letter)
        [known] = [each for each in (await read_campaigns(await session.log())).by_id.values() if each.draft]
        at_noon(102, monkeypatch)
        assert set((await plan_draft(session, known.id)).samples) == {"Dear name1", "Dear name3"}


async def test_a_launch_that_dies_before_its_commit_leaves_no_draft_that_starts(
    config: Config, monkeypatch: pytest.MonkeyPatch
):
    async def dies(*_: Any) -> Any:
        raise DispatcherError("killed")

    config = replace(config, caps=CapsConfig(marketing="1 per 7 d"))
    async with open_session(config) as session:
        await text(session, "a", 0)
        with monkeypatch.context() as crash:
            crash.setattr(commit, "_append_launch", dies)
            with pytest.raises(DispatcherError, match="killed"):
                await text(session, "b", 0, 1, defer=True)
        log = await session.log()
        [(_, start_ms)] = (await starts_of_drafts(log)).values()
        assert start_ms == 0
        await text(session, "b", 0, 1, defer=True)
        [(recipients, start_ms)] = (await starts_of_drafts(log)).values()
        assert (recipients, start_ms > 0) == (1, True)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"more_texts": ["y"]}, "--defer goes with one text"),
        ({"budget": "5"}, "Leave --defer or --budget out"),
        ({"id": "x" * 60}, "with --defer the id has at most 52 characters"),
    ],
)
async def test_what_cannot_be_deferred_is_refused_in_a_sentence(config: Config, wanted: dict[str, Any], says: str):
    async with open_session(config) as session:
        with pytest.raises(UserError, match=says):
            await plan_launch(session, LaunchRequest(numbers=[N], text="x", route=[ACCOUNT], defer=True, **wanted))


async def test_a_launch_that_was_committed_while_the_plan_waited_counts(config: Config):
    config = replace(config, caps=CapsConfig(marketing="1 per 7 d"))
    async with open_session(config) as session:
        request = LaunchRequest(numbers=[N, N + 1], text="x", route=[ACCOUNT], id="june")
        prepared = await prepare(session, request, ask_balance=False)
        assert prepared.plan.recipients == 2
        await text(session, "may", 0)
        result = await commit.commit(prepared, await session.log())
        prepared.close()
        assert (result.recipients, result.suppressed_reasons) == (1, {"frequency cap": 1})


async def test_a_follow_up_is_not_limited_by_what_it_follows_and_counts_with_it(config: Config):
    config = replace(config, caps=CapsConfig(marketing="1 per 7 d"))
    async with open_session(config) as session:
        await text(session, "may", 0, 1)
        log = await session.log()
        await answered(log, "may", Effect.FAILED, 0, 1, "107")
        assert (await follow_up(session, FollowUpRequest(campaign="may", to=["failed"]))).recipients == 1
        with pytest.raises(InputError):
            await text(session, "june", 0)


async def test_numbers_abroad_count_too(tmp_path: Path):
    cosms = {"vendor": "cosms", "url": "http://127.0.0.1:9", "corp_id": "1", "login_name": "demo", "password": "x"}
    table = {
        "log": {"url": f"sqlite:{tmp_path}/log.db"},
        "store": {"url": f"sqlite:{tmp_path}/results.db"},
        "account": {ACCOUNT: cosms | {"international": True}},
        "caps": {"marketing": "1 per 7 d"},
    }
    async with open_session(parse(table, "test")) as session:
        await text(session, "may", ABROAD)
        result = await text(session, "june", ABROAD.replace("+", "00"), 1)
        assert (result.recipients, result.suppressed_reasons) == (1, {"frequency cap": 1})


async def test_without_a_cap_nothing_is_kept(tmp_path: Path):
    config = configured(tmp_path)
    async with open_session(config) as session:
        await asyncio.gather(text(session, "may", 0), text(session, "june", 0))
    assert files(config) == {}


@pytest.mark.parametrize("caps", [{"marketing": "often"}, {"marketing": 2}, {"sale": "2 per 7 d"}])
def test_a_cap_that_is_none_is_a_mistake_of_the_configuration(caps: dict[str, Any]):
    with pytest.raises(ConfigError, match=r"\[caps\]"):
        parse({"caps": caps}, "test")
