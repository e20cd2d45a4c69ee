"""Commands speak Chinese: the language that is asked for, the help of every command, and how Chinese is broken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from dispatcher.cli import main
from dispatcher.i18n import language_is
from dispatcher.terminal.language import CLICK_MODULES, cells, language_of, speak, wrapped

SENTENCE = re.compile(r"\b[A-Za-z]?[a-z]+(?:[ ,;:']+[A-Za-z]?[a-z]+\b){2,}")
"""Three English words in a row."""

QUOTED = re.compile(
    r"""`[^`]*`|"[^"]*"|\([^)]*\)|\[[^]]*\]|<[^>]*>|\{[^}]*\}|dispatcher(?: [a-z][a-z-]+)+(?: [A-Z]+)?"""
)
"""What stands in both languages as it is: what is typed, values, names of tables."""

LISTED = re.compile(r"[a-z]+:[a-z]+|[A-Za-z_-]+(?:[,、] ?[A-Za-z_:-]+){2,}")
"""Names of columns, states, scopes."""


def invoke(*arguments: str, **environment: str | None) -> Result:
    unset = dict.fromkeys(("LC_ALL", "LC_MESSAGES", "LANG"))
    return CliRunner().invoke(main, arguments, prog_name="dispatcher", env={**unset, **environment})


def helps(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """The help of a command and of all below it, by what is typed."""
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from helps(found, click.Context(found, parent=context, info_name=name, help_option_names=["--help"]))


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh"}, "zh"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_TW.UTF-8", "LANG": "C"}, "zh"),
        ({"LC_ALL": "C", "LC_MESSAGES": "zh_CN", "LANG": "zh_CN"}, "en"),
    ],
)
def test_the_environment_names_the_language(environment: dict[str, str], language: str) -> None:
    assert language_of(environment) == language


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["--help"], {}, "Usage:"),
        (["--lang", "zh", "--help"], {}, "用法："),
        (["--help"], {"LANG": "zh_CN.UTF-8"}, "用法："),
        (["--lang", "en", "--help"], {"LANG": "zh_CN.UTF-8"}, "Usage:"),
        (["--lang", "zh", "campaign", "--help"], {}, "启动"),
        (["--lang", "zh", "completion", "bash"], {}, "# `dispatcher` 的 bash 命令行补全"),
    ],
)
def test_the_option_wins_over_the_environment(words: list[str], environment: dict[str, str], said: str) -> None:
    assert said in invoke(*words, **environment).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["campaing"], "错误：没有命令 'campaing'。您是否想写 'campaign'？"),
        (["campaign", "weight"], "错误：缺少参数 'ID'"),
        (["campaign", "list", "--sinc", "1 d"], "没有选项 '--sinc'。"),
        (["completion", "csh"], "'csh' 不在可选值 'bash', 'fish', 'zsh' 之中。"),
        (["campaign", "watch", "--config"], "选项 '--config' 需要 1 个参数。"),
        (["--config", "a.toml", "completion", "bash"], "'completion' 不读取 dispatcher 的配置"),
    ],
)
def test_a_mistaken_call_is_answered_in_chinese(words: list[str], said: str) -> None:
    done = invoke("--lang", "zh", *words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_english_comes_back_after_chinese() -> None:
    before = invoke("campaign", "show", "--help").stdout
    assert invoke("--lang", "zh", "campaign", "show", "--help").stdout != before
    assert invoke("campaign", "show", "--help").stdout == before


def test_the_help_of_every_command_is_chinese_and_fits_its_width() -> None:
    with language_is("en"):
        speak("zh")
        shown = dict(helps(main, click.Context(main, info_name="dispatcher", help_option_names=["--help"])))
    assert len(shown) > 80
    english = {
        path: found
        for path, text in shown.items()
        if (found := SENTENCE.findall(LISTED.sub("", QUOTED.sub("", _without_examples(text)))))
    }
    assert not english
    shown = {path: _without_examples(text) for path, text in shown.items()}
    wide = [line for text in shown.values() for line in text.splitlines() if not line.isascii() and cells(line) > 78]
    assert not wide


def _without_examples(text: str) -> str:
    """The help without its usage line and its examples."""
    return re.sub(r"示例：\n(?:    .*\n)+", "", text.partition("\n\n")[2])


def test_every_module_of_click_that_speaks_is_known() -> None:
    speaking = {file.stem for file in Path(click.__file__).parent.glob("*.py") if "gettext" in file.read_text("utf-8")}
    elsewhere = {"_winconsole", "_termui_impl", "shell_completion", "utils"}  # Windows, an editor, old shells, a stream
    assert speaking == {*CLICK_MODULES, *elsewhere}


def test_chinese_is_broken_between_characters_and_measured_in_cells() -> None:
    text = "供应商可能收下，也可能没有收下时怎么办：`hold` 绝不重复发送（默认）。"
    lines = wrapped(text, 20, "  ", "    ").split("\n")
    assert all(cells(line) <= 20 for line in lines)
    assert not any(line.lstrip()[0] in "，：）。" for line in lines)
    assert "".join(line.strip() for line in lines).replace(" ", "") == text.replace(" ", "")
    assert lines[2] == "    么办：`hold` 绝"


def test_english_is_broken_as_click_does() -> None:
    assert wrapped("one two three", 8) == "one two\nthree"
