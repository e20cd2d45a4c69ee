"""Every question of every command, on a real terminal: after "no", Ctrl-C and Ctrl-D nothing is decided any more.

QUESTIONS has them all: the last test reads the source for calls that ask, and finds one that stands in no row.
"""

from __future__ import annotations

import ast
import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pytest

from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.freshness import ends_of
from dispatcher.service.people.directory import open_directory
from dispatcher.service.session import open_session
from dispatcher.service.suppression import change_suppression, suppression_key
from producers.drafts.api import draft
from schemas.codec import decode, encode
from schemas.records import BalanceAsked, Operated, ResolvedAs
from schemas.topics import CAMPAIGNS, TOPICS
from tests.cli.campaigns import TEXT, launched
from tests.cli.terminal_talk import CTRL_C, CTRL_D, talk
from tests.cli.unknowns.unknown_log import Desk
from tests.consumers.results.evidence_world import write_out

ROOT: Final = Path(__file__).parents[2]
HIDDEN: Final = ROOT / "tests" / "producers" / "lists" / "cases" / "06-rows-hidden-by-a-filter.xlsx"
NUMBER: Final = "13800138000"
INTERRUPTED: Final = 130
CONFIG: Final = """\
[log]
url = "sqlite:log.db"
[store]
url = "sqlite:results.db"
[hours]
marketing = "00:00-24:00"
[account.spring]
vendor = "batch-a"
url = "http://127.0.0.1:9"
account = "demo"
pswd = "secret"
[account.boss]
vendor = "batch-b"
url = "http://127.0.0.1:9"
account = "boss"
pswd = "secret"
agent = { username = "agent", operator = "ann", secret_key = "s3cret", des_key = "DES key!" }
[account.summer]
vendor = "cosms"
url = "http://127.0.0.1:9"
corp_id = "100"
login_name = "DEMO"
password = "secret"
"""


class Question(NamedTuple):
    """What is asked, where in the source, the answer that goes on, and one that does not (None: any text goes on)."""

    site: str
    shows: str
    yes: str
    no: str | None = None


class Dialogue(NamedTuple):
    """A command that asks. `code`: what it ends with after every question was answered so that it goes on."""

    arguments: tuple[str, ...]
    prepare: Callable[[Path], None]
    questions: tuple[Question, ...]
    code: int = 0
    decides: str = "log"


def prepared_log(work: Callable[[Any], Any]) -> Callable[[Path], None]:
    """What is done with a session of the folder before the command starts."""

    def prepare(folder: Path) -> None:
        async def opened() -> None:
            async with open_session(folder / "dispatcher.toml") as session:
                await work(session)

        asyncio.run(opened())

    return prepare


async def suppress(session: Any) -> None:
    numbers = np.array([suppression_key(NUMBER)], np.int64)
    await change_suppression(session, numbers, adds=True, source="person", why="a test")


async def ask_the_vendor(session: Any) -> None:
    """An operation of long ago without a result."""
    record = Operated(
        operation="9f3a01",
        account="boss",
        name="recharge",
        shows=(("account", "shop01"), ("fee", "100")),
        result="asked",
        at_ms=1,
        by="ann",
    )
    log = await session.log(create=True)
    await log.append(CAMPAIGNS.name, 0, [Entry(b"operation!9f3a01!asked", encode(record))])


async def make_log(session: Any) -> None:
    await session.log(create=True)


async def add_people(session: Any) -> None:
    people = await open_directory(session)
    await people.add_person("ann", "admin", None, by="ann")
    await people.add_person("bob", "viewer", None, by="ann")


def with_campaign(folder: Path) -> None:
    launched(folder, "may")


async def _draft(session: Any) -> None:
    request = LaunchRequest(numbers=[NUMBER], text=TEXT, route=["spring"], id="may", by="ann")
    await draft(session, request)


def with_draft(folder: Path) -> None:
    prepared_log(_draft)(folder)


