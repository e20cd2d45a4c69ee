"""What the BATCH platform's answers look like, in every form it may have (vendors.md 3.1, 4.3, AMB-BATCH-3, 20)."""

from __future__ import annotations

from loadtest.sim.http.wire import HTML
from loadtest.sim.state import State


def answer_text(state: State, code: str, more: str, description: str) -> str:
    """`time,code`, with a description behind it if there is one, and the lines of `more` if the code is 0."""
    switches = state.switches
    second = more if code == "0" else ""
    resptime = state.clock.stamp14()
    first = f"{resptime},{code},{description}" if description else f"{resptime},{code}"
    text = f"{first}\n{second}" if second else first
    if switches.trailing_eol == "on":
        text += "\n"
    return text if switches.answer_form == "plain" else _formed(switches.answer_form, text, resptime, code, second)


def is_signed(text: str, signature: str) -> bool:
    """Does the text begin or end with this signature in 【】, or with any if none is given?"""
    if signature:
        return text.startswith(f"【{signature}】") or text.endswith(f"【{signature}】")
    return (text.startswith("【") and "】" in text) or (text.endswith("】") and "【" in text)


def _formed(form: str, text: str, resptime: str, code: str, second: str) -> str:
    """AMB-BATCH-20."""
    match form:
        case "crlf":
            return text.replace("\n", "\r\n")
        case "trailing_blank_lines":
            return text + "\n\n\n"
        case "no_resptime":
            return text.removeprefix(resptime)
        case "garbage":
            return "\x00\x01 system upgrade, try again later"
        case "html":
            return HTML.decode()
        case "json":
            return f'{{"resptime":"{resptime}","respstatus":"{code}","msgid":"{second}"}}'
        case _:
            return ""
