"""Messages of streams: single ones that come at once share an append, and each is answered when it is durable."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec

from dispatcher.i18n import N_
from dispatcher.service.session import Session
from dispatcher.service.streams import Appending, StreamClosing, StreamMessage, append_messages, close_stream
from producers.api.campaigns import Names, TimeMs, Weight, Word, check_route
from producers.api.operation import Answered, Call
from producers.api.problems import Fault, Problem
from producers.api.replays import KEY_CHARS_MAX

GROUP_MAX = 1_000
"""Messages of one append."""
WAITING_MAX = 20_000
"""Messages of a stream that wait for the log."""
MESSAGES_MAX = 1_000

Seconds = Annotated[float, msgspec.Meta(gt=0, le=2_592_000)]


class StreamTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A stream. With a `text` its messages have values for the placeholders, without one they have texts of their own.

    A message is not sent later than `expires_after_s` after it came; its key is known for `keys_kept_s`.
    """

    route: Annotated[Names, msgspec.Meta(min_length=1)]
    text: Annotated[str, msgspec.Meta(max_length=10_000)] = ""
    name: Word = ""
    campaign_class: Literal["marketing", "notice", "code"] = msgspec.field(name="class", default="notice")
    urgent: bool | None = None
    weight: Weight | None = None
    unknown: Literal["hold", "resend"] = "hold"
    expires_after_s: Seconds = 300.0
    keys_kept_s: Seconds = 172_800.0
    between: Word = ""
    days: Word = ""
    at_closing: Literal["pause", "continue"] = "continue"
    budget: Word = ""
    extno: Word = ""
    options: dict[str, Word] = {}


class StreamState(msgspec.Struct, frozen=True, kw_only=True):
    """An open stream. `opened` false: it was open before, with the same terms."""

    stream: str
    attempt: str
    opened: bool


class NewMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message. The same `key` again is not sent again; a single message may have it in Idempotency-Key instead.

    It is not sent after `expires_ms` (Unix milliseconds), or later than `expires_after_s` from now.
    """

    number: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    key: Annotated[str, msgspec.Meta(max_length=200)] = ""
    text: Annotated[str, msgspec.Meta(max_length=10_000)] = ""
    values: dict[str, Annotated[str, msgspec.Meta(max_length=10_000)]] = {}
    expires_ms: TimeMs = 0
    expires_after_s: Seconds | None = None


class NewMessages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Messages of one stream."""

    messages: Annotated[list[NewMessage], msgspec.Meta(min_length=1, max_length=MESSAGES_MAX)]


class TakenMessages(msgspec.Struct, frozen=True, kw_only=True):
    """What became of each message, in their order."""

    stream: str
    messages: list[Appending]


class MessageGroups:
    """Groups of one process: while one append is under way the next group gathers."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._gathering: dict[str, list[tuple[list[StreamMessage], asyncio.Future[list[Appending]]]]] = {}
        self._waiting: dict[str, int] = {}
        self._appending: dict[str, asyncio.Task[None]] = {}

    async def append(self, stream: str, messages: list[StreamMessage]) -> list[Appending]:
        """What became of these, when those that are taken are durable. Raises Problem, UserError, LogError."""
        if self._waiting.get(stream, 0) + len(messages) > WAITING_MAX:
            raise Problem(
                "too-fast",
                N_('{waiting_max:,} messages of "{stream}" wait for the log already.'),
                waiting_max=WAITING_MAX,
                stream=stream,
            )
        self._waiting[stream] = self._waiting.get(stream, 0) + len(messages)
        durable: asyncio.Future[list[Appending]] = asyncio.get_running_loop().create_future()
        self._gathering.setdefault(stream, []).append((messages, durable))
        if stream not in self._appending:
            self._appending[stream] = asyncio.create_task(self._append_all(stream))
        return await durable

    async def drained(self) -> None:
        """Wait until nothing is gathered or under way."""
        while self._appending:
            await asyncio.wait(self._appending.values())

    async def _append_all(self, stream: str) -> None:
        try:
            while waiting := self._gathering.pop(stream, None):
                at = 0
                while at < len(waiting):
                    end, size = at, 0
                    while end < len(waiting) and (end == at or size + len(waiting[end][0]) <= GROUP_MAX):
                        size += len(waiting[end][0])
                        end += 1
                    await self._append_group(stream, waiting[at:end])
                    self._waiting[stream] -= size
                    at = end
        finally:
            del self._appending[stream]
            self._waiting.pop(stream, None)

    async def _append_group(
        self, stream: str, group: list[tuple[list[StreamMessage], asyncio.Future[list[Appending]]]]
    ) -> None:
        try:
            found = await append_messages(self._session, stream, [each for mine, _ in group for each in mine])
        except Exception as error:  # on any error, no caller may wait for ever
            for _, durable in group:
                if not durable.done():
                    durable.set_exception(error)
            return
        at = 0
        for mine, durable in group:
            if not durable.done():
                durable.set_result(found[at : at + len(mine)])
            at += len(mine)


async def open_it(call: Call) -> Answered:
    check_route(call.api.config, call.body.route)
    request = msgspec.to_builtins(call.body) | {"id": call.values["stream"], "by": call.by}
    opened = await call.api.call_service("open_stream_by_terms", request=request)
    return Answered(value=opened, status=201 if opened["opened"] else 200)


async def close_it(call: Call) -> StreamClosing:
    return await close_stream(call.session, call.values["stream"], by=call.by)


async def send(call: Call) -> Any:
    wanted: NewMessages = call.body
    stream = call.values["stream"]
    header = call.incoming.http.headers.get("Idempotency-Key", "")
    if header and (len(wanted.messages) > 1 or len(header) > KEY_CHARS_MAX):
        raise Problem(
            "invalid",
            N_("Idempotency-Key is for a single message, and has {chars_max} characters at most."),
            chars_max=KEY_CHARS_MAX,
        )
    messages = [
        StreamMessage(
            number=each.number,
            key=each.key or header,
            text=each.text,
            values=each.values,
            expires_ms=each.expires_ms,
            expires_after_s=each.expires_after_s or 0.0,
        )
        for each in wanted.messages
    ]
    found = await call.api.messages.append(stream, messages)
    if all(each.result == "refused" for each in found):
        faults = [Fault(detail=each.why, pointer=f"/messages/{at}") for at, each in enumerate(found)]
        raise Problem("unusable", N_("No message was taken."), faults=faults)
    return TakenMessages(stream=stream, messages=found)
