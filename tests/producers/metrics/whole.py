"""Figures in which everything has a sample and every number occurs once."""

from __future__ import annotations

from itertools import count
from typing import Any

import msgspec

from dispatcher.core.results.equation import STATUSES, Counts
from dispatcher.service.reports.metrics import AccountFigures, CallbackFigures, CampaignFigures, Metrics
from producers.metrics.exposition import WebFigures
from producers.web.server import ConnectionCounts
from producers.webhooks.receiving import WebhookCounts
from producers.webhooks.server import PushFigures

NOW_MS = 1_000_000


def figures() -> tuple[Metrics, WebFigures, set[float]]:
    """What the services say, what the server says, and every number in them."""
    numbers = count(1_001)
    used: set[float] = set()

    def new() -> int:
        used.add(float(number := next(numbers)))
        return number

    def filled(kind: Any) -> Any:
        return kind(**{field: new() for field in kind.__struct_fields__})

    account = AccountFigures(
        account="spring",
        counts=filled(Counts),
        allowed_per_s=new(),
        sent_per_s=new(),
        queued_messages=new(),
        credit=new(),
        credit_age_s=new(),
        credit_lasts_s=new(),
        stops=frozenset(["login"]),
        held={"busy": new()},
    )
    campaign = CampaignFigures(
        campaign="may",
        counts=filled(Counts),
        sent_per_s=new(),
        allowed_per_s=new(),
        left_s=new(),
        left_at_closing=new(),
        hold="wave",
    )
    metrics = Metrics(
        counts=filled(Counts),
        broken=new(),
        statuses={status: new() for status in STATUSES},
        behind={"lanes": new()},
        late=new(),
        accounts=(account,),
        former=filled(Counts),
        campaigns=(campaign,),
        others=filled(Counts),
        others_number=new(),
        poll_ages_s={("spring", "report"): new()},
        alerts={"failing": new()},
        callbacks=(CallbackFigures(callback="shop", lag=new(), failing=new(), aside=new(), stopped=False),),
    )
    taken_ms = {("spring", "inbound"): NOW_MS - 1000 * new()}
    pushes = PushFigures(filled(WebhookCounts), True, taken_ms)
    return metrics, WebFigures(filled(ConnectionCounts), new(), pushes), used


def without_limit(metrics: Metrics) -> Metrics:
    """The same with an account of which little is known."""
    unknown = dict.fromkeys(("allowed_per_s", "credit", "credit_age_s", "credit_lasts_s"))
    return msgspec.structs.replace(metrics, accounts=(msgspec.structs.replace(metrics.accounts[0], **unknown),))
