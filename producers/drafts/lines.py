"""The lines of a draft batch's rows in its header `lines`, so that a launch can say which line it sets aside."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.batch import Headers
from schemas.packed_numbers import BrokenColumn, pack_u32, unpack_u32

_NAME: Final = "lines"


def with_lines(headers: Headers, lines: NDArray[np.int64]) -> Headers:
    """The headers of a batch whose rows begin on these lines, which do not descend."""
    return (*headers, (_NAME, pack_u32(np.diff(lines, prepend=0).astype(np.uint32))))


def lines_of(headers: Headers, count: int) -> NDArray[np.int64]:
    """The lines of a batch's rows. Raises BrokenColumn."""
    packed = dict(headers).get(_NAME)
    if packed is None:
        raise BrokenColumn("the batch has no lines")
    return np.cumsum(unpack_u32(packed, count), dtype=np.int64)
