"""What is posted of events: bodies of Standard Webhooks, and texts of chat bots."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from dispatcher.core.callbacks.events import Event, Format
from dispatcher.core.callbacks.signing import feishu_sign
from dispatcher.core.messages import divided_characters
from dispatcher.core.shanghai import SHANGHAI_MS
from dispatcher.core.wire_number import to_wire
from dispatcher.masking import masked_number
from schemas.records import CallbackEvent, Cancelled, Finished, Inbound, WaveDecided
from schemas.states import State

_TITLES: Final = {
    "finished": "Campaign finished",
    "halted": "Campaign halted",
    "failing": "Campaign fails too often",
    "inbound": "Message from a phone",
    "alert": "Alert",
    "test": "Test",
}


def standard_body(events: Sequence[Event]) -> bytes:
    """The body in the form of Standard Webhooks. Several events are of kind results and of one campaign."""
    kind = events[0].kind
    data = {"chunks": [_data(event) for event in events]} if kind == "results" else _data(events[0])
    return msgspec.json.encode({"type": kind, "timestamp": _iso(events[0].at_ms), "data": data})


def bot_body(format: Format, event: Event, secret: str, now_ms: int) -> bytes:
    """One event as a text of a bot, signed if Feishu's bot has a secret. Numbers are masked: a group reads it."""
    text = _sentence(event)
    if format != "feishu":
        return msgspec.json.encode({"msgtype": "text", "text": {"content": text}})
    signed = {"timestamp": str(now_ms // 1000), "sign": feishu_sign(secret, now_ms // 1000)} if secret else {}
    return msgspec.json.encode({**signed, "msg_type": "text", "content": {"text": text}})


def trial_event(callback: str, now_ms: int) -> Event:
    """An event that only tests the way."""
    record = CallbackEvent(kind="test", subject=callback, at_ms=now_ms, says="This is a test of the callback.")
    return Event(f"test-{now_ms}", "", 0, "", "test", now_ms, record)


def _data(event: Event) -> dict[str, Any]:
    record = event.record
    match record:
        case Finished():
            return _results(event, record)
        case WaveDecided():
            found = [msgspec.to_builtins(each) for each in record.findings]
            return {"campaign": record.campaign, "why": record.why or "person", "wave": record.wave, "by": record.by,
                    "findings": found}  # fmt: skip
        case Cancelled():
            return {"campaign": record.campaign, "why": "cancelled", "by": record.by}
        case Inbound():
            text = record.text if record.part is None else divided_characters.joined(record.text)
            return {"account": record.account, "number": record.number, "to": record.to, "text": text,
                    "received": _iso(record.received_ms), "message_id": record.message_id, "part": record.part,
                    "flags": record.flags}  # fmt: skip
        case CallbackEvent():
            named = {"campaign": record.campaign} if record.campaign else {"subject": record.subject}
            alert = {"alert": record.word, "over": record.over} if record.kind == "alert" else {}
            said = {"says": record.says} if record.says else {}
            return {**named, **alert, **said, **record.figures}
    raise TypeError(type(record).__name__)


def _results(event: Event, record: Finished) -> dict[str, Any]:
    first, end = event.first, event.first + event.rows
    numbers = struct.unpack(f"<{event.rows}q", record.numbers[first * 8 : end * 8])
    codes = struct.unpack(f"<{event.rows}H", record.code_index[first * 2 : end * 2])
    rows = [
        {"number": to_wire(number), "state": State(state).word, "code": record.codes[code]}
        for number, state, code in zip(numbers, record.states[first:end], codes, strict=True)
    ]
    return {"position": event.id, "campaign": record.campaign, "account": record.account, "batch": record.batch,
            "start": record.start + first, "vendor_id": record.vendor_id, "recipients": rows}  # fmt: skip


def _sentence(event: Event) -> str:
    data = _data(event)
    if isinstance(event.record, Inbound):
        data = {"account": data["account"], "number": masked_number(event.record.number), "text": data["text"]}
    shown = [
        str(value) if name == "says" else f"{name}: {_shown(value)}"
        for name, value in data.items()
        if isinstance(value, bool | int | float | str) and value != ""
    ]
    at = datetime.fromtimestamp((event.at_ms + SHANGHAI_MS) / 1000, UTC)
    return "\n".join((f"{_TITLES[event.kind]} ({at:%m-%d %H:%M})", *shown))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
