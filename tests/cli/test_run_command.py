"""`dispatcher run`: what it says, how it stops, and what a second one does."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from dispatcher.config.file import load
from dispatcher.log.sqlite.claim import holders
from dispatcher.service.accounts import run_by_the_old
from loadtest.sim.process import SpawnedSimulator, spawn
from schemas.topics import lane_partition
from tests.cli.campaigns import CONFIG, SECRET, configured, launched
from tests.waiting import wait_until

COMMAND = (sys.executable, "-u", "-c", "from dispatcher.cli import main; main()", "run")


@pytest.fixture
def vendor() -> Iterator[SpawnedSimulator]:
    with spawn({"account": {"spring": {"account": "demo", "pswd": SECRET}}}) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vendor: SpawnedSimulator) -> Path:
    configured(tmp_path, monkeypatch)
    text = '[web]\nlisten = "127.0.0.1:0"\n' + CONFIG.replace("http://127.0.0.1:9", vendor.url)
    (tmp_path / "dispatcher.toml").write_text(text, "utf-8")
    return tmp_path


def test_it_says_what_runs_where_vendors_push_and_which_accounts_and_no_secret(folder: Path) -> None:
    with run() as process:
        said = "".join(read_lines(process, until="Ctrl-C"))
        assert "/push/ACCOUNT/report" in said
        assert "http://127.0.0.1:" in said
        assert "spring (batch-a, 500 messages per 1 s" in said
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate()
    assert process.returncode == 0
    assert "stopped in order" in out
    assert SECRET not in said + out + err


def test_in_json_it_prints_one_object_when_it_is_ready_and_logs_objects(folder: Path) -> None:
    with run("--json") as process:
        ready = ready_of(process)
        assert ready["roles"] == ["web", "campaigns", "lanes", "results"]
        assert ready["web"].startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out) == (0, "")
    assert any(orjson.loads(line)["event"] == "lane owned" for line in err.splitlines() if line.startswith("{"))


@pytest.mark.parametrize("role", ["web", "campaigns", "lanes", "results"])
def test_a_role_can_run_alone(folder: Path, role: str) -> None:
    with run("--json", "--role", role) as process:
        ready = ready_of(process)
        assert (ready["roles"], bool(ready["web"])) == ([role], role == "web")
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 0


def test_a_second_one_says_who_holds_the_lanes_and_takes_over_when_that_one_ends(folder: Path) -> None:
    with run("--json") as first, contextlib.ExitStack() as stack:
        ready_of(first)
        wait_for_holder(folder, first.pid)
        second = stack.enter_context(run("--json", "--role", "lanes"))
        assert ready_of(second)["lanes_held_by"] == [first.pid]
        first.kill()
        wait_for_holder(folder, second.pid)


def test_a_second_one_on_the_same_port_names_the_first(folder: Path) -> None:
    with run("--json") as first:
        port = ready_of(first)["web"].rpartition(":")[2]
        wait_for_holder(folder, first.pid)
        config = folder / "dispatcher.toml"
        config.write_text(config.read_text("utf-8").replace("127.0.0.1:0", f"127.0.0.1:{port}"), "utf-8")
        with run() as second:
            out, err = second.communicate()
        assert second.returncode == 2
        assert f"process {first.pid}" in err
        assert "--role lanes" in err
        assert "Traceback" not in out + err


def test_it_is_known_who_runs_by_a_configuration_that_was_changed_since(folder: Path) -> None:
    with run("--json") as process:
        ready_of(process)
        wait_for_holder(folder, process.pid)
        assert run_by_the_old(load("dispatcher.toml"), ["spring"]) == []
        later_s = time.time() + 60.0
        os.utime(folder / "dispatcher.toml", (later_s, later_s))
        assert run_by_the_old(load("dispatcher.toml"), ["spring"]) == [process.pid]
        assert run_by_the_old(load("dispatcher.toml"), []) == []
        process.send_signal(signal.SIGTERM)
        process.communicate()


def test_a_second_signal_stops_it_at_once(folder: Path, vendor: SpawnedSimulator) -> None:
    vendor.configure(rule=[{"fault": "no_answer", "hold_s": 600.0}])
    launched(folder, "may")
    with run("--json") as process:
        ready_of(process)
        wait_until(lambda: vendor.totals(False)["requests"] > 0)
        process.send_signal(signal.SIGTERM)  # in order, it would wait for the answer
        assert process.stderr is not None
        for line in process.stderr:
            if "once more" in line:
                break
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()
    assert process.returncode == 130
    assert "unknown" in err


# --- how it is done -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def run(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ready_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()
    found: dict[str, Any] = orjson.loads(line)
    assert found["ready"] is True
    return found


def read_lines(process: subprocess.Popen[str], until: str) -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        yield line
        if until in line:
            return


def wait_for_holder(folder: Path, pid: int) -> None:
    claims = folder / "data" / "log.db.locks" / "claims" / "lanes" / "lanes"
    lane = lane_partition("spring")
    wait_until(lambda: lane in (held := holders(claims)) and held[lane].pid == pid)
