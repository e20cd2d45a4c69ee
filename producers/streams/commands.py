"""`dispatcher stream open | send | close | list`: campaigns that stay open (docs/STREAMS.md)."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from dispatcher.errors import UserError
from dispatcher.i18n import _
from dispatcher.service.campaigns.views import CampaignList, CampaignPage, CampaignWanted, list_campaigns
from dispatcher.service.session import open_session
from dispatcher.service.streams import (
    AppendResult,
    StreamMessage,
    StreamRequest,
    append_messages,
    close_stream,
    open_stream,
)
from dispatcher.terminal.options import (
    columns,
    config_option,
    console,
    folding,
    hours_options,
    json_option,
    print_json,
    print_json_line,
)
from dispatcher.wording import clock, counted
from dispatcher.words import word

AT_ONCE: Final = 500
"""Lines of a file that are appended together."""

LINE_CHARS_MAX: Final = 100_000
SHOWN_MAX: Final = 20

_SPAN: Final = re.compile(r"(\d+) ?(s|min|h|d)")
_SECONDS: Final = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}


class SendResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the messages of one `stream send`. `paused`: nothing is sent until the stream is resumed."""

    stream: str
    taken: int = 0
    already_there: int = 0
    refused: int = 0
    paused: bool = False


@click.command("open")
@click.option("--route", required=True, metavar="ACCOUNT[,…]", help="The accounts that send; each message has one.")
@click.option("--id", "stream", metavar="ID", help="What it is called; repeated with the same terms it is opened once.")
@click.option("--name", default="", help="A name for people.")
@click.option(
    "--text", default="", help='A text with placeholders, as "Your code is {code}"; without it each has its own.'
)
@click.option(
    "--class",
    "campaign_class",
    type=click.Choice(["marketing", "notice", "code"]),
    default="notice",
    show_default=True,
    help="What it is for; codes are urgent, and each class has its own sending hours.",
)
@click.option("--urgent/--not-urgent", default=None, help="Whether it goes before the others; default: class code.")
@click.option("--weight", type=int, help="Its share of an account beside the others; default 1.")
@click.option("--unknown", type=click.Choice(["hold", "resend"]), default="hold", show_default=True)
@click.option(
    "--expires-after", default="5 min", show_default=True, metavar="TIME", help="A message is not sent later than this."
)
@click.option(
    "--keys-kept",
    default="2 d",
    show_default=True,
    metavar="TIME",
    help="How long a key is known, so that it is sent once.",
)
@click.option("--budget", default="", metavar="CNY", help="What it may cost at most; more waits, and expires.")
@click.option("--option", "options", multiple=True, metavar="[ACCOUNT.]K=V", help="A vendor option, as product=7.")
@click.option("--extno", default="", metavar="DIGITS", help="What extends the sender's number.")
@hours_options("continue")
@config_option
@json_option
def open_command(
    route: str,
    stream: str | None,
    options: tuple[str, ...],
    expires_after: str,
    keys_kept: str,
    config: str | None,
    as_json: bool,
    **terms: Any,
) -> None:
    """Open a stream: a campaign whose messages are appended one by one.

    \b
    Examples:
      dispatcher stream open --id codes --route spring --class code --text "【Shop】Your code is {code}"
      dispatcher stream open --id notices --route spring,winter --expires-after "2 h"
    """
    request = StreamRequest(
        id=stream,
        route=[name.strip() for name in route.split(",") if name.strip()],
        options=dict(_pair(option, "--option") for option in options),
        expires_after_s=_seconds(expires_after, "--expires-after"),
        keys_kept_s=_seconds(keys_kept, "--keys-kept"),
        **terms,
    )

    async def run() -> Any:
        async with open_session(config) as session:
            return await open_stream(session, request)

    done = asyncio.run(run())
    if as_json:
        print_json(done)
    elif done.opened:
        click.echo(
            _(
                'stream "{stream}" is open. To send: dispatcher stream send {stream} NUMBER --key KEY …',
                stream=done.stream,
            )
        )
    else:
        click.echo(_('stream "{stream}" was open already, with the same terms.', stream=done.stream))


@click.command("send")
@click.argument("stream", metavar="STREAM")
@click.argument("number", required=False)
@click.option("--key", default="", help="What makes it the same message when it is sent again.")
@click.option("--text", default="", help="Its text, if the stream has none.")
@click.option("--value", "values", multiple=True, metavar="NAME=TEXT", help="A value of the stream's text.")
@click.option(
    "--expires-after", metavar="TIME", help='Not sent later than this, as "90 s"; default: as the stream says.'
)
@click.option(
    "--file",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help='Messages, a JSON object a line: {"number": …, "key": …, "text": …} or "values"; - is standard input.',
)
@config_option
@json_option
def send_command(
    stream: str,
    number: str | None,
    key: str,
    text: str,
    values: tuple[str, ...],
    expires_after: str | None,
    file: Path | None,
    config: str | None,
    as_json: bool,
) -> None:
    """Append a message to a stream, or those of a file; they are on the log when it ends.

    The same key again is sent once, so a command that failed is repeated as it was.

    \b
    Examples:
      dispatcher stream send codes 13800138000 --key order-17 --value code=4711
      dispatcher stream send notices --file messages.ndjson
    """
    if (number is None) == (file is None):
        raise UserError("give a NUMBER with its --key, or --file FILE with messages.")
    if number is not None:
        if not key:
            raise UserError("a message needs a --key: the same key again is sent once.")
        one = StreamMessage(
            number=number,
            key=key,
            text=text,
            values=dict(_pair(value, "--value") for value in values),
            expires_after_s=0.0 if expires_after is None else _seconds(expires_after, "--expires-after"),
        )
        messages: Iterable[StreamMessage] = [one]
    else:
        if key or text or values or expires_after:
            raise UserError(
                "--key, --text, --value and --expires-after are of one message: the FILE has those of its own."
            )
        assert file is not None
        messages = _lines(file)
    done = asyncio.run(_send(config, stream, messages, as_json=as_json))
    if not as_json:
        _say(done, stream)
    if done.refused:
        raise SystemExit(2)


