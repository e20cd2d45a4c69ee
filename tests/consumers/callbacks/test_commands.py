"""`dispatcher callback …` in one process: what people see, and what is asked of the log."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from consumers.callbacks.commands import list_command, replay, secret
from consumers.callbacks.commands import test as try_command
from dispatcher.callbacks.on_log import CallbacksOnLog, write_state
from dispatcher.core.callbacks.signing import key_of
from dispatcher.log.opening import open_log
from schemas.codec import decode
from schemas.records import CallbackReplay, CallbackState

TOML = """\
[log]
url = "sqlite:log.db"
[callbacks.team]
url = "http://127.0.0.1:9/?token=bot-token"
format = "wecom"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A configuration, and a log on which a callback has come some way."""
    file = tmp_path / "dispatcher.toml"
    file.write_text(TOML, "utf-8")

    async def begin() -> None:
        log = await open_log(f"sqlite:{tmp_path}/log.db", create=True)
        positions = {"campaigns-0": 0, "callbacks-0": 0}
        await write_state(
            log,
            CallbackState(
                callback="team", at_ms=1, since_ms=1, positions=positions, delivered=1_234, aside=2,
                aside_ids=("campaigns-0-5",), error="it answered 500", error_ms=1,
            ),
        )  # fmt: skip
        await log.close()

    asyncio.run(begin())
    return file


def test_the_list_shows_how_far_each_has_come_and_no_token(place: Path) -> None:
    shown = CliRunner().invoke(list_command, ["--config", str(place)])
    assert shown.exit_code == 0, shown.output
    assert "1,234" in shown.stdout
    assert "it answered 500" in shown.stdout
    assert "127.0.0.1:9" in shown.stdout
    assert "bot-token" not in shown.stdout
    [found] = json.loads(CliRunner().invoke(list_command, ["--config", str(place), "--json"]).stdout)
    assert (found["status"], found["aside_ids"], found["lag"]) == ("delivering", ["campaigns-0-5"], 0)


def test_a_replay_is_an_order_on_the_log(place: Path) -> None:
    said = CliRunner().invoke(replay, ["team", "--after", "campaigns-0-4", "--config", str(place)])
    assert said.stdout == "callback team is delivered again: campaigns-0 from 5.\n"

    async def written() -> CallbackReplay:
        log = await open_log(f"sqlite:{place.parent}/log.db")
        found = CallbacksOnLog(log)
        await found.catch_up()
        [*_, last] = await log.read("callbacks", 0, 0)
        await log.close()
        record = decode(last.value)
        assert isinstance(record, CallbackReplay)
        return record

    record = asyncio.run(written())
    assert (record.callback, record.positions) == ("team", {"campaigns-0": 5})


def test_a_test_of_a_receiver_that_is_not_there_fails_in_one_sentence(place: Path) -> None:
    said = CliRunner().invoke(try_command, ["team", "--config", str(place)])
    assert (said.exit_code, said.stderr) == (1, "callback team: not taken, it cannot be reached.\n")


def test_a_new_secret_can_be_configured() -> None:
    made = CliRunner().invoke(secret).stdout.strip()
    assert len(key_of(made)) == 32
