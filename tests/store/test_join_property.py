"""Whatever the journal and the vendor say, in whatever order it is read: the store says what the naive model says."""

from __future__ import annotations

import contextlib
import struct
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from hypothesis import given, note, settings
from hypothesis import strategies as st

from dispatcher.core.results.journal import JoinedChunk
from schemas.records import Finished, Intent, Job, Outcomes
from schemas.states import State
from schemas.topics import lane_partition
from tests.store.joined_history import LAUNCHED_MS, History, Name, chunks_of, expected
from tests.store.joined_store import NO_REPORT_AFTER_S, Driver, MemoryPlace, SqlitePlace, states

ACCOUNTS = ("spring", "summer")
NOW_MS = LAUNCHED_MS + 10_000
CODES = {1: ("DELIVRD", "0"), 2: ("UNDELIV", "MBBLACK", "0"), 0: ("ENROUTE",)}


class Writer:
    """Writes a plausible history, one random step at a time: owners come and go, freeze, and wake up."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.history = History()
        self.owners = 0
        self.ids = 0
        self.todo: dict[str, list[tuple[int, int, int, int]]] = {account: [] for account in ACCOUNTS}
        for index, campaign in enumerate(("c1", "c2")):
            route = {account: [random.randint(1, 9) for _ in range(random.randint(1, 3))] for account in ACCOUNTS}
            jobs = self.history.launch(campaign, route, first_number=13_800_000_000 + index * 100, invalid=3)
            for account, offsets in jobs.items():
                for offset, size in zip(offsets, route[account], strict=True):
                    self.todo[account].append((offset, 0, size, 0))
        self.owner = dict.fromkeys(ACCOUNTS, "")
        self.stale: list[str] = ["nobody"]
        self.resent: set[tuple[int, int, int]] = set()

    def journal(self) -> None:
        """One more record in a journal."""
        account = self.random.choice(ACCOUNTS)
        answers = [self.answer, self.answer, self.answer_in_runs, self.answer_in_runs]
        steps = [self.own, self.send, self.send, self.send, *answers, self.resolve]
        self.random.choice([*steps, *steps, self.rival])(account)

    def own(self, account: str) -> None:
        self.stale.append(self.owner[account])
        self.owners += 1
        for other in ACCOUNTS:
            if lane_partition(other) == lane_partition(account):
                self.owner[other] = f"o{self.owners}"
        self.history.owned(account, self.owner[account])

    def send(self, account: str) -> None:
        if not self.owner[account]:
            return self.own(account)
        self.requeue(account)
        if self.todo[account]:
            job, start, left, attempt = self.todo[account].pop(0)
            count = self.random.choice([left, self.random.randint(1, left)])
            share = self.random.choice([0.0, 0.0, 0.0, 0.3, 1.0])
            left_out = ranges_of([index for index in range(count) if self.random.random() < share])
            self.history.intent(account, self.owner[account], job, start, count, attempt=attempt, left_out=left_out)
            if count < left:
                self.todo[account].insert(0, (job, start + count, left - count, attempt))
        return None

    def requeue(self, account: str) -> None:
        """What was returned is sent again next, as the lane would do it some time."""
        partition = lane_partition(account)
        for offset, chunk in self.chunks(account).items():
            intent = self.history.decoded["lanes", partition][offset]
            assert isinstance(intent, Intent)
            returned = [
                index
                for index, state in enumerate(chunk.state)
                if state == "returned" and (partition, offset, index) not in self.resent
            ]
            self.resent.update((partition, offset, index) for index in returned)
            for start, count in ranges_of(returned):
                self.todo[account].insert(0, (intent.job, intent.start + start, count, intent.attempt + 1))

    def answer(self, account: str) -> None:
        """An outcome of any chunk, open or long over."""
        chunks = self.chunks(account)
        if not chunks:
            return
        offset = self.random.choice(sorted(chunks))
        effect = self.random.choice(["accepted", "accepted", "accepted", "unknown", "unknown", "failed", "queued"])
        fields: dict[str, Any] = {"code": self.random.choice(["0", "101", "109"])}
        kind = self.random.choice(["one", "one", "one", "each", "none", "again"])
        if effect in ("accepted", "unknown"):
            count = len(chunks[offset].numbers)
            if kind in ("one", "again"):
                self.ids += kind == "one"
                fields["vendor_id"] = f"{self.ids}"
            elif kind == "each":
                prefix = self.random.choice(["", "x"])
                ids = [f"{prefix}{1000 + self.ids + n}" for n in range(count)]
                if effect == "unknown":  # the vendor's history names some
                    ids = [vendor_id if self.random.random() < 0.6 else "" for vendor_id in ids]
                fields["vendor_ids"] = tuple(ids)
                self.ids += count
        self.history.outcome(account, offset, effect, **fields)

    def answer_in_runs(self, account: str) -> None:
        """Results of some recipients of any chunk, open or long over."""
        chunks = self.chunks(account)
        if not chunks:
            return
        offset = self.random.choice(sorted(chunks))
        count = len(chunks[offset].numbers)
        runs, at = [], 0
        effects = self.random.choice(
            [["accepted"], ["accepted", "failed", "queued"], ["accepted", "unknown", "queued"]]
        )
        while at < count:
            size = self.random.randint(1, count - at)
            if self.random.random() < 0.8:
                effect = self.random.choice(effects)
                runs.append((at, size, effect, self.random.choice(["0", "8", "9"])))
            at += size
        lacking = self.lacking(account, offset)
        if lacking and self.random.random() < 0.5:
            index, ids = self.random.choice(lacking)
            self.ids += len(ids)
            answered = [vendor_id or 500_000 + self.ids + part for part, vendor_id in enumerate(ids)]
            self.history.outcomes(account, offset, (index, 1, "accepted", "0"), ids=answered, parts=len(ids))
        elif runs:
            fields = self.some_ids(sum(size for _, size, *_ in runs))
            self.history.outcomes(account, offset, *runs, **fields)

    def lacking(self, account: str, offset: int) -> list[tuple[int, list[int]]]:
        """The recipients of a chunk that were unknown with ids for some of their parts: their positions and ids."""
        found = []
        for record in self.history.decoded["lanes", lane_partition(account)]:
            if isinstance(record, Outcomes) and record.intent == offset and record.parts > 1 and record.ids:
                numbers = [number for (number,) in struct.iter_unpack("<Q", record.ids)]
                places = [(run.effect, run.start + at) for run in record.runs for at in range(run.count)]
                for at, (effect, index) in enumerate(places):
                    ids = numbers[at * record.parts : (at + 1) * record.parts]
                    if effect == "unknown" and any(ids) and not all(ids):
                        found.append((index, ids))
        return found

    def some_ids(self, recipients: int) -> dict[str, Any]:
        """Ids for so many recipients, or none: numbers up to 2^64, one or more for each, or texts."""
        kind = self.random.choice(["one", "parts", "texts", "none"])
        if kind == "none":
            return {}
        parts = self.random.randint(2, 3) if kind == "parts" else 1
        base = self.random.choice([1_000, 2**63 - 3, 2**64 - 10_000])
        ids = [base + self.ids + at if self.random.random() < 0.8 else 0 for at in range(recipients * parts)]
        self.ids += len(ids)
        if kind == "texts":
            return {"vendor_ids": tuple(f"t{vendor_id}" if vendor_id else "" for vendor_id in ids)}
        return {"ids": ids, "parts": parts}

    def resolve(self, account: str) -> None:
        """A person's decision, or evidence; sometimes from an owner that is none any more."""
        unknown = [offset for offset, chunk in self.chunks(account).items() if "unknown" in chunk.state]
        if not unknown:
            return
        offset = self.random.choice(unknown)
        owner = self.random.choice([self.owner[account]] * 3 + self.stale)
        verdict = self.random.choice(["sent", "not-sent", "resend", "resend"])
        if self.random.random() < 0.4:
            of = len(self.chunks(account)[offset].numbers)
            ranges = tuple(ranges_of([index for index in range(of) if self.random.random() < 0.5]))
            ids = self.some_ids(sum(count for _, count in ranges)) if verdict == "sent" and ranges else {}
            if "ids" in ids:
                ids["ids"] = struct.pack(f"<{len(ids['ids'])}Q", *ids["ids"])
            self.history.resolved(account, owner, offset, verdict, ranges=ranges, **ids)
            return
        self.history.resolved(account, owner, offset, verdict, self.random.choice(["", "", "found"]))

    def rival(self, account: str) -> None:
        """A frozen owner wakes up and appends an intent, which is void."""
        job = self.history.decoded["jobs", lane_partition(account)][0]
        assert isinstance(job, Job)
        self.history.intent(job.account, self.random.choice(self.stale), 0, 0, 1)

    def chunks(self, account: str) -> dict[int, Any]:
        found, _ = chunks_of(self.history, lane_partition(account), 1_000_000)
        return {offset: chunk for offset, chunk in found.items() if chunk.account == account}

    def report(self, names: dict[str, list[Name]]) -> None:
        """One more record of reports: mostly for ids that the journal gives some time, some for nobody's."""
        account = self.random.choice(ACCOUNTS)
        told = [name for name in names[account] if name.account == account]
        rows = []
        for _ in range(self.random.randint(1, 8)):
            state = self.random.choice([0, 1, 1, 2, 2])
            if told and self.random.random() < 0.85:
                name = self.random.choice(told)
                vendor_id, chunk = name.vendor_id, name.chunk
                number = chunk.numbers[name.at] if name.at is not None else self.random.choice(chunk.numbers)
                number = self.random.choice([number] * 6 + [0, number + 1])
            else:
                vendor_id, number = self.random.choice(["", "0", "99", "x1000"]), 13_800_000_000
            code = self.random.choice(CODES[state])
            rows.append((vendor_id, number, state, code, self.random.randint(0, 9)))
        self.history.reports(account, rows)


