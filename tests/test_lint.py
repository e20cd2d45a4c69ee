"""Format, lint, types and the layers of imports: what `make lint` says, beside the other tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.distribution import ROOT

BIN: Final = Path(sys.executable).parent

CHECKS: Final = {
    "types": ["mypy"],
    "layers": ["lint-imports", "--no-logo"],
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
}


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_to_complain_about(check: str) -> None:
    tool, *arguments = CHECKS[check]
    done = subprocess.run(
        [BIN / tool, *arguments], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_make_lint_runs_these() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nlint:")[2].partition("\n\n")[0]
    said = [line.strip().removeprefix("@$(BIN)/").split() for line in recipe.splitlines()[1:]]
    assert sorted(said) == sorted(CHECKS.values())
