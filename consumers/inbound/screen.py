"""Messages from phones and dead letters as people read them. Drawing only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from dispatcher.i18n import _, plural
from dispatcher.service.inbound import Letter, Messages
from dispatcher.store.views import InboundMessage
from dispatcher.terminal.options import columns
from dispatcher.wording import clock, counted, printable
from dispatcher.words import word

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
            ", ".join(map(word, message.flags)),
            printable(message.text),
        )
        table.add_row(*map(Text, cells))
    return table


def message_line(message: InboundMessage) -> str:
    """A message on one line."""
    flags = f"  [{', '.join(map(word, message.flags))}]" if message.flags else ""
    where = f"{message.account}  {message.number} > {message.to or '?'}"
    return f"{clock(message.at_ms)}  {where}  {printable(message.text)}{flags}"


def footer(found: Messages) -> Iterator[str]:
    """The lines below a list of messages."""
    yield counted(len(found.messages), "message")
    if found.repeats:
        yield _("{count} repeated what was there already (vendors push again)", count=counted(found.repeats, "record"))
    if found.waiting:
        yield plural(
            "{n:,} long message waits for missing parts", "{n:,} long messages wait for missing parts", found.waiting
        )
    if found.dead_letters:
        yield _("{count} (unreadable): dispatcher inbound dead", count=counted(found.dead_letters, "dead letter"))
    if found.records_behind:
        late = counted(found.records_behind, "record")
        yield _("{late} behind the log: is `dispatcher run` (role results) keeping up?", late=late)


def letter_table(letters: Sequence[Letter]) -> Table:
    """One row per dead letter, with its content."""
    table = columns("received", "account", "came by", "why", "what", prose={"why", "what"})
    for letter in letters:
        what = _("(the log does not have it any more)") if letter.body is None else printable(letter.body)
        if len(what) > BODY_CHARS_SHOWN:
            what = f"{what[:BODY_CHARS_SHOWN]}…"
        table.add_row(*map(Text, (clock(letter.at_ms), letter.account, letter.path, letter.why, what)))
    return table
