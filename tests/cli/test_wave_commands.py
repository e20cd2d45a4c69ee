"""`dispatcher campaign release | halt | decide`, and what `launch`, `list` and `show` say of waves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from dispatcher.cli import main
from tests.cli.campaigns import configured


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    configured(tmp_path, monkeypatch)
    (tmp_path / "may.txt").write_text("".join(f"{13_800_138_000 + each}\n" for each in range(1_000)), "ascii")
    return tmp_path


def said(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == code, (result.stdout, result.stderr)
    return " ".join((result.stdout if code == 0 else result.stderr).split())


def printed(*words: str) -> Any:
    return orjson.loads(CliRunner().invoke(main, [*words, "--json"], catch_exceptions=False).stdout)


def launched(*more: str) -> str:
    texts = [] if "--text" in more else ["--text", "【Test】a"]
    return said("campaign", "launch", "may.txt", "--route", "spring", "--id", "may", "--yes", *texts, *more)


def test_a_campaign_is_halted_and_released_by_name(folder: Path) -> None:
    assert "waves 1: 10 recipients 2: 100 recipients 3: 890 recipients" in launched("--waves", "1 %, 10 %, rest")
    assert "waits for 90 % of its reports, 2 h at most" in said("campaign", "show", "may")
    assert "is halted in wave 1. To go on: dispatcher campaign release may" in said("campaign", "halt", "may")
    assert "was halted already" in said("campaign", "halt", "may")
    shown = said("campaign", "show", "may")
    assert "Halted: " in shown
    assert "To go on all the same: dispatcher campaign release may" in shown
    listed = said("campaign", "list")
    assert listed.split("may", 1)[1].split()[0] == "held"
    assert (
        "may is held: halted in a wave; what is left waits until you release it: dispatcher campaign release" in listed
    )
    found = printed("campaign", "show", "may")
    assert (found["held"]["why"], found["wave_table"]["halted"], found["waves"]["released"]) == ("halted", 1, 1)
    assert found["wave_table"]["waves"][0]["decision"]["by_person"] is True
    assert [wave["state"] for wave in found["wave_table"]["waves"]][1:] == ["not released", "not released"]
    assert said("campaign", "release", "may") == 'campaign "may": waves up to 2 are released.'
    assert printed("campaign", "release", "may")["released"] == 3
    assert 'all 3 waves of "may" are released' in said("campaign", "release", "may", code=2)


def test_the_text_of_the_rest_is_decided_once(folder: Path) -> None:
    out = launched("--text", "【Test】a", "--text", "【Test】b")
    assert "compared A: 【Test】a B: 【Test】b waves 1: 100 recipients, 50 get A, 50 get B" in out
    assert 'no text "C". It has A, B' in said("campaign", "decide", "may", "--text", "C", code=2)
    assert "the rest gets text B when the waves before it are released" in said(
        "campaign", "decide", "may", "--text", "b"
    )
    assert "text B was decided" in said("campaign", "decide", "may", "--text", "B")
    assert "that is final" in said("campaign", "decide", "may", "--text", "A", code=2)
    assert [row["decided"] for row in printed("campaign", "show", "may")["wave_table"]["texts"]] == [False, True]
    shown = said("campaign", "show", "may")
    assert "B (decided)" in shown
    assert "text A: 【Test】a B: 【Test】b (the last wave gets it) (1 message per recipient)" in shown


def test_mistakes_are_one_sentence(folder: Path) -> None:
    launched()
    for command in ("release", "halt"):
        assert '"may" has no waves' in said("campaign", command, "may", code=2)
        assert 'no campaign "june"' in said("campaign", command, "june", code=2)
    assert '"may" has no waves' in said("campaign", "decide", "may", "--text", "A", code=2)
    said("campaign", "cancel", "may", "--yes")
    assert "is cancelled, and that is final" in said("campaign", "halt", "may", code=2)
