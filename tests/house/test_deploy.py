"""What compose.yaml mounts is read by the code that will read it there."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.config.file import load
from dispatcher.log.opening import KafkaUrl, read_url
from dispatcher.vendors.seam.vendor import HttpVendor
from loadtest.sim.config import read

DEPLOY = Path(__file__).parents[2] / "deploy"


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
