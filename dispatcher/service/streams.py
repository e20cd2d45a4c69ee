"""Streams: campaigns that stay open. Messages are appended one by one, each with a key, and sent once.

Opening one checks text and route as a launch does, so that is producers/streams, by entry point. An append is durable
when it returns; one that raised LogError may be on the log, and is repeated with the same keys: the lane leaves out a
message whose key the stream has. Keep one Session for many appends: terms and recent keys are remembered with it.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal
from weakref import WeakKeyDictionary

import msgspec

from dispatcher.clock import now_ms
from dispatcher.core.campaigns import Campaign
from dispatcher.core.messages.template import Template, parse
from dispatcher.core.numbers import normalise
from dispatcher.core.streams.hidden_codes import packed
from dispatcher.core.streams.keys import KEEP_MS_MAX, digest
from dispatcher.core.streams.routing import account_of
from dispatcher.core.streams.segments import APPENDED_MAX, StreamKey
from dispatcher.core.wire_number import to_wire
from dispatcher.errors import Conflict, NotFound, TextError
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.log.port import Entry, Log
from dispatcher.log.stream_keys import StreamKeysFeed
from dispatcher.os_user import os_user
from dispatcher.service.session import Session
from dispatcher.vendors.seam.vendor import Message, Vendor, options_for
from dispatcher.vendors.text_check import check_text
from schemas.codec import encode
from schemas.records import Appended, Launched, StreamClosed, StreamTerms, control_key
from schemas.topics import CAMPAIGNS, JOBS, lane_partition

KEY_CHARS_MAX: Final = 200
KEYS_REMEMBERED_MAX: Final = 100_000
APPEND_BYTES_MAX: Final = 400_000
"""Of numbers and values in one record, so that it is well below what the log takes."""

ANOTHER_NUMBERS: Final = "its key is that of a message to another number: give it its own"

OWN_TEXT: Final = "{text}"
"""The text of a stream without one: its messages have texts of their own."""

EXPIRES_AFTER_S_MAX: Final = 7 * 86_400
KEYS_KEPT_S_MAX: Final = KEEP_MS_MAX // 1000


class StreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A stream to open; repeated with the same `id` and terms it is opened once.

    With a `text` (with placeholders, as "Your code is {code}") its messages have values; without one, texts of their
    own. `budget` is what it may cost at most, in CNY ("500"): what it does not pay waits, and expires.
    `expires_after_s`: a message is not sent later than this after it was appended, unless it says otherwise.
    `keys_kept_s`: how long a key is known. A stream of class code is urgent unless `urgent` says otherwise. The other
    fields are those of a LaunchRequest.
    """

    route: Sequence[str]
    id: str | None = None
    name: str = ""
    text: str = ""
    campaign_class: str = msgspec.field(name="class", default="notice")
    urgent: bool | None = None
    weight: int | None = None
    unknown: str = "hold"
    expires_after_s: float = 300.0
    keys_kept_s: float = 172_800.0
    between: str = ""
    days: str = ""
    at_closing: str = "continue"
    budget: str = ""
    extno: str = ""
    options: Mapping[str, str] = {}
    by: str = ""


class StreamOpened(msgspec.Struct, frozen=True, kw_only=True):
    """An open stream. `opened` False: it was open before, with the same terms."""

    stream: str
    attempt: str
    opened: bool


class StreamMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message. `key` says that two messages are the same: the second one is not sent.

    `text` or `values`, as its stream wants them. It is not sent after `expires_ms` (Unix milliseconds), or later than
    `expires_after_s` from now; 0: as its stream says. `campaign_class`, if given, must be that of the stream.
    `hides` (what, by what): the log has the second in place of the first; for codes (core/streams/hidden_codes.py).
    """

    number: str
    key: str
    text: str = ""
    values: Mapping[str, str] = {}
    campaign_class: str | None = msgspec.field(name="class", default=None)
    expires_ms: int = 0
    expires_after_s: float = 0.0
    hides: tuple[str, str] | None = None


AppendResult = Literal["taken", "already there", "refused"]


class Appending(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one message: it is on the log (`taken`), or it is not sent and `why` says why it was refused.

    `already there`: the stream had its key, for the same number. A message that repeats what another process appended
    within the last second may be `taken`, and is left out by the lane, counted as duplicate. Its place on the log:
    `position` in the record at `offset` of `jobs`/`partition`; -1 of a message from before that is not found.
    """

    key: str
    result: AppendResult
    why: str = ""
    account: str = ""
    partition: int = -1
    offset: int = -1
    position: int = -1


