"""Msg_Id: 64 bits, unsigned (vendors.md 6.4). From August to December it is above 2^63.

Its parts are for people who look at one. Nothing may be decided by them: real gateways fill them carelessly
(AMB-CMPP-1).
"""

from __future__ import annotations

from typing import NamedTuple


class MessageId(NamedTuple):
    """What the bits of a Msg_Id say, true or not."""

    month: int
    day: int
    hour: int
    minute: int
    second: int
    gateway: int
    sequence: int


def compose(parts: MessageId) -> int:
    """The number of these parts."""
    month, day, hour, minute, second, gateway, sequence = parts
    return month << 60 | day << 55 | hour << 50 | minute << 44 | second << 38 | gateway << 16 | sequence


def parts_of(msg_id: int) -> MessageId:
    """The parts of a number."""
    return MessageId(
        msg_id >> 60 & 15,
        msg_id >> 55 & 31,
        msg_id >> 50 & 31,
        msg_id >> 44 & 63,
        msg_id >> 38 & 63,
        msg_id >> 16 & 0x3FFFFF,
        msg_id & 0xFFFF,
    )


def written(msg_id: int) -> str:
    """As it is stored, exported and shown: 16 hex digits, in the order of the numbers."""
    return f"{msg_id:016X}"
