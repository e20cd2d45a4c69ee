"""What a vendor, a phone or a list wrote does nothing to a terminal, whoever prints it."""

from __future__ import annotations

import io

import click
import pytest
from rich.text import Text

from dispatcher import cli
from dispatcher.errors import UserError
from dispatcher.terminal.clean_console import CleanConsole
from dispatcher.terminal.options import columns, print_json
from dispatcher.terminal.streams import CleanStream, clean_streams

HOSTILE = "id\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp\r\x08\x7f"
LEFT = "id[2J]0;owned31mgnp"


def test_a_printed_text_keeps_its_lines_and_tabs_and_nothing_else_that_moves():
    stream = io.StringIO()
    CleanStream(stream).writelines([HOSTILE, "\ta\nb"])
    assert stream.getvalue() == f"{LEFT}\ta\nb"


def test_bytes_are_no_text_to_write():
    with pytest.raises(TypeError):
        CleanStream(io.StringIO()).write(b"x")  # type: ignore[arg-type]


@pytest.mark.parametrize("colours", [True, False])
def test_a_table_is_drawn_with_its_own_colours_only(colours):
    out = io.StringIO()
    table = columns("account", "says", prose={"says"})
    table.add_row(Text("spring", "bold"), Text(HOSTILE))
    table.add_row(HOSTILE, "x")
    CleanConsole(file=out, width=200, force_terminal=colours, color_system="standard" if colours else None).print(table)
    drawn = out.getvalue()
    assert drawn.count(LEFT) == 2
    assert ("\x1b[1mspring" in drawn) is colours
    assert not set(drawn.replace("\x1b[1m", "").replace("\x1b[0m", "")) & set("\x1b\x9b\x07\u202e\r\x08\x7f")


def test_json_escapes_what_moves_a_terminal(capsys):
    print_json({"text": HOSTILE})
    printed = capsys.readouterr().out
    assert not set(printed) & set(HOSTILE) - set(LEFT) - set("\\")
    assert "\\u009b" in printed
    assert "\\u202e" in printed


def test_an_error_that_quotes_a_stranger_does_nothing(capsys, monkeypatch):
    @click.command()
    def broken():
        click.echo(HOSTILE)
        raise UserError(f"no column {HOSTILE}.")

    monkeypatch.setattr(cli.Commands, "get_command", lambda *_: broken)
    with pytest.raises(SystemExit, match="2"):
        cli.main.main(["broken"], "dispatcher")
    out, err = capsys.readouterr()
    assert not set(out + err) & set("\x1b\x9b\x07\u202e\r\x08\x7f")
    assert err.startswith("error: no column id")


def test_the_streams_are_the_old_ones_afterwards():
    import sys

    before = sys.stdout, sys.stderr
    with clean_streams():
        assert sys.stdout is not before[0]
        with clean_streams():
            assert isinstance(sys.stdout, CleanStream)
            assert not isinstance(sys.stdout.rich_proxied_file, CleanStream)
    assert (sys.stdout, sys.stderr) == before
