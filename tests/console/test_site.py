"""The site without a browser: who is let in, what a form must have, what a proxy may say, what a stranger cannot do."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from dispatcher.service.people.audit import audit_trail
from producers.console.arrival import SESSION_COOKIE
from tests.console.served import PASSWORD, Served, configuration


class Answer:
    """Status, headers and body."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read().decode("utf-8", "replace")

    @property
    def location(self) -> str:
        return self.headers["Location"]

    def cookies(self) -> dict[str, str]:
        given = [each.partition(";")[0].partition("=") for each in self.headers.get_all("Set-Cookie", [])]
        return {name: value for name, _, value in given}

    def csrf(self) -> str:
        found = re.search(r'name="csrf" (?:value|content)="([0-9a-f]{64})"', self.body)
        assert found is not None
        return found[1]


def ask(
    served: Served, path: str, *, method: str = "GET", body: str = "", cookies: Mapping[str, str] = {}, **headers: str
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(served.web.url).port, timeout=30)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if cookies:
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    if method == "POST":
        sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
    connection.request(method, path, body.encode() if method == "POST" else None, sent)
    answer = Answer(connection.getresponse())
    connection.close()
    return answer


def signed_in(served: Served, name: str = "ann") -> dict[str, str]:
    return {SESSION_COOKIE: served.sign_in(name)}


def post(served: Served, path: str, cookies: Mapping[str, str], form: Mapping[str, str], page: str = "/me") -> Answer:
    csrf = ask(served, page, cookies=cookies).csrf()
    return ask(served, path, method="POST", body=urlencode({"csrf": csrf, **form}), cookies=cookies)


def test_a_refusal_is_in_the_audit_trail(served):
    ask(served, "/people", cookies=signed_in(served, "vera"))
    trail = served.run(lambda: audit_trail(served.session, search="vera people:admin"))
    assert trail.entries[0].refused
    assert trail.entries[0].target == "/people"


def test_an_order_that_is_refused_is_in_the_audit_trail_with_why(served):
    cookies = signed_in(served)
    post(served, "/people/add", cookies, {"name": "no name", "role": "viewer"})
    post(served, "/me/password", cookies, {"old": PASSWORD, "password": "x" * 12, "again": "y" * 12})
    post(served, "/people/add", cookies, {"name": "kim", "role": "viewer"})
    trail = served.run(lambda: audit_trail(served.session, search="ann"))
    added, password, refused = trail.entries[:3]
    assert (added.refused, added.says) == (False, "kim is added as viewer.")
    assert (password.refused, password.target, password.says) == (True, "/me/password", "The two passwords differ.")
    assert (refused.refused, refused.target) == (True, "/people/add")
    assert '"no name"' in refused.says


def test_a_session_cookie_is_no_script_s_and_ends_with_its_session(served):
    page = ask(served, "/sign-in")
    form = {"csrf": page.csrf(), "name": "ann", "password": PASSWORD, "next": "/people"}
    answer = ask(served, "/sign-in", method="POST", body=urlencode(form), cookies=page.cookies())
    assert (answer.status, answer.location) == (303, "/people")
    (cookie,) = [each for each in answer.headers.get_all("Set-Cookie", []) if each.startswith(SESSION_COOKIE)]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    cookies = {SESSION_COOKIE: answer.cookies()[SESSION_COOKIE]}
    assert ask(served, "/people", cookies=cookies).status == 200
    assert post(served, "/sign-out", cookies, {}).location == "/sign-in"
    assert ask(served, "/people", cookies=cookies).status == 303


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_after_the_sign_in_nobody_is_led_to_another_site(served, to):
    page = ask(served, f"/sign-in?{urlencode({'next': to})}")
    assert "evil" not in page.body
    form = {"csrf": page.csrf(), "name": "ann", "password": PASSWORD, "next": to}
    answer = ask(served, "/sign-in", method="POST", body=urlencode(form), cookies=page.cookies())
    assert answer.location == "/"


@pytest.mark.parametrize("csrf", ["", "0" * 64, "é"])
def test_a_form_without_its_secret_changes_nothing(served, csrf):
    cookies = signed_in(served)
    form = urlencode({"csrf": csrf, "name": "mallory", "role": "admin"})
    answer = ask(served, "/people/add", method="POST", body=form, cookies=cookies)
    assert answer.status == 303
    assert "mallory" not in ask(served, "/people", cookies=cookies).body


def test_a_form_of_another_session_or_of_another_site_changes_nothing(served):
    cookies, others = signed_in(served), signed_in(served)
    csrf = ask(served, "/me", cookies=others).csrf()
    form = urlencode({"csrf": csrf, "name": "mallory", "role": "admin"})
    ask(served, "/people/add", method="POST", body=form, cookies=cookies)
    own = ask(served, "/me", cookies=cookies).csrf()
    form = urlencode({"csrf": own, "name": "mallory", "role": "admin"})
    answer = ask(served, "/people/add", method="POST", body=form, cookies=cookies, Sec_Fetch_Site="cross-site")
    assert answer.status == 403
    assert "mallory" not in ask(served, "/people", cookies=cookies).body


