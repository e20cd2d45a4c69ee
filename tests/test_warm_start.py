"""A command that is forked from a warm process behaves as one that is started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.sim.process import spawn
from tests import warm_start
from tests.cli.campaigns import CONFIG, TEXT

COMMAND = [sys.executable, "-c", warm_start.MAIN]
WAYS = [COMMAND, [sys.executable, "-u", "-c", warm_start.MAIN], [warm_start.DISPATCHER]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="everything is started as ever elsewhere")


def test_commands_are_forked_in_every_test_that_does_not_say_otherwise() -> None:
    assert subprocess.Popen is warm_start.WarmPopen


@pytest.mark.parametrize("way", WAYS, ids=["-c", "-u -c", "installed"])
@pytest.mark.parametrize(
    "words", [["--version"], ["campaign", "list"], ["no-such-command"], ["campaign", "--help"]], ids=" ".join
)
def test_a_forked_command_says_and_returns_what_a_started_one_does(
    way: list[str], words: list[str], tmp_path: Path
) -> None:
    def done() -> tuple[int, bytes, bytes]:
        ended = subprocess.run([*way, *words], cwd=tmp_path, capture_output=True, check=False)
        return ended.returncode, ended.stdout, ended.stderr

    assert warm_start.recognised([*way, *words], None)
    forked = done()
    with warm_start.suspended():
        assert forked == done()


def test_a_forked_command_is_a_process_of_its_own_in_its_folder_with_its_environment(tmp_path: Path) -> None:
    (tmp_path / "dispatcher.toml").write_text(
        '[account.spring]\nvendor = "batch-a"\nurl = "${VENDOR}"\naccount = "demo"\npswd = "secret"\n', "utf-8"
    )
    listed = subprocess.Popen(
        [*COMMAND, "account", "list"],
        cwd=tmp_path,
        env=os.environ | {"VENDOR": "http://127.0.0.1:9", "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        text=True,
    )
    out, _ = listed.communicate()
    assert listed.returncode == 0
    assert "spring" in out
    assert listed.pid != os.getpid()


def test_a_forked_command_reads_a_list_in_a_process_that_it_forks(tmp_path: Path) -> None:
    (tmp_path / "dispatcher.toml").write_text(CONFIG, "utf-8")
    (tmp_path / "list.csv").write_text("phone\n13800138000\nno number\n", "ascii")
    plan = ["campaign", "launch", "list.csv", "--text", TEXT, "--route", "spring", "--dry-run", "--json"]
    environment = os.environ | {"PSWD": "secret"}
    done = subprocess.run([*COMMAND, *plan], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["recipients"] == 1


def test_a_reader_is_started_as_ever_except_by_a_forked_command(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = [sys.executable, "-m", warm_start.READER, "7"]
    assert warm_start.recognised(reader, None) is None
    monkeypatch.setattr(warm_start, "_is_forked", True)
    assert warm_start.recognised(reader, {"PYTHONPATH": os.pathsep.join(sys.path)})


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_forked_command_gets_signals(number: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, "simulate", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert b"listens on" in running.stdout.readline()
        running.send_signal(number)
        _, said = running.communicate()
    assert running.returncode == (-number if number is signal.SIGKILL else 0), said


def test_a_forked_process_reads_its_standard_input_and_ends_when_it_closes() -> None:
    with spawn({"account": {"spring": {"pswd": "secret"}}}) as vendor:
        assert Path(f"/proc/{vendor.pid}").exists()
        assert vendor.totals()["requests"] == 0
    assert not Path(f"/proc/{vendor.pid}").exists()


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        (["ls"], None),
        ([sys.executable, "-c", "import dispatcher"], None),
        ([sys.executable, "-X", "importtime", "-c", warm_start.MAIN], None),
        ([*COMMAND, "campaign", "list"], {"PYTHONPATH": "/elsewhere"}),
        ([*COMMAND, "campaign", "list"], {"PYTHONIOENCODING": "gbk"}),
    ],
)
def test_what_would_be_another_python_is_started(command: list[str], environment: dict[str, str] | None) -> None:
    assert warm_start.recognised(command, environment) is None
