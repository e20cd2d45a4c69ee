"""Histories for the join: what could have been on a log, and what it means, computed the slow and obvious way.

`History` writes records as a lane, its rivals and a vendor would. `expected` is the naive model: a dict per recipient,
one report after the other, no columns, no batches of work; it knows nothing of dispatcher/store.
"""

from __future__ import annotations

import asyncio
import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
    Owned,
    Reports,
    Resolved,
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
    ) -> dict[str, list[int]]:
        """A launch that deals batches of these sizes to the accounts; the offsets of their jobs, by account."""
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
                Leg(account=account, vendor="batch-a", jobs=len(sizes), recipients=sum(sizes))
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
        )
        if committed:
            self.append("campaigns", 0, record, key=f"{campaign}#{attempt}".encode())
        return jobs

    def owned(self, account: str, owner: str, at_ms: int = LAUNCHED_MS + 1000) -> int:
        """A new owner of the account's partition."""
        return self.append("lanes", lane_partition(account), Owned(owner=owner, at_ms=at_ms, where="test"))

    def intent(
        self, account: str, owner: str, job: int, start: int, count: int, *, attempt: int = 0, at_ms: int = 0
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

    def resolved(self, account: str, owner: str, intent: int, verdict: Any, vendor_id: str = "") -> int:
        """The owner's word on an unknown intent."""
        record = Resolved(
            owner=owner,
            account=account,
            intent=intent,
            verdict=verdict,
            at_ms=LAUNCHED_MS + 4000,
            by="test",
            vendor_id=vendor_id,
        )
        return self.append("lanes", lane_partition(account), record)

    def reports(self, account: str, rows: Sequence[tuple[str, int, int, str, int]], at_ms: int = 0) -> int:
        """One record of reports."""
        record = reports_record(account, rows, at_ms or LAUNCHED_MS + 5000)
        return self.append("reports", lane_partition(account), record)


# --- the naive model -------------------------------------------------------------------------------------------------


class NaiveChunk:
    """An intent, as the model sees it."""

    def __init__(self, intent: Intent, batch: tuple[str, int], numbers: list[int]) -> None:
        self.batch = batch
        self.account = intent.account
        self.numbers = numbers
        self.first = intent.start
        self.state = "in flight"
        self.code = ""
        self.said = False


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


def chunks_of(history: History, partition: int, upto: int) -> tuple[dict[int, NaiveChunk], list[tuple[Any, ...]]]:
    """The valid intents of a journal prefix by offset, and who was told which id: (account, id, chunk, index)."""
    chunks: dict[int, NaiveChunk] = {}
    names: list[tuple[Any, ...]] = []
    owner = None
    for offset, record in enumerate(history.decoded.get(("lanes", partition), [])[:upto]):
        if isinstance(record, Owned):
            owner = record.owner
            for chunk in chunks.values():
                if chunk.state == "in flight":
                    chunk.state = "unknown"
        elif isinstance(record, Intent) and record.owner == owner:
            job = history.decoded["jobs", partition][record.job]
            assert isinstance(job, Job)
            numbers = batch_numbers(history, job)[record.start : record.start + record.count]
            chunks[offset] = NaiveChunk(record, (job.campaign, job.batch), numbers)
        elif isinstance(record, Resolved) and record.owner == owner:
            resolved = chunks.get(record.intent)
            if resolved is not None and resolved.state == "unknown":
                resolved.state = "accepted" if record.verdict == "sent" else "returned"
                if record.vendor_id:
                    names.append((resolved.account, record.vendor_id, resolved, None))
                named = enumerate(record.vendor_ids)
                names += [(resolved.account, vendor_id, resolved, index) for index, vendor_id in named if vendor_id]
        elif isinstance(record, Outcome) and record.intent in chunks:
            chunk = chunks[record.intent]
            if chunk.said:
                continue
            chunk.said = record.effect != "unknown"
            if chunk.state in ("in flight", "unknown"):
                chunk.code = record.code
                chunk.state = {"queued": "returned"}.get(record.effect, record.effect)
            if record.effect in ("accepted", "unknown"):
                if record.vendor_id:
                    names.append((chunk.account, record.vendor_id, chunk, None))
                named = enumerate(record.vendor_ids)
                names += [(chunk.account, vendor_id, chunk, index) for index, vendor_id in named if vendor_id]
    return chunks, names


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
            if chunk.state != "returned":
                word = "in_flight" if chunk.state == "in flight" else chunk.state
                for number in chunk.numbers:
                    result.state[chunk.batch][number] = (word, chunk.code)
        for _, _, chunk, index in names:
            if chunk.state == "unknown" and index is not None:
                result.state[chunk.batch][chunk.numbers[index]] = ("accepted", "")
        final: set[tuple[Any, ...]] = set()
        for record in history.decoded.get(("reports", partition), [])[: reports.get(partition, 0)]:
            assert isinstance(record, Reports)
            for vendor_id, number, state, code, _ in rows_of(record):
                if state == 0:
                    continue
                told = recipient_of(names, record.account, vendor_id, number)
                if told is None:
                    result.parked += 1
                elif told in final:
                    result.repeats += 1
                else:
                    final.add(told)
                    result.applied += 1
                    batch, member = told
                    result.state[batch][member] = ("delivered" if state == 1 else "failed", code)
    return result


def recipient_of(
    names: list[tuple[Any, ...]], account: str, vendor_id: str, number: int
) -> tuple[tuple[str, int], int] | None:
    """Whom a report means: the first chunk that was told this id and has this number."""
    for told_account, told_id, chunk, index in names:
        if (told_account, told_id) != (account, vendor_id):
            continue
        if index is not None:
            member = chunk.numbers[index]
            if number in (0, member):
                return chunk.batch, member
        elif number in chunk.numbers:
            return chunk.batch, number
        elif number == 0 and len(chunk.numbers) == 1:
            return chunk.batch, chunk.numbers[0]
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
