"""The table of routes: which route answers, with which values, and what is answered without one."""

from __future__ import annotations

import pytest

from producers.web.answers import ReadyAnswer
from producers.web.routes import Found, Route, Routes

PATHS = [
    ("GET", "/v1/campaigns"),
    ("GET", "/v1/campaigns/{id}"),
    ("PUT", "/v1/campaigns/{id}"),
    ("POST", "/v1/campaigns/{id}:launch"),
    ("POST", "/v1/campaigns/{id}:follow-up"),
    ("GET", "/v1/campaigns/{id}/results"),
    ("GET", "/v1/campaigns/{id}/results/{row}"),
    ("GET", "/v1/campaigns/latest"),
    ("GET", "/"),
]
TABLE = Routes([Route(method=method, path=path, permission=None, handler=path) for method, path in PATHS])

FOUND = [
    ("GET", "/v1/campaigns", "/v1/campaigns", {}),
    ("GET", "/", "/", {}),
    ("HEAD", "/v1/campaigns/may", "/v1/campaigns/{id}", {"id": "may"}),
    ("GET", "/v1/campaigns/latest", "/v1/campaigns/latest", {}),
    ("POST", "/v1/campaigns/may:launch", "/v1/campaigns/{id}:launch", {"id": "may"}),
    ("POST", "/v1/campaigns/may%3Alaunch", "/v1/campaigns/{id}:launch", {"id": "may"}),
    ("POST", "/v1/campaigns/a:b:follow-up", "/v1/campaigns/{id}:follow-up", {"id": "a:b"}),
    ("PUT", "/v1/campaigns/a:b", "/v1/campaigns/{id}", {"id": "a:b"}),
    ("GET", "/v1/campaigns/a%2Fb", "/v1/campaigns/{id}", {"id": "a/b"}),
    ("GET", "/v1/campaigns/%E4%BA%94%E6%9C%88", "/v1/campaigns/{id}", {"id": "五月"}),
    ("GET", "/v1/campaigns/may/results/7", "/v1/campaigns/{id}/results/{row}", {"id": "may", "row": "7"}),
]


@pytest.mark.parametrize(("method", "path", "template", "values"), FOUND)
def test_a_path_finds_its_route_and_its_values(method, path, template, values):
    found = TABLE.find(method, path)
    assert isinstance(found, Found)
    assert (found.route.path, found.values) == (template, values)


MISSED = [
    ("GET", "/v1", 404, b""),
    ("GET", "/v1/campaigns/", 404, b""),
    ("GET", "/v1/campaigns//results", 404, b""),
    ("GET", "/v1/campaigns/may/nothing", 404, b""),
    ("GET", "/v1/campaigns/%FF", 404, b""),
    ("GET", "/" + "v1/" * 1_000, 404, b""),
    ("GET", "", 404, b""),
    ("POST", "/v1/campaigns/may:frob", 404, b""),
    ("POST", "/v1/campaigns", 405, b"Allow: GET, HEAD, OPTIONS\r\n"),
    ("DELETE", "/v1/campaigns/may", 405, b"Allow: GET, HEAD, OPTIONS, PUT\r\n"),
    ("GET", "/v1/campaigns/may:launch", 405, b"Allow: OPTIONS, POST\r\n"),
    ("OPTIONS", "/v1/campaigns/may:launch", 204, b"Allow: OPTIONS, POST\r\n"),
    ("PROPFIND", "/", 405, b"Allow: GET, HEAD, OPTIONS\r\n"),
]


@pytest.mark.parametrize(("method", "path", "status", "allow"), MISSED)
def test_a_request_without_a_route_is_answered_by_the_table(method, path, status, allow):
    answer = TABLE.find(method, path)
    assert isinstance(answer, ReadyAnswer)
    assert answer.status == status
    assert allow in answer.whole


@pytest.mark.parametrize("again", ["/v1/campaigns/{id}:launch", "/v1/campaigns/{name}"])
def test_a_conflict_is_found_when_the_table_is_made(again):
    with pytest.raises(ValueError, match=r"twice|is called"):
        Routes([*TABLE.all, Route(method="POST", path=again, permission=None, handler="")])


def test_a_header_cannot_bring_another_one():
    with pytest.raises(ValueError, match="Location"):
        ReadyAnswer(303, headers={"Location": "/\r\nSet-Cookie: a=b"})
    assert b"\r\nLocation: /sign-in\r\n" in ReadyAnswer(303, headers={"Location": "/sign-in"}).whole
