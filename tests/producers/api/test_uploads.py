"""Uploads: cut at any byte they go on, digests are checked, memory and space are bounded."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest

from producers.api.uploads import KEPT_S, Uploads
from tests.producers.api.api_kit import NUMBERS, TERMS, ServedApi, served
from tests.producers.web.web_clients import until

LIST = ("phone\n" + "".join(f"{number}\n" for number in NUMBERS)).encode()
PATH = "/v1/campaigns/may/recipients"
CSV = {"Content-Type": "text/csv"}


def digest(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


@pytest.fixture
async def api(tmp_path: Path):
    async with served(tmp_path) as running:
        yield running


async def cut(api: ServedApi, data: bytes, offset: int, declared: int) -> None:
    """Send some bytes of a longer body, and leave."""
    host, port = api.web.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"PATCH {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.secrets['all']}\r\nContent-Type: text/csv\r\n"
        f"Upload-Offset: {offset}\r\nContent-Length: {declared}\r\n\r\n"
    )
    writer.write(head.encode() + data)
    await writer.drain()
    writer.close()
    [site] = api.web._sites
    uploads: Any = site._api.uploads  # type: ignore[attr-defined]
    await until(lambda: uploads.list_of("may") is not None and not uploads._receiving)


@pytest.mark.parametrize("at", [0, 1, 6, 13, 100, len(LIST) - 1])
async def test_an_upload_that_was_cut_goes_on_at_the_byte_that_the_server_names(api, at):
    await api.call("PUT", "/v1/campaigns/may", TERMS)
    await cut(api, LIST[:at], 0, len(LIST))
    state = await api.call("HEAD", PATH)
    kept = int(state.headers["Upload-Offset"])
    assert kept <= at
    assert state.headers["Upload-Complete"] == "?0"
    assert (await api.call("POST", "/v1/campaigns/may:plan")).kind == "conflict"
    rest = {"Upload-Offset": str(kept), "Content-Digest": digest(LIST[kept:]), "Repr-Digest": digest(LIST)}
    whole = await api.call("PATCH", PATH, data=LIST[kept:], headers=CSV | rest)
    assert (whole.status, whole.json["complete"], whole.json["sha256"]) == (200, True, hashlib.sha256(LIST).hexdigest())
    assert (await api.call("POST", "/v1/campaigns/may:plan")).json["recipients"] == 20


async def test_of_a_long_upload_that_was_cut_most_is_kept(api):
    sent = LIST * 20_000
    await cut(api, sent, 0, len(sent) + 1)
    kept = int((await api.call("HEAD", PATH)).headers["Upload-Offset"])
    assert kept > len(sent) // 2
    found = await api.call("PATCH", PATH, data=sent[kept:], headers=CSV | {"Upload-Offset": str(kept)})
    assert found.json["sha256"] == hashlib.sha256(sent).hexdigest()


async def test_parts_are_put_by_content_range_and_the_last_byte_completes_the_list(api):
    for first in range(0, len(LIST), 100):
        part = LIST[first : first + 100]
        span = {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(LIST)}"}
        found = await api.call("PUT", PATH, data=part, headers=CSV | span)
        assert (found.status, found.json["bytes"]) == (200, first + len(part))
        assert found.json["complete"] == (first + len(part) == len(LIST))


async def test_a_part_that_does_not_begin_at_the_end_is_refused_and_changes_nothing(api):
    await api.call("PUT", PATH, data=LIST[:11], headers=CSV | {"Upload-Complete": "?0"})
    for method, where in [
        ("PATCH", {"Upload-Offset": "12"}),
        ("PATCH", {"Upload-Offset": "5"}),
        ("PATCH", {"Upload-Offset": "0"}),
        ("PATCH", {}),
        ("PUT", {"Upload-Offset": "5"}),
        ("PUT", {"Content-Range": "bytes 5-5/6"}),
    ]:
        refused = await api.call(method, PATH, data=b"x", headers=CSV | where)
        assert (refused.status, refused.kind) == (409, "wrong-offset"), where
        assert (refused.headers["Upload-Offset"], refused.headers["Upload-Complete"]) == ("11", "?0")
    rest = {"Upload-Offset": "11", "Repr-Digest": digest(LIST)}
    found = await api.call("PATCH", PATH, data=LIST[11:], headers=CSV | rest)
    assert (found.status, found.json["complete"]) == (200, True)
    refused = await api.call("PATCH", PATH, data=b"x", headers=CSV | {"Upload-Offset": str(len(LIST))})
    assert (refused.status, refused.headers["Upload-Complete"]) == (409, "?1")
    assert (await api.call("GET", PATH)).json["complete"] is True


async def test_a_part_keeps_the_type_and_the_encoding_with_which_its_list_began(api):
    await api.call("PUT", "/v1/campaigns/may", TERMS)
    packed = gzip.compress(LIST)
    begins = CSV | {"Content-Encoding": "gzip", "Upload-Complete": "?0"}
    await api.call("PUT", PATH, data=packed[:20], headers=begins)
    at = {"Upload-Offset": "20", "Content-Type": "application/partial-upload"}
    other = await api.call(
        "PATCH", PATH, data=packed[20:], headers=at | {"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert (other.status, other.kind) == (415, "wrong-media")
    assert "application/partial-upload" in other.json["detail"]
    found = (await api.call("PATCH", PATH, data=packed[20:], headers=at)).json
    assert (found["complete"], found["content_type"], found["content_encoding"]) == (True, "text/csv", "gzip")
    assert (await api.call("POST", "/v1/campaigns/may:plan")).json["recipients"] == 20


async def test_a_part_of_another_encoding_is_refused(api):
    await api.call("PUT", PATH, data=LIST[:20], headers=CSV | {"Upload-Complete": "?0"})
    packed = CSV | {"Upload-Offset": "20", "Content-Encoding": "gzip"}
    refused = await api.call("PATCH", PATH, data=gzip.compress(LIST[20:]), headers=packed)
    assert (refused.status, refused.kind) == (422, "invalid")
    assert (await api.call("GET", PATH)).json["bytes"] == 20


async def test_a_list_whose_digest_was_wrong_is_not_called_incomplete(api):
    await api.call("PUT", "/v1/campaigns/may", TERMS)
    await api.call("PUT", PATH, data=LIST, headers=CSV | {"Repr-Digest": digest(LIST + b"x")})
    refused = await api.call("POST", "/v1/campaigns/may:plan")
    assert (refused.status, refused.kind) == (409, "conflict")
    assert refused.json["detail"].startswith("The digest of the list was wrong")
    await api.call("PUT", PATH, data=LIST, headers=CSV)
    assert (await api.call("POST", "/v1/campaigns/may:plan")).status == 200


async def test_what_was_not_touched_for_long_is_deleted_at_the_start_and_then_now_and_again(tmp_path: Path):
    old, new = tmp_path / "c-old", tmp_path / "c-new"
    for each in (old, new):
        each.mkdir()
        (each / "list").write_bytes(LIST)

    def age(folder: Path) -> None:
        for each in (folder / "list", folder):
            os.utime(each, (time.time() - KEPT_S - 60,) * 2)

    age(old)
    cleaning = asyncio.create_task(Uploads(tmp_path, 1_000).keep_clean(every_s=0.01))
    await until(lambda: not old.exists())
    assert new.exists()
    age(new)
    await until(lambda: not new.exists())
    cleaning.cancel()


async def test_the_site_cleans_the_uploads_when_it_starts(tmp_path: Path):
    old = tmp_path / "results.db-uploads" / "c-old"
    old.mkdir(parents=True)
    os.utime(old, (time.time() - KEPT_S - 60,) * 2)
    async with served(tmp_path):
        await until(lambda: not old.exists())


async def test_bytes_with_another_digest_are_not_kept(api):
    wrong = await api.call("PUT", PATH, data=LIST, headers=CSV | {"Content-Digest": digest(LIST + b"x")})
    assert (wrong.status, wrong.kind) == (422, "wrong-digest")
    assert (await api.call("HEAD", PATH)).headers["Upload-Offset"] == "0"
    whole = await api.call("PUT", PATH, data=LIST, headers=CSV | {"Repr-Digest": digest(LIST + b"x")})
    assert (whole.status, whole.kind) == (422, "wrong-digest")
    state = (await api.call("GET", PATH)).json
    assert (state["complete"], state["bytes"], state["wrong_digest"]) == (False, 0, True)


async def test_a_newer_upload_ends_an_older_one_that_hangs(api):
    host, port = api.web.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"PUT {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.secrets['all']}\r\nContent-Length: 9999\r\n\r\n"
    )
    writer.write(head.encode() + b"old")
    [site] = api.web._sites
    await until(lambda: bool(site._api.uploads._receiving))
    found = await api.call("PUT", PATH, data=LIST, headers=CSV)
    assert (found.status, found.json["bytes"], found.json["complete"]) == (200, len(LIST), True)
    writer.close()


async def test_a_longer_list_than_allowed_is_refused_by_its_length_and_by_its_bytes(tmp_path: Path):
    async def endless():
        for _ in range(100):
            yield b"13800138000\n" * 10

    async with served(tmp_path, more="[api]\nupload_bytes_max = 1000\n") as api:
        declared = await api.call("PUT", PATH, data=b"x" * 1_001, headers=CSV)
        chunked = await api.call("PUT", PATH, data=endless(), headers=CSV)
        for refused in (declared, chunked):
            assert (refused.status, refused.kind) == (413, "too-large")
        path = tmp_path / "results.db-uploads" / "c-may" / "list"
        assert path.stat().st_size <= 1_000
        assert path.stat().st_mode & 0o077 == 0


HEADERS = [
    ({"Content-Range": "bytes 5-1/9"}, 422),
    ({"Content-Range": "bytes 0-9/9"}, 422),
    ({"Content-Range": "nonsense"}, 422),
    ({"Content-Range": "bytes 0-5/9"}, 422),  # the body has one byte
    ({"Content-Range": "bytes 0-0/9", "Upload-Offset": "5"}, 422),
    ({"Upload-Offset": "-1"}, 422),
    ({"Upload-Offset": ""}, 422),
    ({"Upload-Complete": "yes"}, 422),
    ({"Content-Digest": "md5=:x:"}, 422),
    ({"Content-Type": "application/pdf"}, 415),
    ({"Content-Encoding": "br"}, 415),
]


async def test_a_wrong_header_of_an_upload_is_a_problem(api):
    for headers, status in HEADERS:
        answer = await api.call("PUT", PATH, data=b"x", headers=CSV | headers)
        assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json"), headers


async def test_another_list_after_the_launch_is_refused_and_the_same_is_not(api):
    await api.call("PUT", "/v1/campaigns/may", TERMS)
    await api.call("PUT", PATH, data=LIST, headers=CSV)
    await api.call("POST", "/v1/campaigns/may:launch")
    assert (await api.call("PUT", PATH, data=LIST, headers=CSV)).status == 200
    other = await api.call("PUT", PATH, data=LIST + b"13900139000\n", headers=CSV)
    assert (other.status, other.kind) == (422, "other-content")
    assert (await api.call("POST", "/v1/campaigns/may:launch")).json["already_launched"] is True
