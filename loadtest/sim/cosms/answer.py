"""Answers of a simulated COSMS: a code, and lines behind it (vendors.md 1.1)."""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.sim.http.wire import Reply
from loadtest.sim.requests.faults import Rule
from loadtest.sim.switches import Switches

CONTENT_TYPE = "text/plain; charset=GBK"
NOT_TAKEN = "501"  # said when a fault kept a request from being taken, if anything of the answer is sent

LINE_ENDS = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}
CODE_LINES = {"plain": b"%b", "blanks": b" %b   ", "comment": b"%b  ,OK"}


def line_end(switches: Switches) -> bytes:
    """What ends a line."""
    return LINE_ENDS[switches.line_end]


def answer(switches: Switches, code: str, rows: bytes = b"", rule: Rule | None = None, more: str = "") -> Reply:
    """The code and complete lines; or the body a rule wants."""
    if rule is not None and rule.body is not None:
        body = rule.body.encode("gb18030")
    else:
        body = CODE_LINES[switches.code_line] % code.encode() + line_end(switches) + rows
    return Reply(body, 200, CONTENT_TYPE, rule, more=more)


def lines(switches: Switches, rows: Sequence[bytes]) -> bytes:
    """Complete lines."""
    return line_end(switches).join([*rows, b""])
