"""Codes through the API: sent with 202, checked once, too many are 429 with the time to wait."""

from __future__ import annotations

from pathlib import Path

from dispatcher.core.verification import code_of
from dispatcher.service.suppression import suppression_key
from dispatcher.verification.feed import VerificationFeed
from dispatcher.verification.secret import code_keys
from tests.producers.api.api_kit import served

NUMBER = "13800138000"
WANTED = {"number": NUMBER, "stream": "login"}
TERMS = {"route": ["spring"], "class": "code", "text": "【Shop】{code} is your code for {minutes} min"}


async def test_a_code_is_sent_and_is_right_once(tmp_path: Path):
    async with served(tmp_path, more="[verification]\ncodes_per_hour_max = 2\n") as api:
        missing = await api.call("POST", "/v1/verifications", WANTED)
        assert (missing.status, missing.kind) == (404, "not-found")
        await api.call("PUT", "/v1/streams/login", TERMS)
        key = {"Idempotency-Key": "one"}
        sent = await api.call("POST", "/v1/verifications", WANTED, headers=key)
        again = await api.call("POST", "/v1/verifications", WANTED, headers=key)
        assert (sent.status, sent.json["result"], again.json["result"]) == (202, "sent", "repeated")
        keys = code_keys(api.config)
        subject = keys.subject(suppression_key(NUMBER))
        made = (await VerificationFeed(api.log).codes(subject)).current(subject, "login")
        assert made is not None
        typed = {"number": NUMBER, "code": code_of(keys, made.made)}
        assert typed["code"] not in sent.body.decode()
        answers = [
            await api.call("POST", "/v1/verifications:check", each) for each in (typed | {"code": "x"}, typed, typed)
        ]
        assert [(each.status, each.json["yes"]) for each in answers] == [(200, False), (200, True), (200, False)]
        over = await api.call("POST", "/v1/verifications", WANTED, headers=key)
        assert (over.status, over.kind) == (409, "conflict")
        await api.call("POST", "/v1/verifications", WANTED)
        many = await api.call("POST", "/v1/verifications", WANTED)
        assert (many.status, many.kind) == (429, "too-fast")
        assert int(many.headers["Retry-After"]) > 60


async def test_a_suppressed_number_gets_no_code_and_no_202(tmp_path: Path):
    async with served(tmp_path) as api:
        await api.call("PUT", "/v1/streams/login", TERMS)
        await api.call("POST", "/v1/suppression", {"numbers": [NUMBER]})
        refused = await api.call("POST", "/v1/verifications", WANTED)
        assert (refused.status, refused.kind) == (409, "conflict")
        assert refused.json["detail"] == f"{NUMBER} is on the suppression list, so it gets no code."
