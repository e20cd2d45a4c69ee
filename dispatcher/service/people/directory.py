"""People, tokens, sessions and one-time links: who may sign in, and who a secret belongs to.

A `Directory` is the fold of the topic `people`. A process that serves people opens one and follows the log with it, so
a request reads no record, and a sign-out or a revoked token counts in every process as soon as the log hands it on.

Secrets are random and have 32 bytes; their SHA-256 is on the log and is what they are looked up by. Passwords are
checked with argon2id in a thread, a few at a time; tries are counted (dispatcher/core/sign_in.py).
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import secrets
import time
from typing import Any, Final

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from dispatcher.clock import now_ms
from dispatcher.core.people import (
    NAME,
    PERMISSIONS,
    ROLES,
    Caller,
    People,
    password_fault,
    unknown_scopes,
)
from dispatcher.core.sign_in import SignInThrottle
from dispatcher.errors import LogError, UserError
from dispatcher.log.port import Entry, Log
from dispatcher.log.records import record_of
from dispatcher.sentences import Sentence
from dispatcher.service.session import Session
from schemas.codec import encode
from schemas.records import OneTimeLink, Person, SignedIn, Token
from schemas.topics import PEOPLE

TOKEN_PREFIX: Final = "dsp_"
SESSION_S: Final = 12 * 3600
LINK_S: Final = 24 * 3600
CHECKS_AT_ONCE: Final = 2
CHECKS_WAITING_MAX: Final = 32
FOLLOW_AGAIN_S: Final = 1.0
AGENT_CHARS_MAX: Final = 200

_hasher: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""OWASP's parameters for argon2id: 19 MiB and about 20 ms for each check."""


class SignInRefused(UserError):
    """The name or the password is wrong, or there were too many tries; `wait_s` 0: another try may follow at once."""

    def __init__(self, text: str | Sentence, wait_s: float = 0.0, /, **values: Any) -> None:
        super().__init__(text, **values)
        self.wait_s = wait_s


class PersonView(msgspec.Struct, frozen=True, kw_only=True):
    """A person, without the password: `has_password` false: only a trusted proxy or a link signs the person in."""

    name: str
    role: str
    has_password: bool
    since_ms: int
    by: str
    sessions: int


class TokenView(msgspec.Struct, frozen=True, kw_only=True):
    """A token, without its secret."""

    token: str
    name: str
    scopes: list[str]
    made_ms: int
    by: str
    expires_ms: int
    revoked_ms: int
    revoked_by: str


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session of a person."""

    name: str
    slot: int
    since_ms: int
    expires_ms: int
    address: str
    agent: str


class NewSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret that is shown once: a token's, a session's or a link's, and the id of what it belongs to."""

    id: str
    secret: str
    expires_ms: int


