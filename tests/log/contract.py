"""What every log promises: one suite, every adapter. Nothing here knows which one runs.

An adapter's test class inherits `LogContract` and gives the fixtures `url` (a log that may hold records of earlier
tests) and `freezable` (one that can be made to stand still), and `commits`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol

import pytest

from dispatcher.errors import ConfigError, LogDamaged, LogError, LogTimeout, LogUnavailable
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry, Log, StoredRecord
from schemas import batch
from schemas.topics import TOPIC
from tests.waiting import patience, until

ROOT = Path(__file__).parents[2]
OTHER_PROCESS = str(Path(__file__).with_name("other_process.py"))


class Freezable(Protocol):
    """A log whose appends stand still between `freeze` and `thaw`."""

    url: str

    def freeze(self) -> None: ...

    def thaw(self) -> None: ...


class Place:
    """A partition to write to, and where this test's records begin in it."""

    def __init__(self, log: Log, topic: str, partition: int, begin: int) -> None:
        self.log, self.topic, self.partition, self.begin = log, topic, partition, begin

    async def append(self, *values: bytes, log: Log | None = None) -> list[int]:
        return await (log or self.log).append(self.topic, self.partition, [Entry(b"key", value) for value in values])

    async def values(self, log: Log | None = None) -> list[bytes]:
        return [record.value for record in await read_all(log or self.log, self.topic, self.partition, self.begin)]

    async def follow(self, count: int, log: Log | None = None) -> list[StoredRecord]:
        """The first `count` records a follower is handed (all of the last hand-over)."""
        return await followed(log or self.log, self.topic, self.partition, self.begin, count)


async def read_all(log: Log, topic: str, partition: int, offset: int, **bounds: int) -> list[StoredRecord]:
    records: list[StoredRecord] = []
    while more := await log.read(topic, partition, offset, **bounds):
        records += more
        offset = more[-1].offset + 1
    return records


async def followed(log: Log, topic: str, partition: int, offset: int, count: int) -> list[StoredRecord]:
    records: list[StoredRecord] = []
    async with patience(), aclosing(log.follow(topic, partition, offset)) as follower:
        async for more in follower:
            records += more
            if len(records) >= count:
                break
    return records


