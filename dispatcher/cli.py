"""The `dispatcher` command: its commands are entry points, and each is imported only when it is invoked.

Any package adds a command by an entry point of the group `dispatcher.commands`: `run` names `dispatcher run`,
`campaign.show` names `dispatcher campaign show`. So this file imports nothing above it. It also turns every
failure into one sentence on the terminal, never a traceback.
"""

from __future__ import annotations

import errno
import functools
import logging
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any, Final

import click
from click.shell_completion import get_completion_class

from dispatcher.errors import DispatcherError
from dispatcher.i18n import N_, _, current_language, language_is, use_language
from dispatcher.terminal.language import asked_language, in_language, lang_option, language_of, speak
from dispatcher.terminal.options import CONFIG_BEFORE, Group, config_before
from dispatcher.terminal.streams import clean_streams, open_closed_streams

DISTRIBUTION: Final = "sms-dispatcher"
GROUP: Final = "dispatcher.commands"
GROUPS: Final = {
    "account": "The vendor accounts: what is configured, whether they work, what is left on them.",
    "callback": "Outgoing callbacks: what is delivered to other systems and to chat bots, and how far each has come.",
    "campaign": "Draft, test, approve, schedule and launch campaigns; watch, pause, cancel them; export their results.",
    "carrier": "Numbers that are with another carrier than their prefix says, as reports taught.",
    "content": "What carriers and platforms may refuse of a text.",
    "inbound": "Messages from phones: long ones put together, each listed once; and what could not be read.",
    "person": "The people who may sign in to the console, and their roles.",
    "report": "What was spent, and how well accounts deliver.",
    "store": "The results store: a fold of the log, which can be made anew at any time.",
    "stream": "Campaigns that stay open: messages are appended one by one, and each is sent once, in its time.",
    "suppression": "The suppression list: numbers that no launch texts. Phones that opt out are added to it.",
    "token": "The tokens that other systems use the HTTP API with.",
    "verify": "Verification codes: send one over a stream, and check what somebody typed in.",
    "unknown": "Requests that the vendor may or may not have taken: see them, resolve them.\n\n"
    "None is sent again unless its campaign's policy or a person says so.",
}
"""The help of each group; a group of another package may have none."""

IN_ORDER: Final = {
    "campaign": (
        *("draft", "test", "approve", "schedule", "launch", "list", "show", "watch", "pause", "resume", "weight"),
        *("budget", "cancel", "close", "export"),
    ),
    "stream": ("open", "send", "close", "list"),
}
"""Groups whose commands are listed in the order of use, not by the alphabet."""

DEBUG: Final = "DISPATCHER_DEBUG"
INTERRUPTED: Final = 130

_FISH: Final = "~/.config/fish/completions/dispatcher.fish"
_INSTALL: Final = {
    "bash": (N_("add to {file}:"), "~/.bashrc", 'eval "$(dispatcher completion bash)"'),
    "zsh": (N_("add to {file}:"), "~/.zshrc", 'eval "$(dispatcher completion zsh)"'),
    "fish": (N_("save as {file}:"), _FISH, f"dispatcher completion fish > {_FISH}"),
}


class InstalledGroup(Group):
    """A group of its own commands and the entry points whose names begin with the group's name and a dot."""

    prefix = ""

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = sorted({*super().list_commands(ctx), *(name.partition(".")[0] for name in self._installed())})
        order = IN_ORDER.get(self.prefix.removesuffix("."), ())
        return sorted(names, key=lambda name: order.index(name) if name in order else len(order))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return in_language(own)
        installed = self._installed()
        if cmd_name in installed:
            logging.root.addHandler(logging.NullHandler())  # else Python prints the libraries' messages
            return in_language(_loaded(installed[cmd_name]))
        if any(name.startswith(f"{cmd_name}.") for name in installed):
            group = InstalledGroup(cmd_name, help=GROUPS.get(self.prefix + cmd_name), params=[config_before()])
            group.prefix = f"{self.prefix}{cmd_name}."
            return in_language(group)
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        # click would look for similar names among the commands of this file only, not among the entry points.
        close = get_close_matches(name, self.list_commands(ctx), 1)
        if close and not ctx.resilient_parsing and self.get_command(ctx, name) is None:
            ctx.fail(_("No such command {name!r}. Did you mean {meant!r}?").format(name=name, meant=close[0]))
        found, command, rest = super().resolve_command(ctx, args)
        takes_config = command is None or any(parameter.name == "config" for parameter in command.params)
        if CONFIG_BEFORE in ctx.meta and not takes_config and not ctx.resilient_parsing:
            no_config = _("{name!r} reads no configuration of the dispatcher: leave --config before it out.")
            ctx.fail(no_config.format(name=name))
        return found, command, rest

    def _installed(self) -> dict[str, EntryPoint]:
        return {
            found.name.removeprefix(self.prefix): found
            for found in _commands(tuple(sys.path))
            if found.name.startswith(self.prefix)
        }


