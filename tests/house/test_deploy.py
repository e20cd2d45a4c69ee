"""What compose.yaml mounts is read by the code that will read it there; what monitoring asks for is in the metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client.parser import text_string_to_metric_families

from dispatcher.config.file import load
from dispatcher.log.opening import KafkaUrl, read_url
from dispatcher.vendors.seam.vendor import HttpVendor
from loadtest.sim.config import read
from producers.metrics.exposition import exposition
from tests.producers.metrics.whole import NOW_MS, figures

DEPLOY = Path(__file__).parents[2] / "deploy"
_SELECTOR = re.compile(r"\b((?:dispatcher|process)_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
ADDED_BY_PROMETHEUS = {"instance", "job"}


def test_the_roles_configuration_names_kafka_and_the_simulated_vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_PSWD", "secret")
    config = load(DEPLOY / "dispatcher.toml")
    log = read_url(config.log.url)
    assert isinstance(log, KafkaUrl)
    assert log.bootstrap == "kafka:9092"
    assert config.account("demo").url == "http://vendor:9101"


def test_the_simulated_vendor_knows_the_account_and_pushes_to_web(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_PSWD", "secret")
    ours = load(DEPLOY / "dispatcher.toml").account("demo")
    account = read(DEPLOY / "simulator.toml").accounts["demo"]
    assert (account.account, account.pswd) == (ours.account, str(ours.pswd))  # type: ignore[attr-defined]
    assert (account.receiver, account.receiver_pswd) == (ours.receiver, str(ours.push_pswd))  # type: ignore[attr-defined]
    assert isinstance(ours, HttpVendor)
    assert not ours.takes_pushes_from_anybody
    assert account.report_url == "http://web:8080/push/demo/report"


# --- monitoring -------------------------------------------------------------------------------------------------------


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load((DEPLOY / "prometheus-rules.yml").read_text("utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DEPLOY / "grafana-dashboard.json").read_text("utf-8"))["panels"]
    return found


def asked() -> list[tuple[str, str]]:
    """(where, expression) of every rule and panel."""
    alerts = [(rule["alert"], rule["expr"]) for rule in rules()]
    return alerts + [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]


def exposed() -> dict[str, list[dict[str, str]]]:
    """The labels of every series, by the metric's name."""
    metrics, web, _ = figures()
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(exposition(metrics, web, NOW_MS).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(dict(sample.labels))
    return found


@pytest.mark.parametrize(("where", "expression"), asked())
def test_every_metric_and_label_that_monitoring_asks_for_exists(where: str, expression: str) -> None:
    series, selectors = exposed(), _SELECTOR.findall(expression)
    assert selectors
    for name, matchers in selectors:
        assert name in series, where
        for label, how, value in _MATCHER.findall(matchers):
            values = {labels[label] for labels in series[name] if label in labels}
            assert values, (where, label)
            words = [] if value.startswith("$") else value.split("|") if "~" in how else [value]
            assert set(words) <= values, (where, label)


def test_every_label_that_an_alert_names_is_one_of_its_metrics() -> None:
    series = exposed()
    for rule in rules():
        [name, *_] = [name for name, _ in _SELECTOR.findall(rule["expr"])]
        named = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        assert named <= set().union(*series[name]) | ADDED_BY_PROMETHEUS, rule["alert"]


def test_alerts_and_panels_have_names_of_their_own_and_say_what_to_do() -> None:
    alerts = [rule["alert"] for rule in rules()]
    assert len(alerts) == len(set(alerts))
    assert all(rule["annotations"].keys() == {"summary", "action"} for rule in rules())
    assert {rule["labels"]["severity"] for rule in rules()} == {"critical", "warning"}
    assert len({panel["id"] for panel in panels()}) == len(panels())
