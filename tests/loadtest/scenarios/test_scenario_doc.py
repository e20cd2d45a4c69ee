"""docs/SCENARIOS.md tells every key and every shipped scenario; here it is held to that."""

from __future__ import annotations

import re
from pathlib import Path

from loadtest.scenarios.file import SECTIONS, load
from tests.loadtest.scenarios import scenario_doc


def test_the_document_says_what_is_so() -> None:
    document = scenario_doc.DOCUMENT.read_text("utf-8")
    assert document == scenario_doc.written(document), "run: python -m tests.loadtest.scenarios.scenario_doc"


def test_every_section_is_in_the_document() -> None:
    document = scenario_doc.DOCUMENT.read_text("utf-8")
    assert [name for name in SECTIONS if f"`[{name}" not in document and f"`[[{name}" not in document
            and f"`{name}`" not in document] == []  # fmt: skip


def test_the_example_of_the_document_is_a_scenario(tmp_path: Path) -> None:
    [example] = re.findall(r"```toml\n(about = .*?)```", scenario_doc.DOCUMENT.read_text("utf-8"), re.DOTALL)
    path = tmp_path / "example.toml"
    path.write_text(example, "utf-8")
    assert len(load(path).events) >= 3
