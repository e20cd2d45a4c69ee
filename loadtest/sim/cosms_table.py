"""COSMS 3.1's tables: codes, report values, switches (vendors.md 1, 8.1, 8.6, Annex A)."""

from __future__ import annotations

from loadtest.sim.switches import Switch, seconds, share, text, weights, whole, words

CODES: dict[str, str] = {
    "100": "all successful",
    "200": "a part of the numbers was taken (only named in the change log)",
    "300": "receive failed; of a query: there is nothing",
    "201": "loginName does not exist or is empty",
    "202": "corpID does not exist or is empty",
    "203": "password wrong or empty",
    "204": "illegal IP",
    "205": "30 wrong logins: refused until the next day",
    "206": "account expired",
    "207": "sub-user has no sending right",
    "208": "MD5str wrong: unknown, used, too old, or of another connection",
    "400": "forbidden to send",
    "401": "msgFormat empty or illegal",
    "402": "phone list empty",
    "403": "more than 1000 numbers, or than 13,000 characters of them",
    "404": "illegal domestic number",
    "405": "msg missing or empty",
    "406": "msg over 500 characters",
    "407": "encoding wrong or not recognisable",
    "408": "subNumber wrong",
    "409": "linkID wrong",
    "410": "mtLevel wrong",
    "411": "unsupported international number",
    "412": "PUSH msg format wrong",
    "413": "PUSH to a number that is not China Mobile's",
    "414": "time wrong or beyond the limits",
    "415": "new login name illegal",
    "416": "new login name taken",
    "417": "new password empty or illegal",
    "501": "system busy",
    "502": "too fast",
    "503": "domestic credit of the enterprise insufficient (and that for MMS)",
    "504": "domestic credit of the sub-user insufficient (and that for MMS)",
    "505": "international credit of the enterprise insufficient",
    "506": "international credit of the sub-user insufficient",
}

PLAIN = ("0", "1", "2", "3", "4", "5", "255")
MOBILE = ("DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD")
GATEWAY = tuple(f"{p}:0001" for p in ("MA", "MB", "MC", "CA", "CB", "DA", "DB", "SA", "SB", "IA", "IB", "IC"))
FIELD = ("HD:0001", "ID:0076", "MK:0001", "MN:0001")  # prefixes that occur in the field
STATUSES = (*PLAIN, *MOBILE, *GATEWAY, *FIELD)

MIX = {"0": 0.93, "1": 0.02, "2": 0.02, "3": 0.005, "4": 0.005, "5": 0.005, "255": 0.01, "MK:0001": 0.005}
OPERATORS = {"0": 1, "2": 1, "DELIVRD": 1, "UNDELIV": 1, "EXPIRED": 1, "MB:1042": 1}  # AMB-COSMS-23

# What the history says of a report value (Annex A): China Mobile's word, and the others' number.
HISTORY: dict[str, tuple[str, str]] = {
    "0": ("DELIVRD", "0"),
    "1": ("UNDELIV", "2"),
    "2": ("EXPIRED", "2"),
    "3": ("REJECTD", "2"),
    "4": ("REJECTD", "2"),
    "5": ("UNKNOWN", "2"),
    "255": ("UNKNOWN", "2"),
}

# vendors.md names no prefixes of China Mobile's: those of the public numbering plan.
CHINA_MOBILE = (
    *(f"134{i}" for i in range(9)),
    *("135", "136", "137", "138", "139", "147", "148", "150", "151", "152", "157", "158", "159", "172", "178"),
    *("182", "183", "184", "187", "188", "195", "197", "198"),
)