class Directory:
    """People, tokens, sessions and links of one log, as far as it was read. Made by `open_directory`."""

    def __init__(self, log: Log) -> None:
        self._log: Final = log
        self._people: Final = People()
        self._position = 0
        self._throttle: Final = SignInThrottle()
        self._checking: Final = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._waiting = 0
        self._changing: Final = asyncio.Lock()

    # --- reading -----------------------------------------------------------------------------------------------------

    async def catch_up(self) -> None:
        """Read everything there is now. Raises LogError."""
        while records := await self._log.read(PEOPLE.name, 0, self._position):
            for stored in records:
                if stored.offset >= self._position:
                    self._people.apply(record_of(stored, PEOPLE.name))
                    self._position = stored.offset + 1

    async def follow(self) -> None:
        """Follow for ever, also through an outage of the log. Raises LogError if that cannot pass."""
        while True:
            try:
                async for _ in self._log.follow(PEOPLE.name, 0, self._position):
                    await self.catch_up()
            except LogError as error:
                if not error.retryable:
                    raise
            await asyncio.sleep(FOLLOW_AGAIN_S)

    @property
    def has_admin(self) -> bool:
        """Whether there is an administrator."""
        return self._people.has_admin

    def caller_of_token(self, secret: str) -> Caller | None:
        """Who calls with this token; None if it is not valid."""
        return self._people.caller_of_token(_digest(secret), now_ms())

    def caller_of_session(self, secret: str) -> Caller | None:
        """Who calls in this session; None if it is not valid."""
        found = self._people.session(_digest(secret), now_ms())
        return None if found is None else self._people.caller(found.name)

    def caller_of_name(self, name: str) -> Caller | None:
        """The person of this name, whom a trusted proxy has signed in; None if there is no such person."""
        return self._people.caller(name)

    def list_people(self) -> list[PersonView]:
        """Everybody, by name."""
        now = now_ms()
        return [
            PersonView(
                name=each.name,
                role=each.role,
                has_password=bool(each.password),
                since_ms=each.at_ms,
                by=each.by,
                sessions=len(self._people.sessions(each.name, now)),
            )
            for each in sorted(self._people.people.values(), key=lambda each: each.name)
        ]

    def list_tokens(self) -> list[TokenView]:
        """Every token, also revoked ones, the newest first."""
        return [
            _token_view(each)
            for each in sorted(self._people.tokens.values(), key=lambda each: each.at_ms, reverse=True)
        ]

    def list_sessions(self, name: str | None = None) -> list[SessionView]:
        """The sessions of everybody, or of one person, the newest first."""
        now = now_ms()
        names = self._people.people if name is None else [name]
        found = [session for each in names for session in self._people.sessions(each, now)]
        return [
            SessionView(
                name=each.name,
                slot=each.slot,
                since_ms=each.at_ms,
                expires_ms=each.expires_ms,
                address=each.address,
                agent=each.agent,
            )
            for each in sorted(found, key=lambda each: each.at_ms, reverse=True)
        ]

    # --- people ------------------------------------------------------------------------------------------------------

    async def add_person(self, name: str, role: str, password: str | None, *, by: str) -> None:
        """Add a person; without a password a link (`make_link`) sets one. Raises UserError, LogError."""
        if not NAME.fullmatch(name):
            raise UserError(
                '"{name}" is no name for a person: letters, digits, "_", "-", "." and "@", at most 64.', name=name
            )
        _check_role(role)
        async with self._changing:
            await self.catch_up()
            if name in self._people.people:
                raise UserError(
                    '"{name}" is there already.',
                    name=name,
                    role=role,
                    do="Change the role: dispatcher person role {name} {role}",
                )
            await self._put_person(name, role, await self._hashed(name, password), by=by, ends_sessions=True)

    async def set_role(self, name: str, role: str, *, by: str) -> None:
        """Give a person another role; it counts from the next request on. Raises UserError, LogError."""
        _check_role(role)
        async with self._changing:
            person = await self._person(name)
            if role != "admin" and self._people.is_last_admin(name):
                raise UserError('"{name}" is the only administrator. Make another person one before.', name=name)
            await self._put_person(name, role, person.password, by=by, ends_sessions=False)

    async def set_password(self, name: str, password: str, *, by: str) -> None:
        """Set a password; it ends the person's sessions. Raises UserError, LogError."""
        hashed = await self._hashed(name, password)
        async with self._changing:
            person = await self._person(name)
            await self._put_person(name, person.role, hashed, by=by, ends_sessions=True)

    async def change_own_password(self, name: str, old: str, new: str, address: str) -> None:
        """Set one's own password, with the old one. Raises SignInRefused, UserError, LogError."""
        await self._check_password(name, old, address)
        await self.set_password(name, new, by=name)

    async def remove_person(self, name: str, *, by: str) -> int:
        """Remove a person, their sessions and their tokens; returns how many tokens. Raises UserError, LogError."""
        async with self._changing:
            await self._person(name)
            if self._people.is_last_admin(name):
                raise UserError('"{name}" is the only administrator. Make another person one before.', name=name)
            await self._put_person(name, "", "", by=by, ends_sessions=True)
            tokens = [each for each in self._people.tokens.values() if each.name == name and not each.revoked_ms]
            for each in tokens:
                await self._revoke(each, by)
            return len(tokens)

    async def end_sessions(self, name: str, *, slot: int | None = None) -> int:
        """Sign a person out, everywhere or of one session; returns of how many. Raises UserError, LogError."""
        async with self._changing:
            await self._person(name)
            found = [each for each in self._people.sessions(name, now_ms()) if slot in (None, each.slot)]
            for each in found:
                await self._append(_session_key(name, each.slot), SignedIn(name=name, slot=each.slot, at_ms=now_ms()))
            return len(found)

    # --- signing in --------------------------------------------------------------------------------------------------

    async def sign_in(self, name: str, password: str, *, address: str = "", agent: str = "") -> NewSecret:
        """Begin a session; its secret is the cookie. Raises SignInRefused, LogError."""
        await self._check_password(name, password, address)
        return await self._begin_session(name, address, agent)

    async def sign_out(self, secret: str) -> str | None:
        """End this session; returns whose it was. Raises LogError."""
        found = self._people.session(_digest(secret), now_ms())
        if found is None:
            return None
        ended = SignedIn(name=found.name, slot=found.slot, at_ms=now_ms())
        await self._append(_session_key(found.name, found.slot), ended)
        return found.name

    async def make_link(self, name: str, *, by: str) -> NewSecret:
        """A link that lets this person set a password once; name "": that makes the first administrator.

        Raises UserError, LogError.
        """
        async with self._changing:
            if name:
                await self._person(name)
            made = _new_secret(secrets.token_hex(4), "", LINK_S)
            record = OneTimeLink(
                link=made.id,
                name=name,
                digest=_digest(made.secret),
                epoch=self._people.epoch(name),
                at_ms=now_ms(),
                expires_ms=made.expires_ms,
                by=by,
            )
            await self._append(f"link!{made.id}", record)
            return made

    def link_is_for(self, secret: str) -> str | None:
        """Whose password this link sets; "" for the first administrator, None if it is not valid."""
        found = self._people.link(_digest(secret), now_ms())
        return None if found is None else found.name

    async def use_link(
        self, secret: str, password: str, *, name: str = "", address: str = "", agent: str = ""
    ) -> tuple[str, NewSecret]:
        """Set the password and sign in: returns the name and the session. `name`: the first administrator's.

        Raises UserError if the link is not valid or the password too easy, LogError.
        """
        async with self._changing:
            await self.catch_up()
            found = self._people.link(_digest(secret), now_ms())
            if found is None:
                raise UserError("this link was used or is too old. Ask for another one.")
            who = found.name or name.strip()
            if not NAME.fullmatch(who):
                raise UserError(
                    '"{who}" is no name for a person: letters, digits, "_", "-", "." and "@", at most 64.', who=who
                )
            hashed = await self._hashed(who, password)
            role = self._people.people[who].role if found.name else "admin"
            await self._append(f"link!{found.link}", msgspec.structs.replace(found, digest=b"", at_ms=now_ms()))
            await self._put_person(who, role, hashed, by=who, ends_sessions=True)
        return who, await self._begin_session(who, address, agent)

    # --- tokens ------------------------------------------------------------------------------------------------------

    async def add_token(self, name: str, scopes: list[str], *, by: str, days: int | None = None) -> NewSecret:
        """Make a token for a person or a system. Its secret is not kept. Raises UserError, LogError."""
        if not NAME.fullmatch(name):
            raise UserError(
                '"{name}" is no name for a token: letters, digits, "_", "-", "." and "@", at most 64.', name=name
            )
        if not scopes:
            raise UserError(
                "a token without scopes may do nothing. Give some of: {permissions}.",
                permissions=", ".join(PERMISSIONS),
            )
        if unknown := unknown_scopes(scopes):
            raise UserError(
                "{unknown} is no scope. Write some of: {permissions}.",
                unknown=", ".join(unknown),
                permissions=", ".join(PERMISSIONS),
            )
        made = _new_secret(secrets.token_hex(4), TOKEN_PREFIX, None if days is None else days * 86_400)
        record = Token(
            token=made.id,
            name=name,
            scopes=tuple(scope for scope in PERMISSIONS if scope in scopes),
            digest=_digest(made.secret),
            at_ms=now_ms(),
            by=by,
            expires_ms=made.expires_ms,
        )
        await self._append(_token_key(made.id), record)
        return made

    async def revoke_token(self, token: str, *, by: str) -> TokenView:
        """Revoke the token with this id. Raises UserError, LogError."""
        async with self._changing:
            await self.catch_up()
            found = self._people.tokens.get(token)
            if found is None:
                raise UserError('there is no token "{token}".', token=token, do="See: dispatcher token list")
            if not found.revoked_ms:
                await self._revoke(found, by)
            return _token_view(self._people.tokens[token])

    # --- within ------------------------------------------------------------------------------------------------------

    async def _person(self, name: str) -> Person:
        await self.catch_up()
        try:
            return self._people.people[name]
        except KeyError:
            raise UserError('there is no person "{name}".', name=name, do="See: dispatcher person list") from None

    async def _hashed(self, name: str, password: str | None) -> str:
        if password is None:
            return ""
        if fault := password_fault(password, name):
            raise UserError(fault)
        async with self._checking:
            return await asyncio.to_thread(_hasher.hash, password)

    async def _check_password(self, name: str, password: str, address: str) -> None:
        """Raises SignInRefused. An unknown name takes as long as a wrong password."""
        name = name[:128]
        wait_s = self._throttle.wait_s(name, address, time.monotonic())
        if wait_s > 0:
            raise SignInRefused("too many tries. Wait {seconds} s, then try again.", wait_s, seconds=int(wait_s) + 1)
        if self._waiting >= CHECKS_WAITING_MAX:
            raise SignInRefused("too many people sign in at this moment. Try again in a few seconds.", 3.0)
        person = self._people.people.get(name)
        hashed = person.password if person is not None else ""
        self._waiting += 1
        try:
            async with self._checking:
                right = await asyncio.to_thread(_verifies, hashed, password)
        finally:
            self._waiting -= 1
        if not right or person is None:
            raise SignInRefused("the name or the password is wrong.")
        self._throttle.succeeded(name, address)

    async def _begin_session(self, name: str, address: str, agent: str) -> NewSecret:
        made = _new_secret("", "", SESSION_S)
        async with self._changing:
            await self._person(name)
            record = SignedIn(
                name=name,
                slot=self._people.slot_for(name, now_ms()),
                digest=_digest(made.secret),
                epoch=self._people.epoch(name),
                at_ms=now_ms(),
                expires_ms=made.expires_ms,
                address=address,
                agent=agent[:AGENT_CHARS_MAX],
            )
            await self._append(_session_key(name, record.slot), record)
        return made

    async def _put_person(self, name: str, role: str, password: str, *, by: str, ends_sessions: bool) -> None:
        epoch = self._people.epoch(name) + ends_sessions
        record = Person(name=name, role=role, at_ms=now_ms(), by=by, password=password, epoch=epoch)
        await self._append(f"person!{name}", record)

    async def _revoke(self, token: Token, by: str) -> None:
        record = msgspec.structs.replace(token, revoked_ms=now_ms(), revoked_by=by)
        await self._append(_token_key(token.token), record)

    async def _append(self, key: str, record: Person | Token | SignedIn | OneTimeLink) -> None:
        await self._log.append(PEOPLE.name, 0, [Entry(key.encode(), encode(record))])
        await self.catch_up()


