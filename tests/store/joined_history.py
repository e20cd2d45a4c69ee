"""Histories for the join: what could have been on a log, and what it means, computed the slow and obvious way.

`History` writes records as a lane, its rivals and a vendor would. `expected` is the naive model: a dict per recipient,
one report after the other, no columns, no batches of work; it knows nothing of dispatcher/store.
"""

from __future__ import annotations

import asyncio
import hashlib
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dispatcher.core import numbers as phone_numbers
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry, StoredRecord
from schemas import codec
from schemas.batch import pack, unpack
from schemas.records import (
    AnyRecord,
    Intent,
    Job,
    Launched,
    Leg,
    Outcome,
    Outcomes,
    Owned,
    Reports,
    Resolved,
    Run,
)
from schemas.states import State
from schemas.topics import lane_partition, spread_partition

Place = tuple[str, int]
FIRST_NUMBER = 13_800_000_000
LAUNCHED_MS = 1_700_000_000_000


def reports_record(account: str, rows: Sequence[tuple[str, int, int, str, int]], at_ms: int = LAUNCHED_MS) -> Reports:
    """Rows of (vendor id, number, state, code, Unix seconds) as one record."""
    ids = list(dict.fromkeys(row[0] for row in rows))
    codes = list(dict.fromkeys(row[3] for row in rows))
    return Reports(
        account=account,
        at_ms=at_ms,
        ids=ids,
        id_index=b"".join(struct.pack("<I", ids.index(row[0])) for row in rows),
        numbers=b"".join(struct.pack("<q", row[1]) for row in rows),
        states=bytes(row[2] for row in rows),
        codes=codes,
        code_index=b"".join(struct.pack("<H", codes.index(row[3])) for row in rows),
        times=b"".join(struct.pack("<I", row[4]) for row in rows),
    )


