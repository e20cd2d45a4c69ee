"""Records of `verifications`: codes that were made for a number, and what people typed in.

No record holds a code or a number: `subject` and `proof` are keyed hashes (dispatcher/core/verification.py), and the
key is not on the log. Every record has a key of its own, and the topic is deleted by age: the order of its records
decides, so none may replace another.
"""

from __future__ import annotations

from schemas.records.base import Record


class CodeMade(Record, frozen=True, kw_only=True, tag="code-made"):
    """A code `id` was made for a number on a stream; key = `subject` and `id`.

    It counts only if fewer than `codes_per_hour_max` were made for the `subject` in the hour before it, and no valid
    one has the same `request` (the keyed hash of the caller's idempotency key). `proof` is the keyed hash of the code,
    which is derived from the secret and `id`: `length` characters of `alphabet`. It is valid for `valid_for_s` from the
    log's own time of this record, and for `tries_max` wrong tries. `mark` names the secret, so that another one is
    noticed.
    """

    subject: bytes
    stream: str
    id: bytes
    request: bytes
    proof: bytes
    mark: bytes
    length: int
    alphabet: str
    valid_for_s: int
    codes_per_hour_max: int
    tries_max: int


class CodeTried(Record, frozen=True, kw_only=True, tag="code-tried"):
    """Somebody typed in a code for the code `id`, and it was `right` or not; key = `subject`, `id`, chance.

    It is answered only after it was read back: the records before it on the log decide what it counts as.
    """

    subject: bytes
    id: bytes
    right: bool
