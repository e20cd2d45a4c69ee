"""Columns of many numbers in few bytes: first differences, byte plane by byte plane, zstd level 1.

A suppression list of millions is a few such records. Sorted numbers lie close together, so most bytes of their
differences are zero, and zero planes cost nothing: 10 M numbers take some 20 MB.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import zstandard
from numpy.typing import NDArray

NUMBERS_MAX: Final = 100_000
"""Numbers in one column: in the worst case (nothing compresses) 0.8 MB, below a record's limit."""


class BrokenColumn(ValueError):
    """The bytes are not the column that was packed."""


def pack_ascending(numbers: NDArray[np.int64]) -> bytes:
    """Packs numbers (int64, ascending, distinct, not negative). Raises ValueError for others, or too many."""
    if len(numbers) > NUMBERS_MAX:
        raise ValueError(f"a column holds {NUMBERS_MAX:,} numbers, not {len(numbers):,}")
    if len(numbers) and (int(numbers[0]) < 0 or not (np.diff(numbers) > 0).all()):
        raise ValueError("the numbers of a column are ascending, each once, none negative")
    return _packed(np.diff(numbers, prepend=np.int64(0)).astype("<i8"))


def unpack_ascending(packed: bytes, count: int) -> NDArray[np.int64]:
    """The `count` numbers of `pack_ascending`. Raises BrokenColumn."""
    return np.cumsum(_unpacked(packed, count, 8).view("<i8"), dtype=np.int64)


def pack_u32(values: NDArray[np.uint32]) -> bytes:
    """Any uint32 values, packed."""
    return _packed(values.astype("<u4"))


def unpack_u32(packed: bytes, count: int) -> NDArray[np.uint32]:
    """The `count` values of `pack_u32`. Raises BrokenColumn."""
    return _unpacked(packed, count, 4).view("<u4").astype(np.uint32, copy=False)


def _packed(values: NDArray[np.generic]) -> bytes:
    planes = np.ascontiguousarray(values.view(np.uint8).reshape(len(values), values.itemsize).T)
    return zstandard.ZstdCompressor(level=1).compress(planes.tobytes())


def _unpacked(packed: bytes, count: int, width: int) -> NDArray[np.uint8]:
    if not 0 <= count <= NUMBERS_MAX:
        raise BrokenColumn(f"a column holds 0 to {NUMBERS_MAX:,} values, not {count:,}")
    try:
        planes = zstandard.ZstdDecompressor().decompress(packed, max_output_size=NUMBERS_MAX * width)
    except zstandard.ZstdError as error:
        raise BrokenColumn("the column does not decompress") from error
    if len(planes) != count * width:
        raise BrokenColumn(f"the column has {len(planes)} bytes, {count} values take {count * width}")
    return np.ascontiguousarray(np.frombuffer(planes, np.uint8).reshape(width, count).T).reshape(-1)