class StreamClosing(msgspec.Struct, frozen=True, kw_only=True):
    """A closed stream; `changed` False: it was closed before."""

    stream: str
    changed: bool


class Stream(msgspec.Struct, frozen=True):
    """An open stream's launch, and the template of its messages."""

    launched: Launched
    template: Template

    @property
    def terms(self) -> StreamTerms:
        """What makes it a stream."""
        assert self.launched.stream is not None
        return self.launched.stream

    @property
    def has_own_texts(self) -> bool:
        """Whether its messages have texts of their own."""
        return self.launched.text == OWN_TEXT


async def open_stream(session: Session, request: StreamRequest) -> StreamOpened:
    """Open a stream. Raises UserError (also if another campaign or other terms have its id), LogError."""
    from importlib.metadata import entry_points

    [found] = entry_points(group="dispatcher.services", name="open_stream")
    opened: StreamOpened = await found.load()(session, request)
    return opened


async def stream_of(session: Session, stream: str) -> Stream:
    """A stream that takes messages. Raises UserError if there is none of this id, or it takes none, and LogError."""
    campaigns = await session.campaigns()
    known = campaigns.get(stream)
    launched = _terms(stream, known)
    assert known is not None
    if known.cancelled or known.stream_closed is not None:
        over = "cancelled" if known.cancelled else "closed"
        raise Conflict(
            'the stream "{stream}" was {over}, and takes no more messages. Open another one.', stream=stream, over=over
        )
    streams = _memory(session).streams
    if stream not in streams or streams[stream].launched.attempt != launched.attempt:
        streams[stream] = Stream(launched, parse(launched.text))
    return streams[stream]


async def append_messages(session: Session, stream: str, messages: Sequence[StreamMessage]) -> list[Appending]:
    """Append messages; returns one answer for each, when all that are `taken` are durable.

    Raises UserError if there is no such open stream; LogError if some may or may not be on the log: append the same
    messages again, with their keys.
    """
    found = await stream_of(session, stream)
    memory, at_ms = _memory(session), now_ms()
    await _recall(session, found, messages, at_ms)
    vendors = {leg.account: session.config.account(leg.account) for leg in found.launched.legs}
    numbers = _numbers([message.number for message in messages], vendors.values())
    answers: list[Appending | None] = [None] * len(messages)
    by_account: dict[str, list[_Checked]] = {}
    fresh: dict[str, int] = {}
    for index, (message, number) in enumerate(zip(messages, numbers, strict=True)):
        answer = memory.answer(stream, message, number)
        if answer is None and message.key in fresh:
            answer = Appending(key=message.key, result="already there")
            if fresh[message.key] != number:
                answer = Appending(key=message.key, result="refused", why=ANOTHER_NUMBERS)
        if answer is None:
            account = account_of(message.key, found.terms)
            checked = _check(found, message, number, account, vendors[account], at_ms, index)
            if isinstance(checked, _Checked):
                fresh[message.key] = number
                by_account.setdefault(account, []).append(checked)
                continue
            answer = Appending(key=message.key, result="refused", why=checked)
        answers[index] = answer
    log = await session.log()
    for account, mine in by_account.items():
        for group in _groups(mine):
            partition = lane_partition(account)
            record = _record(found.launched, account, group, at_ms)
            [offset] = await log.append(JOBS.name, partition, [Entry(account.encode(), encode(record))])
            memory.keys_of(log, found.launched, account).appended(offset, record)
            for position, each in enumerate(group):
                taken = Appending(
                    key=each.key,
                    result="taken",
                    account=account,
                    partition=partition,
                    offset=offset,
                    position=position,
                )
                memory.took(stream, each.number, taken)
                answers[each.index] = taken
    return [answer for answer in answers if answer is not None]


