"""The texts of a personalised campaign's recipients, in columns: for the plan, the batches and the fingerprint.

Recipients with equal values are placed next to each other (at the first one's place), so that one request can serve
them if the vendor takes one text per request. If an account takes many, recipients whose values it cannot carry come
behind the others; otherwise each of them would end a request half full. Memory: the values as polars holds them (16
bytes each, and their text beyond 12 bytes), 8 bytes of hash, and a dozen bytes a recipient for its row and its length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dispatcher.core.messages.template import Template
from dispatcher.core.messages.text import Split
from dispatcher.vendors.seam.vendor import VariableLimits, Vendor
from producers.launch.personal_values import CheckedValues, packed_values
from producers.lists.dedupe import Packed, Rows, Separated
from schemas.batch import BYTES_MAX, RECIPIENTS_MAX, Values

SAMPLES: Final = 3
ROOM: Final = 10_000
"""In blocks of this size recipients that can share requests come first: so all accounts get some of both."""

_MOBILE_BYTES: Final = 12
_ENTRY_BYTES: Final = 6
"""Bytes of an entry of a batch's dictionary beside its text: its end, and a recipient's reference to it."""
_SPARE_BYTES: Final = 4_000
_BLOCK: Final = 1 << 17


class PersonalRows:
    """The values of all rows of a list."""

    def __init__(self, template: Template) -> None:
        self._template: Final = template
        self._values: list[pl.DataFrame] = []
        self._lengths: list[NDArray[np.int32]] = []
        self._hashes: list[NDArray[np.uint64]] = []

    def add(self, judged: CheckedValues) -> None:
        """The rows of the next block."""
        self._values.append(judged.values)
        self._lengths.append(judged.lengths)
        self._hashes.append(judged.hashes)

    def of(
        self,
        recipients: Rows,
        batch_limits: Sequence[VariableLimits] = (),
        *,
        groups: NDArray[np.uint16] | None = None,
    ) -> tuple[PersonalTexts, Rows]:
        """(the texts of these recipients, the recipients in the texts' order).

        `batch_limits`: what the accounts of the route take in a request of many texts. `groups`: each recipient's;
        recipients of one group stay together, the lowest first, and no batch has recipients of two.
        """
        rows = recipients.rows(0, len(recipients))
        first = _first_alike(np.concatenate(self._hashes)[rows])
        alone = self._holding({separator for limits in batch_limits for separator in limits.separators})[rows]
        of_groups = np.zeros(len(rows), np.uint16) if groups is None else groups
        keys = (first, alone, first // ROOM, of_groups)
        order = np.lexsort(keys) if alone.any() or groups is not None else np.argsort(first, kind="stable")
        lengths = np.concatenate(self._lengths)
        personal_texts = PersonalTexts(
            self._template, self._table(), lengths, rows[order], first[order], alone[order], of_groups[order]
        )
        packed: Packed = recipients.packed[order]
        return personal_texts, Rows(packed, recipients.abroad)

    def in_list_order(self, recipients: Rows) -> PersonalTexts:
        """The texts of these recipients, in the list's order."""
        rows, lengths = recipients.rows(0, len(recipients)), np.concatenate(self._lengths)
        alone, groups = np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.uint16)
        return PersonalTexts(self._template, self._table(), lengths, rows, np.arange(len(rows)), alone, groups)

    def given(self, separated: Separated) -> Iterator[bytes]:
        """The values of the rows that `Separated.given` has, in the list's order, as bytes."""
        for rows in separated.given():
            for column in self._table()[rows.rows(0, len(rows))].iter_columns():
                yield column.str.len_bytes().to_numpy().astype("<u4").tobytes()
                yield str(column.str.join("").item()).encode()

    def _holding(self, words: set[str]) -> NDArray[np.bool_]:
        """Whether a value of each row holds one of these."""
        table = self._table()
        holding = np.zeros(len(table), np.bool_)
        for column in table.iter_columns() if words else ():
            holding |= column.str.contains_any(sorted(words)).to_numpy()
        return holding

    def _table(self) -> pl.DataFrame:
        if len(self._values) > 1:
            self._values = [pl.concat(self._values, rechunk=True)]
        return self._values[0]


