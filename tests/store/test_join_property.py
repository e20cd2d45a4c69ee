"""Whatever the journal and the vendor say, in whatever order it is read: the store says what the naive model says."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st

from schemas.records import Intent, Job
from schemas.topics import lane_partition
from tests.store.joined_history import LAUNCHED_MS, History, batch_numbers, chunks_of, expected
from tests.store.joined_store import Driver, states

ACCOUNTS = ("spring", "summer")
NOW_MS = LAUNCHED_MS + 10_000
CODES = {1: ("DELIVRD", "0"), 2: ("UNDELIV", "MBBLACK", "0"), 0: ("ENROUTE",)}


class Writer:
    """Writes a plausible history, one random step at a time: owners come and go, freeze, and wake up."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.history = History()
        self.owners = 0
        self.ids = 0
        self.todo: dict[str, list[tuple[int, int, int, int]]] = {account: [] for account in ACCOUNTS}
        sizes = st.lists(st.integers(1, 9), min_size=1, max_size=3)
        for index, campaign in enumerate(("c1", "c2")):
            route = {account: data.draw(sizes) for account in ACCOUNTS}
            jobs = self.history.launch(campaign, route, first_number=13_800_000_000 + index * 100, invalid=3)
            for account, offsets in jobs.items():
                for offset, size in zip(offsets, route[account], strict=True):
                    self.todo[account].append((offset, 0, size, 0))
        self.owner = {account: "" for account in ACCOUNTS}
        self.stale: list[str] = ["nobody"]
        self.resent: set[int] = set()

    def draw(self, strategy: st.SearchStrategy[Any]) -> Any:
        return self.data.draw(strategy)

    def journal(self) -> None:
        """One more record in a journal."""
        account = self.draw(st.sampled_from(ACCOUNTS))
        steps = [self.own, self.send, self.send, self.answer, self.answer, self.answer, self.resolve, self.rival]
        self.draw(st.sampled_from(steps))(account)

    def own(self, account: str) -> None:
        self.stale.append(self.owner[account])
        self.owners += 1
        self.owner[account] = f"o{self.owners}"
        for other in ACCOUNTS:
            if lane_partition(other) == lane_partition(account):
                self.owner[other] = self.owner[account]
        self.history.owned(account, self.owner[account])

    def send(self, account: str) -> None:
        if not self.owner[account]:
            return self.own(account)
        self.requeue(account)
        if self.todo[account]:
            job, start, left, attempt = self.todo[account].pop(0)
            count = self.draw(st.integers(1, left))
            self.history.intent(account, self.owner[account], job, start, count, attempt=attempt)
            if count < left:
                self.todo[account].insert(0, (job, start + count, left - count, attempt))
        return None

    def requeue(self, account: str) -> None:
        """What was returned goes to the end of the queue, as the lane would do it."""
        partition = lane_partition(account)
        for offset, chunk in self.chunks(account).items():
            if chunk.state == "returned" and offset not in self.resent:
                self.resent.add(offset)
                intent = self.history.decoded["lanes", partition][offset]
                assert isinstance(intent, Intent)
                self.todo[account].append((intent.job, intent.start, intent.count, intent.attempt + 1))

    def answer(self, account: str) -> None:
        chunks = self.chunks(account)
        if not chunks:
            return
        offset = self.draw(st.sampled_from(sorted(chunks)))
        effect = self.draw(st.sampled_from(["accepted", "accepted", "accepted", "unknown", "failed", "queued"]))
        fields: dict[str, Any] = {"code": self.draw(st.sampled_from(["0", "101", "109"]))}
        kind = self.draw(st.sampled_from(["one", "one", "one", "each", "none", "again"]))
        if effect in ("accepted", "unknown"):
            count = len(chunks[offset].numbers)
            if kind in ("one", "again"):
                self.ids += kind == "one"
                fields["vendor_id"] = f"{self.ids}"
            elif kind == "each":
                decimal = self.draw(st.booleans())
                fields["vendor_ids"] = tuple(f"{'' if decimal else 'x'}{1000 + self.ids + n}" for n in range(count))
                self.ids += count
        self.history.outcome(account, offset, effect, **fields)

    def resolve(self, account: str) -> None:
        unknown = [offset for offset, chunk in self.chunks(account).items() if chunk.state == "unknown"]
        if unknown:
            verdict = self.draw(st.sampled_from(["sent", "not-sent", "resend"]))
            owner = self.draw(st.sampled_from([self.owner[account], self.owner[account], *self.stale]))
            vendor_id = self.draw(st.sampled_from(["", "found"]))
            self.history.resolved(account, owner, self.draw(st.sampled_from(unknown)), verdict, vendor_id)

    def rival(self, account: str) -> None:
        """A frozen owner wakes up and appends an intent, which is void."""
        job = self.history.decoded["jobs", lane_partition(account)][0]
        assert isinstance(job, Job)
        self.history.intent(job.account, self.draw(st.sampled_from(self.stale)), 0, 0, 1)

    def chunks(self, account: str) -> dict[int, Any]:
        found, _ = chunks_of(self.history, lane_partition(account), 1_000_000)
        return {offset: chunk for offset, chunk in found.items() if chunk.account == account}

    def report(self) -> None:
        """One more record of reports: mostly for ids that were or will be given."""
        account = self.draw(st.sampled_from(ACCOUNTS))
        _, names = chunks_of(self.history, lane_partition(account), 1_000_000)
        ids = [name[1] for name in names if name[0] == account] + [str(self.ids + 1), str(1000 + self.ids), "found", ""]
        numbers = sorted({n for job in self.history.decoded["jobs", lane_partition(account)] for n in batch_numbers(self.history, job)})
        rows = []
        for _ in range(self.draw(st.integers(1, 6))):
            state = self.draw(st.sampled_from([0, 1, 1, 2, 2]))
            vendor_id = self.draw(st.sampled_from(ids))
            told = [c for a, i, c, _ in names if (a, i) == (account, vendor_id)]
            likely = told[0].numbers if told else numbers
            number = self.draw(st.sampled_from([*likely, *likely, 0, self.draw(st.sampled_from(numbers))]))
            rows.append((vendor_id, number, state, self.draw(st.sampled_from(CODES[state])), self.draw(st.integers(0, 9))))
        self.history.reports(account, rows)


