"""Reads the form of a POST: fields in bounded memory, files into a folder. Raises BadForm with the status to answer.

The secret of the form (CSRF) must be right before a file is read, so it stands first in every form.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from producers.console.visit import Fields, UploadedFile
from producers.web.bodies import BodyBroken, BodyTooLarge, NoRoom, read_body
from producers.web.site import Incoming

T = TypeVar("T")

CSRF_FIELD: Final = "csrf"
CSRF_HEADER: Final = "X-CSRF-Token"
FORM_BYTES_MAX: Final = 1_048_576
FIELDS_MAX: Final = 2_000
FILES_MAX: Final = 20
UPLOAD_BYTES_MAX: Final = 4 * 1024**3
READ_S: Final = 60.0
PIECE_BYTES: Final = 262_144
NO_PARTS: Final = (
    *(ValueError, TimeoutError, ConnectionError, web.RequestPayloadError, aiohttp.ClientPayloadError),
    *(HttpProcessingError, AssertionError),
)
"""What aiohttp raises for parts that are not as they should be; it asserts that a part has the length it declares."""


class BadForm(Exception):
    """The form cannot be taken; `status` is the answer's."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


async def read_form(
    incoming: Incoming, csrf: str, folder: Callable[[], Path] | None, *, bytes_max: int = FORM_BYTES_MAX
) -> tuple[Fields, dict[str, UploadedFile]]:
    """The fields and files; `folder` makes the place for files, None: there may be none. Raises BadForm."""
    given = incoming.http.headers.get(CSRF_HEADER, "")
    try:
        if incoming.http.content_type == "multipart/form-data":
            if folder is None:
                raise BadForm(415)
            return await _read_parts(incoming, csrf, given, folder)
        body = await read_body(incoming.http, incoming.held, bytes_max=bytes_max, within_s=READ_S)
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except BodyTooLarge as error:
        raise BadForm(413) from error
    except NoRoom as error:
        raise BadForm(503) from error
    except (BodyBroken, ValueError) as error:
        raise BadForm(400) from error
    fields = Fields(pairs)
    if not is_csrf(fields.get(CSRF_FIELD, given), csrf):
        raise BadForm(403)
    return fields, {}


def is_csrf(given: str, csrf: str) -> bool:
    """Whether this is the form's secret."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), csrf.encode())


async def _read_parts(
    incoming: Incoming, csrf: str, given: str, folder: Callable[[], Path]
) -> tuple[Fields, dict[str, UploadedFile]]:
    """Raises BadForm."""
    pairs: list[tuple[str, str]] = []
    files: dict[str, UploadedFile] = {}
    size = 0
    try:
        reader = aiohttp.MultipartReader(incoming.http.headers, incoming.http.content)
        while (part := await _within(reader.next())) is not None:
            if not isinstance(part, aiohttp.BodyPartReader) or part.name is None:
                raise BadForm(400)
            if len(pairs) + len(files) >= FIELDS_MAX or len(files) > FILES_MAX:
                raise BadForm(413)
            if part.filename is None:
                value = bytearray()
                while chunk := await _within(part.read_chunk(PIECE_BYTES)):
                    value += chunk
                    size += len(chunk)
                    if size > FORM_BYTES_MAX or not incoming.held.grow(len(chunk)):
                        raise BadForm(413)
                pairs.append((part.name, value.decode("utf-8")))
                given = pairs[-1][1] if part.name == CSRF_FIELD else given
                continue
            if not is_csrf(given, csrf):
                raise BadForm(403)
            kept = await _keep(part, folder() / f"upload{len(files)}")
            if kept.size or kept.name:
                name = part.name if part.name not in files else f"{part.name}.{len(files)}"
                files[name] = kept
    except NO_PARTS as error:
        raise BadForm(400) from error
    except OSError as error:
        raise BadForm(507) from error
    if not is_csrf(given, csrf):
        raise BadForm(403)
    return Fields(pairs), files


async def _keep(part: aiohttp.BodyPartReader, path: Path) -> UploadedFile:
    """Write a part to a file. Raises BadForm, OSError."""
    size = 0
    file = await asyncio.to_thread(path.open, "wb")
    try:
        while chunk := await _within(part.read_chunk(PIECE_BYTES)):
            size += len(chunk)
            if size > UPLOAD_BYTES_MAX:
                raise BadForm(413)
            await asyncio.to_thread(file.write, chunk)
    finally:
        await asyncio.to_thread(file.close)
    return UploadedFile(path, part.filename or "", size)


async def _within(reading: Awaitable[T]) -> T:
    """Raises TimeoutError."""
    async with asyncio.timeout(READ_S):
        return await reading
