"""Whole campaigns on a real Kafka broker: the same suites as on SQLite."""

from __future__ import annotations

import pytest

from tests.e2e.contract_campaigns import CampaignContract
from tests.e2e.contract_crashes import CrashContract
from tests.e2e.contract_failover import FailoverContract
from tests.e2e.contract_inbound import InboundContract
from tests.e2e.contract_streams import StreamContract
from tests.e2e.contract_vendor import VendorContract
from tests.e2e.contract_week import WeekContract


class OnKafka:
    @pytest.fixture
    def log_url(self, kafka_bootstrap: str, kafka_prefix: str) -> str:
        return f"kafka://{kafka_bootstrap}/{kafka_prefix}.?session_s=6"


class TestCampaignsOnKafka(OnKafka, CampaignContract):
    """Lists, pausing, cancelling, weights, urgency."""


class TestCrashesOnKafka(OnKafka, CrashContract):
    """Stops and kills."""


class TestVendorOnKafka(OnKafka, VendorContract):
    """A vendor that misbehaves."""


class TestFailoverOnKafka(OnKafka, FailoverContract):
    """An account stops, and the next one goes on."""


class TestInboundOnKafka(OnKafka, InboundContract):
    """Messages from phones, and who opts out."""


class TestStreamsOnKafka(OnKafka, StreamContract):
    """Messages one by one."""


class TestWeekOnKafka(OnKafka, WeekContract):
    """A week of a team."""
