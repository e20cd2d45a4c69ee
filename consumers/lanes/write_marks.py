"""Write marks: what a lane's owner may have written, in a file that a dead process leaves to the next one here.

The page cache of the system survives `kill -9`. So a memory-mapped file says of each chunk in hand which messages may
have left (set before the write), and the results and ids as they come: the driver's own columns lie in it, which costs
nothing. The next start reads it (left_marks.py). An intent without a slot was never written. Without the file (another
machine, a restart of this one) what was under way is unknown whole.

The file is locked while its process lives. Layout: pages of 4,096 octets; the first one is the header, a slot begins at
a page of its own, and its head is valid only with its checksum. Space is allocated, never sparse: a full disk is an
error here, not the end of the process.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from dispatcher.clock import now_ms
from dispatcher.drivers.port import Columns
from dispatcher.loggers import get_logger
from dispatcher.private_files import make_file, make_folder

PAGE: Final = 4096
SEGMENT_BYTES: Final = 1 << 20
FILE_BYTES_MAX: Final = 256 << 20
ACCOUNT_BYTES_MAX: Final = 255
SUFFIX: Final = ".marks"
MAGIC: Final = b"DMARKS01"
SLOT: Final = b"DMSLOT01"
HEADER: Final = struct.Struct("<8s36s32sI")
"""Magic, boot, owner, partition; a checksum follows."""

HEAD: Final = struct.Struct("<8sIQQIIH")
"""Magic, pages, intent, time in ms, recipients, parts (0: one request), octets of the account; account and checksum
follow."""

CHECKSUM: Final = struct.Struct("<I")
INCOMPLETE_AT: Final = 256
"""Not 0: a chunk had no room for a slot. `complete` otherwise: a chunk without a slot never left."""

COLUMNS_AT: Final = 512
FRAME_BYTES: Final = 10
"""State, result and id."""

log = get_logger(__name__)


def boot_id() -> str:
    """What changes with every start of the machine; "" if the system does not say."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()[:36]
    return ""


class Slot(msgspec.Struct, frozen=True):
    """A chunk in hand. `parts` 0: it goes in one request, and may have been written."""

    intent: int
    account: str
    count: int
    parts: int
    at_ms: int
    columns: Columns | None