class History:
    """A log in memory, written record by record."""

    def __init__(self) -> None:
        self.records: dict[Place, list[StoredRecord]] = {}
        self.decoded: dict[Place, list[AnyRecord]] = {}

    def write_to(self, folder: Path) -> None:
        """Make `dispatcher.toml` there and a log with these records, for commands to read."""
        (folder / "dispatcher.toml").write_text('[log]\nurl = "sqlite:log.db"\n[store]\nurl = "sqlite:results.db"\n')

        async def fill() -> None:
            log = await open_log(f"sqlite:{folder / 'log.db'}")
            for (topic, partition), stored in self.records.items():
                await log.append(topic, partition, [Entry(each.key, each.value, each.headers) for each in stored])
            await log.close()

        asyncio.run(fill())

    def append(self, topic: str, partition: int, record: AnyRecord, *, key: bytes = b"") -> int:
        """Append it; its offset."""
        self.decoded.setdefault((topic, partition), []).append(record)
        return self.append_bytes(topic, partition, codec.encode(record), key=key)

    def append_bytes(self, topic: str, partition: int, value: bytes, *, key: bytes = b"", headers: Any = ()) -> int:
        """Append what may be no record."""
        held = self.records.setdefault((topic, partition), [])
        held.append(StoredRecord(len(held), key, value, headers, LAUNCHED_MS))
        return len(held) - 1

    def launch(
        self,
        campaign: str,
        route: dict[str, list[int]],
        *,
        first_number: int = FIRST_NUMBER,
        invalid: int = 0,
        unknown: Any = "hold",
        committed: bool = True,
        attempt: str = "a1",
        vendor: str = "batch-a",
        reports_from_ms: int = 0,
        revision: str = "",
        judged_upto: int | None = None,
        budget: Mapping[str, int] = {},
    ) -> dict[str, list[int]]:
        """A launch that deals batches of these sizes to the accounts; the offsets of their jobs, by account.

        `budget`: the shares of its accounts.
        """
        jobs: dict[str, list[int]] = {}
        number, batch_no = first_number, 0
        for account, sizes in route.items():
            for size in sizes:
                text = b",".join(b"%d" % n for n in range(number, number + size))
                number += size
                value, headers, sha256 = pack(text, size, attempt=attempt, batch=batch_no)
                partition = spread_partition(campaign, batch_no)
                offset = self.append_bytes("recipients", partition, value, headers=headers)
                job = Job(
                    campaign=campaign,
                    attempt=attempt,
                    account=account,
                    number=len(jobs.setdefault(account, [])),
                    batch=batch_no,
                    partition=partition,
                    offset=offset,
                    sha256=sha256,
                    start=0,
                    count=size,
                )
                jobs[account].append(self.append("jobs", lane_partition(account), job))
                batch_no += 1
        total = sum(sum(sizes) for sizes in route.values())
        record = Launched(
            campaign=campaign,
            attempt=attempt,
            fingerprint=hashlib.sha256(campaign.encode()).hexdigest(),
            name=f"{campaign} name",
            text="hello",
            legs=tuple(
                Leg(
                    account=account,
                    vendor=vendor,
                    jobs=len(sizes),
                    recipients=sum(sizes),
                    reports_from_ms=reports_from_ms,
                    share=budget.get(account, 0),
                )
                for account, sizes in route.items()
            ),
            weight=1,
            urgent=False,
            unknown=unknown,
            rows=total + invalid,
            recipients=total,
            invalid=invalid,
            duplicate=0,
            suppressed=0,
            batches=batch_no,
            segments=1,
            at_ms=LAUNCHED_MS,
            by="test",
            revision=revision,
            judged_upto=judged_upto,
            budget=sum(budget.values()),
            capped=judged_upto is not None,
        )
        if committed:
            self.append("campaigns", 0, record, key=f"{campaign}#{attempt}".encode())
        return jobs

    def owned(self, account: str, owner: str, at_ms: int = LAUNCHED_MS + 1000) -> int:
        """A new owner of the account's partition."""
        return self.append("lanes", lane_partition(account), Owned(owner=owner, at_ms=at_ms, where="test"))

    def intent(
        self,
        account: str,
        owner: str,
        job: int,
        start: int,
        count: int,
        *,
        attempt: int = 0,
        at_ms: int = 0,
        left_out: Sequence[tuple[int, int]] = (),
    ) -> int:
        """An intent on a job; its offset."""
        partition = lane_partition(account)
        record = self.decoded["jobs", partition][job]
        assert isinstance(record, Job)
        intent = Intent(
            owner=owner,
            n=0,
            account=account,
            campaign=record.campaign,
            job=job,
            batch=record.batch,
            start=start,
            count=count,
            attempt=attempt,
            at_ms=at_ms or LAUNCHED_MS + 2000,
            left_out=tuple(left_out),
        )
        return self.append("lanes", partition, intent)

    def outcome(self, account: str, intent: int, effect: Any, **fields: Any) -> int:
        """What came of it."""
        usual: dict[str, Any] = {
            "kind": "accepted",
            "code": "0",
            "at_ms": LAUNCHED_MS + 3000,
            "sent_ms": LAUNCHED_MS + 2500,
        }
        record = Outcome(account=account, intent=intent, effect=effect, **(usual | fields))
        return self.append("lanes", lane_partition(account), record)

    def outcomes(
        self, account: str, intent: int, *runs: tuple[Any, ...], ids: Sequence[int] = (), **fields: Any
    ) -> int:
        """What came of some of its recipients: runs of (start, count, effect, code, text)."""
        usual: dict[str, Any] = {"at_ms": LAUNCHED_MS + 3000, "sent_ms": LAUNCHED_MS + 2500}
        record = Outcomes(
            account=account,
            intent=intent,
            runs=tuple(
                Run(start, count, effect, "accepted" if effect == "accepted" else "unknown", *said)  # type: ignore[arg-type]
                for start, count, effect, *said in runs
            ),
            ids=struct.pack(f"<{len(ids)}Q", *ids),
            **(usual | fields),
        )
        return self.append("lanes", lane_partition(account), record)

    def resolved(self, account: str, owner: str, intent: int, verdict: Any, vendor_id: str = "", **fields: Any) -> int:
        """The owner's word on an unknown intent."""
        record = Resolved(
            owner=owner,
            account=account,
            intent=intent,
            verdict=verdict,
            at_ms=LAUNCHED_MS + 4000,
            by="test",
            vendor_id=vendor_id,
            **fields,
        )
        return self.append("lanes", lane_partition(account), record)

    def reports(self, account: str, rows: Sequence[tuple[str, int, int, str, int]], at_ms: int = 0) -> int:
        """One record of reports."""
        record = reports_record(account, rows, at_ms or LAUNCHED_MS + 5000)
        return self.append("reports", lane_partition(account), record)


# --- the naive model -------------------------------------------------------------------------------------------------


