"""The `dispatcher` command: it imports only what is invoked, and every failure is one sentence and an exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from dispatcher.cli import main

# A distribution as an installer leaves it, whose commands fail in every way a command can.
MODULE = '''
import click
from dispatcher.errors import ConfigError, LogUnavailable

@click.command()
def fine():
    """What works."""
    click.echo("done")

@click.command()
def mistaken():
    raise ConfigError('account "spring" is not in dispatcher.toml. Add [account.spring].')

@click.command()
def failing():
    raise LogUnavailable("data/log.db cannot be opened.")

@click.command()
def broken():
    raise ZeroDivisionError("division by zero")

@click.command()
def interrupted():
    raise KeyboardInterrupt

@click.command()
def refusing():
    raise click.UsageError("not like that")

@click.command()
@click.pass_context
def leaving(ctx):
    ctx.exit(7)

@click.command()
def foreign():
    print("【Shop】hello ✓")

@click.command()
def talkative():
    for number in range(100_000):
        print(number)

not_a_command = 1
'''
COMMANDS = ["fine", "mistaken", "failing", "broken", "interrupted", "refusing", "leaving", "foreign", "talkative"]


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on sys.path with that distribution in it."""
    (tmp_path / "failing_commands.py").write_text(MODULE, encoding="utf-8")
    information = tmp_path / "failing_commands-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: failing-commands\nVersion: 1\n", encoding="utf-8"
    )
    lines = [f"x-{name} = failing_commands:{name}" for name in COMMANDS]
    lines += ["x-nothing = failing_commands:not_a_command", "x-absent = no_such_module:command"]
    lines += ["campaign.x-fine = failing_commands:fine", "x-group.fine = failing_commands:fine"]
    lines += ["x-absent-group.absent = no_such_module:command", "x-group.deeper.leaving = failing_commands:leaving"]
    text = "[dispatcher.commands]\n" + "\n".join(lines) + "\n"
    (information / "entry_points.txt").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "failing_commands", raising=False)
    monkeypatch.delenv("DISPATCHER_DEBUG", raising=False)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="dispatcher")


@pytest.mark.parametrize(
    ("command", "exit_code", "said"),
    [
        ("x-mistaken", 2, 'error: account "spring" is not in dispatcher.toml. Add [account.spring].\n'),
        ("x-failing", 1, "error: data/log.db cannot be opened.\n"),
        ("x-interrupted", 130, "\ninterrupted.\n"),
        ("x-leaving", 7, ""),
        ("x-fine", 0, ""),
    ],
)
def test_a_command_ends_with_its_sentence_and_exit_code(
    commands: Path, command: str, exit_code: int, said: str
) -> None:
    result = invoke(command)
    assert (result.exit_code, result.stderr) == (exit_code, said)


@pytest.mark.parametrize("command", ["x-broken", "x-nothing", "x-absent"])
def test_a_mistake_of_ours_is_one_sentence_that_says_how_to_see_more(commands: Path, command: str) -> None:
    result = invoke(command)
    assert result.exit_code == 1
    assert result.stderr.startswith("internal error: ")
    assert "DISPATCHER_DEBUG=1" in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_traceback_is_shown_on_request(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_DEBUG", "1")
    assert "ZeroDivisionError" in invoke("x-broken").stderr
    assert "Traceback" in invoke("x-broken").stderr


def test_a_mistaken_call_shows_the_usage(commands: Path) -> None:
    result = invoke("x-refusing")
    assert result.exit_code == 2
    assert "Usage: dispatcher x-refusing" in result.stderr
    assert "not like that" in result.stderr


def test_an_unknown_command_is_a_mistaken_call() -> None:
    result = invoke("no-such-command")
    assert result.exit_code == 2
    assert "no-such-command" in result.stderr


def test_only_the_command_that_is_invoked_is_imported(commands: Path) -> None:
    script = (
        "import sys\nfrom dispatcher.cli import main\n"
        "main(['completion', 'fish'], standalone_mode=False)\n"
        "heavy = {'failing_commands', 'producers', 'consumers', 'loadtest', 'aiokafka', 'polars', 'numpy', 'aiohttp'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(commands)}, capture_output=True, text=True, check=False
    )
    assert done.stderr == "[]\n"


@pytest.mark.parametrize(
    ("words", "exit_code", "output"),
    [
        (["campaign", "x-fine"], 0, "done\n"),
        (["x-group", "fine"], 0, "done\n"),
        (["x-group", "deeper", "leaving"], 7, ""),
    ],
)
def test_another_package_adds_a_command_to_a_group_of_ours_or_of_its_own(
    commands: Path, words: list[str], exit_code: int, output: str
) -> None:
    result = invoke(*words)
    assert (result.exit_code, result.stdout, result.stderr) == (exit_code, output, "")


def test_a_group_lists_the_commands_of_other_packages_with_their_help(commands: Path) -> None:
    result = invoke("campaign", "--help")
    assert result.exit_code == 0
    lines = [line.split(maxsplit=1) for line in result.stdout.partition("Commands:")[2].splitlines()]
    assert ["x-fine", "What works."] in lines
    assert [words[0] for words in lines if words and words[0] in ("launch", "show", "cancel")] == [
        "launch",
        "show",
        "cancel",
    ]


def test_the_list_of_commands_imports_no_command_of_a_group(commands: Path) -> None:
    result = invoke("x-absent-group", "--no-such-option")
    assert "No such option" in result.stderr
    script = "import sys\nfrom dispatcher.cli import main\nmain(['campaign', 'x-fine'], standalone_mode=False)\n"
    script += "print([name for name in sys.modules if name.partition('.')[0] in ('producers', 'consumers')])\n"
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(commands)}, capture_output=True, text=True, check=False
    )
    assert done.stdout == "done\n[]\n"


