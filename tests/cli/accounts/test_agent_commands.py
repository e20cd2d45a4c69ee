"""`dispatcher account recharge | add | delete | operations | settle`, as an agent of a simulated BATCH-B platform."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from dispatcher.cli import main
from loadtest.sim.process import SpawnedSimulator, spawn

DISPATCHER = str(Path(sys.executable).with_name("dispatcher"))
SECRET_KEY, DES_KEY, PASSWORD = "s3cret-of-the-agent", "DES key!", "passw0rd-of-the-shop"
PRODUCTS = {"1234567": 1000, "22": 50}
CONFIG = """\
[account.boss]
vendor = "batch-b"
url = "{url}"
account = "boss"
pswd = "${{PSWD_NOBODY_SET}}"
timeout_s = 60.0
connect_timeout_s = 60.0
[account.boss.agent]
username = "agent"
operator = "ann"
secret_key = "${{AGENT_SECRET}}"
des_key = "${{AGENT_DES}}"

[account.shop01]
vendor = "batch-b"
url = "{url}"
account = "shop01"
pswd = "shop-password"

[account.north]
vendor = "hezhong"
url = "{url}"
userid = "1"
username = "n"
password = "north-password"
"""
CERTAIN = ("--yes", "--confirm")
NEW = ("--company", "Shop", "--contact-mobile", "13800138000", "--product", "1234567", "--expires", "20301231")


@pytest.fixture(scope="module")
def platform() -> Iterator[SpawnedSimulator]:
    agent = {"username": "agent", "secret_key": SECRET_KEY, "des_key": DES_KEY}
    accounts = {"boss": {"agent": agent}, "shop01": {"pswd": "shop-password", "products": PRODUCTS, "extno": "88"}}
    with spawn({"vendor": "batch-b", "account": accounts}) as made:
        yield made


@pytest.fixture
def vendor(platform: SpawnedSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SpawnedSimulator:
    platform.reset(everything=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENT_SECRET", SECRET_KEY)
    monkeypatch.setenv("AGENT_DES", DES_KEY)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("PSWD_NOBODY_SET", "DISPATCHER_CONFIG", "DISPATCHER_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "dispatcher.toml").write_text(CONFIG.format(url=platform.url), "utf-8")
    (tmp_path / "password").write_text(f"{PASSWORD}\n", "utf-8")
    return platform


def run(*arguments: str, stdin: str | None = None) -> Any:
    result = CliRunner().invoke(main, ["account", *arguments], input=stdin)
    for secret in (SECRET_KEY, DES_KEY, PASSWORD):
        assert secret not in result.output
    assert "Traceback" not in result.output
    return result


def recharge(*more: str, target: str = "shop01", fee: str = "7") -> Any:
    return run("recharge", "boss", target, fee, *CERTAIN, target, *more)


def add(new: str, *more: str) -> Any:
    return run("add", "boss", new, *NEW, "--password-file", "password", *CERTAIN, new, *more)


def operations() -> list[dict[str, Any]]:
    result = run("operations", "--json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = orjson.loads(result.stdout)["operations"]
    return found


def balance(vendor: SpawnedSimulator, account: str = "shop01") -> dict[str, int]:
    found: dict[str, int] = vendor.totals(False)["accounts"][account]["balance"]
    return found


# --- what is done ----------------------------------------------------------------------------------------------------


def test_a_recharge_and_a_deduction_change_the_balance_once(vendor: SpawnedSimulator) -> None:
    result = recharge()
    assert result.exit_code == 0, result.output
    assert "done: 7 added to shop01 (operation " in result.stdout
    assert balance(vendor) == PRODUCTS | {"1234567": 1070}
    assert recharge("--deduct", "--product", "22", fee="5").exit_code == 0
    assert balance(vendor) == {"1234567": 1070, "22": 0}
    assert [(o["what"], o["operator"], o["target"], o["done"]) for o in vendor.operations()] == [
        ("recharge", "ann", "shop01", True)
    ] * 2
    told = operations()
    assert [(o["name"], o["result"], o["account"], o["sent"]["fee"]) for o in told] == [
        ("recharge", "done", "boss", "7"),
        ("deduct", "done", "boss", "5"),
    ]
    assert told[0]["sent"] | {"timestamp": ""} == {
        "username": "agent", "password": "***", "timestamp": "", "operator": "ann", "account": "shop01", "fee": "7",
        "type": "1: add",
    }  # fmt: skip
    assert told[0]["asked_ms"] <= told[0]["result_ms"]


def test_an_added_account_can_send_and_a_deleted_one_cannot(vendor: SpawnedSimulator) -> None:
    result = add("shop02", "--extno", "5")
    assert result.exit_code == 0, result.output
    assert "user shop02 added" in result.stdout
    assert "[account.shop02]" in result.stdout
    assert recharge(target="shop02").exit_code == 0
    with Path("dispatcher.toml").open("a", encoding="utf-8") as file:
        file.write(
            f'[account.shop02]\nvendor = "batch-b"\nurl = "{vendor.url}"\naccount = "shop02"\n'
            'pswd = "${file:password}"\n'
        )
    assert run("balance", "shop02").stdout.splitlines()[1].split()[:2] == ["shop02", "70"]
    assert run("delete", "boss", "shop02", *CERTAIN, "shop02").exit_code == 0
    assert (run("recharge", "boss", "shop02", "7", *CERTAIN, "shop02").exit_code, balance(vendor, "shop02")) == (
        2,
        {"1234567": 70},
    )
    assert [o["name"] for o in operations()] == ["add user", "recharge", "delete user", "recharge"]


def test_a_new_users_fields_come_from_a_file_and_options_win(vendor: SpawnedSimulator) -> None:
    Path("shop03.toml").write_text(
        'company = "春天"\ncontact_mobile = "13900139000"\nproducts = ["22"]\nexpires = "20291231"\n'
        'send_hours = [9, 18]\naudit = true\nhttp_ips = ["127.0.0.1"]\n',
        "utf-8",
    )
    more = ("--from", "shop03.toml", "--product", "1234567", "--product", "22", "--send-hours", "0,24")
    result = run("add", "boss", "shop03", *more, "--password-file", "-", *CERTAIN, "shop03", stdin=f"{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    made = vendor.describe()["accounts"]["shop03"]
    assert (made["send_hours"], made["need_audit"], made["ips"]) == ("0-24", True, ["127.0.0.1"])
    assert set(made["products"]) == {"1234567", "22"}
    assert made["about"]["true_name"] == "春天"
    assert operations()[0]["sent"]["ac_password"] == "***"


def test_json_is_one_object(vendor: SpawnedSimulator) -> None:
    result = CliRunner().invoke(main, ["account", "recharge", "boss", "shop01", "7", *CERTAIN, "shop01", "--json"])
    told = orjson.loads(result.stdout)
    assert (told["result"], told["code"], told["name"]) == ("done", "0", "recharge")
    assert told["operation"] == operations()[0]["operation"]


# --- what is refused -------------------------------------------------------------------------------------------------

NATURAL = [
    ("203", lambda: recharge(target="Shop01"), "isn't there"),
    ("204", lambda: recharge("--deduct", fee="101"), "not enough money"),
    ("206", lambda: recharge("--product", "999"), "product"),
    ("303", lambda: add("shop01"), "用户已存在"),
    ("303", lambda: run("delete", "boss", "shop99", *CERTAIN, "shop99"), "用户不存在"),
    ("304", lambda: add("shop02", "--extno", "88"), "extension"),
    ("306", lambda: add("shop02", "--product", "999"), "product"),
]


@pytest.mark.parametrize(("code", "command", "words"), NATURAL, ids=[f"{c}-{i}" for i, (c, _, _) in enumerate(NATURAL)])
def test_what_the_vendor_refuses_is_told_with_its_code(
    vendor: SpawnedSimulator, code: str, command: Any, words: str
) -> None:
    result = command()
    assert result.exit_code == 2, result.output
    assert result.stderr.splitlines()[-1].startswith("error: not done: ")
    assert words in result.stderr
    assert f"code {code}" in result.stderr
    [told] = operations()
    assert (told["result"], told["code"]) == ("not-done", code)
    assert [o["done"] for o in vendor.operations()] == [False]


FORCED = [("recharge", code) for code in ("201", "202", "203", "204", "205", "206")] + [
    ("user", code) for code in ("301", "302", "303", "304", "305", "306")
]


@pytest.mark.parametrize(("on", "code"), FORCED)
def test_every_code_of_the_document_is_a_definite_no(vendor: SpawnedSimulator, on: str, code: str) -> None:
    vendor.add_rule(code=code, on=on)
    result = recharge() if on == "recharge" else add("shop02")
    assert result.exit_code == 2, result.output
    assert f"code {code}" in result.stderr
    assert [o["result"] for o in operations()] == ["not-done"]


def test_a_weak_password_is_told_in_the_vendors_words(vendor: SpawnedSimulator) -> None:
    Path("password").write_text("onlyletters", "utf-8")
    result = add("shop02")
    assert result.exit_code == 2
    assert "密码格式错误" in result.stderr
    assert "onlyletters" not in result.output


# --- what nobody knows -----------------------------------------------------------------------------------------------

BROKEN = [
    "no_answer",
    "close",
    "reset",
    "half_answer",
    "html_200",
    "empty_body",
    "http_500",
    "http_503",
    "http_408",
    "http_302",
]


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("taken", [True, False])
def test_a_broken_answer_is_unknown_and_the_vendor_was_asked_once(
    vendor: SpawnedSimulator, fault: str, taken: bool
) -> None:
    vendor.add_rule(fault=fault, on="recharge", taken=taken, hold_s=0.2)
    result = recharge()
    assert result.exit_code == 1, result.output
    error = result.stderr.splitlines()[-1]
    assert error.startswith("error: unknown: check with the vendor")
    assert "Look at shop01's recharge records and balance" in error
    assert [o["done"] for o in vendor.operations()] == [taken]
    assert balance(vendor)["1234567"] == (1070 if taken else 1000)
    [told] = operations()
    assert told["result"] == "unknown"


@pytest.mark.parametrize("fault", ["no_answer", "half_answer"])
def test_a_user_whose_adding_broke_is_unknown_and_was_sent_once(vendor: SpawnedSimulator, fault: str) -> None:
    vendor.add_rule(fault=fault, on="user", hold_s=0.2)
    result = add("shop02")
    assert result.exit_code == 1, result.output
    assert "is shop02 there?" in result.stderr
    assert [o["what"] for o in vendor.operations()] == ["user add"]


@pytest.mark.parametrize("code", ["999", "20", "103"])
def test_a_code_of_no_document_is_unknown(vendor: SpawnedSimulator, code: str) -> None:
    vendor.add_rule(code=code, on="recharge")
    result = recharge()
    assert result.exit_code == 1, result.output
    assert "not in the document" in result.stderr


def test_an_http_status_is_named_beside_what_came_with_it(vendor: SpawnedSimulator) -> None:
    vendor.add_rule(fault="http_404", on="recharge")
    result = recharge()
    assert result.exit_code == 2, result.output
    assert "error: not done: http 404: " in result.stderr
    [told] = operations()
    assert told["says"].startswith("http 404: ")


def test_a_vendor_that_is_not_there_was_not_asked(vendor: SpawnedSimulator) -> None:
    Path("dispatcher.toml").write_text(CONFIG.format(url="http://127.0.0.1:9"), "utf-8")
    result = recharge()
    assert result.exit_code == 1
    assert "error: not done: " in result.stderr
    assert [o["result"] for o in operations()] == ["not-done"]


def test_the_same_is_not_asked_again_before_the_unknown_one_is_settled(vendor: SpawnedSimulator) -> None:
    vendor.add_rule(fault="no_answer", on="recharge", count=1, hold_s=0.2)
    assert recharge().exit_code == 1
    [unknown] = operations()
    again = recharge()
    assert again.exit_code == 2
    assert f"dispatcher account settle {unknown['operation']}" in again.stderr
    assert len(vendor.operations()) == 1
    assert recharge(fee="8").exit_code == 0  # another one is
    result = run("settle", unknown["operation"], "done", "--why", "it is in their records", "--yes")
    assert result.exit_code == 0, result.output
    settled = operations()[0]
    assert (settled["result"], settled["says"]) == ("done", "it is in their records")
    assert recharge().exit_code == 0
    assert len(vendor.operations()) == 3
    twice = run("settle", unknown["operation"], "not-done", "--yes")
    assert twice.exit_code == 2
    assert "is not unknown: done" in twice.stderr


def test_again_repeats_an_unknown_operation(vendor: SpawnedSimulator) -> None:
    vendor.add_rule(fault="close", on="recharge", count=1)
    assert recharge().exit_code == 1
    assert recharge("--again").exit_code == 0
    assert [o["result"] for o in operations()] == ["unknown", "done"]


def test_an_operation_that_was_killed_is_unknown(vendor: SpawnedSimulator) -> None:
    vendor.add_rule(fault="no_answer", on="recharge", hold_s=600.0)
    config = Path("dispatcher.toml")
    config.write_text(config.read_text("utf-8").replace("timeout_s = 60.0", "timeout_s = 600.0", 1), "utf-8")
    process = subprocess.Popen([DISPATCHER, "account", "recharge", "boss", "shop01", "7", *CERTAIN, "shop01"])
    try:
        while not vendor.operations():
            assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    [told] = operations()
    assert (told["result"], told["result_ms"]) == ("unknown", None)
    assert "no result" in run("operations").stdout
    for again in (recharge(), recharge("--again"), run("settle", told["operation"], "not-done", "--yes")):
        assert again.exit_code == 2, again.output
        assert "may still be under way: wait" in again.stderr
    assert len(vendor.operations()) == 1


def test_an_interrupted_operation_says_so_and_is_unknown(vendor: SpawnedSimulator) -> None:
    vendor.add_rule(fault="no_answer", on="recharge", hold_s=600.0)
    config = Path("dispatcher.toml")
    config.write_text(config.read_text("utf-8").replace("timeout_s = 60.0", "timeout_s = 600.0", 1), "utf-8")
    process = subprocess.Popen(
        [DISPATCHER, "account", "recharge", "boss", "shop01", "7", *CERTAIN, "shop01"], stderr=subprocess.PIPE
    )
    while not vendor.operations():
        assert process.poll() is None
    process.send_signal(2)
    _, said = process.communicate()
    assert process.returncode == 130, said
    assert b"it may have been done or not" in said
    assert b"dispatcher account settle" in said
    [told] = operations()
    assert (told["result"], told["says"]) == ("unknown", "interrupted")


# --- who may, and who is asked ---------------------------------------------------------------------------------------


def test_without_an_agents_table_one_sentence_says_what_to_add(vendor: SpawnedSimulator) -> None:
    result = run("recharge", "shop01", "boss", "7", *CERTAIN, "boss")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "add [account.shop01.agent] to dispatcher.toml, with the username, operator, secret_key and des_key" in (
        result.stderr
    )
    assert vendor.operations() == []


def test_a_secret_that_is_not_set_is_named(vendor: SpawnedSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGENT_DES")
    result = recharge()
    assert result.exit_code == 2
    assert "agent.des_key: the environment variable AGENT_DES is not set" in result.stderr
    assert run("list").exit_code == 0


def test_an_agents_key_of_the_wrong_length_is_told_without_it(
    vendor: SpawnedSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_DES", "much too long")
    result = recharge()
    assert result.exit_code == 2
    assert "des_key must have 8 bytes, it has 13" in result.stderr
    assert "much too long" not in result.output


MISTAKES = [
    (("recharge", "north", "x", "7", *CERTAIN, "x"), "hezhong, which has no agent functions"),
    (("recharge", "south", "x", "7", *CERTAIN, "x"), "not in dispatcher.toml (accounts there: boss, north, shop01)"),
    (("recharge", "boss", "shop01", "7"), "no terminal"),
    (("recharge", "boss", "shop01", "7", "--yes"), "--yes also needs --confirm shop01"),
    (("recharge", "boss", "shop01", "7", "--yes", "--confirm", "boss"), "--yes also needs --confirm shop01"),
    (("recharge", "boss", "shop01", "7", "--confirm", "shop01"), "--confirm goes with --yes"),
    (("recharge", "boss", "shop01", "0", *CERTAIN, "shop01"), "--deduct"),
    (("recharge", "boss", "two words", "7", *CERTAIN, "two words"), "no blanks"),
    (("add", "boss", "shop02", *CERTAIN, "shop02"), "needs --company, --contact-mobile, --product, --expires"),
    (("add", "boss", "shop02", *NEW, *CERTAIN, "shop02"), "--password-file"),
    (
        ("add", "boss", "shop02", *NEW, "--password-file", "password", "--send-hours", "9", *CERTAIN, "shop02"),
        "--send-hours takes FROM,TO",
    ),
    (
        ("add", "boss", "shop02", *NEW, "--password-file", "password", "--send-types", "X", *CERTAIN, "shop02"),
        "send_types must be letters of",
    ),
    (("settle", "00000000", "done", "--yes"), "no operation 00000000"),
]


@pytest.mark.parametrize(("arguments", "words"), MISTAKES, ids=[words[:40] for _, words in MISTAKES])
def test_a_mistake_is_one_sentence_and_nothing_is_sent(
    vendor: SpawnedSimulator, arguments: tuple[str, ...], words: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert vendor.operations() == []
    assert operations() == []


def test_a_file_with_a_field_there_is_not_is_named(vendor: SpawnedSimulator) -> None:
    Path("shop.toml").write_text('compny = "x"\n', "utf-8")
    result = add("shop02", "--from", "shop.toml")
    assert result.exit_code == 2
    assert "there is no key compny (did you mean company?)" in result.stderr


def test_without_operations_it_says_so(vendor: SpawnedSimulator) -> None:
    assert run("operations").stdout == "no operations yet.\n"


def test_operations_are_a_table_for_people(vendor: SpawnedSimulator) -> None:
    recharge()
    recharge("--deduct", fee="1000000")
    lines = run("operations").stdout.splitlines()
    assert lines[0].split() == ["operation", "asked", "by", "account", "what", "result", "says"]
    assert "recharge 7 of shop01" in lines[1]
    assert "not done" in lines[2]
    assert "not enough money" in lines[2]


# --- on a terminal ---------------------------------------------------------------------------------------------------


def typed(dialogue: list[tuple[str, str]], *arguments: str) -> tuple[int, str]:
    """The exit code and what was said; of the dialogue each answer is typed once its question has been asked."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [DISPATCHER, "account", *arguments],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a password is else asked for on the terminal of whoever runs the tests
    )
    said = ""
    try:
        assert process.stdout is not None
        for question, answer in dialogue:
            before = len(said)
            while question not in said[before:]:
                part = os.read(process.stdout.fileno(), 4096).decode()
                assert part, said
                said += part
            os.write(ours, f"{answer}\n".encode())
        rest, _ = process.communicate()
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
    said += rest.decode()
    for secret in (SECRET_KEY, DES_KEY, PASSWORD):
        assert secret not in said
    return process.returncode, said


