"""`dispatcher init`: what it writes is a configuration that loads, holds no secret, and replaces nothing."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dispatcher.cli import main
from dispatcher.config.file import load
from dispatcher.config.starter import needed
from dispatcher.vendors import registry

SPRING = ("--account", "spring=batch-a", "--set", "spring.url=http://127.0.0.1:9101", "--set", "spring.account=demo")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["init", *arguments])
    assert "Traceback" not in result.output
    return result


def url(tag: str) -> str:
    """An address that this vendor may have."""
    return f"{'cmpp' if tag == 'cmpp' else 'http'}://127.0.0.1:9"


@pytest.mark.parametrize("tag", sorted(registry.BUILT_IN))
def test_every_vendor_gets_a_configuration_that_loads_once_its_secret_is_there(
    tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [each for each in needed(tag) if not each.secret]
    settings = [f"--set=x.y.{each.key}={url(tag) if each.key == 'url' else '100'}" for each in keys]
    result = init("made/new.toml", "--account", f"x.y={tag}", *settings, "--set", "x.y.limit=7")
    assert result.exit_code == 0, result.output
    [secret] = [each.key for each in needed(tag) if each.secret]
    variable = f"X_Y_{secret.upper()}"
    assert f"export {variable}=…" in result.stdout
    assert load("made/new.toml", secrets="none").unset
    monkeypatch.setenv(variable, "the-secret")
    account = load("made/new.toml").account("x.y")
    assert (account.tag, getattr(account, secret)) == (tag, "the-secret")
    assert account.flow is not None
    assert account.flow.limit == 7


@pytest.mark.parametrize("tag", sorted(registry.BUILT_IN))
def test_a_key_behind_a_hash_shows_its_default(tag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = [
        f"--set=x.{each.key}={url(tag) if each.key == 'url' else '100'}" for each in needed(tag) if not each.secret
    ]
    assert init("--account", f"x={tag}", *settings).exit_code == 0
    text = Path("dispatcher.toml").read_text("utf-8")
    sections, _, keys = text.partition("# Other keys of this vendor")
    behind = "\n".join(line[1:] for line in keys.splitlines() if line.startswith("#"))
    monkeypatch.setenv(f"X_{next(each.key for each in needed(tag) if each.secret).upper()}", "s")
    before = load("dispatcher.toml").account("x")
    Path("dispatcher.toml").write_text(f"{sections}\n{behind}\n", "utf-8")
    assert load("dispatcher.toml").account("x") == before


def test_a_secret_may_be_in_a_file_and_only_its_owner_reads_the_configuration(folder: Path) -> None:
    umask = os.umask(0)
    try:
        assert init(*SPRING, "--set", "spring.pswd=file:spring.pw").exit_code == 0
    finally:
        os.umask(umask)
    (folder / "spring.pw").write_text("the secret\n", "utf-8")
    assert (folder / "dispatcher.toml").stat().st_mode & 0o777 == 0o600
    assert vars_of("spring")["pswd"] == "${file:spring.pw}"
    assert load("dispatcher.toml").account("spring")


def vars_of(name: str) -> dict[str, object]:
    found: dict[str, object] = tomllib.loads(Path("dispatcher.toml").read_text("utf-8"))["account"][name]
    return found


@pytest.mark.parametrize("there", ["file", "link"])
def test_nothing_is_overwritten(folder: Path, there: str) -> None:
    file = folder / "dispatcher.toml"
    if there == "file":
        file.write_text("mine", "utf-8")
    else:
        file.symlink_to(folder / "nowhere.toml")
    result = init(*SPRING)
    assert (result.exit_code, "is there already, and is not overwritten" in result.stderr) == (2, True)
    assert not (folder / "nowhere.toml").exists()
    assert there == "link" or file.read_text("utf-8") == "mine"


MISTAKES = [
    ((), "there is no terminal to ask at. Give --account NAME=VENDOR"),
    (("--set", "spring.url=x"), "--set goes with --account"),
    (("--account", "spring"), '--account "spring" must be NAME=VENDOR'),
    (("--account", "a b=cosms"), '--account "a b=cosms" must be NAME=VENDOR'),
    (("--account", "spring=nobody"), 'vendor "nobody" is not known; write one of: batch-a'),
    ((*SPRING, "--account", "spring=cosms"), '--account "spring" is given twice'),
    (("--account", "spring=batch-a"), "spring needs url: --set spring.url=VALUE. The vendor's address"),
    ((*SPRING, "--set", "summer.url=x"), '--set "summer.url=x" must be NAME.KEY=VALUE'),
    ((*SPRING, "--set", "spring.colour=red"), "--set spring.colour: batch-a needs url, account, pswd"),
    ((*SPRING, "--set", "spring.limit=0"), "spring.limit must be a whole number above 0"),
    ((*SPRING, "--set", "spring.pswd=not a name"), '"not a name" names no environment variable and no file'),
    ((*SPRING[:2], "--set", "spring.url=ftp://x", *SPRING[4:]), "url"),
]


@pytest.mark.parametrize(("arguments", "says"), MISTAKES)
def test_a_mistake_is_one_sentence_and_writes_nothing(folder: Path, arguments: tuple[str, ...], says: str) -> None:
    result = init(*arguments)
    assert (result.exit_code, says in result.stderr) == (2, True), result.output
    assert not (folder / "dispatcher.toml").exists()
