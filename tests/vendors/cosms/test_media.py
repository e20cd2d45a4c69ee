"""WAP pushes and multimedia messages of COSMS (vendors.md 1.5, 1.11): what is refused, frames, uploads."""

from __future__ import annotations

from urllib.parse import parse_qsl

import msgspec
import pytest

from dispatcher.core.lane.answers.verdict import Kind
from dispatcher.errors import TextError
from dispatcher.vendors.cosms.media import RESOURCES_BYTES_MAX, Frame, frames, ini
from dispatcher.vendors.cosms.vendor import Cosms
from dispatcher.vendors.cosms.wire import one_time_password
from dispatcher.vendors.seam.vendor import Answer, Message, MessageKind, PublishedMessage, Request, Secret

ACCOUNT = Cosms(url="http://127.0.0.1:9104", corp_id="100", login_name="DEMO", password=Secret("s3cret"), md5=False)
SITE = "http://127.0.0.1/mms"


def prepared(text: str, kind: MessageKind, **options: str) -> dict[str, str]:
    form = ACCOUNT.prepare(Message(text=text, kind=kind, options=options)).decode("ascii")
    return dict(parse_qsl(form, encoding="gbk"))


# --- WAP push --------------------------------------------------------------------------------------------------------

HOST = "http://news.example"  # vendors.md 1.5


def test_the_documents_wap_push_is_sent_with_its_link_id():
    form = prepared(f"企信专家#{HOST}", "wap")
    assert (form["linkID"], form["msgFormat"], form["msg"]) == ("4000", "1", f"企信专家#{HOST}")


def test_a_text_has_no_link_id_wherever_it_goes():
    assert "linkID" not in prepared("hi", "sms")


def url(length: int) -> str:
    """A URL of this many bytes."""
    return "http://h/" + "x" * (length - 9)


WAPS = [
    ("80 bytes in all", f"ab#{url(77)}", ""),
    ("81 bytes in all", f"ab#{url(78)}", "has 81 bytes, at most 80"),
    ("80 bytes with a Chinese title", f"企信专家#{url(71)}", ""),
    ("81 bytes with a Chinese title", f"企信专家#{url(72)}", "has 81 bytes, at most 80"),
    ("a title of 10 bytes", f"企信专家一#{url(20)}", ""),
    ("a title of 11 bytes", f"企信专家一x#{url(20)}", "the title of the WAP push has 11 bytes, at most 10"),
    ("a title that GBK cannot carry", f"a😀#{url(20)}", "GBK cannot carry '😀' in the title"),
    ("an https URL, which is counted whole", f"企信专家#https://h/{'x' * 61}", ""),
    ("a URL with a fragment", f"ab#{url(20)}#top", ""),
    ("no URL", "企信专家", 'a WAP push is a title, "#" and a URL'),
    ("an empty URL", "企信专家#", 'a WAP push is a title, "#" and a URL'),
    ("no title", f"#{url(20)}", 'a WAP push is a title, "#" and a URL'),
    ("a URL of no scheme", "企信#127.0.0.1/x", "must begin with http:// or https://"),
    ("a URL in Chinese", "企信#http://127.0.0.1/好", "be ASCII without blanks"),
    ("a URL with a blank", "企信#http://127.0.0.1/a b", "be ASCII without blanks"),
]


@pytest.mark.parametrize(("text", "sentence"), [row[1:] for row in WAPS], ids=[row[0] for row in WAPS])
def test_a_wap_push_fits_or_is_refused_at_launch(text, sentence):
    if not sentence:
        assert prepared(text, "wap")["linkID"] == "4000"
        return
    with pytest.raises(TextError) as refused:
        ACCOUNT.prepare(Message(text=text, kind="wap"))
    assert sentence in str(refused.value)
    assert str(refused.value).endswith(".")


def test_a_chinese_character_weighs_6_any_other_2_and_http_nothing():
    text = f"企信专家#{HOST}/{'x' * 69}"
    with pytest.raises(TextError, match="weighs 190, at most 186 is allowed"):
        ACCOUNT.prepare(Message(text=text, kind="wap"))
    with pytest.raises(TextError, match=r"has 96 bytes, at most 80"):
        ACCOUNT.prepare(Message(text=text[:-2], kind="wap"))


