"""People, tokens, sessions and links on a log: what counts, from when on, in every process, and what is kept secret."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from dispatcher.core.people import SESSIONS_MAX
from dispatcher.core.sign_in import OF_A_NAME
from dispatcher.errors import LogDamaged, LogUnavailable, UserError
from dispatcher.service.people import directory as people_module
from dispatcher.service.people.audit import audit, audit_trail
from dispatcher.service.people.directory import Directory, SignInRefused, open_directory
from dispatcher.service.session import Session
from tests.memory_log import MemoryLog
from tests.service.place import configured

PASSWORD = "green horses 7"


@pytest.fixture(autouse=True)
def cheap_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2id with its least parameters: its strength is not what is tested here."""
    monkeypatch.setattr(people_module, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Session]:
    found = Session(configured(tmp_path), MemoryLog())
    yield found
    await found.close()


async def with_people(session: Session) -> Directory:
    people = await open_directory(session)
    await people.add_person("ann", "admin", PASSWORD, by="root")
    await people.add_person("bob", "viewer", None, by="ann")
    return people


async def test_a_person_signs_in_and_out(session: Session) -> None:
    people = await with_people(session)
    made = await people.sign_in("ann", PASSWORD, address="192.0.2.1", agent="browser")
    caller = people.caller_of_session(made.secret)
    assert caller is not None
    assert (caller.name, caller.role) == ("ann", "admin")
    (seen,) = people.list_sessions()
    assert (seen.name, seen.address, seen.agent) == ("ann", "192.0.2.1", "browser")
    assert await people.sign_out(made.secret) == "ann"
    assert people.caller_of_session(made.secret) is None
    assert await people.sign_out(made.secret) is None


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong"), ("bob", ""), ("nobody", PASSWORD), ("", "")])
async def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(
    session: Session, name: str, password: str
) -> None:
    people = await with_people(session)
    with pytest.raises(SignInRefused, match="the name or the password is wrong"):
        await people.sign_in(name, password)


