"""`dispatcher stream open | send | close | list`, and what `campaign show` says of a stream."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dispatcher.cli import main
from tests.cli.campaigns import configured

OPEN = ["stream", "open", "--id", "codes", "--route", "spring", "--text", "【Test】code {code}", "--class", "code"]


def run(*words: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(words))
    assert result.exit_code == exit_code, (result.stdout, result.stderr)
    return result


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    configured(tmp_path, monkeypatch)
    return tmp_path


def test_a_stream_is_opened_fed_shown_and_closed(place: Path) -> None:
    assert "is open" in run(*OPEN).stdout
    assert "was open already" in run(*OPEN).stdout
    sent = run("stream", "send", "codes", "13800138000", "--key", "a", "--value", "code=4711")
    assert sent.stdout == "stream codes: 1 message on the log, each key is sent once.\n"
    lines = [{"number": "13800138001", "key": key, "values": {"code": "1"}} for key in ("b", "b", "c")]
    (place / "some.ndjson").write_text("\n".join(json.dumps(line) for line in lines))
    answers = run("stream", "send", "codes", "--file", "some.ndjson", "--json").stdout.splitlines()
    assert [json.loads(answer)["result"] for answer in answers] == ["taken", "already there", "taken"]
    listed = run("stream", "list").stdout
    assert "codes" in listed
    assert "running" in listed
    shown = run("campaign", "show", "codes").stdout
    assert "3 rows = 3 queued" in shown
    assert "takes messages" in shown
    assert "spring (batch-a): 3 messages" in " ".join(shown.split())
    assert "planned" not in shown
    [names, figures] = [line.split() for line in shown.splitlines() if line.startswith(("day ", "20"))]
    assert names[-4:] == ["suppressed", "repeated", "expired", "(failed)"]
    assert int(figures[1]) == sum(map(int, figures[2:-1]))
    view = json.loads(run("campaign", "show", "codes", "--json").stdout)
    assert [day["counts"]["queued"] for day in view["stream"]["days"]] == [3]
    run("campaign", "pause", "codes")
    again = run("stream", "send", "codes", "13800138000", "--key", "a", "--value", "code=4711")
    assert "it is paused: nothing is sent until you resume it" in again.stderr
    assert "takes no more messages" in run("stream", "close", "codes").stdout
    assert "was closed already" in run("stream", "close", "codes").stdout
    after = run("stream", "send", "codes", "13800138000", "--key", "z", "--value", "code=1", exit_code=2)
    assert "closed" in after.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["stream", "send", "codes"], "give a NUMBER"),
        (["stream", "send", "codes", "13800138000"], "needs a --key"),
        (["stream", "send", "none", "13800138000", "--key", "k", "--text", "x"], 'there is no stream "none"'),
        (["stream", "send", "codes", "1", "--key", "k", "--value", "code=1"], "no mobile number"),
        (["stream", "send", "codes", "13800138000", "--key", "k"], "no value for {code}"),
        (["stream", "send", "codes", "13800138000", "--key", "k", "--text", "hi"], "values instead of a text"),
        (["stream", "send", "codes", "13800138000", "--key", "k", "--value", "code"], "must be NAME=TEXT"),
        (["stream", "send", "codes", "--file", "bad.ndjson"], "line 1 of bad.ndjson is no message"),
        (["stream", "open", "--route", "spring", "--expires-after", "soon"], "is no time"),
        (["stream", "open", "--id", "codes", "--route", "spring"], "another --id"),
        (["stream", "open", "--route", "spring", "--budget", "5"], 'account "spring" has no price'),
        (["stream", "close", "none"], 'there is no stream "none"'),
    ],
)
def test_a_mistake_is_one_sentence(place: Path, arguments: list[str], says: str) -> None:
    run(*OPEN)
    (place / "bad.ndjson").write_text('{"number": 5}\n')
    refused = run(*arguments, exit_code=2)
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_lines_before_one_that_is_no_message_are_on_the_log(place: Path) -> None:
    run(*OPEN)
    good = {"number": "13800138001", "key": "b", "values": {"code": "1"}}
    misspelt = {**good, "key": "c", "expire_after_s": 60}
    (place / "some.ndjson").write_text("\n".join(json.dumps(line) for line in (good, misspelt)))
    refused = run("stream", "send", "codes", "--file", "some.ndjson", exit_code=2)
    assert "line 2 of some.ndjson is no message" in refused.stderr
    assert "expire_after_s" in refused.stderr
    assert "1 rows = 1 queued" in run("campaign", "show", "codes").stdout
