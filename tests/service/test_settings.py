"""The configuration is shown without any secret, and an outage of the log is said, not raised."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.errors import LogUnavailable
from dispatcher.service.session import Session
from dispatcher.service.settings import HIDDEN, show_settings, shown_value
from dispatcher.vendors.seam.vendor import Secret
from tests.memory_log import MemoryLog
from tests.service.place import configured


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Secret("hush"), HIDDEN),
        ({"agent": Secret("hush"), "n": 3}, f"agent = {HIDDEN}, n = 3"),
        ((True, None, 1.5), "true, , 1.5"),
        ("postgresql://dispatcher:hush@db/x", f"postgresql://dispatcher:{HIDDEN}@db/x"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9"),
    ],
)
def test_a_value_is_shown_without_secrets(value: object, shown: str) -> None:
    assert shown_value(value) == shown


async def test_every_table_is_there_and_no_secret(tmp_path: Path) -> None:
    session = Session(configured(tmp_path), MemoryLog())
    view = await show_settings(session)
    shown = {section.name: {each.name: each.value for each in section.settings} for section in view.sections}
    assert shown["account.spring"]["pswd"] == HIDDEN
    assert shown["account.spring"]["account"] == "demo"
    assert {"log", "store", "web", "lanes", "hours"} <= shown.keys()
    assert view.versions["dispatcher"]
    assert {topic.name for topic in view.topics} >= {"campaigns", "people", "audit"}
    await session.close()


async def test_a_log_that_does_not_answer_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog()

    async def fails(*_: object) -> int:
        raise LogUnavailable("the broker does not answer.")

    monkeypatch.setattr(log, "end", fails)
    view = await show_settings(Session(configured(tmp_path), log))
    assert (view.log_ms, view.log_says) == (None, "the broker does not answer.")
