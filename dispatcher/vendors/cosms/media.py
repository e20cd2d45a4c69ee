"""COSMS's WAP pushes and multimedia messages made of frames (vendors.md 1.5, 1.11, 8.1). Pure.

A multimedia message is a list of frames (an "INI") on the vendor's server, beside the files it names.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from dispatcher.core.messages.text import not_carried, units
from dispatcher.errors import TextError
from dispatcher.vendors.seam.vendor import Request

LINK_MMS, LINK_WAP = "3000", "4000"
UPLOAD_PATH: Final = "/sms/FileUpLoad/"

WAP_TITLE_BYTES_MAX: Final = 10
WAP_BYTES_MAX: Final = 80
WAP_WEIGHT_MAX: Final = 186

FILES_MAX: Final = 100
SECONDS_MAX: Final = 999
RESOURCES_BYTES_ADVISED: Final = 50 * 1024
RESOURCES_BYTES_MAX: Final = 5_000_000
INI_NAME: Final = "frames.ini"
INI_CHARSET: Final = "gbk"

_URL: Final = re.compile(r"https?://[!-~]+", re.ASCII)
_NAME: Final = re.compile(r"(\d{1,3})(?:@(\d{1,3})s)?(?:[-_ ][^/\\]*)?\.(jpg|mid|txt)", re.IGNORECASE | re.ASCII)
_TYPES: Final = {"jpg": "image/jpeg", "mid": "audio/midi", "txt": "text/plain", "ini": "text/plain"}

# --- WAP push --------------------------------------------------------------------------------------------------------


def check_wap(text: str) -> None:
    """Checks both size rules of the document (AMB-COSMS-15), in GBK bytes. Raises TextError."""
    title, mark, url = text.partition("#")
    if not mark or not title.strip() or not url:
        raise TextError('a WAP push is a title, "#" and a URL.', about="--text", do='Write {about} "TITLE#http://…".')
    if not _URL.fullmatch(url):
        raise TextError("the URL of a WAP push must begin with http:// or https:// and be ASCII without blanks.")
    if lost := not_carried(title, "gbk"):
        raise TextError(
            "GBK cannot carry {character!r} in the title of the WAP push. Replace it.", character=lost.character
        )
    title_bytes = len(title.encode("gbk"))
    if title_bytes > WAP_TITLE_BYTES_MAX:
        raise TextError(
            "the title of the WAP push has {title_bytes} bytes, at most {max} are allowed "
            "(a Chinese character has 2). Shorten it.",
            title_bytes=title_bytes,
            max=WAP_TITLE_BYTES_MAX,
        )
    weight = sum(2 if character.isascii() else 6 * units(character) for character in title)
    weight += 2 * (1 + len(url.removeprefix("http://")))
    if weight > WAP_WEIGHT_MAX:
        raise TextError(
            "the WAP push weighs {weight}, at most {max} is allowed (2 for an ASCII character, 6 for any "
            "other, http:// is free). Shorten it.",
            weight=weight,
            max=WAP_WEIGHT_MAX,
        )
    size = title_bytes + 1 + len(url)
    if size > WAP_BYTES_MAX:
        raise TextError(
            "the WAP push has {size} bytes, at most {max} are allowed. Shorten the URL.",
            size=size,
            max=WAP_BYTES_MAX,
        )


# --- multimedia messages ---------------------------------------------------------------------------------------------


def check_mms(text: str) -> None:
    """Raises TextError unless the text is a URL."""
    if not _URL.fullmatch(text):
        raise TextError(
            "the text of a multimedia message must be the URL of its frames (http://…, ASCII, no blanks): what the "
            "upload of its folder says."
        )


class Frame(msgspec.Struct, frozen=True):
    """What is shown together: names of files, and for how long (None: the vendor's 8 seconds)."""

    names: tuple[str, ...]
    seconds: int | None


def frames(names: Collection[str]) -> list[Frame]:
    """The frames of a folder's files, by the number that each name begins with: `1.jpg`, `1.txt`, `2@12s.jpg` …

    `@12s` shows that frame for 12 seconds; more text may follow a `-`, `_` or blank. A sound plays until the next.
    Raises TextError for a name without a frame, two durations of one frame, no files or more than FILES_MAX.
    """
    if not 1 <= len(names) <= FILES_MAX:
        raise TextError(
            "the folder of the frames has {count} files; 1 to {max} are needed.",
            count=len(names),
            max=FILES_MAX,
        )
    found: dict[int, list[str]] = {}
    seconds: dict[int, int] = {}
    for name in sorted(names):
        read = _NAME.fullmatch(name)
        if not read or not int(read[1]):
            raise TextError(
                '"{name}" is no part of a frame. Name files (jpg, txt and mid) by their frame: 1.jpg, 1.txt, 2.mid; '
                "and 2@12s.jpg to show frame 2 for 12 seconds.",
                name=name,
            )
        found.setdefault(int(read[1]), []).append(name)
        if read[2] and seconds.setdefault(int(read[1]), int(read[2])) != int(read[2]):
            raise TextError(
                '"{name}" shows frame {frame} for another time than a file before it. Name it once.',
                name=name,
                frame=int(read[1]),
            )
        if read[2] and not int(read[2]):
            raise TextError(
                '"{name}" shows its frame for no time. Write 1 to {max} seconds.',
                name=name,
                max=SECONDS_MAX,
            )
    return [Frame(tuple(found[number]), seconds.get(number)) for number in sorted(found)]


def ini(shown: Sequence[Frame], urls: Mapping[str, str]) -> bytes:
    """The frames as the vendor reads them: a URL a line, an empty line between frames."""
    blocks = [
        [*(urls[name] for name in frame.names), *([f"[播放时间]={frame.seconds}"] if frame.seconds else [])]
        for frame in shown
    ]
    return "\r\n\r\n".join("\r\n".join(block) for block in blocks).encode(INI_CHARSET) + b"\r\n"


def upload(fields: Mapping[str, str], name: str, content: bytes) -> Request:
    """The multipart POST of one file; its name on the wire is ASCII."""
    ending = name.rpartition(".")[2].lower()
    boundary = "----" + hashlib.sha256(content).hexdigest()[:32]
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}' for key, value in fields.items()
    ]
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="F"; filename="{_ascii(name)}"\r\n'
        f"Content-Type: {_TYPES.get(ending, 'application/octet-stream')}\r\n\r\n"
    )
    return Request(
        path=UPLOAD_PATH,
        content_type=f"multipart/form-data; boundary={boundary}",
        prefix="\r\n".join([*parts, head]).encode("ascii"),
        tail=content,
        suffix=f"\r\n--{boundary}--\r\n".encode("ascii"),
    )


def uploaded(lines: Sequence[bytes]) -> str:
    """The URL in the answer to an upload, "" if there is none."""
    url = lines[0].decode("ascii", "replace").strip() if lines else ""
    return url if _URL.fullmatch(url) else ""


def _ascii(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9@._-]", "_", name)
