"""The pins say what pyproject.toml says, each with its hashes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PINS = sorted((ROOT / "requirements").glob("*.txt"))
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*", re.MULTILINE)


def names(text: str) -> set[str]:
    return {name.lower().replace("_", "-") for name in NAME.findall(text)}


def test_the_runtime_requirements_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = (ROOT / "requirements" / "runtime.in").read_text(encoding="utf-8")
    assert names(wanted) == names("\n".join(project["dependencies"]))


@pytest.mark.parametrize("file", PINS, ids=lambda file: file.name)
def test_every_wanted_package_is_pinned(file: Path) -> None:
    wanted = file.with_suffix(".in").read_text(encoding="utf-8")
    assert names(wanted) <= names(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", PINS, ids=lambda file: file.name)
def test_every_pin_is_exact_and_hashed(file: Path) -> None:
    joined = file.read_text(encoding="utf-8").replace("\\\n", " ")
    pins = [line for line in joined.splitlines() if line and not line.lstrip().startswith("#")]
    assert pins
    assert [pin for pin in pins if not re.match(r"\S+==\S+\s.*--hash=sha256:[0-9a-f]{64}", pin)] == []
