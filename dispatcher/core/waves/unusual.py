"""Whether more recipients of a campaign fail than its account's campaigns have shown: a test for any moment. Pure.

The evidence is that of sequential.py: recipients that were sent are its trials, and one without a report counts as not
failed. So at most a share ALPHA of healthy campaigns is ever found unusual, however often one looks.

Weak spot: a rate that is lower than usual is not found, because failures are often reported last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from dispatcher.core.results.equation import Counts
from dispatcher.core.waves.learnt import UNLEARNT
from dispatcher.core.waves.sequential import Learnt, Peak, log_evidence

ALPHA: Final = 0.005
"""The share of healthy campaigns that are found unusual by mistake."""
FAILED_MIN: Final = 10
"""Fewer failures are not reported, however unlikely they are."""


class UnusualRate(msgspec.Struct, frozen=True, kw_only=True):
    """Of `sent` recipients on this account `failed` did; usually a share `usual` fails there."""

    account: str
    sent: int
    failed: int
    usual: float


def unusual_rate(accounts: Mapping[str, Counts], learnt: Mapping[str, Learnt]) -> UnusualRate | None:
    """The account with the strongest evidence that the campaign fails more than usual there; None if no one has enough.

    `accounts`: the campaign's counts; `learnt`: what earlier campaigns have shown.
    """
    found: list[tuple[float, UnusualRate]] = []
    for name, counts in accounts.items():
        sent = counts.accepted + counts.delivered + counts.failed + counts.no_report
        expected = learnt.get(name, UNLEARNT)
        if counts.failed < FAILED_MIN or counts.failed <= expected.mean * sent:
            continue
        evidence = float(log_evidence(sent, counts.failed, expected))
        if Peak(sent, counts.failed, evidence).exceeds(ALPHA / len(accounts)):
            rate = UnusualRate(account=name, sent=sent, failed=counts.failed, usual=expected.mean)
            found.append((evidence, rate))
    return max(found, key=lambda each: each[0])[1] if found else None
