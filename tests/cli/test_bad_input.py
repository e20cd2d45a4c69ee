"""Every mistake ends in one plain sentence and a code: 2 where the user can mend it, else 1; never a traceback."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dispatcher.cli import main
from tests.always import ALWAYS_TOML
from tests.cli.campaigns import CONFIG, LAUNCH, configured, launched

LAUNCH_MISTAKES: list[tuple[str, list[str], str]] = [
    ("a list that is not there", ["nowhere.csv", *LAUNCH], "nowhere.csv"),
    ("a folder", [".", *LAUNCH], "folder|directory"),
    ("an empty file", ["empty.csv", *LAUNCH], "empty"),
    ("a broken spreadsheet", ["broken.xlsx", *LAUNCH], "broken.xlsx"),
    ("a column that is not there", ["list.csv", *LAUNCH, "--column", "phone"], "phone"),
    ("a list without a phone column", ["names.csv", *LAUNCH], "column"),
    ("an account that is not there", ["list.csv", "--text", "hello", "--route", "winter", "--yes"], "winter"),
    ("a text that is too long", ["list.csv", "--text", "x" * 800, "--route", "spring", "--yes"], "800"),
    ("a text nothing can carry", ["list.csv", "--text", "a\ud800b", "--route", "spring", "--yes"], "character 2"),
    ("a text in another encoding", ["list.csv", "--text", "\udce3\udc80", "--route", "spring", "--yes"], "encoding"),
    ("an empty text", ["list.csv", "--text", " ", "--route", "spring", "--yes"], "empty"),
    ("nobody to ask", ["list.csv", "--text", "hello", "--route", "spring"], "--yes"),
    ("a suppression list that is not there", ["list.csv", *LAUNCH, "--suppress", "none.txt"], "none.txt"),
    ("a weight of nothing", ["list.csv", *LAUNCH, "--weight", "0"], "weight"),
    ("an option the vendor does not have", ["list.csv", *LAUNCH, "--option", "colour=red"], "colour"),
]

CAMPAIGN_COMMANDS = ["show", "watch", "pause", "resume", "cancel", "export"]

CONFIG_MISTAKES: list[tuple[str, str, str]] = [
    ("not TOML", "[log\n", "TOML"),
    ("an unknown section", "[logs]\nurl = 'x'\n", "logs"),
    ("an unknown key", CONFIG + "colour = 'red'\n", "colour"),
    ("a missing key", CONFIG.replace('account = "demo"\n', ""), "account"),
    ("a wrong type", CONFIG + "inflight_max = 'many'\n", "inflight_max"),
    ("an unknown vendor", CONFIG.replace("batch-a", "batch-z"), "batch-z"),
    ("a URL that is none", CONFIG.replace("http://127.0.0.1:9", "127.0.0.1:9"), "url"),
    ("a log that is none", "[log]\nurl = 'mysql:x'\n" + CONFIG, "mysql"),
    ("a Kafka without a broker", "[log]\nurl = 'kafka://'\n" + CONFIG, "kafka"),
]

SECRET_MISTAKES: list[tuple[str, str, str]] = [
    ("a secret that is not set", CONFIG.replace("${PSWD}", "${NOT_SET_ANYWHERE}"), "NOT_SET_ANYWHERE"),
    ("a secret file that is not there", CONFIG.replace("${PSWD}", "${file:nowhere.txt}"), "nowhere.txt"),
]

WINTER = CONFIG.removeprefix(ALWAYS_TOML).replace("spring", "winter").replace("${PSWD}", "${NOT_SET_ANYWHERE}")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    configured(tmp_path, monkeypatch)
    (tmp_path / "list.csv").write_text("name,phone number\na,13800138000\nb,13800138001\n", "utf-8")
    (tmp_path / "names.csv").write_text("name,city\na,b\nc,d\n", "utf-8")
    (tmp_path / "empty.csv").write_text("", "utf-8")
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04 not really")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"), [row[1:] for row in LAUNCH_MISTAKES], ids=[row[0] for row in LAUNCH_MISTAKES]
)
def test_a_launch_that_cannot_be_says_why_and_launches_nothing(folder: Path, arguments: list[str], words: str) -> None:
    refused(["campaign", "launch", *arguments], 2, words)
    if (folder / "data" / "log.db").exists():
        assert invoke(["campaign", "list"]).output.startswith("no campaigns yet")


@pytest.mark.parametrize("command", CAMPAIGN_COMMANDS)
def test_a_campaign_that_is_not_there_is_named_and_so_are_those_that_are(folder: Path, command: str) -> None:
    launched(folder, "may-sale")
    arguments = ["--yes"] if command == "cancel" else []
    refused(["campaign", command, "mai-sale", *arguments], 2, "mai-sale")
    refused(["campaign", command, "mai-sale", *arguments], 2, "may-sale")


@pytest.mark.parametrize("command", CAMPAIGN_COMMANDS)
def test_without_a_log_there_are_no_campaigns(folder: Path, command: str) -> None:
    refused(["campaign", command, "may-sale", *(["--yes"] if command == "cancel" else [])], 2, "no log at")


@pytest.mark.parametrize(
    ("text", "words"), [row[1:] for row in CONFIG_MISTAKES], ids=[row[0] for row in CONFIG_MISTAKES]
)
@pytest.mark.parametrize("command", [["campaign", "list"], ["account", "check"], ["run"]], ids=" ".join)
def test_a_configuration_that_cannot_be_used_says_what_to_mend(
    folder: Path, text: str, words: str, command: list[str]
) -> None:
    (folder / "dispatcher.toml").write_text(text, "utf-8")
    refused(command, 2, words)


@pytest.mark.parametrize(
    ("text", "words"), [row[1:] for row in SECRET_MISTAKES], ids=[row[0] for row in SECRET_MISTAKES]
)
@pytest.mark.parametrize(
    "command",
    [["account", "check"], ["account", "balance", "spring"], ["run"], ["campaign", "launch", "list.csv", *LAUNCH]],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_missing_secret_is_named_by_a_command_that_needs_it(
    folder: Path, text: str, words: str, command: list[str]
) -> None:
    (folder / "dispatcher.toml").write_text(text, "utf-8")
    refused(command, 2, words)


@pytest.mark.parametrize(
    "command",
    [
        ["campaign", "list"],
        ["campaign", "show", "may-sale"],
        ["campaign", "pause", "may-sale"],
        ["campaign", "export", "may-sale", "--format", "csv"],
        ["unknown", "list"],
        ["lookup", "13800138000"],
        ["account", "list"],
        ["store", "rebuild", "--yes"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_missing_secret_does_not_stop_a_command_that_needs_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    launched(folder, "may-sale")
    monkeypatch.delenv("PSWD")
    result = invoke(command)
    assert result.exit_code == 0, result.output


def test_a_missing_secret_of_another_account_stops_neither_a_launch_nor_a_check_by_name(folder: Path) -> None:
    (folder / "dispatcher.toml").write_text(CONFIG + WINTER, "utf-8")
    assert invoke(["campaign", "launch", "list.csv", *LAUNCH]).exit_code == 0
    refused(["account", "check", "spring"], 1, "spring")  # it was asked, but nobody answers at its address
    refused(["account", "check", "winter"], 2, "NOT_SET_ANYWHERE")
    refused(["campaign", "launch", "list.csv", "--text", "x", "--route", "spring,winter", "--yes"], 2, "NOT_SET_ANY")


@pytest.mark.parametrize(
    "command", [["campaign", "list"], ["account", "list"], ["run"], ["store", "rebuild", "--yes"]], ids=" ".join
)
def test_a_configuration_that_is_not_there_is_named(folder: Path, command: list[str]) -> None:
    refused([*command, "--config", "elsewhere.toml"], 2, "elsewhere.toml")


def test_without_any_configuration_run_says_how_to_begin(folder: Path) -> None:
    (folder / "dispatcher.toml").unlink()
    refused(["run"], 2, "begin one: dispatcher init")
    refused(["account", "check"], 2, "begin one: dispatcher init")


def test_an_account_that_is_not_there_is_named_and_so_are_those_that_are(folder: Path) -> None:
    for command in ("check", "balance"):
        refused(["account", command, "winter"], 2, "winter")
        refused(["account", command, "winter"], 2, "spring")


def test_a_vendor_that_is_away_is_a_failure_not_a_mistake(folder: Path) -> None:
    refused(["account", "check"], 1, "spring")
    refused(["account", "balance"], 1, "spring")


def test_a_port_in_use_is_named(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (folder / "dispatcher.toml").write_text(f'[web]\nlisten = "127.0.0.1:{port}"\n{CONFIG}', "utf-8")
        refused(["run"], 2, f"127.0.0.1:{port}")


def test_cancelling_without_anybody_to_ask_is_refused(folder: Path) -> None:
    launched(folder, "may-sale")
    refused(["campaign", "cancel", "may-sale"], 2, "--yes")


def test_what_is_cancelled_can_neither_be_paused_nor_resumed(folder: Path) -> None:
    launched(folder, "may-sale")
    assert invoke(["campaign", "cancel", "may-sale", "--yes"]).exit_code == 0
    refused(["campaign", "pause", "may-sale"], 2, "final")
    refused(["campaign", "resume", "may-sale"], 2, "final")


def test_the_same_id_with_another_text_is_refused(folder: Path) -> None:
    launched(folder, "may-sale")
    again = [
        "campaign",
        "launch",
        "list.csv",
        "--text",
        "something else",
        "--route",
        "spring",
        "--yes",
        "--id",
        "may-sale",
    ]
    refused(again, 2, "may-sale")


@pytest.mark.parametrize("command", [["campaign", "list"], ["campaign", "show", "may-sale"], ["run"]], ids=" ".join)
def test_a_log_of_a_newer_release_is_not_touched(folder: Path, command: list[str]) -> None:
    launched(folder, "may-sale")
    set_version(folder / "data" / "log.db", 99)
    refused(command, 2, "newer")


def test_a_store_of_a_newer_release_is_not_touched(folder: Path) -> None:
    launched(folder, "may-sale")
    assert invoke(["campaign", "list"]).exit_code == 0
    set_version(folder / "data" / "results.db", 99)
    refused(["campaign", "list"], (1, 2), "99")


@pytest.mark.parametrize("name", ["log.db", "results.db"])
def test_a_file_that_is_something_else_is_named(folder: Path, name: str) -> None:
    launched(folder, "may-sale")
    assert invoke(["campaign", "list"]).exit_code == 0
    for file in (folder / "data").glob(f"{name}*"):
        if file.is_file():
            file.unlink()
    (folder / "data" / name).write_bytes(b"this is no database, whatever its name says. " * 100)
    refused(["campaign", "list"], (1, 2), name)


def test_a_broker_that_is_away_is_a_failure(folder: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        url = f"kafka://{address}?timeout_s=1"
        (folder / "dispatcher.toml").write_text(f'[log]\nurl = "{url}"\n{CONFIG}', "utf-8")
        refused(["campaign", "list"], 1, address)
        refused(["campaign", "launch", "list.csv", *LAUNCH], 1, address)


def test_a_full_disk_ends_a_launch_with_nothing_launched(folder: Path) -> None:
    drawn = random.Random(1).sample(range(10**8), 300_000)  # such as no compression makes small
    numbers = "".join(f"{13_800_000_000 + number}\n" for number in drawn)
    (folder / "big.txt").write_text(numbers, "ascii")
    done = in_a_process(["campaign", "launch", "big.txt", *LAUNCH, "--id", "big"], file_bytes_max=500_000)
    assert done.returncode == 1, done.stderr
    assert one_sentence(done.stderr)
    assert "Traceback" not in done.stderr
    assert invoke(["campaign", "list"]).output.startswith("no campaigns yet")
    assert invoke(["campaign", "launch", "big.txt", *LAUNCH, "--id", "big"]).exit_code == 0


def test_a_mistake_in_the_command_line_shows_how_it_is_used(folder: Path) -> None:
    for arguments in (
        ["campaign", "lunch"],
        ["run", "--role", "everything"],
        ["demo", "--numbers", "3"],
        ["campaign", "show"],
    ):
        result = invoke(arguments)
        assert result.exit_code == 2
        assert "Usage: " in result.stderr
        assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "arguments",
    [["campaign", "watch", "may-sale"], ["run"], ["run", "--role", "lanes"], ["simulate", "--listen", "127.0.0.1:0"]],
    ids=" ".join,
)
def test_control_c_ends_every_long_command_without_a_traceback(folder: Path, arguments: list[str]) -> None:
    listen = '[web]\nlisten = "127.0.0.1:0"\n'
    (folder / "dispatcher.toml").write_text(listen + CONFIG, "utf-8")
    launched(folder, "may-sale")
    with begun(arguments) as process:
        assert process.stdout is not None
        assert process.stdout.readline()  # it is at work
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode in (0, 130), err
    assert "Traceback" not in out + err


def test_closed_standard_streams_lead_nowhere(folder: Path) -> None:
    launched(folder, "may-sale")
    log = (folder / "data" / "log.db").read_bytes()
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    dispatcher = [sys.executable, "-c", "from dispatcher.cli import main; main()"]
    for arguments in (["campaign", "show", "may-sale"], ["campaign", "launch", "-", *LAUNCH, "--dry-run"]):
        command = [*closed, *dispatcher, *arguments]
        assert subprocess.run(command, check=False).returncode == (0 if "show" in arguments else 2)
    assert (folder / "data" / "log.db").read_bytes()[:100] == log[:100]


def test_a_folder_that_was_deleted_is_named_as_the_reason(folder: Path) -> None:
    gone = folder / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    refused(["campaign", "list"], 2, "the current folder was deleted")
    os.chdir(folder)


# --- how it is done -------------------------------------------------------------------------------------------------


def invoke(arguments: list[str]) -> Result:
    return CliRunner().invoke(main, arguments)


def refused(arguments: list[str], code: int | tuple[int, ...], words: str) -> None:
    """The command ends with this code and one sentence that has (one of) the words."""
    result = invoke(arguments)
    assert result.exit_code in (code if isinstance(code, tuple) else (code,)), result.output
    assert one_sentence(result.stderr), result.stderr
    assert any(word in result.stderr for word in words.split("|")), result.stderr
    assert "Traceback" not in result.output
    assert "internal error" not in result.output


def one_sentence(stderr: str) -> bool:
    """The last line is `error: …`, ended like a sentence or with the command to run; no other error before it."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    return bool(lines) and lines[-1].startswith("error: ") and not any(line.startswith("error") for line in lines[:-1])


def set_version(file: Path, version: int) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()


def in_a_process(arguments: list[str], *, file_bytes_max: int) -> subprocess.CompletedProcess[str]:
    """The command in a process whose files cannot grow beyond this: what a full disk looks like to it."""
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({file_bytes_max}, {file_bytes_max})); "
        "from dispatcher.cli import main; main()"
    )
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


@contextlib.contextmanager
def begun(arguments: list[str]) -> Iterator[subprocess.Popen[str]]:
    command: list[Any] = [sys.executable, "-u", "-c", "from dispatcher.cli import main; main()", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