class NaiveChunk:
    """An intent, as the model sees it: lists with a place for each recipient."""

    def __init__(self, intent: Intent, batch: tuple[str, int], numbers: list[int]) -> None:
        self.batch = batch
        self.account = intent.account
        self.numbers = numbers
        self.first = intent.start
        self.state = ["in flight"] * len(numbers)
        self.code = [""] * len(numbers)
        self.said = [False] * len(numbers)
        for start, count in intent.left_out:
            for index in range(start, start + count):
                self.state[index], self.said[index] = "suppressed", True

    def hears(self, index: int, effect: str, code: str) -> bool:
        """A result of one recipient; whether it counts."""
        if self.said[index]:
            return False
        self.said[index] = effect != "unknown"
        if self.state[index] in ("in flight", "unknown"):
            self.code[index] = code
            self.state[index] = {"queued": "returned"}.get(effect, effect)
        return True


class Name(NamedTuple):
    """An id that reports carry: of the recipients `told` of a chunk, or of recipient `at` of it, or of a part.

    `of_message` are the ids of all parts of its message.
    """

    account: str
    vendor_id: str
    chunk: NaiveChunk
    at: int | None
    told: tuple[int, ...] = ()
    of_message: tuple[str, ...] = ()


class Expected:
    """What a prefix of a history means: `state[(campaign, batch)][number]` = (state word, code)."""

    def __init__(self) -> None:
        self.state: dict[tuple[str, int], dict[int, tuple[str, str]]] = {}
        self.parked = 0
        self.applied = 0
        self.repeats = 0


def batch_numbers(history: History, job: Job) -> list[int]:
    """The numbers of a job's batch."""
    stored = history.records["recipients", job.partition][job.offset]
    return list(phone_numbers.decode(unpack(stored.value, stored.headers)[0]).tolist())


def chunks_of(history: History, partition: int, upto: int) -> tuple[dict[int, NaiveChunk], list[Name]]:
    """The valid intents of a journal prefix by offset, and who was told which id."""
    chunks: dict[int, NaiveChunk] = {}
    names: list[Name] = []
    owner = None
    for offset, record in enumerate(history.decoded.get(("lanes", partition), [])[:upto]):
        if isinstance(record, Owned):
            owner = record.owner
            for chunk in chunks.values():
                chunk.state = ["unknown" if state == "in flight" else state for state in chunk.state]
        elif isinstance(record, Intent) and record.owner == owner:
            job = history.decoded["jobs", partition][record.job]
            assert isinstance(job, Job)
            numbers = batch_numbers(history, job)[record.start : record.start + record.count]
            chunks[offset] = NaiveChunk(record, (job.campaign, job.batch), numbers)
        elif isinstance(record, Resolved) and record.owner == owner and record.intent in chunks:
            resolve(record, chunks[record.intent], names)
        elif isinstance(record, Outcome) and record.intent in chunks:
            chunk = chunks[record.intent]
            told = [index for index in range(len(chunk.numbers)) if chunk.hears(index, record.effect, record.code)]
            if told and record.effect in ("accepted", "unknown"):
                if record.vendor_id:
                    names.append(Name(chunk.account, record.vendor_id, chunk, None, tuple(told)))
                if record.vendor_ids:
                    named = [(index, record.vendor_ids[index]) for index in told]
                    names += [Name(chunk.account, vendor_id, chunk, index) for index, vendor_id in named if vendor_id]
        elif isinstance(record, Outcomes) and record.intent in chunks:
            chunk = chunks[record.intent]
            places = [(run, run.start + at) for run in record.runs for at in range(run.count)]
            ids = ids_of(record, len(places))
            for (run, index), its in zip(places, ids, strict=True):
                if chunk.hears(index, run.effect, run.code) and run.effect in ("accepted", "unknown"):
                    names += names_of(chunk, index, its, is_answered=run.effect == "accepted")
            if any(run.effect == "unknown" and chunk.state[index] == "unknown" for run, index in places):
                chunk.state = ["unknown" if state == "in flight" else state for state in chunk.state]
    return chunks, names


def resolve(record: Resolved, chunk: NaiveChunk, names: list[Name]) -> None:
    """The owner's word on all that is unknown of the chunk, or on these ranges."""
    ranges = record.ranges or ((0, len(chunk.numbers)),)
    places = [start + at for start, count in ranges for at in range(count)]
    unknown = [index for index in places if chunk.state[index] == "unknown"]
    for index, its in zip(places, ids_of(record, len(places)), strict=True):
        if index in unknown:
            chunk.state[index] = "accepted" if record.verdict == "sent" else "returned"
            names += names_of(chunk, index, its)
    if record.vendor_id and unknown:
        names.append(Name(chunk.account, record.vendor_id, chunk, None, tuple(unknown)))


