"""What a killed process leaves in its write marks, and what the next one makes of it."""

from __future__ import annotations

import errno
import os
import signal
from array import array
from pathlib import Path

import pytest

from consumers.lanes import write_marks
from consumers.lanes.left_marks import dead_owners, facts, marks_folder
from consumers.lanes.send_gate import SendGate
from consumers.lanes.write_marks import PAGE, WriteMarks, boot_id, read
from dispatcher.config.file import parse
from dispatcher.core.lane.answers.verdict import AnswerRun, Kind, RunsAnswer, Verdict
from dispatcher.core.lane.effects import Send
from dispatcher.core.lane.state import Chunk, ChunkState, LaneState
from dispatcher.core.ownership import Ownership
from dispatcher.drivers.link.progress import Progress
from dispatcher.vendors.cmpp.vendor import Cmpp
from dispatcher.vendors.seam.vendor import Secret

VENDOR = Cmpp(url="cmpp://127.0.0.1", sp_id="901234", secret=Secret("sim-secret"))
VENDORS = {"polar": VENDOR}


def killed(folder: Path, work) -> None:
    """`work` with the marks of owner `first`, in a process that is killed behind it."""
    child = os.fork()
    if not child:
        try:
            work(WriteMarks(folder, 3, "first"))
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def progress(marks: WriteMarks, intent: int, count: int, parts: int = 1) -> Progress:
    columns = marks.slot(intent, "polar", count, parts)
    assert columns is not None
    return Progress(count, parts, VENDOR.answer, columns)


def state(*chunks: Chunk, owner: str = "first") -> LaneState:
    made = LaneState()
    made.ownership = Ownership(owner)
    made.open = {chunk.intent: chunk for chunk in chunks}
    return made


def chunk(intent: int, count: int, how: ChunkState = ChunkState.IN_FLIGHT) -> Chunk:
    return Chunk(intent, "polar", "may", 0, 0, 0, count, 0, 0, how)


def proved(folder: Path, made: LaneState, authors: dict[int, str] | None = None):
    """What the file of the one dead owner says of these chunks, by intent."""
    [dead] = dead_owners(folder, 3)
    assert dead.marks is not None
    found = facts(dead.marks, made, authors or dict.fromkeys(made.open, "first"), VENDORS)
    return {fact.intent: fact for fact in found}


def words(fact):
    return [(run.start, run.count, run.effect.value, run.kind.value) for run in fact.runs]


def test_what_a_killed_process_knew_of_each_message_is_a_fact(tmp_path):
    def work(marks: WriteMarks) -> None:
        whole = progress(marks, 7, 100)
        whole.wrote(40)
        whole.answered(range(24), range(1 << 63, (1 << 63) + 24), [0] * 20 + [8] * 2 + [6] * 2, 1)

    killed(tmp_path, work)
    found = proved(tmp_path, state(chunk(7, 100), chunk(8, 50)))
    assert words(found[7]) == [
        (0, 20, "accepted", "accepted"),
        (20, 2, "queued", "throttled"),
        (22, 2, "failed", "content"),
        (24, 16, "unknown", "unknown"),
        (40, 60, "queued", "not-sent"),
    ]
    assert array("Q", found[7].ids).tolist()[:2] == [1 << 63, (1 << 63) + 1]
    assert words(found[8]) == [(0, 50, "queued", "not-sent")], "an intent without a slot never left"
    assert (found[7].sent_ms > 0, found[8].sent_ms) == (True, 0)


def test_who_was_left_out_has_no_message_and_no_fact(tmp_path):
    def work(marks: WriteMarks) -> None:
        whole = progress(marks, 7, 7)
        whole.wrote(4)
        whole.answered(range(3), [11, 12, 13], [0, 8, 0], 1)

    killed(tmp_path, work)
    made = chunk(7, 10)
    made.left_out = ((0, 1), (2, 2))
    found = proved(tmp_path, state(made))
    assert words(found[7]) == [
        (1, 1, "accepted", "accepted"),
        (4, 1, "queued", "throttled"),
        (5, 1, "accepted", "accepted"),
        (6, 1, "unknown", "unknown"),
        (7, 3, "queued", "not-sent"),
    ]
    assert len(array("Q", found[7].ids)) == 7


def test_a_late_answer_is_about_the_recipient_s_position_in_the_chunk():
    facts_: list = []
    send = Send(7, "polar", "may", memoryview(b""), 3, places=((1, 2), (5, 1)))
    gate = SendGate(None, send, {}, lambda: None, facts_.extend)  # type: ignore[arg-type]
    taken = Verdict(kind=Kind.ACCEPTED, code="0")
    gate.late(1, RunsAnswer((AnswerRun(2, taken),), ids=bytes(range(16))))
    [fact] = facts_
    assert words(fact) == [(2, 1, "accepted", "accepted"), (5, 1, "accepted", "accepted")]
    assert fact.ids == bytes(range(16))


