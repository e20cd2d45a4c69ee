"""What the commands for messages from phones read: the results, brought up to date first, and the log."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Final

import msgspec

from dispatcher.config.file import Config
from dispatcher.errors import LogDamaged
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.service.freshness import behind, bring_up_to_date
from dispatcher.store.opening import open_reader
from dispatcher.store.port import DeadLetter, InboundMessage, InboundTally, InboundWanted, StoreReader
from schemas.codec import BrokenRecord, NewerRecord, decode
from schemas.records import Dead
from schemas.topics import DEAD, INBOUND

FRESH_WITHIN_S: Final = 2.0
LOOK_EVERY_S: Final = 0.25
FOLD_EVERY_S: Final = 1.0


class Found(msgspec.Struct, frozen=True):
    """What `list` shows."""

    messages: list[InboundMessage]
    tallies: list[InboundTally]
    dead: dict[str, int]
    records_behind: int


@contextlib.asynccontextmanager
async def _results(config: Config) -> AsyncIterator[tuple[Log, StoreReader]]:
    """The log, and the results brought up to date with it."""
    async with contextlib.AsyncExitStack() as stack:
        log = await open_log(config.log.url, create=False)
        stack.push_async_callback(log.close)
        await bring_up_to_date(config, log)
        reader = await asyncio.to_thread(open_reader, config.store)
        stack.callback(reader.close)
        yield log, reader


async def newest(config: Config, wanted: InboundWanted, limit: int) -> Found:
    """The newest messages that are wanted, and what there is besides."""
    async with _results(config) as (log, reader):
        records_behind = await behind(log, reader, within_s=FRESH_WITHIN_S, topics=(INBOUND, DEAD))
        messages = await asyncio.to_thread(lambda: reader.inbound(wanted=wanted, messages_max=limit))
        tallies = await asyncio.to_thread(reader.inbound_tallies)
        dead_counts = {each.account: each.count for each in await asyncio.to_thread(reader.dead)}
        return Found(messages, tallies, dead_counts, records_behind)


async def fresh(config: Config) -> int:
    """Bring the results up to date; how many records they are behind the log."""
    async with _results(config) as (log, reader):
        return await behind(log, reader, within_s=FRESH_WITHIN_S, topics=(INBOUND, DEAD))


def pages(config: Config, wanted: InboundWanted) -> Iterator[Sequence[InboundMessage]]:
    """All messages that are wanted, oldest first, some thousand at a time."""
    with contextlib.closing(open_reader(config.store)) as reader:
        yield from reader.inbound_pages(wanted)


async def follow_messages(config: Config, wanted: InboundWanted, take: Callable[[InboundMessage], None]) -> None:
    """Hand over each message that is wanted as it comes, for ever."""
    async with _results(config) as (log, reader):
        marks = await asyncio.to_thread(reader.inbound_marks)
        loop = asyncio.get_running_loop()
        folded_s = loop.time()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if loop.time() - folded_s >= FOLD_EVERY_S:
                await bring_up_to_date(config, log)
                folded_s = loop.time()
            found, marks = await asyncio.to_thread(reader.inbound_news, marks)
            for message in found:
                if _is_wanted(message, wanted):
                    take(message)


def _is_wanted(message: InboundMessage, wanted: InboundWanted) -> bool:
    """What the store's query does, for one message."""
    return (
        wanted.account in (None, message.account)
        and wanted.number in (None, message.number)
        and (wanted.since_ms is None or message.at_ms >= wanted.since_ms)
        and (wanted.until_ms is None or message.at_ms < wanted.until_ms)
        and (wanted.contains or "").lower() in message.text.lower()
    )


async def dead_letters(
    config: Config, account: str | None, limit: int
) -> tuple[list[tuple[DeadLetter, str | None]], dict[str, int]]:
    """The newest ones with what they held (None: the log does not have it any more), and how many of each account."""
    async with _results(config) as (log, reader):
        await behind(log, reader, within_s=FRESH_WITHIN_S, topics=(INBOUND, DEAD))
        letters = await asyncio.to_thread(lambda: reader.dead_letters(account, letters_max=limit))
        counts = {each.account: each.count for each in await asyncio.to_thread(reader.dead)}
        return [(letter, await _body(log, letter)) for letter in letters], counts


async def _body(log: Log, letter: DeadLetter) -> str | None:
    """What it held, as text; None if the log does not have it any more."""
    try:
        record = decode((await log.fetch(DEAD.name, letter.partition, letter.offset)).value)
    except (LogDamaged, BrokenRecord, NewerRecord):
        return None
    return record.body.decode("utf-8", "backslashreplace") if isinstance(record, Dead) else None
