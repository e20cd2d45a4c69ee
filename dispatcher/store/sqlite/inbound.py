"""Messages from phones and dead letters in the SQLite store: a row per message, long ones joined as parts come.

dispatcher/core/results/inbound.py decides what a record becomes. A row's `id` is the place of its first record in the
log, `done` the place of the one that completed it (null before): both functions of the log. Whether a message stays
incomplete depends on the time of the query, and no row has it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from dispatcher.core.results import inbound
from dispatcher.core.results.inbound import Bounds, Held, Part
from dispatcher.store.port import DeadLetter, InboundFilter, InboundMarks, InboundMessage, InboundTally
from schemas.records import Dead, Inbound
from schemas.topics import LANE_PARTITIONS

TABLES: Final = """
CREATE TABLE inbound (
    id INTEGER PRIMARY KEY, key INTEGER NOT NULL, account TEXT NOT NULL, number TEXT NOT NULL, sent_to TEXT NOT NULL,
    at_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL, message_id TEXT NOT NULL, flags TEXT NOT NULL,
    text TEXT NOT NULL, total INTEGER NOT NULL, parts BLOB, done INTEGER
);
CREATE INDEX inbound_by_key ON inbound (key, id);
CREATE INDEX inbound_of_number ON inbound (number, at_ms);
CREATE INDEX inbound_by_time ON inbound (at_ms, id);
CREATE INDEX inbound_done ON inbound (done % 8, done) WHERE done IS NOT NULL;
CREATE INDEX inbound_open ON inbound (received_ms) WHERE done IS NULL;
CREATE TABLE inbound_counts (account TEXT PRIMARY KEY, records INTEGER NOT NULL, repeats INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE dead (account TEXT PRIMARY KEY, count INTEGER NOT NULL, last_ms INTEGER NOT NULL, last_why TEXT NOT NULL)
    WITHOUT ROWID;
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY, account TEXT NOT NULL, path TEXT NOT NULL, why TEXT NOT NULL, at_ms INTEGER NOT NULL
);
CREATE INDEX dead_letters_by_time ON dead_letters (at_ms, id)
"""
assert f"done % {LANE_PARTITIONS}," in TABLES

PAGE_ROWS: Final = 10_000

_parts: msgspec.msgpack.Decoder[tuple[Part, ...]] = msgspec.msgpack.Decoder(tuple[Part, ...])
_COLUMNS: Final = (
    "id, account, number, sent_to, at_ms, received_ms, message_id, flags, text, total, parts, done IS NOT NULL"
)
_ID, _AT_MS, _RECEIVED_MS, _TOTAL = 0, 4, 5, 9
_UNREAD: Final = (
    f"id >= CASE id % {LANE_PARTITIONS} {' '.join(f'WHEN {each} THEN ?' for each in range(LANE_PARTITIONS))} END"
)
"""Whether a message's first record was folded later than the offset that is given for each partition."""


# --- writing, inside a transaction that the caller began -------------------------------------------------------------


def add(connection: sqlite3.Connection, place: int, record: Inbound, bounds: Bounds) -> None:
    """Take in a message or a part of one."""
    message = inbound.checked(record)
    key = inbound.key(message)
    known = _known(connection, key)
    found = inbound.placed(message, known, bounds)
    repeats = found is not None and found in known
    connection.execute(
        "INSERT INTO inbound_counts VALUES (?, 1, ?) ON CONFLICT DO UPDATE "
        "SET records = records + 1, repeats = repeats + excluded.repeats",
        (message.account, repeats),
    )
    if found is None:
        _insert(connection, key, message, inbound.new(place, message))
    elif not repeats:
        flags = connection.execute("SELECT flags FROM inbound WHERE id = ?", (found.id,)).fetchone()[0].split()
        connection.execute(
            "UPDATE inbound SET text = ?, parts = ?, flags = ?, done = ? WHERE id = ?",
            (
                found.text,
                msgspec.msgpack.encode(found.parts),
                " ".join(dict.fromkeys([*flags, *message.flags])),
                place if found.whole else None,
                found.id,
            ),
        )