def test_parts_are_facts_about_their_recipients(tmp_path):
    def work(marks: WriteMarks) -> None:
        long = progress(marks, 7, 3, 2)
        long.wrote(3)
        long.answered([0, 1], [11, 12], [0, 0], 1)

    killed(tmp_path, work)
    [fact] = proved(tmp_path, state(chunk(7, 3))).values()
    assert words(fact) == [(0, 1, "accepted", "accepted"), (1, 1, "unknown", "unknown"), (2, 1, "queued", "not-sent")]
    assert (fact.parts, array("Q", fact.ids).tolist()) == (2, [11, 12, 0, 0, 0, 0])


def test_a_request_that_may_have_left_stays_open_and_one_that_did_not_is_queued(tmp_path):
    killed(tmp_path, lambda marks: marks.slot(7, "polar", 500, 0))
    assert list(proved(tmp_path, state(chunk(7, 500), chunk(8, 500)))) == [8]


def test_intents_of_others_and_of_another_log_are_left_alone(tmp_path):
    killed(tmp_path, lambda marks: progress(marks, 7, 10).wrote(10))
    assert proved(tmp_path, state(chunk(7, 10), chunk(8, 10)), {7: "other"}) == {}
    assert proved(tmp_path, state(chunk(7, 11))) == {}, "another chunk under the same offset"
    unknown = state(chunk(7, 10, ChunkState.UNKNOWN), chunk(8, 10, ChunkState.UNKNOWN), owner="second")
    assert list(proved(tmp_path, unknown)) == [7], "unknown by a later owner: slots alone prove something"


def test_slots_are_used_again_and_only_those_in_hand_are_left(tmp_path):
    def work(marks: WriteMarks) -> None:
        for intent in range(500):
            progress(marks, intent, 500, 3).wrote(1_500)
            if intent >= 4:
                marks.release(intent - 4)
        assert os.fstat(marks._file).st_size == write_marks.SEGMENT_BYTES

    killed(tmp_path, work)
    [dead] = dead_owners(tmp_path, 3)
    assert dead.marks is not None
    assert sorted(dead.marks.slots) == [496, 497, 498, 499]


def test_the_file_grows_up_to_its_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(write_marks, "FILE_BYTES_MAX", 2 * write_marks.SEGMENT_BYTES)
    marks = WriteMarks(tmp_path, 3, "first")
    slots = [marks.slot(intent, "polar", 50_000, 1) for intent in range(5)]
    assert [slot is not None for slot in slots] == [True] * 4 + [False]
    marks.close()
    assert not marks.path.exists()


@pytest.mark.parametrize(("account", "count"), [("polar", 10_000_000), ("x" * 300, 1)])
def test_without_room_for_a_slot_its_absence_proves_nothing(tmp_path, monkeypatch, account, count):
    monkeypatch.setattr(write_marks, "FILE_BYTES_MAX", write_marks.SEGMENT_BYTES)
    killed(tmp_path, lambda marks: marks.slot(7, account, count, 1))
    assert proved(tmp_path, state(chunk(7, count), chunk(8, 10))) == {}


def test_a_full_disk_leaves_no_file(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="no space"):
        WriteMarks(tmp_path, 3, "first")
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_a_living_process_is_not_touched(tmp_path):
    marks = WriteMarks(tmp_path, 3, "first")
    assert dead_owners(tmp_path, 3) == []
    marks.close(keep=True)
    assert [each.path for each in dead_owners(tmp_path, 3)] == [marks.path]
    assert dead_owners(tmp_path, 4) == []
    assert marks.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("boot", ["", "00000000-0000-0000-0000-000000000000"])
def test_a_file_from_before_the_last_start_of_the_machine_says_nothing(tmp_path, boot):
    killed(tmp_path, lambda marks: marks.slot(7, "polar", 1, 1))
    octets = next(tmp_path.iterdir()).read_bytes()
    assert read(octets, boot_id()) is not None
    assert read(octets, boot) is None


def test_a_damaged_header_or_slot_says_nothing_of_what_it_is_about(tmp_path):
    def work(marks: WriteMarks) -> None:
        marks.slot(7, "polar", 1, 1)
        marks.slot(8, "polar", 1, 1)

    killed(tmp_path, work)
    octets = bytearray(next(tmp_path.iterdir()).read_bytes())
    for at in range(84):
        torn = bytes(octets[:at]) + bytes((octets[at] ^ 1,)) + bytes(octets[at + 1 :])
        assert read(torn, boot_id()) is None
    for end in (0, 10, PAGE):
        found = read(bytes(octets[:end]), boot_id())
        assert found is None or not found.slots
    octets[PAGE + 12] ^= 1
    left = read(bytes(octets), boot_id())
    assert left is not None
    assert list(left.slots) == [8]


def test_the_marks_lie_beside_the_log_or_the_results():
    sqlite = parse({"log": {"url": "sqlite:/x/y/log.db"}}, "dispatcher.toml")
    kafka = parse({"log": {"url": "kafka://127.0.0.1:9"}, "store": {"url": "sqlite:/z/r.db"}}, "dispatcher.toml")
    assert marks_folder(sqlite) == Path("/x/y/write-marks")
    assert marks_folder(kafka) == Path("/z/write-marks")
