"""`dispatcher campaign list | show | watch | pause | resume | cancel`, on a log that nobody sends from."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from dispatcher.accounts.holders import lane_holders
from dispatcher.cli import main
from dispatcher.config.file import load
from dispatcher.core.results.equation import Counts
from dispatcher.core.schedule.holds import Hold
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry
from dispatcher.service.campaigns.orders.control import ControlResult, TakenBack
from dispatcher.store.opening import open_store
from dispatcher.wording import SHANGHAI
from producers.campaigns.control_commands import sentences
from schemas.codec import decode, encode
from schemas.records import Cancelled, Flowed, Intent, Kind, Outcome, Owned, Stopped
from schemas.topics import lane_partition
from tests.cli.campaigns import SECRET, TEXT, configured, launched
from tests.waiting import wait_until

COMMAND = (sys.executable, "-c", "from dispatcher.cli import main; main()")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    configured(tmp_path, monkeypatch)
    return tmp_path


def test_campaigns_are_listed_newest_first(folder: Path) -> None:
    launched(folder, "may")
    launched(folder, "june")
    lines = said("campaign", "list").splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [["june", "running"], ["may", "running"]]
    assert [each["campaign"] for each in printed("campaign", "list")["campaigns"]] == ["june", "may"]


def test_a_list_says_how_many_more_there_are_and_takes_times_in_the_zone_of_the_display(folder: Path) -> None:
    launched(folder, "may")
    launched(folder, "june")
    result = CliRunner().invoke(main, ["campaign", "list", "--limit", "1"])
    assert (result.exit_code, "and 1 older campaign: raise --limit" in result.stderr) == (0, True)
    assert "none of 2 campaigns is like that" in said("campaign", "list", "--status", "paused")
    now = datetime.now(SHANGHAI)
    for since, found in ((now - timedelta(minutes=5), 2), (now + timedelta(minutes=5), 0)):
        assert len(printed("campaign", "list", "--since", f"{since:%Y-%m-%d %H:%M:%S}")["campaigns"]) == found
    wrong = CliRunner().invoke(main, ["campaign", "list", "--since", "yesterday"])
    assert (wrong.exit_code, '--since "yesterday" is no time' in wrong.stderr) == (2, True)


def test_show_says_what_was_launched_where_everybody_is_and_that_it_adds_up(folder: Path) -> None:
    launched(folder, "may")
    page = " ".join(said("campaign", "show", "may").split())
    for words in (TEXT, "spring (batch-a): 3 recipients", "5 rows = 1 invalid + 1 duplicate + 3 queued ✓", "no number"):
        assert words in page
    shown = printed("campaign", "show", "may")
    assert shown["counts"]["queued"] == 3
    assert (shown["status"], shown["adds_up"], shown["records_behind"]) == ("running", True, 0)
    assert shown["route"] == [
        {"account": "spring", "vendor": "batch-a", "jobs": 1, "recipients": 3, "segments": 1, "split": [70, 67]}
    ]


def test_show_never_says_finished_while_somebody_is_unknown(folder: Path) -> None:
    launched(folder, "may")
    journal(folder, intent("may", 3), outcome(1, "unknown"))
    page = " ".join(said("campaign", "show", "may").split())
    assert "Not finished: 3 recipients are unknown" in page
    assert "finished 100" not in page
    assert printed("campaign", "show", "may")["status"] == "holding"
    assert printed("campaign", "list")["campaigns"][0]["counts"]["unknown"] == 3


def test_failures_are_shown_with_their_meaning_by_account(folder: Path) -> None:
    launched(folder, "may")
    journal(folder, intent("may", 3), outcome(1, "failed", code="105"))
    page = " ".join(said("campaign", "show", "may").split())
    assert "3 105 sensitive words in the text change the text spring, answer to the submit" in page
    [failure] = printed("campaign", "show", "may")["failures"]
    assert (failure["code"], failure["recipients"], failure["source"]) == ("105", 3, "submit")


def test_what_was_not_sent_in_time_is_no_answer_of_a_vendor(folder: Path) -> None:
    launched(folder, "may")
    journal(folder, intent("may", 3), outcome(1, "failed", code="expired"))
    page = " ".join(said("campaign", "show", "may").split())
    assert "3 expired its time was over before it was sent send it earlier, or give it more time dispatcher" in page


@pytest.mark.parametrize(("changed", "did"), [(True, "is not paused any longer"), (False, "was not paused")])
def test_resuming_a_campaign_that_stays_held_says_until_when_and_why(changed: bool, did: str) -> None:
    done = ControlResult(
        campaign="may",
        action="resume",
        changed=changed,
        held=Hold("hours", 1_764_547_200_000),  # 2025-12-01 08:00
    )
    assert list(sentences(done)) == [
        f'campaign "may" {did}; it is held until 2025-12-01 08:00 Asia/Shanghai: outside its sending hours'
    ]


def test_pausing_resuming_and_cancelling_write_one_record_each_under_keys_that_compaction_keeps(folder: Path) -> None:
    launched(folder, "may")
    assert "paused" in said("campaign", "pause", "may")
    assert printed("campaign", "show", "may")["status"] == "paused"
    assert "already" in said("campaign", "pause", "may")
    assert "continues" in said("campaign", "resume", "may")
    assert "not paused" in said("campaign", "resume", "may")
    assert "cancelled" in said("campaign", "cancel", "may", "--yes")
    assert printed("campaign", "show", "may")["counts"]["cancelled"] == 3
    assert "already" in said("campaign", "cancel", "may")
    written = [(key, type(record), getattr(record, "paused", None)) for key, record in on_campaigns(folder)[1:]]
    assert written == [(b"may!flow", Flowed, True), (b"may!flow", Flowed, False), (b"may!cancelled", Cancelled, None)]


def test_show_says_how_to_resume_only_while_something_is_left_to_send(folder: Path) -> None:
    launched(folder, "may")
    said("campaign", "pause", "may")
    assert "Paused. To resume" in said("campaign", "show", "may")
    journal(folder, intent("may", 3), outcome(1, "failed", code="105"))
    assert "Paused" not in said("campaign", "show", "may")


def test_who_asks_why_nothing_moves_is_told_what_keeps_the_account_from_sending(folder: Path) -> None:
    launched(folder, "may")
    stopped(folder, "auth", "102 wrong password; mended? dispatcher account check spring")
    why = 'account "spring" does not send since'
    for command in (("campaign", "list"), ("campaign", "show", "may"), ("account", "list")):
        heard = " ".join(said(*command).split())
        assert why in heard
        assert "102 wrong password; mended? dispatcher account check spring." in heard
    assert printed("campaign", "show", "may")["stopped"][0]["why"] == "auth"
    assert printed("campaign", "list")["stopped"][0]["account"] == "spring"
    assert printed("account", "list")["accounts"][0]["stopped"]["why"] == "auth"
    said("campaign", "pause", "may")
    assert why not in said("campaign", "show", "may"), "nothing of it would be sent anyway"
    said("campaign", "resume", "may")
    stopped(folder, "", "")
    assert why not in said("campaign", "show", "may") + said("account", "list")
    assert printed("account", "list")["accounts"][0]["stopped"] is None


def test_who_asks_why_nothing_moves_is_told_that_no_dispatcher_runs(folder: Path) -> None:
    launched(folder, "may")
    why = 'no process sends for account "spring": start `dispatcher run`'
    for command in (("campaign", "list"), ("campaign", "show", "may")):
        assert why in said(*command)
        assert printed(*command)["not_run"] == ["spring"]
    with subprocess.Popen([*COMMAND, "run", "--role", "lanes", "--json"], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        lane = lane_partition("spring")
        wait_until(lambda: lane in (lane_holders(load("dispatcher.toml")) or {}), "the lane is held")
        assert why not in said("campaign", "show", "may")
        running.send_signal(signal.SIGTERM)
    said("campaign", "pause", "may")
    assert why not in said("campaign", "show", "may"), "it is not to be sent"


def test_a_watch_tells_what_keeps_the_account_from_sending(folder: Path) -> None:
    launched(folder, "may")
    stopped(folder, "balance", "the balance covers no further message")
    with subprocess.Popen([*COMMAND, "campaign", "watch", "may"], stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        lines = iter(watching.stdout.readline, "")
        line = next(line for line in lines if "does not send" in line)
        watching.send_signal(signal.SIGINT)
    assert "the balance covers no further message. It sends again by itself once there is credit." in line


@pytest.mark.parametrize(
    ("effect", "where"), [("failed", "is finished"), ("accepted", "was sent whole, 3 reports still to come")]
)
def test_a_campaign_of_which_nothing_is_left_to_send_is_neither_paused_nor_cancelled(
    folder: Path, effect: str, where: str
) -> None:
    launched(folder, "may")
    journal(folder, intent("may", 3), outcome(1, effect, sent_ms=time.time_ns() // 1_000_000))
    said("campaign", "list")
    for action in ("pause", "cancel"):  # and nobody is asked
        assert f"{where}: there is nothing left to {action}" in said("campaign", action, "may")
        assert printed("campaign", action, "may")["changed"] is False
    assert len(on_campaigns(folder)) == 1
    assert "was not paused" in said("campaign", "resume", "may")


def test_a_campaign_is_paused_and_cancelled_although_its_end_is_unknown(folder: Path) -> None:
    launched(folder, "may")
    journal(folder, intent("may", 3), outcome(1, "unknown"))
    said("campaign", "list")
    assert "is paused" in said("campaign", "pause", "may")
    (folder / "data" / "results.db").write_bytes(b"no store")
    assert "continues" in said("campaign", "resume", "may")
    assert "is cancelled" in said("campaign", "cancel", "may", "--yes")


LINK = """\
[hours]
marketing = "00:00-24:00"
[account.spring]
vendor = "cmpp"
url = "cmpp://127.0.0.1:9"
sp_id = "901234"
secret = "${PSWD}"
"""


@pytest.mark.parametrize(("at", "asks"), [("20370101080000", True), ("20200101080000", False)])
def test_a_campaign_that_was_sent_whole_is_asked_about_while_it_may_wait_at_a_gateway(
    folder: Path, at: str, asks: bool
) -> None:
    (folder / "dispatcher.toml").write_text(LINK, "utf-8")
    launched(folder, "may", options={"at_time": at})
    journal(folder, intent("may", 3), outcome(1, "accepted", sent_ms=time.time_ns() // 1_000_000))
    said("campaign", "list")
    result = CliRunner().invoke(main, ["campaign", "cancel", "may"])
    assert (result.exit_code, "add --yes" in result.stderr) == ((2, True) if asks else (0, False))
    assert "there is nothing left to cancel" in said("campaign", "cancel", "may", "--yes"), "no message has an id"


CANCELLED = [
    pytest.param(
        Counts(rows=3, accepted=3), [TakenBack(account="polar", taken_back=3)],
        ['campaign "may" was sent whole. Messages that waited at a gateway for their time:',
         "polar: 3 scheduled messages taken back."], id="sent whole, all taken back",
    ),
    pytest.param(
        Counts(rows=3, accepted=3), [TakenBack(account="polar", not_taken_back=3, why="no connection")],
        ['campaign "may" was sent whole. Messages that waited at a gateway for their time:',
         "polar: 0 scheduled messages taken back; 3 messages could not be (no connection)."], id="none taken back",
    ),
    pytest.param(
        Counts(rows=3, accepted=3), [],
        ['campaign "may" was sent whole, 3 reports still to come: there is nothing left to cancel, and nothing was '
         "changed."], id="nothing scheduled",
    ),
    pytest.param(
        None, [TakenBack(account="polar", taken_back=1)],
        ['campaign "may" is cancelled: what was not sent stays unsent; reports of what was sent still come in.',
         "polar: 1 scheduled message taken back."], id="sent in part",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("left", "taken_back", "says"), CANCELLED)
def test_cancelling_says_one_thing_of_what_was_sent_and_what_is_taken_back(
    left: Counts | None, taken_back: list[TakenBack], says: list[str]
) -> None:
    done = ControlResult(
        campaign="may", action="cancel", changed=left is None, nothing_left=left, taken_back=tuple(taken_back)
    )
    assert list(sentences(done)) == says


def test_closing_a_campaign_ends_its_wait_for_reports(folder: Path) -> None:
    launched(folder, "may")
    refused = CliRunner().invoke(main, ["campaign", "close", "may"])
    assert (refused.exit_code, 'campaign "may" still has 3 recipients to send' in refused.stderr) == (2, True)
    sent_ms = time.time_ns() // 1_000_000
    journal(folder, intent("may", 3), outcome(1, "accepted", sent_ms=sent_ms))
    shown = printed("campaign", "show", "may")
    assert (shown["status"], shown["waits_until_ms"]) == ("waiting", sent_ms + 48 * 3_600_000)
    assert printed("campaign", "list")["campaigns"][0]["waits_until_ms"] == shown["waits_until_ms"]
    assert "waits for reports of 3 until" in " ".join(said("campaign", "show", "may").split())
    assert "3 recipients without a report are not waited for" in said("campaign", "close", "may")
    shown = printed("campaign", "show", "may")
    assert (shown["status"], shown["counts"]["no_report"], shown["waits_until_ms"]) == ("finished", 3, None)
    assert shown["closed_ms"] >= sent_ms
    assert "reports are not waited for" in said("campaign", "show", "may")
    assert printed("campaign", "watch", "may")["status"] == "finished"
    assert "waits for no reports" in said("campaign", "close", "may")


def test_controls_say_in_json_whether_they_changed_anything(folder: Path) -> None:
    launched(folder, "may")
    assert printed("campaign", "pause", "may") == {"campaign": "may", "action": "pause", "changed": True}
    assert printed("campaign", "pause", "may") == {"campaign": "may", "action": "pause", "changed": False}


def test_cancelling_asks_and_a_no_cancels_nothing(folder: Path) -> None:
    launched(folder, "may")
    for answer, status in (("n", "running"), ("y", "cancelled")):
        shown = on_a_terminal("campaign", "cancel", "may", typed=f"{answer}\n")
        assert "3 recipients" in shown
        assert printed("campaign", "show", "may")["status"] == status


def test_a_watch_without_a_terminal_prints_lines_until_the_campaign_is_over(folder: Path) -> None:
    launched(folder, "may")
    journal(folder, intent("may", 3), outcome(1, "failed", code="105"))
    assert said("campaign", "watch", "may").startswith(
        "may: finished (every recipient has its final word) · 100 % final · delivered 0, failed 3"
    )
    [line] = said("campaign", "watch", "may", "--json").splitlines()
    assert orjson.loads(line)["counts"]["failed"] == 3


def test_a_watch_on_a_terminal_draws_the_bar_and_the_equation(folder: Path) -> None:
    launched(folder, "may")
    journal(folder, intent("may", 3), outcome(1, "failed", code="105"))
    shown = on_a_terminal("campaign", "watch", "may")
    assert "failed 3" in shown
    assert "5 rows = 1 invalid + 1 duplicate + 3 failed ✓" in " ".join(shown.split())


def test_a_watch_on_a_dumb_terminal_prints_lines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launched(folder, "may")
    journal(folder, intent("may", 3), outcome(1, "failed", code="105"))
    monkeypatch.setenv("TERM", "dumb")
    assert on_a_terminal("campaign", "watch", "may").startswith(
        "may: finished (every recipient has its final word) · 100 % final · delivered 0, failed 3"
    )


def test_results_that_are_behind_the_log_say_so(folder: Path) -> None:
    launched(folder, "may")
    said("campaign", "list")
    with contextlib.closing(open_store(load("dispatcher.toml").store)):  # somebody holds the store and folds nothing
        launched(folder, "june")
        result = CliRunner().invoke(main, ["campaign", "list"])
        assert "june" not in result.stdout
        assert "behind the log" in result.stderr
        assert printed("campaign", "list")["records_behind"] > 0
    assert "june" in said("campaign", "list")


def test_no_command_prints_a_secret(folder: Path) -> None:
    launched(folder, "may")
    for arguments in (["account", "list"], ["account", "check"], ["account", "balance"], ["campaign", "show", "may"]):
        for as_json in ([], ["--json"]):
            assert SECRET not in CliRunner().invoke(main, [*arguments, *as_json]).output


# --- how it is done -------------------------------------------------------------------------------------------------


def said(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def printed(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(said(*arguments, "--json"))
    return found


def on_a_terminal(*arguments: str, typed: str = "") -> str:
    """What a person sees, typing that when asked."""
    ours, theirs = pty.openpty()
    seen = io.BytesIO()

    def read() -> None:
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 4096):
                seen.write(piece)

    with subprocess.Popen([*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        reader = threading.Thread(target=read)
        reader.start()
        os.write(ours, typed.encode())
        assert process.wait() == 0
        reader.join()
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.getvalue().decode())


def on_campaigns(folder: Path) -> list[tuple[bytes, Any]]:
    async def read() -> list[tuple[bytes, Any]]:
        async with opened() as log:
            return [(stored.key, decode(stored.value)) for stored in await log.read("campaigns", 0, 0)]

    return asyncio.run(read())


def journal(folder: Path, *records: Any) -> None:
    """Write these into the lane of spring, behind an owner of its own."""

    async def write() -> None:
        async with opened() as log:
            entries = [Entry(b"", encode(Owned(owner="somebody", at_ms=1, where="a test")))]
            entries += [Entry(b"spring", encode(record)) for record in records]
            await log.append("lanes", lane_partition("spring"), entries)

    asyncio.run(write())


def stopped(folder: Path, why: Any, says: str) -> None:
    """The lane of spring tells this."""

    async def write() -> None:
        async with opened() as log:
            record = Stopped(account="spring", at_ms=1, why=why, says=says)
            await log.append("campaigns", 0, [Entry(b"stopped!spring", encode(record))])

    asyncio.run(write())


def intent(campaign: str, count: int) -> Intent:
    return Intent(
        owner="somebody",
        n=1,
        account="spring",
        campaign=campaign,
        job=0,
        batch=0,
        start=0,
        count=count,
        attempt=0,
        at_ms=2,
    )


def outcome(of: int, effect: Any, code: str = "", sent_ms: int = 3) -> Outcome:
    return Outcome(account="spring", intent=of, effect=effect, kind=Kind.CONTENT, code=code, at_ms=3, sent_ms=sent_ms)


@contextlib.asynccontextmanager
async def opened() -> Any:
    log = await open_log(load("dispatcher.toml").log.url)
    try:
        yield log
    finally:
        await log.close()
