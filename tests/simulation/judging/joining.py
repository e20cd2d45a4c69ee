"""The second half of a history: the real join of what the lanes wrote and the vendor reported, cut into any reads.

Checked while it folds: the equation of every campaign. At the end: every recipient is what a naive model of the
same log says, what the books call taken was taken by the vendor, and a store rebuilt from the log has the same rows.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from pathlib import Path

from dispatcher.core.messages.chunks import Batch
from schemas.batch import pack
from schemas.records import Job
from schemas.topics import lane_partition, spread_partition
from tests.simulation.world.sim_log import SimLog
from tests.simulation.world.world import ACCOUNT
from tests.store.joined_history import History, expected
from tests.store.joined_store import Driver, states

PARTITION = lane_partition(ACCOUNT)
READ_MAX = 60


def join(seed: int, log: SimLog, batches: dict[int, Batch], taken: dict[bytes, int]) -> None:
    """Fold the log of a finished history in random cuts, and judge it. Raises AssertionError."""
    history = as_history(log, batches)
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        driver = Driver(Path(folder) / "a.db", history)
        try:
            _in_pieces(driver, rng)
            _judge(driver, history, taken)
            rows = driver.rows()
        finally:
            driver.close()
        again = Driver(Path(folder) / "b.db", history)
        try:
            again.all()
            rebuilt = again.rows()
        finally:
            again.close()
        for name, found in rebuilt.items():
            assert found == rows[name], f"a rebuild differs in {name}"


def as_history(log: SimLog, batches: dict[int, Batch]) -> History:
    """The simulated log as stored records: the same ones in the same order, with real batches behind the jobs."""
    history = History()
    places: dict[tuple[str, str, int], tuple[int, int, bytes]] = {}
    for offset, job in enumerate(log.topics["jobs"]):
        if not isinstance(job, Job):
            history.append("jobs", PARTITION, job)
            continue
        key = (job.campaign, job.attempt, job.batch)
        if key not in places:
            value, headers, sha256 = pack(bytes(batches[offset].data), job.count, attempt=job.attempt, batch=job.batch)
            partition = spread_partition(job.campaign, job.batch)
            at = history.append_bytes("recipients", partition, value, headers=headers)
            places[key] = (partition, at, sha256)
        partition, at, sha256 = places[key]
        fields = {name: getattr(job, name) for name in ("campaign", "attempt", "account", "number", "batch", "count")}
        real = Job(**fields, partition=partition, offset=at, sha256=sha256, start=0)
        history.append("jobs", PARTITION, real)
    for record in log.topics["campaigns"]:
        history.append("campaigns", 0, record)
    for record in log.topics["lanes"]:
        history.append("lanes", PARTITION, record)
    for record in log.topics["reports"]:
        history.append("reports", PARTITION, record)
    return history


def _in_pieces(driver: Driver, rng: random.Random) -> None:
    """As a joiner that is now ahead with the reports, now with the journal, and is restarted now and then."""
    driver.inputs("campaigns", "jobs")
    ends = {
        place: len(driver.history.records.get(place, [])) for place in (("lanes", PARTITION), ("reports", PARTITION))
    }
    while behind := [place for place, end in ends.items() if driver.store.offsets()[place] < end]:
        driver.take(rng.choice([behind, behind[:1], behind[-1:]]), rng.randint(1, READ_MAX))
        if rng.random() < 0.1:
            driver.reopen()
        _adds_up(driver)
    driver.load(driver.store.batches_wanted(1000))
    _adds_up(driver)


def _adds_up(driver: Driver) -> None:
    reader = driver.reader()
    try:
        for view in reader.campaigns(now_ms=0):
            view.counts.check()
    finally:
        reader.close()


def _judge(driver: Driver, history: History, taken: dict[bytes, int]) -> None:
    lanes = {PARTITION: len(history.records.get(("lanes", PARTITION), []))}
    reports = {PARTITION: len(history.records.get(("reports", PARTITION), []))}
    model = expected(history, lanes, reports)
    reader = driver.reader()
    try:
        for view in reader.campaigns(now_ms=0):
            terms: Counter[str] = Counter()
            for batch, members in states(reader, view.id, 0).items():
                for number, (word, _) in members.items():
                    wanted = model.state[batch][number][0]
                    if view.cancelled and wanted == "queued":
                        wanted = "cancelled"
                    assert word == wanted, f"{number} of {view.id} is {word}, the log says {wanted}"
                    terms[word] += 1
                    if word in ("accepted", "delivered"):
                        assert taken.get(b"%d" % number), f"{number} counts as {word}, the vendor never took it"
            counted = {term: n for term, n in view.counts.as_dict().items() if n and term != "rows"}
            assert counted == terms, f"{view.id} counts {counted}, its recipients are {terms}"
    finally:
        reader.close()