async def _recall(session: Session, stream: Stream, messages: Sequence[StreamMessage], at_ms: int) -> None:
    """Remember those of these messages whose keys the log has. Raises LogError."""
    memory, launched = _memory(session), stream.launched
    asked: dict[str, dict[int, str]] = {}
    for key in {message.key for message in messages}:
        if not memory.has(launched.campaign, key):
            asked.setdefault(account_of(key, stream.terms), {})[digest(key)] = key
    if not asked:
        return
    log, checkpoints = await session.log(), (await session.campaigns()).checkpoints
    for account, keys in asked.items():
        feed, partition = memory.keys_of(log, launched, account), lane_partition(account)
        await feed.look(checkpoints.get(partition))
        known = feed.known(list(keys), at_ms - stream.terms.keys_kept_ms)
        places = await feed.find(known) if known else {}
        for each in known:
            taken, place = (
                Appending(key=keys[each], result="taken", account=account, partition=partition),
                places.get(each),
            )
            if place is not None:
                taken = msgspec.structs.replace(taken, offset=place.offset, position=place.position)
            memory.took(launched.campaign, None if place is None else place.number, taken)


async def close_stream(session: Session, stream: str, *, by: str = "") -> StreamClosing:
    """Take no more messages; those on the log are sent. Raises UserError if there is no such stream, LogError."""
    log = await session.log()
    known = (await read_campaigns(log)).get(stream)
    _terms(stream, known)
    assert known is not None
    if known.cancelled or known.stream_closed is not None:
        return StreamClosing(stream=stream, changed=False)
    record = StreamClosed(campaign=stream, at_ms=now_ms(), by=by or os_user())
    await log.append(CAMPAIGNS.name, 0, [Entry(control_key(record), encode(record))])
    return StreamClosing(stream=stream, changed=True)


def _terms(stream: str, known: Campaign | None) -> Launched:
    if known is None or known.launched is None:
        raise NotFound('there is no stream "{stream}".', stream=stream, do="See: dispatcher stream list")
    if known.launched.stream is None:
        raise Conflict(
            '"{stream}" is a campaign, not a stream, and takes no messages.',
            stream=stream,
            do="See: dispatcher stream list",
        )
    return known.launched


class _Checked(msgspec.Struct, frozen=True):
    """A message that its account can carry; `index` is its place among those of the call."""

    index: int
    key: str
    number: int
    values: tuple[str, ...]
    expires_ms: int
    coded: bool = False

    @property
    def size(self) -> int:
        return 40 + sum(len(value.encode()) for value in self.values)


class _Memory:
    """What a session remembers: terms of streams, and the keys that it appended last."""

    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}
        self._keys: OrderedDict[tuple[str, str], tuple[int | None, Appending]] = OrderedDict()
        self._feeds: dict[StreamKey, StreamKeysFeed] = {}

    def has(self, stream: str, key: str) -> bool:
        """Whether the answer to this key is remembered."""
        return (stream, key) in self._keys

    def keys_of(self, log: Log, launched: Launched, account: str) -> StreamKeysFeed:
        """The keys of this stream that are on the log."""
        of = account, launched.campaign, launched.attempt
        if of not in self._feeds:
            self._feeds[of] = StreamKeysFeed(log, of)
        return self._feeds[of]

    def answer(self, stream: str, message: StreamMessage, number: int) -> Appending | None:
        """The answer to a message whose key is remembered."""
        held = self._keys.get((stream, message.key))
        if held is None:
            return None
        if held[0] not in (None, number):
            return Appending(key=message.key, result="refused", why=ANOTHER_NUMBERS)
        return msgspec.structs.replace(held[1], result="already there")

    def took(self, stream: str, number: int | None, taken: Appending) -> None:
        """This message is on the log. `number` None: its message was not found, whatever its number is."""
        self._keys[stream, taken.key] = number, taken
        if len(self._keys) > KEYS_REMEMBERED_MAX:
            self._keys.popitem(last=False)


