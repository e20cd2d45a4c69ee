"""The tables of the simulated CMPP gateway: switches, results, statuses (vendors.md 6, 8.5, 9)."""

from __future__ import annotations

from loadtest.sim.common_switches import COMMON
from loadtest.sim.switches import Switch, seconds, share, text, weights, whole

RESULTS: dict[str, str] = {
    "0": "taken",
    "1": "structure wrong: recipients, Pk_total, Pk_number, times",
    "2": "command wrong; here: by a rule only",
    "3": "Sequence_Id repeated on its connection",
    "4": "length wrong",
    "5": "fee code wrong (`fee_check`)",
    "6": "message too long",
    "7": "Service_Id not one of the account's `services`",
    "8": "over the flow limit or the window",
    "9": "other; here: wrong Msg_src, or Src_Id without the `service_code`",
}

LOGIN_STATUSES: dict[str, str] = {
    "1": "structure wrong",
    "2": "no such SP_Id, or another address (`ips`)",
    "3": "wrong secret, or timestamp too far away (`timestamp_window_s`)",
    "4": "version not taken (`version_policy`)",
    "5": "too many connections (`max_connections`), a second login (`second_connect`)",
}

DELIVERED, INTERIM = "DELIVRD", "ACCEPTD"
MOBILE = (DELIVERED, "EXPIRED", "DELETED", "UNDELIV", INTERIM, "UNKNOWN", "REJECTD")
PREFIXES = ("MA", "MB", "MC", "CA", "CB", "DA", "DB", "SA", "SB", "IA", "IB", "IC")
STATUSES = (*MOBILE, *(f"{prefix}:0001" for prefix in PREFIXES), "HD:0001", "ID:0076", "MK:0001", "MN:0001")
MIX = {"DELIVRD": 0.92, "UNDELIV": 0.03, "EXPIRED": 0.01, "REJECTD": 0.01, "MK:0001": 0.03}

SHARED = (
    *("clock_scale", "clock_start", "latency_s", "latency_exp_s", "judge_idle_s", "report_delay"),
    *("report_delay_min_s", "report_delay_mean_s", "report_delay_max_s", "report_loss", "report_duplicates"),
    *("report_unknown_ids", "status_numbers"),
)
"""The switches that it has in common with the other simulated vendors."""

SESSION: tuple[Switch, ...] = (
    Switch("window", 16, "vendors.md 6.2", "unanswered requests in each direction (W)", (16, 4), **whole(1)),
    Switch(
        "window_violation",
        "count_only",
        "AMB-CMPP-16",
        "a request over the window: only counted, Result 8, or the end of the connection",
        ("count_only", "result8", "close"),
    ),
    Switch(
        "answer_order",
        "in_order",
        "AMB-CMPP-16",
        "answers to requests that came together: in one write, each by itself, reversed, shuffled, or held until the "
        "window is full",
        ("in_order", "one_by_one", "reversed", "shuffled", "burst"),
    ),
    Switch(
        "active_interval_s",
        180.0,
        "vendors.md 6.2",
        "idle time before ACTIVE_TEST (C), simulated seconds",
        (180.0, 10.0),
        **seconds(0, above=True),
    ),
    Switch(
        "answer_timeout_s",
        60.0,
        "vendors.md 6.2",
        "time to an answer before it sends again (T), simulated seconds",
        (60.0, 5.0),
        **seconds(0, above=True),
    ),
    Switch("attempts", 3, "vendors.md 6.2", "transmissions of one request (N)", (3, 1), **whole(1)),
    Switch("active_from_server", "off", "AMB-CMPP-17", "sends ACTIVE_TEST", ("off", "on")),
    Switch("active_resp_len", 13, "AMB-CMPP-5", "octets of its ACTIVE_TEST_RESP", (13, 12)),
    Switch(
        "no_answer",
        "off",
        "AMB-CMPP-14",
        "what it leaves unanswered: nothing, SUBMIT (carried out), ACTIVE_TEST, all but CONNECT",
        ("off", "submit_only", "active_only", "all"),
    ),
    Switch(
        "terminate",
        "after_pending_answers",
        "AMB-CMPP-18",
        "how a session ends, by TERMINATE or `/_sim/terminate`: after the answers due, without them, with TCP left "
        "open, closed without TERMINATE, reset",
        ("after_pending_answers", "immediately", "without_closing_tcp", "close_without_terminate", "RST"),
    ),
    Switch(
        "sequence_start",
        1,
        "AMB-CMPP-12",
        "its first Sequence_Id",
        (0, 1, 0x7FFFFFFF, 0xFFFFFFF0, "random"),
    ),
    Switch(
        "unknown_cmd",
        "ignore",
        "AMB-CMPP-32",
        "a sound frame of an unknown command: only counted, or the end of the connection",
        ("ignore", "close"),
    ),
)

LOGIN: tuple[Switch, ...] = (
    Switch("connect_resp", 30, "AMB-CMPP-4", "octets of its CONNECT_RESP", (30, 33, 29)),
    Switch("connect_resp_seq", "echo", "AMB-CMPP-33", "Sequence_Id of its CONNECT_RESP", ("echo", "wrong")),
    Switch(
        "ismg_auth",
        "spec1",
        "AMB-CMPP-3",
        "its AuthenticatorISMG: over a status of 1 octet, of 4, an ASCII digit; zeros; the SP's own; garbage",
        ("spec1", "be4", "ascii", "zeros", "copy_of_source", "garbage"),
    ),
    Switch(
        "version_policy",
        "strict20",
        "AMB-CMPP-6",
        "versions taken, else status 4: 0x20, 0x20 to 0x2f, any",
        ("strict20", "accept_2x", "any"),
    ),
    Switch("answer_version", 0x20, "AMB-CMPP-6", "Version of its CONNECT_RESP", (0x20, 0x30, 0x12)),
    Switch(
        "timestamp_window_s",
        0,
        "AMB-CMPP-7",
        "simulated seconds a login's Timestamp may be off, else status 3; 0: any",
        (0, 300),
        **whole(0),
    ),
    Switch(
        "second_connect",
        "status5",
        "AMB-CMPP-33",
        "a second CONNECT: status 5, or a new login",
        ("status5", "reauth"),
    ),
    Switch(
        "max_connections",
        0,
        "AMB-CMPP-34",
        "most connections of an account, else status 5; 0: any number",
        (0, 1),
        **whole(0),
    ),
)

