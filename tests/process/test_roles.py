"""Roles are entry points: they start and stop in order, another package can bring one, and a failure is raised."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dispatcher.config.file import Config, parse
from dispatcher.process.command import role_names
from dispatcher.process.roles import running, start_tasks

MODULE = """
import asyncio
from dispatcher.process.roles import Work, start_tasks

STORY = []

def role(name):
    async def start(config, log):
        async def stop():
            STORY.append(f"{name} stops")
        STORY.append(f"{name} starts")
        return Work(stop, f"http://127.0.0.1:1/{name}")
    return start

link = role("x-link")
counter = role("x-counter")

async def refuse(config, log):
    raise ValueError("no such port")

async def fail_later(config, log):
    async def work(stop):
        raise ZeroDivisionError("division by zero")
    return start_tasks(work)
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return parse({"log": {"url": f"sqlite:{tmp_path}/log.db"}, "store": {"url": f"sqlite:{tmp_path}/results.db"}}, "x")


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happened to the roles of a distribution that is installed for the test."""
    import importlib

    (tmp_path / "made_up_roles.py").write_text(MODULE, "utf-8")
    information = tmp_path / "made_up_roles-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up-roles\nVersion: 1\n", "utf-8")
    lines = {"x-link": "link", "x-counter": "counter", "x-refuse": "refuse", "x-fail": "fail_later"}
    text = "[dispatcher.roles]\n" + "".join(f"{name} = made_up_roles:{value}\n" for name, value in lines.items())
    (information / "entry_points.txt").write_text(text, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    found: list[str] = importlib.import_module("made_up_roles").STORY
    found.clear()
    return found


def test_our_roles_come_first_and_those_of_other_packages_after_them(story: list[str]) -> None:
    assert role_names() == ("web", "campaigns", "lanes", "results", "x-counter", "x-fail", "x-link", "x-refuse")


async def test_a_role_of_another_package_runs_and_is_stopped_in_order(config: Config, story: list[str]) -> None:
    async with running(config, ["x-link", "results", "x-counter"]) as roles:
        assert sorted(roles.works) == ["results", "x-counter", "x-link"]
        assert roles.url is None
        assert story == ["x-link starts", "x-counter starts"]
    assert story[2:] == ["x-link stops", "x-counter stops"]


async def test_what_had_started_is_stopped_when_a_role_cannot_start(config: Config, story: list[str]) -> None:
    with pytest.raises(ValueError, match="no such port"):
        async with running(config, ["x-link", "x-refuse"]):
            raise AssertionError("it started")
    assert story == ["x-link starts", "x-link stops"]


async def test_the_error_of_a_role_is_raised_while_it_runs_and_when_it_is_stopped(
    config: Config, story: list[str]
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with running(config, ["x-link", "x-fail"]) as roles:
            with pytest.raises(ZeroDivisionError):
                await roles.until_failed()
    assert story == ["x-link starts", "x-link stops"]


async def test_tasks_of_a_role_are_stopped_the_last_one_first_and_then_the_rest_is_done() -> None:
    said: list[str] = []

    async def first(stop: asyncio.Event) -> None:
        await stop.wait()
        said.append("first")

    async def second(stop: asyncio.Event) -> None:
        await stop.wait()
        said.append("second")

    async def after() -> None:
        said.append("after")

    work = start_tasks(first, second, after=after)
    await asyncio.sleep(0)
    assert said == []
    await work.stop()
    assert said == ["second", "first", "after"]