def ranges_of(indexes: list[int]) -> list[tuple[int, int]]:
    """(start, count) of the neighbours among these, which are in order."""
    found: list[tuple[int, int]] = []
    for index in indexes:
        if found and sum(found[-1]) == index:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((index, 1))
    return found


def write(random: Random) -> History:
    """A whole history. The journal first: what a report may say does not depend on when it comes."""
    writer = Writer(random)
    for _ in range(random.randint(0, 70)):
        writer.journal()
    names = {account: chunks_of(writer.history, lane_partition(account), 1_000_000)[1] for account in ACCOUNTS}
    for _ in range(random.randint(0, 25)):
        writer.report(names)
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
            assert view.counts.settled == (not {"queued", "in_flight", "accepted", "unknown"} & set(words))
            assert (view.unknown_since_ms is not None) == ("unknown" in words)
        reports = reader.reports()
        assert sum(r.applied for r in reports) == model.applied
        assert sum(r.repeats for r in reports) == model.repeats
        assert sum(r.parked + r.strangers for r in reports) == model.parked
        assert all(r.rows == r.waiting + r.applied + r.repeats + r.parked + r.strangers for r in reports)
    finally:
        reader.close()


@settings(max_examples=120)
@given(st.integers(0, 2**32))
def test_any_order_and_cut_of_journal_and_reports_gives_what_the_naive_model_gives(seed: int):
    random = Random(seed)
    history = write(random)
    places = sorted(place for place in history.records if place[0] in ("lanes", "reports"))
    with tempfile.TemporaryDirectory() as folder:
        driver = Driver(Path(folder) / "a.db", history)
        other = Driver(Path(folder) / "b.db", history)
        try:
            driver.inputs("campaigns", "jobs")
            driver.load(driver.store.batches_wanted(100))
            check(driver)
            for _ in range(random.randint(0, 12)):
                if random.random() < 0.2:
                    driver.reopen()
                driver.take(random.sample(places, random.randint(0, len(places))), random.randint(1, 15))
                note(f"read to { {place: at for place, at in driver.store.offsets().items() if at} }")
                check(driver)
            driver.all()
            check(driver)
            other.all()
            rows, others = driver.rows(), other.rows()
            assert [name for name in rows if rows[name] != others[name]] == []
        finally:
            driver.close()
            other.close()


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_a_store_in_memory_says_what_the_sqlite_store_says_row_by_row(seed: int):
    random = Random(seed)
    history = write(random)
    places = sorted(place for place in history.records if place[0] in ("lanes", "reports"))
    with tempfile.TemporaryDirectory() as folder:
        sqlite, memory = (
            Driver(place, history, emits=True) for place in (SqlitePlace(Path(folder) / "a.db"), MemoryPlace())
        )
        try:
            for driver in (sqlite, memory):
                driver.inputs("campaigns", "jobs")
            for _ in range(random.randint(0, 8)):
                chosen, records_max = random.sample(places, random.randint(0, len(places))), random.randint(1, 15)
                reopens, expires = random.random() < 0.2, random.random() < 0.2
                for driver in (sqlite, memory):
                    driver.take(chosen, records_max)
                    if reopens:
                        driver.reopen()
                    if expires:
                        driver.store.expire(LAUNCHED_MS + 3000)
                note(f"read to { {place: at for place, at in sqlite.store.offsets().items() if at} }")
                assert_same(sqlite, memory)
            for driver in (sqlite, memory):
                driver.all()
            assert_same(sqlite, memory)
        finally:
            sqlite.close()
            memory.close()


