"""Verification codes: how one is made, and what every try of one counts as. See docs/LAUNCHES.md,
"Verification codes".

A code is derived from a secret key and a random id; neither it nor the number is on the log, only keyed hashes. The
log decides everything: `Codes` folds one partition of `verifications`, and the order of the records says which codes
were made in time, which try was the right one first, and when there were too many. Whoever appends a record reads it
back before acting on it, so two processes cannot allow twice the tries, or say yes twice.

Pure: no clock and no chance; times are those that the log gave the records. Weak spot: a log's clock that is set
back lengthens the validity of a code by as much.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections import deque
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import msgspec

from schemas.records import AnyRecord, CodeMade, CodeTried
from schemas.topics import VERIFICATION_PARTITIONS

ID_BYTES: Final = 16
HASH_BYTES: Final = 16
MARK_BYTES: Final = 4
SECRET_BYTES_MIN: Final = 16
TYPED_CHARS_MAX: Final = 64

HOUR_MS: Final = 3_600_000
VALID_S_MAX: Final = 3_600
KEPT_MS: Final = HOUR_MS + HOUR_MS // 6
"""How long a code matters: its validity, and the hour in which codes are counted, with a reserve for clocks."""

READ_BACK_MS: Final = KEPT_MS + HOUR_MS
"""A reader that begins this long ago knows all codes that matter, and what they themselves counted as."""

LENGTHS: Final = range(4, 17)
ALPHABET_SIZES: Final = range(10, 65)


class CodeRules(msgspec.Struct, frozen=True, kw_only=True):
    """What codes look like, how long they are valid, how many a number gets in an hour, and the wrong tries of each."""

    length: int = 6
    alphabet: str = "0123456789"
    valid_for_s: int = 300
    codes_per_hour_max: int = 5
    tries_max: int = 5

    def broken(self) -> str | None:
        """What is wrong with them, in one sentence without its end; None: nothing."""
        if self.length not in LENGTHS:
            return f"length must be {LENGTHS[0]} to {LENGTHS[-1]}"
        if any(not ("!" <= character <= "~") for character in self.alphabet):
            return "alphabet may hold letters, digits and signs of ASCII, and no blank"
        if len(set(self.alphabet)) != len(self.alphabet) or len(self.alphabet) not in ALPHABET_SIZES:
            return f"alphabet must have {ALPHABET_SIZES[0]} to {ALPHABET_SIZES[-1]} different characters, each once"
        if not 30 <= self.valid_for_s <= VALID_S_MAX:
            return f"valid_for_s must be 30 to {VALID_S_MAX}"
        if not 1 <= self.codes_per_hour_max <= 100:
            return "codes_per_hour_max must be 1 to 100"
        if not 1 <= self.tries_max <= 20:
            return "tries_max must be 1 to 20"
        return None


class CodeKeys:
    """What only the holder of the secret can compute. Every value has a key of its own, derived from the secret."""

    __slots__ = ("_code", "_proof", "_request", "_subject", "mark")

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SECRET_BYTES_MIN:
            raise ValueError(f"a secret of less than {SECRET_BYTES_MIN} bytes")
        self._code, self._proof, self._request, self._subject = (
            _keyed(secret, purpose) for purpose in (b"code", b"proof", b"request", b"subject")
        )
        self.mark: Final = _keyed(secret, b"mark")[:MARK_BYTES]

    def subject(self, number: int) -> bytes:
        """The keyed hash of a number."""
        return _keyed(self._subject, str(number).encode())[:HASH_BYTES]

    def request(self, subject: bytes, stream: str, key: str) -> bytes:
        """The keyed hash of a caller's idempotency key, which counts for one number of one stream."""
        return _keyed(self._request, subject, stream.encode(), key.encode("utf-8", "surrogatepass"))[:HASH_BYTES]

    def code(self, subject: bytes, code_id: bytes, length: int, alphabet: str) -> str:
        """The code of this id. Its characters are as good as evenly distributed: 256 bits become at most 96."""
        number = int.from_bytes(_keyed(self._code, subject, code_id))
        characters = []
        for _ in range(length):
            number, index = divmod(number, len(alphabet))
            characters.append(alphabet[index])
        return "".join(characters)

    def proof(self, subject: bytes, code_id: bytes, code: str) -> bytes:
        """The keyed hash of a code, for one number and one id."""
        return _keyed(self._proof, subject, code_id, code.encode("utf-8", "surrogatepass"))[:HASH_BYTES]

    def is_right(self, code: Code, typed: str) -> bool:
        """Whether this is the code, in a time that does not depend on where the two differ."""
        made = code.made
        plain = as_typed(typed, made.alphabet)
        return hmac.compare_digest(self.proof(made.subject, made.id, plain), made.proof)