class WriteMarks:
    """The file of one owner of a lane partition. Raises OSError if it cannot be made."""

    def __init__(self, folder: Path, partition: int, owner: str) -> None:
        make_folder(folder)
        self.path: Final = folder / f"{partition}-{owner}{SUFFIX}"
        make_file(self.path)
        self._file = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._maps: list[mmap.mmap] = []
        self._free: list[tuple[int, int, int]] = []  # (map, page, pages)
        self._slots: dict[int, tuple[int, int, int]] = {}
        self._bytes = 0
        try:
            self._grow(SEGMENT_BYTES)
        except OSError:
            self.close()
            raise
        head = HEADER.pack(MAGIC, boot_id().encode(), owner.encode(), partition)
        self._maps[0][: len(head) + CHECKSUM.size] = head + CHECKSUM.pack(zlib.crc32(head))
        self._free[0] = (0, 1, SEGMENT_BYTES // PAGE - 1)

    def slot(self, intent: int, account: str, count: int, parts: int) -> Columns | None:
        """Columns for the frames of a chunk, all unsent; None if there is no room for them.

        Then the file says so: that a chunk has no slot means nothing any more.
        """
        frames = count * parts
        pages = -(-(COLUMNS_AT + FRAME_BYTES * frames) // PAGE)
        name = account.encode()
        place = self._allocated(pages) if len(name) <= ACCOUNT_BYTES_MAX and intent not in self._slots else None
        if place is None:
            if intent not in self._slots:
                self._maps[0][INCOMPLETE_AT] = 1
            return None
        at, page, _ = place
        start, octets = page * PAGE, self._maps[at]
        octets[start : start + pages * PAGE] = bytes(pages * PAGE)
        columns = _columns(memoryview(octets)[start : start + pages * PAGE], frames)
        self._slots[intent] = place
        head = HEAD.pack(SLOT, pages, intent, now_ms(), count, parts, len(name)) + name
        head += CHECKSUM.pack(zlib.crc32(head))
        octets[start + len(SLOT) : start + len(head)] = head[len(SLOT) :]
        octets[start : start + len(SLOT)] = SLOT  # last: from now on it counts
        return columns

    def release(self, intent: int) -> None:
        """The log knows what became of it."""
        place = self._slots.pop(intent, None)
        if place is not None:
            at, page, _ = place
            self._maps[at][page * PAGE : page * PAGE + len(SLOT)] = bytes(len(SLOT))
            self._free = _merged([*self._free, place])

    def close(self, *, keep: bool = False) -> None:
        """Give it up; `keep`: something in it is still for the next owner."""
        if not keep:
            self.path.unlink(missing_ok=True)
        for octets in self._maps:
            with suppress(BufferError):  # a driver may still hold columns of it
                octets.close()
        self._maps.clear()
        os.close(self._file)

    def _allocated(self, pages: int) -> tuple[int, int, int] | None:
        for index, (at, page, free) in enumerate(self._free):
            if free >= pages:
                self._free[index] = (at, page + pages, free - pages)
                return at, page, pages
        if self._grow(max(SEGMENT_BYTES, pages * PAGE)):
            return self._allocated(pages)
        return None

    def _grow(self, size: int) -> bool:
        size = -(-size // SEGMENT_BYTES) * SEGMENT_BYTES
        if self._bytes + size > FILE_BYTES_MAX:
            return False
        try:
            os.posix_fallocate(self._file, self._bytes, size)
        except OSError:
            if not self._maps:
                raise
            return False
        self._maps.append(mmap.mmap(self._file, size, offset=self._bytes))
        self._free.append((len(self._maps) - 1, 0, size // PAGE))
        self._bytes += size
        return True


class LeftMarks(msgspec.Struct, frozen=True):
    """What an owner left behind."""

    owner: str
    partition: int
    slots: dict[int, Slot]
    complete: bool


def read(octets: bytes, boot: str) -> LeftMarks | None:
    """What the file of a dead process says; None if it is damaged, or from before the last start of the machine."""
    end = HEADER.size + CHECKSUM.size
    if len(octets) < end or CHECKSUM.unpack(octets[HEADER.size : end])[0] != zlib.crc32(octets[: HEADER.size]):
        return None
    magic, booted, owner, partition = HEADER.unpack(octets[: HEADER.size])
    if magic != MAGIC or not boot or booted.rstrip(b"\0") != boot.encode():
        return None
    slots: dict[int, Slot] = {}
    page = 1
    while (page + 1) * PAGE <= len(octets):
        slot, pages = _slot(octets, page * PAGE)
        if slot is not None:
            slots[slot.intent] = slot
        page += pages
    complete = octets[INCOMPLETE_AT : INCOMPLETE_AT + 1] == b"\0"
    return LeftMarks(owner.rstrip(b"\0").decode("utf-8", "replace"), partition, slots, complete)


def _slot(octets: bytes, start: int) -> tuple[Slot | None, int]:
    """The slot at this page, and how many pages it has; (None, 1) if there is none."""
    head = octets[start : start + HEAD.size]
    if not head.startswith(SLOT):
        return None, 1
    _, pages, intent, at_ms, count, parts, length = HEAD.unpack(head)
    end = start + HEAD.size + length
    checksum = octets[end : end + CHECKSUM.size]
    room = pages * PAGE >= COLUMNS_AT + FRAME_BYTES * count * parts and start + pages * PAGE <= len(octets)
    if len(checksum) < CHECKSUM.size or CHECKSUM.unpack(checksum)[0] != zlib.crc32(octets[start:end]) or not room:
        return None, 1
    account = octets[start + HEAD.size : end].decode("utf-8", "replace")
    block = memoryview(bytearray(octets[start : start + pages * PAGE]))
    columns = _columns(block, count * parts) if parts else None
    return Slot(intent, account, count, parts, at_ms, columns), pages


def _columns(block: memoryview, frames: int) -> Columns:
    """Ids first: they are aligned."""
    ids_end = COLUMNS_AT + 8 * frames
    return Columns(
        block[ids_end : ids_end + frames],
        block[ids_end + frames : ids_end + 2 * frames],
        block[COLUMNS_AT:ids_end].cast("Q"),
    )


def _merged(free: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Neighbours become one."""
    found: list[tuple[int, int, int]] = []
    for at, page, pages in sorted(each for each in free if each[2]):
        if found and found[-1][0] == at and found[-1][1] + found[-1][2] == page:
            found[-1] = (at, found[-1][1], found[-1][2] + pages)
        else:
            found.append((at, page, pages))
    return found