def _first_alike(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each of these, the index of the first equal one. Two texts with the same hash are only placed together."""
    order = np.argsort(hashes, kind="stable")
    alike = hashes[order]
    starts = np.flatnonzero(np.append(True, alike[1:] != alike[:-1]))
    first = np.empty(len(hashes), np.int64)
    first[order] = np.repeat(order[starts], np.diff(np.append(starts, len(hashes))))
    return first


class PersonalTexts:
    """The texts of a campaign's recipients in their order on the log. `lengths` in UTF-16 units."""

    def __init__(
        self,
        template: Template,
        values: pl.DataFrame,
        lengths: NDArray[np.int32],
        rows: NDArray[np.int64],
        texts: NDArray[np.int64],
        alone: NDArray[np.bool_],
        groups: NDArray[np.uint16],
    ) -> None:
        """`rows`: each recipient's row of `values` and `lengths`. `texts`: equal for those who get the same. `alone`:
        whose values no request of many texts carries. `groups`: whose recipients share no batch with others.
        """
        self.template: Final = template
        self._values: Final = values
        self._rows: Final = rows
        self._lengths: Final = lengths[rows]
        changes, group_changes = np.diff(texts) != 0, np.diff(groups) != 0
        self._ends: Final = np.append(np.flatnonzero(changes | group_changes) + 1, len(texts))
        batch_changes = changes & alone[1:] | np.diff(alone) | group_changes
        self._batch_ends: Final = np.append(np.flatnonzero(batch_changes) + 1, len(texts))
        self._group_ends: Final = np.append(np.flatnonzero(group_changes) + 1, len(texts))

    # --- what to show ------------------------------------------------------------------------------------------------

    @property
    def samples(self) -> tuple[str, ...]:
        """The first few different texts."""
        starts = [0, *(int(end) for end in self._ends[: SAMPLES - 1])]
        return tuple(self._text(start) for start in starts if start < len(self._lengths))

    @property
    def longest(self) -> str:
        """The longest text."""
        return self._text(int(self._lengths.argmax()))

    @property
    def chars_max(self) -> int:
        """The length of the longest text."""
        return int(self._lengths.max())

    @property
    def distinct(self) -> int:
        """How many different texts there are."""
        return len(self._ends)

    def _text(self, at: int) -> str:
        return self.template.fill([str(value) for value in self._values.row(int(self._rows[at]))])

    # --- what the content rules ask ---------------------------------------------------------------------------------

    def matching(self, pattern: str) -> NDArray[np.bool_] | None:
        """Whose values match this pattern; None: nobody's."""
        holding = np.zeros(len(self._values), np.bool_)
        for column in self._values.iter_columns():
            holding |= column.str.contains(pattern).to_numpy()
        return holding[self._rows] if holding.any() else None

    def longer(self, chars: int) -> NDArray[np.bool_]:
        """Whose text is longer."""
        longer: NDArray[np.bool_] = self._lengths > chars
        return longer

    # --- what it costs -----------------------------------------------------------------------------------------------

    def segments(self, split: Split) -> int:
        """The parts of the longest text."""
        return 1 if self.chars_max <= split.single else -(-self.chars_max // split.multi)

    def messages(self, split: Split, start: int, count: int) -> int:
        """The parts of the texts of these recipients together."""
        return int(self.parts_each(split, start, count).sum())

    def parts_each(self, split: Split, start: int, count: int) -> NDArray[np.int64]:
        """The parts of each of these recipients' texts."""
        lengths = self._lengths[start : start + count].astype(np.int64)
        return np.where(lengths <= split.single, 1, -(-lengths // split.multi))

    def requests(self, vendor: Vendor, most: int, start: int, count: int) -> int:
        """How many requests they take with at most this many recipients each (about: long values may take more)."""
        limits, all_ends = vendor.variable_limits, self._ends
        if limits is not None:
            most, all_ends = min(most, limits.recipients_max), self._batch_ends
        inside = all_ends[np.searchsorted(all_ends, start, side="right") :]
        ends = np.minimum(inside[: np.searchsorted(inside, start + count) + 1], start + count)
        return int((-(-np.diff(np.concatenate(([start], ends))) // most)).sum())

    def mean(self, split: Split) -> Fraction:
        """The parts of a text, on average."""
        return Fraction(self.messages(split, 0, len(self._lengths)), len(self._lengths))

    def per_request(self, vendor: Vendor, most: int) -> Fraction:
        """The recipients of a request, on average."""
        return Fraction(len(self._lengths), self.requests(vendor, most, 0, len(self._lengths)))

    # --- what is written ---------------------------------------------------------------------------------------------

    def batch_sizes(self) -> list[int]:
        """The sizes of the batches, each with its values within BYTES_MAX, and of one group."""
        size = np.full(len(self._lengths), _MOBILE_BYTES, np.int64)
        for column in self._values.iter_columns():
            size += column.str.len_bytes().to_numpy().astype(np.int64)[self._rows] + _ENTRY_BYTES
        before = np.concatenate(([0], np.cumsum(size)))
        sizes: list[int] = []
        start = 0
        while start < len(size):
            fitting = int(np.searchsorted(before, before[start] + BYTES_MAX - _SPARE_BYTES, side="right")) - 1
            group_end = int(self._group_ends[np.searchsorted(self._group_ends, start, side="right")])
            sizes.append(min(max(fitting - start, 1), RECIPIENTS_MAX, group_end - start))
            start += sizes[-1]
        return sizes

    def batch(self, start: int, end: int) -> Values:
        """The values of these recipients for their batch."""
        return packed_values(self.template.names, self._values[self._rows[start:end]].get_columns())
