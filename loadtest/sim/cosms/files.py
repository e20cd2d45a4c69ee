"""MMS resources: uploading them, giving them out, and the INI that says what is shown when (vendors.md 1.5, 1.11).

Uploads are kept in memory. A message whose INI lies elsewhere is taken as it is: the simulator fetches nothing.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

FILES = "/sms/files/"
TYPES = (".jpg", ".mid", ".txt", ".ini")
FRAME_S = 8
PLAY_TIME = re.compile(r"\[播放时间\]=(\d+)")
SIZE_BYTES_MAX = 50 * 1024
FILES_MAX = 10_000  # the oldest are forgotten

BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
NAME = re.compile(rb'[;\s]name="?([^";\r\n]*)"?', re.IGNORECASE)
FILE_NAME = re.compile(rb'[;\s]filename="?([^";\r\n]*)"?', re.IGNORECASE)


class Frame(NamedTuple):
    """What is shown at once, and how long."""

    resources: list[str]
    seconds: int


class Files:
    """What was uploaded, by the number in its URL."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._last = 0

    def put(self, name: str, content: bytes, host: str) -> str:
        """Keep a file; its URL."""
        self._last += 1
        key = f"{self._last}_{name}"
        self._files[key] = content
        while len(self._files) > FILES_MAX:
            del self._files[next(iter(self._files))]
        return f"http://{host}{FILES}?f={quote(key, safe='.-_')}"

    def get(self, query: str) -> bytes | None:
        """The file a URL's query asks for."""
        return self._files.get(parse_qs(query).get("f", [""])[0])

    def of_url(self, url: str) -> bytes | None:
        """The content of a URL of ours, None if there is no such file; b"" for a URL that is not ours."""
        parts = urlsplit(url)
        return self.get(parts.query) if parts.path == FILES else b""

    def frames(self, url: str) -> list[Frame] | None:
        """The frames of an INI of ours, None if it is missing or wrong; no frames if it is not ours."""
        if not is_url(url):
            return None
        content = self.of_url(url)
        if not content:
            return None if content is None or urlsplit(url).path == FILES else []
        try:
            made = frames(content.decode("gbk"))
        except UnicodeDecodeError:
            return None
        if made is None or any(self.of_url(r) is None for frame in made for r in frame.resources):
            return None
        return made

    def size(self, made: list[Frame]) -> int:
        """All resources together, those of ours."""
        return sum(len(self.of_url(r) or b"") for frame in made for r in frame.resources)


def frames(text: str) -> list[Frame] | None:
    """The frames of an INI; None if a line is neither a resource's URL nor a play time, or if there is no frame."""
    made: list[Frame] = []
    resources: list[str] = []
    seconds = FRAME_S
    for line in [*text.splitlines(), ""]:
        line = line.strip()
        if not line:
            if resources:
                made.append(Frame(resources, seconds))
            resources, seconds = [], FRAME_S
        elif played := PLAY_TIME.fullmatch(line):
            seconds = int(played[1])
        elif is_url(line) and line.lower().endswith(TYPES[:-1]):
            resources.append(line)
        else:
            return None
    return made or None


def is_url(text: str) -> bool:
    """A complete http or https address."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


class Part(NamedTuple):
    """A field of a multipart body; `file_name` None if it is not a file."""

    content: bytes
    file_name: str | None


def parts(body: bytes, content_type: str) -> dict[str, Part] | None:
    """The fields of a multipart body by their name in lower case; None if it is not multipart."""
    found = BOUNDARY.search(content_type)
    if "multipart/form-data" not in content_type.lower() or found is None:
        return None
    fields: dict[str, Part] = {}
    for piece in (b"\r\n" + body).split(b"\r\n--" + found[1].encode())[1:]:
        if piece.startswith(b"--"):
            break
        head, blank, content = piece.partition(b"\r\n\r\n")
        name = NAME.search(head)
        if blank and name is not None:
            file = FILE_NAME.search(head)
            fields.setdefault(
                name[1].decode("latin-1").strip().lower(),
                Part(content, file and file[1].decode("gb18030", "replace").replace("\\", "/").rpartition("/")[2]),
            )
    return fields