def _known(connection: sqlite3.Connection, key: int) -> list[Held]:
    rows = connection.execute(
        "SELECT id, at_ms, received_ms, total, parts, text, flags FROM inbound WHERE key = ? ORDER BY id DESC LIMIT ?",
        (key, inbound.CANDIDATES_MAX),
    )
    return [
        Held(
            id=place,
            at_ms=at_ms,
            received_ms=received_ms,
            total=total,
            parts=_parts.decode(parts) if parts else (Part(1, text, 0 if inbound.NO_TIME in flags.split() else at_ms),),
        )
        for place, at_ms, received_ms, total, parts, text, flags in rows
    ]


def _insert(connection: sqlite3.Connection, key: int, message: Inbound, held: Held) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO inbound VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            held.id,
            key,
            message.account,
            message.number,
            message.to,
            message.at_ms,
            message.received_ms,
            message.message_id,
            " ".join(message.flags),
            held.text,
            held.total,
            None if held.total == 1 else msgspec.msgpack.encode(held.parts),
            held.id if held.whole else None,
        ),
    )


def add_dead(connection: sqlite3.Connection, place: int, record: Dead) -> None:
    """A dead letter; its body stays on the log."""
    connection.execute(
        "INSERT INTO dead VALUES (?, 1, ?, ?) ON CONFLICT (account) DO UPDATE SET count = count + 1, "
        "last_ms = excluded.last_ms, last_why = excluded.last_why",
        (record.account, record.at_ms, record.why),
    )
    connection.execute(
        "INSERT OR IGNORE INTO dead_letters VALUES (?, ?, ?, ?, ?)",
        (place, record.account, record.path, record.why, record.at_ms),
    )


# --- reading ---------------------------------------------------------------------------------------------------------


def newest(
    connection: sqlite3.Connection, wanted: InboundFilter, messages_max: int, overdue_ms: int
) -> list[InboundMessage]:
    """The newest wanted messages that are complete, or were received up to `overdue_ms` (then incomplete for good)."""
    where, values = _where(wanted, overdue_ms)
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM inbound WHERE {where} ORDER BY at_ms DESC, id DESC LIMIT ?", (*values, messages_max)
    )
    return [_message(row) for row in rows]


def pages(connection: sqlite3.Connection, wanted: InboundFilter, overdue_ms: int) -> Iterator[list[InboundMessage]]:
    """All of them, oldest first, PAGE_ROWS at a time."""
    where, values = _where(wanted, overdue_ms)
    after = (-(1 << 63), -1)
    while True:
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM inbound WHERE {where} AND (at_ms, id) > (?, ?) ORDER BY at_ms, id LIMIT ?",
            (*values, *after, PAGE_ROWS),
        ).fetchall()
        if not rows:
            return
        yield [_message(row) for row in rows]
        after = (rows[-1][_AT_MS], rows[-1][_ID])


def marks(connection: sqlite3.Connection, overdue_ms: int) -> InboundMarks:
    """Where following begins: behind all present messages."""
    done = dict(connection.execute("SELECT done % 8, max(done) FROM inbound WHERE done IS NOT NULL GROUP BY done % 8"))
    return InboundMarks(done=done, overdue_ms=overdue_ms, read_to=_read_to(connection))


def _read_to(connection: sqlite3.Connection) -> dict[int, int]:
    return dict(connection.execute("SELECT partition, next FROM offsets WHERE topic = 'inbound'"))


