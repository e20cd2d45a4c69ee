"""WAP pushes and multimedia messages: each mistake is one sentence, and what they are decides the fingerprint."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.file import parse
from dispatcher.errors import InputError, TextError, UserError
from dispatcher.service.campaigns.launching import LaunchRequest
from producers.launch.definition import Definition, define
from producers.launch.multimedia import BYTES_ADVISED, read_frames
from tests.always import ALWAYS

NOW = datetime(2025, 5, 1)
BATCH = {"vendor": "batch-a", "url": "http://127.0.0.1:9101", "account": "demo", "pswd": "x"}
COSMS = {
    "vendor": "cosms", "url": "http://127.0.0.1:9101", "corp_id": "1", "login_name": "a", "password": "secret",
}  # fmt: skip
CONFIG = parse({"account": {"spring": BATCH, "summer": COSMS, "autumn": COSMS}} | ALWAYS, "test.toml")
WAP = "店#http://127.0.0.1/may"


def defined(**changes: Any) -> Definition:
    wanted: dict[str, Any] = {"id": "may", "text": "hi", "route": ["summer"], **changes}
    return define(CONFIG, LaunchRequest(numbers=(), **wanted), NOW)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "1.jpg").write_bytes(b"x" * 100)
    (folder / "1.txt").write_bytes(b"hi")
    (folder / ".DS_Store").write_bytes(b"?")
    return folder


MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    ("a kind that is none", {"kind": "fax"}, "sms, wap, mms"),
    ("a vendor without WAP pushes", {"kind": "wap", "text": WAP, "route": ["spring"]}, "sends texts only, no WAP"),
    ("one of two without", {"kind": "wap", "text": WAP, "route": ["summer", "spring"]}, '"spring": vendor batch-a'),
    ("a WAP push without a URL", {"kind": "wap", "text": "hello"}, "TITLE#http"),
    ("a title too long", {"kind": "wap", "text": "x" * 11 + "#http://127.0.0.1/"}, "title"),
    ("multimedia without frames", {"kind": "mms"}, "add --frames FOLDER"),
    ("frames without multimedia", {"frames": "here"}, "--kind mms"),
    ("frames that are not there", {"kind": "mms", "frames": "/nowhere/at/all"}, "no such folder"),
    ("multimedia through two accounts", {"kind": "mms", "frames": "x", "route": ["summer", "autumn"]}, "one account"),
]


@pytest.mark.parametrize(("changes", "words"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_one_sentence(changes, words):
    with pytest.raises(UserError, match=words):
        defined(**changes)


def test_a_file_that_is_no_part_of_a_frame_is_named(frames):
    (frames / "logo.gif").write_bytes(b"x")
    with pytest.raises(UserError, match=r'"summer": "logo\.gif" is no part of a frame'):
        defined(kind="mms", text="May", frames=frames)


@pytest.mark.parametrize("what", ["nothing", "a folder"])
def test_a_folder_that_makes_no_message_is_refused(tmp_path, what):
    if what == "a folder":
        (tmp_path / "1.jpg").mkdir()
    with pytest.raises(InputError, match="empty|no file"):
        read_frames(tmp_path)


def test_frames_are_told_of_with_their_size_and_what_phones_may_refuse(frames):
    assert read_frames(frames).notes()[0].startswith("multimedia message of 2 files, 102 bytes: uploaded")
    (frames / "2.jpg").write_bytes(b"x" * BYTES_ADVISED)
    assert "phones may refuse more than 51,200" in read_frames(frames).notes()[0]


def test_the_title_of_a_multimedia_message_goes_out_as_the_vendor_s_option(frames):
    definition = defined(kind="mms", text="May sale", frames=frames)
    assert (definition.text, definition.options) == ("May sale", {"summer.mms_title": "May sale"})


def test_kind_and_frames_decide_the_fingerprint_not_where_the_folder_lies(frames, tmp_path):
    first = defined(kind="mms", text="May", frames=frames).sent_as()
    moved = tmp_path / "moved"
    frames.rename(moved)
    assert defined(kind="mms", text="May", frames=moved).sent_as() == first
    (moved / "1.txt").write_bytes(b"ho")
    assert defined(kind="mms", text="May", frames=moved).sent_as() != first
    assert defined(text=WAP).sent_as() != defined(text=WAP, kind="wap").sent_as()


def test_a_placeholder_is_refused_where_everybody_gets_the_same_and_braces_are_written_as_in_texts(frames):
    with pytest.raises(TextError, match=r"of WAP pushes get the same, so \{x\} cannot stand .* \{\{ and \}\}"):
        defined(kind="wap", text="a#http://127.0.0.1/{x}")
    with pytest.raises(TextError, match=r"of multimedia messages get the same, so \{name\} cannot"):
        defined(kind="mms", text="Hi {name}", frames=frames)
    assert defined(kind="wap", text="a#http://127.0.0.1/{{x}}").text == "a#http://127.0.0.1/{x}"
    assert defined(kind="mms", text="{{May}}", frames=frames).options == {"summer.mms_title": "{May}"}
