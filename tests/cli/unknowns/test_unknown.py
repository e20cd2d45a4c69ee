"""`dispatcher unknown list | resolve`: what it says, asks, refuses and writes."""

from __future__ import annotations

import getpass
import json
import os
import pty
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from consumers.unknowns.screen import CHUNKS_SHOWN
from dispatcher.cli import main
from schemas.records import Cancelled, Decided, Flowed, Resolved
from tests.cli.unknowns.unknown_log import ACCOUNT, LANE, NUMBER, Desk

DISPATCHER = str(Path(sys.executable).with_name("dispatcher"))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPATCHER_CONFIG", raising=False)
    return Desk(tmp_path)


def listed(desk: Desk, *arguments: str) -> Any:
    result = desk.run("unknown", "list", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# --- list ------------------------------------------------------------------------------------------------------------


def test_nothing_unknown_is_said_so(desk: Desk):
    desk.campaign("may", 10)
    result = desk.run("unknown", "list")
    assert (result.exit_code, result.output) == (0, "nothing is unknown.\n")
    assert listed(desk) == {"recipients": 0, "requests": 0, "records_behind": 0, "chunks": []}


def test_it_tells_how_many_since_when_why_and_what_to_do(desk: Desk):
    job = desk.campaign("may", 30)
    first = desk.unknown(job, 0, 10, text="no answer within 3 s")
    second = desk.unknown(job, 10, 5, code="http 502", text="Bad Gateway for 13800138000")
    third = desk.unknown(job, 15, 5, code="")
    desk.history.owned(ACCOUNT, "next")  # the third was under way
    out = desk.run("unknown", "list").output
    for words in (
        "20 recipients in 3 requests are unknown",
        first, second, third, "may", ACCOUNT, "2023-11-",
        "no answer came (no answer within 3 s)",
        "the answer http 502: a web server's status instead of the vendor's answer (Bad Gateway for 138****8000)",
        "the dispatcher stopped while it was under way",
        "no report so far",
        "Not sent again until reports prove it or you decide (policy hold): may.",
        "dispatcher unknown resolve may --as sent ",
        "dispatcher unknown resolve may --as not-sent ",
        "dispatcher unknown resolve may --as resend ",
    ):  # fmt: skip
        assert words in out, words


def test_json_has_every_request_with_its_place_and_no_phone_number(desk: Desk):
    job = desk.campaign("may", 30)
    name = desk.unknown(job, 5, 10, code="http 502", text="Bad Gateway for 13800138000")
    desk.reports("77", NUMBER + 5, NUMBER + 6)
    found = listed(desk)
    assert (found["recipients"], found["requests"], found["records_behind"]) == (10, 1, 0)
    [chunk] = found["chunks"]
    assert {key: chunk[key] for key in ("chunk", "campaign", "policy", "account", "start", "count", "code")} == {
        "chunk": name, "campaign": "may", "policy": "hold", "account": ACCOUNT, "start": 5, "count": 10,
        "code": "http 502",
    }  # fmt: skip
    assert chunk["proven"] is True
    assert chunk["evidence"] == [{"vendor_id": "77", "reports": 2, "numbers": 2, "proves": True, "others": []}]
    assert "13800138000" not in json.dumps(found)


def test_evidence_is_told_with_whoever_it_can_be_of_as_well(desk: Desk):
    may, june = desk.campaign("may", 10), desk.campaign("june", 10)
    first = desk.unknown(may, 0, 10)
    intent = desk.history.intent(ACCOUNT, "me", june, 0, 10)
    desk.history.outcome(ACCOUNT, intent, "accepted")  # without an id
    desk.reports("77", NUMBER)
    other = f"{LANE}:{intent}"
    out = desk.run("unknown", "list").output
    assert f"reports for 1 number of it under id 77, which can be {other} (june, accepted without an id) as well" in out
    [chunk] = listed(desk)["chunks"]
    assert (chunk["chunk"], chunk["proven"]) == (first, False)
    assert chunk["evidence"][0]["others"] == [{"chunk": other, "campaign": "june", "state": "accepted"}]


def test_the_list_says_that_proven_requests_are_resolved_automatically(desk: Desk):
    desk.unknown(desk.campaign("may", 10), 0, 10)
    desk.reports("77", NUMBER, NUMBER + 1)
    out = desk.run("unknown", "list").output
    assert "taken: reports for 2 numbers of it under id 77" in out
    assert "are resolved within seconds" in out


def in_part(desk: Desk) -> str:
    """A request of 500 of which 16 recipients are unknown; reports prove that two of them were texted."""
    intent = desk.history.intent(ACCOUNT, "me", desk.campaign("may", 500), 0, 500)
    ids = [*range(1, 485), *[0] * 16]
    desk.history.outcomes(ACCOUNT, intent, (0, 484, "accepted"), (484, 16, "unknown", "no answer"), ids=ids)
    desk.reports("901", NUMBER + 490)
    desk.reports("902", NUMBER + 499)
    return f"{LANE}:{intent}"


def test_of_a_request_with_results_for_some_recipients_only_the_others_are_unknown(desk: Desk):
    name = in_part(desk)
    out = desk.run("unknown", "list").output
    for words in (
        "16 recipients in 1 request are unknown", f"{name} may", "16 of 500 recipients",
        "taken: reports for 2 numbers of it, under ids that no answer gave",
        "Requests and recipients that reports prove to be taken are resolved within seconds",
    ):  # fmt: skip
        assert words in " ".join(out.split()), words
    [chunk] = listed(desk)["chunks"]
    assert {key: chunk[key] for key in ("chunk", "count", "recipients", "ranges", "texted", "proven")} == {
        "chunk": name, "count": 500, "recipients": 16, "ranges": [[484, 16]], "texted": 2, "proven": False,
    }  # fmt: skip
    shown = json.loads(desk.run("campaign", "show", "may", "--json").stdout)
    assert (shown["counts"]["unknown"], shown["counts"]["no_report"]) == (16, 484)
    result = desk.run("unknown", "resolve", "may", "--as", "resend", "--yes")
    assert f"ATTENTION: reports prove that 2 recipients of {name} got the text" in result.stderr


def test_a_decision_about_a_request_is_about_its_unknown_recipients_alone(desk: Desk):
    name = in_part(desk)
    assert listed(desk)["recipients"] == 16
    with desk.lanes_running():
        desk.run("unknown", "resolve", "may", "--as", "sent", "--yes")
    [resolved] = desk.journal(Resolved)
    assert resolved.ranges == ((484, 16),)
    [listed_one] = json.loads(desk.run("unknown", "list", "--resolved", "--json").stdout)["resolutions"]
    assert (listed_one["chunk"], listed_one["recipients"]) == (name, 16)
    shown = json.loads(desk.run("campaign", "show", "may", "--json").stdout)
    assert (shown["counts"]["unknown"], shown["counts"]["no_report"]) == (0, 500)


def test_two_ids_for_one_request_prove_nothing_and_are_told(desk: Desk):
    desk.unknown(desk.campaign("may", 10), 0, 10)
    desk.reports("77", NUMBER)
    desk.reports("78", NUMBER + 1)
    out = desk.run("unknown", "list").output
    assert "another id claims it too" in out
    assert "1 more id like it" in out


def test_policy_resend_needs_no_decision(desk: Desk):
    desk.unknown(desk.campaign("may", 10, unknown="resend"), 0, 10)
    out = desk.run("unknown", "list").output
    assert "Sent again by themselves (policy resend), when no earlier request for them can still go out: may." in out
    assert "unknown resolve" not in out


def test_one_campaign_can_be_asked_for(desk: Desk):
    desk.unknown(desk.campaign("may", 10), 0, 10)
    desk.unknown(desk.campaign("june", 5, first_number=NUMBER + 100), 0, 5)
    assert listed(desk)["recipients"] == 15
    assert listed(desk, "--campaign", "june")["recipients"] == 5
    assert "nothing of july is unknown" not in desk.run("unknown", "list").output
    wrong = desk.run("unknown", "list", "--campaign", "july")
    assert wrong.exit_code == 2
    assert 'there is no campaign "july" on this log. There are: june, may (dispatcher campaign list).' in wrong.stderr


def test_a_long_list_is_cut_on_the_screen_but_not_in_json(desk: Desk):
    job = desk.campaign("may", CHUNKS_SHOWN + 7)
    for number in range(CHUNKS_SHOWN + 7):
        desk.unknown(job, number, 1)
    assert "and 7 more with 7 recipients" in desk.run("unknown", "list").output
    assert len(listed(desk)["chunks"]) == CHUNKS_SHOWN + 7


def test_of_a_cancelled_campaign_nothing_is_sent_again(desk: Desk):
    desk.unknown(desk.campaign("may", 10), 0, 10)
    desk.history.append("campaigns", 0, Cancelled(campaign="may", at_ms=1, by="me"), key=b"may!cancelled")
    out = desk.run("unknown", "list").output
    assert "10 recipients in 1 request are unknown" in out
    assert "Not sent again, as they are cancelled: may." in out


def test_without_a_log_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dispatcher.toml").write_text('[log]\nurl = "sqlite:none/log.db"\n')
    result = CliRunner().invoke(main, ["unknown", "list"])
    assert result.exit_code == 2
    assert "Traceback" not in result.output


# --- resolve ---------------------------------------------------------------------------------------------------------


def test_without_a_terminal_and_yes_it_refuses_and_decides_nothing(desk: Desk):
    desk.unknown(desk.campaign("may", 10), 0, 10)
    result = desk.run("unknown", "resolve", "may", "--as", "resend")
    assert result.exit_code == 2
    assert "add --yes" in result.stderr
    assert desk.inbox(Decided) == []


def test_a_decision_names_every_intent_who_and_why_and_waits_for_the_lane(desk: Desk):
    job = desk.campaign("may", 30)
    names = [desk.unknown(job, 0, 10), desk.unknown(job, 10, 10)]
    result = desk.run("unknown", "resolve", "may", "--as", "resend", "--why", "asked them", "--yes")
    assert result.exit_code == 0, result.output
    assert "20 recipients in 2 requests of may are sent again" in result.stderr
    assert "get the text twice" in result.stderr
    assert result.stdout == "recorded for 2 requests; it takes effect when the lane of spring runs (dispatcher run).\n"
    [decided] = desk.inbox(Decided)
    assert decided.by == f"{getpass.getuser()}@{socket.gethostname()}"
    assert [f"{LANE}:{intent}" for intent in decided.intents] == names
    assert (decided.account, decided.campaign, decided.verdict, decided.why, decided.vendor_id) == (
        ACCOUNT, "may", "resend", "asked them", "",
    )  # fmt: skip


def test_only_the_named_requests_are_decided(desk: Desk):
    job = desk.campaign("may", 30)
    _, second = desk.unknown(job, 0, 10), desk.unknown(job, 10, 10)
    result = desk.run("unknown", "resolve", "may", "--chunk", second, "--as", "sent", "--yes", "--json")
    assert json.loads(result.stdout) == {
        "campaign": "may", "as": "sent", "why": "", "by": f"{getpass.getuser()}@{socket.gethostname()}",
        "recipients": 10, "in_effect": False,
        "chunks": [{"chunk": second, "account": ACCOUNT, "recipients": 10, "in_effect": False}],
    }  # fmt: skip
    [decided] = desk.inbox(Decided)
    assert [f"{LANE}:{intent}" for intent in decided.intents] == [second]


def test_requests_of_several_campaigns_are_never_decided_together(desk: Desk):
    desk.unknown(desk.campaign("may", 10), 0, 10)
    desk.unknown(desk.campaign("june", 10, first_number=NUMBER + 100), 0, 10)
    assert desk.run("unknown", "resolve", "may", "--as", "sent", "--yes").exit_code == 0
    assert [decided.campaign for decided in desk.inbox(Decided)] == ["may"]


MISTAKES = [
    (["may", "--chunk", "3-7", "--as", "sent"], '"3-7" is no LANE:INTENT'),
    (["may", "--chunk", "0:9999", "--as", "sent"], 'chunk 0:9999 of "may" is not unknown (unknown there: '),
    (["july", "--as", "sent"], 'there is no campaign "july"'),
    (["may", "--as", "lost"], "'lost' is not one of"),
    (["may"], "Missing option '--as'"),
    (["may", "--as", "sent", "--vendor-id", "77"], "give --as sent and one --chunk"),
    (["may", "--as", "resend", "--chunk", "0:1", "--vendor-id", "77"], "give --as sent and one --chunk"),
]


@pytest.mark.parametrize(("arguments", "says"), MISTAKES, ids=[" ".join(row[0]) for row in MISTAKES])
def test_a_mistake_is_one_sentence_with_exit_code_2_and_decides_nothing(desk: Desk, arguments: list[str], says: str):
    desk.unknown(desk.campaign("may", 10), 0, 10)
    result = desk.run("unknown", "resolve", *arguments, "--yes")
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert desk.inbox(Decided) == []


def test_nothing_to_resolve_is_no_failure(desk: Desk):
    desk.campaign("may", 10)
    result = desk.run("unknown", "resolve", "may", "--as", "sent", "--yes")
    assert (result.exit_code, result.stdout) == (0, "nothing of may is unknown.\n")
    assert desk.inbox(Decided) == []


def test_a_person_may_tell_the_id_and_a_proven_one_is_known(desk: Desk):
    job = desk.campaign("may", 30)
    first, _ = desk.unknown(job, 0, 10), desk.unknown(job, 10, 10)
    desk.reports("78", NUMBER + 10)
    desk.run("unknown", "resolve", "may", "--chunk", first, "--as", "sent", "--vendor-id", "77", "--yes")
    desk.run("unknown", "resolve", "may", "--as", "sent", "--yes")
    assert [(decided.intents, decided.vendor_id) for decided in desk.inbox(Decided)] == [
        ((1,), "77"),
        ((1,), ""),
        ((3,), "78"),
    ]


def test_before_it_sends_again_it_warns_of_what_reports_say(desk: Desk):
    may, june = desk.campaign("may", 20), desk.campaign("june", 10)
    maybe, surely = desk.unknown(may, 0, 10), desk.unknown(may, 10, 10)
    desk.unknown(june, 0, 10)
    desk.reports("77", NUMBER)  # of may or of june
    desk.reports("78", NUMBER + 10)
    said = desk.run("unknown", "resolve", "may", "--as", "resend", "--yes").stderr
    assert f"reports prove that the vendor took {surely}: up to 10 recipients get the text twice" in said
    assert f"there are reports that may be of {maybe}" in said
    assert "ATTENTION" not in desk.run("unknown", "resolve", "may", "--as", "sent", "--yes").stderr


CONTROLS = [
    (Cancelled(campaign="may", at_ms=1, by="me"), "count as cancelled: the campaign is cancelled, nothing is sent"),
    (Flowed(campaign="may", paused=True, at_ms=1, by="me"), "once the campaign is resumed"),
]


@pytest.mark.parametrize(("record", "says"), CONTROLS, ids=["cancelled", "paused"])
def test_it_says_what_sending_again_means_for_a_campaign_that_is(desk: Desk, record: Any, says: str):
    desk.unknown(desk.campaign("may", 10), 0, 10)
    desk.history.append("campaigns", 0, record, key=b"may!x")
    assert says in desk.run("unknown", "resolve", "may", "--as", "not-sent", "--yes").stderr


# --- with a lane at work ---------------------------------------------------------------------------------------------


def test_with_a_lane_at_work_sent_is_in_effect_when_the_command_ends(desk: Desk):
    desk.unknown(desk.campaign("may", 10), 0, 10)
    assert listed(desk)["recipients"] == 10
    with desk.lanes_running():
        result = desk.run("unknown", "resolve", "may", "--as", "sent", "--why", "their portal", "--yes")
    assert result.stdout == "10 recipients in 1 request are resolved as sent.\n"
    assert listed(desk)["recipients"] == 0
    [resolved] = desk.journal(Resolved)
    assert (resolved.verdict, resolved.why) == ("sent", "their portal")


def test_past_resolutions_are_listed_with_who_when_and_why(desk: Desk):
    job = desk.campaign("may", 30)
    names = [desk.unknown(job, 0, 10), desk.unknown(job, 10, 10)]
    desk.unknown(desk.campaign("june", 5, first_number=NUMBER + 100, unknown="resend"), 0, 5)
    assert "nothing that was unknown was resolved" in desk.run("unknown", "list", "--resolved").output
    desk.run("unknown", "resolve", "may", "--chunk", names[0], "--as", "sent", "--why", "their portal", "--yes")
    with desk.lanes_running():
        desk.run("unknown", "resolve", "may", "--chunk", names[1], "--as", "resend", "--why", "nobody knows", "--yes")
    me = f"{getpass.getuser()}@{socket.gethostname()}"
    found = json.loads(desk.run("unknown", "list", "--resolved", "--campaign", "may", "--json").stdout)["resolutions"]
    keys = ("campaign", "chunk", "account", "recipients", "as", "by", "why")
    assert [tuple(each[key] for key in keys) for each in found] == [
        ("may", names[0], ACCOUNT, 10, "sent", me, "their portal"),
        ("may", names[1], ACCOUNT, 10, "resend", me, "nobody knows"),
    ]
    out = desk.run("unknown", "list", "--resolved").output
    for words in ("their portal", me, "june", "policy", "unknown = resend"):
        assert words in out, words


# --- on a terminal ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "decided"), [(b"n\n", 0), (b"y\n", 1)])
def test_on_a_terminal_it_shows_and_asks(desk: Desk, answer: bytes, decided: int):
    desk.unknown(desk.campaign("may", 10), 0, 10)
    desk.run("unknown", "list")
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [DISPATCHER, "unknown", "resolve", "may", "--as", "resend"],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=desk.folder,
        )
        os.write(ours, answer)
        out, said = process.communicate()
    finally:
        os.close(ours)
        os.close(theirs)
    assert process.returncode == 0, said
    assert b"Resolve it as resend?" in said
    assert (b"nothing was decided" in said) == (not decided)
    assert len(desk.inbox(Decided)) == decided
    assert bool(out) == bool(decided)