async def open_directory(session: Session) -> Directory:
    """The directory of this session's log, which is made if there is none, as of now. Raises LogError."""
    directory = Directory(await session.log(create=True))
    await directory.catch_up()
    return directory


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise UserError('"{role}" is no role. Write one of: {roles}.', role=role, roles=", ".join(ROLES))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _new_secret(name: str, prefix: str, valid_s: int | None) -> NewSecret:
    expires_ms = 0 if valid_s is None else now_ms() + valid_s * 1000
    return NewSecret(id=name, secret=prefix + secrets.token_urlsafe(32), expires_ms=expires_ms)


def _session_key(name: str, slot: int) -> str:
    return f"session!{name}!{slot}"


def _token_key(token: str) -> str:
    return f"token!{token}"


def _verifies(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False


@functools.cache
def _nobodys_hash() -> str:
    """A hash of no password that anybody has: an unknown name is checked against it."""
    return _hasher.hash(secrets.token_urlsafe(32))


def _token_view(token: Token) -> TokenView:
    return TokenView(
        token=token.token,
        name=token.name,
        scopes=list(token.scopes),
        made_ms=token.at_ms,
        by=token.by,
        expires_ms=token.expires_ms,
        revoked_ms=token.revoked_ms,
        revoked_by=token.revoked_by,
    )
