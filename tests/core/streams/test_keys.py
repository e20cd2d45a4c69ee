"""The keys of a stream: known for their time, in any cut into pages, also after a new start from a checkpoint."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.streams import keys
from dispatcher.core.streams.keys import AGE_MS, KnownKeys, digest
from dispatcher.core.streams.routing import account_of
from schemas.records import StreamKeys, StreamTerms

KEEP_MS = 10 * AGE_MS


def packed(*names: int) -> bytes:
    return np.array(names, "<u8").tobytes()


class Journal:
    """Keys whose pages are written and read back at once, or later."""

    def __init__(self) -> None:
        self.known = KnownKeys()
        self.pages: dict[int, StreamKeys] = {}
        self.offset = 0

    def add(self, *names: int, at_ms: int = 0) -> list[int]:
        self.offset += 1
        return self.known.add(self.offset, packed(*names), at_ms, KEEP_MS)

    def write(self) -> None:
        for first, page, newest_ms in list(self.known.unwritten()):
            names = {"account": "a", "campaign": "c", "attempt": "t"}
            record = StreamKeys(**names, first=first, keys=page, newest_ms=newest_ms)
            self.pages[len(self.pages)] = record
            self.known.page_read(len(self.pages) - 1, record)

    def restart(self) -> None:
        was = self.known
        pages = [(offset, self.pages[offset]) for offset, _ in was.pages]
        self.known = KnownKeys.load(was.next, was.first, was.newest_ms, was.tail, pages)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "PAGE", 4)


@given(st.lists(st.one_of(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.sampled_from(["write", "restart"]))))
def test_a_key_is_new_once_however_it_is_written_and_started_again(steps) -> None:
    journal, seen = Journal(), set[int]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "PAGE", 4)
        for step in steps:
            if isinstance(step, str):
                getattr(journal, step)()
                continue
            repeated = []
            for position, name in enumerate(step):
                if name in seen:
                    repeated.append(position)
                seen.add(name)
            assert journal.add(*step) == repeated


def test_pages_leave_a_checkpoint_only_the_keys_behind_them() -> None:
    journal = Journal()
    journal.add(*range(10))
    assert journal.known.tail == packed(*range(10))
    journal.write()
    assert journal.known.tail == packed(8, 9)
    assert journal.known.first == 8
    assert [offset for offset, _ in journal.known.pages] == [0, 1]


def test_a_key_is_forgotten_after_its_time_and_not_before() -> None:
    journal = Journal()
    journal.add(*range(8))
    journal.write()
    assert journal.add(3, at_ms=KEEP_MS) == [0]
    assert journal.add(3, at_ms=KEEP_MS + 2 * AGE_MS) == []
    assert journal.known.pages == []


def test_digests_are_stable_and_accounts_share_by_weight() -> None:
    assert digest("order-17") == digest("order-17") != digest("order-18")
    terms = StreamTerms(expires_after_ms=1, keys_kept_ms=1, weights=(("spring", 300), ("winter", 100)))
    shares = [account_of(f"key {index}", terms) for index in range(4_000)]
    assert 2_850 < shares.count("spring") < 3_150
    alone = StreamTerms(expires_after_ms=1, keys_kept_ms=1, weights=(("spring", 300),))
    assert account_of("key", alone) == "spring"
