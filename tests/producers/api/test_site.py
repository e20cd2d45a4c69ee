"""Who may call what, what a wrong request costs, and how each mistake is answered."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from dispatcher.errors import (
    ConfigError,
    Conflict,
    DispatcherError,
    InputError,
    LogDamaged,
    LogFull,
    LogTimeout,
    LogUnavailable,
    NotFound,
    ServiceFailed,
    ServiceUnavailable,
    StoreBusy,
    StoreError,
    TextError,
    UserError,
)
from producers.api.limits import CallerLimits
from producers.api.problems import KINDS, problem_of
from producers.api.routes import OPERATIONS
from producers.web.site import Head
from tests.producers.api.api_kit import NUMBERS, TERMS, served
from tests.producers.web.web_clients import until


async def test_without_a_valid_token_nothing_is_answered_and_no_body_is_read(tmp_path: Path):
    async with served(tmp_path) as api:
        for secret in ("", "dsp_wrong", api.secrets["all"] + "x"):
            call = api.caller(secret)
            for method, path in [
                ("GET", "/v1/me"),
                ("GET", "/v1/nothing"),
                ("GET", "/v1/openapi.json"),
                ("GET", "/v1"),
            ]:
                refused = await call(method, path)
                assert (refused.status, refused.kind) == (401, "not-signed-in")
                assert refused.headers["WWW-Authenticate"] == "Bearer"
        # the body is declared and never comes
        host, port = api.web.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"PUT /v1/campaigns/may HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 401 ")
        writer.close()


def test_the_first_bytes_of_a_stranger_prove_a_caller_only_with_a_valid_token(tmp_path: Path):
    async def look() -> None:
        async with served(tmp_path) as api:
            [site] = api.web._sites
            for secret, known in [(api.secrets["all"], True), ("dsp_wrong", False), ("", False)]:
                first = f"GET /v1/me HTTP/1.1\r\nHost: x\r\nauthorization:  bearer {secret}\r\n\r\n".encode()
                assert site.proves(Head("GET", "/v1/me", b"", first), "192.0.2.1") is known

    asyncio.run(look())


async def test_every_operation_asks_for_its_permission_and_audits_a_refused_change(tmp_path: Path):
    async with served(tmp_path) as api:
        for operation in OPERATIONS:
            path = operation.path.replace("{id}", "may").replace("{account}", "spring").replace("{kind}", "conflict")
            wrong = next(each for each in ("settings:read", "people:admin") if each != operation.permission)
            answer = await api.caller(wrong)(operation.method, path.replace("{stream}", "codes"))
            if not operation.permission:
                assert answer.status == 200
                continue
            assert (answer.status, answer.kind) == (403, "not-allowed"), operation.id
            entries = (await api.call("GET", "/v1/audit?limit=1")).json["entries"]
            if operation.audited:
                assert (entries[0]["action"], entries[0]["refused"]) == (operation.audited, True)


MISTAKES = [
    # method, path, headers, body, status, kind, what errors names
    ("GET", "/v1/nothing", {}, b"", 404, "not-found", None),
    ("GET", "/v1/campaigns/none", {}, b"", 404, "not-found", None),
    ("GET", "/v1/accounts/none/codes", {}, b"", 404, "not-found", None),
    ("DELETE", "/v1/campaigns/may", {}, b"", 405, "wrong-method", None),
    ("POST", "/v1/campaigns/may", {}, b"", 405, "wrong-method", None),
    ("POST", "/v1/campaigns/may:frob", {}, b"", 404, "not-found", None),
    ("POST", "/v1/campaigns/may%3Afrob", {}, b"", 404, "not-found", None),
    ("GET", "/v1/campaigns/may:plan", {}, b"", 405, "wrong-method", None),
    ("GET", "/v1/campaigns?limit=x", {}, b"", 422, "invalid", {"parameter": "limit"}),
    ("GET", "/v1/campaigns?limit=0", {}, b"", 422, "invalid", {"parameter": "limit"}),
    ("GET", "/v1/campaigns?limit=1&limit=2", {}, b"", 422, "invalid", None),
    ("GET", "/v1/campaigns?made-up=1", {}, b"", 422, "invalid", None),
    ("GET", "/v1/campaigns?contains=%FF", {}, b"", 422, "invalid", None),
    ("GET", "/v1/campaigns?" + "status=x&" * 100, {}, b"", 422, "invalid", None),
    ("PUT", "/v1/campaigns/may", {"Content-Type": "text/plain"}, b"{}", 415, "wrong-media", None),
    ("PUT", "/v1/campaigns/may", {}, b"", 415, "wrong-media", None),
    ("PUT", "/v1/campaigns/may", {}, b"{", 422, "invalid", {"pointer": ""}),
    ("PUT", "/v1/campaigns/may", {}, b"\xff", 422, "invalid", {"pointer": ""}),
    ("PUT", "/v1/campaigns/may", {}, b"[" * 500_000, 422, "invalid", {"pointer": ""}),
    ("PUT", "/v1/campaigns/may", {}, b'{"text":"x","route":[1]}', 422, "invalid", {"pointer": "/route/0"}),
    ("PUT", "/v1/campaigns/may", {}, b'{"text":"x","route":["spring"],"a/b":1}', 422, "invalid", {"pointer": ""}),
    ("PUT", "/v1/campaigns/may", {}, b'{"text":"x","numbers":[true]}', 422, "invalid", {"pointer": "/numbers/0"}),
    ("PUT", "/v1/campaigns/may", {}, b'"' + b"x" * 1_048_577 + b'"', 413, "too-large", None),
    ("PUT", "/v1/campaigns/may", {"Content-Encoding": "gzip"}, b"no gzip", 400, "broken", None),
    ("PUT", "/v1/campaigns/%2e%2e%2fmay", {}, json.dumps(TERMS).encode(), 422, "invalid", None),
    ("PUT", "/v1/campaigns/may", {}, b'{"text":"x","route":["spring","no"]}', 422, "invalid", {"pointer": "/route/1"}),
    ("PUT", "/v1/streams/may", {}, b'{"text":"x","route":["no"]}', 422, "invalid", {"pointer": "/route/0"}),
    ("POST", "/v1/campaigns/may:follow-up", {}, b'{"to":["left"],"route":["no"]}',
     422, "invalid", {"pointer": "/route/0"}),
    ("PUT", "/v1/campaigns/may/weight", {}, b'{"weight":2}', 404, "not-found", None),
    ("PUT", "/v1/campaigns/may/weight", {}, b"{}", 422, "unusable", None),
    ("POST", "/v1/suppression", {}, b'{"numbers":["nonsense"]}', 422, "unusable", None),
    ("GET", "/v1/reports/outcomes?since_ms=2&until_ms=1", {}, b"", 422, "unusable", None),
    ("POST", "/v1/campaigns/may:test", {"Idempotency-Key": "x" * 256}, b'{"to":["13800138000"]}', 422, "invalid", None),
]  # fmt: skip


async def test_a_mistake_is_a_problem_that_says_what_to_do(tmp_path: Path):
    async with served(tmp_path) as api:
        for method, path, headers, body, status, kind, named in MISTAKES:
            if body:
                headers = {"Content-Type": "application/json"} | headers
            answer = await api.call(method, path, data=body or None, headers=headers)
            assert (answer.status, answer.kind) == (status, kind), (path, body[:40], answer.body)
            problem = answer.json
            assert problem["status"] == status
            assert problem["detail"]
            assert problem["what_to_do"] == KINDS[kind].what_to_do
            assert (await api.call("GET", problem["type"])).json["title"] == problem["title"]
            if named is not None:
                [fault] = problem["errors"]
                assert fault.pop("detail")
                assert fault == named, path


ERRORS = [
    (NotFound("x"), 404),
    (Conflict("x"), 409),
    (TextError("x"), 422),
    (InputError("x"), 422),
    (ConfigError("x"), 422),
    (UserError("x"), 422),
    (LogTimeout("x"), 503),
    (LogFull("x"), 507),
    (LogUnavailable("x"), 503),
    (LogDamaged("x"), 500),
    (StoreBusy("x"), 503),
    (StoreError("x"), 500),
    (ServiceUnavailable("x"), 503),
    (ServiceFailed("secret"), 500),
    (DispatcherError("secret"), 500),
]


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=lambda each: type(each).__name__)
def test_the_class_of_an_error_decides_its_problem(error, status):
    problem = problem_of(error, "")
    assert problem.answer().status == status
    assert "secret" not in problem.detail


def test_a_problem_has_no_path_of_the_server():
    error = ConfigError("/etc/dispatcher.toml: [account.spring] has no password.")
    assert problem_of(error, "/etc/dispatcher.toml").detail == "the configuration: [account.spring] has no password."


def test_a_mistake_about_an_option_names_the_member_of_the_body_and_no_command():
    error = UserError('{about} "{text}" is no time.', about="--wave-wait", text="x", do="Correct {about}.")
    problem = problem_of(error, "")
    assert problem.detail == 'wave_wait "x" is no time.'
    assert [(each.detail, each.pointer) for each in problem.faults] == [(problem.detail, "/wave_wait")]


def test_a_caller_gets_its_rate_back_with_time_and_no_other_loses_by_it():
    limits = CallerLimits(10, 1)
    assert [limits.take("a", 0.0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert limits.take("b", 0.0)
    assert [limits.take("a", 0.2) for _ in range(3)] == [True, True, False]
    assert (limits.begin_heavy("a"), limits.begin_heavy("a"), limits.begin_heavy("b")) == (True, False, True)
    limits.end_heavy("a")
    assert limits.begin_heavy("a")


async def test_a_token_above_its_rate_gets_429_and_its_neighbour_is_served(tmp_path: Path):
    async with served(tmp_path, more="[api]\nrequests_per_s_max = 1\n") as api:
        answers = [await api.call("GET", "/v1/me") for _ in range(3)]
        refused = answers[-1]
        assert (answers[0].status, refused.status, refused.kind) == (200, 429, "too-fast")
        assert refused.headers["Retry-After"] == "1"
        assert (await api.caller("other")("GET", "/v1/me")).status == 200


async def test_a_revoked_token_is_a_strangers(tmp_path: Path):
    async with served(tmp_path) as api:
        [site] = api.web._sites
        directory = site._directory  # type: ignore[attr-defined]
        token = next(each for each in directory.list_tokens() if each.name == "other")
        assert (await api.caller("other")("GET", "/v1/me")).status == 200
        await directory.revoke_token(token.token, by="test")
        assert (await api.caller("other")("GET", "/v1/me")).status == 401


async def test_streams_count_as_long_requests_until_they_end(tmp_path: Path):
    async with served(tmp_path, more="[api]\nheavy_max = 1\n") as api:
        await api.call("PUT", "/v1/campaigns/may", TERMS | {"numbers": NUMBERS})
        await api.call("POST", "/v1/campaigns/may:launch")
        [site] = api.web._sites
        for method in ("HEAD", "GET", "GET"):
            assert (await api.call(method, "/v1/campaigns/may/results")).status == 200
        await until(lambda: all(not use.heavy for use in site._limits._uses.values()))  # type: ignore[attr-defined]


async def test_head_and_options_are_answered_by_the_table(tmp_path: Path):
    async with served(tmp_path) as api:
        head = await api.call("HEAD", "/v1/me")
        assert (head.status, head.body) == (200, b"")
        options = await api.call("OPTIONS", "/v1/campaigns/may")
        assert (options.status, options.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, PUT")


async def test_numbers_are_masked_unless_the_caller_may_see_them_and_seeing_them_is_audited(tmp_path: Path):
    async with served(tmp_path) as api:
        await api.call("POST", "/v1/suppression", {"numbers": ["13800138000"], "why": "asked"})
        masked = await api.caller("suppression:read")("GET", "/v1/suppression")
        assert [each["number"] for each in masked.json["entries"]] == ["138****8000"]
        refused = await api.caller("suppression:read")("GET", "/v1/suppression?unmasked=true")
        assert (refused.status, refused.kind) == (403, "not-allowed")
        whole = await api.call("GET", "/v1/suppression?unmasked=true")
        assert [each["number"] for each in whole.json["entries"]] == ["13800138000"]
        found = await api.call("POST", "/v1/look-up", {"number": "138-0013-8000"})
        assert found.json["suppressed"]["why"] == "asked"
        audited = (await api.call("GET", "/v1/audit")).json["entries"]
        assert [(each["action"], each["says"], each["target"]) for each in audited] == [
            ("look up", "", "138****8000"),
            ("suppression list", "unmasked", ""),
            ("suppression add", "1 numbers", ""),
        ]
        removed = await api.call("POST", "/v1/suppression:remove", {"numbers": ["13800138000"]})
        assert removed.json["changed"] == 1


QUERIES = [
    "/v1/me",
    "/v1/campaigns",
    "/v1/accounts",
    "/v1/accounts/spring/codes",
    "/v1/unknowns",
    "/v1/inbound?limit=5&review=true",
    "/v1/suppression",
    "/v1/reports/delivery?since_ms=0&until_ms=4102444800000",
    "/v1/reports/spend?since_ms=0&until_ms=4102444800000&by=account&by=day",
    "/v1/reports/outcomes?until_ms=4102444800000&by=code",
    "/v1/audit",
]


async def test_every_query_is_answered_on_a_new_log(tmp_path: Path):
    async with served(tmp_path) as api:
        for path in QUERIES:
            answer = await api.call("GET", path)
            assert answer.status == 200, (path, answer.body)


async def test_a_problem_is_in_the_language_that_is_asked_for(tmp_path: Path):
    async with served(tmp_path) as api:
        chinese = {"Accept-Language": "zh-CN, en;q=0.5"}
        refused = await api.call(
            "PUT", "/v1/campaigns/may", data=b"{", headers=chinese | {"Content-Type": "application/json"}
        )
        assert (refused.json["title"], refused.json["detail"]) == ("请求无效", "请求体不是 JSON。")
        assert (await api.call("GET", "/v1/me?x=1")).json["title"] == "Invalid request"


async def test_the_page_and_the_document_are_in_the_language_that_is_asked_for(tmp_path: Path):
    async with served(tmp_path) as api:
        for language, words in [("en", "Send nothing until it is resumed"), ("zh", "暂停发送，直到恢复")]:
            answer = await api.call("GET", "/v1/docs", headers={"Accept-Language": language})
            page = answer.body.decode()
            assert f'<html lang="{language}">' in page
            assert words in page
            assert "script" not in answer.headers["Content-Security-Policy"]
            assert page.count("curl -X") == len(OPERATIONS)
            assert "application/partial-upload" in page
            assert ("At which byte of the list" if language == "en" else "从名单的第几个字节") in page
            document = (await api.call("GET", "/v1/openapi.json", headers={"Accept-Language": language})).json
            assert document["openapi"] == "3.1.0"
            upload = document["paths"]["/v1/campaigns/{id}/recipients"]["patch"]
            headers = [each["name"] for each in upload["parameters"] if each["in"] == "header"]
            assert headers == [
                *("Upload-Offset", "Upload-Complete", "Content-Range"),
                *("Content-Encoding", "Content-Digest", "Repr-Digest"),
            ]
            assert list(upload["responses"]["200"]["headers"]) == ["Upload-Offset", "Upload-Complete"]
        assert (await api.call("GET", "/v1/docs.css")).headers["Content-Type"].startswith("text/css")
