"""Lists that are uploaded piece by piece, and the terms that go with them, until the campaign is a draft on the log.

A list is a private file. What came before a connection broke stays, so an upload continues at any byte; the size of the
file is the offset. A list counts as complete when its last byte came and its digest, if one was sent, was right.
Memory does not grow with the list. One upload of a campaign is under way at a time; a newer one ends an older one.

Weak spot: the folder is this machine's. Behind a balancer an upload must come back to the machine on which it began.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import errno
import hashlib
import os
import re
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from dispatcher.config.file import Config
from dispatcher.i18n import N_
from dispatcher.loggers import get_logger
from dispatcher.private_files import make_file, make_folder, written_whole
from producers.api.problems import Problem

ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
ANY_CONTENT: Final = "application/octet-stream"
WRITE_BYTES: Final = 1_048_576
KEPT_S: Final = 90 * 86_400.0
CLEAN_EVERY_S: Final = 86_400.0
_PREFIX: Final = "c-"
_DIGEST: Final = re.compile(r"\s*sha-256=:([A-Za-z0-9+/=]{44}):\s*")

logger = get_logger(__name__)


class UploadedList(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign's list as far as it came. `sha256` (hex) is that of the whole list, "" before it is complete.

    `wrong_digest`: all of it came, and it was not kept because its digest was wrong.
    """

    campaign: str
    bytes: int
    complete: bool
    content_type: str
    content_encoding: str
    sha256: str
    wrong_digest: bool = False


class _Described(msgspec.Struct, frozen=True):
    """What is kept beside the bytes of a list."""

    content_type: str = ""
    content_encoding: str = ""
    sha256: str = ""
    wrong_digest: bool = False


class KeptTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The terms of a campaign as they were sent, by whom, and whether they became a draft together with the list.

    `drafted_list`: the digest of the list that was drafted with them.
    """

    terms: msgspec.Raw
    by: str
    drafted_list: str = ""


class Uploads:
    """The folder of uploads."""

    def __init__(self, folder: Path, bytes_max: int) -> None:
        self._folder = folder
        self._bytes_max = bytes_max
        self._receiving: dict[str, asyncio.Task[None]] = {}

    @classmethod
    def beside(cls, config: Config) -> Uploads:
        """The configured folder, or the one beside the results."""
        folder = Path(f"{config.store.url.partition(':')[2]}-uploads")
        if config.api.uploads:
            folder = Path(config.path).parent / config.api.uploads
        return cls(folder, config.api.upload_bytes_max)

    # --- terms -------------------------------------------------------------------------------------------------------

    def terms(self, campaign: str) -> KeptTerms | None:
        """The terms that were sent for this campaign."""
        try:
            return msgspec.json.decode(self._file(campaign, "terms.json").read_bytes(), type=KeptTerms)
        except FileNotFoundError:
            return None

    def keep_terms(self, campaign: str, kept: KeptTerms) -> None:
        """Keep these. Raises Problem if there is no space."""
        self._write(campaign, "terms.json", msgspec.json.encode(kept))

    # --- the list ----------------------------------------------------------------------------------------------------

    def list_of(self, campaign: str) -> UploadedList | None:
        """The list of this campaign as far as it came; None: nothing came."""
        described = self._described(campaign)
        if described is None:
            return None
        path = self.path(campaign)
        return UploadedList(
            campaign=campaign,
            bytes=path.stat().st_size if path.exists() else 0,
            complete=bool(described.sha256),
            content_type=described.content_type,
            content_encoding=described.content_encoding,
            sha256=described.sha256,
            wrong_digest=described.wrong_digest,
        )

    def path(self, campaign: str) -> Path:
        """Where the bytes of its list are."""
        return self._file(campaign, "list")

    def forget_list(self, campaign: str) -> None:
        """The list is on the log: delete its bytes."""
        self.path(campaign).unlink(missing_ok=True)

    async def receive(
        self,
        campaign: str,
        pieces: AsyncIterator[bytes],
        *,
        offset: int = 0,
        continues: bool = False,
        total: int | None = None,
        ends: bool = True,
        content_type: str = "",
        content_encoding: str = "",
        digest: str = "",
        whole_digest: str = "",
    ) -> UploadedList:
        """Write these bytes. `ends`: the list ends with them, or at the byte `total` if that is given.

        `continues`: they follow what came before, which ends at `offset`; else they begin the list anew. What came
        before a break stays. A list keeps the content type and encoding with which it began, "" leaves them to that.
        Raises Problem, and the error of `pieces`.
        """
        expected, whole = _sha256(digest, "Content-Digest"), _sha256(whole_digest, "Repr-Digest")
        await self._end_older(campaign)
        task = asyncio.current_task()
        assert task is not None
        self._receiving[campaign] = task
        try:
            began = _Described(content_type, content_encoding)
            described = await asyncio.to_thread(self._begin, campaign, began, offset if continues else None)
            at = await self._append(campaign, offset, pieces)
            path = self.path(campaign)
            if expected and await asyncio.to_thread(_digest_of, path, offset) != expected:
                await asyncio.to_thread(os.truncate, path, offset)
                raise Problem("wrong-digest", N_("The bytes are not those of Content-Digest. They were not kept."))
            if at == total if total is not None else ends:
                await asyncio.to_thread(self._complete, campaign, described, whole)
        except OSError as error:
            raise _no_space(error) from error
        finally:
            if self._receiving.get(campaign) is task:
                del self._receiving[campaign]
        found = self.list_of(campaign)
        assert found is not None
        return found

    async def keep_clean(self, every_s: float = CLEAN_EVERY_S) -> None:
        """Delete now and every so often what was not touched for KEPT_S. Runs until it is cancelled."""
        while True:
            try:
                await asyncio.to_thread(self._clean)
            except OSError as error:
                logger.warning("uploads-not-cleaned", error=type(error).__name__, number=error.errno)
            await asyncio.sleep(every_s)

    def _clean(self) -> None:
        """Raises OSError. Blocks."""
        for each in self._folder.glob(f"{_PREFIX}*"):
            newest = max(file.stat().st_mtime for file in (each, *each.iterdir()))
            if time.time() - newest > KEPT_S:
                shutil.rmtree(each, ignore_errors=True)

    async def _end_older(self, campaign: str) -> None:
        """The client came back: what its older connection still sends is not wanted."""
        older = self._receiving.get(campaign)
        if older is not None and not older.done():
            older.cancel()
            await asyncio.wait({older}, timeout=10)

    def _begin(self, campaign: str, began: _Described, offset: int | None) -> _Described:
        """Continue the file at this offset, None: begin it anew; returns what the list is. Raises Problem, OSError."""
        path, described = self.path(campaign), self._described(campaign)
        size = path.stat().st_size if path.exists() and described is not None else 0
        is_complete = described is not None and bool(described.sha256)
        if offset is not None and (offset != size or is_complete):
            says = N_("The list is complete.") if is_complete else N_("The list has {size:,} bytes so far.")
            complete = "?1" if is_complete else "?0"
            raise Problem(
                "wrong-offset", says, size=size, headers={"Upload-Offset": str(size), "Upload-Complete": complete}
            )
        if offset is not None and described is not None and (size or not began.content_type):
            if began.content_encoding not in ("", described.content_encoding):
                raise Problem("invalid", N_("The list began with another content encoding."))
            began = _Described(described.content_type, described.content_encoding)
        elif not began.content_type:
            began = replace(began, content_type=ANY_CONTENT)
        make_folder(path.parent)
        make_file(path)
        os.truncate(path, 0 if offset is None else size)
        self._describe(campaign, began)
        return began

    async def _append(self, campaign: str, at: int, pieces: AsyncIterator[bytes]) -> int:
        """Write the pieces at the end; returns the size. Raises Problem, OSError, and the error of `pieces`."""
        gathered: list[bytes] = []
        size = 0
        with self.path(campaign).open("ab", buffering=0) as file:
            try:
                async for piece in pieces:
                    if at + size + len(piece) > self._bytes_max:
                        raise Problem(
                            "too-large", N_("A list may have {bytes_max:,} bytes at most."), bytes_max=self._bytes_max
                        )
                    gathered.append(piece)
                    size += len(piece)
                    if size >= WRITE_BYTES:
                        await asyncio.to_thread(_write_all, file.fileno(), gathered)
                        at, size, gathered = at + size, 0, []
            finally:
                _write_all(file.fileno(), gathered)
                at += size
            await asyncio.to_thread(os.fsync, file.fileno())
        return at

    def _complete(self, campaign: str, described: _Described, whole: bytes) -> None:
        """Raises Problem, OSError. Blocks."""
        found = _digest_of(self.path(campaign), 0)
        is_wrong = bool(whole) and found != whole
        if is_wrong:
            os.truncate(self.path(campaign), 0)
        self._describe(campaign, replace(described, sha256="" if is_wrong else found.hex(), wrong_digest=is_wrong))
        if is_wrong:
            raise Problem(
                "wrong-digest",
                N_("The whole list is not that of Repr-Digest. It was not kept: upload it again from its first byte."),
            )

    def _described(self, campaign: str) -> _Described | None:
        try:
            return msgspec.json.decode(self._file(campaign, "list.json").read_bytes(), type=_Described)
        except FileNotFoundError:
            return None

    def _describe(self, campaign: str, described: _Described) -> None:
        self._write(campaign, "list.json", msgspec.json.encode(described))

    def _write(self, campaign: str, name: str, content: bytes) -> None:
        """Raises Problem."""
        path = self._file(campaign, name)
        try:
            make_folder(path.parent)
            with written_whole(path) as out:
                out.write(content)
        except OSError as error:
            raise _no_space(error) from error

    def _file(self, campaign: str, name: str) -> Path:
        """Raises Problem for an invalid id."""
        if not ID.fullmatch(campaign):
            raise Problem("invalid", N_('An id has 1 to 64 letters, digits, "-", "_" and ".".'))
        return self._folder / f"{_PREFIX}{campaign}" / name


def _write_all(descriptor: int, pieces: list[bytes]) -> None:
    data = memoryview(b"".join(pieces))
    while data:
        data = data[os.write(descriptor, data) :]


def _digest_of(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return hashlib.file_digest(file, "sha256").digest()


def _sha256(header: str, name: str) -> bytes:
    """The digest in a header of RFC 9530; empty without one. Raises Problem."""
    if not header:
        return b""
    found = [match for each in header.split(",") if (match := _DIGEST.fullmatch(each))]
    if not found:
        raise Problem("invalid", N_("{name} has no sha-256=:…: value."), name=name)
    try:
        return base64.b64decode(found[0][1], validate=True)
    except binascii.Error:
        raise Problem("invalid", N_("{name} is not valid base64."), name=name) from None


def _no_space(error: OSError) -> Problem:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Problem("full", N_("There is no space left for uploads."))
    return Problem("failed", N_("The folder of uploads cannot be written."))