@functools.cache
def _commands(path: tuple[str, ...]) -> EntryPoints:
    """The installed commands. To find them costs milliseconds, and a command asks several times."""
    return entry_points(group=GROUP)


def _loaded(found: EntryPoint) -> click.Command:
    command = found.load()
    if not isinstance(command, click.Command):
        raise TypeError(f"entry point {found.name} = {found.value} is not a click command")
    return command


class Commands(InstalledGroup):
    """The whole command; its `main` turns every error into a sentence and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and end the process with the error's exit code; with `standalone_mode=False` raise errors instead."""
        if not standalone_mode:
            with language_is(current_language()):
                return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        open_closed_streams()
        with clean_streams(), language_is(current_language()):
            speak(language_of(os.environ))
            code = self._run(args, prog_name, complete_var, extra)
        sys.exit(code)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super(Commands, in_language(self)).format_help(ctx, formatter)

    def _run(
        self, args: Sequence[str] | None, prog_name: str | None, complete_var: str | None, extra: dict[str, Any]
    ) -> int:
        try:
            result = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            sys.stdout.flush()
        except click.exceptions.Exit as error:
            return error.exit_code
        except (KeyboardInterrupt, click.Abort):
            click.echo(_("interrupted."), err=True)
            return INTERRUPTED
        except BrokenPipeError:
            return _unread()
        except click.ClickException as error:
            use_language(asked_language())
            error.show()
            return error.exit_code
        except DispatcherError as error:
            use_language(asked_language())
            _debug_or(_("error: {sentence}").format(sentence=error.said(do=True)))
            return error.exit_code
        except OSError as error:
            if error.errno == errno.EPIPE or f"os error {errno.EPIPE}" in str(error):  # polars gives no errno
                return _unread()
            where = f"{error.filename}: " if error.filename else ""
            _debug_or(_("error: {sentence}").format(sentence=f"{where}{error.strerror or error}."))
            return 1
        except Exception as error:
            _debug_or(
                _(
                    "internal error: {error}. "
                    "This is a mistake in dispatcher, not yours; run again with {debug}=1 for the traceback."
                ).format(error=f"{type(error).__name__}: {error}", debug=DEBUG)
            )
            return 1
        # click returns the code of ctx.exit() as the result when not standalone.
        return result if isinstance(result, int) and not isinstance(result, bool) else 0


def _unread() -> int:
    """The reader of our output has gone (`| head`). Python would complain again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _debug_or(sentence: str) -> None:
    if os.environ.get(DEBUG):
        sys.excepthook(*sys.exc_info())
    click.echo(sentence, err=True)


@click.group(
    cls=Commands,
    params=[config_before(), lang_option()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name=DISTRIBUTION, prog_name="dispatcher", message="%(prog)s %(version)s")
def main() -> None:
    """Send bulk SMS campaigns: no number twice, none lost, no vendor limit exceeded."""


@main.command()
@click.argument("shell", type=click.Choice(sorted(_INSTALL)))
def completion(shell: str) -> None:
    """Print the completion script for a shell, and how to install it."""
    script = get_completion_class(shell)
    assert script is not None, shell
    how, file, line = _INSTALL[shell]
    install = _(how).format(file=file)
    click.echo(
        _("# Completion of `dispatcher` for {shell}; to install it, {install}").format(shell=shell, install=install)
    )
    click.echo(f"#   {line}")
    click.echo(script(main, {}, "dispatcher", "_DISPATCHER_COMPLETE").source())
