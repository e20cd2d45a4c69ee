"""Double texts, counted by sorting columns, are those one would count one by one; whichever road a text came by."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.sim.config import AccountConfig
from loadtest.sim.ledger.ledger import Each, Ledger
from loadtest.sim.ledger.numbers import parse

ACCOUNTS = ("spring", "summer")
NUMBERS = st.sampled_from([b"13800138000", b"13800138001", b"13900139000", b"12345", b"x"])
TEXTS = st.sampled_from(["a", "b", "c", ""])
PLAIN = st.tuples(st.sampled_from(ACCOUNTS), st.booleans(), st.lists(NUMBERS, min_size=1, max_size=5), TEXTS)
PERSONAL = st.tuples(
    st.sampled_from(ACCOUNTS), st.booleans(), st.lists(st.tuples(NUMBERS, TEXTS), min_size=1, max_size=5), st.none()
)


@settings(deadline=None)
@given(st.lists(PLAIN | PERSONAL, max_size=8))
def test_doubles_are_those_counted_one_by_one(requests) -> None:
    ledger = Ledger([AccountConfig(name, account=name) for name in ACCOUNTS], True, 2.0)
    told: dict[str, Counter[tuple[bytes, str]]] = {name: Counter() for name in ACCOUNTS}
    for account, accepted, recipients, text in requests:
        pairs = [(number, text) for number in recipients] if text is not None else recipients
        each = None if text is not None else Each([word for _, word in pairs], np.ones(len(pairs), np.int32))
        parsed = parse(b",".join(number for number, _ in pairs))
        ledger.record(ledger.books[account], 0.0, "0", "0", parsed, text or "", 1, "1", True, accepted, each)
        if accepted:
            told[account].update(pairs)
    expected = {
        name: (len({number for number, _ in pairs}), pairs.total() - len(pairs)) for name, pairs in told.items()
    }
    whole = told["spring"] + told["summer"]
    expected[""] = (len({number for number, _ in whole}), whole.total() - len(whole))
    assert ledger.doubles() == expected
