"""Messages from phones, each once, with long ones joined; and unreadable pushes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import Final

import msgspec
from msgspec.structs import asdict

from dispatcher.config.places import Places
from dispatcher.core.opt_out import OptOutWords
from dispatcher.errors import LogDamaged
from dispatcher.log.port import Log
from dispatcher.service.session import Session
from dispatcher.store.opening import open_reader
from dispatcher.store.port import StoreReader
from dispatcher.store.views import DeadLetter, InboundFilter, InboundMarks, InboundMessage, InboundTally
from schemas.codec import BrokenRecord, NewerRecord, decode
from schemas.records import Dead
from schemas.topics import DEAD, INBOUND

TOPICS: Final = (INBOUND, DEAD)
LOOK_EVERY_S: Final = 0.25
REVIEW: Final = "review"
"""The flag of a message that may ask for no more texts; a person decides (`suppression add`)."""


class Messages(msgspec.Struct, frozen=True, kw_only=True):
    """The newest wanted messages, and counts of the others.

    `repeats`: repetitions; `waiting`: long messages with missing parts.
    """

    messages: list[InboundMessage]
    repeats: int
    waiting: int
    dead_letters: int
    records_behind: int


class Letter(DeadLetter, frozen=True, kw_only=True):
    """A dead letter with its content; None: the log does not have it any more."""

    body: str | None


class DeadLetters(msgspec.Struct, frozen=True, kw_only=True):
    """The newest dead letters, and how many there are of each account."""

    counts: dict[str, int]
    letters: list[Letter]


async def newest_messages(session: Session, wanted: InboundFilter, limit: int, *, for_review: bool = False) -> Messages:
    """The newest wanted messages, or those of them for review.

    Raises ConfigError if there is no log yet, LogError, StoreError.
    """
    words = session.config.inbound.opt_outs
    records_behind = await session.behind(TOPICS)

    def ask(reader: StoreReader) -> tuple[list[InboundMessage], list[InboundTally], int]:
        dead = sum(each.count for each in reader.dead())
        if for_review:
            pages = (marked(page, words) for page in reader.inbound_pages(wanted))
            newest = deque((each for page in pages for each in page if REVIEW in each.flags), limit)
            return list(reversed(newest)), reader.inbound_tallies(), dead
        return marked(reader.inbound(wanted=wanted, messages_max=limit), words), reader.inbound_tallies(), dead

    found, tallies, dead = await session.read(ask)
    return Messages(
        messages=found,
        repeats=sum(tally.repeats for tally in tallies),
        waiting=sum(tally.waiting for tally in tallies),
        dead_letters=dead,
        records_behind=records_behind,
    )


def marked(messages: Sequence[InboundMessage], words: OptOutWords) -> list[InboundMessage]:
    """The messages, those flagged REVIEW that may ask for no more texts without being an opt-out."""
    return [
        msgspec.structs.replace(each, flags=(*each.flags, REVIEW)) if words.for_review(each.text) else each
        for each in messages
    ]


def message_mark(message: InboundMessage) -> str:
    """What the audit trail calls a message that a person answered; it says nothing about the number."""
    parts = (message.account, message.number, message.to, str(message.at_ms), str(message.received_ms))
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()


def all_messages(places: Places, wanted: InboundFilter, words: OptOutWords) -> Iterator[Sequence[InboundMessage]]:
    """All wanted messages in the results, oldest first, some thousand at a time. Blocks."""
    with contextlib.closing(open_reader(places.store)) as reader:
        for page in reader.inbound_pages(wanted):
            yield marked(page, words)


async def follow_messages(session: Session, wanted: InboundFilter) -> AsyncIterator[InboundMessage]:
    """Each wanted message as it comes, for ever. Raises the errors of `newest_messages`."""
    marks = await session.read(lambda reader: reader.inbound_marks())
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        found, marks = await session.read(partial(_news, marks, wanted))
        for message in marked(found, session.config.inbound.opt_outs):
            yield message


async def dead_letters(session: Session, account: str | None, limit: int) -> DeadLetters:
    """The newest dead letters of an account, or of all. Raises the errors of `newest_messages`."""
    await session.behind(TOPICS)
    letters = await session.read(lambda reader: reader.dead_letters(account, letters_max=limit))
    counts = await session.read(lambda reader: {each.account: each.count for each in reader.dead()})
    log = await session.log()
    return DeadLetters(
        counts=counts, letters=[Letter(**asdict(letter), body=await _body(log, letter)) for letter in letters]
    )


def _news(since: InboundMarks, wanted: InboundFilter, reader: StoreReader) -> tuple[list[InboundMessage], InboundMarks]:
    return reader.inbound_news(since, wanted)


async def _body(log: Log, letter: DeadLetter) -> str | None:
    """Its content as text; None if the log does not have it any more."""
    try:
        record = decode((await log.fetch(DEAD.name, letter.partition, letter.offset)).value)
    except (LogDamaged, BrokenRecord, NewerRecord):
        return None
    return record.body.decode("utf-8", "backslashreplace") if isinstance(record, Dead) else None
