"""Verification codes: send one over a stream, and say yes once to who types it in. See docs/VERIFICATION.md.

The log has no code: the message on the stream refers to it, and the lane derives it when it sends. What these functions
answer was read back from the log, so it holds for all processes that share the log and the secret.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Final, Literal
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
from msgspec.structs import replace

from dispatcher.clock import now_ms
from dispatcher.config.verification import VARIABLES
from dispatcher.core.messages.template import parse
from dispatcher.core.streams.hidden_codes import reference
from dispatcher.core.suppression import contains, shown
from dispatcher.core.verification import (
    ID_BYTES,
    Code,
    CodeKeys,
    Codes,
    MadeAs,
    TriedAs,
    code_of,
    new_code,
)
from dispatcher.errors import ConfigError, UserError
from dispatcher.i18n import N_, _
from dispatcher.log.port import Log
from dispatcher.service.session import Session
from dispatcher.service.streams import StreamMessage, append_messages, stream_of
from dispatcher.service.suppression import suppression_key
from dispatcher.suppression.list import SuppressionList
from dispatcher.verification.feed import VerificationFeed
from dispatcher.verification.secret import code_keys
from dispatcher.wording import clock, counted, duration, listed
from schemas.records import CodeTried

NAME_BYTES: Final = 8

StartResult = Literal["sent", "repeated", "waits", "over", "too-many", "suppressed"]
"""`repeated`: this key has this code already, and its message goes out once. `waits`: the stream is paused, and it goes
out if that is resumed in time. `over`: it has one that was used, tried too often or replaced; another key makes a new
one."""


class CodeStarted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request for a code. The code itself is only in the message.

    `id` names the code, and its message on the stream. `wait_s`: when the number may get another one (too-many).
    """

    result: StartResult
    says: str
    number: str
    stream: str
    id: str = ""
    valid_until_ms: int = 0
    tries_left: int = 0
    wait_s: int = 0


class CodeChecked(msgspec.Struct, frozen=True, kw_only=True):
    """What a code that was typed in counts as. `yes` is true once for each code."""

    yes: bool
    result: str
    says: str
    number: str
    stream: str
    tries_left: int = 0