def news(
    connection: sqlite3.Connection, since: InboundMarks, wanted: InboundFilter, overdue_ms: int
) -> tuple[list[InboundMessage], InboundMarks]:
    """Wanted messages that became complete, or incomplete for good, since then; and where to continue."""
    where, values = _wanted(wanted)
    found: list[tuple[Any, ...]] = []
    done = dict(since.done)
    for partition in range(LANE_PARTITIONS):
        before = done.get(partition, -1)
        (last,) = connection.execute(
            "SELECT max(done) FROM inbound WHERE done % 8 = ? AND done > ?", (partition, before)
        ).fetchone()
        if last is not None:
            done[partition] = last
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM inbound WHERE done % 8 = ? AND done > ? AND {where}",
                (partition, before, *values),
            )
            found += (row for row in rows if row[_TOTAL] == 1 or not since.had(row[_ID], row[_RECEIVED_MS]))
    unread = [since.read_to.get(partition, 0) * LANE_PARTITIONS for partition in range(LANE_PARTITIONS)]
    found += connection.execute(
        f"SELECT {_COLUMNS} FROM inbound WHERE done IS NULL AND received_ms <= ? AND (received_ms > ? OR {_UNREAD}) "
        f"AND {where}",
        (overdue_ms, since.overdue_ms, *unread, *values),
    )
    found.sort(key=lambda row: (row[_RECEIVED_MS], row[_ID]))
    further = InboundMarks(done=done, overdue_ms=max(overdue_ms, since.overdue_ms), read_to=_read_to(connection))
    return [_message(row) for row in found], further


def tallies(connection: sqlite3.Connection, overdue_ms: int) -> list[InboundTally]:
    """Counts by account."""
    waiting = dict(
        connection.execute(
            "SELECT account, count(*) FROM inbound WHERE done IS NULL AND received_ms > ? GROUP BY account",
            (overdue_ms,),
        )
    )
    counted = connection.execute("SELECT account, records, repeats FROM inbound_counts ORDER BY account")
    return [
        InboundTally(account=account, records=records, repeats=repeats, waiting=waiting.get(account, 0))
        for account, records, repeats in counted
    ]


def dead_letters(connection: sqlite3.Connection, account: str | None, letters_max: int) -> list[DeadLetter]:
    """The newest ones."""
    rows = connection.execute(
        "SELECT id, account, path, why, at_ms FROM dead_letters WHERE ?1 IS NULL OR account = ?1 "
        "ORDER BY at_ms DESC, id DESC LIMIT ?2",
        (account, letters_max),
    )
    return [
        DeadLetter(
            partition=place % LANE_PARTITIONS,
            offset=place // LANE_PARTITIONS,
            account=name,
            path=path,
            why=why,
            at_ms=at_ms,
        )
        for place, name, path, why, at_ms in rows
    ]


def _where(wanted: InboundFilter, overdue_ms: int) -> tuple[str, list[Any]]:
    """The condition for wanted messages that are complete or incomplete for good, and its values in order."""
    where, values = _wanted(wanted)
    return f"(done IS NOT NULL OR received_ms <= ?) AND {where}", [overdue_ms, *values]


def _wanted(wanted: InboundFilter) -> tuple[str, list[Any]]:
    """The condition for wanted messages, and its values in order."""
    given: dict[str, Any] = {
        "account = ?": wanted.account,
        "number = ?": wanted.number,
        "at_ms >= ?": wanted.since_ms,
        "at_ms < ?": wanted.until_ms,
        "instr(lower(text), lower(?)) > 0": wanted.contains or None,
    }
    chosen = {condition: value for condition, value in given.items() if value is not None}
    return " AND ".join(chosen) or "TRUE", list(chosen.values())


def _message(row: tuple[Any, ...]) -> InboundMessage:
    _, account, number, to, at_ms, received_ms, message_id, flags, text, total, parts, whole = row
    missing: tuple[int, ...] = ()
    if not whole:
        there = {part.number for part in _parts.decode(parts)}
        missing = tuple(part for part in range(1, total + 1) if part not in there)
    return InboundMessage(
        account=account,
        number=number,
        to=to,
        text=text,
        at_ms=at_ms,
        received_ms=received_ms,
        message_id=message_id or None,
        parts=total,
        missing=missing,
        flags=(*flags.split(), *(("incomplete",) if missing else ())),
    )
