"""Two dispatchers started on the same files: the second says in one sentence who is there, or shares the lanes."""

from __future__ import annotations

import pytest

from loadtest.free_ports import free_port
from tests.crash.conftest import SQLITE
from tests.crash.life import Life
from tests.crash.processes import DISPATCHER, Process

SEED = 4
TROUBLE = False

on_sqlite = pytest.mark.parametrize("kind", [SQLITE], indirect=True)


def second(life: Life, *, port: int | None = None) -> Process:
    """`dispatcher run` with the same configuration, or with the web on another port."""
    config = life.stage.config
    if port is not None:
        config = config.with_name("second.toml")
        listens = life.stage.loaded.web.listen
        config.write_text(life.stage.config.read_text("utf-8").replace(listens, f"127.0.0.1:{port}"), "utf-8")
    return Process(life.story, "second", [*DISPATCHER, "run", "--config", str(config)])


@on_sqlite
def test_with_the_same_configuration_it_says_in_one_sentence_who_is_there(life: Life):
    process = second(life)
    assert process.wait() == 2
    said = process.said().strip()
    assert "\n" not in said, said
    assert said.startswith(f"error: {life.stage.loaded.web.listen} is in use.")
    assert any(f"process {role.pid}" in said for role in life.roles.values()), said
    life.launch(most=100)
    life.check()


@on_sqlite
def test_with_a_port_of_its_own_it_shares_the_lanes_and_takes_over_when_the_first_is_killed(life: Life):
    process = second(life, port=free_port())
    held = f"lanes are held by process {life.roles['lanes'].pid} too"
    life.until(lambda: held in process.said(), "the second to say who holds lanes", process)
    life.launch()
    life.launches_done()
    life.busy()
    first = life.roles.pop("lanes")
    first.kill9()
    life.until(lambda: process.said().count("lane owned") >= 2, "the second to own both lanes", process)
    life.launch()
    life.check()
    assert process.stop() == 0
