"""The page of the suppression list: search, add, remove, import, export."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final

import numpy as np

from dispatcher.errors import UserError
from dispatcher.i18n import _, ngettext
from dispatcher.masking import masked_number
from dispatcher.private_files import written_whole
from dispatcher.service.suppression import (
    SuppressedNumbers,
    change_suppression,
    list_suppressed,
    read_suppression,
    suppression_key,
)
from dispatcher.store.export.table_files import TableKind
from producers.console.folders import console_folder
from producers.console.visit import Answer, ConsoleRoute, Download, Html, Redirect, Visit
from producers.console.wording.sentences import said
from producers.lists.columns import Choice
from producers.suppression.export import export_list
from producers.suppression.reading import read_numbers

SHOWN: Final = 100
NUMBERS_MAX: Final = 1_000


async def suppression(visit: Visit) -> Answer:
    """The newest numbers of the list."""
    return await _page(visit)


async def find(visit: Visit) -> Answer:
    """Whether one number is on the list, since when and why. The number is in no address."""
    number = visit.form.get("number", "").strip()
    try:
        found = await list_suppressed(visit.session, suppression_key(number))
    except UserError as error:
        return await _page(visit, said(error), "find")
    await visit.audit("numbers.lookup", masked_number(number), says="suppression list")
    return await _page(visit, searched=found)


async def add(visit: Visit) -> Answer:
    """Put numbers on the list."""
    return await _change(visit, adds=True)


async def remove(visit: Visit) -> Answer:
    """Take numbers off the list."""
    return await _change(visit, adds=False)


async def import_list(visit: Visit) -> Answer:
    """Put all numbers of a file on the list."""
    file = next((each for each in visit.files.values() if each.size), None)
    try:
        if file is None:
            raise UserError(_("Choose a file with numbers."))
        column = visit.form.get("column", "").strip() or None
        read = await read_numbers(str(file.path), Choice(column=column, phs=True, hidden_rows="include"))
        why = visit.form.get("why", "").strip() or file.name
        done = await change_suppression(
            visit.session, read.numbers, adds=True, source="import", why=why, by=visit.caller.name
        )
    except UserError as error:
        sentence = said(error if file is None else error.sentence.replacing(str(file.path), file.name))
        return await _page(visit, sentence, "import")
    invalid = sum(read.invalid_reasons.values())
    says = _("{added} numbers were added, {already} were there already, {invalid} rows are no phone numbers.")
    return Redirect(
        "/suppression",
        says.format(added=f"{done.changed:,}", already=f"{done.numbers - done.changed:,}", invalid=f"{invalid:,}"),
    )


async def export(visit: Visit) -> Answer:
    """The whole list as a file."""
    kind: TableKind = "csv" if visit.query.get("kind") == "csv" else "xlsx"
    found = await read_suppression(visit.session, detailed=True)
    path = console_folder(visit.session.places, "exports") / f"suppression.{secrets.token_hex(8)}"

    def write() -> int:
        with written_whole(path) as out:
            return export_list(found, out, kind)

    rows = await asyncio.to_thread(write)
    await visit.audit("numbers.export", "suppression", says=f"{rows:,} rows as {kind}")
    return Download(path, f"suppression.{kind}", "text/csv; charset=utf-8" if kind == "csv" else XLSX)


XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def _change(visit: Visit, *, adds: bool) -> Answer:
    order = "add" if adds else "remove"
    written = visit.form.get("numbers", "").replace(",", "\n").replace("，", "\n").replace(";", "\n").splitlines()
    numbers = [each.strip() for each in written if each.strip()]
    try:
        if not numbers:
            raise UserError(_("Write at least one number."))
        if len(numbers) > NUMBERS_MAX:
            raise UserError(_("Write {max} numbers at most, or import a file.").format(max=f"{NUMBERS_MAX:,}"))
        why = visit.form.get("why", "").strip()
        if not adds and not why:
            raise UserError(_("Write why they may be texted again."))
        keys = np.array([suppression_key(each) for each in numbers], np.int64)
    except UserError as error:
        return await _page(visit, said(error), order)
    done = await change_suppression(visit.session, keys, adds=adds, source="person", why=why, by=visit.caller.name)
    if adds:
        says = ngettext("{n} number is on the list now.", "{n} numbers are on the list now.", done.changed)
    else:
        says = ngettext("{n} number was taken off the list.", "{n} numbers were taken off the list.", done.changed)
    rest = done.numbers - done.changed
    more = ""
    if rest:
        more = _(" {n} were there already.") if adds else _(" {n} were not there.")
    return Redirect("/suppression", says.format(n=f"{done.changed:,}") + more.format(n=f"{rest:,}"))


async def _page(visit: Visit, mistake: str = "", order: str = "", searched: SuppressedNumbers | None = None) -> Html:
    found = await list_suppressed(visit.session, limit=SHOWN)
    unmasked = "unmasked" in visit.query and visit.may("numbers:read")
    if unmasked:
        await visit.audit("numbers.unmask", "suppression")
    values: dict[str, Any] = {
        "found": found,
        "searched": searched,
        "mistake": mistake,
        "order": order,
        "typed": visit.form,
        "unmasked": unmasked,
        "number_of": (lambda number: number) if unmasked else masked_number,
    }
    return Html("suppression/page.html", values, 422 if mistake else 200)


ROUTES: Final = (
    ConsoleRoute(method="GET", path="/suppression", permission="suppression:read", handler=suppression),
    ConsoleRoute(method="POST", path="/suppression/find", permission="suppression:read", handler=find, audited=False),
    ConsoleRoute(method="POST", path="/suppression/add", permission="suppression:write", handler=add),
    ConsoleRoute(method="POST", path="/suppression/remove", permission="suppression:write", handler=remove),
    ConsoleRoute(
        method="POST", path="/suppression/import", permission="suppression:write", handler=import_list, uploads=True
    ),
    ConsoleRoute(method="GET", path="/suppression/export", permission="numbers:read", handler=export),
)
