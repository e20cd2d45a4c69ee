"""People, tokens and sessions as the log has them, and what each role may do. Pure: times and digests are arguments.

ROLES is the only place that says who may do what: a permission is a word, a token's scopes are the same words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final, Literal, get_args

import msgspec

from dispatcher.sentences import Sentence
from schemas.records import AnyRecord, OneTimeLink, Person, SignedIn, Token

Permission = Literal[
    "campaigns:read",
    "campaigns:draft",
    "campaigns:send",
    "campaigns:approve",
    "campaigns:control",
    "numbers:read",
    "accounts:read",
    "accounts:operate",
    "unknown:resolve",
    "inbound:read",
    "suppression:read",
    "suppression:write",
    "reports:read",
    "streams:send",
    "verify:use",
    "people:admin",
    "settings:read",
]
Role = Literal["viewer", "operator", "approver", "admin"]

_SEES: Final[frozenset[Permission]] = frozenset(
    ("campaigns:read", "accounts:read", "inbound:read", "suppression:read", "reports:read")
)
_RUNS: Final[frozenset[Permission]] = frozenset(
    (
        *("campaigns:draft", "campaigns:send", "campaigns:control", "numbers:read", "unknown:resolve"),
        *("suppression:write", "streams:send", "verify:use"),
    )
)
_APPROVES: Final[frozenset[Permission]] = frozenset(("campaigns:approve", "campaigns:control", "numbers:read"))
_GOVERNS: Final[frozenset[Permission]] = frozenset(
    ("campaigns:approve", "accounts:operate", "people:admin", "settings:read")
)

ROLES: Final[dict[Role, frozenset[Permission]]] = {
    "viewer": _SEES,
    "operator": _SEES | _RUNS,
    "approver": _SEES | _APPROVES,
    "admin": _SEES | _RUNS | _GOVERNS,
}
"""What each role may do. `numbers:read`: may see phone numbers unmasked, which is audited."""

PERMISSIONS: Final[tuple[Permission, ...]] = get_args(Permission)

NAME: Final = re.compile(r"\w[\w.@-]{0,63}")
SESSIONS_MAX: Final = 10
"""Sessions of one person; one more ends the oldest."""
PASSWORD_CHARS_MIN: Final = 10
PASSWORD_CHARS_MAX: Final = 1_024
COMMON_PASSWORDS: Final = frozenset(
    ("1234567890", "12345678910", "0123456789", "qwertyuiop", "passwordpassword", "password123", "1q2w3e4r5t")
)


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for something, and what they may do; `token` is the id of the token that was used."""

    name: str
    permissions: frozenset[Permission]
    kind: Literal["person", "token", "system"]
    role: str = ""
    token: str = ""

    def may(self, permission: Permission) -> bool:
        """Whether the caller has this permission."""
        return permission in self.permissions


