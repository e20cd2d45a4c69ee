"""A scheduled draft starts on Kafka as it does on SQLite: its list comes back from the log, and it is launched once."""

from __future__ import annotations

from dispatcher.log.opening import open_log
from tests.consumers.campaigns.test_starting import NINE, Conducted, launched, scheduled
from tests.producers.drafts.test_drafts import texts


async def test_a_scheduled_draft_starts_on_kafka(kafka_bootstrap: str, kafka_prefix: str) -> None:
    log = await open_log(f"kafka://{kafka_bootstrap}/{kafka_prefix}.")
    try:
        await scheduled(log, numbers=["13800138000", "13900139000", "13800138000"], more_lists=[["13700137000"]])
        one, other = Conducted(log), Conducted(log)
        await one.look(NINE)
        await other.look(NINE)
        record = await launched(log)
        assert record is not None
        assert [number for number, _ in await texts(log, record)] == [13_700_137_000, 13_800_138_000, 13_900_139_000]
        assert (record.rows, record.duplicate, record.lists) == (4, 1, ("the numbers", "the numbers"))
        assert other.started == []
    finally:
        await log.close()
