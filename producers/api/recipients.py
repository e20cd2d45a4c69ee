"""The upload of a campaign's list: in one piece, or continued at any byte.

`PUT` sends the list, `Content-Range` or `Upload-Offset` a part of it. Where the server is, says `Upload-Offset` of its
answers and of `HEAD`. What came is never cut by a part: one that does not begin where the list ends gets 409.
`Content-Digest` is checked against the bytes of the request, `Repr-Digest` against the whole.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from dispatcher.i18n import N_
from producers.api.operation import Answered, Call, HeaderField
from producers.api.problems import Problem
from producers.api.uploads import UploadedList
from producers.web.bodies import BodyBroken, body_pieces

PIECE_S: Final = 60.0
"""How long an upload may pause."""

MEDIA: Final = (
    "text/csv",
    "text/plain",
    "text/tab-separated-values",
    "application/x-ndjson",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.apache.parquet",
    "application/octet-stream",
)
PARTIAL: Final = "application/partial-upload"
"""The type of any part, as draft-ietf-httpbis-resumable-upload has it: the list keeps the one with which it began."""
PART_MEDIA: Final = (PARTIAL, *MEDIA)
_OFFSET: Final = {"type": "string", "pattern": "^[0-9]{1,15}$"}
_FLAG: Final = {"type": "string", "enum": ["?0", "?1"]}
_DIGEST: Final = {"type": "string", "pattern": "^sha-256=:[A-Za-z0-9+/]{43}=:$"}
HEADERS: Final = (
    HeaderField("Upload-Offset", _OFFSET, N_("At which byte of the list this part begins; absent: at its first.")),
    HeaderField("Upload-Complete", _FLAG, N_("?0: more parts follow; absent: this is the last one.")),
    HeaderField(
        "Content-Range",
        {"type": "string", "pattern": r"^bytes [0-9]{1,15}-[0-9]{1,15}/([0-9]{1,15}|\*)$"},
        N_("Instead of both: first and last byte of this part, and the length of the list."),
    ),
    HeaderField(
        "Content-Encoding",
        {"type": "string", "enum": ["identity", "gzip"]},
        N_("How the list is packed; all parts of a list have the same."),
    ),
    HeaderField(
        "Content-Digest", _DIGEST, N_("The SHA-256 of these bytes (RFC 9530). They are kept only if it is right.")
    ),
    HeaderField(
        "Repr-Digest", _DIGEST, N_("The SHA-256 of the whole list (RFC 9530). It is kept only if it is right.")
    ),
)
ANSWER_HEADERS: Final = (
    HeaderField("Upload-Offset", _OFFSET, N_("How many bytes of the list came.")),
    HeaderField("Upload-Complete", _FLAG, N_("?1: all of it came.")),
)
_RANGE: Final = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)")


class _Part(NamedTuple):
    """Which bytes of the list a request has. `size`: as Content-Range says."""

    offset: int
    size: int | None
    total: int | None
    ends: bool


async def show(call: Call) -> Answered:
    found = call.api.uploads.list_of(call.values["id"])
    if found is None:
        raise Problem("not-found", N_("Nothing of this list came."), headers={"Upload-Offset": "0"})
    return _answer(found)


async def receive(call: Call) -> Answered:
    campaign, headers = call.values["id"], call.incoming.http.headers
    empty = next((each.name for each in HEADERS if headers.get(each.name) == ""), None)
    if empty is not None:
        raise Problem("invalid", N_("The header {name} is empty."), name=empty)
    part = _part(headers.get("Content-Range", ""), headers.get("Upload-Offset", ""), headers.get("Upload-Complete", ""))
    continues = call.incoming.method == "PATCH" or part.offset > 0
    taken = PART_MEDIA if continues else MEDIA
    media = headers.get("Content-Type", taken[0] if continues else MEDIA[-1]).partition(";")[0].strip().lower()
    if media not in taken:
        types = ", ".join(taken)
        raise Problem(
            "wrong-media",
            N_('The content type is "{media}". It may be: {types}.'),
            media=media,
            types=types,
            headers={"Accept": types},
        )
    encoding = headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip"):
        raise Problem(
            "wrong-media",
            N_('The content encoding is "{encoding}".'),
            encoding=encoding,
            headers={"Accept-Encoding": "gzip"},
        )
    declared = call.incoming.http.content_length or 0
    if part.offset + declared > call.api.config.api.upload_bytes_max:
        raise Problem(
            "too-large",
            N_("A list may have {upload_bytes_max:,} bytes at most."),
            upload_bytes_max=call.api.config.api.upload_bytes_max,
        )
    if part.size is not None and declared != part.size:
        raise Problem("invalid", N_("Content-Length must be the length that Content-Range says."))
    known = (await call.session.campaigns()).get(campaign)
    kept = call.api.uploads.terms(campaign)
    is_launched = known is not None and known.launched is not None
    if is_launched and kept is None:
        raise Problem("other-content", N_('"{campaign}" was launched. Use another id.'), campaign=campaign)
    try:
        found = await call.api.uploads.receive(
            campaign,
            _counted(body_pieces(call.incoming.http, within_s=PIECE_S), declared),
            offset=part.offset,
            continues=continues,
            total=part.total,
            ends=part.ends,
            content_type="" if media == PARTIAL else media,
            content_encoding="gzip" if encoding == "gzip" else "",
            digest=headers.get("Content-Digest", ""),
            whole_digest=headers.get("Repr-Digest", ""),
        )
    except BodyBroken:
        raise Problem(
            "broken", N_("The upload broke off. What came is kept: continue at Upload-Offset (HEAD).")
        ) from None
    if found.complete and is_launched and kept is not None and kept.drafted_list != found.sha256:
        raise Problem("other-content", N_('"{campaign}" was launched with another list.'), campaign=campaign)
    call.says = f"{found.bytes:,} bytes"
    return _answer(found)


def _answer(found: UploadedList) -> Answered:
    headers = {"Upload-Offset": str(found.bytes), "Upload-Complete": "?1" if found.complete else "?0"}
    return Answered(value=found, headers=headers)


async def _counted(pieces: AsyncIterator[bytes], declared: int) -> AsyncIterator[bytes]:
    """Raises BodyBroken if fewer bytes come than were declared."""
    size = 0
    async for piece in pieces:
        size += len(piece)
        yield piece
    if size < declared:
        raise BodyBroken


def _part(content_range: str, offset: str, complete: str) -> _Part:
    """Raises Problem."""
    if complete not in ("", "?0", "?1"):
        raise Problem("invalid", N_("Upload-Complete must be ?0 or ?1."))
    if content_range:
        found = _RANGE.fullmatch(content_range.strip())
        first, last = (int(found[1]), int(found[2])) if found else (1, 0)
        total = None if found is None or found[3] == "*" else int(found[3])
        if first > last or (total is not None and last >= total):
            raise Problem("invalid", N_("Content-Range must be like: bytes 1000-1999/5000"))
        if offset and offset != str(first):
            raise Problem("invalid", N_("Upload-Offset and Content-Range differ."))
        return _Part(first, last - first + 1, total, complete == "?1")
    if offset and not (offset.isascii() and offset.isdigit() and len(offset) <= 15):
        raise Problem("invalid", N_("Upload-Offset must be a number of bytes."))
    return _Part(int(offset or 0), None, None, complete != "?0")
