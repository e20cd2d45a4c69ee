"""The text for Prometheus: a parser reads it, every figure is in it once, no label is unbounded."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from prometheus_client.parser import text_string_to_metric_families

from dispatcher.core.results.equation import STATUSES, TERMS
from dispatcher.core.schedule.holds import HoldWhy
from dispatcher.service.reports.metrics import ALERT_KINDS, STOP_WHYS
from producers.metrics.exposition import OTHERS, WebFigures, exposition, families
from producers.web.server import ConnectionCounts
from tests.producers.metrics.whole import NOW_MS, figures, without_limit

Sample = tuple[str, dict[str, str], float]


def samples(body: bytes) -> list[Sample]:
    """Ours, without those of the process."""
    found = text_string_to_metric_families(body.decode())
    every = [(sample.name, dict(sample.labels), sample.value) for family in found for sample in family.samples]
    return [each for each in every if each[0].startswith("dispatcher_")]


def test_every_figure_is_there_once() -> None:
    metrics, web, numbers = figures()
    values = [value for _, _, value in samples(exposition(metrics, web, NOW_MS)) if value > 1]
    assert sorted(values) == sorted(numbers)


def test_every_metric_has_a_sample_and_no_series_is_there_twice() -> None:
    metrics, web, _ = figures()
    assert all(family.samples for family in families(metrics, web, NOW_MS))
    series = [(name, tuple(sorted(labels.items()))) for name, labels, _ in samples(exposition(metrics, web, NOW_MS))]
    assert len(series) == len(set(series))


def test_labels_are_names_of_the_configuration_shown_campaigns_and_closed_lists() -> None:
    metrics, web, _ = figures()
    closed: dict[str, set[str]] = {
        "account": {"spring", OTHERS},
        "campaign": {"may", OTHERS},
        "term": set(TERMS),
        "status": {*STATUSES},
        "topic": {"lanes"},
        "poll": {"report"},
        "kind": {"reports", "inbound", "left_over", "dead", *ALERT_KINDS},
        "callback": {"shop"},
        "result": {"taken", "strangers", "junk", "wrong-method", "too-large", "too-fast", "too-many", "no-room"}
        | {"broken-off", "our-fault", "log-failed"},
    }
    whys: dict[str, set[str]] = {"campaign": set(get_args(HoldWhy)), "account": set(STOP_WHYS)}
    refusals = {"too-many-connections", "too-many-of-one-address", "out-of-files", "no-handshake", "too-slow"}
    refusals |= {"too-many-bytes", "malformed", "unknown-path"}
    for name, labels, _ in samples(exposition(metrics, web, NOW_MS)):
        for label, value in labels.items():
            if label == "why":
                assert value in next((words for each, words in whys.items() if each in labels), refusals), name
            else:
                assert value in closed[label], name


def test_the_terms_of_every_equation_are_there() -> None:
    metrics, web, _ = figures()
    found = samples(exposition(metrics, web, NOW_MS))
    for of, labels in (("", {}), ("_account", {"account": "spring"}), ("_campaign", {"campaign": "may"})):
        terms = [
            said["term"] for name, said, _ in found if name == f"dispatcher{of}_rows_by_term" and said | labels == said
        ]
        assert terms == list(TERMS)
        assert any(name == f"dispatcher{of}_rows" and said == labels for name, said, _ in found)


def test_a_reason_is_one_and_the_others_are_zero() -> None:
    metrics, web, _ = figures()
    found = samples(exposition(metrics, web, NOW_MS))
    for name, why, number in (("account_stopped", "login", len(STOP_WHYS)), ("campaign_held", "wave", 7)):
        reasons = {labels["why"]: value for of, labels, value in found if of == f"dispatcher_{name}"}
        assert (reasons.pop(why), set(reasons.values()), len(reasons)) == (1, {0}, number - 1)


def test_what_is_not_known_has_no_sample() -> None:
    metrics, web, _ = figures()
    found = {name for name, _, _ in samples(exposition(without_limit(metrics), web, NOW_MS))}
    assert not {name for name in found if "account_allowed" in name or "credit" in name}
    assert "dispatcher_account_sent_per_second" in found


def test_without_log_or_results_the_server_is_shown_alone() -> None:
    metrics, web, _ = figures()
    known = dict.fromkeys(name for name, _, _ in samples(exposition(metrics, web, NOW_MS)))
    found = samples(exposition(None, web, NOW_MS))
    assert next(value for name, _, value in found if name == "dispatcher_figures_known") == 0
    names = {name for name, _, _ in found}
    assert {"dispatcher_web_connections", "dispatcher_pushes_total"} < names < known.keys()
    assert not any("account" in labels for name, labels, _ in found if name != "dispatcher_push_age_seconds")


def test_a_server_without_pushes_has_zeros() -> None:
    web = WebFigures(ConnectionCounts(), 0, None)
    found = {name: value for name, _, value in samples(exposition(None, web, NOW_MS))}
    assert (found["dispatcher_pushes_total"], found["dispatcher_pushes_durable"]) == (0, 1)


def test_every_metric_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "METRICS.md").read_text("utf-8")
    metrics, web, _ = figures()
    shown = {family.name.removeprefix("dispatcher_") for family in families(metrics, web, NOW_MS)}
    assert {name for name in shown if f"`{name}" not in page} == set()