def test_code_413_finds_the_numbers_of_a_wap_push_that_are_not_china_mobile_s():
    """The plan counts them before (tests/content/test_judge.py)."""
    assert ACCOUNT.codes.verdict("413").divide


# --- multimedia messages ---------------------------------------------------------------------------------------------


def test_a_multimedia_message_is_the_url_of_its_frames_and_may_have_a_title():
    form = prepared(f"{SITE}/frames.ini", "mms", mms_title="新年")
    assert (form["linkID"], form["msg"], form["mmsTitle"]) == ("3000", f"{SITE}/frames.ini", "新年")
    assert "mmsTitle" not in prepared(f"{SITE}/frames.ini", "mms")


@pytest.mark.parametrize("text", ["hello", "ftp://h/x", "http://h/a b", "http://h/好"])
def test_a_multimedia_message_that_is_no_url_is_refused(text):
    with pytest.raises(TextError, match="must be the URL of its frames"):
        ACCOUNT.prepare(Message(text=text, kind="mms"))


def test_a_title_that_is_too_long_is_refused():
    with pytest.raises(TextError, match="mms_title must be at most 500 characters"):
        prepared(f"{SITE}/frames.ini", "mms", mms_title="字" * 501)


def test_files_are_the_frames_that_their_names_begin_with():
    names = ["10.jpg", "1.TXT", "2-hello.mid", "1.jpg", "2@12s.jpg", "2 世界.txt"]
    assert frames(names) == [
        Frame(("1.TXT", "1.jpg"), None),
        Frame(("2 世界.txt", "2-hello.mid", "2@12s.jpg"), 12),
        Frame(("10.jpg",), None),
    ]


BAD_FILES = [
    ([], "has 0 files; 1 to 100 are needed"),
    ([f"{at}.jpg" for at in range(1, 102)], "has 101 files"),
    (["hello.jpg"], '"hello.jpg" is no part of a frame'),
    (["1.gif"], '"1.gif" is no part of a frame'),
    (["0.jpg"], '"0.jpg" is no part of a frame'),
    (["1/2.jpg"], "is no part of a frame"),
    (["1.ini"], "is no part of a frame"),
    (["1@5s.jpg", "1@6s.txt"], "shows frame 1 for another time"),
    (["1@0s.jpg"], "shows its frame for no time"),
]


@pytest.mark.parametrize(("names", "sentence"), BAD_FILES, ids=[row[1] for row in BAD_FILES])
def test_files_that_make_no_frames_are_refused_by_name(names, sentence):
    with pytest.raises(TextError) as refused:
        frames(names)
    assert sentence in str(refused.value)
    with pytest.raises(TextError):
        ACCOUNT.publish(dict.fromkeys(names, b""))


def test_the_list_of_frames_is_as_the_document_describes_it():
    shown = [Frame(("1.jpg", "1.mid"), None), Frame(("2.jpg",), 12)]
    urls = {name: f"{SITE}/{name}" for name in ("1.jpg", "1.mid", "2.jpg")}
    lines = [f"{SITE}/1.jpg", f"{SITE}/1.mid", "", f"{SITE}/2.jpg", "[播放时间]=12", ""]
    assert ini(shown, urls) == "\r\n".join(lines).encode("gbk")


FILES = {"1.jpg": b"\xff\xd8--JPEG", "1.txt": "你好".encode("gbk")}


def uploads(account: Cosms, *bodies: bytes, files: dict[str, bytes] = FILES) -> tuple[list[Request], PublishedMessage]:
    flow = account.publish(files)
    requests = [next(flow)]
    for body in bodies:
        try:
            requests.append(flow.send(Answer(body)))
        except StopIteration as end:
            return requests, end.value
    raise AssertionError("the flow wants more answers")


def parts(request: Request) -> dict[str, tuple[str, bytes]]:
    """The parts of a multipart request: (their headers, their content), by name."""
    kind, _, boundary = request.content_type.partition("; boundary=")
    assert kind == "multipart/form-data"
    body = b"".join((request.prefix, request.tail, request.suffix))
    first, *found, last = body.split(b"--" + boundary.encode())
    assert (first, last) == (b"", b"--\r\n")
    named: dict[str, tuple[str, bytes]] = {}
    for part in found:
        head, _, content = part.partition(b"\r\n\r\n")
        name = head.split(b'name="')[1].split(b'"')[0].decode()
        assert content.endswith(b"\r\n")
        named[name] = (head.decode(), content[:-2])
    return named


