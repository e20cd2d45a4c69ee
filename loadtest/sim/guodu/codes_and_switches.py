"""GUODU's tables: codes, report statuses, switches (vendors.md 5, 8.4, 8.6)."""

from __future__ import annotations

from collections.abc import Mapping

from loadtest.sim.switches import Switch, seconds, weights, whole

CODES: dict[str, str] = {
    "00": "bulk accepted",
    "01": "personalised accepted",
    "03": "single accepted",
    "02": "IP check failed",
    "04": "user name wrong",
    "05": "password wrong",
    "06": "parameter wrong; here also: text too long, wrong numbers, bad escapes",
    "07": "SendTime format wrong",
    "08": "content empty",
    "09": "number empty",
    "10": "AppendID format wrong",
    "11": "no balance (in other Guodu material)",
    "-1": "submit abnormal",
}

STATUSES = {"0": "发送成功", "1": "发送失败", "2": "超时未知", "-1": "网关拒绝", "99": "黑名单", "UNDELIV": "无法送达"}
FAILED = "发送失败"  # what any other status is told as
MIX = {"0": 0.94, "1": 0.03, "2": 0.01, "-1": 0.01, "99": 0.01}
OTHERS = {"0": 0.9, "UNDELIV": 0.1}

MO_FIELDS = {"mobile": "mobile", "text": "content", "time": "moTime", "to": "spCode"}
MO_MSG = {"mobile": "mobile", "text": "msg", "time": "time", "to": "destCode"}
MO_APPEND = {"mobile": "mobile", "text": "content", "time": "moTime", "to": "appendId"}
MO_STRANGE = {"mobile": "phone", "text": "body", "time": "at", "to": "code"}


def _mo_fields(value: object) -> bool:
    return (
        isinstance(value, Mapping) and set(value) <= set(MO_FIELDS) and all(isinstance(v, str) for v in value.values())
    )


SWITCHES: tuple[Switch, ...] = (
    Switch("max_numbers", 200, "AMB-GD-1", "most numbers in a request, else `oversize`", (200, 500), **whole(1)),
    Switch(
        "oversize",
        "drop_connection",
        "AMB-GD-1",
        "too many numbers: connection dropped, or 06",
        ("drop_connection", "answer06"),
    ),
    Switch("get", "405", "AMB-GD-2", "a GET: refused, or taken (JSON body or query)", ("405", "accept")),
    Switch(
        "content",
        "urlencoded",
        "AMB-GD-3",
        "Content: url-decoded once if it has any %XX, or as it is",
        ("urlencoded", "plain"),
    ),
    Switch("max_chars", 500, "vendors.md 5.1", "longest text, else 06", (500, 700), **whole(1)),
    Switch(
        "length_unit",
        "utf16",
        "AMB-GD-4, AMB-X-3",
        "unit of a text's length (an emoji is 2 of UTF-16)",
        ("utf16", "code_points"),
    ),
    Switch("personalised", "off", "AMB-GD-6", "success is 01 instead of 00 (several numbers), 03 (one)", ("off", "on")),
    Switch(
        "code_type",
        "padded",
        "AMB-GD-7",
        'ResultCode: "00", "0", or the number 0',
        ("padded", "unpadded", "number"),
    ),
    Switch(
        "msg_id",
        "on_success",
        "AMB-GD-8",
        "which answers have a MsgId",
        ("on_success", "never", "always"),
    ),
    Switch(
        "prefix_digits",
        16,
        "AMB-GD-11",
        "digits of spnumber and platform id; 10 if longer than 20 with AppendID",
        (16, 12),
        **whole(0, 20),
    ),
    Switch("past_send_time", "07", "AMB-GD-12", "a SendTime in the past: refused, or sent", ("07", "send_now")),
    Switch(
        "overload",
        "-1",
        "AMB-GD-14",
        "over the flow limit, or busy: refused, or answered late",
        ("-1", "http503", "delay"),
    ),
    Switch("overload_delay_s", 5.0, "AMB-GD-14", "how late, real seconds", (5.0, 0.05), **seconds()),
    Switch("no_credit", "11", "vendors.md 5.1", "not enough credit: 11, or taken", ("11", "accept")),
    Switch("status_mix", MIX, "vendors.md 5.3", "weights of report statuses; 0 is success", (MIX, OTHERS), **weights()),
    Switch("report_prefix", "none", "vendors.md 0.3", "prefix of numbers in reports", ("none", "86", "+86")),
    Switch("trailing_semicolon", "on", "AMB-GD-9", "a `;` after the pushed JSON", ("on", "off")),
    Switch(
        "status_type",
        "number",
        "AMB-GD-10",
        "JSON type of a status that is a number",
        ("number", "string"),
    ),
    Switch(
        "key_case",
        "documented",
        "AMB-GD-10",
        "keys of a push: msgId, MsgId, msgid",
        ("documented", "capital", "lower"),
    ),
    Switch(
        "push_shape",
        "list",
        "AMB-GD-10",
        "a push is a list, or an object for one report or message",
        ("list", "object"),
    ),
    Switch("push_entries", 250, "vendors.md 5.3", "most reports or messages in a push", (250, 1), **whole(1, 250)),
    Switch(
        "mo_fields",
        MO_FIELDS,
        "AMB-GD-13, vendors.md 5.6",
        "keys of a pushed message; those left out are not sent",
        (MO_FIELDS, MO_MSG, MO_APPEND, MO_STRANGE),
        also="any table of mobile, text, time, to = key",
        accepts=_mo_fields,
    ),
    Switch(
        "ack",
        "http200",
        "AMB-GD-13, vendors.md 5.5",
        "what takes a push: HTTP 200; with the body `ok`; with JSON of code 0",
        ("http200", "body_ok", "json_code0"),
    ),
    Switch("push_retry", "none", "AMB-GD-13", "repetition of pushes", ("none", "until_acked")),
)
