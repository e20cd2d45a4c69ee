"""Reports by the hundred, as HEZHONG and GUODU push them: for webhook_batches.py."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote_plus

from loadtest.bench.receiving.pushing import Report

PER_PUSH: Final = {"hezhong": 500, "guodu": 250}
STAMPS: Final = [f"2025-05-01 12:{minute:02}:{second:02}" for minute in range(3) for second in range(60)]

# --- pushes ----------------------------------------------------------------------------------------------------------


def hezhong_body(reports: Sequence[Report]) -> bytes:
    """A form as a form library writes it: the separators are escaped too."""
    stamps = (stamp.translate({ord(mark): None for mark in "-: "}) for stamp in _stamps())
    entries = (
        f"{number},DELIVRD,{vendor_id},{stamp}" for (vendor_id, number), stamp in zip(reports, stamps, strict=False)
    )
    return b"rpts=" + quote_plus(";".join(entries)).encode()


def guodu_body(reports: Sequence[Report]) -> bytes:
    """As the document prints it."""
    entries = [
        {"msg": "发送成功", "mobile": str(number), "msgId": vendor_id, "reportTime": stamp, "status": 0}
        for (vendor_id, number), stamp in zip(reports, _stamps(), strict=False)
    ]
    return json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode() + b";"


def _stamps() -> Iterator[str]:
    while True:
        yield random.choice(STAMPS)


BODIES: Final = {"hezhong": hezhong_body, "guodu": guodu_body}


def requests(account: str, reports: Sequence[Report]) -> list[bytes]:
    """POSTs that say of each: delivered."""
    per_push, body_of = PER_PUSH[account], BODIES[account]
    bodies = [body_of(reports[at : at + per_push]) for at in range(0, len(reports), per_push)]
    kind = "application/json" if account == "guodu" else "application/x-www-form-urlencoded"
    head = f"POST /push/{account}/report HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: "
    return [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
