"""Who may do what, cell by cell; and the fold of people, tokens, sessions and links."""

from __future__ import annotations

from typing import get_args

import pytest

from dispatcher.core.people import (
    PERMISSIONS,
    ROLES,
    SESSIONS_MAX,
    People,
    Permission,
    Role,
    password_fault,
    permissions_of,
    scopes_of,
    unknown_scopes,
)
from dispatcher.service.people.words import PERMISSION_WORDS, ROLE_WORDS
from schemas.records import OneTimeLink, Person, SignedIn, Token

TABLE = """
                    viewer  operator  approver  admin
campaigns:read      yes     yes       yes       yes
campaigns:draft     -       yes       -         yes
campaigns:send      -       yes       -         yes
campaigns:approve   -       -         yes       yes
campaigns:control   -       yes       yes       yes
numbers:read        -       yes       yes       yes
accounts:read       yes     yes       yes       yes
accounts:operate    -       -         -         yes
unknown:resolve     -       yes       -         yes
inbound:read        yes     yes       yes       yes
suppression:read    yes     yes       yes       yes
suppression:write   -       yes       -         yes
reports:read        yes     yes       yes       yes
streams:send        -       yes       -         yes
verify:use          -       yes       -         yes
people:admin        -       -         -         yes
settings:read       -       -         -         yes
"""
HEADER, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CELLS = [(row[0], role, word == "yes") for row in ROWS for role, word in zip(HEADER, row[1:], strict=True)]


@pytest.mark.parametrize(("permission", "role", "may"), CELLS)
def test_a_role_may_do_what_its_cell_says(permission: Permission, role: Role, may: bool) -> None:
    assert (permission in ROLES[role]) is may


def test_the_table_has_every_role_and_every_permission() -> None:
    assert tuple(HEADER) == get_args(Role) == tuple(ROLES)
    assert tuple(row[0] for row in ROWS) == get_args(Permission) == PERMISSIONS
    assert tuple(ROLE_WORDS) == tuple(ROLES)
    assert tuple(PERMISSION_WORDS) == PERMISSIONS


def test_words_of_a_newer_release_give_no_permission() -> None:
    assert permissions_of("owner") == frozenset()
    assert scopes_of(("campaigns:read", "moon:walk")) == {"campaigns:read"}
    assert unknown_scopes(("campaigns:read", "moon:walk")) == ["moon:walk"]


def person(name: str, role: str, epoch: int = 1) -> Person:
    return Person(name=name, role=role, at_ms=1, by="root", epoch=epoch)


def session(name: str, slot: int, at_ms: int = 10, *, epoch: int = 1, expires_ms: int = 1_000) -> SignedIn:
    digest = f"{name} {slot} {at_ms}".encode()
    return SignedIn(name=name, slot=slot, at_ms=at_ms, digest=digest, epoch=epoch, expires_ms=expires_ms)


def folded(*records: Person | Token | SignedIn | OneTimeLink) -> People:
    people = People()
    for record in records:
        people.apply(record)
    return people


def test_a_person_is_a_caller_until_removed() -> None:
    people = folded(person("ann", "operator"))
    caller = people.caller("ann")
    assert caller is not None
    assert (caller.name, caller.kind, caller.role) == ("ann", "person", "operator")
    assert caller.may("campaigns:send")
    assert not caller.may("people:admin")
    people.apply(person("ann", "", epoch=2))
    assert people.caller("ann") is None
    assert people.epoch("ann") == 2


def test_a_session_is_valid_until_it_expires_or_is_ended() -> None:
    begun = session("ann", 0)
    people = folded(person("ann", "viewer"), begun)
    assert people.session(begun.digest, 999) == begun
    assert people.session(begun.digest, 1_000) is None
    assert people.session(b"another", 999) is None
    people.apply(SignedIn(name="ann", slot=0, at_ms=20))
    assert people.session(begun.digest, 30) is None
    assert people.sessions("ann", 30) == []


