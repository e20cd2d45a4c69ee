"""The files that commands write: in the format they are named by, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dispatcher.errors import DispatcherError, UserError
from dispatcher.terminal.output_file import output_kind, output_options, written

THREE = ("csv", "ndjson", "parquet")
FIVE = ("csv", "xlsx", "parquet", "jsonl", "ndjson")


@pytest.mark.parametrize(
    ("kind", "output", "kinds", "found"),
    [
        (None, None, THREE, "csv"),
        (None, "may.csv", THREE, "csv"),
        (None, "may.CSV", THREE, "csv"),
        (None, "may.txt", THREE, "csv"),
        (None, "may", THREE, "csv"),
        (None, "may.parquet", THREE, "parquet"),
        (None, "may.jsonl", THREE, "ndjson"),
        (None, "may.json", FIVE, "ndjson"),
        (None, "may.xlsx", FIVE, "xlsx"),
        ("ndjson", "may.csv", THREE, "ndjson"),
        ("csv", "may.xlsx", THREE, "csv"),
    ],
)
def test_the_format_is_the_one_asked_for_or_the_one_the_file_is_named_by(kind, output, kinds, found):
    assert output_kind(kind, Path(output) if output else None, kinds) == found


def test_a_file_named_by_a_format_that_cannot_be_written_is_refused():
    with pytest.raises(UserError, match=r"cannot be written as xlsx \(may\.xlsx\)\. Name a \.csv file"):
        output_kind(None, Path("may.xlsx"), THREE)


@click.command()
@output_options(THREE)
def write(kind: str | None, output: Path | None, force: bool) -> None:
    click.echo(f"{kind} {output} {force}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "None None False"), (["-o", "-"], "None None False"), (["-o", "x.csv", "--force"], "None x.csv True")],
)
def test_a_dash_is_standard_output(arguments, said):
    assert CliRunner().invoke(write, arguments).output == f"{said}\n"


def test_a_folder_that_takes_no_file_is_the_users_to_mend(tmp_path):
    with (
        pytest.raises(UserError, match=r"cannot write in .*absent \(No such file or directory\)\. Name a file in"),
        written(tmp_path / "absent" / "may.csv"),
    ):
        pass


def test_a_file_that_fails_while_it_is_written_is_not_there(tmp_path):
    with pytest.raises(DispatcherError, match="No space left") as failed, written(tmp_path / "may.csv") as out:
        out.write(b"half")
        raise OSError(28, os.strerror(28))
    assert failed.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []
