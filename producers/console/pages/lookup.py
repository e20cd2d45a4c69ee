"""The page of one number: its state in every campaign, suppression, set-aside rows, and what it wrote to us."""

from __future__ import annotations

from typing import Final

from dispatcher.errors import UserError
from dispatcher.masking import masked_number
from dispatcher.service.lookup import look_up
from producers.console.visit import Answer, ConsoleRoute, Html, Visit
from producers.console.wording.sentences import said


async def ask(visit: Visit) -> Answer:
    """The form."""
    return Html("lookup/page.html", {"found": None, "number": "", "mistake": ""})


async def look(visit: Visit) -> Answer:
    """Everything about the number of the form. The number is in no address, and each look-up is audited, masked."""
    number = visit.form.get("number", "").strip()
    try:
        found = await look_up(visit.session, number)
    except UserError as error:
        return Html("lookup/page.html", {"found": None, "number": number, "mistake": said(error)}, 422)
    await visit.audit("numbers.lookup", masked_number(found.number))
    return Html("lookup/page.html", {"found": found, "number": number, "mistake": ""})


ROUTES: Final = (
    ConsoleRoute(method="GET", path="/lookup", permission="campaigns:read", handler=ask),
    ConsoleRoute(method="POST", path="/lookup", permission="numbers:read", handler=look, audited=False),
)
