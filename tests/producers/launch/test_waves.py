"""A launch in waves, and with several texts, on the log."""

from __future__ import annotations

import pytest

from dispatcher.config.file import parse
from dispatcher.errors import InputError, TextError, UserError
from producers.launch.planning.plan_text import plan_lines
from schemas.records import DECIDED_LATER
from tests.memory_log import MemoryLog
from tests.producers.launch import launched as on_log
from tests.producers.launch.launched import launch, prepare

TABLE = {"vendor": "batch-a", "url": "http://127.0.0.1:9101", "account": "demo", "pswd": "x"}
CONFIG = parse({"account": {"spring": TABLE, "summer": TABLE}}, "test.toml")
LIST = [13_000_000_000 + index for index in range(1_000)]
WAVES = "1 %, 10 %, rest"


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


async def launched(log, numbers=LIST, **changes):
    options = {"text": "hi", "route": ["spring"], "id": "may", "config": CONFIG, "log": log, **changes}
    return await launch(numbers, **options)


async def test_every_wave_has_batches_and_jobs_of_its_own_and_everybody_is_in_one(log):
    await launched(log, waves=WAVES, wave_wait="30 min", route=["spring", "summer"])
    record = await on_log.launched(log, "may")
    assert [(wave.recipients, wave.batches) for wave in record.waves] == [(10, (1,)), (100, (1,)), (890, (1,))]
    assert (record.wave_wait_ms, record.texts) == (1_800_000, ())
    by_account = await on_log.jobs(log, record)
    jobs = [job for mine in by_account.values() for job in mine]
    assert sorted((job.wave, job.batch) for job in jobs) == [(1, 0), (1, 0), (2, 1), (2, 1), (3, 2), (3, 2)]
    assert all([job.wave for job in mine] == [1, 2, 3] for mine in by_account.values())
    found = await on_log.recipients(log, record)
    assert sorted(int(number) for numbers in found.values() for number in numbers) == LIST


async def test_a_launch_that_is_repeated_makes_the_same_waves(log):
    await launched(log, waves=WAVES)
    first = await on_log.recipients(log, await on_log.launched(log, "may"))
    other = MemoryLog()
    await launched(other, waves=WAVES)
    assert await on_log.recipients(other, await on_log.launched(other, "may")) == first
    assert (await launched(log, waves=WAVES)).already_launched
    with pytest.raises(UserError, match="other waves"):
        await launched(log)


async def test_several_texts_share_the_first_waves_and_the_last_one_waits_for_the_decision(log):
    await launched(log, text="a", more_texts=["b", "c"], waves="30, rest")
    record = await on_log.launched(log, "may")
    assert [(wave.recipients, wave.batches) for wave in record.waves] == [(30, (1, 1, 1)), (970, (1,))]
    assert (record.text, record.texts) == ("a", ("a", "b", "c"))
    jobs = (await on_log.jobs(log, record))["spring"]
    assert [(job.wave, job.variant, job.count) for job in jobs] == [
        (1, 0, 10), (1, 1, 10), (1, 2, 10), (2, DECIDED_LATER, 970),
    ]  # fmt: skip


async def test_personal_values_stay_with_their_recipients(log):
    table = {"phone": [str(number) for number in LIST], "name": [f"n{index % 7}" for index in range(1_000)]}
    import polars as pl

    await launched(log, pl.DataFrame(table), text="hi {name}", waves="5 %, rest")
    record = await on_log.launched(log, "may")
    assert [(wave.recipients, wave.batches) for wave in record.waves] == [(50, (1,)), (950, (1,))]
    found = await on_log.recipients(log, record)
    assert sorted(map(int, found["spring"])) == LIST


async def test_the_plan_shows_the_waves(log):
    prepared = await prepare(
        CONFIG, LIST, log=log, text="a", more_texts=["b"], waves="10 %, rest", route=["spring"], id="may"
    )
    lines = [" ".join(line.split()) for line in plan_lines(prepared.plan)]
    prepared.close()
    assert "compared A: a" in lines
    assert "waves 1: 100 recipients, 50 get A, 50 get B" in lines
    assert "2: 900 recipients with the text that is decided then" in lines


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"waves": "1 %"}, "must end with the rest"),
        ({"waves": "rest"}, "are one wave. Write a share before the rest"),
        ({"waves": "rest, 1 %"}, "must have the rest once, at their end"),
        ({"waves": "x, rest"}, '"x" is not a wave'),
        ({"wave_wait": "2 h"}, "--wave-wait says how long a wave waits"),
        ({"waves": WAVES, "wave_wait": "soon"}, "no time to wait"),
        ({"more_texts": ["hi"]}, "two of the texts are equal"),
        ({"more_texts": list("abcdef")}, "too many to compare"),
        ({"more_texts": ["{name}"]}, "cannot have placeholders"),
    ],
)
async def test_mistakes_are_said_in_a_sentence(log, changes, says):
    with pytest.raises((UserError, TextError), match=says):
        await launched(log, **changes)


async def test_a_list_that_is_too_small_for_its_waves_is_refused(log):
    with pytest.raises(InputError, match="too small"):
        await launched(log, LIST[:100], waves="100, rest")