_memories: WeakKeyDictionary[Session, _Memory] = WeakKeyDictionary()


def _memory(session: Session) -> _Memory:
    memory = _memories.get(session)
    if memory is None:
        memory = _memories[session] = _Memory()
    return memory


def _numbers(written: Sequence[str], vendors: Iterable[Vendor]) -> list[int]:
    """The numbers as the log has them; 0: not one."""
    abroad = all(vendor.limits.international for vendor in vendors)
    lines = "".join(" ".join(number.splitlines()) + "\n" for number in written)
    numbers, _ = normalise(lines.encode("utf-8", "replace"), international=abroad)
    return [int(number) for number in numbers.tolist()]


def _check(
    stream: Stream, message: StreamMessage, number: int, account: str, vendor: Vendor, at_ms: int, index: int
) -> _Checked | str:
    """The message as its account can send it, or why it is refused."""
    terms = stream.terms
    if not 0 < len(message.key) <= KEY_CHARS_MAX:
        return f"its key must have 1 to {KEY_CHARS_MAX} characters"
    if not number:
        return "its number is no mobile number"
    if message.campaign_class not in (None, stream.launched.campaign_class):
        return f"its class is {message.campaign_class}, and the stream's is {stream.launched.campaign_class}"
    values, why = _values(stream, message)
    if why:
        return why
    expires_ms = message.expires_ms or at_ms + (round(message.expires_after_s * 1000) or terms.expires_after_ms)
    if expires_ms <= at_ms:
        return "its time is over"
    if expires_ms > at_ms + EXPIRES_AFTER_S_MAX * 1000:
        return f"its time must end within {EXPIRES_AFTER_S_MAX // 86_400} days"
    text = stream.template.fill(values)
    try:
        check_text(account, vendor, Message(text=text, options=options_for(account, stream.launched.options)))
    except TextError as error:
        return str(error)
    if message.hides is not None:
        values = tuple(value.replace(*message.hides) for value in values)
    return _Checked(index, message.key, number, values, expires_ms, message.hides is not None)


def _values(stream: Stream, message: StreamMessage) -> tuple[tuple[str, ...], str]:
    """(its values, in the order of the stream's variables; why they are refused, "" if they are not)."""
    if stream.has_own_texts:
        if message.values:
            return (), "the stream has no text of its own: give the message a text instead of values"
        return (message.text,), "" if message.text.strip() else "it has no text"
    if message.text:
        return (), "the stream has a text of its own: give the message values instead of a text"
    names = stream.template.names
    if missing := [name for name in names if not message.values.get(name, "").strip()]:
        return (), f"it has no value for {{{missing[0]}}}"
    if extra := sorted(set(message.values) - set(names)):
        return (), f"the text of the stream has no {{{extra[0]}}}"
    return tuple(message.values[name] for name in names), ""


def _groups(checked: Sequence[_Checked]) -> list[list[_Checked]]:
    """The messages of an account, as many as a record holds."""
    groups: list[list[_Checked]] = []
    size = 0
    for each in checked:
        if not groups or len(groups[-1]) >= APPENDED_MAX or size + each.size > APPEND_BYTES_MAX:
            groups.append([])
            size = 0
        groups[-1].append(each)
        size += each.size
    return groups


def _record(launched: Launched, account: str, group: Sequence[_Checked], at_ms: int) -> Appended:
    assert launched.stream is not None
    columns = list(zip(*(each.values for each in group), strict=True)) if launched.variables else []
    return Appended(
        campaign=launched.campaign,
        attempt=launched.attempt,
        account=account,
        at_ms=at_ms,
        numbers=",".join(to_wire(each.number) for each in group).encode(),
        values=packed(launched.variables, columns),
        keys=struct.pack(f"<{len(group)}Q", *(digest(each.key) for each in group)),
        expires=struct.pack(f"<{len(group)}q", *(each.expires_ms for each in group)),
        keep_ms=launched.stream.keys_kept_ms,
        coded=any(each.coded for each in group),
    )
