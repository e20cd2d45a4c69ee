"""The switches every simulated vendor has: clock, latency, ledger, report engine, pushing (vendors.md 9)."""

from __future__ import annotations

from datetime import datetime

from loadtest.sim.switches import Switch, Value, seconds, share, texts_by_text, whole


def _is_time(value: Value) -> bool:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


SIM = "vendors.md 9"
REPORTS = "vendors.md 9 (5)"

COMMON: tuple[Switch, ...] = (
    Switch(
        "clock_scale",
        1.0,
        "vendors.md 9 (8)",
        "simulated seconds per real second (never for the flow limit)",
        (1.0, 60.0),
        **seconds(0, above=True),
    ),
    Switch(
        "clock_start",
        "",
        "vendors.md 9 (8)",
        "the simulated clock's local time when this is set; empty: the real time",
        ("",),
        also="an ISO local time",
        accepts=lambda v: _is_time(v),
    ),
    Switch("latency_s", 0.0, SIM, "fixed part of the time to an answer, real seconds", (0.0, 5.0), **seconds()),
    Switch("latency_exp_s", 0.0, SIM, "mean of its exponential part, real seconds", (0.0, 50.0), **seconds()),
    Switch(
        "keepalive_s",
        75.0,
        SIM,
        "idle time before a (new) connection is closed, real seconds",
        (75.0, 0.1),
        **seconds(0, above=True),
    ),
    Switch(
        "busy_over",
        0,
        "vendors.md 3.1 (104)",
        "most requests at once before it is busy; 0: any number",
        (0, 1),
        **whole(0),
    ),
    Switch(
        "judge_idle_s",
        2.0,
        "vendors.md 9 (6)",
        "longer gaps between arrivals are idle, real seconds",
        (2.0, 0.2),
        **seconds(0, above=True),
    ),
    Switch(
        "ledger",
        "full",
        "vendors.md 9 (6)",
        "what it keeps per number: 8-10 bytes (rows, doubles), or nothing",
        ("full", "counts"),
    ),
    Switch(
        "report_delay",
        "exponential",
        REPORTS,
        "distribution of the time to a report",
        ("exponential", "uniform", "fixed", "lognormal"),
    ),
    Switch(
        "report_delay_min_s",
        0.5,
        REPORTS,
        "least delay (the delay, if fixed), simulated seconds",
        (0.5, 0.0),
        **seconds(),
    ),
    Switch(
        "report_delay_mean_s", 2.0, REPORTS, "mean delay above the least, simulated seconds", (2.0, 0.0), **seconds()
    ),
    Switch("report_delay_max_s", 60.0, REPORTS, "longest delay, simulated seconds", (60.0, 0.2), **seconds()),
    Switch("report_loss", 0.0, REPORTS, "share of reports that never come", (0.0, 1.0), **share()),
    Switch("report_duplicates", 0.0, REPORTS, "share of reports that come twice", (0.0, 1.0), **share()),
    Switch(
        "report_unknown_ids",
        0.0,
        REPORTS,
        "share of pushes followed by one with a made-up id",
        (0.0, 1.0),
        **share(),
    ),
    Switch(
        "report_early",
        0.0,
        REPORTS,
        "share of requests reported before their answer",
        (0.0, 1.0),
        **share(),
    ),
    Switch(
        "report_early_hold_s",
        1.0,
        REPORTS,
        "longest wait of such an answer, real seconds",
        (1.0,),
        **seconds(),
    ),
    Switch(
        "report_order",
        "delay",
        REPORTS,
        "by each number's own delay, or as submitted",
        ("delay", "submit"),
    ),
    Switch("status_numbers", {}, REPORTS, "statuses of given numbers", ({},), **texts_by_text()),
    Switch("push", "on", REPORTS, "off: what falls due waits until it is on again", ("on", "off")),
    Switch("push_connections", 8, REPORTS, "connections to a receiver, per account", (8, 1), **whole(1)),
    Switch(
        "push_timeout_s",
        10.0,
        REPORTS,
        "time for a receiver's answer, real seconds",
        (10.0, 0.2),
        **seconds(0, above=True),
    ),
    Switch(
        "push_backoff_s",
        1.0,
        REPORTS,
        "pause before a repetition, doubled each time, simulated seconds",
        (1.0, 0.01),
        **seconds(),
    ),
    Switch(
        "push_attempts_max",
        10,
        REPORTS,
        "most pushes of one report or message, if push_retry repeats them",
        (10, 2),
        **whole(1),
    ),
)