def write(data: st.DataObject) -> History:
    """A whole history, journal and reports interleaved at random."""
    writer = Writer(data)
    for step in data.draw(st.lists(st.sampled_from(["journal", "journal", "journal", "report"]), max_size=40)):
        writer.journal() if step == "journal" else writer.report()
    return writer.history


def check(driver: Driver) -> None:
    """What the store says now is what the model says of the same prefix."""
    offsets = driver.store.offsets()
    model = expected(
        driver.history,
        {p: offsets["lanes", p] for p in range(8)},
        {p: offsets["reports", p] for p in range(8)},
    )
    reader = driver.reader()
    try:
        for campaign in ("c1", "c2"):
            found = states(reader, campaign, NOW_MS)
            want = {batch: members for batch, members in model.state.items() if batch[0] == campaign}
            assert found == want
            view = reader.campaign(campaign, NOW_MS)
            assert view is not None
            counts = view.counts.check()
            words = Counter(state for members in want.values() for state, _ in members.values())
            assert {name: n for name, n in counts.as_dict().items() if n and name not in ("rows", "invalid")} == words
            failed = Counter(c for members in want.values() for s, c in members.values() if s == "failed")
            shown: Counter[str] = Counter()
            for failure in view.failures:
                shown[failure.code] += failure.recipients
            assert shown == failed
            assert view.settled == (not {"queued", "in_flight", "accepted", "unknown"} & set(words))
            assert (view.unknown_since_ms is not None) == ("unknown" in words)
        reports = reader.reports()
        assert sum(r.applied for r in reports) == model.applied
        assert sum(r.repeats for r in reports) == model.repeats
        assert sum(r.parked + r.strangers for r in reports) == model.parked
        assert all(r.rows == r.waiting + r.applied + r.repeats + r.parked + r.strangers for r in reports)
    finally:
        reader.close()


@settings(max_examples=150)
@given(st.data())
def test_any_order_and_cut_of_journal_and_reports_gives_what_the_naive_model_gives(data: st.DataObject):
    history = write(data)
    places = [place for place in history.records if place[0] in ("lanes", "reports")]
    with tempfile.TemporaryDirectory() as folder:
        driver = Driver(Path(folder) / "a.db", history)
        other = Driver(Path(folder) / "b.db", history)
        try:
            driver.inputs("campaigns", "jobs")
            driver.load(driver.store.batches_wanted(100))
            check(driver)
            for _ in range(data.draw(st.integers(0, 12))):
                chosen = data.draw(st.lists(st.sampled_from(places), unique=True)) if places else []
                if data.draw(st.integers(0, 5)) == 0:
                    driver.reopen()
                driver.take(chosen, data.draw(st.integers(1, 8)))
                note(f"read to {driver.store.offsets()}")
                check(driver)
            driver.all()
            check(driver)
            other.all()
            assert driver.rows() == other.rows()
        finally:
            driver.close()
            other.close()
