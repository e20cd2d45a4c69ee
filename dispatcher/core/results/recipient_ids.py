"""The vendor's ids of neighbouring recipients, as keys: one or more for each, no object per recipient.

A long message has an id and a report for each of its parts. A recipient is failed as soon as a part failed, and
delivered when all its parts are. Of a message without an answer for some parts only the others have ids: their reports
wait until all parts have an answer. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.results.reports import EXACT_END, NO_ID_KEY, decimal_keys, id_keys, id_text

PARTS_MAX: Final = 255
PART_DELIVERED: Final = 1
PART_FAILED: Final = 2

_texts = msgspec.msgpack.Decoder(list[str])
_pack = msgspec.msgpack.encode
_HALF: Final = np.uint64(2**63)
_UNNAMED: Final = int(NO_ID_KEY) - 1
"""The key of a part that is there and whose id is not known; never looked up."""

Keys = NDArray[np.int64]


class RecipientIds(msgspec.Struct, frozen=True):
    """`parts` ids for each recipient, in order. `texts` only if one of them cannot be read back from its key."""

    keys: Keys
    texts: Sequence[str] | None = None
    parts: int = 1

    def __len__(self) -> int:
        return len(self.keys) // self.parts

    @property
    def parts_given(self) -> NDArray[np.bool_]:
        """Which parts there are: a row for each recipient, a column for each part."""
        given: NDArray[np.bool_] = (self.keys != NO_ID_KEY).reshape(-1, self.parts)
        return given

    @property
    def parts_named(self) -> NDArray[np.intp]:
        """How many parts of each recipient's message have an id."""
        return np.asarray((self.keys < _UNNAMED).reshape(-1, self.parts).sum(axis=1))

    @property
    def named(self) -> NDArray[np.bool_]:
        """Which recipients have an id."""
        found: NDArray[np.bool_] = np.logical_or.reduce((self.keys < _UNNAMED).reshape(-1, self.parts), axis=1)
        return found

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which recipients have an id for each part of their message."""
        lacking: NDArray[np.bool_] = (self.keys == _UNNAMED).reshape(-1, self.parts).any(axis=1)
        return self.named & ~lacking

    @property
    def matched_keys(self) -> Keys:
        """The keys that reports are matched with: without those of messages that lack an answer for a part."""
        if not (self.keys == _UNNAMED).any():
            return self.keys
        return np.where(np.repeat(self.complete, self.parts), self.keys, _UNNAMED)

    @property
    def bounds(self) -> tuple[int, int]:
        """The lowest and the highest key; NO_ID_KEY if there is no id."""
        given = self.keys[self.keys < _UNNAMED]
        return (int(given.min()), int(given.max())) if len(given) else (int(NO_ID_KEY), int(NO_ID_KEY))

    @property
    def packed_texts(self) -> bytes | None:
        """`texts` as bytes, for a store."""
        return None if self.texts is None else _pack(self.texts)

    def cut(self, start: int, end: int) -> RecipientIds:
        """Those of the recipients [start, end)."""
        if start == 0 and end == len(self):
            return self
        at = slice(start * self.parts, end * self.parts)
        return RecipientIds(self.keys[at], None if self.texts is None else self.texts[at], self.parts)

    def of_unanswered(self) -> RecipientIds:
        """The same for recipients without a result: whoever has an id lacks an answer for the parts without one."""
        missing = (~self.parts_given & self.named[:, np.newaxis]).reshape(-1)
        return RecipientIds(np.where(missing, _UNNAMED, self.keys), self.texts, self.parts) if missing.any() else self

    def all_texts(self) -> list[str]:
        """All ids, in order; "" where there is none."""
        if self.texts is not None:
            return list(self.texts)
        return [id_text(key) if key < _UNNAMED else "" for key in self.keys.tolist()]


def of_texts(vendor_ids: Sequence[str]) -> RecipientIds:
    """One id for each; "" if it has none."""
    keys = decimal_keys(vendor_ids)
    return RecipientIds(id_keys(vendor_ids), vendor_ids) if keys is None else RecipientIds(keys)


def of_numbers(ids: bytes, parts: int) -> RecipientIds:
    """Unsigned 64-bit little-endian ids, `parts` for each recipient; 0 where there is none."""
    values = np.frombuffer(ids, "<u8").astype(np.uint64, copy=False)
    if (values >= np.uint64(EXACT_END)).any():
        texts = [str(value) if value else "" for value in values.tolist()]
        return RecipientIds(id_keys(texts), texts, parts)
    keys = (values ^ _HALF).view(np.int64)
    return RecipientIds(np.where(values == 0, NO_ID_KEY, keys), None, parts)


def of_stored(keys: bytes, texts: bytes | None, parts: int) -> RecipientIds:
    """As a store has them."""
    return RecipientIds(
        np.frombuffer(keys, "<i8").astype(np.int64, copy=False), None if texts is None else _texts.decode(texts), parts
    )


class IdRow(NamedTuple):
    """The ids that the record at `place` gave to the recipients of a chunk; `states` of the parts (bytes), if any."""

    place: int
    ids: RecipientIds
    states: bytes | None = None

    def cut(self, start: int, end: int) -> IdRow:
        """Those of the recipients [start, end)."""
        parts = self.ids.parts
        states = None if self.states is None else self.states[start * parts : end * parts]
        return IdRow(self.place, self.ids.cut(start, end), states if states and any(states) else None)


class SettledParts(msgspec.Struct, frozen=True):
    """What reports of parts came to, by row: `first` is its part's first one, `final` decides its recipient's state."""

    first: NDArray[np.bool_]
    final: NDArray[np.bool_]


def settle_parts(
    states: NDArray[np.uint8], given: NDArray[np.bool_], at: NDArray[np.intp], failed: NDArray[np.bool_]
) -> SettledParts:
    """Give the parts `at` their first states, in the order of the rows.

    `states` (written to) and `given`, whether there is such a part, have a row per recipient and a column per part.
    `at` counts through them row by row. The first failed part decides, else the last of all parts.
    """
    flat, parts = states.reshape(-1), states.shape[1]
    first = np.zeros(len(at), np.bool_)
    first[np.unique(at, return_index=True)[1]] = True
    first &= flat[at] == 0
    whose = at // parts
    open_before = ~_decided(states, given)
    flat[at[first]] = np.where(failed[first], PART_FAILED, PART_DELIVERED)
    rows = np.flatnonzero(first & open_before[whose])
    final = np.zeros(len(at), np.bool_)
    failing = rows[failed[rows]]
    final[failing[np.unique(whose[failing], return_index=True)[1]]] = True
    completing = rows[_delivered(states, given)[whose[rows]]][::-1]
    final[completing[np.unique(whose[completing], return_index=True)[1]]] = True
    return SettledParts(first, final)


def _decided(states: NDArray[np.uint8], given: NDArray[np.bool_]) -> NDArray[np.bool_]:
    decided: NDArray[np.bool_] = (states == PART_FAILED).any(axis=1) | _delivered(states, given)
    return decided


def _delivered(states: NDArray[np.uint8], given: NDArray[np.bool_]) -> NDArray[np.bool_]:
    delivered: NDArray[np.bool_] = ((states == PART_DELIVERED) | ~given).all(axis=1) & given.any(axis=1)
    return delivered
