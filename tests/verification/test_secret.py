"""The secret of codes: the configured one, else one that is made once, privately, beside the data."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.file import Config, parse
from dispatcher.errors import ConfigError
from dispatcher.verification.secret import FILE, code_keys


def configured(folder: Path, **keys: Any) -> Config:
    return parse({"log": {"url": f"sqlite:{folder}/data/log.db"}, "verification": keys}, f"{folder}/dispatcher.toml")


def test_the_file_is_made_once_and_is_private(tmp_path: Path) -> None:
    config = configured(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        marks = {keys.mark for keys in threads.map(lambda _: code_keys(config), range(16))}
    assert len(marks) == 1
    file = tmp_path / "data" / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == [FILE]


def test_a_configured_secret_needs_no_file(tmp_path: Path) -> None:
    keys = code_keys(configured(tmp_path, secret="0123456789abcdef"))
    assert keys.mark == code_keys(configured(tmp_path, secret="0123456789abcdef")).mark
    assert keys.mark != code_keys(configured(tmp_path, secret="another-0123456789abcdef")).mark
    assert list(tmp_path.iterdir()) == []


def test_on_kafka_the_file_is_beside_the_results(tmp_path: Path) -> None:
    table = {"log": {"url": "kafka://127.0.0.1:9"}, "store": {"url": f"sqlite:{tmp_path}/results.db"}}
    code_keys(parse(table, "dispatcher.toml"))
    assert (tmp_path / FILE).exists()


def test_a_damaged_file_is_not_used_and_stays(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / FILE).write_text("half")
    with pytest.raises(ConfigError, match="does not hold the secret of verification codes"):
        code_keys(configured(tmp_path))
    assert (tmp_path / "data" / FILE).read_text() == "half"


def test_a_link_in_the_file_s_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"cannot be kept in .*verification\.key"):
        code_keys(configured(tmp_path))
    assert not (tmp_path / "elsewhere").exists()


def test_a_missing_secret_is_said_when_it_is_used_and_at_the_start_of_a_dispatcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CODES", raising=False)
    table = {"verification": {"secret": "${CODES}"}}
    with pytest.raises(ConfigError, match=r"\[verification\] secret: the environment variable CODES is not set"):
        code_keys(parse(table, "dispatcher.toml", secrets="none"))
    with pytest.raises(ConfigError, match="CODES is not set"):
        parse(table, "dispatcher.toml")


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"secret": "short"}, "secret must have at least 16 characters"),
        ({"length": 3}, "length must be 4 to 16"),
        ({"text": "hello"}, r"text: it needs \{code\}"),
        ({"text": "{code} of {name}"}, r"text: there is no \{name\}, only \{code\} and \{minutes\}"),
        ({"text": "{code"}, "nothing closes"),
        ({"streams": {"pay": {"tries_max": 0}}}, "streams.pay: tries_max must be 1 to 20"),
        ({"streams": {"pay": {"tries": 3}}}, "there is no key tries"),
        ({"codes_per_hour_max": "5"}, "codes_per_hour_max must be a whole number"),
    ],
)
def test_a_mistake_names_its_key(tmp_path: Path, keys: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=r"\[verification\].*" + says):
        configured(tmp_path, **keys)


def test_a_stream_has_its_own_rules_and_text(tmp_path: Path) -> None:
    config = configured(tmp_path, length=8, text="{code}!", streams={"pay": {"tries_max": 2, "text": "pay {code}"}})
    codes = config.verification
    assert (codes.rules("pay").length, codes.rules("pay").tries_max) == (8, 2)
    assert (codes.rules("login").length, codes.rules("login").tries_max) == (8, 5)
    assert (codes.text_of("pay"), codes.text_of("login")) == ("pay {code}", "{code}!")


def test_the_secret_is_in_no_repr(tmp_path: Path) -> None:
    assert "0123456789abcdef" not in repr(configured(tmp_path, secret="0123456789abcdef").verification)