@click.command("close")
@click.argument("stream", metavar="STREAM")
@config_option
@json_option
def close_command(stream: str, config: str | None, as_json: bool) -> None:
    """Close a stream for good: it takes no more messages; those that it has are sent.

    To stop it for a while: dispatcher campaign pause. To send nothing more of it: dispatcher campaign cancel.

    \b
    Example:
      dispatcher stream close codes
    """

    async def run() -> Any:
        async with open_session(config) as session:
            return await close_stream(session, stream)

    done = asyncio.run(run())
    if as_json:
        print_json(done)
    else:
        click.echo(
            _('stream "{stream}" takes no more messages.', stream=stream)
            if done.changed
            else _('stream "{stream}" was closed already.', stream=stream)
        )


@click.command("list")
@config_option
@json_option
def list_command(config: str | None, as_json: bool) -> None:
    """List the streams, newest first, with today's messages. Everything about one: dispatcher campaign show ID.

    \b
    Example:
      dispatcher stream list
    """

    async def run() -> CampaignList:
        async with open_session(config, progress=folding()) as session:
            return await list_campaigns(session, CampaignWanted(streams=True))

    found = asyncio.run(run())
    if as_json:
        print_json(found)
        return
    if not found.campaigns:
        click.echo(_("there are no streams. To open one: dispatcher stream open --id ID --route ACCOUNT"))
        return
    table = columns(
        "stream", "status", "messages", "not final", "expired", "newest day", "opened", right=frozenset((2, 3, 4))
    )
    for view in found.campaigns:
        table.add_row(view.id, word(view.status), *_figures(view), clock(view.launched_ms))
    console().print(table)


def _figures(view: CampaignPage) -> Iterator[str]:
    assert view.stream is not None
    yield f"{view.counts.rows:,}"
    yield f"{view.counts.open:,}"
    yield f"{view.stream.expired:,}"
    day = next(iter(view.stream.days), None)
    yield "" if day is None else f"{day.day}: {day.counts.rows:,}"


async def _send(config: str | None, stream: str, messages: Iterable[StreamMessage], *, as_json: bool) -> SendResult:
    counts: dict[AppendResult, int] = {"taken": 0, "already there": 0, "refused": 0}
    async with open_session(config) as session:
        for group in _groups(messages):
            for answer in await append_messages(session, stream, group):
                counts[answer.result] += 1
                if as_json:
                    print_json_line(answer)
                elif answer.result == "refused" and counts["refused"] <= SHOWN_MAX:
                    click.echo(_("refused: {key}: {why}", key=answer.key, why=answer.why), err=True)
        known = (await session.campaigns()).get(stream)
    return SendResult(
        stream=stream,
        taken=counts["taken"],
        already_there=counts["already there"],
        refused=counts["refused"],
        paused=known is not None and known.paused,
    )


def _groups(messages: Iterable[StreamMessage]) -> Iterator[list[StreamMessage]]:
    """The messages in groups of an append; those before a line that is none come before its UserError."""
    group: list[StreamMessage] = []
    try:
        for message in messages:
            group.append(message)
            if len(group) == AT_ONCE:
                yield group
                group = []
    except UserError:
        if group:
            yield group
        raise
    if group:
        yield group


def _say(done: SendResult, stream: str) -> None:
    parts = [_("{count} on the log, each key is sent once", count=counted(done.taken, "message"))]
    if done.already_there:
        parts.append(_("{already_there:,} there already", already_there=done.already_there))
    if done.refused:
        parts.append(_("{refused:,} refused", refused=done.refused))
    click.echo(_("stream {stream}: {names}.", stream=stream, names=", ".join(parts)))
    if done.paused:
        click.echo(
            _("it is paused: nothing is sent until you resume it: dispatcher campaign resume {stream}", stream=stream),
            err=True,
        )


def _lines(path: Path) -> Iterator[StreamMessage]:
    """The messages of a file, a line each. Raises UserError for the first line that is none."""
    decoder = msgspec.json.Decoder(StreamMessage)
    try:
        with nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(LINE_CHARS_MAX), b""), 1):
                if not line.strip():
                    continue
                try:
                    yield decoder.decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    raise UserError(
                        "line {number} of {path} is no message ({error}). Lines before it were sent; correct it and "
                        "send the file again: the same keys are sent once.",
                        number=number,
                        path=path,
                        error=error,
                    ) from error
    except OSError as error:
        raise UserError("{path} cannot be read: {reason}.", path=path, reason=error.strerror or error) from error


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UserError('{about} "{text}" must be NAME=TEXT.', about=option, text=text)
    return name, value


def _seconds(text: str, option: str) -> float:
    found = _SPAN.fullmatch(text.strip())
    if found is None or not int(found[1]):
        raise UserError(
            '{about} "{text}" is no time. Write it like "90 s", "5 min", "2 h" or "1 d".', about=option, text=text
        )
    return float(int(found[1]) * _SECONDS[found[2]])