SWITCHES: tuple[Switch, ...] = (
    Switch(
        "enforce",
        "502",
        "vendors.md 1.13 (502)",
        "what goes over the account's flow limit is refused, or only counted",
        ("502", "off"),
    ),
    Switch(
        "partial_code",
        "off",
        "AMB-COSMS-1",
        "200: of several numbers only the first half is taken and has rows",
        ("off", "200"),
    ),
    Switch("line_end", "lf", "vendors.md 1.1", "what ends a line of an answer", ("lf", "crlf", "cr")),
    Switch(
        "code_line",
        "plain",
        "vendors.md 1.1",
        "the first line: the code alone, blanks behind it, or a comma and a comment (as the example is printed)",
        ("plain", "blanks", "comment"),
    ),
    Switch(
        "md5str_alphabet",
        "digits",
        "AMB-COSMS-2",
        "what the six characters of an MD5str are; ascii has a `+`, a `&` and a `%` among them",
        ("digits", "ascii"),
    ),
    Switch(
        "md5str_form",
        "bare",
        "AMB-COSMS-3",
        "an MD5str alone, with a line end, or behind a line with the code 100",
        ("bare", "bare_eol", "code_line"),
    ),
    Switch(
        "md5_binding",
        "connection",
        "AMB-COSMS-4",
        "who may use an MD5str: the connection that asked for it, the session of its cookie, or anybody; else 208",
        ("connection", "cookie", "none"),
    ),
    Switch(
        "md5str_valid_s", 1200, "vendors.md 1.3", "how long an MD5str is good, simulated seconds", (1200,), **seconds()
    ),
    Switch(
        "failures_max",
        30,
        "vendors.md 1.2 (205)",
        "failed logins of an account in a day, after which it gets 205 until the next; 0: any number",
        (30, 0),
        **whole(0),
    ),
    Switch("max_numbers", 1000, "AMB-COSMS-6", "most numbers in a request, else 403", (1000,), **whole(1, 1000)),
    Switch("mobs_chars_max", 13_000, "AMB-COSMS-6", "longest Mobs in characters, else 403", (13_000,), **whole(11)),
    Switch("max_chars", 500, "AMB-COSMS-7", "longest text, else 406", (500, 1000), **whole(1)),
    Switch(
        "length_unit",
        "utf16",
        "AMB-X-3",
        "what a text's length counts: UTF-16 units (an emoji is 2) or characters",
        ("utf16", "characters"),
    ),
    Switch(
        "report_interval",
        30,
        "AMB-COSMS-8",
        "least time between two getReport, in `interval_unit`, else 502",
        (30, 0),
        **seconds(),
    ),
    Switch(
        "mo_interval",
        10,
        "vendors.md 1.6",
        "least time between two getMo, in `interval_unit`, else 502",
        (10, 0),
        **seconds(),
    ),
    Switch(
        "interval_unit",
        "seconds",
        "AMB-COSMS-8",
        "simulated seconds or minutes",
        ("seconds", "minutes"),
    ),
    Switch(
        "poll_mode",
        "destructive",
        "AMB-COSMS-9",
        "a page of reports or messages is given once, twice (the next request gets it again), or again and again",
        ("destructive", "repeat_until_next_poll", "repeat_always"),
    ),
    Switch("page_rows", 100, "vendors.md 1.6, 1.7", "most rows of a page", (100, 2), **whole(1, 100)),
    Switch(
        "report_kept_s",
        86_400,
        "AMB-COSMS-10",
        "how long reports are kept for getReport, simulated seconds",
        (86_400,),
        **seconds(0, above=True),
    ),
    Switch(
        "mo_kept_s",
        604_800,
        "AMB-COSMS-10",
        "how long messages are kept for getMo, simulated seconds",
        (604_800,),
        **seconds(0, above=True),
    ),
    Switch(
        "strict_case",
        "off",
        "AMB-COSMS-11",
        "parameters count only as spelled in the document (Mobs, corpID, msg), or in any case",
        ("off", "on"),
    ),
    Switch(
        "intl_linkid_required",
        "off",
        "AMB-COSMS-12",
        "an international number without linkID=5000 is refused with 409",
        ("off", "on"),
    ),
    Switch(
        "intl_reports",
        0.0,
        "vendors.md 1.5",
        "share of requests with international numbers that get reports for these (mostly none)",
        (0.0, 1.0),
        **share(),
    ),
    Switch(
        "treat86",
        "error404",
        "AMB-COSMS-13",
        "a number with 86 before it: refused with 404, taken as domestic, or as international",
        ("error404", "domestic", "international"),
    ),
    Switch(
        "mtlevel_enforce",
        "410",
        "AMB-COSMS-14",
        "a level too low (over 10 numbers want 2, over 100 want 3) is refused, or raised; a violation either way",
        ("410", "silently"),
    ),
    Switch(
        "china_mobile",
        CHINA_MOBILE,
        "vendors.md 1.5 (413)",
        "how China Mobile's numbers begin; the document does not say",
        (CHINA_MOBILE,),
        **words(),
    ),
    Switch(
        "hist_columns",
        9,
        "AMB-COSMS-17",
        "columns of getHistSms; the ninth is the sub-user's number, the second of the row",
        (9, 8),
    ),
    Switch(
        "hist_fast_code",
        "414",
        "vendors.md 1.9",
        "what a getHistSms within `hist_interval` gets",
        ("414", "502"),
    ),
    Switch(
        "hist_interval",
        60,
        "vendors.md 1.9",
        "least time between two getHistSms, simulated seconds",
        (60, 0),
        **seconds(),
    ),
    Switch("hist_rows", 500, "vendors.md 1.9", "most rows of getHistSms; the first ones", (500, 3), **whole(1, 500)),
    Switch(
        "hist_pending",
        "",
        "vendors.md 1.9 (not said)",
        "mtStatus of a message whose report is not known yet",
        ("", "ACCEPTD"),
        **text(),
    ),
    Switch(
        "row_format",
        "as_requested",
        "AMB-COSMS-19, AMB-COSMS-20",
        "msgFormat of the rows of getMo and getHistSms; mixed: 1, 0, 2, 3 in turn. 3 is UTF-16BE in hex; it is also "
        "what a text gets that GBK cannot carry",
        ("as_requested", "always0", "mixed"),
    ),
    Switch(
        "putmt_300",
        "off",
        "AMB-COSMS-21",
        "300 for every putMt, or for the first with these numbers and this text",
        ("off", "once", "always"),
    ),
    Switch(
        "bad_number",
        "reject_batch404",
        "AMB-COSMS-22",
        "an illegal number in the list: refuse all, or leave it out, its row too",
        ("reject_batch404", "skip_row"),
    ),
    Switch(
        "mtid_order",
        "rising",
        "vendors.md 1.5",
        "mtIDs of a request: one after the other, or without an order",
        ("rising", "scattered"),
    ),
    Switch(
        "sub_number_max", 6, "vendors.md 1.5 (408)", "most digits of a subNumber, else 408", (6, 10), **whole(0, 12)
    ),
    Switch(
        "number",
        "10655000",
        "vendors.md 1.6, 1.9",
        "what a subNumber is appended to: destID of history and messages",
        ("10655000",),
        **text(),
    ),
    Switch(
        "charge_unit",
        "parts",
        "vendors.md 1.8 (unit not given)",
        "what a balance counts: parts of 70/67 characters (the account's split), or messages",
        ("parts", "messages"),
    ),
    Switch("balance_lines", 8, "AMB-COSMS-27", "lines of corpCanSend, the code's included", (8, 7, 2)),
    Switch("status_mix", MIX, "AMB-COSMS-23", "weights of report values", (MIX, OPERATORS), **weights()),
    Switch(
        "sensitive_words",
        ("敏感词",),
        "vendors.md 1.7 (3)",
        "words that make a text reported as 3, illegal content",
        (("敏感词",),),
        **words(),
    ),
    Switch("push_ids", 100, "AMB-COSMS-24", "most mtIDs of a report push", (100, 1, 2), **whole(1, 100)),
    Switch("push_comma", "raw", "AMB-COSMS-24", "the comma between them as it is, or as %2C", ("raw", "encoded")),
    Switch(
        "push_retry",
        "3_times",
        "AMB-COSMS-24",
        "how often a push is repeated whose answer is not exactly 100",
        ("3_times", "forever"),
    ),
    Switch(
        "mo_push_format",
        1,
        "vendors.md 1.4, 1.12",
        "msgFormat of pushed messages (0 and 1 look alike in a query); 3 also where GBK cannot carry a text",
        (1, 0, 2, 3),
    ),
)
