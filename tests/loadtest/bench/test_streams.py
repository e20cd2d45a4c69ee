"""A stream and the campaign that it is compared with come to the same results."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from loadtest.bench.receiving.streams import FIRST, campaign, stream


def test_both_have_all_messages_accepted(tmp_path: Path):
    numbers = FIRST + np.arange(60, dtype=np.int64)
    for each in (1, 7):
        stream(numbers, each).folded_s(tmp_path / f"stream-{each}.db")
        campaign(numbers, each).folded_s(tmp_path / f"campaign-{each}.db")