class People:
    """The fold of the topic `people`: who there is now."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.tokens: dict[str, Token] = {}
        self.links: dict[str, OneTimeLink] = {}
        self._epochs: dict[str, int] = {}
        self._callers: dict[str, Caller] = {}
        self._token_of: dict[bytes, str] = {}
        self._slots: dict[tuple[str, int], SignedIn] = {}
        self._session_of: dict[bytes, SignedIn] = {}

    def apply(self, record: AnyRecord) -> None:
        """Fold the next record; kinds of a newer release are left out."""
        match record:
            case Person():
                self._epochs[record.name] = record.epoch
                if record.role:
                    self.people[record.name] = record
                else:
                    self.people.pop(record.name, None)
            case Token():
                self.tokens[record.token] = record
                self._token_of[record.digest] = record.token
                self._callers[record.token] = Caller(
                    name=record.name, permissions=scopes_of(record.scopes), kind="token", token=record.token
                )
            case SignedIn():
                place = record.name, record.slot
                before = self._slots.pop(place, None)
                if before is not None:
                    self._session_of.pop(before.digest, None)
                if record.digest:
                    self._slots[place] = self._session_of[record.digest] = record
            case OneTimeLink():
                self.links.pop(record.link, None)
                if record.digest:
                    self.links[record.link] = record

    @property
    def has_admin(self) -> bool:
        """Whether there is an administrator: without one, a one-time link makes the first."""
        return any(person.role == "admin" for person in self.people.values())

    def epoch(self, name: str) -> int:
        """The epoch of a person, also of a removed one."""
        return self._epochs.get(name, 0)

    def caller_of_token(self, digest: bytes, now_ms: int) -> Caller | None:
        """Who calls with the token of this digest; None if there is no such token, or it is no longer valid."""
        found = self.tokens.get(self._token_of.get(digest, ""))
        if found is None or found.revoked_ms or (found.expires_ms and found.expires_ms <= now_ms):
            return None
        return self._callers[found.token]

    def session(self, digest: bytes, now_ms: int) -> SignedIn | None:
        """The valid session with this digest."""
        found = self._session_of.get(digest)
        return found if found is not None and self._counts(found, now_ms) else None

    def sessions(self, name: str, now_ms: int) -> list[SignedIn]:
        """The valid sessions of a person, the newest first."""
        found = [each for each in self._slots.values() if each.name == name and self._counts(each, now_ms)]
        return sorted(found, key=lambda each: each.at_ms, reverse=True)

    def slot_for(self, name: str, now_ms: int) -> int:
        """The place for one more session of a person: a free one, else that of the oldest session."""
        used = {each.slot: each.at_ms for each in self.sessions(name, now_ms)}
        free = [slot for slot in range(SESSIONS_MAX) if slot not in used]
        return free[0] if free else min(used, key=lambda slot: used[slot])

    def link(self, digest: bytes, now_ms: int) -> OneTimeLink | None:
        """The valid link with this digest. A link for the first administrator is void when there is one."""
        for found in self.links.values():
            if found.digest == digest and found.expires_ms > now_ms:
                if not found.name:
                    return None if self.has_admin else found
                person = self.people.get(found.name)
                return found if person is not None and person.epoch == found.epoch else None
        return None

    def caller(self, name: str) -> Caller | None:
        """A person as a caller; None if there is no such person."""
        person = self.people.get(name)
        if person is None:
            return None
        return Caller(name=name, permissions=permissions_of(person.role), kind="person", role=person.role)

    def is_last_admin(self, name: str) -> bool:
        """Whether this person is the only administrator: then neither removal nor another role is allowed."""
        return [each.name for each in self.people.values() if each.role == "admin"] == [name]

    def _counts(self, session: SignedIn, now_ms: int) -> bool:
        person = self.people.get(session.name)
        return person is not None and person.epoch == session.epoch and session.expires_ms > now_ms


def permissions_of(role: str) -> frozenset[Permission]:
    """What a role may do; a role of a newer release nothing."""
    return next((permissions for known, permissions in ROLES.items() if known == role), frozenset())


def scopes_of(words: Iterable[str]) -> frozenset[Permission]:
    """The permissions among a token's scopes; words of a newer release give nothing."""
    given = frozenset(words)
    return frozenset(known for known in PERMISSIONS if known in given)


def unknown_scopes(words: Collection[str]) -> list[str]:
    """The words that are no permission."""
    return [word for word in words if word not in PERMISSIONS]


def password_fault(password: str, name: str) -> Sentence | None:
    """Why this must not be the password of that person, as a sentence, or None."""
    if len(password) < PASSWORD_CHARS_MIN:
        return Sentence(
            "a password needs at least {min} characters. Take a sentence, or let a manager make one.",
            min=PASSWORD_CHARS_MIN,
        )
    if len(password) > PASSWORD_CHARS_MAX:
        return Sentence("a password has at most {max:,} characters.", max=PASSWORD_CHARS_MAX)
    plain = password.casefold()
    if plain in COMMON_PASSWORDS or len(set(plain)) < 4 or plain.strip("0123456789") == name.casefold():
        return Sentence("this password is among the first that are tried. Take another one.")
    return None
