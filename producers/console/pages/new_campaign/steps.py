"""The first three steps of a new campaign: its list, its text, when and how. The fourth is the page of the draft."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from dispatcher.clock import now_ms
from dispatcher.core.launches.retries import CLASSES as RETRY_CLASSES
from dispatcher.core.schedule.hours import NEVER
from dispatcher.errors import DispatcherError, UserError
from dispatcher.i18n import _
from dispatcher.sentences import Sentence
from dispatcher.service.accounts import flow_words
from dispatcher.service.text_preview import TextPreview, preview_text
from dispatcher.terminal.times import coming_ms
from producers.console.pages.new_campaign.terms import (
    CLASSES,
    CLOSINGS,
    DAYS,
    POLICIES,
    TEXTS_MAX,
    days_of,
    field_of,
    hours_of,
    retry_answers,
    text_terms,
    when_terms,
)
from producers.console.pages.orders import typed_count
from producers.console.services import SHORT_BYTES_MAX, SHORT_RECIPIENTS_MAX, call
from producers.console.unfinished import CampaignForm, ListChoice
from producers.console.visit import Answer, ConsoleRoute, Download, Handler, Html, Redirect, Visit
from producers.console.wording.sentences import said
from producers.launch.definition import new_id
from producers.lists.inspection import ListInspection, not_usable

PASTED_CHARS_MAX: Final = 900_000
NAME_CHARS_MAX: Final = 120


# --- the list --------------------------------------------------------------------------------------------------------


async def begin(visit: Visit) -> Answer:
    """The first step, before there is a list; and what is unfinished."""
    unfinished = await asyncio.to_thread(visit.state.forms.all)
    return Html("new_campaign/begin.html", {"unfinished": unfinished, "mistake": "", "pasted": "", "step": "list"})


async def upload(visit: Visit) -> Answer:
    """Take a list: a file, or pasted numbers."""
    mistake = _no_list(visit)
    if mistake:
        unfinished = await asyncio.to_thread(visit.state.forms.all)
        values = {"unfinished": unfinished, "mistake": mistake, "pasted": visit.form.get("pasted", ""), "step": "list"}
        return Html("new_campaign/begin.html", values, 422)
    form = await asyncio.to_thread(visit.state.forms.new, visit.caller.name)
    return await _taken(visit, form)


async def show_list(visit: Visit) -> Answer:
    """What is in the list."""
    return _list_page(visit, await _form(visit))


async def change_list(visit: Visit) -> Answer:
    """Another file, or another choice of sheet, header or column."""
    form = await _form(visit)
    if visit.files or visit.form.get("pasted", "").strip():
        return await _taken(visit, form)
    if visit.form.get("action") == "next" and form.has_list:
        return Redirect(f"/new-campaign/{form.form}/text")
    if not form.list_name:
        return _list_page(visit, form, _no_list(visit) or _("Choose a file, or paste numbers."))
    header = visit.form.get("header_row", "")
    choice = ListChoice(
        column=typed_count(visit.form.get("column", "")),
        sheet=visit.form.get("sheet") or None,
        header_row=typed_count(header) if header else None,
        hidden_rows=visit.form.get("hidden_rows") or None,
        encoding=visit.form.get("encoding", "").strip() or None,
    )
    if choice.sheet != form.choice.sheet:
        choice = ListChoice(sheet=choice.sheet)
    return await _inspected(visit, replace(form, choice=choice))


async def set_aside(visit: Visit) -> Answer:
    """The rows that are not texted, with why."""
    form = await _form(visit)
    path = visit.state.forms.set_aside_path(form)
    if not path.is_file():
        raise UserError(_("No row is set aside."))
    await visit.audit("numbers.unmask", form.form, says="set-aside rows of a new campaign")
    content = await asyncio.to_thread(path.read_bytes)
    return Download(content, f"{Path(form.list_name).stem or 'list'}.set-aside.csv", "text/csv; charset=utf-8")


def _no_list(visit: Visit) -> str:
    """Why no list was given, or ""."""
    pasted = visit.form.get("pasted", "").strip()
    if any(file.size for file in visit.files.values()):
        return ""
    if any(file.name for file in visit.files.values()):
        return _("The file is empty. Choose one with a phone number on each row.")
    if len(pasted) > PASTED_CHARS_MAX:
        return _("Too much to paste: save it as a file and choose that.")
    return "" if pasted else _("Choose a file, or paste numbers.")


async def _taken(visit: Visit, form: CampaignForm) -> Answer:
    """Keep the list that came, and look at it."""
    forms, file = visit.state.forms, next((each for each in visit.files.values() if each.size), None)
    if mistake := _no_list(visit):
        return _list_page(visit, form, mistake)
    terms = {name: value for name, value in form.terms.items() if name != "follows"}  # others than who is followed up
    form = replace(form, list_of="", choice=ListChoice(), terms=terms)
    if file is not None:
        form = replace(form, list_name=Path(file.name).name[:NAME_CHARS_MAX] or _("list"), list_bytes=file.size)
        await asyncio.to_thread(forms.take_list, form, file.path)
    else:
        pasted = visit.form.get("pasted", "").replace("\r\n", "\n")
        form = replace(form, list_name=_("pasted numbers"), list_bytes=len(pasted))
        await asyncio.to_thread(forms.write_list, form, pasted)
    return await _inspected(visit, form)


async def _inspected(visit: Visit, form: CampaignForm) -> Answer:
    """Look at the list by its choice, keep what was found, and show it."""
    forms = visit.state.forms
    path, aside = forms.list_path(form), forms.set_aside_path(form)
    aside.unlink(missing_ok=True)
    try:
        plain = await call(
            visit.session,
            "inspect_list",
            long=form.list_bytes > SHORT_BYTES_MAX,
            paths=[str(path)],
            choice=msgspec.to_builtins(form.choice),
            set_aside=str(aside),
        )
        found = msgspec.convert(plain, ListInspection)
    except UserError as error:
        found = not_usable(error)
    if found.mistake:
        found = not_usable(Sentence.of_json(found.sentence).replacing(str(path), form.list_name), found)
    form = await asyncio.to_thread(forms.keep, replace(form, found=found))
    return Redirect(f"/new-campaign/{form.form}/list")


def _list_page(visit: Visit, form: CampaignForm, mistake: str = "") -> Html:
    return Html("new_campaign/list.html", {"form": form, "mistake": mistake, "step": "list"}, 422 if mistake else 200)


# --- the text --------------------------------------------------------------------------------------------------------


async def show_text(visit: Visit) -> Answer:
    """The text, its parts and cost, and how it arrives."""
    form = await _form(visit)
    return _text_page(visit, form, form.terms)


async def change_text(visit: Visit) -> Answer:
    """Keep the text; on with it if it can be sent."""
    form = await _form(visit)
    terms = text_terms(form.terms, visit.form)
    previews = _previews(visit, form, terms)
    mistake = next((each for each in map(_mistake_of, previews) if each), "")
    form = await asyncio.to_thread(visit.state.forms.keep, replace(form, terms=terms))
    if mistake or "more" in visit.form:
        return _text_page(visit, form, terms, mistake if "more" not in visit.form else "", more="more" in visit.form)
    return Redirect(f"/new-campaign/{form.form}/when")


async def preview(visit: Visit) -> Answer:
    """The text that is being written, measured, as a fragment; it is kept, so that a reload loses nothing."""
    form = await _form(visit)
    terms = text_terms(form.terms, visit.form)
    if terms != form.terms:
        form = await asyncio.to_thread(visit.state.forms.keep, replace(form, terms=terms))
    return Html("new_campaign/preview.html", {"form": form, "previews": _previews(visit, form, terms)})


def _previews(visit: Visit, form: CampaignForm, terms: dict[str, Any]) -> list[TextPreview]:
    columns = {column.name or str(column.number): column.samples for column in form.found.columns}
    known = visit.state.config
    route = [name for name in terms.get("route", []) if name in known.accounts or name in known.routes]
    return [
        preview_text(
            visit.session,
            text,
            route=route,
            campaign_class=terms.get("class", "marketing"),
            columns=columns if form.found.columns else None,
            recipients=form.found.recipients or None,
        )
        for text in (terms.get("text", ""), *terms.get("more_texts", ()))
    ]


def _mistake_of(found: TextPreview) -> str:
    """Why the text cannot be sent to this list, or ""."""
    if found.missing:
        return _("The list has no column {name}.").format(name=f"{{{found.missing[0]}}}")
    return said(found.mistake)


def _text_page(
    visit: Visit, form: CampaignForm, terms: dict[str, Any], mistake: str = "", *, more: bool = False
) -> Html:
    texts = [terms.get("text", ""), *terms.get("more_texts", ())]
    if more and len(texts) < TEXTS_MAX:
        texts.append("")
    previews = _previews(visit, form, terms) if terms.get("text") else []
    values = {
        "form": form,
        "texts": texts,
        "texts_max": TEXTS_MAX,
        "previews": previews,
        "mistake": mistake,
        "step": "text",
    }
    return Html("new_campaign/text.html", values, 422 if mistake else 200)


# --- when and how ----------------------------------------------------------------------------------------------------


async def show_when(visit: Visit) -> Answer:
    """Route, class, hours, start, budget, waves, share."""
    form = await _form(visit)
    return _when_page(visit, form, form.terms, {})


async def change_when(visit: Visit) -> Answer:
    """Keep the answers and draft the campaign: from then on it is on the log, and its page is the fourth step."""
    form = await _form(visit)
    terms, mistakes = when_terms(form.terms, visit.form)
    start = visit.form.get("start", "").strip()
    campaign = form.campaign or visit.form.get("id", "").strip()
    form = await asyncio.to_thread(visit.state.forms.keep, replace(form, terms=terms, start=start))
    start_ms = 0
    try:
        start_ms = coming_ms(start, "start") if start else 0
    except UserError as error:
        mistakes["start"] = said(error)
    if not form.has_list:
        return Redirect(f"/new-campaign/{form.form}/list", _("It has no list yet."), "warn")
    if not form.text:
        return Redirect(f"/new-campaign/{form.form}/text", _("It has no text yet."), "warn")
    if mistakes:
        return _when_page(visit, form, terms, mistakes, campaign)
    campaign = campaign or new_id(terms.get("name", ""), datetime.fromtimestamp(now_ms() / 1000))
    try:
        done = await _draft(visit, form, campaign, terms, start_ms)
    except DispatcherError as error:
        sentence = error.sentence.replacing(str(visit.state.forms.list_path(form)), form.list_name)
        return _when_page(visit, form, terms, {field_of(error): said(sentence)}, campaign)
    await asyncio.to_thread(visit.state.forms.remove, form)
    return Redirect(f"/campaigns/{done['campaign']}", _("Drafted. Nothing is sent until it is launched."))


async def forget(visit: Visit) -> Answer:
    """Forget an unfinished campaign and its list."""
    await asyncio.to_thread(visit.state.forms.remove, await _form(visit))
    return Redirect("/new-campaign", _("The unfinished campaign and its list are removed."))


async def _draft(visit: Visit, form: CampaignForm, campaign: str, terms: dict[str, Any], start_ms: int) -> Any:
    is_long = form.list_bytes > SHORT_BYTES_MAX or form.found.recipients > SHORT_RECIPIENTS_MAX
    lists: dict[str, Any] = {"list_of": form.list_of}
    if not form.list_of:
        choice = {name: value for name, value in msgspec.to_builtins(form.choice).items() if value is not None}
        lists = {"lists": [str(visit.state.forms.list_path(form))], "choice": choice}
    return await call(
        visit.session,
        "draft_of_terms",
        long=is_long,
        campaign=campaign,
        terms=terms,
        start_ms=start_ms,
        by=visit.caller.name,
        **lists,
    )


def _when_page(
    visit: Visit, form: CampaignForm, terms: dict[str, Any], mistakes: dict[str, str], campaign: str = ""
) -> Html:
    config = visit.state.config
    usable = dict(sorted(config.accounts.items()))
    hours = {name: config.hours.of_class(name) for name in CLASSES}  # type: ignore[arg-type]
    values = {
        "form": form,
        "terms": terms,
        "mistakes": mistakes,
        "accounts": [
            (name, vendor.tag, flow_words(vendor), vendor.price is not None) for name, vendor in usable.items()
        ],
        "routes": sorted(config.routes),
        "classes": [(name, "" if hours[name] == NEVER else str(hours[name])) for name in CLASSES],
        "closings": CLOSINGS,
        "policies": POLICIES,
        "days": DAYS,
        "chosen_days": days_of(terms),
        "hours": hours_of(terms),
        "retry": retry_answers(terms),
        "retry_classes": RETRY_CLASSES,
        "approval_above": config.approval.above,
        "campaign": form.campaign or campaign,
        "step": "when",
    }
    return Html("new_campaign/when.html", values, 422 if mistakes else 200)


async def _form(visit: Visit) -> CampaignForm:
    """Raises UserError if it is gone."""
    return await asyncio.to_thread(visit.state.forms.get, visit.path["form"])


def _route(method: str, path: str, handler: Handler, **more: bool) -> ConsoleRoute:
    return ConsoleRoute(method=method, path=path, permission="campaigns:draft", handler=handler, **more)


ROUTES: Final = (
    _route("GET", "/new-campaign", begin),
    _route("POST", "/new-campaign", upload, uploads=True),
    _route("GET", "/new-campaign/{form}/list", show_list),
    _route("POST", "/new-campaign/{form}/list", change_list, uploads=True),
    _route("GET", "/new-campaign/{form}/text", show_text),
    _route("POST", "/new-campaign/{form}/text", change_text),
    _route("POST", "/new-campaign/{form}/preview", preview, audited=False),
    _route("GET", "/new-campaign/{form}/when", show_when),
    _route("POST", "/new-campaign/{form}/when", change_when),
    _route("POST", "/new-campaign/{form}/forget", forget),
    ConsoleRoute(method="GET", path="/new-campaign/{form}/set-aside", permission="numbers:read", handler=set_aside),
)
