"""Ordering an export of a campaign, how far it is, and its file."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path
from typing import Final

from dispatcher.clock import now_ms
from dispatcher.errors import UserError
from dispatcher.i18n import _
from dispatcher.service.campaigns.views import view_of
from dispatcher.store.export.recipients import FORMATS, REJECTED, STATES, Format
from producers.console.exports import KEPT_S, Export
from producers.console.folders import console_folder, remove_older
from producers.console.visit import Answer, ConsoleRoute, Download, Html, Redirect, Visit

TYPES: Final[dict[Format, str]] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}


async def order(visit: Visit) -> Answer:
    """Begin an export; it holds numbers, so only who may see them gets one."""
    id_, form = visit.path["id"], visit.form
    view = await view_of(visit.session, id_)
    kind = form.get("kind", "xlsx")
    if kind not in FORMATS:
        raise UserError(_("Choose a format: {formats}.").format(formats=", ".join(FORMATS)))
    known = {*STATES, *REJECTED}
    folder = await asyncio.to_thread(_folder, visit)
    token = secrets.token_urlsafe(16)
    export = Export(
        token=token,
        by=visit.caller.name,
        campaign=id_,
        kind=kind,
        states=[word for word in form.every("state") if word in known],
        asked_ms=now_ms(),
        recipients=view.counts.recipients,
        path=folder / f"{token}.{kind}",
    )
    await visit.state.exports.start(
        visit.session,
        export,
        texts="texts" in form,
        values="values" in form,
        language="zh" if form.get("language", visit.language) == "zh" else "en",
    )
    return Redirect(f"/exports/{token}")


async def exports(visit: Visit) -> Answer:
    """This person's exports."""
    return Html("campaign/exports.html", {"exports": visit.state.exports.of(visit.caller.name)})


async def export(visit: Visit) -> Answer:
    """One export: how far it is, and its file."""
    found = visit.state.exports.get(visit.path["token"], visit.caller.name)
    template = "campaign/export_state.html" if "part" in visit.query else "campaign/export.html"
    return Html(template, {"export": found})


async def file(visit: Visit) -> Answer:
    """The file of an export."""
    found = visit.state.exports.get(visit.path["token"], visit.caller.name)
    if not found.is_ready:
        raise UserError(_("This export is not ready yet."))
    once = found.path.with_name(f"{found.path.stem}.{secrets.token_hex(4)}")
    await asyncio.to_thread(os.link, found.path, once)
    await visit.audit("numbers.export", found.campaign, says=f"{found.rows:,} rows as {found.kind}")
    return Download(once, found.name, TYPES[found.kind])


def _folder(visit: Visit) -> Path:
    folder = console_folder(visit.session.places, "exports")
    remove_older(folder, KEPT_S)
    return folder


ROUTES: Final = (
    ConsoleRoute(method="POST", path="/campaigns/{id}/exports", permission="numbers:read", handler=order),
    ConsoleRoute(method="GET", path="/exports", permission="numbers:read", handler=exports),
    ConsoleRoute(method="GET", path="/exports/{token}", permission="numbers:read", handler=export),
    ConsoleRoute(method="GET", path="/exports/{token}/file", permission="numbers:read", handler=file),
)