@pytest.mark.parametrize("change", [person("ann", "viewer", epoch=2), person("ann", "", epoch=2)])
def test_a_new_password_and_a_removal_end_sessions_whatever_compaction_has_deleted(change: Person) -> None:
    begun = session("ann", 0)
    assert folded(person("ann", "viewer"), begun, change).session(begun.digest, 20) is None
    assert folded(begun, change).session(begun.digest, 20) is None
    again = person("ann", "viewer", epoch=3)
    assert folded(begun, change, again).session(begun.digest, 20) is None


def test_another_role_keeps_the_session() -> None:
    begun = session("ann", 0)
    assert folded(person("ann", "viewer"), begun, person("ann", "admin")).session(begun.digest, 20) == begun


def test_one_session_too_many_takes_the_place_of_the_oldest() -> None:
    people = folded(person("ann", "viewer"))
    for at in range(SESSIONS_MAX):
        assert people.slot_for("ann", 50) == at
        people.apply(session("ann", at, at_ms=20 - at))
    oldest = session("ann", SESSIONS_MAX - 1, at_ms=20 - SESSIONS_MAX + 1)
    assert people.slot_for("ann", 50) == oldest.slot
    newer = session("ann", oldest.slot, at_ms=40)
    people.apply(newer)
    assert people.session(oldest.digest, 50) is None
    assert people.sessions("ann", 50)[0] == newer
    assert len(people.sessions("ann", 50)) == SESSIONS_MAX


def token(**changes: int) -> Token:
    made = Token(token="7", name="crm", scopes=("streams:send",), digest=b"crm", at_ms=1, by="ann", expires_ms=100)
    return Token(**{field: getattr(made, field) for field in made.__struct_fields__} | changes)


def test_a_token_is_valid_until_it_expires_or_is_revoked() -> None:
    people = folded(token())
    caller = people.caller_of_token(b"crm", 99)
    assert caller is not None
    assert (caller.name, caller.kind, caller.token) == ("crm", "token", "7")
    assert caller.permissions == {"streams:send"}
    assert people.caller_of_token(b"crm", 100) is None
    assert people.caller_of_token(b"another", 99) is None
    people.apply(token(revoked_ms=50))
    assert people.caller_of_token(b"crm", 60) is None
    assert people.tokens["7"].revoked_ms == 50


def test_a_token_without_an_end_stays_valid() -> None:
    assert folded(token(expires_ms=0)).caller_of_token(b"crm", 10**15) is not None


def link(name: str = "", epoch: int = 0, digest: bytes = b"link") -> OneTimeLink:
    return OneTimeLink(link="1", at_ms=1, by="root", name=name, digest=digest, epoch=epoch, expires_ms=100)


def test_a_link_for_the_first_administrator_is_void_when_there_is_one() -> None:
    people = folded(link())
    assert people.link(b"link", 99) == link()
    assert people.link(b"link", 100) is None
    people.apply(person("ann", "admin"))
    assert people.link(b"link", 99) is None


def test_a_link_of_a_person_is_valid_once_and_until_the_password_changes() -> None:
    people = folded(person("ann", "viewer"), link("ann", 1))
    assert people.link(b"link", 99) == link("ann", 1)
    assert people.link(b"other", 99) is None
    people.apply(person("ann", "viewer", epoch=2))
    assert people.link(b"link", 99) is None
    people = folded(person("ann", "viewer"), link("ann", 1), link("ann", 1, digest=b""))
    assert people.link(b"link", 99) is None
    assert folded(link("bob", 0)).link(b"link", 99) is None


def test_the_last_administrator_is_known() -> None:
    people = folded(person("ann", "admin"), person("bob", "viewer"))
    assert people.is_last_admin("ann")
    assert not people.is_last_admin("bob")
    people.apply(person("bob", "admin"))
    assert not people.is_last_admin("ann")


@pytest.mark.parametrize("password", ["short", "1234567890", "aaaaaaaaaaaa", "annabella2024", "x" * 1_025])
def test_an_easy_password_is_refused(password: str) -> None:
    assert password_fault(password, "annabella")


@pytest.mark.parametrize("password", ["green horses 7", "绿色的马在跑步七八九十"])
def test_a_long_one_is_taken(password: str) -> None:
    assert password_fault(password, "ann") is None