async def test_too_many_tries_wait_and_cost_no_hashing(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    people = await with_people(session)
    checks = []
    monkeypatch.setattr(people_module, "_verifies", lambda *given: checks.append(given))
    for _ in range(OF_A_NAME.tries):
        with pytest.raises(SignInRefused, match="wrong"):
            await people.sign_in("ann", "guess")
    with pytest.raises(SignInRefused, match="too many tries") as refused:
        await people.sign_in("ann", PASSWORD)
    assert refused.value.wait_s > 0
    assert len(checks) == OF_A_NAME.tries


async def test_a_session_counts_in_every_process_and_so_does_its_end(session: Session) -> None:
    people = await with_people(session)
    other = await open_directory(session)
    following = asyncio.create_task(other.follow())
    made = await people.sign_in("ann", PASSWORD)
    await until(lambda: other.caller_of_session(made.secret) is not None)
    await people.sign_out(made.secret)
    await until(lambda: other.caller_of_session(made.secret) is None)
    following.cancel()


async def until(happens) -> None:
    async with asyncio.timeout(10):
        while not happens():
            await asyncio.sleep(0)


class FailingLog(MemoryLog):
    """Its first followers fail."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)

    async def follow(self, topic, partition, offset):
        if self.errors:
            raise self.errors.pop(0)
        async for records in super().follow(topic, partition, offset):
            yield records


async def test_following_survives_an_outage_and_ends_loudly_at_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people_module, "FOLLOW_AGAIN_S", 0)
    log = FailingLog(LogUnavailable("away"), LogUnavailable("away"))
    other = Directory(log)
    following = asyncio.create_task(other.follow())
    await Directory(log).add_person("ann", "admin", None, by="root")
    await until(lambda: other.has_admin)
    following.cancel()
    with pytest.raises(LogDamaged):
        await Directory(FailingLog(LogDamaged("broken"))).follow()


async def test_another_role_counts_in_a_running_session_and_a_password_ends_it(session: Session) -> None:
    people = await with_people(session)
    await people.set_password("bob", PASSWORD, by="ann")
    made = await people.sign_in("bob", PASSWORD)
    await people.set_role("bob", "operator", by="ann")
    caller = people.caller_of_session(made.secret)
    assert caller is not None
    assert caller.may("campaigns:send")
    await people.change_own_password("bob", PASSWORD, "blue horses 8", "192.0.2.1")
    assert people.caller_of_session(made.secret) is None
    with pytest.raises(SignInRefused):
        await people.sign_in("bob", PASSWORD)
    with pytest.raises(SignInRefused):
        await people.change_own_password("bob", PASSWORD, "blue horses 9", "192.0.2.1")


async def test_a_person_has_a_bounded_number_of_sessions(session: Session) -> None:
    people = await with_people(session)
    made = [await people._begin_session("ann", "", "") for _ in range(SESSIONS_MAX + 1)]
    assert len(people.list_sessions("ann")) == SESSIONS_MAX
    assert people.caller_of_session(made[-1].secret) is not None
    assert await people.end_sessions("ann") == SESSIONS_MAX
    assert people.list_sessions() == []


async def test_the_only_administrator_stays(session: Session) -> None:
    people = await with_people(session)
    for change in (people.set_role("ann", "viewer", by="ann"), people.remove_person("ann", by="ann")):
        with pytest.raises(UserError, match="only administrator"):
            await change
    await people.set_role("bob", "admin", by="ann")
    await people.remove_person("ann", by="bob")
    assert [each.name for each in people.list_people()] == ["bob"]


async def test_a_removed_person_s_tokens_are_revoked(session: Session) -> None:
    people = await with_people(session)
    made = await people.add_token("bob", ["campaigns:read"], by="ann")
    assert await people.remove_person("bob", by="ann") == 1
    assert people.caller_of_token(made.secret) is None
    assert people.caller_of_name("bob") is None


async def test_a_token_is_known_by_its_secret_until_it_is_revoked(session: Session) -> None:
    people = await with_people(session)
    made = await people.add_token("crm", ["streams:send", "campaigns:read"], by="ann", days=1)
    assert made.secret.startswith("dsp_")
    caller = people.caller_of_token(made.secret)
    assert caller is not None
    assert (caller.name, caller.kind) == ("crm", "token")
    assert caller.permissions == {"campaigns:read", "streams:send"}
    assert people.caller_of_token("dsp_guess") is None
    seen = await people.revoke_token(made.id, by="ann")
    assert (seen.revoked_by, seen.scopes) == ("ann", ["campaigns:read", "streams:send"])
    assert people.caller_of_token(made.secret) is None
    assert (await people.revoke_token(made.id, by="bob")).revoked_by == "ann"
    assert [each.token for each in people.list_tokens()] == [made.id]


async def test_no_secret_is_on_the_log(session: Session) -> None:
    people = await with_people(session)
    token = await people.add_token("crm", ["streams:send"], by="ann")
    begun = await people.sign_in("ann", PASSWORD)
    link = await people.make_link("bob", by="ann")
    log = await session.log()
    written = b"".join(stored.key + stored.value for stored in await log.read("people", 0, 0))
    for secret in (PASSWORD, token.secret, begun.secret, link.secret):
        assert secret.encode() not in written
    assert hashlib.sha256(token.secret.encode()).digest() in written


async def test_the_first_administrator_comes_by_a_link_that_works_once(session: Session) -> None:
    people = await open_directory(session)
    link, other = await people.make_link("", by="root"), await people.make_link("", by="root")
    assert people.link_is_for(link.secret) == ""
    with pytest.raises(UserError, match="no name"):
        await people.use_link(link.secret, PASSWORD, name=" ")
    with pytest.raises(UserError, match="at least 10"):
        await people.use_link(link.secret, "short", name="ann")
    name, begun = await people.use_link(link.secret, PASSWORD, name=" ann ")
    assert name == "ann"
    caller = people.caller_of_session(begun.secret)
    assert caller is not None
    assert caller.role == "admin"
    for used in (link, other):
        assert people.link_is_for(used.secret) is None
        with pytest.raises(UserError, match="used or is too old"):
            await people.use_link(used.secret, PASSWORD, name="eve")


async def test_a_link_sets_the_password_of_its_person(session: Session) -> None:
    people = await with_people(session)
    link = await people.make_link("bob", by="ann")
    assert people.link_is_for(link.secret) == "bob"
    name, _ = await people.use_link(link.secret, PASSWORD, name="eve")
    assert name == "bob"
    assert people.link_is_for(link.secret) is None
    await people.sign_in("bob", PASSWORD)
    assert {each.name: (each.role, each.has_password) for each in people.list_people()} == {
        "ann": ("admin", True),
        "bob": ("viewer", True),
    }


MISTAKES = {
    "a name with a blank": (lambda people: people.add_person("ann b", "viewer", None, by="ann"), "no name for"),
    "a person twice": (lambda people: people.add_person("ann", "viewer", None, by="ann"), "is there already"),
    "an unknown role": (lambda people: people.set_role("ann", "owner", by="ann"), "viewer, operator, approver, admin"),
    "an unknown person": (lambda people: people.set_role("eve", "viewer", by="ann"), "dispatcher person list"),
    "a short password": (lambda people: people.set_password("ann", "short", by="ann"), "at least 10 characters"),
    "an unknown scope": (lambda people: people.add_token("crm", ["moon:walk"], by="ann"), "moon:walk is no scope"),
    "no scopes": (lambda people: people.add_token("crm", [], by="ann"), "may do nothing"),
    "a token without a name": (lambda people: people.add_token("", ["campaigns:read"], by="ann"), "no name for"),
    "an unknown token": (lambda people: people.revoke_token("7", by="ann"), "dispatcher token list"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_gets_a_plain_sentence(session: Session, mistake: str) -> None:
    call, says = MISTAKES[mistake]
    people = await with_people(session)
    before = await (await session.log()).end("people", 0)
    with pytest.raises(UserError, match=says):
        await call(people)
    assert await (await session.log()).end("people", 0) == before


async def test_the_audit_trail_is_searched_from_its_end(session: Session) -> None:
    people = await with_people(session)
    caller = people.caller_of_name("ann")
    assert caller is not None
    for number in range(5):
        await audit(session, caller, "campaigns:control", f"may{number}", says="paused", address="192.0.2.1")
    await audit(session, caller, "people:admin", "bob", says="role\x1b[2J", refused=True)
    newest = await audit_trail(session, limit=2)
    assert [(each.action, each.target, each.refused) for each in newest.entries] == [
        ("people:admin", "bob", True),
        ("campaigns:control", "may4", False),
    ]
    assert "\x1b" not in newest.entries[0].says
    older = await audit_trail(session, before=newest.before, limit=10)
    assert [each.target for each in older.entries] == ["may3", "may2", "may1", "may0"]
    assert older.before is None
    assert [each.target for each in (await audit_trail(session, search="ANN may2 192.0.2.1")).entries] == ["may2"]
    assert (await audit_trail(session, search="nothing")).entries == []
