"""What stands at the path of a configuration, a secret or a password never hangs a command or shows a traceback."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from dispatcher.config.file import parse
from dispatcher.config.places import read_file
from dispatcher.config.small_files import BYTES_MAX, read_small, read_toml
from dispatcher.errors import ConfigError, InputError
from dispatcher.terminal.questions import SECRET_CHARS_MAX, given_secret

ENDLESS = "/dev/zero"


def test_a_small_file_is_read_whole_without_its_mark(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("\ufeffpässword\n", "utf-8")
    assert read_small(tmp_path / "a") == "pässword\n"
    (tmp_path / "a").write_bytes(b"x" * BYTES_MAX)
    assert len(read_small(tmp_path / "a")) == BYTES_MAX


def test_a_pipe_is_read_as_a_shell_gives_it() -> None:
    reads, writes = os.pipe()
    os.write(writes, b"[log]\n")
    os.close(writes)
    assert read_toml(f"/dev/fd/{reads}") == {"log": {}}
    os.close(reads)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x = " + b"[" * 100_000, "not valid TOML"),
        (b"x = " + b"9" * 5_000, "not valid TOML: Exceeds the limit"),
        (b"[log", "not valid TOML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"#" * (BYTES_MAX + 1), "more than 4 MiB"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=said) as raised:
        read_file(tmp_path / "x.toml")
    assert str(raised.value).endswith(".")
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("path", [ENDLESS, "x" * 5_000, "."])
def test_a_path_that_leads_to_no_configuration_is_one_sentence(path: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_file(path)


@pytest.mark.parametrize("path", [ENDLESS, "a\\u0000b", "latin"])
def test_a_secret_file_that_cannot_be_used_is_one_sentence(tmp_path: Path, path: str) -> None:
    (tmp_path / "latin").write_bytes(b"\xe9")
    account = {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": f"${{file:{path}}}"}
    with pytest.raises(ConfigError, match=r"\[account.spring\] pswd: the secret file .*"):
        parse({"account": {"spring": account}}, str(tmp_path / "x.toml"))


def test_a_secret_of_the_environment_that_is_not_utf_8_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PSWD", "\udce9")
    account = {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": "${PSWD}"}
    with pytest.raises(ConfigError, match="the environment variable PSWD is not UTF-8"):
        parse({"account": {"spring": account}}, "x.toml")


def test_a_password_file_is_read_up_to_its_bound() -> None:
    assert given_secret("the new password", io.StringIO("pw\r\n")) == "pw"
    assert len(given_secret("the new password", io.StringIO("x" * 100_000))) == SECRET_CHARS_MAX


def test_a_password_file_that_is_not_utf_8_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "pw").write_bytes(b"\xe9")
    with (tmp_path / "pw").open(encoding="utf-8") as file, pytest.raises(InputError, match="is not UTF-8"):
        given_secret("the new password", file)


ACCOUNT = {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": "x"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"store": {"parts_within_s": float("inf")}}, r"\[store\]: parts_within_s must be at most 1,000,000,000,000\."),
        ({"store": {"no_report_after_s": 1e30}}, "no_report_after_s must be at most"),
        ({"web": {"waiting_max": 10**30}}, r"\[web\]: waiting_max must be at most"),
        ({"web": {"listen": "\x1b[31m:1"}}, r"\[web\]: listen holds a control character\. Write it again\."),
        ({"log": {"url": "sqlite:a\0b"}}, r"\[log\]: url holds a control character"),
        ({"account": {"spring": ACCOUNT | {"balance_interval_s": float("nan")}}}, "balance_interval_s must be at most"),
        ({"account": {"spring": ACCOUNT | {"flow": {"limit": 10**30}}}}, "flow.limit must be at most"),
        ({"inbound": {"opt_out_words": ["TD", "\x07"]}}, r"\[inbound\]: opt_out_words holds a control character"),
        ({"account": {"spring": ACCOUNT | {"pswd": "s3cret\x1b"}}}, "pswd holds a control character"),
    ],
)
def test_numbers_without_bound_and_control_characters_are_refused(table: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        parse({"account": {"spring": ACCOUNT}} | table, "x.toml")
    assert "s3cret" not in str(raised.value)
