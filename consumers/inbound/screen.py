"""Messages from phones and dead letters as people and programs read them. Drawing only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from dispatcher.store.port import DeadLetter, InboundMessage, InboundTally
from dispatcher.terminal.options import columns
from dispatcher.words import clock, counted, printable

BODY_CHARS_SHOWN: Final = 300


def message_table(messages: Sequence[InboundMessage]) -> Table:
    """One row per message."""
    table = columns("sent", "account", "from", "to", "flags", "text", prose={"text"})
    for message in messages:
        cells = (
            clock(message.at_ms),
            message.account,
            message.number,
            message.to,
            ", ".join(message.flags),
            printable(message.text),
        )
        table.add_row(*map(Text, cells))
    return table


def message_line(message: InboundMessage) -> str:
    """A message on one line."""
    flags = f"  [{', '.join(message.flags)}]" if message.flags else ""
    where = f"{message.account}  {message.number} > {message.to or '?'}"
    return f"{clock(message.at_ms)}  {where}  {printable(message.text)}{flags}"


def message_object(message: InboundMessage) -> dict[str, Any]:
    """A message for `--json`. Times are Unix milliseconds."""
    return {
        "account": message.account,
        "number": message.number,
        "to": message.to,
        "text": message.text,
        "at_ms": message.at_ms,
        "received_ms": message.received_ms,
        "message_id": message.message_id or None,
        "parts": message.parts,
        "missing": list(message.missing),
        "flags": list(message.flags),
    }


def footer(shown: int, tallies: Sequence[InboundTally], dead: int, records_behind: int) -> Iterator[str]:
    """What to say below a list of messages."""
    waiting = sum(tally.waiting for tally in tallies)
    repeats = sum(tally.repeats for tally in tallies)
    yield counted(shown, "message")
    if repeats:
        yield f"{counted(repeats, 'record')} repeated what was there already (vendors push again)"
    if waiting:
        yield f"{counted(waiting, 'long message')} {'waits' if waiting == 1 else 'wait'} for missing parts"
    if dead:
        yield f"{counted(dead, 'dead letter')} (nobody could read): dispatcher inbound dead"
    if records_behind:
        yield f"{counted(records_behind, 'record')} behind the log: is `dispatcher run` (role results) keeping up?"


def letter_table(letters: Sequence[tuple[DeadLetter, str | None]]) -> Table:
    """One row per dead letter, with what it held."""
    table = columns("received", "account", "came by", "why", "what", prose={"why", "what"})
    for letter, body in letters:
        what = "(the log does not have it any more)" if body is None else printable(body)
        if len(what) > BODY_CHARS_SHOWN:
            what = f"{what[:BODY_CHARS_SHOWN]}…"
        table.add_row(*map(Text, (clock(letter.at_ms), letter.account, letter.path, letter.why, what)))
    return table


def letter_object(letter: DeadLetter, body: str | None) -> dict[str, Any]:
    """A dead letter for `--json`; `body` None: the log does not have it any more."""
    return {
        "account": letter.account,
        "path": letter.path,
        "why": letter.why,
        "at_ms": letter.at_ms,
        "partition": letter.partition,
        "offset": letter.offset,
        "body": body,
    }