def start_process(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, OTHER_PROCESS, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


class LogContract:
    """See the module."""

    @pytest.fixture
    async def log(self, url: str) -> AsyncIterator[Log]:
        log = await open_log(url)
        yield log
        await log.close()

    @pytest.fixture
    async def place(self, log: Log) -> Place:
        return Place(log, "lanes", 3, await log.end("lanes", 3))

    def commits(self, log: Log) -> int:
        """How many times this log has made something durable."""
        raise NotImplementedError

    # --- appending and reading ---------------------------------------------------------------------------------------

    async def test_records_of_a_partition_are_read_in_the_order_they_were_appended(self, place: Place):
        for i in range(20):
            await place.append(b"%d" % i)
        assert await place.values() == [b"%d" % i for i in range(20)]

    async def test_an_append_returns_the_offsets_of_its_records_and_they_grow(self, place: Place):
        first = await place.append(b"a", b"b", b"c")
        second = await place.append(b"d")
        assert [*first, *second] == sorted({*first, *second})
        assert first[0] >= place.begin
        for offset, value in zip([*first, *second], [b"a", b"b", b"c", b"d"], strict=True):
            assert (await place.log.fetch(place.topic, place.partition, offset)).value == value
        assert await place.log.end(place.topic, place.partition) > second[0]

    async def test_appending_nothing_writes_nothing(self, place: Place):
        assert await place.append() == []
        assert await place.log.end(place.topic, place.partition) == place.begin

    async def test_key_headers_and_any_bytes_come_back_as_they_were_written(self, place: Place):
        entries = [
            Entry(b"", b""),
            Entry(b"key", bytes(range(256)), (("count", b"1"), ("sha256", bytes(32)), ("", b""))),
            Entry("帐号".encode(), b"\x00\xff", (("twice", b"1"), ("twice", b"2"))),
        ]
        offsets = await place.log.append("lanes", 3, entries)
        before_ms = time.time() * 1000
        for offset, entry in zip(offsets, entries, strict=True):
            record = await place.log.fetch("lanes", 3, offset)
            assert (record.key, record.value, record.headers) == (entry.key, entry.value, entry.headers)
            assert abs(record.at_ms - before_ms) < 3_600_000

    async def test_the_first_record_of_a_time_or_later_is_found(self, log: Log):
        begin, before_ms = await log.end("verifications", 5), int(time.time() * 1000) - 60_000
        if not begin:
            assert await log.offset_at("verifications", 5, before_ms) == 0
        for value in range(5):
            await log.append("verifications", 5, [Entry(b"%d" % value, b"x")])
            await asyncio.sleep(0.003)
        records = await read_all(log, "verifications", 5, begin)
        for record in records:
            first = next(each.offset for each in records if each.at_ms >= record.at_ms)
            assert await log.offset_at("verifications", 5, record.at_ms) == first
        assert await log.offset_at("verifications", 5, records[-1].at_ms + 1) == await log.end("verifications", 5)
        assert await log.offset_at("verifications", 5, 0) == 0

    @pytest.mark.parametrize("topic", ["recipients", "lanes", "campaigns"])
    async def test_a_record_as_large_as_its_topic_allows_is_taken_and_a_larger_one_is_refused(
        self, log: Log, topic: str
    ):
        begin = await log.end(topic, 0)
        largest = os.urandom(TOPIC[topic].record_bytes_max)
        with pytest.raises(LogError, match="takes up to"):
            await log.append(topic, 0, [Entry(b"", b"small"), Entry(b"", largest + b"!")])
        with pytest.raises(LogError, match="takes up to"):
            await log.append(topic, 0, [Entry(b"", b"", (("header", bytes(33_000)),))])
        labelled = Entry(bytes(2700), largest, (("header", bytes(30_000)),))
        (offset,) = await log.append(topic, 0, [labelled])
        stored = await log.fetch(topic, 0, offset)
        assert (stored.value, stored.headers) == (largest, labelled.headers)
        assert [record.value for record in await read_all(log, topic, 0, begin)] == [largest]
        assert len(await followed(log, topic, 0, begin, 1)) == 1

    async def test_reading_may_begin_anywhere_and_in_pieces_of_any_size(self, place: Place):
        offsets = await place.append(*(b"%d" % i for i in range(30)))
        for skip in (0, 1, 29):
            records = await read_all(place.log, place.topic, place.partition, offsets[skip])
            assert [record.value for record in records] == [b"%d" % i for i in range(skip, 30)]
        for records_max in (1, 7, 30, 1000):
            records = await read_all(place.log, place.topic, place.partition, place.begin, records_max=records_max)
            assert [record.offset for record in records] == offsets

    async def test_a_read_keeps_to_its_bounds_but_gives_one_record_at_least(self, place: Place):
        await place.append(*[b"x" * 1000] * 10)
        where = (place.topic, place.partition, place.begin)
        assert len(await place.log.read(*where, records_max=4)) == 4
        assert len(await place.log.read(*where, bytes_max=3500)) == 3
        assert len(await place.log.read(*where, bytes_max=1)) == 1

    async def test_a_read_at_the_end_is_empty_and_one_behind_it_says_that_the_log_is_another(self, place: Place):
        await place.append(b"last")
        end = await place.log.end(place.topic, place.partition)
        assert await place.log.read(place.topic, place.partition, end) == []
        with pytest.raises(LogDamaged):
            await place.log.read(place.topic, place.partition, end + 10)
        with pytest.raises(LogDamaged):
            await followed(place.log, place.topic, place.partition, end + 10, 1)

    async def test_topics_and_partitions_do_not_mix(self, log: Log):
        places = [("lanes", 0), ("lanes", 1), ("jobs", 0), ("campaigns", 0)]
        begins = [await log.end(*place) for place in places]
        await asyncio.gather(*(log.append(*place, [Entry(b"k", repr(place).encode())]) for place in places))
        for place, begin in zip(places, begins, strict=True):
            assert [record.value for record in await read_all(log, *place, begin)] == [repr(place).encode()]

    @pytest.mark.parametrize(("topic", "partition"), [("nothing", 0), ("lanes", 8), ("lanes", -1), ("campaigns", 1)])
    async def test_what_is_not_in_the_table_of_topics_is_an_error(self, log: Log, topic: str, partition: int):
        with pytest.raises(LogError):
            await log.append(topic, partition, [Entry(b"", b"")])
        with pytest.raises(LogError):
            await log.read(topic, partition, 0)
        with pytest.raises(LogError):
            await log.end(topic, partition)

    async def test_fetching_a_record_that_is_not_there_says_so(self, place: Place):
        await place.append(b"only")
        end = await place.log.end(place.topic, place.partition)
        for offset in (end, end + 100, -1):
            with pytest.raises(LogDamaged):
                await place.log.fetch(place.topic, place.partition, offset)

    async def test_a_batch_that_is_not_what_was_written_is_detected_by_its_sha_256(self, log: Log):
        numbers = b",".join(b"138%08d" % i for i in range(50_000))
        value, headers, sha256 = batch.pack(numbers, 50_000)
        changed = value[:1000] + bytes([value[1000] ^ 1]) + value[1001:]
        other, other_headers, _ = batch.pack(numbers[:-1] + b"0", 50_000)
        good, flipped, cut, bare, another = await log.append(
            "recipients",
            2,
            [
                Entry(b"c", value, headers),
                Entry(b"c", changed, headers),
                Entry(b"c", value[:-5], headers),
                Entry(b"c", value),
                Entry(b"c", other, other_headers),
            ],
        )
        stored = await log.fetch("recipients", 2, good)
        assert batch.unpack(stored.value, stored.headers, sha256) == (numbers, 50_000)
        for offset in (flipped, cut, bare, another):
            stored = await log.fetch("recipients", 2, offset)
            with pytest.raises(batch.BrokenBatch):
                batch.unpack(stored.value, stored.headers, sha256)

    # --- many at once ------------------------------------------------------------------------------------------------

    async def test_many_appends_share_few_commits_and_keep_the_order_of_their_calls(self, place: Place):
        await place.append(b"warm")
        before = self.commits(place.log)
        calls = [place.append(b"%d" % i) for i in range(1000)]
        offsets = [each[0] for each in await asyncio.gather(*calls)]
        assert offsets == sorted(offsets)
        assert await place.values() == [b"warm", *(b"%d" % i for i in range(1000))]
        assert self.commits(place.log) - before <= 20

    async def test_several_processes_append_at_once_and_each_keeps_its_order(self, url: str, place: Place):
        names = ["one", "two", "three"]
        processes = [start_process("append", url, place.topic, place.partition, name, 100) for name in names]
        records = await place.follow(300)
        for process in processes:
            assert await asyncio.to_thread(process.wait) == 0
            assert process.stdout is not None
            process.stdout.close()
        assert [record.offset for record in records] == sorted({record.offset for record in records})
        for name in names:
            values = [record.value for record in records if record.value.startswith(name.encode() + b" ")]
            assert values == [f"{name} {i}".encode() for i in range(100)]
        assert len(await place.values()) == 300

    async def test_a_cancelled_append_is_written_once_or_not_at_all(self, place: Place):
        for i in range(20):
            task = asyncio.create_task(place.append(b"cancelled %d" % i))
            for _ in range(i % 4):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await place.append(b"last")
        values = await place.values()
        assert values[-1] == b"last"
        assert len(values) == len(set(values))

    # --- following ---------------------------------------------------------------------------------------------------

    async def test_a_follower_gets_what_is_there_and_then_what_comes(self, url: str, place: Place):
        other = await open_log(url)
        await place.append(b"there")
        async with aclosing(place.log.follow(place.topic, place.partition, place.begin)) as follower:
            assert [record.value for record in await anext(follower)] == [b"there"]
            for i in range(10):
                await place.append(b"ours %d" % i)
                assert [record.value for record in await anext(follower)] == [b"ours %d" % i]
                await place.append(b"theirs %d" % i, log=other)
                assert [record.value for record in await anext(follower)] == [b"theirs %d" % i]
        await other.close()

    async def test_each_record_is_handed_on_once_and_in_order_while_many_tasks_append(self, url: str, place: Place):
        other = await open_log(url)

        async def write(name: int) -> None:
            for i in range(100):
                await place.append(b"%d %d" % (name, i), log=(place.log, other)[name % 2])

        async def follow(pause_s: float) -> list[StoredRecord]:
            records: list[StoredRecord] = []
            async with aclosing(place.log.follow(place.topic, place.partition, place.begin)) as follower:
                while len(records) < 1000:
                    records += await anext(follower)
                    await asyncio.sleep(pause_s)
            return records

        async with patience():
            readers = asyncio.gather(follow(0), follow(0.005))
            await asyncio.gather(*(write(name) for name in range(10)))
            quick, slow = await readers
        whole = await read_all(place.log, place.topic, place.partition, place.begin)
        assert [record.value for record in quick] == [record.value for record in slow]
        assert [(r.offset, r.value) for r in quick] == [(r.offset, r.value) for r in whole]
        for name in range(10):
            values = [record.value for record in whole if record.value.startswith(b"%d " % name)]
            assert values == [b"%d %d" % (name, i) for i in range(100)]

    async def test_a_follower_that_does_not_read_delays_no_other(self, place: Place):
        async with aclosing(place.log.follow(place.topic, place.partition, place.begin)) as stuck:
            await place.append(b"first")
            await anext(stuck)
            for _ in range(20):
                await place.log.append(place.topic, place.partition, [Entry(b"", bytes(500_000))])
            assert len(await place.follow(21)) == 21
            rest = [record async for more in _take(stuck, 20) for record in more]
        assert len(rest) == 20

    async def test_waiting_at_the_end_costs_next_to_nothing(self, log: Log):
        followers = [
            asyncio.ensure_future(followed(log, "reports", partition, await log.end("reports", partition), 1))
            for partition in range(8)
        ]
        await asyncio.sleep(1.0)
        used_s = time.process_time()
        await asyncio.sleep(2.0)
        assert time.process_time() - used_s < 0.5  # of the processor: a busy loop would use all of it
        await asyncio.gather(*(log.append("reports", partition, [Entry(b"", b"")]) for partition in range(8)))
        assert [len(records) for records in await asyncio.gather(*followers)] == [1] * 8

    # --- time-outs, closing, opening ---------------------------------------------------------------------------------

    async def test_an_append_that_timed_out_is_seen_if_it_was_written_after_all_and_never_twice(
        self, freezable: Freezable
    ):
        log = await open_log(freezable.url)
        place = Place(log, "lanes", 4, await log.end("lanes", 4))
        await place.append(b"before")
        freezable.freeze()
        try:
            with pytest.raises((LogTimeout, LogUnavailable, TimeoutError)) as caught:
                async with asyncio.timeout(3):
                    await place.append(b"late")
        finally:
            freezable.thaw()
        async with patience():
            while True:
                try:
                    await place.append(b"after")
                    break
                except LogUnavailable:  # still nothing written, by its own word
                    await asyncio.sleep(0.1)
        values = await place.values()
        assert [value for value in values if value != b"late"] == [b"before", b"after"]
        assert values.count(b"late") <= (0 if caught.type is LogUnavailable else 1)
        assert [record.value for record in await place.follow(len(values))] == values
        await log.close()
        reopened = await open_log(freezable.url)
        assert await place.values(reopened) == values
        await reopened.close()

    async def test_what_was_appended_is_there_after_closing_and_opening_again(self, url: str, place: Place):
        offsets = await place.append(b"kept", b"too")
        await place.log.close()
        reopened = await open_log(url, create=False)
        assert await place.values(reopened) == [b"kept", b"too"]
        (offset,) = await place.append(b"new", log=reopened)
        assert offset > offsets[-1]
        await reopened.close()

    async def test_closing_finishes_the_appends_under_way_and_ends_the_followers(self, url: str, place: Place):
        follower = asyncio.ensure_future(place.follow(10_000))
        appends = [asyncio.ensure_future(place.append(b"%d" % i)) for i in range(200)]
        await asyncio.sleep(0)
        await place.log.close()
        results = await asyncio.gather(*appends, return_exceptions=True)
        assert {type(result) for result in results} == {list}
        with pytest.raises(LogUnavailable):
            await follower
        for call in (place.append(b"late"), place.values(), place.log.end("lanes", 0)):
            with pytest.raises(LogUnavailable):
                await call
        await place.log.close()
        reopened = await open_log(url)
        assert await place.values(reopened) == [b"%d" % i for i in range(200)]
        await reopened.close()

    async def test_upkeep_keeps_the_newest_record_of_every_key_and_all_that_is_young(self, log: Log):
        compacted, kept = await log.end("campaigns", 0), await log.end("jobs", 0)
        for i in range(5):
            await log.append("campaigns", 0, [Entry(b"a", b"%d" % i), Entry(b"b", b"%d" % i)])
            await log.append("jobs", 0, [Entry(b"a", b"%d" % i)])
        await log.maintain(int(time.time() * 1000))
        assert len(await read_all(log, "jobs", 0, kept)) == 5
        records = await read_all(log, "campaigns", 0, compacted)
        assert {record.key: record.value for record in records} == {b"a": b"4", b"b": b"4"}
        assert [record.offset for record in records] == sorted(record.offset for record in records)
        (offset,) = await log.append("campaigns", 0, [Entry(b"a", b"5")])
        assert offset == records[-1].offset + 1
        assert (await followed(log, "campaigns", 0, compacted, len(records) + 1))[-1].value == b"5"

    # --- claims ------------------------------------------------------------------------------------------------------

    async def test_claims_are_shared_out_and_handed_over(self, url: str, log: Log):
        everything = set(range(TOPIC["lanes"].partitions))
        other = await open_log(url)
        ours, theirs = Holding(), Holding()
        first = await log.claim("group", "lanes", ours.assigned, ours.revoked)
        await until(lambda: ours.held == everything)
        second = await other.claim("group", "lanes", theirs.assigned, theirs.revoked)
        await until(lambda: bool(ours.held and theirs.held) and ours.held | theirs.held == everything)
        assert not ours.held & theirs.held
        assert abs(len(ours.held) - len(theirs.held)) <= 1
        await first.release()
        assert not ours.held
        await until(lambda: theirs.held == everything)
        await second.release()
        assert not theirs.held
        await other.close()

    async def test_what_is_taken_back_is_not_given_to_another_before_it_is_drained(self, url: str, log: Log):
        other = await open_log(url)
        ours, theirs = Holding(drain_s=0.5), Holding()
        await log.claim("slow", "lanes", ours.assigned, ours.revoked)
        await until(lambda: len(ours.held) == 8)
        ours.others, theirs.others = [theirs], [ours]
        await other.claim("slow", "lanes", theirs.assigned, theirs.revoked)
        await until(lambda: bool(theirs.held) and len(ours.held | theirs.held) == 8)
        await log.close()  # gives back, too
        await until(lambda: len(theirs.held) == 8)
        assert ours.overlaps + theirs.overlaps == 0
        await other.close()

    async def test_two_groups_and_two_topics_do_not_share(self, log: Log):
        holdings = [Holding() for _ in range(3)]
        pairs = [("one", "lanes"), ("two", "lanes"), ("one", "reports")]
        for (group, topic), holding in zip(pairs, holdings, strict=True):
            await log.claim(group, topic, holding.assigned, holding.revoked)
        await until(lambda: all(len(holding.held) == 8 for holding in holdings))

    async def test_what_a_killed_process_held_is_taken_over(self, url: str, log: Log):
        process = start_process("claim", url, "killed", "lanes")
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "[0, 1, 2, 3, 4, 5, 6, 7]\n"
        process.kill()
        process.wait()
        process.stdout.close()
        ours = Holding()
        await log.claim("killed", "lanes", ours.assigned, ours.revoked)
        await until(lambda: len(ours.held) == 8)

    async def test_opening_what_is_not_there_without_making_it_is_the_user_s_mistake(self, missing_url: str):
        with pytest.raises(ConfigError, match="there is no log"):
            await open_log(missing_url, create=False)


class Holding:
    """What one claim holds; counts what it was given while another still had it."""

    def __init__(self, drain_s: float = 0.0) -> None:
        self.held: set[int] = set()
        self.others: list[Holding] = []
        self.overlaps = 0
        self._drain_s = drain_s

    async def assigned(self, partitions: frozenset[int]) -> None:
        self.overlaps += sum(len(partitions & other.held) for other in self.others)
        self.held |= partitions

    async def revoked(self, partitions: frozenset[int]) -> None:
        await asyncio.sleep(self._drain_s)
        self.held -= partitions


async def _take(follower: Any, count: int) -> AsyncIterator[list[StoredRecord]]:
    while count > 0:
        records = await anext(follower)
        count -= len(records)
        yield records
