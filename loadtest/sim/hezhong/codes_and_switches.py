"""HEZHONG's tables: codes, report statuses, switches (vendors.md 2, 8.2, 8.6, Annexes A and B)."""

from __future__ import annotations

from loadtest.sim.switches import Switch, seconds, text, weights, whole, words

CODES: dict[str, str] = {
    "0": "accepted",
    "-1": "account or password wrong",
    "-2": "user state not normal",
    "-3": "IP authentication failed",
    "-4": "no balance",
    "-5": "black word",
    "-6": "blank in the document; here: unreadable text, illegal msgFormat",
    "-7": "number empty",
    "-8": "content empty",
    "-9": "content over 1000 characters",
    "-10": "more than 1000 numbers",
    "-11": "extension wrong",
    "-12": "blank in the document; here: by a rule only",
    "-13": "blank in the document; here: by a rule only",
    "-99": "system error; here: too busy or too fast",
}

MOBILE = ("DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD")
PREFIXES = ("MA", "MB", "MC", "CA", "CB", "DA", "DB", "SA", "SB", "IA", "IB", "IC")
GATEWAY = tuple(f"{prefix}:0001" for prefix in PREFIXES)
FIELD = ("HD:0001", "ID:0076", "MK:0001", "MN:0001")  # prefixes that occur in the field
UNICOM = ("0", "1", "2")
TELECOM = tuple(map(str, (3, 4, 5, 7, 8, *range(10, 19), 20, 21, 23, 25, 26, 29, 30, 31, 35, 38, 39, 40, 46, 99)))
RESERVED = tuple(map(str, (6, 9, 19, 22, 24, 27, 28, 32, 33, 34, 36, 37, 41, 42, 43, 44, 45, 47, 48)))
STATUSES = (*MOBILE, *GATEWAY, *FIELD, *UNICOM, "000", *TELECOM, *RESERVED)

MIX = {"DELIVRD": 0.85, "0": 0.06, "000": 0.02, "UNDELIV": 0.03, "MK:0001": 0.02, "2": 0.01, "8": 0.01}
OPERATORS = {"DELIVRD": 1, "0": 1, "000": 1, "1": 1, "2": 1, "8": 1}  # AMB-X-1; after 1 no final report comes

SWITCHES: tuple[Switch, ...] = (
    Switch(
        "enforce",
        "-99",
        "vendors.md 2.1 (no throttle code)",
        "requests over the flow limit: refused, or only counted",
        ("-99", "http_503", "off"),
    ),
    Switch("max_numbers", 1000, "vendors.md 2.1 (-10)", "most numbers in a request, else -10", (1000, 500), **whole(1)),
    Switch("max_chars", 1000, "vendors.md 2.1 (-9)", "longest text, else -9", (1000, 500), **whole(1)),
    Switch(
        "len_unit",
        "gbk_bytes",
        "AMB-HZ-11, AMB-X-3",
        "unit of a text's length",
        ("gbk_bytes", "chars", "utf16"),
    ),
    Switch("sub_max", 5, "AMB-HZ-9", "longest extension, else -11", (5, 6), **whole(0)),
    Switch(
        "get_line_max",
        8192,
        "AMB-HZ-14",
        "longest request line, bytes, else HTTP 414; 0: any",
        (8192, 0),
        **whole(0),
    ),
    Switch(
        "answer_form",
        "plain",
        "AMB-HZ-7, vendors.md 2.1",
        "success: `0,ID`; `0, ID`; with a line end; behind a byte order mark; without the id",
        ("plain", "blank", "crlf", "bom", "no_id"),
    ),
    Switch(
        "charge_unit",
        "parts",
        "vendors.md 2.2 (unit not given)",
        "unit of the balance: parts by the account's split, or messages",
        ("parts", "messages"),
    ),
    Switch("balance_form", "whole", "vendors.md 2.2", "form of the balance", ("whole", "decimal")),
    Switch(
        "balance_failure",
        "code",
        "AMB-HZ-13",
        "answer to a failed balance query",
        ("code", "-1", "error", "empty"),
    ),
    Switch(
        "balance_interval",
        30,
        "vendors.md 2.2",
        "simulated seconds between balance queries; sooner is answered, and a violation",
        (30, 0),
        **seconds(),
    ),
    Switch("status_mix", MIX, "AMB-X-1, Annexes A and B", "weights of report statuses", (MIX, OPERATORS), **weights()),
    Switch(
        "bad_number_status",
        "UNDELIV",
        "vendors.md 2.1",
        "status of wrong numbers: they are taken, there is no code",
        ("UNDELIV",),
        **text(),
    ),
    Switch("report_prefix", "none", "vendors.md 0.3", "prefix of numbers in reports", ("none", "86", "+86")),
    Switch("rpt_fields", 4, "AMB-HZ-1", "fields of a report; the fifth is the platform's serial", (4, 5)),
    Switch(
        "push_style",
        "post_form",
        "AMB-HZ-3",
        "where rpts and mos are",
        ("post_form", "post_query", "get_query"),
    ),
    Switch(
        "push_layout",
        "plain",
        "AMB-HZ-6",
        "white space in rpts and mos: none; a blank after each comma; CR LF after each entry; as in the document (a "
        "line break after the first entry, in reports a blank after each comma)",
        ("plain", "blanks", "line_breaks", "printed"),
    ),
    Switch("trailing_semicolon", "off", "AMB-HZ-6", "`;` after the last entry", ("off", "on")),
    Switch(
        "push_escape",
        "raw",
        "vendors.md 2.3, 2.4",
        "commas and semicolons of rpts and mos: as they are, or url-encoded",
        ("raw", "encoded"),
    ),
    Switch("push_entries", 500, "vendors.md 2.3, 2.4", "most reports or messages in a push", (500, 1), **whole(1, 500)),
    Switch(
        "mo_text",
        "double_encoded",
        "AMB-HZ-5",
        "a message's text: url-encoded once more inside mos, or not",
        ("double_encoded", "single_encoded"),
    ),
    Switch("push_retry", "none", "vendors.md 2.5", "repetition of pushes", ("none", "until_200")),
    Switch(
        "sensitive_words",
        ("敏感词",),
        "vendors.md 2.1 (-5)",
        "words refused with -5",
        (("敏感词",),),
        **words(),
    ),
)
