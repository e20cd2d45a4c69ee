"""A campaign through the API: terms, list, plan, test, approval, launch, orders, results."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.process.service_process import call_service
from dispatcher.service.session import open_session
from producers.drafts.api import draft_of_terms
from tests.producers.api.api_kit import NUMBERS, TERMS, served


def of_no_moment(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan without its times, and without what the vendor said of the balance then."""
    accounts = [each | {"balance_note": "", "finish_s": 0} for each in plan["accounts"]]
    return plan | dict.fromkeys(("starts_at_ms", "finish_at_ms", "alone_finish_at_ms")) | {"accounts": accounts}


async def test_a_campaign_is_sent_planned_launched_paused_and_read(tmp_path: Path):
    async with served(tmp_path) as api:
        put = await api.call("PUT", "/v1/campaigns/may", TERMS | {"numbers": [*NUMBERS, "oops"]})
        assert (put.status, put.json["state"], put.json["list"]["complete"]) == (201, "open", True)
        plan = await api.call("POST", "/v1/campaigns/may:plan")
        assert (plan.status, plan.json["recipients"], plan.json["invalid_reasons"]) == (200, 20, {"no number": 1})
        again = await api.call("POST", "/v1/campaigns/may:plan")
        assert of_no_moment(again.json) == of_no_moment(plan.json)
        draft = await api.call("GET", "/v1/campaigns/may")
        assert draft.json["state"] == "draft"
        assert plan.json["source"] == draft.json["draft"]["plan"]["source"] == "the uploaded list"
        assert str(tmp_path) not in (plan.body + again.body + draft.body).decode()
        launched = await api.call("POST", "/v1/campaigns/may:launch")
        assert (launched.status, launched.json["already_launched"], launched.json["recipients"]) == (200, False, 20)
        again = await api.call("POST", "/v1/campaigns/may:launch")
        assert (again.status, again.json["already_launched"], again.json["recipients"]) == (200, True, 20)
        paused = await api.call("POST", "/v1/campaigns/may:pause")
        assert (paused.status, paused.json["changed"]) == (200, True)
        shown = (await api.call("GET", "/v1/campaigns/may")).json
        assert (shown["state"], shown["launched"]["counts"]["queued"]) == ("launched", 20)
        assert shown["launched"]["launched_by"] == "shop"
        listed = (await api.call("GET", "/v1/campaigns?contains=may&limit=10")).json
        assert [each["campaign"] for each in listed["campaigns"]] == ["may"]
        events = (await api.call("GET", "/v1/campaigns/may/timeline")).json["events"]
        assert [(each["what"], each["by"]) for each in events] == [
            ("drafted", "shop"),
            ("launched", "shop"),
            ("paused", "shop"),
        ]
        lines = [json.loads(line) for line in (await api.call("GET", "/v1/campaigns/may/results")).body.splitlines()]
        assert [line["recipient"]["state"] for line in lines[:-1]] == ["queued"] * 20
        assert lines[0]["recipient"]["number"] == "138****8000"
        assert lines[-1] == {"after": ""}
        for query in ("state=invalid,queued", "state=invalid&state=queued"):
            both = (await api.call("GET", f"/v1/campaigns/may/results?{query}")).body.splitlines()
            assert [next(iter(json.loads(line))) for line in both] == ["recipient"] * 20 + ["set_aside", "after"]
        audited = (await api.call("GET", "/v1/audit?search=campaign")).json["entries"]
        assert [(each["action"], each["target"], each["by"]) for each in reversed(audited)] == [
            ("campaign terms", "may", "shop"),
            ("campaign plan", "may", "shop"),
            ("campaign plan", "may", "shop"),
            ("campaign launch", "may", "shop"),
            ("campaign launch", "may", "shop"),
            ("campaign pause", "may", "shop"),
        ]


async def test_a_launch_runs_in_a_process_of_its_own(tmp_path: Path):
    async with served(tmp_path, run_service=call_service) as api:
        await api.call("PUT", "/v1/campaigns/may", TERMS | {"numbers": NUMBERS})
        launched = await api.call("POST", "/v1/campaigns/may:launch")
        assert (launched.status, launched.json["recipients"]) == (200, 20)
        wrong = await api.call("POST", "/v1/campaigns/june:plan")
        assert (wrong.status, wrong.kind) == (404, "not-found")


