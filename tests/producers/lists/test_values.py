"""What a program can hand over: paths, bytes, columns of any kind, iterables."""

from __future__ import annotations

import io
import pathlib
from collections.abc import AsyncIterator

import numpy as np
import polars as pl
import pytest

from dispatcher.errors import InputError
from producers.lists import values as source_values
from producers.lists.columns import Choice
from producers.lists.opening import Opened
from producers.lists.reader.blocks import Reading

A, B, C = 13800138000, 13900139000, 13700137000


class Arrow:
    """A column of some other Arrow library: nothing but the C interface."""

    def __init__(self, values):
        self._values = values

    def __arrow_c_stream__(self, requested_schema=None):
        return self._values.__arrow_c_stream__(requested_schema)


async def numbers_of(given, wanted=None):
    with Opened(given, Reading(choice=Choice(column=wanted))) as opened:
        parts = opened.list.parts()
        held = [part async for part in parts] if isinstance(parts, AsyncIterator) else list(parts)
        return [number for part in held for number in part.block.numbers.tolist()]


async def counting(values):
    for value in values:
        yield value


VALUES = [
    ("a list of text", [str(A), f"+86{B}", "137 0013 7000"]),
    ("a list of numbers", [A, B, C]),
    ("all kinds at once", [str(A), B, str(C).encode(), None, "x"]),
    ("a generator", (str(number) for number in (A, B, C))),
    ("a set", {A}),
    ("numpy numbers", np.array([A, B, C])),
    ("numpy unsigned", np.array([A, B, C], np.uint64)),
    ("numpy floats", np.array([A, B, np.nan])),
    ("numpy text", np.array([str(A), "x"])),
    ("numpy bytes", np.array([str(A).encode(), b"x"])),
    ("numpy objects", np.array([A, str(B), None], object)),
    ("a numpy number in a list", [np.int64(A)]),
    ("a polars column", pl.Series([A, B, C])),
    ("a polars column of text", pl.Series([f" {A}", None])),
    ("an Arrow column", Arrow(pl.Series([A, B, C]))),
    ("an Arrow table", Arrow(pl.DataFrame({"x": ["a"], "phone": [A]}))),
    ("a polars table", pl.DataFrame({"x": ["a", "b"], "phone": [A, B]})),
    ("bytes of a file", f"name,phone\nx,{A}\ny,{B}\n".encode()),
    ("a bytearray", bytearray(f"{A}\n".encode())),
    ("an asynchronous iterable", counting([A, str(B)])),
]


@pytest.mark.parametrize("given", [row[1] for row in VALUES], ids=[row[0] for row in VALUES])
async def test_numbers_may_come_as(given):
    found = await numbers_of(given)
    assert found[0] == A
    assert [number for number in found if number] == [A, B, C][: sum(number > 0 for number in found)]
    assert len(found) >= 1


async def test_long_iterables_are_taken_block_by_block(monkeypatch):
    monkeypatch.setattr(source_values, "ROWS", 3)
    wanted = list(range(A, A + 10))
    assert await numbers_of(iter(wanted)) == wanted
    assert await numbers_of(counting(wanted)) == wanted
    assert await numbers_of(np.array(wanted)) == wanted
    assert await numbers_of(pl.Series(wanted)) == wanted


async def test_a_file_is_what_its_bytes_say_not_what_its_name_says(tmp_path):
    table = pl.DataFrame({"x": ["a"], "phone": [A]})
    for name, write in (("p.csv", table.write_parquet), ("c.parquet", table.write_csv)):
        write(tmp_path / name)
        assert await numbers_of(tmp_path / name) == [A]
        assert await numbers_of(str(tmp_path / name)) == [A]
        assert await numbers_of((tmp_path / name).read_bytes()) == [A]


async def test_a_dash_is_standard_input(monkeypatch, tmp_path):
    table = io.BytesIO()
    pl.DataFrame({"x": ["a"], "phone": [A]}).write_parquet(table)
    for content in (f"{A}\n".encode(), table.getvalue()):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))
        assert await numbers_of("-") == [A]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (5, "not int"),
        (None, "not NoneType"),
        ([1.5], "not float"),
        ([True], "not bool"),
        ([["x"]], "not list"),
        (np.zeros((2, 2)), "one dimension"),
        (np.array([1 + 2j]), "not complex"),
    ],
)
async def test_what_holds_no_numbers_is_refused(given, sentence):
    with pytest.raises(InputError, match=sentence):
        await numbers_of(given)


async def test_a_missing_file_a_directory_and_a_loop_are_one_sentence_each(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    packed = tmp_path / "list.csv.gz"
    packed.write_bytes(b"\x1f\x8b\x08 and more")
    for path, sentence in (
        (tmp_path / "nothing.csv", "no such file"),
        (tmp_path, "is a directory"),
        (loop, "cannot be read"),
        (packed, "is a gzip file"),
    ):
        with pytest.raises(InputError, match=sentence) as caught:
            await numbers_of(path)
        assert "\n" not in str(caught.value)


async def test_a_file_that_must_not_be_read_is_one_sentence(tmp_path, monkeypatch):
    def refused(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "list.csv"
    path.write_text(f"{A}\n")
    monkeypatch.setattr(pathlib.Path, "open", refused)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        await numbers_of(path)
