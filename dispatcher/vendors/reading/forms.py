"""Reading pushed forms: fields, numbers, times, and whether the push is the vendor's. Lean: one call per push.

Pure. A vendor that pushes JSON or XML needs only `number`, `time_s`, `same`, `keyed` and `key_proof`. Hundreds of
reports in one push are read by report_columns.py.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from dispatcher.core.wire_number import DOMESTIC_DIGITS, DOMESTIC_END, DOMESTIC_MIN, from_wire
from dispatcher.vendors.seam.exchange import PushProof

FIELDS_MAX: Final = 64
"""The most fields of a form that are read; the rest is ignored. No vendor sends more than a dozen."""

SHANGHAI: Final = timezone(timedelta(hours=8))
"""All times in all documents are local time without a zone (vendors.md, "Rules for this text")."""

PUSH_KEY: Final = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
"""The form of a `push_key`: part of a URL that people copy, and hard to guess."""
WRONG_PUSH_KEY: Final = 'push_key must be 8 to 64 letters, digits, "-" and "_": it is part of the push URL.'

_NUMBER_BYTES_MAX: Final = 32
_LONG_BYTES: Final = 1_000
_SHORT_BYTES: Final = 4_096
_KEYED: Final = re.compile(rb"key=([^&?]*)[&?]?(.*)", re.DOTALL)


def fields(form: bytes) -> dict[str, bytes]:
    """The first FIELDS_MAX fields of an `application/x-www-form-urlencoded` text; the last of a repeated name counts.

    Values are raw bytes. An empty field is b""; a missing one is absent. Never raises.
    """
    return dict(_short_fields(form)) if len(form) <= _SHORT_BYTES else _fields(form)


def _fields(form: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    escaped = b"%" in form or b"+" in form
    for pair in form.split(b"&", FIELDS_MAX)[:FIELDS_MAX]:
        name, _, value = pair.partition(b"=")
        if escaped:
            name, value = unescaped(name), unescaped(value)
        if name:
            found[name.decode("utf-8", "replace")] = value
    return found


_short_fields = lru_cache(maxsize=4)(_fields)
"""A push's form is read twice: for its secret, and for its content."""


def raw(form: bytes, name: bytes) -> bytes | None:
    """One of the first FIELDS_MAX fields, still escaped, for lists in which most escapes can stay.

    The last of a repeated name counts.
    """
    found = None
    for pair in form.split(b"&", FIELDS_MAX)[:FIELDS_MAX]:
        key, _, value = pair.partition(b"=")
        if key == name or (b"%" in key and unescaped(key) == name):
            found = value
    return found


def unescaped(value: bytes) -> bytes:
    """Percent escapes and `+` undone; a broken escape stays as it is."""
    value = value.replace(b"+", b" ")
    if len(value) <= _LONG_BYTES:
        return unquote_to_bytes(value)
    from dispatcher.vendors.reading.byte_columns import unquoted  # here: short forms need no numpy

    return unquoted(value)


def same(given: bytes | None, expected: str | None) -> bool:
    """Whether this is the secret, in constant time. `expected` None: not checked. Missing is not empty."""
    if expected is None:
        return True
    return given is not None and hmac.compare_digest(given, expected.encode())


def keyed(query: bytes, push_key: str | None) -> tuple[bool, bytes]:
    """(is this push the vendor's, the rest of the query), for vendors whose document gives their pushes no secret.

    The operator puts a key into the vendor's push URLs: `/push/NAME/report?key=PUSH_KEY`. Vendors that push by query
    append their query with `&`, or with a second `?`.
    """
    if found := _KEYED.fullmatch(query):
        return same(found[1], push_key), found[2]
    return push_key is None or same(fields(query).get("key"), push_key), query


def key_proof(query: bytes, push_key: str | None) -> PushProof:
    """Whether a push is the vendor's, for vendors whose pushes carry a `push_key` in their URL."""
    if push_key is None:
        return PushProof.NOT_ASKED
    return PushProof.RIGHT if keyed(query, push_key)[0] else PushProof.WRONG


def form_proof(asked: Mapping[str, str | None], query: bytes, body: bytes | None) -> PushProof:
    """Whether a push carries the secrets asked for (by name; None: not asked for), in its body or else in its query.

    All of them are compared, so timing reveals nothing.
    """
    secrets = [(name, secret) for name, secret in asked.items() if secret is not None]
    if not secrets:
        return PushProof.NOT_ASKED
    form = fields(query)
    if body:
        form |= fields(body)
    right, wrong = True, False
    for name, secret in secrets:
        given = form.get(name)
        if not same(given, secret):
            right = False
            wrong |= bool(given)
    if right:
        return PushProof.RIGHT
    return PushProof.IN_BODY if body is None and not wrong else PushProof.WRONG


def number(value: bytes) -> int:
    """The int64 (dispatcher/core/numbers.py) of a pushed number, with or without `+86`, `86`, `0086`; 0 if invalid."""
    if len(value) != DOMESTIC_DIGITS or not value.isdigit():
        value = value.strip().removeprefix(b"+")
        for prefix in (b"0086", b"86"):
            if value.startswith(prefix) and len(value) == len(prefix) + DOMESTIC_DIGITS:
                value = value[len(prefix) :]
                break
        if not value.isdigit() or len(value) > _NUMBER_BYTES_MAX:
            return 0
    digits = int(value)
    if len(value) == DOMESTIC_DIGITS and DOMESTIC_MIN <= digits < DOMESTIC_END:
        return digits
    try:
        return from_wire(value.decode("ascii"))
    except ValueError:
        return 0


@lru_cache(maxsize=4096)
def time_s(value: bytes) -> int:
    """Unix seconds (fitting a uint32) of a local time in digits, 0 if invalid.

    10 digits are YYMMDDhhmm, 14 YYYYMMDDhhmmss; 12 are YYMMDDhhmmss or, if that is not a time, YYYYMMDDhhmm
    (vendors.md AMB-BATCH-10). Two-digit years are 2000-based. Many reports share a minute, hence the cache.
    """
    value = value.strip()
    if not value.isdigit():
        return 0
    for year_digits in _YEAR_DIGITS.get(len(value), ()):
        year = int(value[:year_digits]) + (2000 if year_digits == 2 else 0)
        pairs = [int(value[at : at + 2]) for at in range(year_digits, len(value), 2)]
        month, day, hour, minute, second = (*pairs, 0)[:5]
        try:
            moment = int(datetime(year, month, day, hour, minute, second, tzinfo=SHANGHAI).timestamp())
        except ValueError:
            continue
        if 0 < moment < 2**32:
            return moment
    return 0


_YEAR_DIGITS: Final = {10: (2,), 12: (2, 4), 14: (4,)}
