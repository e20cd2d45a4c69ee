"""People: who may sign in and as what, their sessions, the tokens of the API, who did what; and one's own page."""

from __future__ import annotations

from typing import Any, Final

from dispatcher.core.people import ROLES
from dispatcher.errors import UserError
from dispatcher.i18n import _
from dispatcher.service.people.audit import audit_trail
from dispatcher.service.people.directory import SignInRefused
from dispatcher.service.people.words import ACTION_WORDS, KIND_WORDS, PERMISSION_WORDS, ROLE_WORDS
from producers.console.visit import Answer, ConsoleRoute, Handler, Html, Redirect, Visit
from producers.console.wording.sentences import said

AUDIT_LINES: Final = 50


async def show_people(visit: Visit) -> Answer:
    """Everybody, the tokens, and who is signed in."""
    return _page(visit)


async def add_person(visit: Visit) -> Answer:
    """Add a person, with a one-time link that sets the password."""
    name, role = visit.form.get("name", "").strip(), visit.form.get("role", "")
    await visit.people.add_person(name, role, None, by=visit.caller.name)
    if visit.form.get("how") == "proxy":
        return Redirect("/people", _("{name} is added as {role}.").format(name=name, role=_role(role)))
    return await _with_link(visit, name, _("{name} is added as {role}.").format(name=name, role=_role(role)))


async def make_link(visit: Visit) -> Answer:
    """Another one-time link for a person."""
    return await _with_link(visit, visit.path["name"])


async def set_role(visit: Visit) -> Answer:
    """Give a person another role."""
    name, role = visit.path["name"], visit.form.get("role", "")
    await visit.people.set_role(name, role, by=visit.caller.name)
    return Redirect("/people", _("{name} is {role} now.").format(name=name, role=_role(role)))


async def remove_person(visit: Visit) -> Answer:
    """Remove a person; the name must be typed."""
    name = visit.path["name"]
    if visit.form.get("word", "").strip() != name:
        raise UserError(_("Type {name} to remove this person.").format(name=name))
    await visit.people.remove_person(name, by=visit.caller.name)
    return Redirect("/people", _("{name} is removed, signed out, and their tokens are revoked.").format(name=name))


async def end_sessions(visit: Visit) -> Answer:
    """Sign a person out, everywhere."""
    name = visit.path["name"]
    await visit.people.end_sessions(name)
    return Redirect("/people", _("{name} is signed out everywhere.").format(name=name))


async def add_token(visit: Visit) -> Answer:
    """Make a token, which is shown once."""
    name, days = visit.form.get("name", "").strip(), visit.form.get("days", "").strip()
    if days and not (days.isdecimal() and 1 <= int(days) <= 3_650):
        raise UserError(_("Days are a number from 1 to 3,650, or nothing."))
    made = await visit.people.add_token(
        name, visit.form.every("scope"), by=visit.caller.name, days=int(days) if days else None
    )
    did = _("Token {id} of {name}").format(id=made.id, name=name) + f": {', '.join(visit.form.every('scope'))}"
    return _page(visit, token={"name": name, "id": made.id, "secret": made.secret}, did=did)


async def revoke_token(visit: Visit) -> Answer:
    """Revoke a token."""
    found = await visit.people.revoke_token(visit.path["token"], by=visit.caller.name)
    return Redirect("/people", _("Token {token} of {name} is revoked.").format(token=found.token, name=found.name))


async def show_audit(visit: Visit) -> Answer:
    """Who did what, the newest first, with search."""
    search, before = visit.query.get("search", ""), visit.query.get("before", "")
    found = await audit_trail(
        visit.session, search=search, before=int(before) if before.isdecimal() else None, limit=AUDIT_LINES
    )
    return Html(
        "people/audit.html",
        {"trail": found, "search": search, "is_first": not before, "actions": ACTION_WORDS, "kinds": KIND_WORDS},
    )


async def show_me(visit: Visit) -> Answer:
    """One's own page."""
    return _me(visit)


async def change_password(visit: Visit) -> Answer:
    """Change one's own password, with the old one; it signs out everywhere."""
    new = visit.form.get("password", "")
    if new != visit.form.get("again", ""):
        return _me(visit, _("The two passwords differ."), 400)
    try:
        await visit.people.change_own_password(visit.caller.name, visit.form.get("old", ""), new, visit.address)
    except SignInRefused as refused:
        fault = _("The old password is wrong.")
        if refused.wait_s:
            fault = _("Too many tries. Wait {seconds} s, then try again.").format(seconds=int(refused.wait_s) + 1)
        return _me(visit, fault, 400)
    return Redirect("/sign-in", _("The password is changed. Sign in with the new one."))


async def end_own_sessions(visit: Visit) -> Answer:
    """Sign oneself out, everywhere."""
    await visit.people.end_sessions(visit.caller.name)
    return Redirect("/sign-in", _("You are signed out everywhere."))


async def _with_link(visit: Visit, name: str, did: str = "") -> Html:
    made = await visit.people.make_link(name, by=visit.caller.name)
    return _page(visit, link={"name": name, "path": f"/link/{made.secret}", "until_ms": made.expires_ms}, did=did)


def _beside(order: str, handler: Handler) -> Handler:
    """The handler of a form whose mistakes are said beside it; `order` names the form, with the values of its path."""

    async def handle(visit: Visit) -> Answer:
        try:
            return await handler(visit)
        except UserError as error:
            return _page(visit, 422, mistake=said(error), order=order.format(**visit.path))

    return handle


def _page(visit: Visit, status: int = 200, **made: Any) -> Html:
    values = {
        "mistake": "",
        "order": "",
        "typed": visit.form,
        "people": visit.people.list_people(),
        "tokens": visit.people.list_tokens(),
        "sessions": visit.people.list_sessions(),
        "roles": ROLES,
        "permissions": PERMISSION_WORDS,
        "role_words": ROLE_WORDS,
        "link": None,
        "token": None,
    }
    return Html("people/people.html", values | made, status)


def _me(visit: Visit, fault: str = "", status: int = 200) -> Html:
    values = {
        "sessions": visit.people.list_sessions(visit.caller.name),
        "permissions": PERMISSION_WORDS,
        "role_words": ROLE_WORDS,
        "fault": fault,
    }
    return Html("people/me.html", values, status)


def _role(role: str) -> str:
    return _(next((words for known, words in ROLE_WORDS.items() if known == role), role))


def _route(method: str, path: str, handler: Any) -> ConsoleRoute:
    return ConsoleRoute(method=method, path=path, permission="people:admin", handler=handler)


ROUTES: Final = (
    _route("GET", "/people", show_people),
    _route("GET", "/people/audit", show_audit),
    _route("POST", "/people/add", _beside("add", add_person)),
    _route("POST", "/people/{name}/role", _beside("role {name}", set_role)),
    _route("POST", "/people/{name}/link", make_link),
    _route("POST", "/people/{name}/remove", _beside("remove {name}", remove_person)),
    _route("POST", "/people/{name}/sign-out", end_sessions),
    _route("POST", "/people/tokens/add", _beside("token", add_token)),
    _route("POST", "/people/tokens/{token}/revoke", revoke_token),
    ConsoleRoute(method="GET", path="/me", permission=None, handler=show_me),
    ConsoleRoute(method="POST", path="/me/password", permission=None, handler=change_password),
    ConsoleRoute(method="POST", path="/me/sign-out", permission=None, handler=end_own_sessions),
)
