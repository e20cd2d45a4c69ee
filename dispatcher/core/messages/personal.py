"""A personalised batch: each recipient's text, its parts, and which recipients share a request. Pure.

Recipients with equal values lie next to each other (the launch sorts them). If the vendor supports per-recipient
values, a chunk holds many texts, and a value that breaks the vendor's syntax goes in a request with its own text.
Otherwise a chunk ends where the text changes.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.messages.template import Template, VariableLimits
from dispatcher.core.messages.text import Split, units
from schemas.batch import Values

Counts = NDArray[np.int64]

_TOP_BITS: Final = np.uint8(0xC0)
_CONTINUES: Final = np.uint8(0x80)
_FOUR_BYTES: Final = np.uint8(0xF0)


class Column:
    """One variable of a batch. Raises ValueError if its dictionary is damaged or does not fit its rows."""

    __slots__ = ("_bytes", "_starts", "_texts", "rows")

    def __init__(self, texts: bytes, ends: bytes, rows: bytes) -> None:
        texts.decode()  # is it UTF-8?
        self.rows: Final = np.frombuffer(rows, "<u2")
        self._texts: Final = texts
        self._bytes: Final = np.frombuffer(texts, np.uint8)
        self._starts: Final[Counts] = np.concatenate(([0], np.frombuffer(ends, "<u4").astype(np.int64)))
        inside = self._starts[self._starts < len(texts)]
        if (
            np.any(np.diff(self._starts) < 0)
            or self._starts[-1] != len(texts)
            or int(self.rows.max()) >= len(self._starts) - 1
            or np.any(self._bytes[inside] & _TOP_BITS == _CONTINUES)
        ):
            raise ValueError("the dictionary of a batch's values does not fit its rows")

    def units(self) -> Counts:
        """The length of each recipient's value in UTF-16 code units (text.py)."""
        weights = (self._bytes & _TOP_BITS != _CONTINUES).astype(np.int64) + (self._bytes >= _FOUR_BYTES)
        before = np.concatenate(([0], np.cumsum(weights)))[self._starts]
        return np.asarray(np.diff(before)[self.rows])

    def holds(self, words: tuple[str, ...]) -> NDArray[np.bool_]:
        """Whether each recipient's value holds one of these."""
        holding = np.zeros(len(self._starts) - 1, np.bool_)
        for word in words:
            found = self._texts.find(word.encode())
            while found >= 0:
                entry = int(np.searchsorted(self._starts, found, side="right")) - 1
                holding[entry] = True
                found = self._texts.find(word.encode(), int(self._starts[entry + 1]))
        return np.asarray(holding[self.rows])

    def value(self, recipient: int) -> str:
        """The value of one recipient."""
        entry = int(self.rows[recipient])
        return self._texts[self._starts[entry] : self._starts[entry + 1]].decode()


class Personal:
    """The texts of one batch, as one account sends them. Raises ValueError if the values are damaged."""

    __slots__ = ("_alone", "_batch_limits", "_chars", "_columns", "_parts", "_runs", "_template")

    def __init__(
        self, values: Values, template: Template, split: Split, batch_limits: VariableLimits | None = None
    ) -> None:
        """`template` names all its variables in the order of `values`; see `Template.of`."""
        columns = [Column(*each) for each in zip(values.texts, values.ends, values.rows, strict=True)]
        self._columns: Final = columns
        self._template: Final = template
        self._batch_limits: Final = batch_limits
        count = len(columns[0].rows)
        chars = np.zeros(count, np.int64)
        alone = np.zeros(count, np.bool_)
        changes = np.zeros(count - 1, np.bool_)
        separators = batch_limits.separators if batch_limits is not None else ()
        for index, column in enumerate(columns):
            chars += column.units() * template.slots.count(index)
            alone |= column.holds(separators)
            changes |= column.rows[1:] != column.rows[:-1]
        lengths = chars + units(template.plain)
        parts = np.where(lengths <= split.single, 1, -(-lengths // split.multi))
        self._chars: Final[Counts] = np.concatenate(([0], np.cumsum(chars)))
        self._parts: Final[Counts] = np.concatenate(([0], np.cumsum(parts)))
        self._runs: Final[Counts] = np.append(np.flatnonzero(changes) + 1, count)
        self._alone: Final[Counts] = np.append(np.flatnonzero(alone), count)

    def cut(self, start: int, end: int) -> int:
        """How many recipients from `start` on, before `end`, may share a request: at least 1."""
        if self._batch_limits is not None:
            alone = self._next_alone(start)
            if alone > start:
                fitting = (
                    np.searchsorted(self._chars, self._chars[start] + self._batch_limits.chars_max, side="right") - 1
                )
                return max(min(end, alone, start + self._batch_limits.recipients_max, int(fitting)) - start, 1)
        return min(end, self._run_end(start)) - start

    def parts(self, start: int, count: int) -> int:
        """How many messages are billed for the texts of these recipients."""
        return int(self._parts[start + count] - self._parts[start])

    @property
    def parts_each(self) -> Counts:
        """How many messages are billed for the text of each recipient."""
        return np.diff(self._parts)

    def one_text(self, start: int, count: int) -> bool:
        """Whether these recipients get one text instead of values, which eligible ones get if the vendor takes them."""
        as_values = self._batch_limits is not None and self._next_alone(start) > start
        return not as_values and self._run_end(start) >= start + count

    def text(self, recipient: int) -> str:
        """The text of one recipient."""
        return self._template.fill([column.value(recipient) for column in self._columns])

    def values(self, start: int, count: int) -> list[list[str]]:
        """The values of these recipients, in the order of the placeholders."""
        columns = [[column.value(recipient) for recipient in range(start, start + count)] for column in self._columns]
        return [[columns[slot][index] for slot in self._template.slots] for index in range(count)]

    def _next_alone(self, start: int) -> int:
        """The first recipient from this one on that cannot share a request of many texts."""
        return int(self._alone[np.searchsorted(self._alone, start)])

    def _run_end(self, start: int) -> int:
        return int(self._runs[np.searchsorted(self._runs, start, side="right")])


class ChunkTexts(msgspec.Struct, frozen=True):
    """The texts of a chunk: those of `count` recipients of a batch from `start` on."""

    personal: Personal
    start: int
    count: int

    @property
    def text(self) -> str | None:
        """The one text they all get; None if each is sent values (`Personal.one_text`)."""
        return self.personal.text(self.start) if self.personal.one_text(self.start, self.count) else None

    def parts(self, start: int, count: int) -> int:
        """How many messages are billed for `count` of these recipients from the chunk's position `start`."""
        return self.personal.parts(self.start + start, count)

    @property
    def values(self) -> list[list[str]]:
        """As `Personal.values`."""
        return self.personal.values(self.start, self.count)
