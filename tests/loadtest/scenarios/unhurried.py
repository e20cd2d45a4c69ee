"""Shipped scenarios for the tests, without the time they may take on a quiet machine."""

from __future__ import annotations

import re
from pathlib import Path

from loadtest.scenarios.file import find
from tests.waiting import PATIENCE_S


def unhurried(name: str, folder: Path, slower: int = 1) -> str:
    """The path of a copy of the shipped scenario in `folder` that says nothing about time.

    Its flow limits are divided by `slower`.
    """
    text = re.sub(r"^(within_s|patience_s) = .*\n", "", Path(find(name)).read_text("utf-8"), flags=re.MULTILINE)
    text = text if "[run]\n" in text else f"{text}\n[run]\n"
    text = re.sub(r"\blimit = (\d+)", lambda found: f"limit = {int(found[1]) // slower}", text)
    path = folder / f"{name}.toml"
    path.write_text(text.replace("[run]\n", f"[run]\npatience_s = {PATIENCE_S}\n"), "utf-8")
    return str(path)
