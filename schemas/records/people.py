"""Records of people, tokens, sessions and one-time links (topic `people`), and of who did what (topic `audit`).

No record holds a secret: a password is an argon2id hash, a token, a session and a link are the SHA-256 of a random
secret of 32 bytes. The last record of a key counts, so `people` is compacted.
"""

from __future__ import annotations

from schemas.records.base import Record


class Person(Record, frozen=True, kw_only=True, tag="person"):
    """A person who may sign in, as of now; role "": removed. key `person!NAME`.

    `password` is an argon2id hash, "": none, so only a trusted proxy signs the person in. Sessions and links of another
    `epoch` are void: a changed password, and a removal, raise it.
    """

    name: str
    role: str
    at_ms: int
    by: str
    password: str = ""
    epoch: int = 0


class Token(Record, frozen=True, kw_only=True, tag="token"):
    """A token of a person or a system for the API, and what it may do. key `token!ID`.

    `digest` is the SHA-256 of its secret. `expires_ms` 0: never; `revoked_ms` 0: not revoked.
    """

    token: str
    name: str
    scopes: tuple[str, ...]
    digest: bytes
    at_ms: int
    by: str
    expires_ms: int = 0
    revoked_ms: int = 0
    revoked_by: str = ""


class SignedIn(Record, frozen=True, kw_only=True, tag="signed-in"):
    """A person's session in place `slot`, or none there (`digest` empty). key `session!NAME!SLOT`.

    A person has few slots and a new session takes the oldest, so the topic does not grow with sign-ins.
    """

    name: str
    slot: int
    at_ms: int
    digest: bytes = b""
    epoch: int = 0
    expires_ms: int = 0
    address: str = ""
    agent: str = ""


class OneTimeLink(Record, frozen=True, kw_only=True, tag="one-time-link"):
    """A link that lets whoever has it set a password once; `digest` empty: used. key `link!ID`.

    `name` is the person whose password it sets (of this `epoch`); "": it makes the first administrator.
    """

    link: str
    at_ms: int
    by: str
    name: str = ""
    digest: bytes = b""
    epoch: int = 0
    expires_ms: int = 0


class Audited(Record, frozen=True, kw_only=True, tag="audited"):
    """Somebody did something, or was refused. key = `by`.

    `kind` says what `by` is: a person, a token, the system's account of a command, or nobody yet (a failed sign-in).
    `action` is a permission or a word of its own (`sign-in`), `target` what it was done to, `says` how.
    """

    at_ms: int
    by: str
    kind: str
    action: str
    target: str = ""
    says: str = ""
    refused: bool = False
    address: str = ""
