"""Questions: where there is nobody to ask, and a Ctrl-C that Python's own `input` loses."""

from __future__ import annotations

import contextlib
import os
import signal

import click
import pytest

from dispatcher.errors import UserError
from dispatcher.terminal.questions import ask, confirm


def test_yes_asks_nothing_and_without_a_terminal_a_question_is_an_error() -> None:
    assert confirm("Launch?", yes=True)
    with pytest.raises(UserError, match="no terminal to ask for confirmation"):
        confirm("Launch?", yes=False)


def test_an_answer_after_a_lost_interrupt_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose_the_interrupt(_prompt: str) -> str:
        with contextlib.suppress(KeyboardInterrupt):  # as `input` does while it flushes its prompt
            os.kill(os.getpid(), signal.SIGINT)
        return "y"

    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may ignore it
    monkeypatch.setattr(click.termui, "visible_prompt_func", lose_the_interrupt)
    with pytest.raises(KeyboardInterrupt):
        ask("Which?")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, ignored)
