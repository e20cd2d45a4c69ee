"""Rows that become no recipients: kept with row number, value as written and reason, in memory that does not grow.

A duplicate also says which row it repeats.

While a list is read, its odd rows (not eleven bare digits, good or bad) go to a temporary file: only after all rows are
known is it clear which of the good ones are duplicates. The file has no name, so nothing is left behind by a crash.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from dispatcher.core.numbers import REASONS
from dispatcher.errors import DispatcherError
from producers.lists.dedupe import Rows, Separated
from producers.lists.lines import Lines
from producers.lists.normalise import Block
from schemas.records import Rejects
from schemas.states import BY_FILE, DUPLICATE, EXCLUDED, FREQUENCY_CAP, ON_LIST

_CODES: Final = (*REASONS, DUPLICATE, BY_FILE, EXCLUDED, ON_LIST, FREQUENCY_CAP)
_DUPLICATE: Final = len(REASONS)

REASONS_MAX: Final = 250
OTHER: Final = "something else is wrong with its values"

MEMORY_BYTES_MAX: Final = 4 << 20
RECORD_ROWS_MAX: Final = 20_000
RECORD_VALUES_BYTES_MAX: Final = 600_000


class _Piece(msgspec.Struct, frozen=True):
    first_row: int
    rows: int
    odd: int
    values_bytes: int


class Spool:
    """The odd rows of lists, block after block. `reasons` are the texts of their reason codes.

    `campaign_reasons`: those of rows that are set aside because they are in other campaigns.
    """

    def __init__(self, campaign_reasons: Sequence[str] = ()) -> None:
        self.reasons: Final = [*_CODES, *campaign_reasons]
        self._file = tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES_MAX)  # noqa: SIM115  # closed by `close`
        self._pieces: list[_Piece] = []
        self.lines: Final = Lines()
        self.lists: Final[list[str]] = []
        self.list_starts: Final[list[int]] = []

    def begin_list(self, label: str, first_row: int) -> None:
        """The rows from `first_row` on are of this list."""
        self.lists.append(label)
        self.list_starts.append(first_row)

    def add(self, block: Block, first_row: int, first_line: int, lines: NDArray[np.int64] | None = None) -> None:
        """Keep the odd rows of a block that begins at the list's row `first_row`. Raises DispatcherError (no space).

        The block begins on line `first_line` of the file; see `Lines.add`.
        """
        self.lines.add(len(block.numbers), first_line, lines)
        piece = _Piece(first_row, len(block.numbers), len(block.odd_rows), len(block.odd_values))
        try:
            self._file.write(block.odd_rows.tobytes())
            self._file.write(block.odd_reasons.tobytes())
            self._file.write(block.odd_values)
        except OSError as error:
            where = tempfile.gettempdir()
            raise DispatcherError(
                "cannot keep the list's odd rows in {where} ({reason}). Make room there, or set TMPDIR.",
                where=where,
                reason=error.strerror,
            ) from error
        self._pieces.append(piece)

    def code_of(self, reason: str) -> int:
        """The code of a reason that is not one of a number's; REASONS_MAX different ones, the rest share the last."""
        known = self.reasons
        if reason not in known and len(known) < REASONS_MAX:
            known.append(reason if len(known) < REASONS_MAX - 1 else OTHER)
        return known.index(reason) if reason in known else REASONS_MAX - 1

    def close(self) -> None:
        """Give the space back."""
        self._file.close()

    def rejects(self, campaign: str, attempt: str, separated: Separated) -> Iterator[Rejects]:
        """The rejected rows of the list as records, in the list's order."""
        self._file.seek(0)
        part = 0
        for piece in self._pieces:
            rejected = self._rejected(piece, separated)
            for rows in _cut(rejected):
                yield _record(campaign, attempt, part, rows, self.reasons, self.lists)
                part += 1

    def _rejected(self, piece: _Piece, separated: Separated) -> pl.DataFrame:
        """The rejected rows of one block: the line of each, its value, and its reason code."""
        rows = np.frombuffer(self._file.read(piece.odd * 4), np.uint32).astype(np.int64) + piece.first_row
        reasons = np.frombuffer(self._file.read(piece.odd), np.uint8)
        values = self._file.read(piece.values_bytes).decode()
        written = pl.Series([values], dtype=pl.String).str.strip_suffix("\n").str.split("\n").explode()
        odd = _frame(rows, written if piece.odd else written.clear(), reasons)
        end = piece.first_row + piece.rows
        dropped = [_repeated(separated, piece.first_row, end)]
        for reason, aside in separated.aside.items():
            dropped.append(_good(aside, piece.first_row, end, self.code_of(reason)))
        good = pl.concat(dropped).join(odd.select("row", written="value"), on="row", how="left")
        good = good.select("row", pl.coalesce("written", "value").alias("value"), "reason", "repeats")
        rejected = pl.concat([odd.filter(pl.col("reason") > 0), good]).sort("row")
        repeats = rejected["repeats"].fill_null(-1).to_numpy()
        earlier = np.zeros(len(repeats), np.int64)
        earlier[repeats >= 0] = self.lines.of(repeats[repeats >= 0])
        at = rejected["row"].to_numpy()
        return rejected.with_columns(
            pl.Series("list", self._list_of(at)),
            pl.Series("repeats_list", self._list_of(np.maximum(repeats, 0))),
            pl.Series("row", self.lines.of(at)),
            pl.Series("repeats", earlier),
        )

    def _list_of(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The index of each row's list."""
        return (np.searchsorted(self.list_starts or [0], rows, "right") - 1).astype(np.uint8)


def _good(rows: Rows, first: int, end: int, reason: int) -> pl.DataFrame:
    """Rows with a good number that was set aside, as they would be written in bare digits."""
    start, stop = rows.position(first), rows.position(end)
    values = pl.Series(rows.numbers(start, stop)).cast(pl.String)
    return _frame(rows.rows(start, stop), values, np.full(stop - start, reason, np.uint8))


def _repeated(separated: Separated, first: int, end: int) -> pl.DataFrame:
    """Rows with the number of an earlier row, and which row that is."""
    repeats = separated.duplicates
    start, stop = repeats.position(first), repeats.position(end)
    earlier = repeats.first_rows(start, stop)
    values = pl.Series(separated.numbers_at(earlier)).cast(pl.String)
    return _frame(repeats.rows(start, stop), values, np.full(stop - start, _DUPLICATE, np.uint8), earlier)


def _frame(
    rows: NDArray[np.int64],
    values: pl.Series,
    reasons: NDArray[np.uint8],
    repeats: NDArray[np.int64] | None = None,
) -> pl.DataFrame:
    earlier = (
        pl.Series(repeats) if repeats is not None else pl.Series([None], dtype=pl.Int64).new_from_index(0, len(rows))
    )
    return pl.DataFrame({"row": rows, "value": values, "reason": reasons, "repeats": earlier}, schema=_SCHEMA)


_SCHEMA: Final = {"row": pl.Int64, "value": pl.String, "reason": pl.UInt8, "repeats": pl.Int64}


def _cut(rejected: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Pieces that fit into a record each."""
    ends = (rejected["value"].str.len_bytes().cast(pl.Int64) + 1).cum_sum().to_numpy()
    start = 0
    while start < len(ends):
        full = (int(ends[start - 1]) if start else 0) + RECORD_VALUES_BYTES_MAX
        end = min(max(int(np.searchsorted(ends, full, "right")), start + 1), start + RECORD_ROWS_MAX)
        yield rejected.slice(start, end - start)
        start = end


def _record(
    campaign: str, attempt: str, part: int, rejected: pl.DataFrame, known: Sequence[str], lists: Sequence[str]
) -> Rejects:
    several = len(lists) > 1
    codes, index = np.unique(rejected["reason"].to_numpy(), return_inverse=True)
    return Rejects(
        campaign=campaign,
        attempt=attempt,
        part=part,
        rows=rejected["row"].to_numpy().astype("<u8").tobytes(),
        values=str(rejected["value"].str.join("\n").item()).encode(),
        reasons=[known[code] for code in codes],
        reason_index=index.astype(np.uint8).tobytes(),
        repeats=rejected["repeats"].to_numpy().astype("<u8").tobytes() if (rejected["repeats"] > 0).any() else b"",
        lists=tuple(lists) if several else (),
        list_index=rejected["list"].to_numpy().tobytes() if several else b"",
        repeats_list=rejected["repeats_list"].to_numpy().tobytes() if several else b"",
    )
