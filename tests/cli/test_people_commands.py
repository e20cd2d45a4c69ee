"""`dispatcher person …` and `dispatcher token …`: what they print, what the log has afterwards, and their mistakes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from dispatcher.cli import main
from dispatcher.service.people.audit import audit_trail
from dispatcher.service.people.directory import open_directory
from dispatcher.service.session import open_session

PASSWORD = "green horses 7"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "dispatcher.toml").write_text('[log]\nurl = "sqlite:log.db"\n[store]\nurl = "sqlite:results.db"\n')
    (tmp_path / "new.pw").write_text(f"{PASSWORD}\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPATCHER_CONFIG", raising=False)
    return tmp_path


def run(*arguments: str, code: int = 0, stdin: str | None = None) -> str:
    result = CliRunner().invoke(main, list(arguments), input=stdin)
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


def test_a_person_is_added_with_a_password_from_a_file_or_from_standard_input() -> None:
    assert run("person", "list") == "no people yet. Add one: dispatcher person add NAME --role admin\n"
    said = run("person", "add", "ann", "--role", "admin", "--password-file", "new.pw")
    assert said == "ann may sign in as admin.\n"
    run("person", "add", "bob", "--role", "viewer", "--password-file", "-", "--json", stdin=f"{PASSWORD}\n")
    found = json.loads(run("person", "list", "--json"))
    assert [(each["name"], each["role"], each["has_password"]) for each in found] == [
        ("ann", "admin", True),
        ("bob", "viewer", True),
    ]
    assert PASSWORD not in run("person", "list")

    async def sign_in() -> None:
        async with open_session() as session:
            people = await open_directory(session)
            made = await people.sign_in("bob", PASSWORD)
            caller = people.caller_of_session(made.secret)
            assert caller is not None
            assert caller.role == "viewer"

    asyncio.run(sign_in())


def test_a_person_without_a_password_gets_a_link() -> None:
    assert " this address of the console sets the password, once: /link/" in run(
        "person", "add", "ann", "--role", "admin", "--link"
    )
    assert json.loads(run("person", "add", "eve", "--role", "viewer", "--link", "--json"))["link"].startswith("/link/")


def test_a_person_s_role_and_password_change_and_the_person_is_removed() -> None:
    run("person", "add", "ann", "--role", "admin", "--no-password")
    run("person", "add", "bob", "--role", "viewer", "--no-password")
    assert run("person", "role", "bob", "approver") == "bob is now approver.\n"
    assert json.loads(run("person", "role", "bob", "operator", "--json")) == {"name": "bob", "role": "operator"}
    assert "the password of bob is set" in run("person", "password", "bob", "--password-file", "new.pw")
    run("token", "add", "bob", "--role", "viewer")
    assert run("person", "remove", "bob", "--yes") == "bob is removed; 1 token revoked.\n"
    assert [each["name"] for each in json.loads(run("person", "list", "--json"))] == ["ann"]

    async def trail() -> list[tuple[str, str]]:
        async with open_session() as session:
            return [(each.target, each.says) for each in (await audit_trail(session)).entries]

    said = asyncio.run(trail())
    assert [each for each in said if not each[0].startswith("token")] == [
        ("bob", "removed"),
        ("bob", "password set"),
        ("bob", "is now operator"),
        ("bob", "is now approver"),
        ("bob", "added as viewer"),
        ("ann", "added as admin"),
    ]


def test_a_token_is_printed_once() -> None:
    assert run("token", "list") == "no tokens. Make one: dispatcher token add NAME --scope SCOPE\n"
    secret = run("token", "add", "crm", "--scope", "campaigns:read", "--scope", "streams:send").strip()
    assert secret.startswith("dsp_")
    made = json.loads(run("token", "add", "reports", "--role", "viewer", "--days", "30", "--json"))
    assert made["expires_ms"] > 0
    listed = run("token", "list")
    assert "crm" in listed
    assert "campaigns:read streams:send" in listed
    assert "viewer" in listed
    assert secret not in listed
    assert made["secret"] not in listed
    assert run("token", "revoke", made["token"]) == f"token {made['token']} of reports is revoked.\n"
    assert [each["name"] for each in json.loads(run("token", "list", "--json"))] == ["crm"]
    assert [each["name"] for each in json.loads(run("token", "list", "--all", "--json"))] == ["reports", "crm"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("person", "add", "ann b", "--role", "viewer", "--no-password"), '"ann b" is no name for a person'),
        (("person", "add", "ann", "--role", "viewer", "--no-password", "--link"), "give only one of"),
        (("person", "add", "ann", "--role", "viewer"), "there is no terminal to ask for it"),
        (("person", "role", "ann", "viewer"), 'there is no person "ann"'),
        (("person", "remove", "ann"), "there is no terminal to ask for confirmation"),
        (("token", "add", "crm"), "give either --scope"),
        (("token", "add", "crm", "--scope", "moon:walk"), "moon:walk is no scope"),
        (("token", "revoke", "7"), 'there is no token "7"'),
    ],
)
def test_a_mistake_is_one_sentence(arguments: tuple[str, ...], says: str) -> None:
    said = run(*arguments, code=2)
    assert says in said
    assert len(said.splitlines()) == 1
