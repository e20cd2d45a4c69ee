"""What the commands have in common: `--config` and `--json`, and how they print.

`--json` prints one object (or one per line while a command continues) and nothing else on standard output.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import msgspec

from dispatcher.i18n import ENGLISH, _, heading, use_language
from dispatcher.wording import CONTROLS

if TYPE_CHECKING:
    from rich.console import Console

    from dispatcher.terminal.table import PlainTable

F = TypeVar("F", bound=Callable[..., Any])

WIDTH_PIPED: Final = 500
_ESCAPES: Final = {code: f"\\u{code:04x}" for code in CONTROLS}
CONFIG_BEFORE: Final = "dispatcher.config"
"""The key under which click's contexts keep the configuration that was named before the command."""

SENTENCE_MAX: Final = 300

TELL_AFTER_RECORDS: Final = 20_000
TELL_EVERY_S: Final = 1.0


class Group(click.Group):
    """A group that lists its commands with the whole first sentence of each, over several lines if necessary."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, command.get_short_help_str(limit=SENTENCE_MAX)) for name, command in found if command is not None
        ]
        if rows:
            with formatter.section(_("Commands")):
                formatter.write_dl(rows)


def hours_options(at_closing: str | None) -> Callable[[F], F]:
    """`--between`, `--days` and `--at-closing` (as it is by default): when a campaign may be sent."""

    def options(function: F) -> F:
        for option in (
            click.option(
                "--at-closing",
                type=click.Choice(["pause", "continue"]),
                default=at_closing,
                show_default=at_closing is not None,
                help="What becomes of the rest when its hours are over: wait until you resume it, or "
                "continue when they open.",
            ),
            click.option(
                "--days", default="", metavar="DAYS", help="Send only on these days: Mon-Fri, or Mon,Wed,Sat."
            ),
            click.option(
                "--between", default="", metavar="HH:MM-HH:MM", help="Send only then, in Asia/Shanghai: 09:00-20:00."
            ),
        ):
            function = option(function)
        return function

    return options


def config_option(function: F) -> F:
    """`--config FILE` as the parameter `config` (None: dispatcher.toml, see dispatcher/config/file.py).

    It may also stand before the command, where `config_before` keeps it; the one after the command wins.
    """
    return click.option(
        "--config",
        type=click.Path(dir_okay=False),
        default=None,
        metavar="FILE",
        callback=lambda ctx, _parameter, value: value if value is not None else ctx.meta.get(CONFIG_BEFORE),
        help="The configuration; default $DISPATCHER_CONFIG, else dispatcher.toml.",
    )(function)


def config_before() -> click.Option:
    """`--config FILE` of a group, for the command after it."""

    def keep(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.meta[CONFIG_BEFORE] = value

    return click.Option(
        ["--config"],
        type=click.Path(dir_okay=False),
        metavar="FILE",
        expose_value=False,
        callback=keep,
        help="The configuration; it may stand after the command as well.",
    )


def json_option(function: F) -> F:
    """`--json` as the parameter `as_json`. JSON is English, whatever the language is."""

    def english(_context: click.Context, _parameter: click.Parameter, value: bool) -> bool:
        if value:
            use_language(ENGLISH)
        return value

    return click.option(
        "--json", "as_json", is_flag=True, is_eager=True, callback=english, help="Print JSON and nothing else."
    )(function)


def print_json(value: Any) -> None:
    """One object, readable by people too. Structs are printed with the names of their fields."""
    click.echo(_escaped(msgspec.json.format(msgspec.json.encode(value), indent=2).decode()))


def print_json_line(value: Any) -> None:
    """One object on one line, flushed at once."""
    sys.stdout.buffer.write(_escaped(msgspec.json.encode(value).decode()).encode() + b"\n")
    sys.stdout.buffer.flush()


def _escaped(text: str) -> str:
    """JSON without the characters that it may hold as they are and that do something to a terminal."""
    return text.translate(_ESCAPES)


def folding() -> Callable[[int, int], None]:
    """Reports on standard error, once a second, how much of a long log was read."""
    told_s = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal told_s
        now_s = time.monotonic()
        if total >= TELL_AFTER_RECORDS and now_s - told_s >= TELL_EVERY_S:
            told_s = now_s
            click.echo(_("reading the log: {done:,} of {total:,} records …", done=done, total=total), err=True)

    return progress


def console(*, err: bool = False) -> Console:
    """The console: as wide as the terminal, and never cut off without one."""
    from dispatcher.terminal.clean_console import CleanConsole  # here: most of what a command prints needs no table

    out = sys.stderr if err else sys.stdout
    return CleanConsole(
        file=out, highlight=False, markup=False, emoji=False, width=None if out.isatty() else WIDTH_PIPED
    )


def columns(*names: str, right: frozenset[int] = frozenset(), prose: Collection[str] = ()) -> PlainTable:
    """A table without lines; columns with an index in `right` are figures, those named in `prose` may be folded.

    Names are literals, for scripts/catalogues, or words that are translated already.
    """
    from dispatcher.terminal.table import PlainTable

    table = PlainTable()
    for index, name in enumerate(names):
        table.add_column(
            heading(name), justify="right" if index in right else "left", no_wrap=name not in prose, overflow="fold"
        )
    return table
