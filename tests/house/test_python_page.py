"""The script of docs/PYTHON.md runs as it stands there, in a folder with a configuration."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from tests.cli.campaigns import configured

PAGE = Path(__file__).parents[2] / "docs" / "PYTHON.md"


def test_the_script_of_the_page_launches_a_campaign_and_says_so_when_it_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripts = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert scripts
    configured(tmp_path, monkeypatch)
    for number, script in enumerate(scripts):
        file = tmp_path / f"script{number}.py"
        file.write_text(script, "utf-8")
        for already in (False, True):
            runpy.run_path(str(file), run_name="__main__")
            launched, state = capsys.readouterr().out.splitlines()
            assert launched == f"1000 recipients, already launched: {already}"
            assert state == "running 1,000 rows = 1,000 queued"
