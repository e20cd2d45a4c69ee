"""The BATCH platform's tables: codes, report statuses, switches (vendors.md 3.1, 3.2, 4.1, 8.3)."""

from __future__ import annotations

from loadtest.sim.switches import Switch, seconds, text, weights, whole, words

CODES: dict[str, str] = {
    "0": "accepted",
    "101": "no such user",
    "102": "wrong password",
    "103": "submitting too fast",
    "104": "system busy",
    "105": "sensitive words",
    "106": "length wrong",
    "107": "contains wrong numbers (edition B)",
    "108": "wrong count of numbers",
    "109": "no credit",
    "110": "not inside the sending time",
    "111": "over this month's quota",
    "112": "product not subscribed",
    "113": "extno format wrong",
    "115": "automatic review refused",
    "116": "signature illegal or missing",
    "117": "IP not registered",
    "118": "no sending permission",
    "119": "user expired",
    "120": "content not in the white list (edition A)",
}
STATUSES_A = ("DELIVRD", "MBBLACK", "ROUTEERR", "REJECT", "EMSERR", "SIGNERR", "KEYWORD")
STATUSES_B = ("DELIVRD", "EXPIRED", "UNDELIV", "UNKNOWN", "REJECTD", "DTBLACK", "REJECT", "DISTURB", "ERR:104")
STATUSES_ODD = ("MK:0001", "ID:0076", "", "delivrd")  # AMB-BATCH-9
MIX = {"DELIVRD": 0.93, "UNDELIV": 0.03, "EXPIRED": 0.02, "REJECTD": 0.01, "MBBLACK": 0.01}


def _hours(value: object) -> bool:
    start, _, end = str(value).partition("-")
    return start.isdigit() and end.isdigit() and 0 <= int(start) < int(end) <= 24


SWITCHES: tuple[Switch, ...] = (
    Switch("edition", "A", "vendors.md 3, 4.1", "which edition's defaults hold for the switches not set", ("A", "B")),
    Switch(
        "enforce",
        "103",
        "vendors.md 3.1 (103)",
        "what goes over the account's flow limit is refused, or only counted",
        ("103", "off"),
    ),
    Switch("max_chars", 536, "AMB-BATCH-1", "longest text, else 106", (536, 585, 700, 500), **whole(1)),
    Switch(
        "length_unit",
        "utf16",
        "AMB-X-3",
        "what a text's length counts: UTF-16 units (an emoji is 2) or characters",
        ("utf16", "characters"),
    ),
    Switch(
        "split",
        "account",
        "AMB-BATCH-2",
        "characters of a single and of a part, for charging; account: its own split_single, split_multi",
        ("account", "70/67", "60/57"),
    ),
    Switch("msgid_without_status", "no", "AMB-BATCH-3", "a msgid line although needstatus=false", ("no", "yes")),
    Switch("trailing_eol", "off", "AMB-BATCH-3", "a line end after the last line", ("off", "on")),
    Switch(
        "missing_needstatus",
        "error",
        "AMB-BATCH-4",
        "needstatus not given: 106, or as false; a violation either way",
        ("error", "treat_false"),
    ),
    Switch("max_numbers", 50_000, "AMB-BATCH-5", "most numbers in a request, else 108", (50_000, 200), **whole(1)),
    Switch("min_numbers", 1, "AMB-BATCH-5", "fewest numbers in a request, else 108", (1, 10), **whole(1)),
    Switch(
        "bad_number",
        "accept_and_report_failed",
        "AMB-BATCH-6",
        "a wrong number in the list: refuse all, or accept it and report it failed",
        ("accept_and_report_failed", "107"),
        by_edition={"B": "107"},
    ),
    Switch(
        "bad_number_status",
        "UNDELIV",
        "AMB-BATCH-6",
        "the status such a number is reported with",
        ("UNDELIV",),
        **text(),
    ),
    Switch(
        "balance_interval",
        10,
        "AMB-BATCH-7",
        "simulated seconds between balance queries, else 103",
        (10, 30),
        by_edition={"B": 30},
        **seconds(),
    ),
    Switch(
        "balance_products",
        "account",
        "AMB-BATCH-23",
        "how many products a balance answer lists; account: all it has",
        ("account", "0", "1", "2"),
    ),
    Switch("extno_max", 3, "AMB-BATCH-8", "longest extno, else 113", (3, 6), **whole(0)),
    Switch("status_mix", MIX, "AMB-BATCH-9", "weights of report statuses", (MIX,), **weights()),
    Switch(
        "time_digits",
        10,
        "AMB-BATCH-10",
        "digits of reportTime and moTime: YYMMDDhhmm, with seconds, with the century",
        (10, 12, 14),
    ),
    Switch("report_prefix", "none", "vendors.md 0.3", "what stands before a number in a report", ("none", "86", "+86")),
    Switch("push_method", "GET", "AMB-BATCH-11", "method of report and MO pushes", ("GET", "POST")),
    Switch("push_retry", "none", "AMB-BATCH-11", "repeat a push until the receiver answers 200", ("none", "until_200")),
    Switch(
        "empty_receiver",
        "empty",
        "AMB-BATCH-11",
        "receiver and pswd of a push when the account has none: empty parameters or none at all",
        ("empty", "absent"),
    ),
    Switch(
        "bad_utf8",
        "106",
        "AMB-BATCH-15",
        "a text that is not UTF-8: refuse it, or replace what is wrong",
        ("106", "replace"),
    ),
    Switch(
        "answer_form",
        "plain",
        "AMB-BATCH-20",
        "how answers look",
        ("plain", "crlf", "trailing_blank_lines", "no_resptime", "garbage", "html", "empty", "json"),
    ),
    Switch(
        "send_hours",
        "0-24",
        "AMB-BATCH-21",
        "hours of the simulated clock in which sending is allowed, else 110",
        ("0-24", "8-21"),
        also="any FROM-TO",
        accepts=_hours,
    ),
    Switch(
        "review",
        "off",
        "AMB-BATCH-22",
        "review after acceptance: reports only after it, or REJECT for all",
        ("off", "approve_after", "reject_after"),
    ),
    Switch("review_delay_s", 5.0, "AMB-BATCH-22", "how long a review takes, simulated seconds", (5.0,), **seconds()),
    Switch(
        "sensitive_words",
        ("敏感词",),
        "vendors.md 3.1 (105)",
        "words that make a text refused with 105",
        (("敏感词",),),
        **words(),
    ),
    Switch(
        "review_words",
        ("自动审核",),
        "vendors.md 3.1 (115)",
        "words that make a text refused with 115",
        (("自动审核",),),
        **words(),
    ),
    Switch(
        "signature_needed",
        "off",
        "vendors.md 3.1 (116)",
        "a text must begin or end with its signature in 【】, else 116",
        ("off", "on"),
    ),
)