async def start_verification(session: Session, number: str, stream: str, *, key: str = "") -> CodeStarted:
    """Make a code and send it over this stream; durable when it returns.

    The same `key` for the same number and stream means the same code for as long as that is valid: repeat a call that
    failed. Without a key every call makes a code. Raises UserError (the number, the stream, the configuration) and
    LogError.
    """
    told = suppression_key(number)
    place = await _place(session)
    found = await stream_of(session, stream)
    if found.launched.campaign_class != "code":
        raise UserError(
            'stream "{stream}" is of class {campaign_class}. Codes need one of class code.',
            stream=stream,
            campaign_class=found.launched.campaign_class,
            do="To open one: dispatcher stream open ID --class code …",
        )
    config = session.config.verification
    names = () if found.has_own_texts else found.template.names
    text = config.text_of(stream) if found.has_own_texts else ""
    if not text and ("code" not in names or set(names) - set(VARIABLES)):
        raise UserError(
            'stream "{stream}" has no text for codes. Open one with a text that has {{code}} (and {{minutes}}, if you '
            "like), or write [verification] text and open it without a text.",
            stream=stream,
        )
    if await place.is_suppressed(told):
        says = _("{number} is on the suppression list, so it gets no code.", number=shown(told))
        return CodeStarted(result="suppressed", says=says, number=shown(told), stream=stream)
    keys, rules = place.keys, config.rules(stream)
    code_id = secrets.token_bytes(ID_BYTES)
    made = new_code(keys, rules, number=told, stream=stream, key=key or secrets.token_hex(16), code_id=code_id)
    codes = await place.feed.codes(made.subject)
    if codes.of_request(made.subject, made.request, now_ms()) is None:
        wait_ms = codes.wait_ms(made.subject, rules.codes_per_hour_max, now_ms())
        verdict = MadeAs.TOO_MANY if wait_ms else await place.feed.append(made, b"")
        if verdict is MadeAs.TOO_MANY:
            wait_ms = codes.wait_ms(made.subject, rules.codes_per_hour_max, now_ms())
            return _too_many(told, stream, rules.codes_per_hour_max, -(-wait_ms // 1000))
    code = codes.of_request(made.subject, made.request, now_ms())
    if code is None:
        raise UserError(
            "the code expired before it was sent, after {valid_for_s} s. Ask for another one.",
            valid_for_s=rules.valid_for_s,
        )
    return await _sent(session, place, told, code, text, names, is_new=code.made.id == code_id)


async def check_verification(session: Session, number: str, code: str, *, stream: str = "") -> CodeChecked:
    """Whether this is the code of the number; yes once. The try is durable before it is answered.

    `stream` may be left out if the number has codes of one stream only. Raises UserError and LogError: after that the
    try may count all the same.
    """
    told = suppression_key(number)
    place = await _place(session)
    subject = place.keys.subject(told)
    codes = await place.feed.codes(subject)
    asked = _asked(codes, subject, stream, told)
    if asked is None:
        if await place.feed.is_of_another_secret(place.keys.mark):
            raise ConfigError(
                "the codes on the log were made with another secret. Write the same [verification] secret on all "
                "machines, or copy the file verification.key beside the data."
            )
        return _checked(TriedAs.NONE, told, stream, None)
    result = asked.refused(now_ms())
    if result is None:
        tried = CodeTried(subject=subject, id=asked.made.id, right=place.keys.is_right(asked, code))
        result = TriedAs(await place.feed.append(tried, secrets.token_bytes(NAME_BYTES)))
    return _checked(result, told, asked.made.stream, asked)


def _asked(codes: Codes, subject: bytes, stream: str, number: int) -> Code | None:
    """The code that a try is about. Raises UserError if it may be one of several."""
    if stream:
        return codes.current(subject, stream)
    streams = codes.streams(subject, now_ms())
    if len(streams) > 1:
        raise UserError(
            "{number} has codes of {streams}. Name the stream.", number=shown(number), streams=listed(streams)
        )
    return codes.current(subject, streams[0]) if streams else codes.newest(subject)


class _Place:
    """What a session keeps for codes: the keys, the codes it has read, and the suppression list."""

    def __init__(self, keys: CodeKeys, log: Log) -> None:
        self.keys: Final = keys
        self.feed: Final = VerificationFeed(log)
        self._log: Final = log
        self._suppression: Final = SuppressionList()
        self._reading: Final = asyncio.Lock()

    async def is_suppressed(self, number: int) -> bool:
        """Whether the list has this number now."""
        async with self._reading:
            await self._suppression.read_on(self._log)
            return bool(contains(self._suppression.listing.numbers, np.array([number], np.int64))[0])


_places: Final[WeakKeyDictionary[Session, _Place]] = WeakKeyDictionary()


async def _place(session: Session) -> _Place:
    log = await session.log()
    found = _places.get(session)
    if found is None:
        found = _places.setdefault(session, _Place(await asyncio.to_thread(code_keys, session.config), log))
    return found


async def _sent(
    session: Session, place: _Place, number: int, code: Code, text: str, variables: Sequence[str], *, is_new: bool
) -> CodeStarted:
    """Append the message with the code to the stream, with this text or the values of the stream's own."""
    made = code.made
    started = CodeStarted(
        result="sent" if is_new else "repeated",
        says="",
        number=shown(number),
        stream=made.stream,
        id=made.id.hex(),
        valid_until_ms=code.expires_ms,
        tries_left=code.tries_left,
    )
    refused = code.refused(now_ms())
    if refused is not None:
        says = _("the code of this key {over}. Ask with another key for a new one.", over=_(_OVER[refused]))
        return replace(started, result="over", says=says)
    values = {"code": code_of(place.keys, made), "minutes": str(max(made.valid_for_s // 60, 1))}
    if text:
        template = parse(text)
        text = template.fill([values[name] for name in template.names])
    message = StreamMessage(
        number=shown(number),
        key=f"code-{made.id.hex()}",
        text=text,
        values={name: values[name] for name in variables},
        expires_ms=code.expires_ms,
        hides=(values["code"], reference(made)),
    )
    [appended] = await append_messages(session, made.stream, [message])
    if appended.result == "refused":
        raise UserError("the code cannot be sent to {number}: {why}", number=shown(number), why=appended.why)
    known = (await session.campaigns()).get(made.stream)
    if known is not None and known.paused:
        says = _(
            'its code waits: the stream "{stream}" is paused. It is sent if that is resumed by {time}.',
            stream=made.stream,
            time=clock(code.expires_ms),
        )
        return replace(started, result="waits", says=says)
    what = _("a code is on its way") if is_new else _("its code is on its way already; it is sent once")
    return replace(started, says=_("{what}, valid until {time}.", what=what, time=clock(code.expires_ms)))


def _too_many(number: int, stream: str, most: int, wait_s: int) -> CodeStarted:
    says = _(
        "{number} got {count} in an hour. Ask again in {duration}.",
        number=shown(number),
        count=counted(most, "code"),
        duration=duration(wait_s),
    )
    return CodeStarted(result="too-many", says=says, number=shown(number), stream=stream, wait_s=wait_s)


_OVER: Final = {
    TriedAs.USED: N_("was used"),
    TriedAs.LOCKED: N_("was tried wrongly too often"),
    TriedAs.REPLACED: N_("was replaced by a newer one"),
    TriedAs.EXPIRED: N_("has expired"),
}


def _checked(result: TriedAs, number: int, stream: str, code: Code | None) -> CodeChecked:
    left = 0 if code is None or code.refused(now_ms()) else code.tries_left
    match result:
        case TriedAs.YES:
            says = _("yes")
        case TriedAs.WRONG:
            says = _("no: that is not the code; {count} left", count=counted(left, "try", "tries"))
        case TriedAs.NONE:
            says = _("no: {number} has no code", number=shown(number)) + (
                _(' of stream "{stream}"', stream=stream) if stream else ""
            )
        case _:
            says = _("no: the code {over}", over=_(_OVER[result]))
    return CodeChecked(
        yes=result is TriedAs.YES, result=result.value, says=says, number=shown(number), stream=stream, tries_left=left
    )
