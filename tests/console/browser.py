"""What a test does with a page: visit it as a person, look at it in both languages and colours, judge it with axe."""

from __future__ import annotations

import functools
import os
import re
import shutil
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from producers.console.arrival import LANGUAGE_COOKIE, SESSION_COOKIE, THEME_COOKIE
from tests.console.served import Served

ROOT: Final = Path(__file__).parents[2]
SCREENSHOTS: Final = ROOT / os.environ.get("SCREENSHOTS", "build/screenshots")
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SERIOUS: Final = ("serious", "critical")
WIDE: Final = {"width": 1360, "height": 900}
PHONE: Final = {"width": 390, "height": 844}
REFUSED: Final = re.compile(r"^Failed to load resource: .* status of (400|401|403|410|422) ")
"""What Chromium itself notes when a form is refused: the page that says why has this status."""
WAIT_MS: Final = 60_000


def chromium() -> str:
    """The browser. Raises LookupError: then `make chromium` gets one."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if found is None:
        raise LookupError("the tests of the console need a browser: make chromium, or set CHROMIUM")
    return found


class Visitor:
    """A browser's window of one person; `complaints` are what the browser logged to its console."""

    def __init__(self, browser: Browser, served: Served, name: str = "", **looks: Any) -> None:
        self.served = served
        self.complaints: list[str] = []
        phone = looks.get("phone", False)
        self.context: BrowserContext = browser.new_context(
            viewport=PHONE if phone else WIDE,  # type: ignore[arg-type]
            has_touch=phone,
            locale="en-US",
            reduced_motion="reduce",
            color_scheme=looks.get("system", "light"),
        )
        self.waits(WAIT_MS)
        cookies = {
            LANGUAGE_COOKIE: looks.get("language", ""),
            THEME_COOKIE: looks.get("theme", ""),
            SESSION_COOKIE: served.sign_in(name) if name else "",
        }
        for cookie, value in cookies.items():
            if value:
                self.context.add_cookies([{"name": cookie, "value": value, "url": f"{served.url}/"}])
        self.page: Page = self.context.new_page()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def waits(self, for_ms: float) -> None:
        """From now on, actions and expectations of this window wait so long at most: a limit for slow machines."""
        self.context.set_default_timeout(for_ms)
        expect.set_options(timeout=for_ms)

    def go(self, path: str = "/") -> Page:
        """Open a path of the console."""
        self.page.goto(self.served.url + path)
        return self.page

    def shoot(self, name: str) -> None:
        """Keep a picture of the whole page for people to look at."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    def faults(self) -> list[str]:
        """What axe finds serious on the page as it is now."""
        self.page.evaluate(_axe())
        found = self.page.evaluate("rules => axe.run(document, {runOnly: {type: 'tag', values: rules}})", RULES)
        return [
            f"{each['id']} ({each['impact']}): {node['target']} {node.get('failureSummary', '')}"
            for each in found["violations"]
            if each["impact"] in SERIOUS
            for node in each["nodes"]
        ]

    def is_wider_than_its_window(self) -> bool:
        """Whether the page must be scrolled sideways."""
        wider: bool = self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1")
        return wider

    def close(self) -> None:
        """Close the window; nothing may have been logged to the browser's console."""
        self.context.close()
        assert not self.complaints, self.complaints

    def _note(self, message: ConsoleMessage) -> None:
        if REFUSED.search(message.text) and "/static/" not in message.location["url"]:
            return
        self.complaints.append(f"{message.type}: {message.text}")


@functools.cache
def _axe() -> str:
    return (Path(__file__).parent / "axe" / "axe.min.js").read_text("utf-8")
