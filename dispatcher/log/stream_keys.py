"""Which keys a stream has on the log, and where their messages are, for whoever appends to it.

A session that appends knows what it appended itself. What was appended before it, or by others, it learns here: the
keys as the lane's last checkpoint has them, and the messages on `jobs` since then. The rule is the lane's own
(core/streams/keys.py), so what is known here is what the lane would leave out.

Weak spots: a key that another process appended since the last look is not known; the lane leaves its repeat out. A
message is searched by the time of its page of keys, so one whose appender's clock is more than SKEW_MS off the log's
is known and not found; nor is one that was read more than PLACES_MAX messages ago, after the first look.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import numpy as np

from dispatcher.core.numbers import decode
from dispatcher.core.streams.keys import Digests, KnownKeys
from dispatcher.core.streams.segments import StreamKey, stream_of
from dispatcher.errors import LogDamaged
from dispatcher.log.port import Log
from dispatcher.log.records import record_of
from schemas.records import Appended, Checkpoint, StreamKeys
from schemas.topics import JOBS, LANES, lane_partition

LOOK_EVERY_S: Final = 1.0
"""How long a look at the end of `jobs` is new enough."""

PLACES_MAX: Final = 100_000
SKEW_MS: Final = 120_000


class MessagePlace(msgspec.Struct, frozen=True):
    """A message of a stream: its number, and its position in the record at this offset of `jobs`."""

    number: int
    offset: int
    position: int


class StreamKeysFeed:
    """The keys of one stream on one account, current up to the last look."""

    def __init__(self, log: Log, stream: StreamKey) -> None:
        self._log: Final = log
        self._stream: Final = stream
        self._partition: Final = lane_partition(stream[0])
        self._known = KnownKeys()
        self._pages: list[tuple[int, Digests]] = []  # (newest_ms, keys) of the checkpoint's pages
        self._places: OrderedDict[int, tuple[int, int]] = OrderedDict()  # of what was read: (offset, position) by key
        self._position = -1
        self._looked_s = float("-inf")
        self._looking: Final = asyncio.Lock()

    async def look(self, checkpoint: int | None) -> None:
        """Read what is new, at most every LOOK_EVERY_S. `checkpoint`: the offset of the lane's newest one, for the
        first look. Raises LogError.
        """
        async with self._looking:
            if time.monotonic() < self._looked_s + LOOK_EVERY_S:
                return
            if self._position < 0:
                self._position = await self._begin(checkpoint)
            while records := await self._log.read(JOBS.name, self._partition, self._position):
                for stored in records:
                    self._position = stored.offset + 1
                    record = record_of(stored, JOBS.name)
                    if isinstance(record, Appended) and stream_of(record) == self._stream:
                        self._add(stored.offset, record)
            self._looked_s = time.monotonic()

    def appended(self, offset: int, record: Appended) -> None:
        """These messages were appended here; nothing needs to be read if they follow what was read."""
        if offset == self._position:
            self._position = offset + 1
            self._add(offset, record)

    def known(self, digests: Sequence[int], before_ms: int) -> list[int]:
        """Those of these keys that the stream has, if they were not forgotten: the lane forgets keys from before
        `before_ms`.
        """
        self._known.forget(before_ms)
        found = self._known.knows(np.array(digests, np.uint64))
        return [each for each, is_known in zip(digests, found.tolist(), strict=True) if is_known]

    async def find(self, digests: Iterable[int]) -> dict[int, MessagePlace]:
        """Where the first messages with these keys are, if they are found. Raises LogError."""
        places = {each: self._places[each] for each in digests if each in self._places}
        missing = set(digests) - places.keys()
        for at in range(len(self._pages) - 1, -1, -1):
            newest_ms, keys = self._pages[at]
            if missing and (here := missing & set(keys.tolist())):
                oldest_ms = self._pages[at - 1][0] if at else 0
                places |= await self._searched(here, oldest_ms, newest_ms)
                missing -= here
        return await self._with_numbers(places)

    async def _begin(self, checkpoint: int | None) -> int:
        """Take the keys from the lane's checkpoint; returns where to read on in `jobs`."""
        if checkpoint is None:
            return 0
        record = record_of(await self._log.fetch(LANES.name, self._partition, checkpoint), LANES.name)
        if not isinstance(record, Checkpoint):
            raise LogDamaged(
                "lanes/{partition}: offset {offset} is no checkpoint. Is this the right log?",
                partition=self._partition,
                offset=checkpoint,
            )
        for state in record.streams:
            if (state.account, state.campaign, state.attempt) == self._stream:
                pages = [(offset, await self._page(offset)) for offset, _ in state.pages]
                self._known = KnownKeys.load(state.next, state.first, state.newest_ms, state.tail, pages)
                columns = [(page.newest_ms, page.keys) for _, page in pages] + [(state.newest_ms, state.tail)]
                self._pages = [(at_ms, np.frombuffer(keys, "<u8").astype(np.uint64)) for at_ms, keys in columns]
        return record.inbox

    async def _page(self, offset: int) -> StreamKeys:
        page = record_of(await self._log.fetch(LANES.name, self._partition, offset), LANES.name)
        if not isinstance(page, StreamKeys):
            raise LogDamaged(
                "lanes/{partition}: offset {at} is no page of keys. Is this the right log?",
                partition=self._partition,
                at=offset,
            )
        return page

    def _add(self, offset: int, record: Appended) -> None:
        if offset < self._known.next:
            return
        repeated = set(self._known.add(offset, record.keys, record.at_ms, record.keep_ms))
        self._known.keeps_no_pages()
        for position, key in enumerate(np.frombuffer(record.keys, "<u8").tolist()):
            if position not in repeated:
                self._places[key] = offset, position
        while len(self._places) > PLACES_MAX:
            self._places.popitem(last=False)

    async def _searched(self, keys: set[int], oldest_ms: int, newest_ms: int) -> dict[int, tuple[int, int]]:
        """The first messages with these keys among those that were appended in this time."""
        at = await self._log.offset_at(JOBS.name, self._partition, oldest_ms - SKEW_MS)
        found: dict[int, tuple[int, int]] = {}
        while len(found) < len(keys) and (records := await self._log.read(JOBS.name, self._partition, at)):
            at = records[-1].offset + 1
            for stored in records:
                record = record_of(stored, JOBS.name)
                if isinstance(record, Appended) and stream_of(record) == self._stream:
                    for position, key in enumerate(np.frombuffer(record.keys, "<u8").tolist()):
                        if key in keys:
                            found.setdefault(key, (stored.offset, position))
            if records[-1].at_ms > newest_ms + SKEW_MS:
                break
        return found

    async def _with_numbers(self, places: dict[int, tuple[int, int]]) -> dict[int, MessagePlace]:
        numbers: dict[int, list[int]] = {}
        for offset in {offset for offset, _ in places.values()}:
            record = record_of(await self._log.fetch(JOBS.name, self._partition, offset), JOBS.name)
            assert isinstance(record, Appended)
            numbers[offset] = decode(record.numbers).tolist()
        return {
            key: MessagePlace(numbers[offset][position], offset, position) for key, (offset, position) in places.items()
        }
