"""Every store against the contract, and that both say the same of any history (test_join_property.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.contract import StoreContract, rejects
from tests.store.joined_history import History
from tests.store.joined_store import Driver, MemoryPlace, SqlitePlace, StorePlace


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> StorePlace:
        return SqlitePlace(tmp_path / "results.db")

    def test_rejected_rows_of_attempts_that_were_not_launched_take_no_room(self, place: StorePlace):
        history = History()
        for attempt, value in (("crashed", b"old"), ("good", b"12"), ("good", b"a second copy")):
            history.append("rejects", 0, rejects(attempt, value))
        history.append("rejects", 0, rejects("good", b"3", part=1))
        history.launch("c1", {"spring": [2]}, attempt="good")
        driver = Driver(place, history)
        driver.inputs("rejects")
        assert len(driver.rows()["rejects"]) == 3
        driver.inputs("campaigns")
        assert len(driver.rows()["rejects"]) == 2
        driver.close()


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def place(self) -> StorePlace:
        return MemoryPlace()