SUBMITS: tuple[Switch, ...] = (
    Switch("enforce", "8", "vendors.md 6.7", "SUBMITs over the flow limit: Result 8, or only counted", ("8", "off")),
    Switch(
        "msgid",
        "spec",
        "AMB-CMPP-1",
        "its Msg_Ids: by the document, random, without a time, each used twice",
        ("spec", "random", "zero_time", "repeated"),
    ),
    Switch(
        "dup",
        "result3",
        "AMB-CMPP-13",
        "a repeated Sequence_Id: Result 3, the first answer again, or a new message",
        ("result3", "same_answer_again", "new_msg_id"),
    ),
    Switch("max_dest", 99, "AMB-CMPP-9", "most numbers of a SUBMIT, else Result 1", (99, 100), **whole(1, 255)),
    Switch(
        "group_with_report",
        "reject",
        "AMB-CMPP-9",
        "a SUBMIT to several numbers with reports: Result 1, a report each, or for the first alone",
        ("reject", "per_dest_reports", "first_only"),
    ),
    Switch("ascii_max", 159, "AMB-CMPP-10", "octets of an ASCII text, else Result 6", (159, 160), **whole(1, 255)),
    Switch("fee_check", "off", "AMB-CMPP-8", "wrong fee fields: Result 5", ("off", "on")),
    Switch("pk_zero", "result1", "AMB-CMPP-30", "Pk_total or Pk_number 0: Result 1, or 1", ("result1", "accept")),
)

DELIVERS: tuple[Switch, ...] = (
    Switch("status_mix", MIX, "vendors.md 6.8", "weights of report statuses", (MIX,), **weights()),
    Switch(
        "report_order",
        "after",
        "AMB-CMPP-19",
        "a report comes after its SUBMIT_RESP, before it, in the same TCP segment, or at once on another connection",
        ("after", "before", "same_tcp_segment", "other_connection"),
    ),
    Switch(
        "report_connection",
        "same",
        "AMB-CMPP-34",
        "where reports come: the SUBMIT's connection, or any in turn",
        ("same", "any"),
    ),
    Switch("report_body", 60, "AMB-CMPP-20", "octets of a report's body", (60, 71, 59)),
    Switch(
        "prefix",
        "none",
        "AMB-CMPP-22",
        "prefix of numbers in reports and messages; none: in reports as submitted; blanks: behind them",
        ("none", "86", "+86", "blanks"),
    ),
    Switch("accepted_first", "off", "AMB-CMPP-23", "a report of ACCEPTD before every other", ("off", "on")),
    Switch("second_final", "off", "AMB-CMPP-23", "another final status after every report", ("off", "on")),
    Switch(
        "deliver_dup",
        "none",
        "AMB-CMPP-24",
        "every DELIVER twice: at once with the same Sequence_Id, after its answer with another, after a new login",
        ("none", "same_seq", "new_seq", "after_reconnect"),
    ),
    Switch(
        "deliver_rounds",
        5,
        "vendors.md 6.8",
        "times N transmissions before a DELIVER is given up",
        (5, 1),
        **whole(1),
    ),
    Switch("mo_format", 8, "AMB-CMPP-29", "Msg_Fmt of messages from phones", (8, 0, 15, 4, 246), **whole(0, 255)),
    Switch(
        "mo_mislabel",
        "off",
        "AMB-CMPP-29",
        "their texts are GBK, whatever Msg_Fmt says",
        ("off", "gbk"),
    ),
    Switch("mo_reference_bits", 8, "vendors.md 6.7", "bits of a long message's reference", (8, 16)),
    Switch(
        "mo_connections",
        "one",
        "AMB-CMPP-34",
        "connections for the parts of a long message",
        ("one", "in_turn"),
    ),
    Switch("mo_share", 0.0, "vendors.md 9 (5)", "share of numbers that send a message back", (0.0, 1.0), **share()),
    Switch("mo_text", "TD", "vendors.md 6.8", "its text", ("TD",), **text()),
)

NETWORK: tuple[Switch, ...] = (
    Switch(
        "fwd_result",
        "0",
        "vendors.md 6.12",
        "network: Result of a FWD; none: no answer",
        ("0", "9", "10", "none"),
    ),
    Switch(
        "fwd_link",
        "up",
        "vendors.md 6.12",
        "network: its connections to other gateways",
        ("up", "down"),
    ),
    Switch(
        "route_lookup",
        "ask",
        "vendors.md 6.13",
        "network: routes by MT_ROUTE and MO_ROUTE when needed, or all by GET_ROUTE at first",
        ("ask", "load"),
    ),
)

SWITCHES: tuple[Switch, ...] = (*SESSION, *LOGIN, *SUBMITS, *DELIVERS, *NETWORK)
ALL: tuple[Switch, ...] = (*(switch for switch in COMMON if switch.name in SHARED), *SWITCHES)
