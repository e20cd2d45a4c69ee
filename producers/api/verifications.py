"""Verification codes: sent over a stream, and checked. What is answered was read back from the log."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dispatcher.i18n import N_
from dispatcher.service.verification import CodeChecked, CodeStarted, check_verification, start_verification
from producers.api.operation import Call
from producers.api.problems import Problem
from producers.api.replays import KEY_CHARS_MAX

Number = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
StreamId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class CodeWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code for this number, sent over this stream. The same Idempotency-Key means the same code while it is valid."""

    number: Number
    stream: StreamId


class CodeTyped(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code as a person typed it. `stream` is needed if the number has codes of several."""

    number: Number
    code: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    stream: Annotated[str, msgspec.Meta(max_length=64)] = ""


async def start(call: Call) -> CodeStarted:
    wanted: CodeWanted = call.body
    key = call.incoming.http.headers.get("Idempotency-Key", "")
    if len(key) > KEY_CHARS_MAX:
        raise Problem("invalid", N_("Idempotency-Key must have 1 to {chars_max} characters."), chars_max=KEY_CHARS_MAX)
    started = await start_verification(call.session, wanted.number, wanted.stream, key=key)
    if started.result == "too-many":
        raise Problem("too-fast", started.says, retry_after_s=started.wait_s)
    if started.result in ("suppressed", "over"):  # nothing is sent
        raise Problem("conflict", started.says)
    return started


async def check(call: Call) -> CodeChecked:
    typed: CodeTyped = call.body
    return await check_verification(call.session, typed.number, typed.code, stream=typed.stream)
