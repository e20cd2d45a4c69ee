"""Settings: the configuration in force, without secrets; log and results; versions. It changes nothing."""

from __future__ import annotations

from typing import Final

from dispatcher.service.settings import show_settings
from producers.console.visit import Answer, ConsoleRoute, Html, Visit


async def show(visit: Visit) -> Answer:
    """Everything on one page."""
    return Html("settings/settings.html", {"view": await show_settings(visit.session)})


ROUTES: Final = (ConsoleRoute(method="GET", path="/settings", permission="settings:read", handler=show),)
