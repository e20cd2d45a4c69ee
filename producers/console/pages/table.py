"""Every page of the console."""

from __future__ import annotations

from typing import Final

from producers.console.pages import people, settings
from producers.console.visit import ConsoleRoute

ROUTES: Final[tuple[ConsoleRoute, ...]] = (*people.ROUTES, *settings.ROUTES)