async def test_a_campaign_may_have_retries_and_defer_who_is_over_a_cap(tmp_path: Path):
    async with served(tmp_path) as api:
        more = {"numbers": NUMBERS, "retry": "temporary: 2 within 6 h", "defer": True}
        await api.call("PUT", "/v1/campaigns/may", TERMS | more)
        assert (await api.call("POST", "/v1/campaigns/may:launch")).json["recipients"] == 20
        shown = (await api.call("GET", "/v1/campaigns/may")).json["launched"]
        assert (shown["retries"]["times"], shown["deferred"]) == (2, [])


async def test_the_same_terms_get_the_same_answer_and_others_are_refused_until_they_replace(tmp_path: Path):
    async with served(tmp_path) as api:
        terms = TERMS | {"numbers": NUMBERS}
        first = await api.call("PUT", "/v1/campaigns/may", terms)
        again = await api.call("PUT", "/v1/campaigns/may", terms)
        assert (first.status, again.status, first.json) == (201, 200, again.json)
        other = await api.call("PUT", "/v1/campaigns/may", terms | {"weight": 3})
        assert (other.status, other.kind) == (422, "other-content")
        assert (await api.call("PUT", "/v1/campaigns/may?replace=true", terms | {"weight": 3})).status == 200
        assert (await api.call("POST", "/v1/campaigns/may:launch")).json["recipients"] == 20
        assert (await api.call("PUT", "/v1/campaigns/may", terms | {"weight": 3})).json["state"] == "launched"
        late = await api.call("PUT", "/v1/campaigns/may?replace=true", terms)
        assert (late.status, late.kind) == (422, "other-content")
        assert (await api.call("GET", "/v1/campaigns/may")).json["launched"]["weight"] == 3


async def test_a_draft_of_files_names_them_without_their_folders(tmp_path: Path):
    lists = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for each, numbers in zip(lists, (NUMBERS[:5], NUMBERS[5:] + NUMBERS[:1]), strict=True):
        each.write_text("phone\n" + "\n".join(numbers))
    async with served(tmp_path) as api:
        async with open_session(api.config, log=api.log) as session:
            await draft_of_terms(session, "may", TERMS, lists=list(map(str, lists)), by="ann")
        draft = await api.call("GET", "/v1/campaigns/may")
        plan = await api.call("POST", "/v1/campaigns/may:plan")
        for found in (draft.json["draft"]["plan"], plan.json):
            assert (found["source"], [each["source"] for each in found["lists"]]) == (
                "a.csv, b.csv",
                ["a.csv", "b.csv"],
            )
        await api.call("POST", "/v1/campaigns/may:launch")
        shown = await api.call("GET", "/v1/campaigns/may")
        aside = await api.call("GET", "/v1/campaigns/may/results?state=duplicate")
        assert json.loads(aside.body.splitlines()[0])["set_aside"]["list"] == "b.csv"
        assert not [each for each in (draft, plan, shown, aside) if str(tmp_path) in each.body.decode()]


async def test_a_draft_of_many_needs_the_approval_of_another_person(tmp_path: Path):
    async with served(tmp_path) as api:
        numbers = [f"1380013{number:04}" for number in range(1_001)]
        await api.call("PUT", "/v1/campaigns/may", TERMS | {"numbers": numbers})
        planned = await api.call("POST", "/v1/campaigns/may:plan")
        again = await api.call("POST", "/v1/campaigns/may:plan")
        assert (planned.status, again.status, again.json["recipients"]) == (200, 200, 1_001)
        refused = await api.call("POST", "/v1/campaigns/may:launch")
        assert (refused.status, refused.kind) == (409, "conflict")
        assert "another person than its author (shop) must approve it" in refused.json["detail"]
        own = await api.call("POST", "/v1/campaigns/may:approve")
        assert (own.status, own.kind) == (409, "conflict")
        assert (await api.caller("other")("POST", "/v1/campaigns/may:approve")).json["approved_by"] == "other"
        scheduled = await api.call("POST", "/v1/campaigns/may:schedule", {"start_ms": 4_102_444_800_000})
        assert (scheduled.status, scheduled.json["status"]) == (200, "scheduled")
        assert (await api.call("POST", "/v1/campaigns/may:launch")).json["recipients"] == 1_001


async def test_a_repeated_test_with_one_key_texts_once(tmp_path: Path):
    async with served(tmp_path) as api:
        await api.call("PUT", "/v1/campaigns/may", TERMS | {"numbers": NUMBERS})
        key = {"Idempotency-Key": "one"}
        first = await api.call("POST", "/v1/campaigns/may:test", {"to": NUMBERS[:1]}, headers=key)
        again = await api.call("POST", "/v1/campaigns/may:test", {"to": NUMBERS[:1]}, headers=key)
        assert first.json == again.json
        assert first.json["tests"][0]["campaign"] == "may.test-1"
        other = await api.call("POST", "/v1/campaigns/may:test", {"to": NUMBERS[1:2]}, headers=key)
        assert (other.status, other.kind) == (422, "other-content")
        more = await api.call("POST", "/v1/campaigns/may:test", {"to": NUMBERS[1:2]})
        assert more.json["tests"][0]["campaign"] == "may.test-2"