def ids_of(record: Outcomes | Resolved, recipients: int) -> list[tuple[str, ...]]:
    """The ids of each recipient that the record names."""
    if record.vendor_ids:
        return [(vendor_id,) for vendor_id in record.vendor_ids]
    numbers = [str(number or "") for (number,) in struct.iter_unpack("<Q", record.ids)]
    return [tuple(numbers[at * record.parts : (at + 1) * record.parts]) for at in range(recipients)]


def names_of(chunk: NaiveChunk, index: int, ids: tuple[str, ...], *, is_answered: bool = True) -> list[Name]:
    """The ids of one recipient; none yet if a part of its message has no answer."""
    if not is_answered and "" in ids:
        return []
    of_message = tuple(vendor_id for vendor_id in ids if vendor_id) if len(ids) > 1 else ()
    return [Name(chunk.account, vendor_id, chunk, index, (), of_message) for vendor_id in ids if vendor_id]


def expected(history: History, lanes: dict[int, int], reports: dict[int, int]) -> Expected:
    """What the history means if journals and reports are read up to these offsets (all jobs and launches are)."""
    result = Expected()
    for (topic, _), records in history.decoded.items():
        for job in records if topic == "jobs" else []:
            if not isinstance(job, Job):
                continue
            members = result.state.setdefault((job.campaign, job.batch), {})
            for number in batch_numbers(history, job):
                members[number] = (State.QUEUED.word, "")
    for partition in range(8):
        chunks, names = chunks_of(history, partition, lanes.get(partition, 0))
        for chunk in chunks.values():
            for number, state, code in zip(chunk.numbers, chunk.state, chunk.code, strict=True):
                if state != "returned":
                    result.state[chunk.batch][number] = ("in_flight" if state == "in flight" else state, code)
        for name in names:
            if name.at is not None and name.chunk.state[name.at] == "unknown":
                result.state[name.chunk.batch][name.chunk.numbers[name.at]] = ("accepted", "")
        read = history.decoded.get(("reports", partition), [])[: reports.get(partition, 0)]
        rows = [
            (record.account, *row[:4])
            for record in read
            if isinstance(record, Reports)
            for row in rows_of(record)
            if row[2]
        ]
        join(result, names, rows)
    return result


def join(result: Expected, names: list[Name], rows: list[tuple[str, str, int, int, str]]) -> None:
    """What these reports say, in their order: of each part the first, of each recipient the first that decides."""
    final: set[tuple[Any, ...]] = set()
    part_states: dict[tuple[int, int, tuple[str, ...]], dict[str, int]] = {}
    for account, vendor_id, number, state, code in rows:
        told = recipient_of(names, account, vendor_id, number)
        if told is None:
            result.parked += 1
            continue
        name, member = told
        decides = True
        if name.of_message:
            assert name.at is not None
            of = part_states.setdefault((id(name.chunk), name.at, name.of_message), {})
            if vendor_id in of:
                result.repeats += 1
                continue
            decided = 2 in of.values() or len(of) == len(name.of_message)
            of[vendor_id] = state
            decides = not decided and (state == 2 or len(of) == len(name.of_message))
        if not decides:
            result.applied += 1
        elif (name.chunk.batch, member) in final:
            result.repeats += 1
        else:
            final.add((name.chunk.batch, member))
            result.applied += 1
            result.state[name.chunk.batch][member] = ("delivered" if state == 1 else "failed", code)


def recipient_of(names: list[Name], account: str, vendor_id: str, number: int) -> tuple[Name, int] | None:
    """Whom a report means: the first chunk that was told this id and has this number."""
    for name in names:
        if (name.account, name.vendor_id) != (account, vendor_id):
            continue
        if name.at is not None:
            member = name.chunk.numbers[name.at]
            if number in (0, member):
                return name, member
        elif number in [name.chunk.numbers[index] for index in name.told]:
            return name, number
        elif number == 0 and len(name.chunk.numbers) == 1:
            return name, name.chunk.numbers[0]
    return None


def rows_of(record: Reports) -> list[tuple[str, int, int, str, int]]:
    """The rows of a record."""
    found = []
    for row in range(len(record.states)):
        (id_no,) = struct.unpack_from("<I", record.id_index, 4 * row)
        (number,) = struct.unpack_from("<q", record.numbers, 8 * row)
        (code_no,) = struct.unpack_from("<H", record.code_index, 2 * row)
        (time_s,) = struct.unpack_from("<I", record.times, 4 * row)
        found.append((record.ids[id_no], number, record.states[row], record.codes[code_no], time_s))
    return found
