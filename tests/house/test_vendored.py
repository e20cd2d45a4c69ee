"""Files that others wrote are those of their packages: each has a version, a licence with its text, and its SHA-256."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LISTS = [ROOT / "producers" / "console" / "static" / "VENDORED", ROOT / "tests" / "console" / "axe" / "VENDORED"]
OWN = {"app.css", "pages.css", "charts.js", "app.js", "chevron.svg", "check.svg", "minus.svg", "favicon.svg"}
LICENCES = {"0BSD", "MIT", "ISC", "MPL-2.0"}


def rows(listed: Path) -> list[list[str]]:
    lines = listed.read_text("utf-8").splitlines()
    return [line.split(" | ") for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("listed", LISTS, ids=["served", "tests"])
def test_every_vendored_file_is_the_one_of_its_package(listed: Path) -> None:
    folder = listed.parent
    for name, _package, version, licence, text, _source, sha256 in rows(listed):
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256, name
        assert version[0].isdigit()
        assert licence in LICENCES
        assert (folder / text).read_text("utf-8").strip()


@pytest.mark.parametrize("listed", LISTS, ids=["served", "tests"])
def test_every_other_file_beside_them_is_ours(listed: Path) -> None:
    known = {row[0] for row in rows(listed)} | {row[4] for row in rows(listed)} | {"VENDORED"} | OWN
    assert {each.name for each in listed.parent.iterdir()} <= known


def test_what_only_tests_need_is_not_served() -> None:
    assert not {row[0] for row in rows(LISTS[1])} & {each.name for each in LISTS[0].parent.iterdir()}