def test_a_reader_that_leaves_early_sees_no_complaint(commands: Path) -> None:
    talking = subprocess.Popen(
        [sys.executable, "-c", "from dispatcher.cli import main; main()", "x-talkative"],
        env={"PYTHONPATH": str(commands)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert talking.stdout is not None
    assert talking.stdout.readline() == "0\n"
    talking.stdout.close()
    assert talking.stderr is not None
    with talking.stderr:
        assert talking.stderr.read() == ""
    assert talking.wait() == 1


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", "?Shop?hello ?\n"), ("gbk", "【Shop】hello ?\n"), ("utf-8", "【Shop】hello ✓\n")]
)
def test_a_terminal_shows_a_question_mark_for_what_it_has_no_character_for(
    commands: Path, encoding: str, shown: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from dispatcher.cli import main; main()", "x-foreign"],
        env={"PYTHONPATH": str(commands), "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode(encoding) == shown


def test_a_caller_may_have_the_errors_themselves(commands: Path) -> None:
    with pytest.raises(click.UsageError):
        main(["x-refusing"], standalone_mode=False)


def test_the_version_is_the_distribution_s() -> None:
    assert invoke("--version").stdout.startswith("dispatcher ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_says_how_to_install_itself(shell: str) -> None:
    result = invoke("completion", shell)
    assert result.exit_code == 0
    assert "_DISPATCHER_COMPLETE" in result.stdout
    assert f"dispatcher completion {shell}" in result.stdout


def test_the_completion_script_offers_the_commands(commands: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from dispatcher.cli import main; main(prog_name='dispatcher')"],
        env={
            "PYTHONPATH": str(commands),
            "_DISPATCHER_COMPLETE": "bash_complete",
            "COMP_WORDS": "dispatcher x-mis",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "plain,x-mistaken\n"


@pytest.mark.parametrize(("typed", "meant"), [("x-fin", "x-fine"), ("complete", "completion")])
def test_a_command_misspelt_is_said_with_the_one_that_was_meant(commands: Path, typed: str, meant: str) -> None:
    result = invoke(typed)
    assert result.exit_code == 2
    assert f"No such command '{typed}'. Did you mean '{meant}'?" in result.stderr


def test_a_command_like_no_other_is_only_said_to_be_none(commands: Path) -> None:
    result = invoke("zzzzzz")
    assert result.exit_code == 2
    assert "No such command 'zzzzzz'.\n" in result.stderr


ACCOUNT = '[account.{}]\nvendor = "batch-a"\nurl = "http://127.0.0.1:9"\naccount = "demo"\npswd = "secret"\n'


@pytest.fixture
def configurations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a.toml and b.toml, each with an account named like it."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(ACCOUNT.format(name), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPATCHER_CONFIG", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "account"),
    [
        (["--config", "a.toml", "account", "list"], "a"),
        (["account", "--config", "a.toml", "list"], "a"),
        (["account", "list", "--config", "a.toml"], "a"),
        (["--config", "a.toml", "account", "list", "--config", "b.toml"], "b"),
        (["--config", "a.toml", "account", "--config", "b.toml", "list"], "b"),
    ],
    ids=" ".join,
)
def test_the_configuration_may_be_named_before_or_after_the_command(
    configurations: Path, words: list[str], account: str
) -> None:
    done = invoke(*words, "--json")
    assert done.exit_code == 0, done.output
    assert [each["account"] for each in json.loads(done.stdout)["accounts"]] == [account]


@pytest.mark.parametrize("words", [["completion", "bash"], ["x-fine"], ["simulate"]], ids=" ".join)
def test_a_command_without_a_configuration_refuses_one_before_it(
    commands: Path, configurations: Path, words: list[str]
) -> None:
    done = invoke("--config", "a.toml", *words)
    assert done.exit_code == 2
    assert "reads no configuration of the dispatcher" in done.stderr
