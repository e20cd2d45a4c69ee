"""Signing in and out, the one-time links, and the switches of language and theme: all that needs no sign-in."""

from __future__ import annotations

import time
from typing import Final

from dispatcher.errors import UserError
from dispatcher.i18n import LANGUAGES, _
from dispatcher.service.people.audit import audit, audit_as
from dispatcher.service.people.directory import SESSION_S, Directory, SignInRefused
from dispatcher.service.session import Session
from producers.console.arrival import (
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    THEME_COOKIE,
    THEMES,
    YEAR_S,
    Arrival,
    is_local,
)
from producers.console.forms import read_form
from producers.console.visit import Html, Redirect
from producers.console.wording.sentences import said

FORM_BYTES_MAX: Final = 16_384
FAILURES_KEPT_PER_MIN: Final = 30
"""Failed sign-ins in the audit trail, so that a flood of them does not fill the log."""


class SignIn:
    """Answers the paths of this module; None: the path is another one."""

    def __init__(self, session: Session, people: Directory) -> None:
        self._session = session
        self._people = people
        self._minute = self._kept = 0

    async def answer(self, arrival: Arrival) -> Html | Redirect | None:
        """Raises BadForm, LogError."""
        _empty, first, *rest = arrival.path.split("/")
        value = rest[0] if len(rest) == 1 else ""
        posts = arrival.incoming.method == "POST"
        match first:
            case "sign-in" if not rest:
                return await self._sign_in(arrival) if posts else self._page(arrival)
            case "sign-out" if not rest and posts:
                return await self._sign_out(arrival)
            case "link" if value:
                return await self._use_link(arrival, value) if posts else self._link_page(arrival, value)
            case "language" if value in LANGUAGES:
                arrival.set_cookie(LANGUAGE_COOKIE, value, YEAR_S)
                return Redirect(arrival.back())
            case "theme" if value in THEMES:
                arrival.set_cookie(THEME_COOKIE, value, YEAR_S)
                return Redirect(arrival.back())
        return None

    def _page(self, arrival: Arrival, name: str = "", fault: str = "", status: int = 200, to: str = "") -> Html:
        to = to or arrival.query.get("next", "/")
        values = {
            "name": name,
            "fault": fault,
            "next": to if is_local(to) else "/",
            "empty": not self._people.has_admin,
        }
        return Html("base/sign_in.html", values, status)

    async def _sign_in(self, arrival: Arrival) -> Html | Redirect:
        form, _files = await read_form(arrival.incoming, arrival.csrf(), None, bytes_max=FORM_BYTES_MAX)
        name, to = form.get("name", "").strip(), form.get("next", "/")
        agent = arrival.incoming.http.headers.get("User-Agent", "")
        try:
            made = await self._people.sign_in(name, form.get("password", ""), address=arrival.address, agent=agent)
        except SignInRefused as refused:
            arrival.incoming.connection.distrust()
            await self._note_failure(name, arrival.address, str(refused))
            fault = _("The name or the password is wrong.")
            if refused.wait_s:
                fault = _("Too many tries. Wait {seconds} s, then try again.").format(seconds=int(refused.wait_s) + 1)
            return self._page(arrival, name, fault, 429 if refused.wait_s else 401, to)
        arrival.set_cookie(SESSION_COOKIE, made.secret, SESSION_S)
        await audit_as(self._session, name, "person", "sign-in", address=arrival.address)
        return Redirect(to if is_local(to) else "/")

    async def _sign_out(self, arrival: Arrival) -> Redirect:
        if arrival.caller is not None:
            await read_form(arrival.incoming, arrival.csrf(), None, bytes_max=FORM_BYTES_MAX)
            await self._people.sign_out(arrival.session)
            await audit(self._session, arrival.caller, "sign-out", address=arrival.address)
        arrival.set_cookie(SESSION_COOKIE, "", 0)
        return Redirect("/sign-in")

    def _link_page(self, arrival: Arrival, secret: str, fault: str = "", name: str = "") -> Html:
        found = self._people.link_is_for(secret)
        if found is None:
            arrival.incoming.connection.distrust()
        values = {"whose": found, "fault": fault, "name": name, "secret": secret}
        return Html("base/link.html", values, 410 if found is None else 400 if fault else 200)

    async def _use_link(self, arrival: Arrival, secret: str) -> Html | Redirect:
        form, _files = await read_form(arrival.incoming, arrival.csrf(), None, bytes_max=FORM_BYTES_MAX)
        name, password = form.get("name", "").strip(), form.get("password", "")
        if password != form.get("again", ""):
            return self._link_page(arrival, secret, _("The two passwords differ."), name)
        agent = arrival.incoming.http.headers.get("User-Agent", "")
        try:
            who, made = await self._people.use_link(secret, password, name=name, address=arrival.address, agent=agent)
        except UserError as error:
            return self._link_page(arrival, secret, said(error), name)
        arrival.set_cookie(SESSION_COOKIE, made.secret, SESSION_S)
        await audit_as(self._session, who, "person", "link-used", address=arrival.address)
        return Redirect("/")

    async def _note_failure(self, name: str, address: str, says: str) -> None:
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._kept = minute, 0
        self._kept += 1
        if self._kept <= FAILURES_KEPT_PER_MIN:
            await audit_as(self._session, name, "nobody", "sign-in", says=says, refused=True, address=address)
