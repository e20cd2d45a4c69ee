"""The names of all metrics, and the figures as Prometheus reads them. Decides nothing.

dispatcher/service/reports/metrics.py has the figures of campaigns and accounts; the web server counts its own.

Labels are accounts of the configuration, at most CAMPAIGNS_MAX campaigns, and words of closed lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector

from dispatcher.core.results.equation import TERMS, Counts
from dispatcher.service.reports.metrics import HOLD_WHYS, STOP_WHYS, Metrics
from producers.web.server import ConnectionCounts
from producers.webhooks.receiving import WebhookCounts
from producers.webhooks.server import PushFigures

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
OTHERS: Final = "(other)"
"""The label of all other campaigns and accounts; no id can be that."""

NOT_REFUSALS: Final = ("open", "accepted", "closed_for_room", "streams", "streams_cut")
"""The counts of connections that are metrics of their own; the others are reasons of refusals."""
PUSH_ROWS: Final = ("reports", "inbound", "left_over", "dead")
NOT_PUSH_RESULTS: Final = ("pushes", "waiting", "unknown_path", *PUSH_ROWS)
"""The counts of pushes that are no result of one."""

ACCOUNT_GAUGES: Final = (
    ("allowed_per_second", "allowed_per_s", "Messages per second that it may send; absent: no limit."),
    ("sent_per_second", "sent_per_s", "Messages handed to the vendor per second, in the last seconds."),
    ("queue_messages", "queued_messages", "Messages that are queued or under way; their credit is needed."),
    ("credit_messages", "credit", "Credit in messages, as the vendor said last; absent: unknown."),
    ("credit_age_seconds", "credit_age_s", "Time since the vendor said the credit."),
    ("credit_lasts_seconds", "credit_lasts_s", "How long the credit lasts at the rate of now."),
)
"""(The end of the metric's name, the field of AccountFigures, what it means.)"""
CAMPAIGN_GAUGES: Final = (
    ("sent_per_second", "sent_per_s", "Recipients handed to vendors per second since the last look."),
    ("allowed_per_second", "allowed_per_s", "Recipients per second that its accounts allow; absent: no limit."),
    ("left_seconds", "left_s", "How long sending will still take; absent: not known."),
    ("left_at_closing_recipients", "left_at_closing", "Recipients that its hours will leave unsent."),
)
"""The same of CampaignFigures."""
CALLBACK_GAUGES: Final = (
    ("lag_records", "lag", "Records on the log that the callback has not passed."),
    ("failing_events", "failing", "Events that are tried again."),
    ("aside_events", "aside", "Events that were given up after a day."),
    ("stopped", "stopped", "1: the receiver wants no more."),
)
"""The same of CallbackFigures."""


class WebFigures(msgspec.Struct, frozen=True):
    """What the web server of this process counts; `pushes` None: it takes none."""

    connections: ConnectionCounts
    held_bytes: int
    pushes: PushFigures | None


def exposition(metrics: Metrics | None, web: WebFigures, now_ms: int) -> bytes:
    """Everything in Prometheus' text format. `metrics` None: log or results could not be read."""
    return generate_latest(_Families([*families(metrics, web, now_ms), *ProcessCollector(registry=None).collect()]))


def families(metrics: Metrics | None, web: WebFigures, now_ms: int) -> Iterator[Metric]:
    """Every metric, also those without a sample now."""
    yield GaugeMetricFamily(
        "dispatcher_figures_known", "1: log and results could be read.", value=float(metrics is not None)
    )
    yield from _campaigns(metrics)
    yield from _accounts(metrics)
    yield from _results(metrics)
    yield from _alerts(metrics)
    yield from _callbacks(metrics)
    yield from _connections(web)
    yield from _pushes(web.pushes, now_ms)


class _Families:
    """What a registry collects."""

    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found


def _equation(of: str, rows: Iterable[tuple[Sequence[str], Counts]], *labels: str) -> Iterator[Metric]:
    left = GaugeMetricFamily(f"dispatcher{of}_rows", "Rows: the left side of the equation.", labels=labels)
    right = GaugeMetricFamily(
        f"dispatcher{of}_rows_by_term", "Rows by term: the right side of the equation.", labels=[*labels, "term"]
    )
    for names, counts in rows:
        left.add_metric(names, counts.rows)
        for term in TERMS:
            right.add_metric([*names, term], getattr(counts, term))
    yield from (left, right)


def _campaigns(metrics: Metrics | None) -> Iterator[Metric]:
    shown = () if metrics is None else metrics.campaigns
    rows: list[tuple[Sequence[str], Counts]] = [([each.campaign], each.counts) for each in shown]
    if metrics is not None:
        rows.append(([OTHERS], metrics.others))
    yield from _equation("", [] if metrics is None else [((), metrics.counts)])
    yield from _equation("_campaign", rows, "campaign")
    for name, field, says in CAMPAIGN_GAUGES:
        samples = [(each.campaign, getattr(each, field)) for each in shown]
        yield _gauges(f"dispatcher_campaign_{name}", says, "campaign", samples)
    held = GaugeMetricFamily(
        "dispatcher_campaign_held", "1: nothing of it is sent now, for this reason.", labels=["campaign", "why"]
    )
    for each in shown:
        for why in HOLD_WHYS:
            held.add_metric([each.campaign, why], float(each.hold == why))
    yield held
    statuses = GaugeMetricFamily("dispatcher_campaigns", "Campaigns by status.", labels=["status"])
    for status, number in {} if metrics is None else metrics.statuses.items():
        statuses.add_metric([status], number)
    yield statuses
    yield _gauge("dispatcher_other_campaigns", f'Campaigns that are together "{OTHERS}".', metrics, "others_number")
    yield _gauge("dispatcher_equations_broken", "Campaigns whose equation does not hold.", metrics, "broken")


def _accounts(metrics: Metrics | None) -> Iterator[Metric]:
    shown = () if metrics is None else metrics.accounts
    rows: list[tuple[Sequence[str], Counts]] = [([each.account], each.counts) for each in shown]
    if metrics is not None:
        rows.append(([OTHERS], metrics.former))
    yield from _equation("_account", rows, "account")
    for name, field, says in ACCOUNT_GAUGES:
        samples = [(each.account, getattr(each, field)) for each in shown]
        yield _gauges(f"dispatcher_account_{name}", says, "account", samples)
    stopped = GaugeMetricFamily(
        "dispatcher_account_stopped", "1: it sends nothing now, for this reason.", labels=["account", "why"]
    )
    held = GaugeMetricFamily(
        "dispatcher_account_held_recipients", "Recipients that wait for this reason.", labels=["account", "why"]
    )
    for each in shown:
        for why in STOP_WHYS:
            stopped.add_metric([each.account, why], float(why in each.stops))
            held.add_metric([each.account, why], each.held.get(why, 0))
    yield from (stopped, held)


def _results(metrics: Metrics | None) -> Iterator[Metric]:
    behind = GaugeMetricFamily(
        "dispatcher_results_behind_records", "Records on the log that are not in the results yet.", labels=["topic"]
    )
    for topic, records in {} if metrics is None else metrics.behind.items():
        behind.add_metric([topic], records)
    yield behind
    says = "Records that were on the log at the look before, and are still not in the results."
    yield _gauge("dispatcher_results_late_records", says, metrics, "late")
    polls = GaugeMetricFamily(
        "dispatcher_poll_age_seconds", "Time since a poll of this process was answered.", labels=["account", "poll"]
    )
    for of, age_s in {} if metrics is None else metrics.poll_ages_s.items():
        polls.add_metric(of, age_s)
    yield polls


def _alerts(metrics: Metrics | None) -> Iterator[Metric]:
    found = GaugeMetricFamily("dispatcher_alerts", "Alerts on the overview of the console.", labels=["kind"])
    for kind, number in {} if metrics is None else metrics.alerts.items():
        found.add_metric([kind], number)
    yield found


def _callbacks(metrics: Metrics | None) -> Iterator[Metric]:
    shown = () if metrics is None else metrics.callbacks
    for name, field, says in CALLBACK_GAUGES:
        samples = [(each.callback, float(getattr(each, field))) for each in shown]
        yield _gauges(f"dispatcher_callback_{name}", says, "callback", samples)


def _connections(web: WebFigures) -> Iterator[Metric]:
    counts = web.connections
    yield GaugeMetricFamily("dispatcher_web_connections", "Open connections.", value=counts.open)
    yield GaugeMetricFamily("dispatcher_web_streams", "Streamed answers under way.", value=counts.streams)
    yield GaugeMetricFamily("dispatcher_web_held_bytes", "Bytes of requests that are held.", value=web.held_bytes)
    for name, says, count in (
        ("accepted", "Connections that got a place.", counts.accepted),
        ("closed_for_room", "Connections that were closed to make room.", counts.closed_for_room),
        ("streams_cut", "Streamed answers that ended early.", counts.streams_cut),
    ):
        yield CounterMetricFamily(f"dispatcher_web_{name}", says, value=count)
    yield _counters("dispatcher_web_refusals", "Refused connections and requests.", "why", counts, NOT_REFUSALS)


def _pushes(pushes: PushFigures | None, now_ms: int) -> Iterator[Metric]:
    counts = WebhookCounts() if pushes is None else pushes.counts
    yield CounterMetricFamily("dispatcher_pushes", "Pushes to a path of an account.", value=counts.pushes)
    yield GaugeMetricFamily("dispatcher_pushes_waiting", "Pushes that wait for the log.", value=counts.waiting)
    yield _counters("dispatcher_push_results", "Pushes by result.", "result", counts, NOT_PUSH_RESULTS)
    yield CounterMetricFamily(
        "dispatcher_push_unknown_paths",
        "Requests to /push/ paths of no account.",
        value=counts.unknown_path,
    )
    rows = CounterMetricFamily("dispatcher_push_rows", "What pushes carried.", labels=["kind"])
    for kind in PUSH_ROWS:
        rows.add_metric([kind], getattr(counts, kind))
    yield rows
    ages = GaugeMetricFamily(
        "dispatcher_push_age_seconds", "Time since this process took a push.", labels=["account", "kind"]
    )
    for of, taken_ms in {} if pushes is None else pushes.taken_ms.items():
        ages.add_metric(of, max(0.0, (now_ms - taken_ms) / 1000))
    yield ages
    works = float(pushes is None or pushes.log_works)
    yield GaugeMetricFamily("dispatcher_pushes_durable", "1: the log took the last push.", value=works)


def _gauge(name: str, says: str, metrics: Metrics | None, field: str) -> Metric:
    return GaugeMetricFamily(name, says, value=None if metrics is None else getattr(metrics, field))


def _gauges(name: str, says: str, label: str, samples: Iterable[tuple[str, float | None]]) -> Metric:
    found = GaugeMetricFamily(name, says, labels=[label])
    for value, figure in samples:
        if figure is not None:
            found.add_metric([value], figure)
    return found


def _counters(name: str, says: str, label: str, counts: msgspec.Struct, but: Sequence[str]) -> Metric:
    """A counter for each field of the counts but these."""
    found = CounterMetricFamily(name, says, labels=[label])
    fields: Mapping[str, int] = msgspec.structs.asdict(counts)
    for field, count in fields.items():
        if field not in but:
            found.add_metric([field.replace("_", "-")], count)
    return found
