"""`dispatcher campaign launch`: what it prints, asks and refuses, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from dispatcher.cli import main
from dispatcher.log.opening import open_log
from producers.launch import commit
from tests.always import ALWAYS_TOML
from tests.producers.launch import launched as on_log

SPRING = ALWAYS_TOML + '[account.spring]\nvendor = "batch-a"\nurl = "{url}"\naccount = "demo"\npswd = "{pswd}"\n'
FLOW = 'flow = {{ limit = 500, per_s = 1, unit = "messages" }}\n'
LIST = "姓名,手机\n张伟,13800138000\n李娜,+86 139 0013 9000\n王芳,138 0013 8000\n赵磊,1.38E+10\n"
DISPATCHER = str(Path(sys.executable).with_name("dispatcher"))


class Vendor(http.server.BaseHTTPRequestHandler):
    """Answers every balance query with what `answer` says."""

    answer = b"20250501080000,0\n1234567,1000\n"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def vendor():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Vendor)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path, monkeypatch, vendor):
    """A working directory with a configuration and a list."""
    (tmp_path / "dispatcher.toml").write_text(
        '[log]\nurl = "sqlite:log.db"\n' + SPRING.format(url=vendor, pswd="secret")
    )
    (tmp_path / "may.csv").write_text(LIST)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPATCHER_CONFIG", raising=False)
    return tmp_path


def make_log(path):
    async def make():
        await (await open_log(f"sqlite:{path}")).close()

    asyncio.run(make())


def run(*args, file="may.csv", text="hi", **options):
    command = ["campaign", "launch", file, "--text", text, "--route", "spring", *args]
    return CliRunner().invoke(main, command, **options)


def launch_on_log(folder, campaign="may"):
    async def read():
        log = await open_log(f"sqlite:{folder / 'log.db'}")
        try:
            record = await on_log.find_launched(log, campaign)
            return record, await on_log.recipients(log, record) if record else None
        finally:
            await log.close()

    return asyncio.run(read())


def test_a_dry_run_prints_the_plan_and_launches_nothing(folder):
    make_log("log.db")
    result = run("--dry-run", "--id", "may")
    assert result.exit_code == 0, result.output
    for words in (
        "may.csv",
        '"手机" (column 2), utf-8',
        "2 recipients in 1 batch",
        "2 China Mobile",
        "1 scientific notation",
        "2 characters, 1 segment per message",
        "2 in total, 1 request",
        "balance 1,000, needs 2: enough",
    ):
        assert words in result.output, words
    assert "secret" not in result.output
    assert launch_on_log(folder)[0] is None


def test_a_balance_that_was_asked_just_now_is_recalled(folder, monkeypatch):
    make_log("log.db")
    assert "balance 1,000, needs 2: enough;" not in run("--dry-run").output
    monkeypatch.setattr(Vendor, "answer", b"20250501080000,0\n1234567,7\n")
    assert "balance 1,000, needs 2: enough; asked " in run("--dry-run").output


def test_a_log_that_is_away_leaves_the_balance_unasked(folder):
    (folder / "log.db").write_bytes(b"no database" * 100)
    result = run("--dry-run")
    assert result.exit_code == 0, result.output
    assert "balance unknown (not asked: " in result.output


def test_a_dry_run_as_json_is_one_object(folder):
    make_log("log.db")
    plan = json.loads(run("--dry-run", "--json", "--id", "may").stdout)
    assert (plan["campaign"], plan["rows"], plan["recipients"], plan["duplicate"]) == ("may", 4, 2, 1)
    assert plan["invalid_reasons"] == {"scientific notation": 1}
    assert plan["accounts"][0]["balance"] == 1000
    assert plan["carriers"] == {"mobile": 2}


def test_with_yes_it_launches_and_again_it_does_not(folder):
    first = run("--yes", "--id", "may", "--name", "May", "--weight", "3", "--urgent", "--unknown", "resend")
    assert first.exit_code == 0, first.output
    assert "launched may: 2 recipients in 1 batch." in first.output
    assert "next: dispatcher campaign watch may" in first.output
    again = run("--yes", "--id", "may", "--unknown", "resend")
    assert again.exit_code == 0
    assert "may was already launched" in again.output
    assert "balance" not in again.output, "nothing is planned that will not happen"
    record, sent = launch_on_log(folder)
    assert sent == {"spring": ["13800138000", "13900139000"]}
    assert (record.name, record.weight, record.urgent, record.unknown) == ("May", 3, True, "resend")


def test_json_prints_one_object_with_result_and_plan(folder):
    result = run("--yes", "--id", "may", "--json", "--option", "extno=12")
    printed = json.loads(result.stdout)
    assert (printed["campaign"], printed["already_launched"], printed["recipients"]) == ("may", False, 2)
    assert printed["plan"]["messages"] == 2
    assert json.loads(run("--yes", "--id", "may", "--json", "--option", "extno=12").stdout)["already_launched"]
    record, _ = launch_on_log(folder)
    assert record.options == {"extno": "12"}


def test_a_list_may_come_from_standard_input(folder):
    result = run("--yes", "--json", file="-", input=LIST.encode("gbk"))
    assert json.loads(result.stdout)["plan"]["source"] == "standard input"


def test_suppression_lists_and_a_column_are_taken(folder):
    (folder / "out.txt").write_text("13900139000\n")
    (folder / "out2.txt").write_text("13600136000\n")
    listed = ("--dry-run", "--json", "--suppress", "out.txt", "--suppress", "out2.txt")
    plan = json.loads(run(*listed, "--column", "2", text="【Shop】hi").stdout)
    assert (plan["recipients"], plan["suppressed"]) == (1, 1)
    assert len(plan["notes"]) == 2


def test_a_launch_that_the_balance_does_not_cover_is_refused_unless_it_is_meant(folder, monkeypatch):
    monkeypatch.setattr(Vendor, "answer", b"20250501080000,0\n1234567,1\n")
    refused = run("--yes", "--id", "may")
    assert refused.exit_code == 2
    assert "balance 1, needs 2: SHORT BY 1" in refused.output
    assert '"spring" is short by 1 message' in refused.output
    assert launch_on_log(folder)[0] is None
    result = run("--yes", "--even-if-short", "--id", "may")
    assert result.exit_code == 0
    assert '"spring" is short by 1 message' in result.stderr
    assert launch_on_log(folder)[0] is not None
    assert run("--yes", "--id", "may").exit_code == 0, "it is launched already"


def test_a_launch_by_an_account_whose_login_is_refused_is_refused_unless_it_is_meant(folder, monkeypatch):
    monkeypatch.setattr(Vendor, "answer", b"20250501080000,102\n")
    refused = run("--yes", "--id", "may")
    assert refused.exit_code == 2
    assert 'The vendor refuses the login of "spring" (102: wrong password' in refused.stderr
    assert "Nothing was launched: mend that, or add --even-if-short." in refused.stderr
    assert launch_on_log(folder)[0] is None
    assert run("--yes", "--even-if-short", "--id", "may").exit_code == 0
    assert launch_on_log(folder)[0] is not None


def test_what_is_launched_and_not_yet_sent_is_reserved(folder, monkeypatch):
    monkeypatch.setattr(Vendor, "answer", b"20250501080000,0\n1234567,5\n")
    assert run("--yes", "--id", "a").exit_code == 0
    assert run("--yes", "--id", "b", text="ho").exit_code == 0
    refused = run("--yes", "--id", "c", text="hey")
    assert refused.exit_code == 2
    assert "balance 5, needs 2, 4 already queued: SHORT BY 1" in refused.output
    plan = json.loads(run("--dry-run", "--json", "--id", "c", text="hey").stdout)
    (account,) = plan["accounts"]
    assert (account["queued"], account["short_by"], account["beside"], plan["beside"]) == (4, 1, 4, 4)
    assert CliRunner().invoke(main, ["campaign", "cancel", "a", "--yes"]).exit_code == 0
    assert "balance 5, needs 2, 2 already queued: enough" in run("--dry-run", text="hey").output


def test_the_same_text_to_mostly_the_same_numbers_is_said(folder):
    assert run("--yes", "--id", "a").exit_code == 0
    assert "THE SAME TEXT AGAIN: 2 of 2 recipients are in a" in run("--dry-run", "--id", "b").output
    assert "THE SAME TEXT AGAIN" not in run("--dry-run", "--id", "b", text="ho").output
    assert "THE SAME TEXT AGAIN" not in run("--dry-run", "--id", "a").output
    (folder / "others.txt").write_text("13800138001\n13800138002\n13800138000\n")
    assert "THE SAME TEXT AGAIN" not in run("--dry-run", "--id", "b", file="others.txt").output


def test_a_dry_run_makes_no_file(folder):
    before = {path.name for path in folder.iterdir()}
    result = run("--dry-run")
    assert result.exit_code == 0, result.output
    assert "balance unknown (not asked: there is no log yet, and a plan alone makes none)" in result.output
    assert {path.name for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"20250501080000,102\n", "LOGIN REFUSED (102: wrong password)"),
        (b"<html>", "balance unknown ("),
        (b"20250501080000,0\n", "balance unknown (the answer names no product)"),
    ],
)
def test_a_balance_query_that_fails_is_said_and_no_more(folder, monkeypatch, answer, words):
    make_log("log.db")
    monkeypatch.setattr(Vendor, "answer", answer)
    result = run("--dry-run")
    assert result.exit_code == 0
    assert words in result.output


def test_a_vendor_that_is_away_is_said_and_no_more(folder):
    (folder / "dispatcher.toml").write_text(SPRING.format(url="http://127.0.0.1:1", pswd="secret"))
    make_log("data/log.db")
    result = run("--dry-run")
    assert result.exit_code == 0
    assert "balance unknown (not connected" in result.output


# --- asking ----------------------------------------------------------------------------------------------------------


def test_without_a_terminal_and_without_yes_it_refuses(folder):
    result = run("--id", "may")
    assert result.exit_code == 2
    assert "2 recipients" in result.output, "the plan is there all the same"
    assert "add --yes" in result.stderr
    assert not (folder / "log.db").exists() or (launch_on_log(folder))[0] is None


class Terminal:
    """`dispatcher campaign launch` at a terminal."""

    def __init__(self, folder, *args):
        self.main, side = pty.openpty()
        command = [DISPATCHER, "campaign", "launch", *args, "--text", "hi", "--route", "spring", "--id", "may"]
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=side, stdout=side, stderr=side, start_new_session=True
        )
        os.close(side)
        self.seen = b""

    def until(self, words):
        while words not in self.seen:
            try:
                self.seen += os.read(self.main, 4096)
            except OSError:  # the other side is gone
                break
        assert words in self.seen, self.seen

    def type(self, keys):
        os.write(self.main, keys)

    def interrupted(self):
        """Ctrl-C until it ends: a signal between the question and the wait for its answer is lost on Python."""
        while True:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
                return self.ended()

    def ended(self):
        code = self.process.wait()
        os.close(self.main)
        return code


@pytest.mark.parametrize(
    ("answer", "words", "launches"), [(b"y\n", b"launched may", True), (b"n\n", b"nothing was", False)]
)
def test_at_a_terminal_it_asks_and_does_as_told(folder, answer, words, launches):
    terminal = Terminal(folder, "may.csv")
    terminal.until(b"[y/N]")
    terminal.type(answer)
    terminal.until(words)
    assert terminal.ended() == 0
    assert ((launch_on_log(folder))[0] is not None) == launches


def test_ctrl_c_at_the_question_launches_nothing(folder):
    terminal = Terminal(folder, "may.csv")
    terminal.until(b"[y/N]")
    assert terminal.interrupted() == 130
    assert (launch_on_log(folder))[0] is None


def test_ctrl_c_while_reading_ends_at_once_with_one_sentence(folder):
    command = [DISPATCHER, "campaign", "launch", "-", "--text", "hi", "--route", "spring", "--yes"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(b"13800138000\n" * 1_000_000)  # more than a pipe holds: it is reading when this returns
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    code = process.wait()
    errors = process.stderr.read().decode()
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()
    assert (code, errors) == (130, "interrupted: nothing was launched.\n")


def test_ctrl_c_while_committing_says_how_to_make_sure(folder, monkeypatch):
    async def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(commit, "append", interrupted)
    result = run("--yes", "--id", "may")
    assert result.exit_code == 130
    assert "may is launched wholly or not at all" in result.stderr
    assert "with --id may" in result.stderr


# --- bad input: one plain sentence, exit code 2 (the user's) or 1 (ours) ----------------------------------------------


def bad_sheet(folder):
    (folder / "may.csv").write_bytes(b"PK\x03\x04 broken")


def no_numbers(folder):
    (folder / "may.csv").write_text("手机\nabc\n12\n")


def empty(folder):
    (folder / "may.csv").write_text("")


def missing_secret(folder):
    (folder / "dispatcher.toml").write_text(SPRING.format(url="http://127.0.0.1:1", pswd="${NO_SUCH_SECRET}"))


def broken_config(folder):
    (folder / "dispatcher.toml").write_text("[account.spring\n")


def nothing(folder):
    pass


BAD = [
    ("a missing file", nothing, ["no.csv"], "no.csv: no such file"),
    ("a directory", nothing, ["."], "is a directory"),
    ("an empty file", empty, [], "may.csv is empty"),
    ("a broken XLSX", bad_sheet, [], "may.csv is not a readable workbook"),
    ("no numbers", no_numbers, [], "none of 2 rows is a mobile number (1 no number, 1 too short)"),
    ("a missing column", nothing, ["--column", "tel"], 'may.csv has no column "tel"'),
    ("a column too far", nothing, ["--column", "9"], "may.csv has no column 9: it has 2"),
    ("an unknown account", nothing, ["--route", "autumn"], 'account "autumn" is not in dispatcher.toml'),
    ("an empty route", nothing, ["--route", " , "], "the route is empty"),
    ("a missing secret", missing_secret, [], "the environment variable NO_SUCH_SECRET is not set"),
    ("a broken configuration", broken_config, [], "not valid TOML"),
    ("a missing configuration", nothing, ["--config", "no.toml"], "no.toml: no such file"),
    ("an empty text", nothing, ["--text", ""], "the text is empty"),
    ("a text too long", nothing, ["--text", "x" * 501], "the text has 501 characters"),
    ("a bad id", nothing, ["--id", "a b"], "the id 'a b' must be"),
    ("a bad option", nothing, ["--option", "extno"], '--option "extno" must be NAME=VALUE'),
    ("an unknown option", nothing, ["--option", "x=1"], 'has no option "x"'),
    ("a bad weight", nothing, ["--weight", "0"], "the weight 0 must be"),
    ("a missing suppression list", nothing, ["--suppress", "no.txt"], "no.txt: no such file"),
]


@pytest.mark.parametrize(("spoil", "args", "sentence"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_mistake_is_one_sentence_and_exit_code_2(folder, spoil, args, sentence):
    spoil(folder)
    file, args = (args[0], args[1:]) if args and not args[0].startswith("--") else ("may.csv", args)
    result = run("--yes", *args, file=file)
    assert result.exit_code == 2, result.output
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output
    assert not (folder / "log.db").exists()


def test_an_id_that_is_taken_is_exit_code_2(folder):
    assert run("--yes", "--id", "may").exit_code == 0
    result = run("--yes", "--id", "may", text="ho")
    assert result.exit_code == 2
    assert 'the id "may" is taken: it was launched with another text' in result.stderr


def test_a_log_that_is_no_log_is_one_sentence(folder):
    (folder / "log.db").mkdir()
    result = run("--yes", "--id", "may")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "log.db" in result.stderr


def test_a_broker_that_is_away_is_exit_code_1(folder):
    config = folder / "dispatcher.toml"
    config.write_text(config.read_text().replace("sqlite:log.db", "kafka://127.0.0.1:1?timeout_s=1"))
    result = run("--yes", "--id", "may")
    assert (result.exit_code, result.stderr.strip().count("\n")) == (1, 0), result.output
    assert "127.0.0.1:1" in result.stderr


def test_a_full_disk_is_exit_code_1_and_nothing_is_launched(folder, monkeypatch):
    from dispatcher.errors import LogFull

    async def full(*_):
        raise LogFull("the disk of log.db is full. Make room, then launch again.")

    monkeypatch.setattr(commit, "append", full)
    result = run("--yes", "--id", "may")
    assert (result.exit_code, result.stderr) == (
        1,
        "error: the disk of log.db is full. Make room, then launch again.\n",
    )


def test_standard_input_as_bytes_needs_no_file(folder):
    result = run("--dry-run", "--json", file="-", input=io.BytesIO(b"13800138000\n"))
    assert json.loads(result.stdout)["recipients"] == 1
