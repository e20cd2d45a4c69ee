"""Reports of many records as columns, the rows that wait for their id (`ParkedReports`), and vendor ids as integers.

Pure. A record with damaged columns is returned, not guessed. A row's `place` (record offset, row) orders all
reports of one account; a record has fewer than 2**20 rows (it has at most 1 MB).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.results.columns import CodePair
from schemas.records import Reports
from schemas.states import REPORT_FAILED, REPORT_WAITING, State

ROW_BITS: Final = 20
EXACT_END: Final = 16 * 10**18
EXACT_DIGITS: Final = 20
_HALF: Final = 2**63


class Origin(msgspec.Struct, frozen=True, gc=False):
    """The record of rows: its account, its place in `reports` (places.py, lane_place), its time."""

    account: str
    place: int
    at_ms: int


class ParkedReports(msgspec.Struct, frozen=True, array_like=True):
    """Rows of one record and one vendor id without a chunk yet; `pairs[pair_index[i]]` is (state, code)."""

    at_ms: int
    numbers: bytes  # int64
    pairs: list[CodePair]
    pair_index: bytes  # uint16
    times: bytes  # uint32
    rows: bytes  # uint32, the row in its record


class ReportRows:
    """Final reports in columns, in the order of their records; `waiting` ones were dropped.

    Row i: `numbers[i]` (0: none), `pairs[pair[i]]`, `times[i]` (never 0: else the record's own time), `places[i]`, its
    vendor id `ids[id_of[i]]`, which came with `origins[origin_of_id[id_of[i]]]`. `names`, if given: the caller's own
    number of each id (see `flatten`).
    """

    __slots__ = ("_places", "id_of", "ids", "names", "numbers", "origin_of_id", "origins", "pair", "pairs", "times")

    def __init__(
        self,
        numbers: NDArray[np.int64],
        pair: NDArray[np.intp],
        times: NDArray[np.uint32],
        places: NDArray[np.int64] | Callable[[], NDArray[np.int64]],
        id_of: NDArray[np.intp],
        ids: list[str],
        origin_of_id: NDArray[np.intp],
        origins: list[Origin],
        pairs: list[CodePair],
        names: NDArray[np.intp] | None = None,
    ) -> None:
        self.numbers = numbers
        self.pair = pair
        self.times = times
        self._places = places
        self.id_of = id_of
        self.ids = ids
        self.origin_of_id = origin_of_id
        self.origins = origins
        self.pairs = pairs
        self.names = names

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def places(self) -> NDArray[np.int64]:
        """Record offset and row of each row, as one number; computed on first use."""
        if callable(self._places):
            self._places = self._places()
        return self._places

    def take(self, rows: NDArray[np.intp]) -> ReportRows:
        """Only these rows, in this order."""
        return ReportRows(
            self.numbers[rows],
            self.pair[rows],
            self.times[rows],
            self.places[rows],
            self.id_of[rows],
            self.ids,
            self.origin_of_id,
            self.origins,
            self.pairs,
            self.names,
        )

    def park(self) -> list[tuple[Origin, str, ParkedReports]]:
        """All rows as parked ones, by record and vendor id."""
        order = np.argsort(self.id_of, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(self.id_of[order])) + 1) if len(order) else []
        grouped: dict[tuple[int, str], list[NDArray[np.intp]]] = {}
        for rows in parts:
            id_no = int(self.id_of[rows[0]])
            grouped.setdefault((int(self.origin_of_id[id_no]), self.ids[id_no]), []).append(rows)
        return [
            (self.origins[origin], vendor_id, self._parked(np.sort(np.concatenate(rows)), self.origins[origin].at_ms))
            for (origin, vendor_id), rows in grouped.items()
        ]

    def _parked(self, rows: NDArray[np.intp], at_ms: int) -> ParkedReports:
        used = [self.pairs[number] for number in self.pair[rows].tolist()]
        pairs = sorted(set(used))  # sorted: parked rows must not depend on the order of arrival
        at = {pair: index for index, pair in enumerate(pairs)}
        return ParkedReports(
            at_ms,
            self.numbers[rows].tobytes(),
            pairs,
            np.array([at[pair] for pair in used], np.uint16).tobytes(),
            self.times[rows].tobytes(),
            (self.places[rows] & ((1 << ROW_BITS) - 1)).astype(np.uint32).tobytes(),
        )


class FlatReports(msgspec.Struct, frozen=True):
    """`rows` of all good records; per account how many rows came and how many were waiting; the damaged records."""

    rows: ReportRows
    came: dict[str, int]
    waiting: dict[str, int]
    damaged: list[Origin]


Named = Callable[[str, list[str]], NDArray[np.intp]]
"""(account, ids) -> a number for each id."""


def flatten(records: Iterable[tuple[Origin, int, Reports]], named: Named | None = None) -> FlatReports:
    """The rows of (origin, record offset, record), columns joined once for all.

    `named` is called for each record's ids at once, while they are in the processor's cache: twice as fast as later.
    """
    good: list[tuple[Origin, int, Reports]] = []
    damaged: list[Origin] = []
    names = [np.empty(0, np.intp)]
    for entry in records:
        origin, _, record = entry
        if _sound(record):
            good.append(entry)
            if named is not None:
                names.append(named(origin.account, record.ids))
        else:
            damaged.append(origin)
    reports = [record for _, _, record in good]
    lengths = np.array([len(record.states) for record in reports], np.int64)
    total = int(lengths.sum())
    states = np.frombuffer(b"".join(record.states for record in reports), np.uint8)
    numbers = np.frombuffer(b"".join(record.numbers for record in reports), "<i8").astype(np.int64, copy=False)
    times = np.frombuffer(b"".join(record.times for record in reports), "<u4").astype(np.uint32, copy=False)
    if not times.all():
        at_s = np.repeat(np.array([record.at_ms // 1000 for record in reports], np.uint32), lengths)
        times = np.where(times == 0, at_s, times)
    starts = np.cumsum(lengths) - lengths

    def places() -> NDArray[np.int64]:
        row = np.arange(total) - np.repeat(starts, lengths)
        return np.repeat(np.array([offset << ROW_BITS for _, offset, _ in good], np.int64), lengths) + row

    ids, id_of, origin_of_id = _joined(
        [record.ids for record in reports], [r.id_index for r in reports], "<u4", lengths
    )
    codes, code_of, _ = _joined([record.codes for record in reports], [r.code_index for r in reports], "<u2", lengths)
    known: dict[str, int] = {}
    first_pair = np.array([2 * known.setdefault(code, len(known)) for code in codes], np.intp)
    pairs: list[CodePair] = [pair for code in known for pair in ((State.DELIVERED, code), (State.FAILED, code))]
    pair = first_pair[code_of]
    pair += states == REPORT_FAILED

    rows = ReportRows(
        numbers,
        pair,
        times,
        places,
        id_of,
        ids,
        origin_of_id,
        [origin for origin, _, _ in good],
        pairs,
        np.concatenate(names) if named is not None else None,
    )
    came: dict[str, int] = {}
    waiting: dict[str, int] = {}
    is_waiting = states == REPORT_WAITING
    waits = np.add.reduceat(is_waiting, starts[lengths > 0], dtype=np.int64) if total else np.empty(0, np.int64)
    filled = [entry for entry in good if entry[2].states]
    for (origin, _, record), waited in zip(filled, waits.tolist(), strict=True):
        came[origin.account] = came.get(origin.account, 0) + len(record.states)
        waiting[origin.account] = waiting.get(origin.account, 0) + waited
    if is_waiting.any():
        rows = rows.take(np.flatnonzero(~is_waiting))
    return FlatReports(rows, came, waiting, damaged)


def unpark(parked: Iterable[tuple[Origin, int, str, ParkedReports]]) -> ReportRows:
    """Parked rows (origin, record offset, vendor id, rows) as report rows, in the order of their places."""
    groups = sorted(parked, key=lambda group: group[1])
    lengths = [len(group.times) // 4 for _, _, _, group in groups]
    pairs: dict[CodePair, int] = {}
    pair = [
        np.array([pairs.setdefault((state, code), len(pairs)) for state, code in group.pairs], np.intp)[
            np.frombuffer(group.pair_index, np.uint16)
        ]
        for _, _, _, group in groups
    ]
    row = np.frombuffer(b"".join(group.rows for _, _, _, group in groups), np.uint32).astype(np.int64)
    rows = ReportRows(
        np.frombuffer(b"".join(group.numbers for _, _, _, group in groups), np.int64),
        np.concatenate([np.empty(0, np.intp), *pair]),
        np.frombuffer(b"".join(group.times for _, _, _, group in groups), np.uint32),
        np.repeat(np.array([offset << ROW_BITS for _, offset, _, _ in groups], np.int64), lengths) + row,
        np.repeat(np.arange(len(groups), dtype=np.intp), lengths),
        [vendor_id for _, _, vendor_id, _ in groups],
        np.arange(len(groups), dtype=np.intp),
        [origin for origin, _, _, _ in groups],
        list(pairs),
    )
    return rows.take(np.argsort(rows.places, kind="stable"))


NO_ID_KEY: Final = np.iinfo(np.int64).max
"""The key for "no id"; it is never looked up."""


def id_keys(ids: Sequence[str]) -> NDArray[np.int64]:
    """Vendor ids as int64: decimal ones keep their order and are exact, others are hashed (61 bits) behind them."""
    decimal = decimal_keys(ids)
    return np.fromiter(map(_id_key, ids), np.int64, len(ids)) if decimal is None else decimal


def decimal_keys(ids: Sequence[str]) -> NDArray[np.int64] | None:
    """`id_keys` of ids that are all exact (`is_exact`); None if one is not. Fast where all have the same length."""
    text = "".join(ids)
    if not (text.isascii() and text.isdigit()):
        return None
    sizes = set(map(len, ids))
    if max(sizes) > EXACT_DIGITS or not min(sizes) or "0" in {vendor_id[0] for vendor_id in ids}:
        return None
    if EXACT_DIGITS in sizes and max(each for each in ids if len(each) == EXACT_DIGITS) >= str(EXACT_END):
        return None
    values = _digits(text, sizes.pop()) if len(sizes) == 1 else np.fromiter(map(int, ids), np.uint64, len(ids))
    return (values ^ np.uint64(_HALF)).view(np.int64)


def _digits(text: str, size: int) -> NDArray[np.uint64]:
    """The adjacent decimal numbers of `size` digits each, all below 2**64, in `text`."""
    digits = np.frombuffer(text.encode("ascii"), np.uint8).reshape(-1, size).T - np.uint8(ord("0"))
    values: NDArray[np.uint64] = digits[0].astype(np.uint64)
    for column in digits[1:]:
        values *= np.uint64(10)
        values += column
    return values


def is_exact(vendor_id: str) -> bool:
    """Whether `id_keys` of it can be read back as the id (`id_text`)."""
    plain = vendor_id.isascii() and vendor_id.isdigit() and len(vendor_id) <= EXACT_DIGITS
    return plain and vendor_id == str(int(vendor_id)) and int(vendor_id) < EXACT_END


def id_text(key: int) -> str:
    """The id of an exact key."""
    return str(key + _HALF)


def _id_key(vendor_id: str) -> int:
    if is_exact(vendor_id):
        return int(vendor_id) - _HALF
    if not vendor_id:
        return int(NO_ID_KEY)
    digest = int.from_bytes(hashlib.blake2b(vendor_id.encode("utf-8", "surrogatepass"), digest_size=8).digest())
    return EXACT_END + digest % (2**64 - EXACT_END) - _HALF


def _joined(
    lists: list[list[str]], indexes: list[bytes], kind: str, lengths: NDArray[np.int64]
) -> tuple[list[str], NDArray[np.intp], NDArray[np.intp]]:
    """(all entries, row -> entry, entry -> record) of per-record lists with per-row indexes into them."""
    entries = [entry for names in lists for entry in names]
    sizes = np.array([len(names) for names in lists], np.int64)
    index = np.frombuffer(b"".join(indexes), kind).astype(np.intp)
    index += np.repeat(np.cumsum(sizes) - sizes, lengths)
    return entries, index, np.repeat(np.arange(len(lists), dtype=np.intp), sizes)


def _sound(record: Reports) -> bool | np.bool_:
    """Whether the columns fit together."""
    rows = len(record.states)
    if (len(record.id_index), len(record.numbers), len(record.code_index), len(record.times)) != (
        4 * rows,
        8 * rows,
        2 * rows,
        4 * rows,
    ):
        return False
    return rows == 0 or (
        np.frombuffer(record.states, np.uint8).max() <= REPORT_FAILED
        and np.frombuffer(record.id_index, "<u4").max() < len(record.ids)
        and np.frombuffer(record.code_index, "<u2").max() < len(record.codes)
    )
