"""A request at the console before it is known who asks: cookies, language, theme, the secret of its forms."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
from multidict import CIMultiDict

from dispatcher.core.people import Caller
from dispatcher.i18n import ENGLISH, LANGUAGES, language_asked
from producers.console.visit import Fields
from producers.web.site import Incoming

SESSION_COOKIE: Final = "dispatcher_session"
FORM_COOKIE: Final = "dispatcher_form"
LANGUAGE_COOKIE: Final = "dispatcher_language"
THEME_COOKIE: Final = "dispatcher_theme"
SAYS_COOKIE: Final = "dispatcher_says"
THEMES: Final = ("auto", "light", "dark")
YEAR_S: Final = 365 * 86_400
SAYS_CHARS_MAX: Final = 600
QUERY_FIELDS_MAX: Final = 200


class Arrival:
    """One request. `cookies` are those that its answer sets."""

    def __init__(self, incoming: Incoming, prefix: str, *, tls: bool) -> None:
        self.incoming: Final = incoming
        self.prefix: Final = prefix
        self.path: Final = incoming.path
        self.address: Final = incoming.address
        self._given = incoming.http.cookies
        self.session: Final = self._given.get(SESSION_COOKIE, "")
        self.language: Final = self._language()
        theme = self._given.get(THEME_COOKIE, "")
        self.theme: Final = theme if theme in THEMES else "auto"
        self.caller: Caller | None = None
        self.by_proxy = False
        self.cookies: CIMultiDict[str] = CIMultiDict()
        self._secure = tls or (
            incoming.connection.is_proxy and incoming.http.headers.get("X-Forwarded-Proto", "").strip() == "https"
        )
        self._form = self._given.get(FORM_COOKIE, "")

    @property
    def query(self) -> Fields:
        """The fields of the query; none if it cannot be read."""
        try:
            text = self.incoming.query.decode("utf-8")
            return Fields(parse_qsl(text, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX))
        except ValueError:
            return Fields()

    @property
    def is_htmx(self) -> bool:
        """Whether htmx asks for a part of a page."""
        return "HX-Request" in self.incoming.http.headers

    @property
    def same_site(self) -> bool:
        """Whether the browser says that a page of this site sends the form, or says nothing."""
        return self.incoming.http.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")

    def csrf(self) -> str:
        """The secret of this browser's forms: of its session, else of a cookie that is set now."""
        if self.session and not self.by_proxy and self.caller is not None:
            return _derived(self.session)
        if not self._form:
            self._form = secrets.token_urlsafe(32)
            self.set_cookie(FORM_COOKIE, self._form)
        return _derived(self._form)

    def says(self) -> tuple[str, str] | None:
        """(kind, sentence) that the last answer wanted to be shown, once."""
        given = self._given.get(SAYS_COOKIE)
        if not given:
            return None
        self.set_cookie(SAYS_COOKIE, "", 0)
        try:
            kind, sentence = msgspec.json.decode(base64.urlsafe_b64decode(given), type=tuple[str, str])
        except (ValueError, msgspec.MsgspecError):
            return None
        return kind, sentence[:SAYS_CHARS_MAX]

    def say_next(self, kind: str, sentence: str) -> None:
        """Have the next page show this sentence."""
        text = msgspec.json.encode((kind, sentence[:SAYS_CHARS_MAX]))
        self.set_cookie(SAYS_COOKIE, base64.urlsafe_b64encode(text).decode(), 60)

    def back(self) -> str:
        """The path of the page that the browser comes from, else the overview."""
        try:
            came = urlsplit(self.incoming.http.headers.get("Referer", ""))
        except ValueError:
            return "/"
        path = came.path.removeprefix(self.prefix) + (f"?{came.query}" if came.query else "")
        return path if is_local(path) else "/"

    def set_cookie(self, name: str, value: str, age_s: int | None = None) -> None:
        """Set a cookie that only this site gets and no script sees; without `age_s` until the browser ends."""
        parts = [f"{name}={value}", f"Path={self.prefix or '/'}", "HttpOnly", "SameSite=Lax"]
        if age_s is not None:
            parts.append(f"Max-Age={age_s}")
        if self._secure:
            parts.append("Secure")
        self.cookies.add("Set-Cookie", "; ".join(parts))

    def _language(self) -> str:
        chosen = self._given.get(LANGUAGE_COOKIE, "")
        if chosen in LANGUAGES:
            return chosen
        return language_asked(self.incoming.http.headers.get("Accept-Language", "")) or ENGLISH


def is_local(path: str) -> bool:
    """Whether this is a path of the console, and nothing that a browser takes for another site."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isascii() and path.isprintable()


def _derived(secret: str) -> str:
    return hashlib.sha256(b"form " + secret.encode("utf-8", "replace")).hexdigest()