def test_a_name_with_markup_is_shown_as_it_is_and_refused(served):
    cookies = signed_in(served)
    answer = post(served, "/people/add", cookies, {"name": "<script>alert(1)</script>", "role": "viewer"})
    assert answer.status == 422
    assert "&lt;script&gt;alert(1)" in answer.body
    assert "<script>alert" not in answer.body


def test_every_page_has_the_strict_policy_and_is_not_stored(served):
    for path, cookies in (("/sign-in", {}), ("/people", signed_in(served)), ("/no/such/page", signed_in(served))):
        headers = ask(served, path, cookies=cookies).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_static_files_are_named_by_their_hash_and_kept(served):
    page = ask(served, "/sign-in").body
    (css,) = re.findall(r'href="(/static/[0-9a-f]{12}/app\.css)"', page)
    answer = ask(served, css)
    assert answer.status == 200
    assert "immutable" in answer.headers["Cache-Control"]
    for wrong in ("/static/x/VENDORED", "/static/x/..%2fsite.py", "/static/../site.py", "/static/"):
        assert ask(served, wrong).status == 404


@pytest.mark.parametrize("path", ["/people", "/people/audit?before=9999999999999999999", "/me?x=" + "%ff" * 20])
def test_a_strange_query_breaks_nothing(served, path):
    assert ask(served, path, cookies=signed_in(served)).status == 200


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("x" * 1_100_000, "application/x-www-form-urlencoded", 413),
        ("&".join("a=1" for _ in range(3_000)), "application/x-www-form-urlencoded", 400),
        ("--b\r\n", "multipart/form-data; boundary=b", 415),
    ],
    ids=["too-large", "too-many-fields", "files-where-none-are-taken"],
)
def test_a_form_is_bounded(served, body, content_type, status):
    answer = ask(served, "/people/add", method="POST", body=body, cookies=signed_in(served), Content_Type=content_type)
    assert answer.status == status


def test_a_header_names_nobody_without_a_trusted_proxy(served):
    assert ask(served, "/me", X_Forwarded_User="ann").status == 303


@pytest.fixture(scope="module")
def behind_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A console behind a proxy on this machine that signs people in, under a path."""
    folder = Path(tmp_path_factory.mktemp("proxied"))
    web = {"trusted_proxies": ["127.0.0.1"], "user_header": "X-Forwarded-User", "prefix": "/sms"}
    found = Served(configuration(folder, **web))
    found.run(lambda: found.site._people.add_person("ann", "admin", None, by="root"))
    yield found
    found.close()


def test_a_trusted_proxy_signs_people_in(behind_proxy):
    proxied: dict[str, Any] = {"X_Forwarded_User": "ann", "X_Forwarded_For": "192.0.2.7", "X_Forwarded_Proto": "https"}
    answer = ask(behind_proxy, "/sms/me", **proxied)
    assert answer.status == 200
    assert "/sms/static/" in answer.body
    assert "Sign out" not in answer.body
    assert all("Secure" in each and "Path=/sms" in each for each in answer.headers.get_all("Set-Cookie", []))
    form = urlencode({"csrf": answer.csrf(), "name": "bob", "role": "viewer", "how": "proxy"})
    done = ask(behind_proxy, "/people/add", method="POST", body=form, cookies=answer.cookies(), **proxied)
    assert (done.status, done.location) == (303, "/sms/people")
    trail = behind_proxy.run(lambda: audit_trail(behind_proxy.session, search="ann people/add"))
    assert trail.entries[0].address == "192.0.2.7"


def test_who_is_signed_in_at_the_proxy_but_unknown_here_is_told_so(behind_proxy):
    answer = ask(behind_proxy, "/sms/", X_Forwarded_User="eve", X_Forwarded_For="192.0.2.8")
    assert answer.status == 403
    assert "You are signed in as eve" in answer.body


def test_the_first_start_makes_a_link_for_the_first_administrator(tmp_path):
    served = Served(configuration(tmp_path))
    try:
        (_console, line) = served.site.greeting(served.web.url)
        path = line.rpartition(served.web.url)[2]
        page = ask(served, path)
        form = {"csrf": page.csrf(), "name": "ann", "password": PASSWORD, "again": PASSWORD}
        answer = ask(served, path, method="POST", body=urlencode(form), cookies=page.cookies())
        assert (answer.status, answer.location) == (303, "/")
        cookies = {SESSION_COOKIE: answer.cookies()[SESSION_COOKIE]}
        assert ask(served, "/people", cookies=cookies).status == 200
        assert ask(served, path).status == 410
    finally:
        served.close()
