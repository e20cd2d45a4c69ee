"""Questions of commands to a person at a terminal. Nothing else asks; tests/cli/test_questions.py has every question.

Ask outside an event loop: inside one, Ctrl-C would not end the question.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Final, TextIO

import click

from dispatcher.errors import InputError, UserError
from dispatcher.i18n import _

SECRET_CHARS_MAX: Final = 65_536


def confirm(question: str, *, yes: bool) -> bool:
    """Ask, unless `yes`. Raises UserError without a terminal."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UserError("there is no terminal to ask for confirmation.", do="If you mean it, add --yes.")
    while True:
        answer = _line(f"{question} [y/N]").lower()
        if answer in ("y", "yes"):
            return True
        if answer in ("", "n", "no"):
            return False
        click.echo(_("Write y or n."), err=True)


def ask(question: str, *, default: str | None = None, choices: Sequence[str] = ()) -> str:
    """A line of text, without blanks around it; Enter alone takes the default. One of `choices`, if there are any."""
    shown = f"{question} ({', '.join(choices)})" if choices else question
    shown = f"{shown} [{default}]" if default else shown
    while True:
        answer = _line(shown) or default
        if answer is not None and (not choices or answer in choices):
            return answer
        click.echo(
            _("Write one of: {names}.", names=", ".join(choices)) if choices else _("Write something."), err=True
        )


def ask_secret(question: str) -> str:
    """A secret, typed twice and not shown."""
    with _interruptible():
        secret: str = click.prompt(question, hide_input=True, confirmation_prompt=True, err=True)
        return secret


def given_secret(what: str, file: TextIO | None) -> str:
    """The secret in the file, else typed. Raises InputError without file and terminal."""
    if file is not None:
        try:
            return file.read(SECRET_CHARS_MAX).rstrip("\r\n")
        except ValueError as error:
            raise InputError("{what}: {file} is not UTF-8. Save it as UTF-8.", what=what, file=file.name) from error
    if not sys.stdin.isatty():
        raise InputError("{what}: there is no terminal to ask for it.", what=what, do="Give --password-file FILE.")
    return ask_secret(what[0].upper() + what[1:])


def _line(question: str) -> str:
    with _interruptible():
        answer: str = click.prompt(question, default="", show_default=False, err=True)
    return answer.strip()


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """After Ctrl-C no answer counts: Python's `input` drops a Ctrl-C that comes while it writes the question."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    handle, interrupted = before, False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        handle(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted:
        raise KeyboardInterrupt