SETTINGS = [
    ("PUT", "weight", {"weight": 5}, ("weight", 5)),
    ("PUT", "hours", {"between": "09:00-20:00"}, ("changed", True)),
    ("POST", ":cancel", None, ("changed", True)),
]


@pytest.mark.parametrize(("method", "what", "body", "answer"), SETTINGS)
async def test_an_order_changes_a_launched_campaign(tmp_path: Path, method, what, body, answer):
    async with served(tmp_path) as api:
        await api.call("PUT", "/v1/campaigns/may", TERMS | {"numbers": NUMBERS})
        await api.call("POST", "/v1/campaigns/may:launch")
        path = f"/v1/campaigns/may{what if what[0] == ':' else '/' + what}"
        found = await api.call(method, path, body)
        assert found.status == 200, found.body
        assert found.json[answer[0]] == answer[1]


async def test_an_order_that_the_state_does_not_allow_is_a_conflict(tmp_path: Path):
    async with served(tmp_path) as api:
        await api.call("PUT", "/v1/campaigns/may", TERMS | {"numbers": NUMBERS})
        await api.call("POST", "/v1/campaigns/may:plan")
        early = await api.call("POST", "/v1/campaigns/may:pause")
        await api.call("POST", "/v1/campaigns/may:launch")
        await api.call("POST", "/v1/campaigns/may:cancel")
        late = await api.call("POST", "/v1/campaigns/may:pause")
        soon = await api.call("POST", "/v1/campaigns/may:follow-up", {"to": ["left"], "id": "june"})
        assert [(each.status, each.kind) for each in (early, late, soon)] == [(409, "conflict")] * 3
        assert "less than a minute ago" in soon.json["detail"]


FILES = [
    ("text/csv", "", "name,phone\n" + "".join(f"a,{number}\n" for number in NUMBERS)),
    ("application/x-ndjson", "", "".join(json.dumps({"phone": number, "name": "a"}) + "\n" for number in NUMBERS)),
    ("text/csv", "gzip", "phone\n" + "\n".join(NUMBERS)),
    ("application/x-ndjson", "gzip", "".join(json.dumps({"phone": int(number)}) + "\n" for number in NUMBERS)),
]


@pytest.mark.parametrize(("media", "encoding", "text"), FILES)
async def test_a_list_of_each_kind_becomes_a_draft(tmp_path: Path, media, encoding, text):
    data = gzip.compress(text.encode()) if encoding else text.encode()
    async with served(tmp_path) as api:
        await api.call("PUT", "/v1/campaigns/may", TERMS)
        headers = {"Content-Type": media} | ({"Content-Encoding": encoding} if encoding else {})
        sent = await api.call("PUT", "/v1/campaigns/may/recipients", data=data, headers=headers)
        assert (sent.status, sent.json["complete"], sent.json["bytes"]) == (200, True, len(data))
        plan = await api.call("POST", "/v1/campaigns/may:plan")
        assert (plan.status, plan.json["recipients"]) == (200, 20), plan.body
        assert not list((tmp_path / "results.db-uploads" / "c-may").glob(".reading-*"))


async def test_a_damaged_list_is_named_and_nothing_is_drafted(tmp_path: Path):
    async with served(tmp_path) as api:
        await api.call("PUT", "/v1/campaigns/may", TERMS)
        assert (await api.call("POST", "/v1/campaigns/may:plan")).kind == "conflict"
        for media, encoding, data in [
            ("text/csv", "gzip", gzip.compress(b"phone\n13800138000\n")[:-9]),
            ("text/csv", "gzip", b"not gzip"),
            ("text/csv", "", b"phone\nnothing\n"),
            ("text/csv", "", b"phone\n"),
            ("application/x-ndjson", "", b"{]\n"),
        ]:
            headers = {"Content-Type": media} | ({"Content-Encoding": encoding} if encoding else {})
            await api.call("PUT", "/v1/campaigns/may/recipients", data=data, headers=headers)
            refused = await api.call("POST", "/v1/campaigns/may:plan")
            assert (refused.status, refused.kind) == (422, "unusable"), refused.body
            assert str(tmp_path) not in refused.json["detail"]
        assert (await api.call("GET", "/v1/campaigns/may")).json["state"] == "open"
