"""A browser and a console for each module. Playwright keeps a loop running, so it ends before other modules' tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser, sync_playwright

from dispatcher.service.people import directory as people
from tests.console.browser import Visitor, chromium
from tests.console.served import Served, configuration


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module", autouse=True)
def _cheap_hashing() -> Iterator[None]:
    """argon2id with its least parameters: its strength is not what is tested here."""
    before = people._hasher
    people._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # type: ignore[misc]
    yield
    people._hasher = before  # type: ignore[misc]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A console with a person of each role: vera, olga, arno, ann."""
    found = Served(configuration(Path(tmp_path_factory.mktemp("console"))))
    for name, role in (("vera", "viewer"), ("olga", "operator"), ("arno", "approver"), ("ann", "admin")):
        found.add_person(name, role)
    yield found
    found.close()


@pytest.fixture
def visit(browser: Browser, served: Served) -> Iterator[Callable[..., Visitor]]:
    """Open a window: `visit("ann", language="zh", theme="dark", phone=True)`; "" is somebody not signed in."""
    opened: list[Visitor] = []

    def open_window(name: str = "", **looks: Any) -> Visitor:
        opened.append(Visitor(browser, served, name, **looks))
        return opened[-1]

    yield open_window
    for each in opened:
        each.close()
