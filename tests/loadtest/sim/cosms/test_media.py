"""WAP pushes, MMS and uploads (vendors.md 1.5, 1.11, 8.1)."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.sim.cosms import files as cosms_files
from loadtest.sim.cosms import text as cosms_text
from tests.loadtest.sim.cosms.cosms_kit import LOGIN, Cosms, code, cosms, rows
from tests.loadtest.sim.sim_kit import Answer, numbers

EXAMPLE = "企信专家#http://news.example"  # vendors.md 1.5
BOUNDARY = "----boundary"
CAT = b"\xff\xd8\r\n--\r\n\x00cat"


def multipart(fields: dict[str, str], file: tuple[str, bytes] | None) -> bytes:
    pieces = [f'Content-Disposition: form-data; name="{k}"\r\n\r\n{v}'.encode() for k, v in fields.items()]
    if file:
        head = f'Content-Disposition: form-data; name="F"; filename="{file[0]}"\r\nContent-Type: image/jpeg\r\n\r\n'
        pieces.append(head.encode() + file[1])
    edge = f"--{BOUNDARY}".encode()
    return b"".join(edge + b"\r\n" + piece + b"\r\n" for piece in pieces) + edge + b"--\r\n"


async def upload(v: Cosms, file: tuple[str, bytes] | None, path: str = "/sms/FileUpLoad/", **fields: Any) -> Answer:
    given = {k: x for k, x in (LOGIN | fields).items() if x is not None}
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return await v.call(path, multipart(given, file), kind=kind)


# WAP push


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (EXAMPLE, True),
        ("a#b", True),
        ("#http://127.0.0.1/", False),
        ("title#", False),
        ("title", False),
        ("title#http://127.0.0.1/页", False),
        ("五个字标题#http://127.0.0.1/", True),  # ten bytes
        ("十一字节标题#http://127.0.0.1/", False),
        ("title12345#http://127.0.0.1/", True),
        ("title123456#http://127.0.0.1/", False),
        ("t#" + "x" * 78, True),  # 80 bytes; 2 * 80 weighted
        ("t#" + "x" * 79, False),
        ("五个字标题#" + "x" * 69, True),  # 80 bytes; 30 + 2 + 138 weighted
        ("五个字标题#http://" + "x" * 62, True),
        ("五个字标题#http://" + "x" * 63, False),
        ("😀#x", False),
    ],
)
async def test_both_sizes_of_a_wap_push(text: str, good: bool) -> None:
    assert cosms_text.is_wap(text) is good
    async with cosms() as v:
        answer = await v.send(linkID="4000", msg=text.encode(), msgFormat="2")
        assert code(answer) == ("100" if good else "412")


def test_the_documents_example_weighs_fifty() -> None:
    assert (cosms_text.wap_weight(EXAMPLE), len(EXAMPLE.encode("gbk"))) == (50, 28)


@pytest.mark.parametrize(
    ("title", "url_chars", "good"),
    [("五个字标题", 69, True), ("字字字字字", 70, False), ("ab", 77, True), ("ab", 78, False)],
)
def test_the_weight_never_bites_where_the_bytes_do_not(title: str, url_chars: int, good: bool) -> None:
    assert cosms_text.is_wap(f"{title}#{'x' * url_chars}") is good


async def test_a_wap_push_is_not_sent_in_format_0() -> None:
    async with cosms() as v:
        assert code(await v.send(linkID="4000", msg="t#http://127.0.0.1/", msgFormat="0")) == "412"
        assert code(await v.send(linkID="4000", msg="t#http://127.0.0.1/", Mobs=numbers(20))) == "100"
        assert (await v.account())["charged"] == 20


# uploads


@pytest.mark.parametrize("path", ["/sms/FileUpLoad/", "/sms/upLoad/", "/sms/FileUpLoad", "/sms/upLoad"])
async def test_an_uploaded_file_is_given_out_again(path: str) -> None:
    async with cosms() as v:
        answer = await upload(v, ("猫 1.jpg", CAT), path)
        [url] = rows(answer)
        assert code(answer) == "100"
        assert url.startswith(v.sim.url + "/sms/files/?f=")
        assert url.endswith(".jpg")
        again = await v.call(url.removeprefix(v.sim.url), None)
        assert again.text.encode("latin-1") == CAT
        assert (await v.call("/sms/files/?f=other.jpg", None)).status == 404
        assert rows(await upload(v, ("猫 1.jpg", CAT), path)) != [url]


async def test_an_upload_without_a_file_or_a_good_login() -> None:
    async with cosms() as v:
        assert code(await upload(v, None)) == "300"
        assert code(await upload(v, ("", b""))) == "300"
        assert code(await upload(v, ("a.jpg", b""))) == "300"
        assert code(await upload(v, ("a.jpg", CAT), corpID=None)) == "202"  # AMB-COSMS-16
        assert code(await upload(v, ("a.jpg", CAT), password="x")) == "203"
        assert (await v.account())["codes"] == {"upload 300": 3, "upload 203": 1}


async def test_an_upload_by_md5_login() -> None:
    from tests.loadtest.sim.cosms.cosms_kit import hashed

    async with cosms() as v:
        md5str = await v.md5str()
        answer = await upload(v, ("a.jpg", CAT), MD5str=md5str, password=hashed("spring", "SPRING", "secret", md5str))
        assert code(answer) == "100"


# MMS


async def uploaded(v: Cosms, name: str, content: bytes) -> str:
    return rows(await upload(v, (name, content)))[0]


async def mms(v: Cosms, url: str, **parameters: Any) -> str:
    return code(await v.send(linkID="3000", mmsTitle="a title", msg=url, **parameters))


async def test_an_mms_is_the_url_of_its_frames() -> None:
    async with cosms({"products": {"domestic": 5, "mms": 3}}) as v:
        cat, tune = await uploaded(v, "cat.jpg", CAT), await uploaded(v, "tune.mid", b"MThd")
        ini = await uploaded(v, "frames.ini", f"{cat}\r\n{tune}\r\n[播放时间]=12\r\n\r\n{cat}\r\n".encode("gbk"))
        assert await mms(v, ini, Mobs=numbers(2)) == "100"
        assert await mms(v, ini, Mobs=numbers(2, 13_900_000_000)) == "503"
        assert rows(await v.ask("corpCanSend"))[0::6] == ["5", "1"]
        assert v.sim.rows()["text"].to_list()[0] == ini


async def test_an_mms_that_cannot_be_received() -> None:
    async with cosms() as v:
        cat = await uploaded(v, "cat.jpg", CAT)
        bad = [b"", b"hello", cat.replace("cat", "dog").encode(), b"\xff\xff", f"{cat}\n[x]=1".encode()]
        inis = [(await uploaded(v, "frames.ini", content)) for content in bad[1:]]
        assert [await mms(v, ini) for ini in inis] == ["300"] * 4
        assert await mms(v, f"{v.sim.url}/sms/files/?f=99_no.ini") == "300"
        assert await mms(v, "no address") == "300"
        assert await mms(v, "http://127.0.0.1:9/elsewhere.ini") == "100"


async def test_large_resources_are_told_by_the_ledger() -> None:
    async with cosms() as v:
        pictures = [await uploaded(v, f"{i}.jpg", CAT + b"x" * 30_000) for i in range(2)]
        assert await mms(v, await uploaded(v, "a.ini", "\r\n".join(pictures[:1]).encode())) == "100"
        assert (await v.account())["violations"] == {}
        assert await mms(v, await uploaded(v, "b.ini", "\r\n".join(pictures).encode())) == "100"
        assert (await v.account())["violations"] == {"mms_too_large": 1}


def test_the_frames_of_an_ini() -> None:
    text = "http://h/a.jpg\r\nhttp://h/a.txt\r\n\r\n\r\n[播放时间]=20\r\nhttp://h/b.JPG\r\n"
    assert cosms_files.frames(text) == [
        cosms_files.Frame(["http://h/a.jpg", "http://h/a.txt"], 8),
        cosms_files.Frame(["http://h/b.JPG"], 20),
    ]
    assert cosms_files.frames("") is None
    assert cosms_files.frames("http://h/a.gif") is None
