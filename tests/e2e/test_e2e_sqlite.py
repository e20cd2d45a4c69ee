"""Whole campaigns on the SQLite log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.contract_campaigns import CampaignContract
from tests.e2e.contract_crashes import CrashContract
from tests.e2e.contract_failover import FailoverContract
from tests.e2e.contract_inbound import InboundContract
from tests.e2e.contract_streams import StreamContract
from tests.e2e.contract_vendor import VendorContract
from tests.e2e.contract_week import WeekContract


class OnSqlite:
    @pytest.fixture
    def log_url(self, tmp_path: Path) -> str:
        return f"sqlite:{tmp_path}/log.db"


class TestCampaignsOnSqlite(OnSqlite, CampaignContract):
    """Lists, pausing, cancelling, weights, urgency."""


class TestCrashesOnSqlite(OnSqlite, CrashContract):
    """Stops and kills."""


class TestVendorOnSqlite(OnSqlite, VendorContract):
    """A vendor that misbehaves."""


class TestFailoverOnSqlite(OnSqlite, FailoverContract):
    """An account stops, and the next one goes on."""


class TestInboundOnSqlite(OnSqlite, InboundContract):
    """Messages from phones, and who opts out."""


class TestStreamsOnSqlite(OnSqlite, StreamContract):
    """Messages one by one."""


class TestWeekOnSqlite(OnSqlite, WeekContract):
    """A week of a team."""