def with_list(folder: Path) -> None:
    (folder / "list.txt").write_text(f"{NUMBER}\n", "ascii")
    prepared_log(make_log)(folder)


def with_unknown(folder: Path) -> None:
    before = (folder / "dispatcher.toml").read_bytes()
    desk = Desk(folder)
    (folder / "dispatcher.toml").write_bytes(before)
    desk.unknown(desk.campaign("may", 3), 0, 3)
    desk.on_log(lambda log: write_out(log, desk.history))


def with_hidden_rows(folder: Path) -> None:
    shutil.copy(HIDDEN, folder / "list.xlsx")
    prepared_log(make_log)(folder)


def with_store(folder: Path) -> None:
    launched(folder, "may")
    (folder / "results.db").touch()


ASKED_TWICE: Final = (
    Question("consumers/accounts/asking.py:_agreed#0", "Have the vendor do this?", "y", "n"),
    Question("consumers/accounts/asking.py:_agreed#1", "Once more: type", "shop01", "shop02"),
)

QUESTIONS: Final = {
    "launch": Dialogue(
        ("campaign", "launch", "list.xlsx", "--text", TEXT, "--route", "spring", "--id", "may"),
        with_hidden_rows,
        (
            Question("producers/launch/command.py:_agreed#0", "that the sheet hides to be texted, too?", "y", "n"),
            Question("producers/launch/command.py:_agreed#1", "Launch may to 3 recipients?", "y", "n"),
        ),
    ),
    "init": Dialogue(
        ("init", "new.toml"),
        lambda folder: None,
        (
            Question("dispatcher/process/first_configuration.py:_name#0", "Account: a name of your choice", "autumn"),
            Question("dispatcher/process/first_configuration.py:_asked_account#0", "Its vendor's interface", "batch-a"),
            Question(
                "dispatcher/process/first_configuration.py:_asked_account#1", "url: The vendor's address", "http://h"
            ),
            Question(
                "dispatcher/process/first_configuration.py:_asked_account#1", "account: The account's name", "demo"
            ),
            Question(
                "dispatcher/process/first_configuration.py:_secret#0", "its environment variable, or file:PATH", ""
            ),
            Question("dispatcher/process/first_configuration.py:_limit#0", "Messages per second", "500"),
            Question("dispatcher/process/first_configuration.py:_asked#0", "Another account?", "n"),
        ),
        decides="new.toml",
    ),
    "cancel": Dialogue(
        ("campaign", "cancel", "may"),
        with_campaign,
        (Question("producers/campaigns/control_commands.py:_agreed#1", 'Cancel "may" (3 recipients)', "y", "n"),),
    ),
    "pause everything": Dialogue(
        ("campaign", "pause-all"),
        with_campaign,
        (Question("producers/campaigns/pause_all_command.py:pause_all#0", "Pause every campaign", "y", "n"),),
    ),
    "cancel a draft": Dialogue(
        ("campaign", "cancel", "may"),
        with_draft,
        (Question("producers/campaigns/control_commands.py:_agreed#0", 'Cancel draft "may" (1 recipient)', "y", "n"),),
    ),
    "launch at a time": Dialogue(
        (
            *("campaign", "launch", "list.txt", "--text", TEXT, "--route", "spring", "--id", "may"),
            *("--at", "tomorrow 09:00"),
        ),
        with_list,
        (Question("producers/drafts/command.py:_plan_and_draft#0", "Schedule may to 1 recipient for", "y", "n"),),
    ),
    "test": Dialogue(
        ("campaign", "test", "may", "--to", NUMBER),
        with_draft,
        (Question("producers/drafts/command.py:test_command#0", "Send the message of may to 1 number", "y", "n"),),
    ),
    "approve": Dialogue(
        ("campaign", "approve", "may"),
        with_draft,
        (Question("producers/campaigns/draft_commands.py:approve#0", "Approve may?", "y", "n"),),
    ),
    "follow-up": Dialogue(
        ("campaign", "follow-up", "may", "--to", "unknown"),
        with_unknown,
        (
            Question("producers/segments/follow_up_command.py:follow_up_command#0", "May they get it twice?", "y", "n"),
            Question("producers/launch/command.py:_agreed#1", "Launch may.follow-1 to 3 recipients?", "y", "n"),
        ),
    ),
    "unknown resolve": Dialogue(
        ("unknown", "resolve", "may", "--as", ResolvedAs.RESEND.value),
        with_unknown,
        (Question("consumers/unknowns/commands.py:_agreed#0", "as resend?", "y", "n"),),
    ),
    "suppression remove": Dialogue(
        ("suppression", "remove", NUMBER),
        prepared_log(suppress),
        (Question("producers/suppression/commands.py:remove#0", "May 1 number be texted again?", "y", "n"),),
    ),
    "person add": Dialogue(
        ("person", "add", "ann", "--role", "admin"),
        prepared_log(make_log),
        (
            Question("producers/people/person_commands.py:_password#0", "The password", "green horses 7"),
            Question("producers/people/person_commands.py:_password#0", "Repeat for confirmation", "green horses 7"),
        ),
    ),
    "person remove": Dialogue(
        ("person", "remove", "bob"),
        prepared_log(add_people),
        (Question("producers/people/person_commands.py:remove#0", "Remove bob", "y", "n"),),
    ),
    "store rebuild": Dialogue(
        ("store", "rebuild"),
        with_store,
        (Question("consumers/results/store_commands.py:rebuild#0", "Read the whole log", "y", "n"),),
        decides="results.db",
    ),
    "account settle": Dialogue(
        ("account", "settle", "9f3a01", "done"),
        prepared_log(ask_the_vendor),
        (Question("consumers/accounts/operation_commands.py:settle_operation#0", "that it was done?", "y", "n"),),
    ),
    "account recharge": Dialogue(
        ("account", "recharge", "boss", "shop01", "100"), prepared_log(make_log), ASKED_TWICE, code=1
    ),
    "account delete": Dialogue(("account", "delete", "boss", "shop01"), prepared_log(make_log), ASKED_TWICE, code=1),
    "account add": Dialogue(
        ("account", "add", "boss", "shop01"),
        prepared_log(make_log),
        (
            Question("consumers/accounts/agent_commands.py:_prompted#0", "The company's name", "Shop"),
            Question("consumers/accounts/agent_commands.py:_prompted#0", "contact's mobile number", NUMBER),
            Question("consumers/accounts/agent_commands.py:_prompted#0", "Product ids", "12345"),
            Question("consumers/accounts/agent_commands.py:_prompted#0", "Last day", "20301231"),
            Question("consumers/accounts/agent_commands.py:add_account#0", "The new user's password", "passw0rd"),
            Question("consumers/accounts/agent_commands.py:add_account#0", "Repeat for confirmation", "passw0rd"),
            *ASKED_TWICE,
        ),
        code=1,
    ),
    "account change-login": Dialogue(
        ("account", "change-login", "summer"),
        prepared_log(make_log),
        (
            Question("consumers/accounts/login_commands.py:change_login#0", "The new password", "passw0rd"),
            Question("consumers/accounts/login_commands.py:change_login#0", "Repeat for confirmation", "passw0rd"),
            Question("consumers/accounts/asking.py:_agreed#0", "Have the vendor do this?", "y", "n"),
            Question("consumers/accounts/asking.py:_agreed#1", "Once more: type summer", "summer", "winter"),
        ),
        code=1,
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("DISPATCHER_CONFIG", "DISPATCHER_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "dispatcher.toml").write_text(CONFIG, "utf-8")
    return tmp_path


@pytest.mark.parametrize("name", QUESTIONS)
def test_at_every_question_a_person_can_still_turn_back_and_after_all_it_is_done(folder: Path, name: str) -> None:
    dialogue = QUESTIONS[name]
    dialogue.prepare(folder)
    before = decided(folder, dialogue)
    for at, question in stops_of(name):
        for stop in keys_to_leave(dialogue, at):
            with talk(folder, *dialogue.arguments) as command:
                for earlier in dialogue.questions[:at]:
                    command.until(earlier.shows)
                    command.type(f"{earlier.yes}\n")
                command.until(question.shows)
                command.type(stop)
                if stop == CTRL_C:
                    command.type("y\n")
                code = command.end()
            assert "Traceback" not in command.seen
            if stop == CTRL_C:
                assert (code, "interrupted" in command.seen) == (INTERRUPTED, True), command.seen
            assert decided(folder, dialogue) == before, command.seen
    with talk(folder, *dialogue.arguments) as command:
        for question in dialogue.questions:
            command.until(question.shows)
            command.type(f"{question.yes}\n")
        assert command.end() == dialogue.code, command.seen
    assert "Traceback" not in command.seen
    assert decided(folder, dialogue) != before


def keys_to_leave(dialogue: Dialogue, at: int) -> Iterator[str]:
    """What a person presses at this question to turn back."""
    yield CTRL_C
    question = dialogue.questions[at]
    if question is dialogue.questions[-1] and question.no:
        yield f"{question.no}\n"
    if len(dialogue.questions) == 1:
        yield CTRL_D


def stops_of(name: str) -> Iterator[tuple[int, Question]]:
    """The questions at which this dialogue is left: each place in the source once, in its first dialogue."""
    seen: set[str] = set()
    for dialogue, found in QUESTIONS.items():
        for at, question in enumerate(found.questions):
            if question.site not in seen and dialogue == name:
                yield at, question
            seen.add(question.site)


def decided(folder: Path, dialogue: Dialogue) -> object:
    """What the answers change: what is on the log, except who asked for balances; or a file."""
    if dialogue.decides != "log":
        file = folder / dialogue.decides
        return file.stat().st_size if file.exists() else None

    async def on_log() -> object:
        log = await open_log(f"sqlite:{folder}/log.db")
        try:
            campaigns = [decode(stored.value) for stored in await log.read(CAMPAIGNS.name, 0, 0)]
            others = [topic for topic in TOPICS if topic is not CAMPAIGNS]
            return [each for each in campaigns if not isinstance(each, BalanceAsked)], await ends_of(log, others)
        finally:
            await log.close()

    return asyncio.run(on_log())


# --- no question is forgotten ----------------------------------------------------------------------------------------

ASKED_WITH: Final = "dispatcher.terminal.questions"
FOREIGN: Final = {"click.confirm", "click.prompt", "click.pause", "click.getchar", "getpass.getpass", "input"}


def test_every_question_in_the_source_stands_in_a_row() -> None:
    asked = {question.site for dialogue in QUESTIONS.values() for question in dialogue.questions}
    assert asked == set(sites())


def sites() -> Iterator[str]:
    """Where the source asks, as `file:function#n`: with a function of ASKED_WITH, or, against the rule, without."""
    for package in ("dispatcher", "producers", "consumers", "loadtest", "schemas"):
        for file in sorted((ROOT / package).rglob("*.py")):
            if file == (ROOT / ASKED_WITH.replace(".", "/")).with_suffix(".py"):
                continue
            text = file.read_text("utf-8")
            if ASKED_WITH in text or any(f"{name}(" in text for name in FOREIGN):
                yield from (f"{file.relative_to(ROOT)}:{site}" for site in sites_in(ast.parse(text)))


def sites_in(module: ast.Module) -> Iterator[str]:
    ours = {
        name.asname or name.name
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and node.module == ASKED_WITH
        for name in node.names
    }
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
            asks = [call for call in calls if ast.unparse(call.func) in ours | FOREIGN]
            yield from (f"{function.name}#{number}" for number in range(len(asks)))


def test_a_question_that_stands_in_no_row_is_found() -> None:
    source = f"from {ASKED_WITH} import ask\ndef one():\n ask('a')\n ask('b')\ndef two():\n input()\n confirm('c')\n"
    assert list(sites_in(ast.parse(source))) == ["one#0", "one#1", "two#0"]
