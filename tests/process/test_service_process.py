"""A service in a process of its own answers with its result or its error; cancelling the call ends the process."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from dispatcher.errors import ServiceFailed, ServiceUnavailable, UserError
from dispatcher.process.service_process import call_service

MODULE = """
import os, signal, asyncio
from dispatcher.errors import LogUnavailable, StoreError, UserError

async def work(session, what, pid_file=""):
    match what:
        case "answer":
            print("not the answer")
            return {"log": session.places.log.url, "what": what}
        case "mistake":
            raise UserError("the list is empty. Give a list.")
        case "away":
            raise LogUnavailable("the log is away")
        case "broken":
            raise StoreError("the store failed")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sleep":
            with open(pid_file, "w") as file:
                file.write(str(os.getpid()))
            await asyncio.sleep(600)
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A configuration, and a distribution that brings the service `x-work`."""
    (tmp_path / "made_up_services.py").write_text(MODULE, "utf-8")
    information = tmp_path / "made_up_services-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up-services\nVersion: 1\n", "utf-8")
    (information / "entry_points.txt").write_text("[dispatcher.services]\nx-work = made_up_services:work\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    path = tmp_path / "dispatcher.toml"
    path.write_text('[log]\nurl = "sqlite:here.db"\n', "utf-8")
    return str(path)


async def test_it_answers_with_the_result_whatever_it_prints(config: str) -> None:
    answer = await call_service("x-work", config, what="answer")
    assert answer["what"] == "answer"
    assert answer["log"].endswith("here.db")


@pytest.mark.parametrize(
    ("what", "error", "says"),
    [
        ("mistake", UserError, "the list is empty. Give a list."),
        ("away", ServiceUnavailable, "the log is away"),
        ("broken", ServiceFailed, "the store failed"),
        ("die", ServiceFailed, "ended without an answer (signal 9)"),
    ],
)
async def test_its_error_is_raised_here(config: str, what: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as raised:
        await call_service("x-work", config, what=what)
    assert type(raised.value) is error
    assert says in str(raised.value)


async def test_cancelling_the_call_ends_the_process(config: str, tmp_path: Path) -> None:
    written = tmp_path / "pid"
    call = asyncio.create_task(call_service("x-work", config, what="sleep", pid_file=str(written)))
    while not (written.exists() and written.read_text()):
        await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    with pytest.raises(ProcessLookupError):
        os.kill(int(written.read_text()), 0)