def assert_same(sqlite: Driver, memory: Driver) -> None:
    """Both stores say the same, before and after the time for reports is over."""
    for now_ms in (NOW_MS, LAUNCHED_MS + 3000 + int(NO_REPORT_AFTER_S * 1000)):
        said, shown = sqlite.shown(now_ms), memory.shown(now_ms)
        assert [name for name in said if said[name] != shown[name]] == []
    assert sqlite.store.offsets() == memory.store.offsets()


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_what_was_told_last_of_a_finished_chunk_is_what_its_page_says(seed: int):
    random = Random(seed)
    history = write(random)
    places = sorted(place for place in history.records if place[0] in ("lanes", "reports"))
    told: dict[int, Finished] = {}
    with tempfile.TemporaryDirectory() as folder:
        driver = Driver(Path(folder) / "a.db", history, emits=True)
        try:
            driver.inputs("campaigns", "jobs")
            for _ in range(random.randint(0, 8)):
                if random.random() < 0.2:
                    driver.reopen()
                driver.take(random.sample(places, random.randint(0, len(places))), random.randint(1, 15))
                tell(driver, told, random.randint(1, 5))
            driver.all()
            while tell(driver, told, random.randint(1, 5)):
                pass
            with contextlib.closing(driver.reader()) as reader:
                pages = {(c, page.batch): page for c in ("c1", "c2") for page in reader.pages(c, now_ms=NOW_MS)}
            for row in driver.rows()["chunks"]:
                chunk = JoinedChunk(*row)
                if chunk.state == State.FAILED or (chunk.state == State.ACCEPTED and not chunk.pending):
                    record = told[chunk.id]
                    page, at = pages[record.campaign, record.batch], slice(chunk.start, chunk.end)
                    assert (record.account, record.start, record.vendor_id) == (
                        chunk.account,
                        chunk.start,
                        chunk.vendor_id,
                    )
                    assert record.numbers == page.numbers[at].tobytes()
                    assert record.states == page.states[at].tobytes()
                    codes = [record.codes[value] for value in np.frombuffer(record.code_index, "<u2").tolist()]
                    assert codes == [page.codes[value] for value in page.code_index[at].tolist()]
                    assert set(codes) == set(record.codes)
                    assert record.at_ms == (int(page.reported_s[at].max()) * 1000 or chunk.sent_ms)
        finally:
            driver.close()


def tell(driver: Driver, told: dict[int, Finished], chunks_max: int) -> bool:
    """Take some finished chunks out, as the joiner does; whether there were any."""
    found = driver.store.outbox(chunks_max)
    told.update(found)
    driver.store.told([chunk for chunk, _ in found])
    return bool(found)