def new_code(keys: CodeKeys, rules: CodeRules, *, number: int, stream: str, key: str, code_id: bytes) -> CodeMade:
    """The record of a new code; `code_id` is ID_BYTES of chance."""
    subject = keys.subject(number)
    code = keys.code(subject, code_id, rules.length, rules.alphabet)
    return CodeMade(
        subject=subject,
        stream=stream,
        id=code_id,
        request=keys.request(subject, stream, key),
        proof=keys.proof(subject, code_id, code),
        mark=keys.mark,
        length=rules.length,
        alphabet=rules.alphabet,
        valid_for_s=rules.valid_for_s,
        codes_per_hour_max=rules.codes_per_hour_max,
        tries_max=rules.tries_max,
    )


def code_of(keys: CodeKeys, made: CodeMade) -> str:
    """The code of a record, to be sent."""
    return keys.code(made.subject, made.id, made.length, made.alphabet)


def as_typed(typed: str, alphabet: str) -> str:
    """What a person typed, as the alphabet has it: no blanks and hyphens, wide signs and the other case folded."""
    text = unicodedata.normalize("NFKC", typed[:TYPED_CHARS_MAX])
    if "-" not in alphabet:
        text = text.replace("-", "")
    text = "".join(text.split())
    if alphabet == alphabet.upper():
        return text.upper()
    return text.lower() if alphabet == alphabet.lower() else text


def partition_of(subject: bytes) -> int:
    """The partition of `verifications` that holds everything about a number."""
    return int.from_bytes(subject[:4]) % VERIFICATION_PARTITIONS


class MadeAs(StrEnum):
    """What the log made of a CodeMade."""

    NEW = "new"
    REPEATED = "repeated"  # the same request has a valid code already
    TOO_MANY = "too-many"  # the number got its codes of this hour


class TriedAs(StrEnum):
    """What a try counts as. Only YES is a yes, and each code has one at most."""

    YES = "yes"
    WRONG = "wrong"
    LOCKED = "locked"  # too many wrong tries before it
    USED = "used"  # there was a yes already
    REPLACED = "replaced"  # a newer code was made on that stream
    EXPIRED = "expired"
    NONE = "none"  # no code is known


class Code:
    """A code that counts: its record, its place in time, and what was tried."""

    __slots__ = ("expires_ms", "is_replaced", "is_used", "made", "made_ms", "wrong")

    def __init__(self, made: CodeMade, made_ms: int) -> None:
        self.made: Final = made
        self.made_ms: Final = made_ms
        self.expires_ms: Final = made_ms + made.valid_for_s * 1000
        self.wrong = 0
        self.is_used = False
        self.is_replaced = False

    @property
    def tries_left(self) -> int:
        """How many more wrong tries it allows."""
        return max(self.made.tries_max - self.wrong, 0)

    def refused(self, at_ms: int) -> TriedAs | None:
        """Why no try of it can succeed at this time; None: one can."""
        if self.is_used:
            return TriedAs.USED
        if not self.tries_left:
            return TriedAs.LOCKED
        if self.is_replaced:
            return TriedAs.REPLACED
        return TriedAs.EXPIRED if at_ms >= self.expires_ms else None


class _Subject:
    """One number: the times of all its CodeMade, and the codes that count, in the order of the log."""

    __slots__ = ("asked_ms", "codes")

    def __init__(self) -> None:
        self.asked_ms: deque[int] = deque()
        self.codes: list[Code] = []