ONE, TWO = "Have the vendor do this?", "Once more: type"


@pytest.mark.parametrize(
    ("answers", "exit_code", "words", "asked"),
    [
        (["y", "shop01"], 0, "done: 7 added to shop01", 1),
        (["n"], 0, "nothing was sent.", 0),
        ([""], 0, "nothing was sent.", 0),
        (["y", "boss"], 2, "that was not shop01: nothing was sent", 0),
        (["y", ""], 2, "that was not shop01: nothing was sent", 0),
    ],
)
def test_a_person_is_shown_it_and_asked_twice(
    vendor: SpawnedSimulator, answers: list[str], exit_code: int, words: str, asked: int
) -> None:
    dialogue = list(zip((ONE, TWO), answers, strict=False))
    code, said = typed(dialogue, "recharge", "boss", "shop01", "7", "--product", "22")
    assert code == exit_code, said
    for shown in ("operator", "ann", "shop01", "fee", "7", "1: add", "22", "***", words):
        assert shown in said
    assert len(vendor.operations()) == asked
    assert len(operations()) == asked


def test_what_is_missing_of_a_new_user_is_prompted_for(vendor: SpawnedSimulator) -> None:
    dialogue = [
        ("company", "Shop"),
        ("mobile", "13800138000"),
        ("Product ids", "1234567,22"),
        ("YYYYMMDD", "20301231"),
        ("password: ", PASSWORD),
        ("confirmation: ", PASSWORD),
        (ONE, "y"),
        (TWO, "shop02"),
    ]
    code, said = typed(dialogue, "add", "boss", "shop02")
    assert code == 0, said
    assert "user shop02 added" in said
    assert set(vendor.describe()["accounts"]["shop02"]["products"]) == {"1234567", "22"}