def test_every_file_is_uploaded_and_then_the_frames_that_name_their_urls():
    answers = [b"100\r\nhttp://127.0.0.1/mms/%d.x\r\n" % at for at in range(3)]
    requests, published = uploads(ACCOUNT, *answers)
    assert [request.path for request in requests] == ["/sms/FileUpLoad/"] * 3
    assert not any(request.submits for request in requests)
    for request in requests:
        named = parts(request)
        assert list(named) == ["corpID", "loginName", "password", "F"]
        assert [named[name][1] for name in ("corpID", "loginName", "password")] == [b"100", b"DEMO", b"s3cret"]
    assert [parts(request)["F"][1] for request in requests] == [
        FILES["1.jpg"],
        FILES["1.txt"],
        b"http://127.0.0.1/mms/0.x\r\nhttp://127.0.0.1/mms/1.x\r\n",
    ]
    assert 'filename="1.jpg"\r\nContent-Type: image/jpeg' in parts(requests[0])["F"][0]
    assert published == PublishedMessage(
        url="http://127.0.0.1/mms/2.x",
        files=(("1.jpg", "http://127.0.0.1/mms/0.x"), ("1.txt", "http://127.0.0.1/mms/1.x")),
    )
    ACCOUNT.prepare(Message(text=published.url, kind="mms"))


def test_each_upload_has_a_login_of_its_own():
    secure = msgspec.structs.replace(ACCOUNT, md5=True)
    requests, published = uploads(
        secure,
        b"111111",
        b"100\n" + SITE.encode() + b"/1",
        b"112233",
        b"100\n" + SITE.encode() + b"/2",
        files={"1.jpg": b"x"},
    )
    assert published.url == f"{SITE}/2"
    passwords = [parts(request)["password"][1].decode() for request in requests[1::2]]
    assert passwords == [one_time_password("100", "DEMO", "s3cret", string) for string in ("111111", "112233")]
    assert [request.same_connection for request in requests] == [False, True] * 2


FAILURES = [
    (b"300", Kind.RETRY_LATER),
    (b"203", Kind.AUTH),
    (b"100", Kind.RETRY_LATER),
    (b"100\nnonsense", Kind.RETRY_LATER),
    (b"", Kind.RETRY_LATER),
]


@pytest.mark.parametrize(("body", "kind"), FAILURES, ids=[repr(row[0]) for row in FAILURES])
def test_a_failed_upload_ends_it_and_says_why_and_what_is_there_already(body, kind):
    _, published = uploads(ACCOUNT, b"100\n" + SITE.encode() + b"/1", body)
    assert published.url == ""
    assert published.files == (("1.jpg", f"{SITE}/1"),)
    assert published.verdict is not None
    assert published.verdict.kind is kind


def test_heavy_files_are_warned_of_and_huge_ones_refused():
    url = b"100\n" + SITE.encode() + b"/1"
    assert uploads(ACCOUNT, url, url, files={"1.jpg": b"x" * 51_200})[1].warn == ""
    assert "phones may refuse" in uploads(ACCOUNT, url, url, files={"1.jpg": b"x" * 51_201})[1].warn
    with pytest.raises(TextError, match="Shrink them"):
        ACCOUNT.publish({"1.jpg": b"x" * (RESOURCES_BYTES_MAX + 1)})


def test_a_name_in_chinese_is_ascii_on_the_wire():
    requests, _ = uploads(ACCOUNT, *[b"100\n" + SITE.encode() + b"/1"] * 2, files={"1-图.jpg": b"x"})
    assert 'filename="1-_.jpg"' in parts(requests[0])["F"][0]


def test_whatever_a_file_holds_the_parts_can_be_told_apart():
    content = b"----x\r\n--\r\n\r\n" * 3
    requests, _ = uploads(ACCOUNT, *[b"100\n" + SITE.encode() + b"/1"] * 2, files={"1.jpg": content})
    assert parts(requests[0])["F"][1] == content