class Codes:
    """The fold of one partition. Bounded: what is older than KEPT_MS is forgotten as newer records are read."""

    def __init__(self) -> None:
        self._subjects: dict[bytes, _Subject] = {}
        self._order: deque[tuple[int, bytes]] = deque()
        self._marks: dict[bytes, int] = {}  # of every secret seen: when last

    def __len__(self) -> int:
        """How many codes it remembers."""
        return sum(len(subject.codes) for subject in self._subjects.values())

    def clear(self) -> None:
        """Forget everything, to read anew."""
        for known in (self._subjects, self._order, self._marks):
            known.clear()

    def apply(self, at_ms: int, record: AnyRecord) -> MadeAs | TriedAs | None:
        """Take in the next record, appended at `at_ms`; returns what it counts as (None: not a record of codes)."""
        match record:
            case CodeMade():
                return self._made(at_ms, record)
            case CodeTried():
                return self._tried(at_ms, record)
            case _:
                return None

    # --- asking ------------------------------------------------------------------------------------------------------

    def of_request(self, subject: bytes, request: bytes, now_ms: int) -> Code | None:
        """The code that was made for this request and has not expired."""
        for code in self._of(subject):
            if code.made.request == request and now_ms < code.expires_ms:
                return code
        return None

    def wait_ms(self, subject: bytes, codes_per_hour_max: int, now_ms: int) -> int:
        """After how many ms the number may get another code; 0: now."""
        known = self._subjects.get(subject)
        if known is None:
            return 0
        within = [each for each in known.asked_ms if each > now_ms - HOUR_MS]
        if len(within) < codes_per_hour_max:
            return 0
        return max(within[-codes_per_hour_max] + HOUR_MS - now_ms, 1)

    def current(self, subject: bytes, stream: str) -> Code | None:
        """The newest code of the number on this stream, also one that is used, locked or expired."""
        return next((code for code in self._of(subject) if code.made.stream == stream), None)

    def streams(self, subject: bytes, now_ms: int) -> list[str]:
        """The streams on which the number has a code that can still succeed, newest first."""
        return [code.made.stream for code in self._of(subject) if code.refused(now_ms) is None]

    def newest(self, subject: bytes) -> Code | None:
        """The newest code of the number on any stream."""
        return next(self._of(subject), None)

    @property
    def marks(self) -> frozenset[bytes]:
        """The secrets of the codes that matter, by their marks."""
        return frozenset(self._marks)

    # --- folding -----------------------------------------------------------------------------------------------------

    def _made(self, at_ms: int, made: CodeMade) -> MadeAs:
        self._forget(at_ms - KEPT_MS)
        self._marks[made.mark] = at_ms
        if self.of_request(made.subject, made.request, at_ms) is not None:
            return MadeAs.REPEATED
        too_many = self.wait_ms(made.subject, made.codes_per_hour_max, at_ms) > 0
        known = self._subjects.setdefault(made.subject, _Subject())
        known.asked_ms.append(at_ms)
        self._order.append((at_ms, made.subject))
        if too_many:
            return MadeAs.TOO_MANY
        for code in known.codes:
            if code.made.stream == made.stream:
                code.is_replaced = True
        known.codes.append(Code(made, at_ms))
        return MadeAs.NEW

    def _tried(self, at_ms: int, tried: CodeTried) -> TriedAs:
        code = next((each for each in self._of(tried.subject) if each.made.id == tried.id), None)
        if code is None:
            return TriedAs.NONE
        refused = code.refused(at_ms)
        if refused is not None:
            return refused
        if tried.right:
            code.is_used = True
            return TriedAs.YES
        code.wrong += 1
        return TriedAs.WRONG

    def _of(self, subject: bytes) -> Iterator[Code]:
        """The codes of a number that count, newest first."""
        known = self._subjects.get(subject)
        return iter(()) if known is None else reversed(known.codes)

    def _forget(self, before_ms: int) -> None:
        while self._order and self._order[0][0] < before_ms:
            made_ms, subject = self._order.popleft()
            known = self._subjects[subject]
            known.asked_ms.popleft()
            if known.codes and known.codes[0].made_ms <= made_ms:
                del known.codes[0]
            if not known.asked_ms:
                del self._subjects[subject]
        for mark in [mark for mark, seen_ms in self._marks.items() if seen_ms < before_ms]:
            del self._marks[mark]


def _keyed(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA256 over the parts, each with its length, so that no two lists of parts are the same bytes."""
    message = b"".join(len(part).to_bytes(4) + part for part in parts)
    return hmac.digest(key, message, hashlib.sha256)
